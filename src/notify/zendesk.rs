//! Write-back to Zendesk: one `PUT` per message with an internal comment and field changes.
//!
//! The comment ends with a mark that names the message. A second try looks for the mark first, so a crash or a
//! lost answer between "received" and "recorded" gives no second comment. Comment and fields travel in one
//! request, so the mark speaks for both.
// INVARIANT: comments are internal (`public: false`); nothing here writes to the requester.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::Sent;
use crate::{
    config::secret::Secret,
    domain::{id::OutboxId, outbox::OutboxMessage, priority::Priority},
    outbound::{Answer, CallError, Client, Path, Refusal, Request},
};

/// Newest comments searched for the mark: pages of a hundred.
const MOST_PAGES: u32 = 10;

/// What one message changes.
pub(crate) struct WriteBack<'a> {
    pub id: OutboxId,
    pub external_id: &'a str,
    pub comment: &'a str,
    pub priority: Option<Priority>,
    pub resolved: bool,
    pub tags: &'a [String],
}

pub(crate) struct Zendesk {
    client: Client,
    authorization: Secret,
}

#[derive(Deserialize)]
struct CommentPage {
    comments: Vec<Comment>,
    next_page: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Comment {
    #[serde(default)]
    body: Option<String>,
}

impl Zendesk {
    pub fn new(client: Client, email: &str, token: &Secret) -> Self {
        let authorization = Secret::new(format!("Basic {}", BASE64_STANDARD.encode(format!("{email}/token:{}", token.expose()))));
        Self { client, authorization }
    }

    /// Sends once. With `look_first`, a message that is already there is not sent again.
    pub async fn send(&self, message: &WriteBack<'_>, look_first: bool) -> Sent {
        // Zendesk's ids are numbers; anything else came from outside and is not put into a path.
        if message.external_id.is_empty()
            || message.external_id.len() > 20
            || !message.external_id.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Sent::Never { why: "the ticket's id is not a Zendesk id".to_owned() };
        }
        if look_first {
            match self.is_there(message).await {
                Ok(true) => return Sent::Delivered,
                Ok(false) => {}
                Err(outcome) => return outcome,
            }
        }
        let mut ticket =
            json!({ "comment": { "body": format!("{}\n\n{}", message.comment, OutboxMessage::mark(message.id)), "public": false } });
        if let Some(priority) = message.priority {
            ticket["priority"] = json!(match priority {
                Priority::P1 => "urgent",
                Priority::P2 => "high",
                Priority::P3 => "normal",
                Priority::P4 => "low",
            });
        }
        if message.resolved {
            ticket["status"] = json!("solved");
        }
        if !message.tags.is_empty() {
            ticket["additional_tags"] = json!(message.tags);
        }
        let path = format!("/api/v2/tickets/{}.json", message.external_id);
        match self.call(Method::PUT, &path, &[], Some(&json!({ "ticket": ticket }))).await {
            Ok(answer) => verdict(&answer),
            // Whatever was or was not received: the mark will tell.
            Err(error) => later(&error),
        }
    }

    /// Looks for the mark among the newest comments.
    async fn is_there(&self, message: &WriteBack<'_>) -> Result<bool, Sent> {
        let path = format!("/api/v2/tickets/{}/comments.json", message.external_id);
        let mark = OutboxMessage::mark(message.id);
        for page in 1..=MOST_PAGES {
            let query = [("sort_order", "desc".to_owned()), ("per_page", "100".to_owned()), ("page", page.to_string())];
            let answer = self.call(Method::GET, &path, &query, None).await.map_err(|error| later(&error))?;
            if !answer.is_success() {
                return Err(verdict(&answer));
            }
            let read: CommentPage = serde_json::from_slice(&answer.body)
                .map_err(|_| Sent::Later { why: "the list of comments could not be read".to_owned(), after: None })?;
            if read.comments.iter().any(|comment| comment.body.as_ref().is_some_and(|body| body.contains(&mark))) {
                return Ok(true);
            }
            if read.next_page.is_none() || read.comments.is_empty() {
                return Ok(false);
            }
        }
        Ok(false)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&serde_json::Value>,
    ) -> Result<Answer, CallError> {
        let mut request = Request::new(method, Some(Path::parse(path)?)).secret_header("authorization", self.authorization.expose())?;
        request.query = query.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        if let Some(body) = body {
            request = request.json(body);
        }
        self.client.send(request).await
    }
}

fn later(error: &CallError) -> Sent {
    match error {
        // A path that cannot be built will not be built next time either; a forbidden address may be allowed later.
        CallError::Forbidden(Refusal::Path { .. }) => Sent::Never { why: error.to_string() },
        _ => Sent::Later { why: error.to_string(), after: None },
    }
}

fn verdict(answer: &Answer) -> Sent {
    let why = format!("Zendesk answered {}", answer.status);
    match answer.status {
        200..=299 => Sent::Delivered,
        // The ticket is gone or closed, or the request is not one Zendesk takes.
        400 | 404 | 405 | 410 | 413 | 422 => Sent::Never { why },
        _ => Sent::Later { why, after: answer.retry_after() },
    }
}
