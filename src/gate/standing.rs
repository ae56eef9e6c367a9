//! The requester's standing: what the list or the directory says of all identities that a requester goes by.
//!
//! Purely joins what was said; asking a directory is the pipeline's. Where several records speak, the strictest
//! reading counts: one flag flags, one VIP is a VIP, and entitled is only whom every record that says so allows.
// INVARIANT: no spelling of an identity escapes a flag: an identity is compared in one form, and one that has no
// such form makes the standing unknown.
// INVARIANT: whoever posted a ticket for somebody else can only take away from what that person may ask for.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    GateError, approval,
    facts::{RequesterFacts, StandingFacts},
    requesters::{self, EVERYTHING, List, Record},
};
use crate::domain::{
    name::{PersonId, RunbookId},
    ticket::Requester,
    time::Timestamp,
};

/// What a directory service said of one identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Known { record: Record, at: Timestamp },
    NotKnown { at: Timestamp },
    Unknown { why: String },
}

/// The identities to ask a directory for, each in the form in which it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identities {
    /// The requester's stable id and e-mail address.
    own: BTreeSet<String>,
    /// Whoever posted the ticket for them, when that is another identity.
    submitter: Option<String>,
    /// The requester has an identity that cannot be compared.
    odd: bool,
}

impl Identities {
    pub fn of(requester: &Requester, submitter: Option<&PersonId>) -> Self {
        let mut identities = Self::default();
        let written = [Some(&requester.id), requester.email.as_ref()].into_iter().flatten();
        for text in written.map(|text| text.as_untrusted()).filter(|text| !text.trim().is_empty()) {
            match requesters::comparable(text) {
                Some(identity) => drop(identities.own.insert(identity)),
                None => identities.odd = true,
            }
        }
        identities.submitter =
            submitter.and_then(|person| requesters::comparable(person.as_str())).filter(|identity| !identities.own.contains(identity));
        identities
    }

    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.own.iter().chain(&self.submitter).map(String::as_str)
    }
}

/// Where records come from.
#[derive(Debug, Clone)]
enum Source {
    Nowhere,
    List(List),
    /// A directory service, asked for each ticket.
    Directory,
}

/// What is configured and loaded of requesters.
#[derive(Debug, Clone)]
pub struct Requesters {
    source: Source,
    vip: BTreeSet<String>,
    flagged: BTreeSet<String>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub runbook: &'a RunbookId,
    /// The categories that the runbook is for; empty means any.
    pub categories: &'a BTreeSet<String>,
    /// What triage says the ticket's category is.
    pub category: Option<&'a str>,
}

impl Requesters {
    /// `file` is the list; without one, `directory` says whether a service is asked. `vip` and `flagged` come from
    /// the configuration, and count beside either.
    ///
    /// # Errors
    /// The list cannot be read, or a row of it.
    pub fn load(file: Option<&Path>, directory: bool, vip: &[String], flagged: &[String]) -> Result<Self, GateError> {
        let source = match file {
            Some(file) => Source::List(requesters::load(file)?),
            None if directory => Source::Directory,
            None => Source::Nowhere,
        };
        let listed = |list: &[String]| list.iter().map(|entry| listed_form(entry)).collect();
        Ok(Self { source, vip: listed(vip), flagged: listed(flagged) })
    }

