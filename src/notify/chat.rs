//! Notices in a chat: the incoming webhooks of Slack and Teams.
//!
//! A notice may quote a ticket, and whoever wrote the ticket must not be able to mention people, to place a link or to
//! format. So words stand only where the chat interprets none (Slack `plain_text`, Adaptive Cards `TextRun`), what a client
//! might still read into them is taken out first, and the one link is ours. Nothing is approved here: the link leads to
//! where people prove who they are.
// INVARIANT: the URL is a secret; no error, log line or answer repeats any part of it but the host.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::{NotifyError, Sent, Tried, sender::LIMITS};
use crate::{
    config::{Config, chat::ChatKind},
    domain::{
        name::TenantId,
        outbox::{Notice, Occasion},
    },
    outbound::{CallError, Client, Refusal, Request},
};

/// Slack takes 150 characters in a header and 3,000 in a section; fewer are read.
const TITLE: usize = 140;
const LINE: usize = 300;
const LINES: usize = 12;

pub(crate) struct Chat {
    client: Client,
    kind: ChatKind,
    /// Empty means every one.
    occasions: Vec<String>,
}

/// The configured chats, by tenant and name.
///
/// # Errors
/// A name that is none or is used twice, or a URL that is not allowed; the message does not repeat the URL.
pub(crate) fn from_config(config: &Config) -> Result<BTreeMap<(TenantId, String), Chat>, NotifyError> {
    let mut chats = BTreeMap::new();
    for chat in &config.chats {
        let refuse = |why: String| NotifyError::Chat { chat: chat.name.clone(), why };
        let tenant = TenantId::new(&chat.tenant).map_err(|why| refuse(why.to_string()))?;
        let url = Url::parse(chat.url.expose()).map_err(|why| refuse(format!("`url` is no URL: {why}")))?;
        let client = Client::new(&url, &chat.allow_addresses, LIMITS).map_err(|why| refuse(without_url(&why)))?;
        let made = Chat { client, kind: chat.kind, occasions: chat.occasions.clone() };
        if chats.insert((tenant, chat.name.clone()), made).is_some() {
            return Err(refuse("the name is used twice".to_owned()));
        }
    }
    Ok(chats)
}

fn without_url(why: &Refusal) -> String {
    match why {
        Refusal::BaseUrl { why, .. } => format!("`url` {why}"),
        other => other.to_string(),
    }
}

impl Chat {
    pub fn wants(&self, occasion: Occasion) -> bool {
        self.occasions.is_empty() || self.occasions.iter().any(|wanted| wanted == occasion.as_str())
    }

    pub async fn send(&self, notice: &Notice) -> Tried {
        let body = match self.kind {
            ChatKind::Slack => slack(notice),
            ChatKind::Teams => teams(notice),
        };
        match self.client.send(Request::new(Method::POST, None).json(&body)).await {
            Ok(answer) if answer.is_success() => Tried::answered(Sent::Delivered, answer.status),
            Ok(answer) => {
                let why = format!("the chat answered {}", answer.status);
                let sent = match answer.status {
                    // The webhook was taken back, the channel is gone or archived, or the message is not one it takes.
                    400 | 401 | 403 | 404 | 410 | 413 => Sent::Never { why },
                    _ => Sent::Later { why, after: answer.retry_after() },
                };
                Tried::answered(sent, answer.status)
            }
            Err(CallError::Unreadable { status: status @ 200..=299, .. }) => Tried::answered(Sent::Delivered, status),
            Err(CallError::Forbidden(why)) => Sent::Later { why: without_url(&why), after: None }.into(),
            Err(error) => Sent::Later { why: error.to_string(), after: None }.into(),
        }
    }
}

/// Words that no chat client reads anything into: one line, no control or direction characters, no mention, no URL.
///
/// The places they are put in are plain by the chats' own word; clients that linkify or complete names in them all the same
/// find `@`, `://`, `www.`, `](` and `{{` broken by a word joiner, which shows as nothing. Host names stay as they are, for
/// people copy them.
fn plain(text: &str, most: usize) -> String {
    let seen = |c: &char| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    let words: String = text.chars().filter(seen).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<char> = words.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
    let mut plain = String::with_capacity(text.len());
    for (place, c) in words.iter().take(most).enumerate() {
        plain.push(*c);
        let next = words.get(place + 1);
        let broken = match c {
            '@' | '\u{ff20}' | '\u{fe6b}' | '{' => true,
            ':' => next == Some(&'/'),
            ']' => next == Some(&'('),
            '.' => place >= 3 && words[place - 3..place].iter().all(|w| w.eq_ignore_ascii_case(&'w')),
            _ => false,
        };
        if broken {
            plain.push('\u{2060}');
        }
    }
    if words.len() > most {
        plain.push('…');
    }
    plain
}

/// Slack reads `&`, `<` and `>` in every text of a message as the start of something, and takes them back escaped so.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn lines(notice: &Notice) -> impl Iterator<Item = String> {
    notice.lines.iter().map(|line| plain(line, LINE)).filter(|line| !line.is_empty()).take(LINES)
}

/// Block Kit. `text` is for notifications and is formatted by Slack, so it has our words only.
fn slack(notice: &Notice) -> Value {
    let text = |text: &str| json!({ "type": "plain_text", "text": escaped(text), "emoji": false });
    let mut blocks = vec![json!({ "type": "header", "text": text(&plain(&notice.title, TITLE)) })];
    let words = lines(notice).collect::<Vec<_>>().join("\n");
    if !words.is_empty() {
        blocks.push(json!({ "type": "section", "text": text(&words) }));
    }
    if let Some(link) = notice.link.as_ref().and_then(|link| ours(link)) {
        let link = format!("<{}|Open in Sluicegate>", escaped(&link));
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": link, "verbatim": true } }));
    }
    json!({ "text": format!("Sluicegate: {}", heading(notice.occasion)), "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
}

/// An Adaptive Card as the "Workflows" webhook of Teams takes it. A `TextRun` knows no Markdown, and without an `entities`
/// list a card mentions nobody.
fn teams(notice: &Notice) -> Value {
    let run =
        |text: String, weight: &str| json!({ "type": "RichTextBlock", "inlines": [{ "type": "TextRun", "text": text, "weight": weight }] });
    let mut body = vec![run(plain(&notice.title, TITLE), "Bolder")];
    body.extend(lines(notice).map(|line| run(line, "Default")));
    let actions: Vec<Value> = notice
        .link
        .iter()
        .filter_map(|link| ours(link))
        .map(|link| json!({ "type": "Action.OpenUrl", "title": "Open in Sluicegate", "url": link }))
        .collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "fallbackText": format!("Sluicegate: {}", heading(notice.occasion)),
                "body": body,
                "actions": actions,
            },
        }],
    })
}

/// The link as the URL parser writes it, in which no character ends a link early.
fn ours(link: &str) -> Option<String> {
    let url = Url::parse(link).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some(url.as_str().replace('|', "%7C"))
}

const fn heading(occasion: Occasion) -> &'static str {
    match occasion {
        Occasion::NeedsApproval => "a proposal waits for approval",
        Occasion::InDoubt => "a run is in doubt",
        Occasion::Failed => "a run failed",
        Occasion::Demoted => "a runbook lost its automation",
        Occasion::KillSwitch => "the kill switch was used",
        Occasion::Storm => "many near-equal tickets came",
        Occasion::EndpointDisabled => "a webhook endpoint was disabled",
        Occasion::Digest => "digest",
    }
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod tests;
