//! What stands around every page: where one can go, who one is, what stops automation, what was just done.

use std::borrow::Cow;

use super::{
    assets::{Assets, assets},
    trouble::Trouble,
    visitor::{Theme, Visitor, encoded},
    words::{self, Tone},
};
use crate::{
    domain::{
        approval::{KillSwitch, Mode, Modes},
        principal::Role::{self, Admin, Approver, Auditor, Operator, Responder},
        session::SignIn,
        time::Timestamp,
    },
    pipeline::actions::proof::Proof,
    server::app::App,
};

/// A place in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Queue,
    Tickets,
    Runbooks,
    Automation,
    Log,
    Models,
    Overview,
    People,
}

impl Section {
    /// In the order of the navigation. `g` and the key lead there.
    const ALL: &'static [(Self, &'static str, &'static str, char, &'static [Role])] = &[
        (Self::Queue, "/", "Queue", 'q', READERS),
        (Self::Tickets, "/tickets", "Tickets", 't', READERS),
        (Self::Runbooks, "/runbooks", "Runbooks", 'r', READERS),
        (Self::Automation, "/automation", "Automation", 'a', READERS),
        (Self::Log, "/log", "Log", 'l', READERS),
        (Self::Models, "/models", "Models", 'm', READERS),
        (Self::Overview, "/overview", "Overview", 'o', READERS),
        (Self::People, "/people", "People", 'p', &[Admin, Auditor]),
    ];

    /// Where a path belongs; recommendations and executions are a ticket's.
    fn of(path: &str) -> Option<Self> {
        match path.split('/').nth(1).unwrap_or_default() {
            "" => Some(Self::Queue),
            "recommendations" | "executions" => Some(Self::Tickets),
            first => Self::ALL.iter().find(|(_, to, ..)| to[1..] == *first).map(|(section, ..)| *section),
        }
    }
}

const READERS: &[Role] = &[Responder, Approver, Auditor, Operator];

/// One link of the navigation.
pub struct Place {
    pub path: &'static str,
    pub name: &'static str,
    /// After `g`.
    pub key: char,
    pub here: bool,
}

/// What holds on every page because it says how far Sluicegate may go.
pub struct Banner {
    pub tone: Tone,
    pub heading: &'static str,
    pub text: String,
}

impl Banner {
    fn of(modes: &Modes, now: Timestamp) -> Option<Self> {
        let banner = |tone, heading, text: &str| Some(Self { tone, heading, text: text.to_owned() });
        match (&modes.kill_switch, modes.global) {
            (Some(KillSwitch { by, at, reason }), _) => {
                let text = format!("{by} pulled the kill switch {}: {reason}. No step begins until it is released.", words::ago(now, *at));
                banner(Tone::Bad, "Everything is stopped.", &text)
            }
            (None, Mode::Shadow) => banner(Tone::Info, "Shadow mode.", "Sluicegate decides and records, and does nothing."),
            (None, Mode::Auto) => banner(Tone::Good, "Automation is on.", "Pre-approved runbooks run by themselves."),
            (None, Mode::Suggest) => None,
        }
    }
}

pub struct Frame {
    pub title: Cow<'static, str>,
    pub places: Vec<Place>,
    pub person: String,
    pub roles: Vec<&'static str>,
    /// For every form on the page.
    pub csrf: String,
    pub theme: Theme,
    pub banner: Option<Banner>,
    /// Who has none proves to the sign-on provider that they are there.
    pub has_password: bool,
    /// They did so a moment ago.
    pub proven: bool,
    /// What the change before this page did.
    pub done: Option<&'static str>,
    pub now: Timestamp,
    /// The log's size when this was read: what was added since, the page has to ask for.
    pub log_size: u64,
    pub assets: &'static Assets,
    visitor: Visitor,
}

impl Frame {
    /// # Errors
    /// The store failed.
    pub async fn load(app: &App, visitor: &Visitor, title: impl Into<Cow<'static, str>>) -> Result<Self, Trouble> {
        let principal = visitor.principal();
        // Before anything else is read, so that nothing falls between.
        let log_size = app.service.store.log_size().await?;
        let modes = app.service.store.modes(&principal.tenant).await?;
        let here = Section::of(visitor.uri().path());
        let seen = Section::ALL.iter().filter(|(.., roles)| roles.iter().any(|role| visitor.has(*role)));
        let now = app.service.ambient.now();
        Ok(Self {
            title: title.into(),
            places: seen.map(|&(section, path, name, key, _)| Place { path, name, key, here: here == Some(section) }).collect(),
            person: principal.person.to_string(),
            roles: principal.roles.iter().map(|role| role.as_str()).collect(),
            csrf: visitor.csrf().to_owned(),
            theme: visitor.theme(),
            banner: Banner::of(&modes, now),
            has_password: visitor.session().sign_in == SignIn::Password,
            proven: Proof::is_fresh(&app.service, visitor.session()),
            done: query(visitor, "done").and_then(|word| done_in_words(&word)),
            now,
            log_size,
            assets: assets(),
            visitor: visitor.clone(),
        })
    }

