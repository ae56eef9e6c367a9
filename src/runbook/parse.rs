//! From the bytes of one Markdown file to a [`Sheet`]: the runbook and where each part of it stands.
//!
//! Never reads files itself: lists of allowed values come through a callback.
// INVARIANT: a sheet exists only for a file whose every key, type, pattern and expectation is sound.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_saphyr::Spanned;

use super::{
    finding::{Finding, Place, Rule},
    format::{self, Written, nearest, place},
    plain, steps,
    triggers::{self, Compiled},
    wording,
};
use crate::domain::{
    digest::Digest,
    name::{ParameterName, PersonId, RunbookId, StepId},
    priority::Risk,
    runbook::{Directory, Examples, Parameter, ParameterSource, ParameterType, Runbook, Triggers},
};

/// The largest runbook file; the longest of 2,800 public runbooks looked at has 60 KiB.
pub(crate) const LARGEST_FILE: usize = 256 * 1024;

/// Reads the list that a parameter's `one_of` names.
pub type ReadDirectory<'a> = &'a dyn Fn(&str) -> Result<Directory, String>;

/// A runbook with the places of its parts, for findings.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// Path relative to the runbook folder.
    pub file: String,
    pub runbook: Runbook,
    /// Written as `irreversible: true`: its changes may stand without a rollback.
    pub irreversible: bool,
    pub(crate) places: Places,
    pub(crate) compiled: Arc<Compiled>,
}

impl Sheet {
    /// Markdown without front matter of ours: nobody owns it, nobody classed it, and it never runs.
    pub(crate) fn is_plain(&self) -> bool {
        self.runbook.owner.is_empty()
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    pub id: Place,
    pub owner: Place,
    pub reviewed: Place,
    pub alertnames: BTreeMap<String, Place>,
    pub labels: Place,
    pub patterns: Vec<Place>,
    pub categories: BTreeMap<String, Place>,
    pub parameters: BTreeMap<ParameterName, Place>,
    pub parameter_patterns: BTreeMap<ParameterName, Place>,
    pub steps: BTreeMap<StepId, Place>,
    pub withins: BTreeMap<StepId, Place>,
    pub matching: Vec<Place>,
    pub no_match: Vec<Place>,
}

/// The runbook in `bytes`, read from `file`.
///
/// # Errors
/// Every finding that keeps the file from being a runbook; a YAML syntax error hides what comes after it.
pub fn parse(file: &str, bytes: &[u8], directories: ReadDirectory<'_>) -> Result<Sheet, Vec<Finding>> {
    if bytes.len() > LARGEST_FILE {
        let message = format!("the file has more than the {LARGEST_FILE} bytes a runbook may have");
        return Err(vec![Finding::error(file, Place::TOP, Rule::TooLarge, message).hint("move long material into a page it links to")]);
    }
    let text = std::str::from_utf8(bytes).map_err(|why| {
        let line = bytes[..why.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        let message = format!("byte {} is not UTF-8", why.valid_up_to());
        vec![Finding::error(file, Place { line, column: 1 }, Rule::Syntax, message).hint("save the file as UTF-8")]
    })?;
    let digest = Digest::of(bytes);
    // Editors on some systems write a byte order mark; it means nothing in UTF-8.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match split(text) {
        Split::Plain => plain::read(file, None, text, 0, digest).map_err(|finding| vec![finding]),
        Split::Front { yaml, body } if plain::is_foreign(yaml) => {
            let above = yaml.lines().count() as u64 + 2;
            plain::read(file, Some(yaml), body, above, digest).map_err(|finding| vec![finding])
        }
        Split::Open => {
            let finding = Finding::error(file, Place::TOP, Rule::Syntax, "the front matter opens with `---` and does not close");
            Err(vec![finding.hint("add a line `---` below it")])
        }
        Split::Front { yaml, body } => {
            let written = format::read(file, yaml).map_err(|finding| vec![finding])?;
            Assembly { file, directories, findings: Vec::new(), places: Places::default() }.assemble(written, body, digest)
        }
    }
}

enum Split<'a> {
    Plain,
    Open,
    Front { yaml: &'a str, body: &'a str },
}

