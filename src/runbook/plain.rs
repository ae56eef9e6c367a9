//! Runbooks without front matter, as teams already have them: Meaning, Impact, Diagnosis, Mitigation.
//!
//! INVARIANT: they have no steps, so they can be recommended and never run.

use std::collections::{BTreeMap, BTreeSet};

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use serde::Deserialize;

use super::{
    finding::{Finding, Place, Rule},
    parse::{Places, Sheet},
};
use crate::domain::{
    digest::Digest,
    name::RunbookId,
    priority::Risk,
    runbook::{Examples, Runbook, Triggers},
};

const HEADINGS: [&str; 4] = ["meaning", "impact", "diagnosis", "mitigation"];

/// Pages that stand in a folder of runbooks and are none: the README, and the section pages of site generators.
///
/// `index.md` may also be a runbook in a folder of its own, so it is left out only without any of the usual headings.
pub(crate) fn is_index_page(file: &str, bytes: &[u8]) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
    match name.as_str() {
        "readme.md" | "_index.md" | "summary.md" => true,
        "index.md" => !std::str::from_utf8(bytes).is_ok_and(|text| {
            text.trim_start_matches('\u{feff}').starts_with("---") && text.contains("\nowner:")
                || headings(text).iter().any(|h| usual(&h.text))
        }),
        _ => false,
    }
}

/// The keys of front matter that only a runbook has; other front matter belongs to the generator of a web site.
const OURS: [&str; 13] = [
    "owner",
    "risk",
    "steps",
    "triggers",
    "parameters",
    "examples",
    "applies_to",
    "symptoms",
    "reviewed",
    "review_every",
    "reversible",
    "irreversible",
    "authors",
];

/// True for front matter of Hugo, Jekyll and their like: keys, and none that a runbook has and they have not.
///
/// `id` and `title` do not count, since they use both. Front matter of ours that forgot every other key is then a
/// plain runbook, which is recommended and never run.
pub(crate) fn is_foreign(yaml: &str) -> bool {
    let key = |line: &str| {
        line.split_once(':')
            .map(|(key, _)| key.trim_end().to_owned())
            .filter(|key| !key.is_empty() && !key.starts_with([' ', '#', '-', '\t']))
    };
    let keys: Vec<String> = yaml.lines().filter_map(key).collect();
    // `authors` alone is a blog's; beside nothing else of ours it stays foreign.
    let ours = keys.iter().filter(|key| OURS.contains(&key.as_str())).filter(|key| *key != "authors").count();
    ours == 0 && keys.iter().any(|key| key != "id")
}

#[derive(Debug, Deserialize)]
struct Foreign {
    title: Option<String>,
}

/// A title from foreign front matter, when it is readable.
fn foreign_title(yaml: &str) -> Option<String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_anchors: 0, max_aliases: 0, max_depth: 32, max_nodes: 5_000 },
    };
    let title = serde_saphyr::from_str_with_options::<Foreign>(yaml, options).ok()?.title?;
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    (!title.is_empty()).then_some(title)
}

struct Heading {
    level: HeadingLevel,
    text: String,
    line: u64,
}

fn headings(text: &str) -> Vec<Heading> {
    let mut found = Vec::new();
    let mut open: Option<Heading> = None;
    for (event, range) in Parser::new_ext(text, Options::empty()).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                let line = text.as_bytes()[..range.start].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
                open = Some(Heading { level, text: String::new(), line });
            }
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut open {
                    heading.text.push_str(&part);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(heading) = &mut open {
                    heading.text.push(' ');
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let text =
                    open.take().map(|heading| Heading { text: heading.text.split_whitespace().collect::<Vec<_>>().join(" "), ..heading });
                found.extend(text.filter(|heading| !heading.text.is_empty()));
            }
            _ => {}
        }
    }
    found
}

fn usual(heading: &str) -> bool {
    HEADINGS.contains(&heading.trim_end_matches(':').to_ascii_lowercase().as_str())
}

