//! Filling a runbook's slots from a ticket: labels and attributes as declared, then what a known alert template gives
//! back, then typed words in the text.
//!
//! A wrong value is worse than a missing one: two different valid values, or one that cannot be shown in the
//! original text byte for byte, leave the slot to a person. Never asks, never guesses.

use super::{
    alert_rules::{AlertRules, Printed},
    extract::{self, Found},
    query::Query,
    validate::{self, Validator},
};
use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    classification::{Field, Span},
    look_up::{Answer, Question},
    name::ParameterName,
    recommendation::{FilledParameter, MissingParameter, Origin},
    runbook::{Directory, Parameter, ParameterSource, ParameterType, Runbook},
    untrusted::Untrusted,
};

/// The slots of one runbook for one ticket; each parameter is in at most one of the lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filled {
    pub parameters: Vec<FilledParameter>,
    /// Required ones without a value, with why.
    pub missing: Vec<MissingParameter>,
    /// What directory services have to be asked before the slots are settled.
    pub questions: BTreeSet<Question>,
}

/// Values of one slot that a service is asked for; a text with more is a dump or a probe, and a person reads it.
const MOST_QUESTIONS: usize = 8;

/// Fills every parameter from the first of its sources that has a valid value.
pub(crate) fn fill(runbook: &Runbook, rules: &AlertRules, query: &Query<'_>, answers: &BTreeMap<Question, Answer>) -> Filled {
    let mut filled = Filled::default();
    let ticket = Ticket {
        query,
        printed: if runbook.parameters.is_empty() { BTreeMap::new() } else { rules.invert(query) },
        declared: runbook.parameters.keys().map(ParameterName::as_str).collect(),
        answers,
    };
    for (name, parameter) in &runbook.parameters {
        match ticket.fill_one(name, parameter) {
            Ok(value) => filled.parameters.push(value),
            Err(Unfilled { reason, questions }) => {
                filled.questions.extend(questions);
                if parameter.required {
                    filled.missing.push(MissingParameter { name: name.clone(), reason });
                }
            }
        }
    }
    filled
}

/// What one source says.
enum Said {
    Nothing,
    Value {
        value: String,
        origin: Origin,
        validated_by: Vec<String>,
    },
    /// It has something that cannot be used.
    Unusable(String),
    /// It cannot be told before a service has answered.
    Ask(BTreeSet<Question>),
}

struct Unfilled {
    reason: String,
    questions: BTreeSet<Question>,
}

/// Whether a value of the right form exists.
enum Exists {
    /// With the check it passed.
    Yes(Option<String>),
    No(String),
    /// Nobody could say.
    Unknown(String),
    Ask(Question),
}

/// A ticket with what is looked up in it once for all slots.
struct Ticket<'a> {
    query: &'a Query<'a>,
    /// Labels that a known alert template gives back.
    printed: BTreeMap<String, Printed>,
    declared: Vec<&'a str>,
    answers: &'a BTreeMap<Question, Answer>,
}

