//! Long texts cut into overlapping passages, each with the title, so that the model sees what a passage is about.

/// Words of a passage; with the title well under the model's 256 tokens for ordinary prose.
const WORDS: usize = 110;
/// Words that two neighbouring passages share, so that no sentence is only ever seen cut.
const OVERLAP: usize = 20;

/// The passages of `body`, each beginning with `title`; the title alone where there is no body.
///
/// A body that fits is one passage. Whitespace is not kept. Every word of the body is in at least one passage.
pub fn chunks(title: &str, body: &str) -> Vec<String> {
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let words: Vec<&str> = body.split_whitespace().collect();
    let passage = |words: &[&str]| match (title.is_empty(), words.is_empty()) {
        (_, true) => title.clone(),
        (true, _) => words.join(" "),
        _ => format!("{title}. {}", words.join(" ")),
    };
    let mut passages = Vec::new();
    let mut from = 0;
    loop {
        let to = (from + WORDS).min(words.len());
        passages.push(passage(&words[from..to]));
        if to == words.len() {
            return passages;
        }
        from = to - OVERLAP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_in_a_passage_and_every_passage_begins_with_the_title() {
        let words: Vec<String> = (0..500).map(|n| format!("w{n}")).collect();
        let passages = chunks("Disk  full", &words.join(" \n"));
        assert!(passages.iter().all(|passage| passage.starts_with("Disk full. w")));
        assert!(words.iter().all(|word| passages.iter().any(|passage| passage.split(' ').any(|other| other == word))));
        assert!(passages.iter().all(|passage| passage.split(' ').count() <= WORDS + 2));
        assert!(passages[0].ends_with("w109") && passages[1].contains(" w90 "));
    }

    #[test]
    fn a_text_that_fits_is_one_passage_and_a_missing_part_leaves_no_trace() {
        assert_eq!(chunks("t", "a b"), ["t. a b"]);
        assert_eq!(chunks("", "a b"), ["a b"]);
        assert_eq!(chunks("t", " "), ["t"]);
    }
}
