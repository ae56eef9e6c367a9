//! Our plain comment in the forms that help desks take: plain, HTML, Markdown, Atlassian's document.
//!
//! Everything in a comment may have come from a ticket, so each form escapes what its reader would act on. A line that
//! is an `http` URL alone becomes a link, and nothing else does.
// INVARIANT: the mark stands unescaped on a line of its own; in Markdown nobody sees it.

use serde_json::{Value, json};

/// Where text stays text.
pub(super) fn plain(comment: &str, mark: &str) -> String {
    format!("{comment}\n\n{mark}")
}

/// For help desks whose comments are HTML.
pub(super) fn html(comment: &str, mark: &str) -> String {
    let lines: Vec<String> = comment
        .lines()
        .map(|line| match link(line) {
            Some(url) => format!("<a href=\"{0}\">{0}</a>", escape_html(url)),
            None => escape_html(line),
        })
        .collect();
    // Lines in the source, too: the mark has its own where a help desk hands the HTML out as it is.
    format!("{}<br>\n<br>\n{}\n", lines.join("<br>\n"), escape_html(mark))
}

/// For GitHub and GitLab: no mention, no reference, no quick action, no image comes out of it.
pub(super) fn markdown(comment: &str, mark: &str) -> String {
    let lines: Vec<String> = comment
        .lines()
        .map(|line| match (link(line), line.strip_prefix("- ")) {
            (Some(url), _) => format!("<{url}>"),
            (None, Some(item)) => format!("- {}", escape_markdown(item)),
            (None, None) => escape_markdown(line),
        })
        .collect();
    // Two blanks break the line where a single newline would not.
    format!("{}\n\n<!-- {mark} -->", lines.join("  \n"))
}

/// Atlassian Document Format, version 1.
pub(super) fn atlassian(comment: &str, mark: &str) -> Value {
    let paragraph = |line: &str| {
        if line.trim().is_empty() {
            return json!({"type": "paragraph", "content": []});
        }
        let mut text = json!({"type": "text", "text": line});
        if let Some(url) = link(line) {
            text["marks"] = json!([{"type": "link", "attrs": {"href": url}}]);
        }
        json!({"type": "paragraph", "content": [text]})
    };
    let content: Vec<Value> = comment.lines().chain([mark]).map(paragraph).collect();
    json!({"type": "doc", "version": 1, "content": content})
}

fn link(line: &str) -> Option<&str> {
    let url = line.trim();
    let http = url.starts_with("https://") || url.starts_with("http://");
    (http && url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>`\\".contains(&byte))).then_some(url)
}

fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// CommonMark 0.31, section 2.4: a backslash before ASCII punctuation makes it a character like any other. Mentions and
/// references are looked for after that, in the rendered text; an empty comment inside breaks them.
fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for (place, character) in text.trim_start().chars().enumerate() {
        match character {
            '@' | '#' | '!' | '~' | '&' | '$' | '%' => {
                escaped.push('\\');
                escaped.push(character);
                escaped.push_str("<!-- -->");
            }
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '|' | '^' | '=' => escaped.extend(['\\', character]),
            // At the start of a line: headings, lists, GitLab's quick actions.
            '/' | '-' | '+' if place == 0 => escaped.extend(['\\', character]),
            ':' if text.contains("://") => escaped.push_str(":<!-- -->"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "[sluicegate:out_1]";

    #[test]
    fn each_form_carries_the_words_the_link_and_the_mark() {
        let comment = "Triage: a < b.\n- host: x_1\nhttps://s.example/v1/tickets/tkt_1";
        assert_eq!(plain(comment, MARK), format!("{comment}\n\n{MARK}"));
        assert_eq!(
            html(comment, MARK),
            "Triage: a &lt; b.<br>\n- host: x_1<br>\n\
             <a href=\"https://s.example/v1/tickets/tkt_1\">https://s.example/v1/tickets/tkt_1</a><br>\n<br>\n[sluicegate:out_1]\n"
        );
        assert_eq!(
            markdown(comment, MARK),
            "Triage: a \\< b.  \n- host: x\\_1  \n<https://s.example/v1/tickets/tkt_1>\n\n<!-- [sluicegate:out_1] -->"
        );
        let document = atlassian(comment, MARK);
        assert_eq!(document["content"][0]["content"][0], json!({"type": "text", "text": "Triage: a < b."}));
        assert_eq!(document["content"][2]["content"][0]["marks"][0]["attrs"]["href"], "https://s.example/v1/tickets/tkt_1");
        assert_eq!(document["content"][3]["content"][0]["text"], MARK);
    }

    #[test]
    fn text_from_a_ticket_commands_nothing_at_the_help_desk() {
        let escape = regex::Regex::new(r"\\.").unwrap();
        for (hostile, not) in [
            ("/close", "\n/close"),
            ("  /close", "/close"),
            ("@everyone look", "@everyone"),
            ("see #12 and !3", "#12"),
            ("![x](https://evil.example/x.png)", "!["),
            ("<img src=x>", "<img"),
            ("[a](https://evil.example)", "[a]"),
            ("go to https://evil.example/x now", "https://evil.example"),
            ("# big", "# big"),
            ("--> hidden", "-->"),
        ] {
            // What an escape takes its meaning from is gone; what is left would act.
            let text = format!("\n{}", markdown(hostile, MARK)).replace("<!-- [sluicegate:out_1] -->", "").replace("<!-- -->", "\0");
            let acting = escape.replace_all(&text, "\0");
            assert!(!acting.contains(not), "{text:?}");
            assert!(!html(hostile, MARK).contains("<img") && !html(hostile, MARK).contains("<a "), "{hostile}");
        }
        for odd in ["https://x.example/\"><script>", "https://x.example/a b", "javascript:alert(1)", "https://x.example/`x`"] {
            assert_eq!(link(odd), None, "{odd}");
        }
    }
}