fn split(text: &str) -> Split<'_> {
    let mut at = 0;
    let mut yaml_start = None;
    for line in text.split_inclusive('\n') {
        let fence = line.trim_end() == "---";
        match yaml_start {
            None if fence => yaml_start = Some(at + line.len()),
            None => return Split::Plain,
            Some(start) if fence => return Split::Front { yaml: &text[start..at], body: &text[at + line.len()..] },
            Some(_) => {}
        }
        at += line.len();
    }
    if yaml_start.is_some() { Split::Open } else { Split::Plain }
}

/// The checks of one file, collecting what is wrong instead of stopping at the first.
struct Assembly<'a> {
    file: &'a str,
    directories: ReadDirectory<'a>,
    findings: Vec<Finding>,
    places: Places,
}

impl Assembly<'_> {
    fn assemble(mut self, written: Written, body: &str, digest: Digest) -> Result<Sheet, Vec<Finding>> {
        self.places.id = place(&written.id);
        self.places.owner = place(&written.owner);
        self.places.reviewed = written.reviewed.as_ref().map_or(self.places.id, place);

        let id = self.check(&written.id, |text| RunbookId::new(text).map_err(|why| why.to_string()));
        let title = self.check(&written.title, |text| line_of_text(text, 200));
        let owner = self.check(&written.owner, |text| line_of_text(text, 100));
        let risk = self.check(&written.risk, |text| match text {
            "low" => Ok(Risk::Low),
            "medium" => Ok(Risk::Medium),
            "high" => Ok(Risk::High),
            _ => Err(format!("`{text}` is not a risk: write `low`, `medium` or `high`")),
        });
        let authors: BTreeSet<PersonId> = written
            .authors
            .iter()
            .filter_map(|author| self.check(author, |text| PersonId::new(text).map_err(|why| why.to_string())))
            .collect();
        let reviewed = written.reviewed.as_ref().and_then(|text| {
            self.check(text, |text| text.parse().map_err(|_| format!("`{text}` is not a day: write it like `2026-11-01`")))
        });
        let review_every = written.review_every.as_ref().and_then(|text| self.check(text, wording::duration));
        let time_limit = written.time_limit.as_ref().and_then(|text| self.check(text, wording::time_limit));
        let (reversible, irreversible) = self.reversibility(&written);
        let triggers = self.triggers(&written);
        let compiled = Compiled::new(&triggers).ok();
        let categories = written.applies_to.categories.iter().map(|c| (c.value.clone(), place(c))).collect();
        self.places.categories = categories;
        let parameters = self.parameters(&written);
        let steps = written.steps.iter().filter_map(|step| self.step(step)).collect();
        let examples = self.examples(&written);

        let (Some(id), Some(title), Some(owner), Some(risk), Some(compiled), true) =
            (id, title, owner, risk, compiled, self.findings.is_empty())
        else {
            self.findings.sort();
            return Err(self.findings);
        };
        let runbook = Runbook {
            id,
            title,
            owner,
            authors,
            reviewed,
            review_every,
            triggers,
            symptoms: written.symptoms,
            categories: self.places.categories.keys().cloned().collect(),
            parameters,
            risk,
            reversible,
            time_limit: time_limit.unwrap_or(Runbook::USUAL_TIME_LIMIT),
            steps,
            examples,
            body: body.trim().to_owned(),
            digest,
        };
        Ok(Sheet { file: self.file.to_owned(), runbook, irreversible, places: self.places, compiled: Arc::new(compiled) })
    }

    fn refuse(&mut self, at: Place, rule: Rule, message: impl Into<String>) {
        self.findings.push(Finding::error(self.file, at, rule, message));
    }

    fn bad_pattern(&mut self, pattern: &Spanned<String>, why: String) {
        let finding = Finding::error(self.file, place(pattern), Rule::BadPattern, why);
        self.findings
            .push(finding.hint("1 to 500 bytes in the syntax of Rust's `regex`, in single quotes: no look-around, no back-reference"));
    }

    /// The value that `read` makes of the text, or a finding at its place.
    fn check<T>(&mut self, text: &Spanned<String>, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        read(&text.value).map_err(|why| self.refuse(place(text), Rule::BadValue, why)).ok()
    }

    /// Nothing written means not reversible: a claim of safety is made, never assumed.
    fn reversibility(&mut self, written: &Written) -> (bool, bool) {
        let reversible = written.reversible.as_ref().map(|flag| flag.value);
        let irreversible = written.irreversible.as_ref().map(|flag| flag.value);
        if let (Some(a), Some(b), Some(flag)) = (reversible, irreversible, &written.irreversible)
            && a == b
        {
            self.refuse(place(flag), Rule::BadValue, format!("`reversible: {a}` and `irreversible: {b}` contradict each other"));
        }
        (reversible.unwrap_or(irreversible == Some(false)), irreversible == Some(true) || reversible == Some(false))
    }

    fn triggers(&mut self, written: &Written) -> Triggers {
        let from = &written.triggers;
        for pattern in from.patterns.iter().chain(&from.not_patterns) {
            if pattern.value.contains("{{") {
                self.refuse(place(pattern), Rule::BadPattern, no_template(&pattern.value));
            } else if let Err(why) = triggers::compile(&pattern.value) {
                self.bad_pattern(pattern, why);
            }
        }
        self.places.patterns = from.patterns.iter().map(place).collect();
        self.places.alertnames = from.alertnames.iter().map(|name| (name.value.clone(), place(name))).collect();
        self.places.labels = from.labels.values().next().map_or(self.places.id, place);
        Triggers {
            alertnames: self.places.alertnames.keys().cloned().collect(),
            labels: from.labels.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect(),
            patterns: from.patterns.iter().map(|p| p.value.clone()).collect(),
            not_patterns: from.not_patterns.iter().map(|p| p.value.clone()).collect(),
        }
    }

    fn parameters(&mut self, written: &Written) -> BTreeMap<ParameterName, Parameter> {
        let mut parameters = BTreeMap::new();
        for (name, entry) in &written.parameters {
            let at = place(entry);
            let name = match ParameterName::new(name.as_str()) {
                Ok(name) => name,
                Err(why) => {
                    self.refuse(at, Rule::BadValue, why.to_string());
                    continue;
                }
            };
            let from = entry.value.from.iter().filter_map(|source| self.check(source, wording::source)).collect::<Vec<_>>();
            if entry.value.from.is_empty() {
                self.refuse(at, Rule::BadValue, format!("parameter `{name}` has no source: add `from: [text]` or a label"));
            }
            let texts = entry.value.from.iter().chain(&entry.value.pattern).chain(&entry.value.one_of);
            let lists = entry.value.values.iter().chain(&entry.value.under).map(|text| (text.as_str(), at));
            let hole = texts.map(|text| (text.value.as_str(), place(text))).chain(lists).find(|(text, _)| text.contains("{{"));
            if let Some((text, at)) = hole {
                self.refuse(at, Rule::BadValue, no_template(text));
                continue;
            }
            let kind = match wording::parameter_type(&entry.value) {
                Ok(kind) => kind,
                Err(why) => {
                    let mut finding = Finding::error(self.file, place(&entry.value.kind), Rule::BadValue, why);
                    if let Some(near) = nearest(&entry.value.kind.value, wording::TYPES).filter(|near| *near != entry.value.kind.value) {
                        finding = finding.hint(format!("did you mean `{near}`?"));
                    }
                    self.findings.push(finding);
                    continue;
                }
            };
            if let Some(pattern) = &entry.value.pattern {
                self.places.parameter_patterns.insert(name.clone(), place(pattern));
                if let Err(why) = triggers::compile(&pattern.value) {
                    self.bad_pattern(pattern, why);
                }
            }
            let one_of = entry.value.one_of.as_ref().and_then(|path| match (self.directories)(&path.value) {
                Ok(directory) => match every_word_would_be_asked(&directory, &kind, &entry.value, &from) {
                    true => {
                        let why = format!("`{directory}` would be asked for every word of a text: give `{name}` a `pattern`");
                        self.refuse(place(path), Rule::BadDirectory, why);
                        None
                    }
                    false => Some(directory),
                },
                Err(why) => {
                    let finding = Finding::error(self.file, place(path), Rule::BadDirectory, why);
                    self.findings.push(finding.hint(match path.value.starts_with("directory:") {
                        true => "add it under `[[directories]]`, or name one that is there",
                        false => "a list is a CSV file beside the runbooks, like `inventory/hosts.csv`, or a configured `directory:NAME`",
                    }));
                    None
                }
            });
            self.places.parameters.insert(name.clone(), at);
            let pattern = entry.value.pattern.as_ref().map(|pattern| pattern.value.clone());
            let (required, description) = (entry.value.required, entry.value.description.clone());
            parameters.insert(name, Parameter { kind, from, pattern, one_of, required, description });
        }
        parameters
    }

    fn step(&mut self, written: &Spanned<format::WrittenStep>) -> Option<crate::domain::runbook::Step> {
        let step = match steps::read(self.file, written) {
            Ok(step) => step,
            Err(finding) => {
                self.findings.push(finding);
                return None;
            }
        };
        if let Some(within) = &written.value.within {
            self.places.withins.insert(step.id.clone(), place(within));
        }
        if self.places.steps.insert(step.id.clone(), place(written)).is_some() {
            let finding =
                Finding::error(self.file, place(&written.value.id), Rule::DuplicateId, format!("step id `{}` is used twice", step.id));
            self.findings.push(finding.hint("give one of them another id"));
        }
        Some(step)
    }

    fn examples(&mut self, written: &Written) -> Examples {
        let texts = |from: &[Spanned<String>]| from.iter().map(|example| example.value.clone()).collect();
        self.places.matching = written.examples.matching.iter().map(place).collect();
        self.places.no_match = written.examples.no_match.iter().map(place).collect();
        Examples { matching: texts(&written.examples.matching), not_matching: texts(&written.examples.no_match) }
    }
}