impl Ticket<'_> {
    fn fill_one(&self, name: &ParameterName, parameter: &Parameter) -> Result<FilledParameter, Unfilled> {
        let mut reasons = Vec::new();
        for source in &parameter.from {
            let said = match source {
                ParameterSource::Label(label) => {
                    let origin = Origin::Label { name: label.clone() };
                    self.structured(parameter, self.query.labels.get(label), &format!("label `{label}`"), origin)
                }
                ParameterSource::Attribute(field) => {
                    let origin = Origin::Attribute { name: field.clone() };
                    self.structured(parameter, self.query.attributes.get(field), &format!("attribute `{field}`"), origin)
                }
                ParameterSource::Requester => self.requester(parameter),
                ParameterSource::Text => match self.said_in_template(name, parameter) {
                    Said::Nothing => self.said_in_text(name, parameter),
                    said => said,
                },
            };
            match said {
                Said::Value { value, origin, validated_by } => {
                    return Ok(FilledParameter { name: name.clone(), value, origin, validated_by });
                }
                // Later sources have their turn only once this one is known to have nothing.
                Said::Ask(questions) => {
                    let asked = questions.first().map(|question| format!("the directory `{}` was not asked yet", question.directory));
                    return Err(Unfilled { reason: asked.unwrap_or_default(), questions });
                }
                Said::Unusable(reason) => reasons.push(reason),
                Said::Nothing => {}
            }
        }
        let reason = if reasons.is_empty() { format!("the ticket names no {}", parameter.kind.as_str()) } else { reasons.join("; ") };
        Err(Unfilled { reason, questions: BTreeSet::new() })
    }

    fn exists(&self, parameter: &Parameter, value: &str) -> Exists {
        match &parameter.one_of {
            None => Exists::Yes(None),
            Some(Directory::List { path, values }) if values.contains(value) => Exists::Yes(Some(format!("in {path}"))),
            Some(Directory::List { path, .. }) => Exists::No(format!("not in {path}")),
            Some(Directory::Service { name }) => {
                let question = Question { directory: name.clone(), value: value.to_owned() };
                match self.answers.get(&question) {
                    None => Exists::Ask(question),
                    Some(Answer::Listed { .. }) => Exists::Yes(Some(format!("in directory {name}"))),
                    Some(Answer::ListedBefore { at }) => {
                        Exists::Yes(Some(format!("in directory {name} at {at}, which cannot be asked now")))
                    }
                    Some(Answer::Unlisted { .. }) => Exists::No(format!("not in the directory `{name}`")),
                    Some(Answer::Unknown { why }) => Exists::Unknown(format!("the directory `{name}` cannot be asked: {why}")),
                }
            }
        }
    }

    /// The value of a label that the slot asks for, or that has its name, as the alert's own template printed it.
    fn said_in_template(&self, name: &ParameterName, parameter: &Parameter) -> Said {
        let asked = parameter.from.iter().filter_map(|source| match source {
            ParameterSource::Label(label) => Some(label.as_str()),
            _ => None,
        });
        let Some(printed) = asked.chain([name.as_str()]).find_map(|label| self.printed.get(label)) else { return Said::Nothing };
        let Some(span) = self.shown(printed.field, &printed.range) else { return Said::Unusable(DISGUISED.to_owned()) };
        let what = format!("value in the text of `{}`", printed.alert);
        match self.structured(parameter, Some(&Untrusted::from(printed.value.as_str())), &what, Origin::Text { span }) {
            Said::Value { value, origin, mut validated_by } => {
                validated_by.insert(0, format!("template of {}", printed.alert));
                Said::Value { value, origin, validated_by }
            }
            said => said,
        }
    }

    fn said_in_text(&self, name: &ParameterName, parameter: &Parameter) -> Said {
        let validator = match Validator::new(parameter) {
            Ok(validator) => validator,
            Err(why) => return Said::Unusable(why),
        };
        let mut usable: Vec<Usable> = Vec::new();
        let mut unshown: BTreeSet<String> = BTreeSet::new();
        let mut odd = None;
        for (field, text) in self.query.fields() {
            for found in extract::candidates(name, &self.declared, parameter, text) {
                match validator.form(&found.value) {
                    Err(_) => odd = odd.or_else(|| spoiled(&validator, parameter, &found.value)),
                    Ok(validated_by) => match self.shown(field, &found.range) {
                        Some(span) => usable.push(Usable { found, validated_by, span }),
                        None => {
                            unshown.insert(found.value);
                        }
                    },
                }
            }
        }
        let usable = match self.existing(parameter, usable) {
            Ok(usable) => usable,
            Err(said) => return said,
        };
        if unshown.iter().any(|value| !matches!(self.exists(parameter, value), Exists::No(_))) {
            return Said::Unusable(DISGUISED.to_owned());
        }
        let mut values: Vec<&str> = usable.iter().map(|usable| usable.found.value.as_str()).collect();
        values.sort_unstable();
        values.dedup();
        match (values.as_slice(), usable.first()) {
            ([_], Some(Usable { found, validated_by, span })) => {
                Said::Value { value: found.value.clone(), origin: Origin::Text { span: span.clone() }, validated_by: validated_by.clone() }
            }
            ([], _) | (_, None) => odd.map_or(Said::Nothing, Said::Unusable),
            (several, _) => {
                Said::Unusable(format!("the text names more than one: {}", several.iter().take(5).copied().collect::<Vec<_>>().join(", ")))
            }
        }
    }

    /// Of the words with the right form those that exist, and of these the ones called by the slot's name when any is:
    /// in `node n1 is down, pods move to n2` the first is meant.
    fn existing(&self, parameter: &Parameter, usable: Vec<Usable>) -> Result<Vec<Usable>, Said> {
        let values: BTreeSet<&str> = usable.iter().map(|usable| usable.found.value.as_str()).collect();
        if matches!(parameter.one_of, Some(Directory::Service { .. })) && values.len() > MOST_QUESTIONS {
            return Err(Said::Unusable(format!("the text has {} words that could be it, too many to look up", values.len())));
        }
        let questions: BTreeSet<Question> = values
            .into_iter()
            .filter_map(|value| match self.exists(parameter, value) {
                Exists::Ask(question) => Some(question),
                _ => None,
            })
            .collect();
        if !questions.is_empty() {
            return Err(Said::Ask(questions));
        }
        let (mut existing, mut absent) = (Vec::new(), Vec::new());
        for mut usable in usable {
            match self.exists(parameter, &usable.found.value) {
                Exists::Yes(check) => {
                    usable.validated_by.extend(check);
                    existing.push(usable);
                }
                Exists::No(why) => absent.push((usable, why)),
                Exists::Unknown(why) => return Err(Said::Unusable(why)),
                Exists::Ask(question) => return Err(Said::Ask([question].into())),
            }
        }
        // One that is called by the slot's name and does not exist leaves no room for another that only happens to.
        let named_absent = absent.iter().find(|(usable, _)| usable.found.named);
        if existing.iter().any(|usable| usable.found.named) {
            existing.retain(|usable| usable.found.named);
        } else if let Some((usable, why)) = named_absent {
            return Err(Said::Unusable(format!("`{}` is {why}", usable.found.value)));
        }
        let telling = |usable: &Usable| parameter.pattern.is_some() || usable.found.value.bytes().any(|b| !b.is_ascii_alphabetic());
        if existing.is_empty()
            && let Some((usable, why)) = absent.iter().find(|(usable, _)| telling(usable))
        {
            return Err(Said::Unusable(format!("`{}` is {why}", usable.found.value)));
        }
        Ok(existing)
    }

    fn structured(&self, parameter: &Parameter, value: Option<&Untrusted>, what: &str, origin: Origin) -> Said {
        let Some(value) = value.map(Untrusted::as_untrusted).filter(|value| !value.is_empty()) else { return Said::Nothing };
        let (value, notes) = normal_form(&parameter.kind, value);
        let refused = |why: String| Said::Unusable(format!("the {what} cannot be used: {why}"));
        let mut validated_by = match Validator::new(parameter).and_then(|validator| validator.form(&value)) {
            Ok(passed) => passed,
            Err(why) => return refused(why),
        };
        match self.exists(parameter, &value) {
            Exists::Yes(check) => validated_by.extend(check),
            Exists::No(why) => return refused(format!("it is {why}")),
            Exists::Unknown(why) => return refused(why),
            Exists::Ask(question) => return Said::Ask([question].into()),
        }
        validated_by.extend(notes);
        Said::Value { value, origin, validated_by }
    }

    /// The requester's own address or id. The local part of an address is never taken for a user name: anybody may
    /// own `ana@` somewhere.
    fn requester(&self, parameter: &Parameter) -> Said {
        let Some(requester) = self.query.requester else { return Said::Nothing };
        let email = requester.email.as_ref().filter(|_| parameter.kind == ParameterType::Email);
        self.structured(parameter, Some(email.unwrap_or(&requester.id)), "requester", Origin::Requester)
    }

    /// Where the bytes stand in the original. Equal length shows that cleaning changed nothing inside: no full-width
    /// digit, no hidden character.
    fn shown(&self, field: Field, range: &std::ops::Range<usize>) -> Option<Span> {
        (self.query.span_of)(field, range.clone()).filter(|span| span.end - span.start == range.len())
    }
}