/// `KubePodCrashLooping`: one word with humps, as alerts are named.
fn is_alert_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && word.chars().skip(1).any(|c| c.is_ascii_uppercase())
        && word.chars().any(|c| c.is_ascii_lowercase())
}

/// `yaml` is front matter that is not ours and stands above `body`, `above` lines of it.
pub(crate) fn read(file: &str, yaml: Option<&str>, body: &str, above: u64, digest: Digest) -> Result<Sheet, Finding> {
    let found = headings(body);
    let first = found.iter().find(|heading| heading.level == HeadingLevel::H1 && !usual(&heading.text));
    let other = || found.iter().find(|heading| !usual(&heading.text));
    // Site generators take the page's title from its front matter, and teams then leave the heading out.
    let named = yaml.and_then(foreign_title);
    let stem = file.rsplit('/').next().and_then(|name| name.strip_suffix(".md")).unwrap_or_default();
    let stem = if stem.eq_ignore_ascii_case("index") { file.rsplit('/').nth(1).unwrap_or_default() } else { stem };
    let (title, line) = match (first, named, other()) {
        (Some(heading), ..) => (heading.text.clone(), above + heading.line),
        (None, Some(title), _) => (title, 1),
        (None, None, Some(heading)) => (heading.text.clone(), above + heading.line),
        // All its headings are the usual ones: such files are named after their alert.
        (None, None, None) if !found.is_empty() && !stem.is_empty() => (stem.to_owned(), 1),
        (None, None, None) => {
            let finding = Finding::error(file, Place::TOP, Rule::NoTitle, "no front matter, and no heading that could be its title");
            return Err(finding.hint("start with `# AlertName`, or with front matter between `---` lines"));
        }
    };
    let at = Place { line, column: 1 };
    let title: String = title.chars().filter(|c| !c.is_control()).take(200).collect();
    if body.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        let finding = Finding::error(file, at, Rule::NoTitle, format!("nothing stands below the heading `{title}`"));
        return Err(finding.hint("write what to do, or remove the file"));
    }
    let id = [title.as_str(), stem].iter().find_map(|text| RunbookId::new(slug(text)).ok()).ok_or_else(|| {
        let message = format!("no id can be made of the title `{title}` or the file's name: it takes letters a to z or digits");
        Finding::error(file, at, Rule::NoTitle, message).hint("add front matter with an `id`")
    })?;
    // Only a single word can be an alert's name; a sentence as title triggers nothing. Files are often named so too.
    let alertnames: BTreeSet<String> =
        [Some(title.as_str()).filter(|title| !title.contains(char::is_whitespace)), Some(stem).filter(|stem| is_alert_name(stem))]
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect();
    let places =
        Places { id: at, owner: at, reviewed: at, alertnames: alertnames.iter().map(|n| (n.clone(), at)).collect(), ..Places::default() };
    let runbook = Runbook {
        id,
        title,
        owner: String::new(),
        authors: BTreeSet::new(),
        reviewed: None,
        review_every: None,
        triggers: Triggers { alertnames, ..Triggers::default() },
        symptoms: Vec::new(),
        categories: BTreeSet::new(),
        parameters: BTreeMap::new(),
        // Nobody classed it; it has no steps, and a person reads it.
        risk: Risk::High,
        reversible: false,
        time_limit: Runbook::USUAL_TIME_LIMIT,
        steps: Vec::new(),
        examples: Examples::default(),
        body: body.trim().to_owned(),
        digest,
    };
    Ok(Sheet { file: file.to_owned(), runbook, irreversible: false, places, compiled: std::sync::Arc::default() })
}

/// `KubePodCrashLooping` → `kube-pod-crash-looping`.
pub(crate) fn slug(title: &str) -> String {
    let words = super::words::split(title);
    let mut slug = String::new();
    for word in words {
        let word: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
        if word.is_empty() {
            continue;
        }
        if slug.len() + word.len() + 1 > 64 {
            break;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.push_str(&word);
    }
    slug
}