/// A service is asked only for words that a pattern, or a type with a shape of its own, lets through.
fn every_word_would_be_asked(
    directory: &Directory,
    kind: &ParameterType,
    written: &format::WrittenParameter,
    from: &[ParameterSource],
) -> bool {
    let shapeless = matches!(kind, ParameterType::Hostname | ParameterType::Username | ParameterType::String { .. });
    let service = matches!(directory, Directory::Service { .. });
    service && shapeless && written.pattern.is_none() && from.contains(&ParameterSource::Text)
}

/// Only `with` of a step is filled, once: a parameter that named a parameter could name itself.
pub(crate) fn no_template(text: &str) -> String {
    format!("`{text}` is no template: `{{{{name}}}}` is filled in a step's `with` and nowhere else")
}

fn line_of_text(text: &str, longest: usize) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > longest || text.chars().any(char::is_control) {
        return Err(format!("expected one line of 1 to {longest} characters"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::runbook::StepKind;

    fn no_lists(path: &str) -> Result<Directory, String> {
        Err(format!("no list `{path}` here"))
    }

    fn read(text: &str) -> Result<Sheet, Vec<Finding>> {
        parse("x.md", text.as_bytes(), &no_lists)
    }

    const SMALL: &str = "---\nid: a\ntitle: A thing\nowner: team\nrisk: low\n---\nbody\n";

    /// The small runbook with one line more in its front matter.
    fn with(line: &str) -> String {
        SMALL.replacen("risk: low\n", &format!("risk: low\n{line}\n"), 1)
    }

    fn only(text: &str) -> Finding {
        let mut findings = read(text).unwrap_err();
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings.remove(0)
    }

    #[test]
    fn every_key_of_the_format_arrives_typed() {
        let shipped = std::fs::read("runbooks/restart-print-spooler.md").unwrap();
        let lists = super::super::directory::Directories::beside(std::path::Path::new("runbooks"));
        let sheet = parse("restart-print-spooler.md", &shipped, &|path| lists.get(path)).unwrap();
        let runbook = &sheet.runbook;
        assert_eq!(runbook.digest, Digest::of(&shipped));
        assert!(runbook.reversible && !sheet.irreversible && runbook.is_executable());
        assert_eq!(runbook.reviewed, Some(jiff::civil::date(2026, 11, 1)));
        let host = &runbook.parameters[&ParameterName::new("host").unwrap()];
        assert_eq!(host.kind, ParameterType::Hostname);
        assert_eq!(host.from[0], ParameterSource::Label("instance".to_owned()));
        assert!(matches!(&host.one_of, Some(Directory::List { values, .. }) if values.contains("prn-07")));
        let kinds: Vec<StepKind> = runbook.steps.iter().map(|step| step.kind).collect();
        assert_eq!(kinds, [StepKind::Precheck, StepKind::Change, StepKind::Verify, StepKind::Rollback]);
        assert_eq!(runbook.steps[2].within.as_secs(), 120);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place_and_the_nearest_known_one() {
        let finding = only(&with("triger: {}"));
        assert_eq!((finding.rule, finding.line, finding.column), (Rule::UnknownKey, 6, 1), "{finding}");
        assert_eq!(finding.hint.as_deref(), Some("did you mean `triggers`?"));
        assert!(finding.to_string().starts_with("x.md:6:1: error: `triger` is not a key here"), "{finding}");
    }

    #[test]
    fn a_doubled_key_is_refused_at_any_depth() {
        assert_eq!(only(&with("risk: high")).rule, Rule::DuplicateKey);
        assert_eq!(only(&with("triggers: {labels: {a: b, a: c}}")).rule, Rule::DuplicateKey);
    }

    #[test]
    fn anchors_huge_files_and_open_fences_are_refused() {
        assert!(read(&with("symptoms: [&a x, *a]")).is_err());
        assert_eq!(only(&"x".repeat(LARGEST_FILE + 1)).rule, Rule::TooLarge);
        assert_eq!(only("---\nid: a\n").rule, Rule::Syntax);
        assert_eq!(parse("x.md", &[0xff, 0xfe], &no_lists).unwrap_err()[0].rule, Rule::Syntax);
    }

    #[test]
    fn all_bad_values_are_reported_at_once_and_in_order() {
        let text = with(
            "reviewed: yesterday\nreview_every: often\nauthors: [two words]\nparameters:\n  h: {type: hostnam, from: [txt]}\nsteps:\n  - {id: s, kind: verify, use: a.get, expect: 'stauts == 1'}",
        );
        let findings = read(&text).unwrap_err();
        let lines: Vec<u64> = findings.iter().map(|finding| finding.line).collect();
        assert!(lines.is_sorted() && findings.len() >= 6, "{findings:#?}");
        assert!(findings.iter().any(|f| f.hint.as_deref() == Some("did you mean `hostname`?")));
        assert!(findings.iter().any(|f| f.rule == Rule::BadExpectation && f.line == 12), "{findings:#?}");
    }

    #[test]
    fn reversible_is_a_claim_that_must_be_made() {
        let quiet = read(SMALL).unwrap();
        assert!(!quiet.runbook.reversible && !quiet.irreversible);
        assert!(read(&with("irreversible: true")).unwrap().irreversible);
        assert!(read(&with("reversible: true\nirreversible: true")).is_err());
    }

    #[test]
    fn plain_markdown_with_the_usual_headings_is_for_people_only() {
        let sheet = read("# KubePodCrashLooping\n\n## Meaning\n\nPods restart.\n\n## Mitigation\n\nLook.\n").unwrap();
        assert_eq!(sheet.runbook.id.as_str(), "kube-pod-crash-looping");
        assert!(sheet.runbook.triggers.alertnames.contains("KubePodCrashLooping"));
        assert!(!sheet.runbook.is_executable() && sheet.runbook.risk == Risk::High);
        assert_eq!(only("just text\n").rule, Rule::NoTitle);
        assert_eq!(only("# A heading and nothing else\n").rule, Rule::NoTitle);
    }

    #[test]
    fn plain_markdown_loads_in_the_shapes_that_teams_have_it() {
        let loaded = |file: &str, text: &str| {
            let sheet = parse(file, text.as_bytes(), &no_lists).unwrap_or_else(|findings| panic!("{findings:?}"));
            let runbook = sheet.runbook;
            assert!(!runbook.is_executable() && runbook.risk == Risk::High);
            (runbook.id.as_str().to_owned(), runbook.title, runbook.triggers.alertnames.into_iter().collect::<Vec<_>>().join(" "))
        };
        let of = |id: &str, title: &str, alerts: &str| (id.to_owned(), title.to_owned(), alerts.to_owned());
        let hugo = "---\ntitle: Kube Pod Crash Looping\nweight: 20\n---\n\n# KubePodCrashLooping\n\n## Meaning\n\nPods restart.\n";
        let expected = of("kube-pod-crash-looping", "KubePodCrashLooping", "KubePodCrashLooping");
        assert_eq!(loaded("x.md", hugo), expected);
        assert_eq!(loaded("x.md", &hugo.replace('\n', "\r\n")), expected);
        assert_eq!(loaded("x.md", &format!("\u{feff}{hugo}")), expected);
        assert_eq!(loaded("x.md", "NodeDown\n========\n\nMeaning\n-------\nA node is down.\n"), of("node-down", "NodeDown", "NodeDown"));
        let jekyll = "---\nlayout: page\ntitle: \"Disk: full\"\nauthors: [ana]\ndate: 2024-01-02\n---\n### Impact\nWrites fail.\n";
        assert_eq!(loaded("kube/DiskFull.md", jekyll), of("disk-full", "Disk: full", "DiskFull"));
        assert_eq!(
            loaded("EtcdNoLeader.md", "## Meaning\nNo leader.\n## Mitigation\nLook.\n"),
            of("etcd-no-leader", "EtcdNoLeader", "EtcdNoLeader")
        );
        assert_eq!(loaded("x.md", "# Restart the proxy\n\nPress the button.\n"), of("restart-the-proxy", "Restart the proxy", ""));
        // A comment of a shell script is no heading.
        assert_eq!(loaded("x.md", "```sh\n# look\n```\n\n# `NodeDown`\n\ntext\n").1, "NodeDown");
        // Keys of ours make it ours, and then all of them have to be right.
        assert_eq!(only("---\ntitle: A\nowner: team\nweight: 3\n---\n# A\n\ntext\n").rule, Rule::UnknownKey);
    }

    #[test]
    fn a_parameter_or_an_expectation_is_no_template_and_nothing_is_included() {
        let cases = [
            "parameters:\n  h: {type: string, from: [text], pattern: '^{{h}}$'}",
            "parameters:\n  h: {type: string, from: [text], one_of: '{{h}}.csv'}",
            "parameters:\n  h: {type: string, from: ['label:{{h}}']}",
            "parameters:\n  h: {type: enum, values: ['{{h}}'], from: [text]}",
            "parameters:\n  h: {type: path, under: ['/{{h}}'], from: [text]}",
            "triggers: {patterns: ['disk {{h}} full']}",
            "steps:\n  - {id: s, kind: verify, use: a.get, with: {path: /x}, expect: 'body.name == \"{{h}}\"'}",
            "steps:\n  - {id: s, kind: verify, use: a.get, with: {path: /x, body: {'{{h}}': 1}}}",
        ];
        for case in cases {
            let findings = read(&with(case)).unwrap_err();
            assert!(findings.iter().any(|f| f.message.contains("is no template") && f.line > 5), "{case}: {findings:#?}");
        }
        let finding = only(&with("include: other.md"));
        assert!(finding.rule == Rule::UnknownKey && finding.hint.as_deref().is_some_and(|h| h.contains("one file")), "{finding}");
    }

    #[test]
    fn line_ends_of_windows_load_and_a_line_end_inside_a_path_is_refused() {
        assert_eq!(read(&SMALL.replace('\n', "\r\n")).unwrap().runbook.id.as_str(), "a");
        let finding = only(&with("steps:\n  - {id: s, kind: verify, use: a.get, with: {path: \"/x\\r\\ny: z\"}}"));
        assert!(finding.message.contains("control character"), "{finding}");
    }

    #[test]
    fn parameter_types_take_their_bounds_in_either_style_and_no_others() {
        let one = |text: &str| read(&with(&format!("parameters:\n  n: {{type: {text}, from: [text]}}")));
        let kind = |text: &str| one(text).unwrap().runbook.parameters.into_values().next().unwrap().kind;
        assert_eq!(kind("integer(1..50)"), ParameterType::Integer { min: 1, max: 50 });
        assert_eq!(kind("integer, min: 1, max: 50"), ParameterType::Integer { min: 1, max: 50 });
        assert_eq!(kind("enum, values: [a, b]"), ParameterType::Enum { values: vec!["a".to_owned(), "b".to_owned()] });
        assert_eq!(kind("duration, max: 2h"), ParameterType::Duration { max: std::time::Duration::from_secs(7_200) });
        for bad in [
            "enum, values: ['a;b']",
            "enum, values: [nginx, 'rеdis']",
            "path, under: ['/var/$(id)']",
            "path, under: ['/a/../b']",
            "integer",
            "integer(9..1)",
            "enum",
            "path",
            "path, under: ['/']",
            "string, max_length: 9999",
            "ip, max: 3",
            "shell",
            "uuid(1)",
        ] {
            assert!(one(bad).is_err(), "{bad}");
        }
    }
}