    /// The requester as the gate sees them. `said` are the directory's answers by identity; `None` when it was not
    /// asked. The rate is the caller's to fill in.
    pub fn facts(
        &self,
        requester: &Requester,
        submitter: Option<&PersonId>,
        said: Option<&BTreeMap<String, Said>>,
        wanted: Option<Wanted<'_>>,
    ) -> RequesterFacts {
        let compared = Identities::of(requester, submitter);
        let mut names: BTreeSet<String> = compared.all().map(str::to_owned).collect();
        names.extend([Some(&requester.id), requester.email.as_ref()].into_iter().flatten().map(|text| listed_form(text.as_untrusted())));
        let mut identities = approval::identities(requester);
        // Whoever posted it through the API asks too, whoever they say it is for.
        identities.extend(submitter.cloned());
        let mut facts = RequesterFacts {
            identities,
            known: false,
            vip: !self.vip.is_disjoint(&names),
            flagged: !self.flagged.is_disjoint(&names),
            entitled: None,
            groups: BTreeSet::new(),
            rate: None,
            standing: None,
        };
        let mut heard = Heard::default();
        match &self.source {
            Source::Nowhere => return facts,
            Source::List(list) => {
                for identity in compared.all() {
                    heard.take(&compared, identity, list.get(identity), &mut facts, wanted);
                }
                facts.standing = Some(StandingFacts::Listed);
            }
            // With no runbook there is nothing to run, and nobody asked.
            Source::Directory if said.is_none() && wanted.is_none() => return facts,
            Source::Directory => {
                for identity in compared.all() {
                    match said.and_then(|said| said.get(identity)) {
                        Some(Said::Known { record, at }) => {
                            heard.answered(*at);
                            heard.take(&compared, identity, Some(record), &mut facts, wanted);
                        }
                        Some(Said::NotKnown { at }) => heard.answered(*at),
                        Some(Said::Unknown { why }) => drop(heard.unknown.get_or_insert_with(|| why.clone())),
                        None => drop(heard.unknown.get_or_insert_with(|| "the directory was not asked".to_owned())),
                    }
                }
                facts.standing = match (heard.unknown.take(), heard.oldest) {
                    (Some(reason), _) => Some(StandingFacts::Unknown { reason }),
                    (None, Some(at)) => Some(StandingFacts::Answered { at }),
                    (None, None) => Some(StandingFacts::Unknown { reason: "the ticket names no identity of the requester".to_owned() }),
                };
            }
        }
        if compared.odd {
            let reason = "an identity of the requester has other characters than letters, digits and `.-_@:+`".to_owned();
            facts.standing = Some(StandingFacts::Unknown { reason });
        }
        facts.entitled = match (heard.allowed, heard.denied) {
            (_, true) => Some(false),
            (true, false) => Some(true),
            (false, false) => None,
        };
        facts
    }
}

/// What the records said together, as far as they were read.
#[derive(Default)]
struct Heard {
    oldest: Option<Timestamp>,
    unknown: Option<String>,
    /// A record of the requester's own allows it.
    allowed: bool,
    /// Any record says what may be asked for, and this is not in it.
    denied: bool,
}

impl Heard {
    fn answered(&mut self, at: Timestamp) {
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
    }

    fn take(
        &mut self,
        compared: &Identities,
        identity: &str,
        record: Option<&Record>,
        facts: &mut RequesterFacts,
        wanted: Option<Wanted<'_>>,
    ) {
        let Some(record) = record else { return };
        let own = compared.own.contains(identity);
        facts.vip |= record.vip;
        facts.flagged |= record.flagged;
        if own {
            facts.known = true;
            facts.groups.extend(record.groups.iter().cloned());
        }
        if let Some(entitled) = &record.entitled {
            let covered = covers(entitled, wanted);
            self.allowed |= own && covered;
            self.denied |= !covered;
        }
    }
}

/// A category covers a runbook only when the runbook is for that category: the category alone is what a text says.
fn covers(entitled: &BTreeSet<String>, wanted: Option<Wanted<'_>>) -> bool {
    let named = |name: &str| entitled.contains(name);
    let by_category =
        |wanted: Wanted<'_>, category: &str| named(category) && (wanted.categories.is_empty() || wanted.categories.contains(category));
    named(EVERYTHING)
        || wanted
            .is_some_and(|wanted| named(wanted.runbook.as_str()) || wanted.category.is_some_and(|category| by_category(wanted, category)))
}