    /// Whether the person has the role: what they cannot do is not offered.
    pub fn may(&self, role: Role) -> bool {
        self.visitor.has(role)
    }

    /// Whether the person has any of what a path asks for, so that no page offers what is refused.
    pub fn may_any(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.visitor.has(*role))
    }

    /// Where a form that changes how pages look comes back to.
    pub fn path(&self) -> &str {
        self.visitor.uri().path_and_query().map_or("/", |path| path.as_str())
    }

    /// The same as a value of a query.
    pub fn path_encoded(&self) -> String {
        encoded(self.path())
    }

    /// How long ago or how long until, in words.
    pub fn ago(&self, at: &Timestamp) -> String {
        words::ago(self.now, *at)
    }
}

/// One value of the address's query.
pub fn query(visitor: &Visitor, name: &str) -> Option<String> {
    let query = visitor.uri().query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// What was done, by the word in the address. Fixed texts, so that a link cannot make a page say anything else.
fn done_in_words(word: &str) -> Option<&'static str> {
    const WORDS: &[(&str, &str)] = &[
        ("approved", "Approved. It runs; this page follows it."),
        ("approved-once", "Your approval counts. Another person has to approve it too."),
        ("edited", "Proposed. It never runs by itself: somebody approves it."),
        ("rejected", "Rejected. The ticket is a person's now."),
        ("told", "Recorded."),
        ("cancelled", "The run goes no further."),
        ("undone", "It is being taken back; this page follows it."),
        ("settled", "Recorded what became of the run."),
        ("taken", "You have the ticket."),
        ("released", "Nobody has the ticket now."),
        ("snoozed", "The ticket is out of the queue until then. It comes back when its sender says more, or when its time runs out."),
        ("woken", "The ticket is back in the queue."),
        ("pre-approved", "Pre-approved: this version is a standard change now."),
        ("revoked", "Revoked: nothing runs by it any more."),
        ("mode", "The mode is set."),
        ("asked", "Asked. Another approver has to confirm it under their own password."),
        ("confirmed", "Confirmed: it is in effect."),
        ("withdrawn", "Withdrawn."),
        ("stopped", "Stopped. No step begins until an operator releases the switch."),
        ("going", "Released. Runs go on."),
        ("enabled", "Enabled: what waited is sent."),
        ("sent-again", "It is sent again."),
        ("replayed", "It was read again."),
        ("link-withdrawn", "The link works no more."),
        ("account", "The account is changed, and every session of that person ended."),
        ("all-ended", "Their sessions are ended."),
        ("token-revoked", "The token works no more."),
        ("corrected", "Recorded. The next training learns from it, when it passes; the proposal stays as it was decided."),
        ("kept", "Kept: the next training learns from it."),
        ("discarded", "Discarded: nothing learns from it."),
        ("promoted", "In force: it decides from the next ticket on."),
        ("rolled-back", "The model before is in force again."),
        ("looks-on", "It answers beside the one in force from the next ticket on, and changes nothing."),
        ("looks-on-no-more", "It looks on no longer."),
        ("looks-again", "Triage looks again; this page shows what it says."),
        ("password", "Your password is changed. Every other session of yours was ended."),
        ("session-ended", "That session was ended."),
        ("others-ended", "Your other sessions were ended."),
    ];
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_stands_in_its_section() {
        assert_eq!(Section::of("/"), Some(Section::Queue));
        assert_eq!(Section::of("/runbooks/reset-password"), Some(Section::Runbooks));
        assert_eq!(Section::of("/executions/exe_1/cancel"), Some(Section::Tickets));
        assert_eq!(Section::of("/account"), None);
    }

    #[test]
    fn no_two_places_have_one_key() {
        let mut keys: Vec<char> = Section::ALL.iter().map(|(.., key, _)| *key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), Section::ALL.len());
    }
}
