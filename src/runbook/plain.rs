//! Runbooks without front matter, as teams already have them: Meaning, Impact, Diagnosis, Mitigation.
//!
//! INVARIANT: they have no steps, so they can be recommended and never run.

use std::collections::{BTreeMap, BTreeSet};

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

pub(crate) fn read(file: &str, text: &str, digest: Digest) -> Result<Sheet, Finding> {
    let headings =
        || text.lines().enumerate().filter_map(|(index, line)| Some((index, line.strip_prefix('#')?.trim_start_matches('#').trim())));
    let usual = |heading: &str| HEADINGS.contains(&heading.to_ascii_lowercase().as_str());
    let Some((line, title)) = headings().find(|(_, heading)| !heading.is_empty() && !usual(heading)) else {
        let finding = Finding::error(file, Place::TOP, Rule::NoTitle, "no front matter, and no heading that could be its title");
        return Err(finding.hint("start with `# AlertName`, or with front matter between `---` lines"));
    };
    if !headings().any(|(_, heading)| usual(heading)) {
        let finding = Finding::error(file, Place::TOP, Rule::NoTitle, "no front matter, and none of the usual headings");
        return Err(finding.hint("use `## Meaning`, `## Impact`, `## Diagnosis`, `## Mitigation`, or add front matter"));
    }
    let at = Place { line: line as u64 + 1, column: 1 };
    let id = RunbookId::new(slug(title)).map_err(|why| Finding::error(file, at, Rule::NoTitle, why.to_string()))?;
    // Only a single word can be an alert's name; a sentence as title triggers nothing.
    let alertnames: BTreeSet<String> = (!title.contains(char::is_whitespace)).then(|| title.to_owned()).into_iter().collect();
    let places =
        Places { id: at, owner: at, reviewed: at, alertnames: alertnames.iter().map(|n| (n.clone(), at)).collect(), ..Places::default() };
    let runbook = Runbook {
        id,
        title: title.to_owned(),
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
        steps: Vec::new(),
        examples: Examples::default(),
        body: text.trim().to_owned(),
        digest,
    };
    Ok(Sheet { file: file.to_owned(), runbook, irreversible: false, places, compiled: std::sync::Arc::default() })
}

/// `KubePodCrashLooping` → `kube-pod-crash-looping`.
fn slug(title: &str) -> String {
    let words = super::words::split(title);
    let mut slug = String::new();
    for word in words {
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