/// A word of the text with the right form.
struct Usable {
    found: Found,
    validated_by: Vec<String>,
    span: Span,
}

const DISGUISED: &str = "the text writes it with hidden or look-alike characters";

/// Why a word that holds a usable value and more cannot be used, as in `prn-07;reboot`.
fn spoiled(validator: &Validator<'_>, parameter: &Parameter, word: &str) -> Option<String> {
    let why = validate::charset(word).err()?;
    parameter.pattern.as_ref()?;
    let pieces = word.split(|c: char| !(c.is_ascii_alphanumeric() || "._-@:/+".contains(c)));
    pieces.into_iter().any(|piece| validator.form(piece).is_ok()).then(|| format!("a word of the text cannot be used: {why}"))
}

/// One spelling for what is one thing: host names and addresses ignore case, and an alert's `instance` may carry a port.
fn normal_form(kind: &ParameterType, value: &str) -> (String, Vec<String>) {
    match kind {
        ParameterType::Hostname => {
            let port = |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
            match value.rsplit_once(':').filter(|(host, digits)| validate::is_hostname(host) && port(digits)) {
                Some((host, _)) => (host.to_ascii_lowercase(), vec!["port left off".to_owned()]),
                None => (value.to_ascii_lowercase(), Vec::new()),
            }
        }
        ParameterType::Email => (value.to_ascii_lowercase(), Vec::new()),
        _ => (value.to_owned(), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{name::RunbookId, ticket::Requester},
        runbook::{library::shipped, query::same_span},
    };

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    fn filled(id: &str, labels: Pairs, title: &str, body: &str) -> Filled {
        let library = shipped();
        let labels: BTreeMap<String, Untrusted> = labels.iter().map(|(k, v)| ((*k).to_owned(), Untrusted::from(*v))).collect();
        let attributes = BTreeMap::new();
        let query = Query { title, body, labels: &labels, attributes: &attributes, requester: None, category: None, span_of: &same_span };
        library.fill(library.get(&RunbookId::new(id).unwrap()).unwrap(), &query, &BTreeMap::new())
    }

    fn value(filled: &Filled) -> Option<&str> {
        filled.parameters.first().map(|p| p.value.as_str())
    }

    #[test]
    fn a_value_in_the_text_comes_with_its_place_and_its_validators() {
        let body = "Nothing comes out of PRN-07. Please help";
        let got = filled("restart-print-spooler", &[], "Printer", body);
        let parameter = &got.parameters[0];
        assert_eq!(parameter.value, "prn-07");
        let Origin::Text { span } = &parameter.origin else { panic!("{parameter:?}") };
        assert_eq!((span.field, &body[span.start..span.end]), (Field::Body, "PRN-07"));
        assert_eq!(parameter.validated_by, ["hostname", "pattern ^prn-[0-9]{2,4}$", "in inventory/printers.csv"]);
    }

    #[test]
    fn sources_are_asked_in_the_order_declared() {
        let got = filled("restart-print-spooler", &[("instance", "prn-02:9100")], "prn-07 hangs", "");
        assert_eq!(value(&got), Some("prn-02"));
        assert_eq!(got.parameters[0].origin, Origin::Label { name: "instance".to_owned() });
    }

    #[test]
    fn two_values_are_a_question_and_the_same_one_twice_is_not() {
        let two = filled("restart-print-spooler", &[], "prn-07 works, prn-08 does not", "");
        assert_eq!(two.missing[0].reason, "the text names more than one: prn-07, prn-08");
        assert_eq!(value(&filled("restart-print-spooler", &[], "prn-07 down", "again: prn-07!")), Some("prn-07"));
    }

    #[test]
    fn what_is_not_in_the_list_or_carries_more_than_a_name_is_missing_with_why() {
        for text in ["prn-99 is down", "prn-07;reboot", "prn-07/../prn-08", "prn-07%0d%0a", "http://prn-07/x", "no printer"] {
            let got = filled("restart-print-spooler", &[], text, "");
            assert_eq!((value(&got), got.missing.len()), (None, 1), "{text}");
        }
        let got = filled("restart-print-spooler", &[("instance", "prn-07;reboot")], "", "");
        assert!(got.missing[0].reason.starts_with("the label `instance` cannot be used: it has the character `;`"), "{got:?}");
    }

    #[test]
    fn a_value_whose_original_is_written_otherwise_is_not_taken() {
        // `prn-０７` in the original is `prn-07` after cleaning: two bytes longer for each digit.
        let library = shipped();
        let nothing = BTreeMap::new();
        let wider = |field: Field, range: std::ops::Range<usize>| Some(Span { field, start: range.start, end: range.end + 4 });
        let none = |_: Field, _: std::ops::Range<usize>| None;
        let spans: [&dyn Fn(Field, std::ops::Range<usize>) -> Option<Span>; 2] = [&wider, &none];
        for span_of in spans {
            let query =
                Query { title: "prn-07", body: "", labels: &nothing, attributes: &nothing, requester: None, category: None, span_of };
            let got = library.fill(library.get(&RunbookId::new("restart-print-spooler").unwrap()).unwrap(), &query, &BTreeMap::new());
            assert_eq!(got.missing[0].reason, "the text writes it with hidden or look-alike characters");
        }
    }

    #[test]
    fn a_plain_word_is_a_user_only_beside_a_word_that_says_so() {
        assert_eq!(value(&filled("unlock-account", &[], "my account is locked, user asmith", "")), Some("asmith"));
        assert_eq!(value(&filled("unlock-account", &[], "tnguyen is locked out", "")), Some("tnguyen"));
        assert_eq!(value(&filled("unlock-account", &[], "greetings from asmith: all fine", "")), None);
        assert_eq!(value(&filled("unlock-account", &[], "k.andersen cannot sign in", "")), Some("k.andersen"));
    }

    #[test]
    fn the_requester_is_taken_by_stable_id_and_never_by_the_local_part_of_an_address() {
        let library = shipped();
        let nothing = BTreeMap::new();
        let ask = |id: &str, email: &str| {
            let requester = Requester { id: id.into(), email: Some(email.into()), name: None, organization: None };
            let query = Query {
                title: "I am locked out",
                body: "",
                labels: &nothing,
                attributes: &nothing,
                requester: Some(&requester),
                category: None,
                span_of: &same_span,
            };
            library.fill(library.get(&RunbookId::new("unlock-account").unwrap()).unwrap(), &query, &BTreeMap::new())
        };
        assert_eq!(value(&ask("jdoe", "j@example.com")), Some("jdoe"));
        assert_eq!(value(&ask("9921", "jdoe@evil.example")), None);
    }

    #[test]
    fn an_enum_is_found_in_any_case_as_a_whole_word() {
        let got = filled("restart-service", &[], "Nginx on web-03 is down", "");
        assert_eq!(got.parameters.iter().map(|p| p.value.as_str()).collect::<Vec<_>>(), ["web-03", "nginx"]);
        assert_eq!(filled("restart-service", &[], "nginx-exporter on web-03 is down", "").missing.len(), 1);
    }

    #[test]
    fn a_value_of_a_directory_service_waits_for_its_answer_and_only_a_yes_fills_the_slot() {
        use crate::domain::{name::DirectoryName, time::Timestamp};
        let library = shipped();
        let mut runbook = library.get(&RunbookId::new("restart-print-spooler").unwrap()).unwrap().clone();
        let name = DirectoryName::new("printers").unwrap();
        for parameter in runbook.parameters.values_mut() {
            parameter.one_of = Some(Directory::Service { name: name.clone() });
        }
        let fill = |text: &str, answers: &BTreeMap<Question, Answer>| {
            crate::runbook::query::text_query(text, None, |query| library.fill(&runbook, query, answers))
        };
        let at = Timestamp::from_millis(0);
        let asked = fill("prn-07 hangs; not the printer", &BTreeMap::new());
        let question = Question { directory: name.clone(), value: "prn-07".to_owned() };
        assert_eq!((value(&asked), &asked.questions), (None, &BTreeSet::from([question.clone()])), "only what passed the pattern is asked");
        let with = |answer: Answer| fill("prn-07 hangs", &BTreeMap::from([(question.clone(), answer)]));
        assert_eq!(with(Answer::Listed { at }).parameters[0].validated_by.last().unwrap(), "in directory printers");
        assert_eq!(value(&with(Answer::ListedBefore { at })), Some("prn-07"));
        assert_eq!(with(Answer::Unlisted { at }).missing[0].reason, "`prn-07` is not in the directory `printers`");
        let unknown = with(Answer::Unknown { why: "it answered 500".to_owned() });
        assert_eq!(unknown.missing[0].reason, "the directory `printers` cannot be asked: it answered 500");
        assert!(unknown.questions.is_empty());
        let many: Vec<String> = (10..30).map(|number| format!("prn-{number}")).collect();
        let many = fill(&many.join(" "), &BTreeMap::new());
        assert!(many.questions.is_empty() && many.missing[0].reason.contains("too many to look up"));
    }

    #[test]
    fn the_shipped_examples_fill_the_slots_of_their_runbook() {
        let library = shipped();
        for runbook in library.iter().filter(|runbook| runbook.is_executable()) {
            let complete = runbook
                .examples
                .matching
                .iter()
                .filter(|text| {
                    crate::runbook::query::text_query(text, None, |query| library.fill(runbook, query, &BTreeMap::new())).missing.is_empty()
                })
                .count();
            assert!(
                complete * 3 >= runbook.examples.matching.len() * 2,
                "{}: {complete} of {}",
                runbook.id,
                runbook.examples.matching.len()
            );
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(400))]
        #[test]
        fn no_text_stops_the_filling(text in "(\\PC{0,6}|prn-07|user|host|7|30m|queue=|/var/log| |:|\u{301}){0,12}") {
            let library = shipped();
            for runbook in library.iter() {
                let filled = crate::runbook::query::text_query(&text, None, |query| library.fill(runbook, query, &BTreeMap::new()));
                proptest::prop_assert!(filled.parameters.iter().all(|parameter| parameter.value.is_ascii()));
            }
        }
    }
}