/// An entry of `gate.vip` and `gate.flagged`, which may be any text that a sender uses as an id.
fn listed_form(text: &str) -> String {
    requesters::comparable(text).unwrap_or_else(|| text.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::untrusted::Untrusted;

    fn from_list(csv: &str) -> Requesters {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("requesters.csv");
        std::fs::write(&file, csv).unwrap();
        Requesters::load(Some(&file), false, &[], &[]).unwrap()
    }

    fn who(id: &str, email: Option<&str>) -> Requester {
        Requester { id: id.into(), email: email.map(Untrusted::from), name: None, organization: None }
    }

    #[test]
    fn one_flag_of_any_identity_flags_and_who_is_not_listed_is_not_known() {
        let list = from_list("id,vip,flagged,groups\nu-1,no,no,staff\nana@example.com,yes,yes,finance\n");
        let facts = list.facts(&who("u-1", Some("Ana+x@Example.com")), None, None, None);
        assert!(facts.known && facts.vip && facts.flagged && facts.entitled.is_none());
        assert_eq!(facts.groups.iter().map(String::as_str).collect::<Vec<_>>(), ["finance", "staff"]);
        assert_eq!(facts.standing, Some(StandingFacts::Listed));
        let stranger = list.facts(&who("u-2", Some("bo@example.com")), None, None, None);
        assert!(!stranger.known && !stranger.vip && !stranger.flagged && stranger.entitled.is_none());
        assert_eq!(stranger.standing, Some(StandingFacts::Listed));
    }

    #[test]
    fn entitled_is_whom_every_record_that_says_so_allows() {
        let list =
            from_list("id,entitled\nu-1,restart-spooler hardware/printer\nana@example.com,*\nbo@example.com,\nsvc,*\nnarrow,other\n");
        let runbook = |id: &str, categories: &[&str]| -> (RunbookId, BTreeSet<String>) {
            (id.parse().unwrap(), categories.iter().map(|category| (*category).to_owned()).collect())
        };
        let (spooler, other) = (runbook("restart-spooler", &[]), runbook("unlock-account", &["access/account"]));
        let asks = |id: &str, email: Option<&str>, submitter: Option<&str>, asked: &(RunbookId, BTreeSet<String>), category| {
            let submitter = submitter.map(|person| PersonId::new(person).unwrap());
            let wanted = Wanted { runbook: &asked.0, categories: &asked.1, category };
            list.facts(&who(id, email), submitter.as_ref(), None, Some(wanted)).entitled
        };
        assert_eq!(asks("u-1", None, None, &spooler, None), Some(true));
        assert_eq!(asks("u-1", None, None, &other, Some("access/account")), Some(false));
        assert_eq!(asks("u-1", None, None, &runbook("toner", &[]), Some("hardware/printer")), Some(true));
        assert_eq!(asks("u-1", None, None, &other, Some("hardware/printer")), Some(false), "the text says printer, the runbook does not");
        assert_eq!(asks("u-1", Some("ana@example.com"), None, &other, None), Some(false), "one of two records does not allow it");
        assert_eq!(asks("x", Some("ana@example.com"), None, &other, None), Some(true));
        assert_eq!(asks("x", Some("bo@example.com"), None, &spooler, None), Some(false), "an empty cell is nothing");
        assert_eq!(asks("x", None, None, &spooler, None), None);
        assert_eq!(asks("x", None, Some("svc"), &spooler, None), None, "who posts it lends nobody an entitlement");
        assert_eq!(asks("x", Some("ana@example.com"), Some("narrow"), &spooler, None), Some(false));
    }

    #[test]
    fn who_posts_for_somebody_else_lends_a_flag_and_nothing_else() {
        let list = from_list("id,vip,flagged,groups,entitled\neve,no,yes,admins,*\n");
        let eve = PersonId::new("EVE").unwrap();
        let facts = list.facts(&who("bo@example.com", None), Some(&eve), None, None);
        assert!(facts.flagged && !facts.known && facts.groups.is_empty() && facts.entitled.is_none());
    }

    #[test]
    fn a_directory_that_does_not_say_all_leaves_the_standing_unknown_and_keeps_what_it_said() {
        let directory = Requesters::load(None, true, &[], &[]).unwrap();
        let requester = who("u-1", Some("ana@example.com"));
        let (then, now) = (Timestamp::from_millis(1_000), Timestamp::from_millis(2_000));
        let flagged = || Said::Known { record: Record { flagged: true, ..Record::default() }, at: now };
        let said = |pairs: [(&str, Said); 2]| pairs.map(|(identity, said)| (identity.to_owned(), said)).into();
        let of = |said: Option<&BTreeMap<String, Said>>| {
            let spooler = RunbookId::new("restart-spooler").unwrap();
            directory.facts(&requester, None, said, Some(Wanted { runbook: &spooler, categories: &BTreeSet::new(), category: None }))
        };
        let all = of(Some(&said([("u-1", Said::NotKnown { at: then }), ("ana@example.com", flagged())])));
        assert!(all.known && all.flagged);
        assert_eq!(all.standing, Some(StandingFacts::Answered { at: then }), "the oldest answer");
        let half = of(Some(&said([("u-1", Said::Unknown { why: "it answered 503".to_owned() }), ("ana@example.com", flagged())])));
        assert!(half.flagged);
        assert_eq!(half.standing, Some(StandingFacts::Unknown { reason: "it answered 503".to_owned() }));
        assert!(matches!(of(Some(&BTreeMap::new())).standing, Some(StandingFacts::Unknown { .. })));
        assert!(matches!(of(None).standing, Some(StandingFacts::Unknown { .. })), "a caller that forgot to ask");
        assert_eq!(directory.facts(&requester, None, None, None).standing, None, "nothing could run");
        let nobody = directory.facts(&who("", None), None, Some(&BTreeMap::new()), None);
        assert!(matches!(nobody.standing, Some(StandingFacts::Unknown { .. })));
    }

    #[test]
    fn without_list_and_directory_only_the_configurations_lists_count() {
        let lists = Requesters::load(None, false, &["cn=ceo".to_owned()], &["Ana@example.com".to_owned()]).unwrap();
        let facts = lists.facts(&who("CN=CEO ", Some("ana+1@example.com")), None, None, None);
        assert!(facts.vip && facts.flagged && facts.standing.is_none() && !facts.known);
    }

    proptest! {
        /// Case, `+tag`, spaces around and a dot at the end are one identity; any other character makes it unknown.
        #[test]
        fn no_spelling_of_an_identity_escapes_a_flag(
            upper in prop::collection::vec(any::<bool>(), 15),
            tag in "(\\+[a-z0-9+._-]{0,6})?",
            around in " {0,2}",
            dot in "\\.{0,2}",
            odd in "[^a-zA-Z0-9._@:+-]?",
            at in 0usize..15,
            as_id: bool,
        ) {
            static LIST: LazyLock<Requesters> = LazyLock::new(|| from_list("id,flagged\nana@example.com,yes\n"));
            let mut spelled: String = "ana@example.com"
                .chars()
                .zip(&upper)
                .map(|(letter, upper)| if *upper { letter.to_ascii_uppercase() } else { letter })
                .collect();
            spelled.insert_str(3, &tag);
            let whole = spelled.len();
            spelled.insert_str(at.min(whole), &odd);
            let spelled = format!("{around}{spelled}{dot}{around}");
            let requester = if as_id { who(&spelled, None) } else { who("u-9", Some(&spelled)) };
            let facts = LIST.facts(&requester, None, None, None);
            let unknown = matches!(facts.standing, Some(StandingFacts::Unknown { .. }));
            prop_assert!(facts.flagged || unknown, "{spelled:?}: {facts:?}");
            prop_assert!(facts.flagged || !odd.is_empty());
        }
    }
}
