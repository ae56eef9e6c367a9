//! One configured help desk: what all kinds share about sending a message.
//!
//! A second try looks for the mark first, so a crash or a lost answer between "received" and "recorded" gives no second
//! comment. Where the API locks, a ticket that changed in between is looked at again before it is written.
// INVARIANT: the id of a ticket is put into a path only when it has the form of the help desk's ids.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use reqwest::Method;
use serde_json::Value;

use super::{
    fresh::Fresh,
    github::Github,
    gitlab::Gitlab,
    glpi::Glpi,
    jira::Jira,
    opsgenie::Opsgenie,
    pagerduty::PagerDuty,
    protocol::{Call, Change, Protocol},
    service_now::ServiceNow,
    values::Values,
    zammad::Zammad,
    zendesk::Zendesk,
};
use crate::{
    config::{
        secret::Secret,
        write_back::{self, DeskKind, Visibility},
    },
    domain::{id::OutboxId, outbox::OutboxMessage, priority::Priority},
    notify::Sent,
    outbound::{Answer, CallError, Client, Path, Refusal, Request},
};

/// Pages of comments searched for the mark.
const MOST_PAGES: usize = 10;
/// A ticket that changes while it is written is busy; the schedule knows when to come back.
const MOST_CONFLICTS: usize = 3;
/// A help desk that answers 429 and does not say until when.
const UNSAID_PAUSE: Duration = Duration::from_secs(60);

/// What one message changes.
pub(crate) struct WriteBack<'a> {
    pub id: OutboxId,
    pub external_id: &'a str,
    pub comment: &'a str,
    pub priority: Option<Priority>,
    pub category: Option<&'a str>,
    pub assignment_group: Option<&'a str>,
    pub resolved: bool,
    pub tags: &'a [String],
}

pub(crate) struct HelpDesk {
    name: &'static str,
    client: Client,
    login: Login,
    protocol: Box<dyn Protocol>,
    values: Values,
    public: bool,
}

