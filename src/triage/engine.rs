//! Triage of one ticket: signals and entities, then the model, then the rules for group, priority and risk.
//!
//! A pure function of the loaded files and the ticket.
// INVARIANT: risk is a maximum; nothing in here lowers it, the model least of all.

use std::{collections::BTreeMap, path::Path};

use super::{
    TriageError,
    catalogue::{Catalogue, Category},
    measure::highest,
    model::Model,
    registry::{self, Manifest},
    signals::SignalSet,
};
use crate::{
    domain::{
        classification::{Classification, Estimate, SignalHit},
        digest::Digest,
        name::SourceId,
        priority::{Level, Priority, Risk},
        ticket::Report,
    },
    text::CleanTicket,
};

/// The head that every triage model has.
const CATEGORY: &str = "category";
/// Heads with a place of their own in a [`Classification`].
const GROUP: &str = "assignment_group";
const PRIORITY: &str = "priority";
const RISK: &str = "risk";

/// Model, catalogue and signals, loaded and checked.
#[derive(Debug)]
pub struct Triage {
    model: Model,
    catalogue: Catalogue,
    signals: SignalSet,
    manifest: Manifest,
    manifest_digest: Digest,
    digest: Digest,
}

impl Triage {
    /// Loads the model folder, the embedding it names from `embedding`, the catalogue and the signals file.
    ///
    /// # Errors
    /// A file is missing, malformed, of a future form, or not the one its digest names; the model has no head
    /// `category`.
    pub fn load(model: &Path, embedding: &Path, catalogue: &Path, signals: &Path) -> Result<Self, TriageError> {
        let signals = SignalSet::load(signals)?;
        let catalogue = Catalogue::load(catalogue)?;
        let (loaded, manifest, manifest_digest) = registry::load(model, embedding)?;
        if loaded.head(CATEGORY).is_none() {
            let heads: Vec<&str> = manifest.heads.keys().map(String::as_str).collect();
            let reason = format!("it has no head `{CATEGORY}`, only {}", heads.join(", "));
            return Err(TriageError::Form { path: model.to_owned(), reason });
        }
        let digest = Digest::of_parts([&manifest_digest.as_bytes()[..], &catalogue.digest().as_bytes()[..]]);
        Ok(Self { model: loaded, catalogue, signals, manifest, manifest_digest, digest })
    }

    /// Names everything a classification depends on but signals: manifest, through it the weights, and catalogue.
    pub fn model_digest(&self) -> Digest {
        self.digest
    }

    /// What the model is, where it came from and how it was measured.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Names the model alone: its manifest, and through it the weights.
    pub const fn manifest_digest(&self) -> Digest {
        self.manifest_digest
    }

    /// The likeliest label of every target, given or not.
    pub(super) fn best(&self, text: &CleanTicket) -> BTreeMap<&str, &str> {
        let features = self.model.features(text, &self.signals.hits(text));
        let best = |head| highest(self.model.answer(head, &features).probabilities).0;
        self.model.heads.iter().map(|head| (head.target.as_str(), head.labels[best(head)].as_str())).collect()
    }

    pub fn signals_digest(&self) -> Digest {
        self.signals.digest()
    }

    /// The categories, for checking what runbooks name.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Everything triage says of one ticket.
    pub fn classify(&self, report: &Report, text: &CleanTicket, _source: &SourceId) -> Classification {
        let signals = self.signals.hits(text);
        let features = self.model.features(text, &signals);
        let mut estimates: BTreeMap<String, Estimate> =
            self.model.heads.iter().map(|head| (head.target.clone(), self.model.estimate(head, text, &features))).collect();
        let category = estimates.remove(CATEGORY).unwrap_or_else(unknown);
        let assigned = category.label.as_deref().and_then(|id| self.catalogue.get(id));
        let likely = category.ranked.first().filter(|_| category.label.is_some() || category.probability() >= 0.2);
        let likely = likely.and_then(|(id, _)| self.catalogue.get(id));

        let learned_group = estimates.get(GROUP).and_then(|estimate| estimate.label.clone());
        let assignment_group = learned_group.or_else(|| assigned.map(|category| category.assignment_group.clone()));
        let (priority, priority_because) = priority(report, assigned, &signals, estimates.get(PRIORITY));
        let (risk, risk_because) = risk(report, likely, &signals, estimates.get(RISK));
        Classification {
            category,
            assignment_group,
            kind: report.kind,
            priority,
            priority_because,
            risk,
            risk_because,
            language: text.language.to_owned(),
            flags: text.flag_names(),
            signals,
            entities: self.signals.entities(text),
            model: self.digest,
            others: estimates,
        }
    }
}

fn unknown() -> Estimate {
    Estimate { label: None, ranked: Vec::new(), threshold: 1.0, foreign: false, because: Vec::new(), near: Vec::new() }
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::Low => "low",
        Level::Medium => "medium",
        Level::High => "high",
    }
}

