//! Write-back: the help desk that results go to, as whom, and which of its values stand for ours.
//!
//! What each kind of help desk takes is data ([`DeskKind::takes`]), so that `config check` and the sender read the same
//! table. Opens no connection.
// INVARIANT: what is not mapped is left alone at the help desk; a comment the requester can read is written only where
// `visibility = "public"` stands.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::secret::Secret;
use crate::domain::priority::Priority;

/// How results go back to the help desk.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteBack {
    pub kind: DeskKind,
    /// The site; for GitHub the repository's and for GitLab the project's URL of the API, which no ticket can leave.
    pub base_url: Url,
    /// Who writes, where the help desk wants an address: Zendesk, Jira, PagerDuty.
    #[serde(default)]
    pub email: Option<String>,
    /// Who writes, where the help desk wants a user's name: ServiceNow, GLPI.
    #[serde(default)]
    pub user: Option<String>,
    /// The API token or key; the password where `user` stands.
    pub token: Secret,
    /// GLPI's OAuth client.
    #[serde(default)]
    pub client_id: Option<String>,
    #[serde(default)]
    pub client_secret: Option<Secret>,
    #[serde(default)]
    pub visibility: Visibility,
    #[serde(default)]
    pub priorities: Priorities,
    /// The help desk's status for a ticket whose run did its work.
    #[serde(default)]
    pub resolved: Option<String>,
    /// More fields that go with that status, like ServiceNow's `close_code`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved_fields: Vec<Named>,
    /// Our category to theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Named>,
    /// Our assignment group to theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Named>,
    /// Private addresses this target may have, as networks; public ones are always allowed.
    #[serde(default)]
    pub allow_addresses: Vec<ipnet::IpNet>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeskKind {
    Zendesk,
    Jira,
    ServiceNow,
    Freshdesk,
    Freshservice,
    Zammad,
    Glpi,
    Github,
    Gitlab,
    Pagerduty,
    Opsgenie,
}

/// Who can read the comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// The people who work on tickets.
    #[default]
    Internal,
    /// The requester, too.
    Public,
}

/// Our priority to theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Priorities {
    pub p1: Option<String>,
    pub p2: Option<String>,
    pub p3: Option<String>,
    pub p4: Option<String>,
}

impl Priorities {
    pub fn get(&self, priority: Priority) -> Option<&str> {
        match priority {
            Priority::P1 => self.p1.as_deref(),
            Priority::P2 => self.p2.as_deref(),
            Priority::P3 => self.p3.as_deref(),
            Priority::P4 => self.p4.as_deref(),
        }
    }
}

/// A name of ours, or of a field, and the help desk's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    pub name: String,
    pub value: String,
}

/// The form of a value of the help desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    /// A positive whole number, sent as one.
    Number,
    /// `impact/urgency`, each a digit: ServiceNow computes its priority from both.
    ImpactUrgency,
    /// A tag: no blank, no comma.
    Tag,
    /// A label: no comma.
    Label,
    OneOf(&'static [&'static str]),
}

impl Form {
    /// The value as the help desk's JSON has it; `None` when `text` is not of this form.
    pub fn value(self, text: &str) -> Option<Value> {
        let plain = !text.trim().is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
        let holds = match self {
            Self::Text => true,
            Self::Number => return text.parse::<u64>().ok().filter(|number| *number > 0).map(|number| json!(number)),
            Self::ImpactUrgency => text
                .split_once('/')
                .is_some_and(|(impact, urgency)| [impact, urgency].iter().all(|one| matches!(one.as_bytes(), [b'1'..=b'9']))),
            Self::Tag => !text.contains([' ', ',']),
            Self::Label => !text.contains(','),
            Self::OneOf(words) => words.contains(&text),
        };
        (plain && holds).then(|| json!(text))
    }

    fn expected(self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Number => "a whole number above 0".to_owned(),
            Self::ImpactUrgency => "impact and urgency, like `1/2`".to_owned(),
            Self::Tag => "a tag without blanks and commas".to_owned(),
            Self::Label => "a label without commas".to_owned(),
            Self::OneOf(words) => format!("one of {}", words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// As whom we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// The token alone says it.
    Token,
    Email,
    User,
    /// User and password, and the OAuth client that may use them.
    UserAndClient,
}

/// Which visibilities a help desk's comments have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    Either,
    OnlyInternal,
    OnlyPublic,
}

/// What a kind of help desk takes; `None` is a field that it does not have.
#[derive(Debug, Clone, Copy)]
pub struct Takes {
    pub account: Account,
    pub audience: Audience,
    pub priority: Form,
    pub category: Option<Form>,
    pub group: Option<Form>,
    pub resolved: Form,
    pub resolved_fields: bool,
}

const fn takes(account: Account, audience: Audience, priority: Form, resolved: Form) -> Takes {
    Takes { account, audience, priority, category: None, group: None, resolved, resolved_fields: false }
}

impl DeskKind {
    pub const ALL: [Self; 11] = [
        Self::Zendesk,
        Self::Jira,
        Self::ServiceNow,
        Self::Freshdesk,
        Self::Freshservice,
        Self::Zammad,
        Self::Glpi,
        Self::Github,
        Self::Gitlab,
        Self::Pagerduty,
        Self::Opsgenie,
    ];

