//! The annotations of the operator's own alert rules, so that a rendered text gives its labels back.
//!
//! Reads Prometheus rule files and `PrometheusRule` resources at load; looks at alert names and annotations, never
//! at an expression. A rule that cannot be read backwards is left out; a file that is no rule file is an error.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    alert_template::AlertTemplate,
    finding::{Finding, Place, Rule},
    query::Query,
};
use crate::domain::{classification::Field, digest::Digest};

const LARGEST_FILE: u64 = 8 * 1024 * 1024;
const DEEPEST: usize = 8;

/// Templates by the name of their alert.
#[derive(Debug, Clone, Default)]
pub struct AlertRules {
    by_alert: BTreeMap<String, Vec<AlertTemplate>>,
    files: BTreeMap<String, Digest>,
}

/// A label's value as an annotation printed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Printed {
    pub value: String,
    pub field: Field,
    pub range: Range<usize>,
    pub alert: String,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    groups: Vec<Group>,
    spec: Option<Spec>,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(default)]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    rules: Vec<Alert>,
}

#[derive(Deserialize)]
struct Alert {
    alert: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl AlertRules {
    /// The rules in `paths`, each a file or a folder of `*.yml` and `*.yaml`.
    ///
    /// # Errors
    /// A finding for every file that cannot be read or is no rule file.
    pub fn read(paths: &[PathBuf]) -> Result<Self, Vec<Finding>> {
        let (mut rules, mut findings, mut files) = (Self::default(), Vec::new(), BTreeSet::new());
        for path in paths {
            if let Err(why) = rule_files(path, 0, &mut files) {
                findings.push(bad(path, format!("cannot read the alert rules: {why}")));
            }
        }
        for file in files {
            if let Err(why) = rules.file(&file) {
                findings.push(bad(&file, why));
            }
        }
        if findings.is_empty() { Ok(rules) } else { Err(findings) }
    }

    fn file(&mut self, path: &Path) -> Result<(), String> {
        let unreadable = |why: std::io::Error| format!("cannot read the alert rules: {why}");
        if path.metadata().map_err(unreadable)?.len() > LARGEST_FILE {
            return Err(format!("the alert rules have more than {LARGEST_FILE} bytes"));
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| "the alert rules are not UTF-8".to_owned())?;
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_depth: 32, max_nodes: 500_000 },
        };
        let documents: Vec<File> = serde_saphyr::from_multiple_with_options(text, options).map_err(|why| {
            let why = why.without_snippet().render();
            format!("no rule file: {}", why.lines().next().unwrap_or_default().trim())
        })?;
        for group in
            documents.into_iter().flat_map(|file| file.groups.into_iter().chain(file.spec.into_iter().flat_map(|spec| spec.groups)))
        {
            for rule in group.rules {
                let Some(alert) = rule.alert else { continue };
                for annotation in rule.annotations.values() {
                    self.add(&alert, annotation);
                }
            }
        }
        self.files.insert(path.display().to_string(), Digest::of(&bytes));
        Ok(())
    }

    /// Leaves out what cannot be read backwards.
    pub(crate) fn add(&mut self, alert: &str, annotation: &str) {
        if let Ok(Some(template)) = AlertTemplate::parse(annotation) {
            let known = self.by_alert.entry(alert.to_owned()).or_default();
            if !known.contains(&template) {
                known.push(template);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.by_alert.is_empty()
    }

    /// Names and bytes of the files read.
    pub(crate) fn digest(&self) -> Option<Digest> {
        let parts: Vec<&[u8]> = self.files.iter().flat_map(|(name, digest)| [name.as_bytes(), digest.as_bytes().as_slice()]).collect();
        (!parts.is_empty()).then(|| Digest::of_parts(parts))
    }

    /// The labels that the ticket's texts give back.
    ///
    /// With an alert name only its own templates are tried, without one all are and the longest that matches says.
    /// A label that two texts give different values has none.
    pub(crate) fn invert(&self, query: &Query<'_>) -> BTreeMap<String, Printed> {
        let mut matches: Vec<(usize, BTreeMap<String, Printed>)> = Vec::new();
        let named = query.label("alertname");
        let tried = self.by_alert.iter().filter(|(alert, _)| named.is_none_or(|name| name == alert.as_str()));
        let texts: Vec<(Field, &str, Vec<Range<usize>>)> =
            query.fields().into_iter().map(|(field, text)| (field, text, segments(text))).collect();
        for (alert, templates) in tried {
            for template in templates {
                for (field, text, segments) in &texts {
                    let reading = segments.iter().find_map(|segment| Some((segment.start, template.invert(&text[segment.clone()])?)));
                    let Some((start, reading)) = reading else { continue };
                    let printed = reading.into_iter().map(|(label, range)| {
                        let range = start + range.start..start + range.end;
                        let value = text[range.clone()].to_owned();
                        (label.to_owned(), Printed { value, field: *field, range, alert: alert.clone() })
                    });
                    matches.push((template.literal, printed.collect()));
                }
            }
        }
        let longest = matches.iter().map(|(literal, _)| *literal).max().unwrap_or_default();
        let mut agreed: BTreeMap<String, Option<Printed>> = BTreeMap::new();
        for (literal, printed) in matches {
            if named.is_none() && literal < longest {
                continue;
            }
            for (label, printed) in printed {
                let known = agreed.entry(label).or_insert_with(|| Some(printed.clone()));
                if known.as_ref().is_some_and(|known| known.value != printed.value) {
                    *known = None;
                }
            }
        }
        agreed.into_iter().filter_map(|(label, printed)| Some((label, printed?))).collect()
    }
}

fn bad(path: &Path, why: String) -> Finding {
    Finding::error(&path.display().to_string(), Place::TOP, Rule::BadAlertRules, why)
        .hint("name a Prometheus rule file, or a folder of them, under `runbooks.alert_rules`")
}

fn rule_files(path: &Path, depth: usize, files: &mut BTreeSet<PathBuf>) -> std::io::Result<()> {
    if !path.metadata()?.is_dir() {
        files.insert(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?.path();
        let hidden = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if entry.is_dir() && depth < DEEPEST && !hidden {
            rule_files(&entry, depth + 1, files)?;
        } else if entry.extension().is_some_and(|ending| ending == "yml" || ending == "yaml") && !hidden {
            files.insert(entry);
        }
    }
    Ok(())
}

/// Where an annotation may stand in a ticket: the whole field, a paragraph, a line, each also after `word:`.
fn segments(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut add = |part: &str| {
        let start = part.as_ptr() as usize - text.as_ptr() as usize;
        let after_key = part
            .split_once([':', '='])
            .filter(|(key, _)| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-. ".contains(&b)))
            .map(|(key, rest)| start + key.len() + 1..start + key.len() + 1 + rest.len());
        for range in std::iter::once(start..start + part.len()).chain(after_key) {
            let inner = text[range.clone()].trim();
            let start = inner.as_ptr() as usize - text.as_ptr() as usize;
            let range = start..start + inner.len();
            if !inner.is_empty() && !found.contains(&range) {
                found.push(range);
            }
        }
    };
    add(text);
    text.split("\n\n").for_each(&mut add);
    text.lines().take(200).for_each(&mut add);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::untrusted::Untrusted,
        runbook::query::{same_span, text_query},
    };

    const RULES: &str = "groups:\n- name: g\n  rules:\n  - record: x:y\n    expr: up\n  - alert: DiskFull\n    expr: up == 0\n    labels: {severity: page}\n    annotations:\n      summary: Disk is full\n      description: 'Filesystem {{ $labels.device }} at {{ $labels.instance }} has {{ $value }}% left.'\n";

    fn rules(text: &str) -> Result<AlertRules, Vec<Finding>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yml"), text).unwrap();
        AlertRules::read(&[folder.path().to_owned()])
    }

    fn values(rules: &AlertRules, text: &str) -> Vec<(String, String)> {
        text_query(text, None, |query| rules.invert(query)).into_iter().map(|(label, printed)| (label, printed.value)).collect()
    }

    #[test]
    fn an_annotation_is_found_as_a_line_of_a_longer_text() {
        let rules = rules(RULES).unwrap();
        assert_eq!(rules.by_alert.values().map(Vec::len).sum::<usize>(), 1);
        let want = vec![("device".to_owned(), "sda1".to_owned()), ("instance".to_owned(), "n1:9100".to_owned())];
        let text = "[FIRING:1] DiskFull\nseverity: page\ndescription: Filesystem sda1 at n1:9100 has 3.1% left.\nsource: x";
        assert_eq!(values(&rules, text), want);
        let crd = format!("kind: PrometheusRule\nspec:\n{}", RULES.lines().map(|line| format!("  {line}\n")).collect::<String>());
        assert_eq!(values(&self::rules(&crd).unwrap(), text), want);
        assert_eq!(values(&rules, "Filesystem sda1 at n1:9100 has 3.1% left. Filesystem sda2 is fine."), []);
    }

    #[test]
    fn another_alerts_template_says_nothing_and_disagreeing_texts_leave_no_value() {
        let rules = rules(RULES).unwrap();
        let nothing = BTreeMap::new();
        let ask = |name: &str, title: &str, body: &str| {
            let labels = BTreeMap::from([("alertname".to_owned(), Untrusted::from(name))]);
            let query = Query { title, body, labels: &labels, attributes: &nothing, requester: None, category: None, span_of: &same_span };
            rules.invert(&query).into_values().map(|printed| printed.value).collect::<Vec<_>>()
        };
        let text = "Filesystem sda1 at n1 has 3% left.";
        assert_eq!(ask("DiskFull", text, ""), ["sda1", "n1"]);
        assert_eq!(ask("Other", text, ""), [""; 0]);
        assert_eq!(ask("DiskFull", text, "Filesystem sdb at n1 has 3% left."), ["n1"]);
    }

    #[test]
    fn what_is_no_rule_file_is_refused_with_its_path() {
        for text in ["groups: 7", "{", "groups:\n- rules: [{alert: [a]}]"] {
            let findings = rules(text).unwrap_err();
            assert!(findings[0].file.ends_with("a.yml") && findings[0].rule == Rule::BadAlertRules, "{text}: {findings:?}");
        }
        assert!(AlertRules::read(&["/nonexistent".into()]).is_err());
    }
}