/// A label of the operator's own, when it is one of ours and the head is sure.
fn learned<T: Copy>(estimate: Option<&Estimate>, values: &[T], name: impl Fn(T) -> &'static str) -> Option<T> {
    let label = estimate?.label.as_deref()?;
    values.iter().copied().find(|value| name(*value).eq_ignore_ascii_case(label))
}

/// The matrix of impact × urgency; a head trained on the operator's labels may take its place; signals raise.
fn priority(report: &Report, category: Option<&Category>, signals: &[SignalHit], head: Option<&Estimate>) -> (Priority, Vec<String>) {
    let mut because = Vec::new();
    let mut side = |what: &str, stated: Option<Level>, usual: Option<Level>| {
        let (value, from) = match (stated, usual) {
            (Some(value), _) => (value, "as reported"),
            (None, Some(value)) => (value, "usual for the category"),
            (None, None) => (Level::Medium, "assumed: nothing is stated"),
        };
        because.push(format!("{what} is {}, {from}", level(value)));
        value
    };
    let impact = side("impact", report.impact, category.and_then(|category| category.impact));
    let urgency = side("urgency", report.urgency, category.and_then(|category| category.urgency));
    let mut priority = Priority::from_matrix(impact, urgency);
    because.push(format!("impact × urgency gives {}", priority.as_str()));
    let stated = report.impact.is_some() && report.urgency.is_some();
    if let Some(learned) = learned(head, &Priority::ALL, Priority::as_str).filter(|learned| *learned != priority && !stated) {
        because.push(format!("the model says {}, from the labels it was trained on", learned.as_str()));
        priority = learned;
    }
    for hit in signals {
        if let Some(raised) = hit.raises_priority.filter(|raised| *raised > priority) {
            because.push(format!("signal `{}` raises it to {}", hit.signal, raised.as_str()));
            priority = raised;
        }
    }
    (priority, because)
}

/// The highest of signals, likely category, classifier and requester's standing.
fn risk(report: &Report, category: Option<&Category>, signals: &[SignalHit], head: Option<&Estimate>) -> (Risk, Vec<String>) {
    let mut reasons: Vec<(Risk, String)> = Vec::new();
    for hit in signals {
        if let Some(raised) = hit.raises_risk {
            reasons.push((raised, format!("signal `{}` says {}", hit.signal, raised.as_str())));
        }
    }
    if let Some((risk, category)) = category.and_then(|category| Some((category.risk?, category))) {
        reasons.push((risk, format!("category `{}` says {}", category.id, risk.as_str())));
    }
    if let Some(learned) = learned(head, &[Risk::Low, Risk::Medium, Risk::High], Risk::as_str) {
        reasons.push((learned, format!("the model says {}", learned.as_str())));
    }
    if let Some(mark) = standing(report) {
        reasons.push((Risk::Medium, format!("the requester is marked `{mark}`: at least medium")));
    }
    let risk = reasons.iter().map(|(risk, _)| *risk).max().unwrap_or(Risk::Low);
    reasons.retain(|(reason, _)| *reason > Risk::Low);
    reasons.sort_by_key(|(risk, _)| std::cmp::Reverse(*risk));
    let mut because: Vec<String> = reasons.into_iter().map(|(_, reason)| reason).collect();
    if because.is_empty() {
        because.push("no signal, category or mark of the requester raises it".to_owned());
    }
    (risk, because)
}