    /// The name people know it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zendesk => "Zendesk",
            Self::Jira => "Jira",
            Self::ServiceNow => "ServiceNow",
            Self::Freshdesk => "Freshdesk",
            Self::Freshservice => "Freshservice",
            Self::Zammad => "Zammad",
            Self::Glpi => "GLPI",
            Self::Github => "GitHub",
            Self::Gitlab => "GitLab",
            Self::Pagerduty => "PagerDuty",
            Self::Opsgenie => "Opsgenie",
        }
    }

    pub const fn takes(self) -> Takes {
        use Form::{ImpactUrgency, Label, Number, OneOf, Tag, Text};
        match self {
            Self::Zendesk => Takes {
                category: Some(Tag),
                group: Some(Number),
                ..takes(
                    Account::Email,
                    Audience::Either,
                    OneOf(&["urgent", "high", "normal", "low"]),
                    OneOf(&["solved", "closed", "pending", "hold", "open"]),
                )
            },
            Self::Jira => Takes { category: Some(Tag), ..takes(Account::Email, Audience::Either, Text, Text) },
            Self::ServiceNow => Takes {
                category: Some(Text),
                group: Some(Text),
                resolved_fields: true,
                ..takes(Account::User, Audience::Either, ImpactUrgency, Number)
            },
            Self::Freshdesk | Self::Freshservice => Takes {
                category: Some(Text),
                group: Some(Number),
                resolved_fields: true,
                ..takes(Account::Token, Audience::Either, Number, Number)
            },
            Self::Zammad => Takes {
                category: Some(Label),
                group: Some(Text),
                resolved_fields: true,
                ..takes(Account::Token, Audience::Either, Text, Text)
            },
            Self::Glpi => Takes { category: Some(Number), ..takes(Account::UserAndClient, Audience::Either, Number, Number) },
            Self::Github => Takes {
                category: Some(Label),
                group: Some(Label),
                ..takes(Account::Token, Audience::OnlyPublic, Label, OneOf(&["completed", "not_planned"]))
            },
            Self::Gitlab => {
                Takes { category: Some(Label), group: Some(Label), ..takes(Account::Token, Audience::Either, Label, OneOf(&["closed"])) }
            }
            Self::Pagerduty => takes(Account::Email, Audience::OnlyInternal, Text, OneOf(&["resolved"])),
            Self::Opsgenie => Takes {
                category: Some(Tag),
                ..takes(Account::Token, Audience::OnlyInternal, OneOf(&["P1", "P2", "P3", "P4", "P5"]), OneOf(&["closed"]))
            },
        }
    }
}