enum Login {
    /// A header that says it all.
    Header { name: &'static str, value: Secret },
    /// RFC 6749, section 4.3: user and password are changed for a token that lives an hour.
    Password { path: &'static str, form: Secret },
}

impl HelpDesk {
    /// # Errors
    /// What `config check` would say, in short.
    pub fn new(client: Client, config: &write_back::WriteBack) -> Result<Self, String> {
        if let Some((key, message)) = config.problems().into_iter().next() {
            return Err(format!("`{key}` {message}"));
        }
        let public = config.visibility == Visibility::Public;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let token = config.token.expose();
        let header = |name, value: String| Login::Header { name, value: Secret::new(value) };
        let basic =
            |user: &str, password: &str| header("authorization", format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))));
        let (login, protocol): (Login, Box<dyn Protocol>) = match config.kind {
            DeskKind::Zendesk => (basic(&format!("{}/token", text(&config.email)), token), Box::new(Zendesk)),
            DeskKind::Jira => (basic(&text(&config.email), token), Box::new(Jira)),
            DeskKind::ServiceNow => (basic(&text(&config.user), token), Box::new(ServiceNow)),
            DeskKind::Freshdesk => (basic(token, "X"), Box::new(Fresh::DESK)),
            DeskKind::Freshservice => (basic(token, "X"), Box::new(Fresh::SERVICE)),
            DeskKind::Zammad => (header("authorization", format!("Token token={token}")), Box::new(Zammad)),
            DeskKind::Glpi => {
                let secret = config.client_secret.clone().unwrap_or_default();
                let form = Glpi::login(&text(&config.client_id), &secret, &text(&config.user), &config.token);
                (Login::Password { path: Glpi::LOGIN, form }, Box::new(Glpi))
            }
            DeskKind::Github => (header("authorization", format!("Bearer {token}")), Box::new(Github)),
            DeskKind::Gitlab => (header("private-token", token.to_owned()), Box::new(Gitlab)),
            DeskKind::Pagerduty => {
                (header("authorization", format!("Token token={token}")), Box::new(PagerDuty { from: text(&config.email) }))
            }
            DeskKind::Opsgenie => (header("authorization", format!("GenieKey {token}")), Box::new(Opsgenie)),
        };
        Ok(Self { name: config.kind.name(), client, login, protocol, values: Values::from_config(config)?, public })
    }

    /// Sends once. With `look_first`, a message that is already there is not sent again.
    pub async fn send(&self, message: &WriteBack<'_>, look_first: bool) -> Sent {
        match self.write(message, look_first).await {
            Ok(()) => Sent::Delivered,
            Err(sent) => sent,
        }
    }

    async fn write(&self, message: &WriteBack<'_>, look_first: bool) -> Result<(), Sent> {
        let (id, form) = (message.external_id, self.protocol.id_form());
        if !form.fits(id) {
            let shown: String = id.chars().take(64).collect();
            return Err(never(format!("the ticket's id `{shown}` is not one of {}: expected {}", self.name, form.expected())));
        }
        let mark = OutboxMessage::mark(message.id);
        let resolved = if message.resolved { self.values.resolved.clone() } else { None };
        let change = Change {
            comment: message.comment,
            mark: &mark,
            public: self.public,
            priority: self.values.priority(message.priority),
            category: self.values.category(message.category),
            group: self.values.group(message.assignment_group),
            resolved_fields: if resolved.is_some() { &self.values.resolved_fields } else { &[] },
            resolved,
            tags: message.tags,
        };
        let login = self.log_in().await?;
        let mut look = look_first;
        for _ in 0..MOST_CONFLICTS {
            if look && self.is_there(&login, id, message.id).await? {
                return Ok(());
            }
            if self.write_all(&login, id, &change).await? {
                return Ok(());
            }
            look = true;
        }
        Err(Sent::Later {
            why: format!("the ticket at {} changed each of the {MOST_CONFLICTS} times that it was written", self.name),
            after: None,
        })
    }

    /// False when the ticket changed since it was read, and nothing was written.
    async fn write_all(&self, login: &Login, id: &str, change: &Change<'_>) -> Result<bool, Sent> {
        let current = match self.protocol.current(id, change) {
            Some(call) => self.read(login, call).await?,
            None => Value::Null,
        };
        let calls = self.protocol.writes(id, change, &current).map_err(|why| never(format!("{}: {why}", self.name)))?;
        for call in calls {
            let answer = self.call(login, call).await?;
            if answer.status == 409 && self.protocol.locks() {
                return Ok(false);
            }
            self.accept(&answer)?;
        }
        Ok(true)
    }

    /// Looks for the mark among the comments. The id alone is enough: nobody else writes it, and a help desk may store
    /// the brackets around it in another form.
    async fn is_there(&self, login: &Login, id: &str, message: OutboxId) -> Result<bool, Sent> {
        let (listing, sought) = (self.protocol.listing(), message.to_string());
        for page in 0..MOST_PAGES {
            let answer = self.read(login, self.protocol.comments(id, page)).await?;
            let comments = match answer.pointer(listing.pointer) {
                Some(Value::Array(comments)) => comments.as_slice(),
                Some(all @ Value::Object(_)) => std::slice::from_ref(all),
                _ => return Err(Sent::Later { why: format!("the list of comments of {} could not be read", self.name), after: None }),
            };
            if comments.iter().any(|comment| comment.to_string().contains(&sought)) {
                return Ok(true);
            }
            if listing.page.is_none_or(|size| comments.len() < size) {
                return Ok(false);
            }
        }
        if listing.newest_first {
            return Ok(false);
        }
        Err(never(format!("the ticket at {} has too many comments to tell whether ours is among them", self.name)))
    }

    async fn log_in(&self) -> Result<Login, Sent> {
        match &self.login {
            Login::Header { name, value } => Ok(Login::Header { name, value: value.clone() }),
            Login::Password { path, form } => {
                let request = Path::parse(path)
                    .and_then(|path| Request::new(Method::POST, Some(path)).header("content-type", "application/x-www-form-urlencoded"));
                let mut request = request.map_err(|why| never(why.to_string()))?;
                request.body = Some(form.expose().as_bytes().to_vec());
                let answer = self.client.send(request).await.map_err(|error| later(&error))?;
                // Whatever is wrong with the account is for an operator to repair, and the message waits.
                if !answer.is_success() {
                    return Err(Sent::Later {
                        why: format!("{} answered {} to the login", self.name, answer.status),
                        after: self.patience(&answer),
                    });
                }
                let token = serde_json::from_slice::<Value>(&answer.body).ok();
                match token.as_ref().and_then(|token| token.get("access_token")?.as_str()) {
                    Some(token) => Ok(Login::Header { name: "authorization", value: Secret::new(format!("Bearer {token}")) }),
                    None => Err(Sent::Later { why: format!("{} answered the login without an `access_token`", self.name), after: None }),
                }
            }
        }
    }

    /// A call whose answer is read.
    async fn read(&self, login: &Login, call: Call) -> Result<Value, Sent> {
        let answer = self.call(login, call).await?;
        self.accept(&answer)?;
        serde_json::from_slice(&answer.body)
            .map_err(|_| Sent::Later { why: format!("{} answered {} with what is no JSON", self.name, answer.status), after: None })
    }

    async fn call(&self, login: &Login, call: Call) -> Result<Answer, Sent> {
        let request = self.request(login, call).map_err(|why| later(&CallError::Forbidden(why)))?;
        // Whatever was or was not received: the mark will tell.
        self.client.send(request).await.map_err(|error| later(&error))
    }

    fn request(&self, login: &Login, call: Call) -> Result<Request, Refusal> {
        let mut request = Request::new(call.method, Some(Path::parse(&call.path)?)).header("accept", "application/json")?;
        for (name, value) in self.protocol.headers() {
            request = request.header(name, &value)?;
        }
        if let Login::Header { name, value } = login {
            request = request.secret_header(name, value.expose())?;
        }
        request.query = call.query.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(match &call.body {
            Some(body) => request.json(body),
            None => request,
        })
    }

    fn accept(&self, answer: &Answer) -> Result<(), Sent> {
        let why = format!("{} answered {}", self.name, answer.status);
        match answer.status {
            200..=299 => Ok(()),
            // What it says about that is not quoted: it stands in the log for good, and may hold what it was told.
            404 | 410 => Err(never(format!("{why}: it has no such ticket any more, or does not show it to this account"))),
            400 | 405 | 413 | 422 => Err(never(format!(
                "{why}: the ticket is closed, or a value that `write_back` maps is none of its own; its own log says which"
            ))),
            401 => Err(Sent::Later { why: format!("{why}: the token is not accepted"), after: None }),
            _ => Err(Sent::Later { why, after: self.patience(answer) }),
        }
    }

    /// How long the help desk asks us to wait. GitHub and GitLab say it as the second at which the limit ends.
    fn patience(&self, answer: &Answer) -> Option<Duration> {
        let reset = || {
            let number = |name: &str| answer.headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
            let spent = number("x-ratelimit-remaining").or_else(|| number("ratelimit-remaining")) == Some(0);
            let at = number("x-ratelimit-reset").or_else(|| number("ratelimit-reset")).filter(|_| spent)?;
            let now = httpdate::parse_http_date(answer.headers.get("date")?.to_str().ok()?).ok()?;
            let now = now.duration_since(std::time::UNIX_EPOCH).ok()?;
            Duration::from_secs(at).checked_sub(now)
        };
        answer.retry_after().or_else(reset).or_else(|| (answer.status == 429).then_some(UNSAID_PAUSE))
    }
}

fn never(why: String) -> Sent {
    Sent::Never { why }
}

fn later(error: &CallError) -> Sent {
    match error {
        // A path or header that cannot be built will not be built next time either; a forbidden address may be allowed later.
        CallError::Forbidden(Refusal::Path { .. } | Refusal::Header(_)) => never(error.to_string()),
        _ => Sent::Later { why: error.to_string(), after: None },
    }
}