/// How help desks mark people whose tickets need care.
fn standing(report: &Report) -> Option<&'static str> {
    const MARKS: [&str; 3] = ["vip", "executive", "board"];
    let truthy = |text: &str| ["true", "yes", "1"].iter().any(|yes| text.eq_ignore_ascii_case(yes));
    MARKS.into_iter().find(|mark| {
        report.tags.iter().any(|tag| tag.as_untrusted().eq_ignore_ascii_case(mark))
            || report.attributes.iter().any(|(name, value)| {
                name.eq_ignore_ascii_case(mark) && truthy(value.as_untrusted()) || value.as_untrusted().eq_ignore_ascii_case(mark)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::{super::belonging::Belonging, *};
    use crate::text;

    fn shipped() -> Triage {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        Triage::load(
            &root.join("models/service-desk"),
            &root.join("models/embedding"),
            &root.join("models/catalogue.toml"),
            &root.join("signals.toml"),
        )
        .unwrap()
    }

    fn report(title: &str, body: &str) -> Report {
        Report {
            external_id: "1".to_owned(),
            external_key: None,
            url: None,
            kind: crate::domain::ticket::TicketKind::Incident,
            event: crate::domain::ticket::TicketEvent::Opened,
            title: title.into(),
            body: body.into(),
            body_is_html: false,
            requester: None,
            impact: None,
            urgency: None,
            category_hint: None,
            labels: BTreeMap::new(),
            attributes: BTreeMap::new(),
            tags: std::collections::BTreeSet::new(),
            reported_at: None,
            updated_at: None,
        }
    }

    fn classify(triage: &Triage, report: &Report) -> Classification {
        triage.classify(report, &text::clean_ticket(report), &SourceId::new("test").unwrap())
    }

    #[test]
    fn the_shipped_model_knows_a_plain_ticket_and_says_which_words_decided() {
        let triage = shipped();
        let report = report("VPN disconnects", "the vpn client drops the tunnel every ten minutes when I work from home");
        let said = classify(&triage, &report);
        assert_eq!(said.category.label.as_deref(), Some("network/vpn"), "{:?}", said.category.ranked);
        assert_eq!(said.assignment_group.as_deref(), Some("network"));
        let word = said.category.because.iter().find(|part| part.feature == "vpn").unwrap();
        assert!(word.weight > 0.0);
        for span in &word.spans {
            let original = match span.field {
                crate::domain::classification::Field::Title => &report.title,
                crate::domain::classification::Field::Body => &report.body,
            };
            assert_eq!(original.as_untrusted()[span.start..span.end].to_lowercase(), "vpn");
        }
    }

    #[test]
    fn the_meaning_of_a_text_is_shown_by_what_it_is_nearest_to_and_the_scores_do_not_depend_on_it() {
        let mut triage = shipped();
        let report = report("", "my vpn connection is dropped again and again");
        let said = classify(&triage, &report);
        let near = &said.category.near;
        assert_eq!(near.len(), 3);
        assert_eq!(near[0].label, "network/vpn", "{near:?}");
        assert!(near.windows(2).all(|pair| pair[0].similarity >= pair[1].similarity) && near[0].similarity > 0.6, "{near:?}");
        assert!(near.iter().all(|one| one.excerpt.chars().count() <= 80));
        triage.model.neighbours = Default::default();
        let without = classify(&triage, &report);
        assert_eq!((&without.category.ranked, without.category.near.len()), (&said.category.ranked, 0));
    }

    #[test]
    fn text_from_nowhere_gets_no_label() {
        let triage = shipped();
        for text in ["", "zxqj vvkw pqxz jjkq", "木漏れ日の中で昼寝をする", "🜁🜂🜃🜄"] {
            let said = classify(&triage, &report("", text));
            assert_eq!((said.category.label, said.assignment_group), (None, None), "{text}");
        }
    }

    #[test]
    fn a_text_that_belongs_less_than_the_floor_gets_no_label_however_likely_one_is() {
        let mut triage = shipped();
        let report = report("printer prn-07", "the printer prints blank pages, print queue is stuck");
        let before = classify(&triage, &report).category;
        assert!(before.label.is_some() && !before.foreign);
        for head in &mut triage.model.heads {
            // Held-out texts that all belonged more than this one.
            head.belonging = Belonging::fit(&[1e3, 1e3 + 1.0], &[0.0, 0.0]);
        }
        let after = classify(&triage, &report).category;
        assert_eq!((after.label, after.foreign, after.ranked), (None, true, before.ranked));
    }

    #[test]
    fn contributions_sum_to_the_score_and_the_score_gives_the_probability() {
        let triage = shipped();
        let report = report("printer prn-07", "the printer prints blank pages, print queue is stuck; printer restarted twice");
        let text = text::clean_ticket(&report);
        let features = triage.model.features(&text, &triage.signals.hits(&text));
        let head = triage.model.head(CATEGORY).unwrap();
        let scores = head.scores(&features.row.entries, &features.dense);
        for (class, score) in scores.iter().enumerate() {
            let sum: f64 = triage.model.contributions(head, &text, &features, class).iter().map(|part| part.weight).sum();
            assert!((sum - score).abs() < 1e-4, "{}: {sum} is not {score}", head.labels[class]);
        }
        let shares = head.probabilities(scores);
        let said = classify(&triage, &report);
        assert!((shares.iter().copied().fold(0.0, f64::max) - said.category.probability()).abs() < 1e-12);
    }

    #[test]
    fn signals_and_marks_raise_and_nothing_lowers() {
        let triage = shipped();
        let calm = classify(&triage, &report("printer", "paper jam"));
        assert_eq!(calm.risk, Risk::Low, "{:?}", calm.risk_because);
        let outage = classify(&triage, &report("printer", "paper jam; also production is down for all users and files are encrypted"));
        assert_eq!((outage.risk, outage.priority), (Risk::High, Priority::P1), "{:?}", outage.signals);
        let mut important = report("printer", "paper jam");
        important.attributes.insert("VIP".to_owned(), "true".into());
        assert_eq!(classify(&triage, &important).risk, Risk::Medium);
        let mut stated = report("printer", "paper jam");
        (stated.impact, stated.urgency) = (Some(Level::High), Some(Level::High));
        assert_eq!(classify(&triage, &stated).priority, Priority::P1);
    }
}