impl WriteBack {
    /// What is wrong, each with its key below this table. The URL is checked where every URL is.
    pub fn problems(&self) -> Vec<(String, String)> {
        let (takes, name) = (self.kind.takes(), self.kind.name());
        let mut problems = Vec::new();
        let mut require = |holds: bool, key: &str, message: String| {
            if !holds {
                problems.push((key.to_owned(), message));
            }
        };
        require(!self.token.is_empty(), "token", "is empty".to_owned());
        let (email, user, client) = match takes.account {
            Account::Token => (false, false, false),
            Account::Email => (true, false, false),
            Account::User => (false, true, false),
            Account::UserAndClient => (false, true, true),
        };
        for (key, wanted, given) in [
            ("email", email, self.email.as_deref()),
            ("user", user, self.user.as_deref()),
            ("client_id", client, self.client_id.as_deref()),
            ("client_secret", client, self.client_secret.as_ref().map(Secret::expose)),
        ] {
            match given.map(|given| !given.trim().is_empty()) {
                Some(_) if !wanted => require(false, key, format!("is not used by {name}: leave it out")),
                Some(true) => {}
                Some(false) => require(false, key, "is empty".to_owned()),
                None => require(!wanted, key, format!("is missing: {name} wants it")),
            }
        }
        require(self.email.as_deref().is_none_or(|email| email.contains('@')), "email", "is not an e-mail address".to_owned());
        // The name ends at the first colon of HTTP Basic.
        require(self.user.as_deref().is_none_or(|user| !user.contains(':')), "user", "has a `:` in it".to_owned());
        match (takes.audience, self.visibility) {
            (Audience::OnlyPublic, Visibility::Internal) => require(
                false,
                "visibility",
                format!("is `internal`, and {name} has no internal comments: write `public` if whoever sees the issue may read them"),
            ),
            (Audience::OnlyInternal, Visibility::Public) => {
                require(false, "visibility", format!("is `public`, and {name} has no requester who could read it"));
            }
            _ => {}
        }
        let mut mapped = |form: Option<Form>, key: &str, values: &mut dyn Iterator<Item = (String, &str)>| {
            for (place, value) in values {
                let key = format!("{key}{place}");
                match form {
                    None => require(false, &key, format!("cannot be set: {name} has no such field")),
                    Some(form) => require(form.value(value).is_some(), &key, format!("is `{value}`: expected {}", form.expected())),
                }
            }
        };
        let priorities = Priority::ALL.into_iter().filter_map(|priority| {
            self.priorities.get(priority).map(|value| (format!(".{}", priority.as_str().to_ascii_lowercase()), value))
        });
        mapped(Some(takes.priority), "priorities", &mut { priorities });
        mapped(Some(takes.resolved), "resolved", &mut self.resolved.iter().map(|value| (String::new(), value.as_str())));
        for (form, key, named) in [
            (takes.category, "categories", &self.categories),
            (takes.group, "groups", &self.groups),
            (takes.resolved_fields.then_some(Form::Text), "resolved_fields", &self.resolved_fields),
        ] {
            let values = named.iter().enumerate().map(|(place, named)| (format!(".{place}.value"), named.value.as_str()));
            mapped(form, key, &mut { values });
        }
        for (place, field) in self.resolved_fields.iter().enumerate() {
            let holds = !field.name.is_empty() && field.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            require(holds, &format!("resolved_fields.{place}.name"), format!("is `{}`: not the name of a field", field.name));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> WriteBack {
        toml::from_str(toml).unwrap()
    }

    fn keys(toml: &str) -> Vec<String> {
        read(toml).problems().into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn a_minimal_table_of_each_kind_is_in_order_and_comments_are_internal() {
        for kind in DeskKind::ALL {
            let word = json!(kind);
            let account = match kind.takes().account {
                Account::Token => "",
                Account::Email => "email = 'bot@example.com'",
                Account::User => "user = 'bot'",
                Account::UserAndClient => "user = 'bot'\nclient_id = 'c'\nclient_secret = 's'",
            };
            let visibility = if kind == DeskKind::Github { "visibility = 'public'" } else { "" };
            let text = format!("kind = {word}\nbase_url = 'https://desk.example.com'\ntoken = 't'\n{account}\n{visibility}");
            assert_eq!(keys(&text), [""; 0], "{text}");
            if kind != DeskKind::Github {
                assert_eq!(read(&text).visibility, Visibility::Internal);
            }
        }
    }

    #[test]
    fn the_page_has_a_block_in_order_for_every_kind() {
        let page = include_str!("../../docs/write-back.md");
        let mut kinds = std::collections::BTreeSet::new();
        for block in page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()) {
            // What the loader does with files.
            let text = block.replace("token_file", "token").replace("client_secret_file", "client_secret");
            let table: toml::Table = text.replace("[sources.write_back]", "").parse().unwrap();
            let read: WriteBack = table.try_into().unwrap();
            assert_eq!(read.problems(), [], "{text}");
            kinds.insert(read.kind);
        }
        // One block is for both.
        kinds.insert(DeskKind::Freshservice);
        assert_eq!(kinds, DeskKind::ALL.into());
        for kind in DeskKind::ALL {
            assert!(page.contains(&format!("`{}`", json!(kind).as_str().unwrap())), "{kind:?} has no row");
        }
    }

    #[test]
    fn what_a_help_desk_does_not_take_is_refused_with_its_key() {
        let zendesk =
            "kind = 'zendesk'\nbase_url = 'https://x.example'\ntoken = ''\nuser = 'x'\nresolved = 'done'\npriorities = { p1 = 'P1' }
            resolved_fields = [{ name = 'a', value = 'b' }]\ngroups = [{ name = 'net', value = 'Network' }]";
        assert_eq!(keys(zendesk), ["token", "email", "user", "priorities.p1", "resolved", "groups.0.value", "resolved_fields.0.value"]);
        assert_eq!(keys("kind = 'github'\nbase_url = 'https://x.example'\ntoken = 't'"), ["visibility"]);
        let pagerduty = "kind = 'pagerduty'\nbase_url = 'https://x.example'\ntoken = 't'\nemail = 'x'\nvisibility = 'public'
            categories = [{ name = 'a', value = 'b' }]";
        assert_eq!(keys(pagerduty), ["email", "visibility", "categories.0.value"]);
        let service_now = "kind = 'service_now'\nbase_url = 'https://x.example'\ntoken = 't'\nuser = 'a:b'\npriorities = { p2 = '2' }
            resolved_fields = [{ name = 'close code', value = 'x' }]";
        assert_eq!(keys(service_now), ["user", "priorities.p2", "resolved_fields.0.name"]);
    }

    #[test]
    fn values_have_the_form_that_the_help_desk_takes() {
        assert_eq!(Form::Number.value("4"), Some(json!(4)));
        assert_eq!(Form::ImpactUrgency.value("1/2"), Some(json!("1/2")));
        for (form, bad) in [
            (Form::Number, "0"),
            (Form::Number, "four"),
            (Form::ImpactUrgency, "1"),
            (Form::ImpactUrgency, "1/10"),
            (Form::Tag, "a b"),
            (Form::Label, "a,b"),
            (Form::Text, " "),
            (Form::Text, "a\nb"),
            (Form::OneOf(&["a"]), "b"),
        ] {
            assert_eq!(form.value(bad), None, "{form:?} {bad:?}");
        }
    }
}
