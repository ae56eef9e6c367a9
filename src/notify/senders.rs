//! Everything that can be told something, by destination, and the one place that picks the way for a message.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    NotifyError, Sent, Tried,
    chat::{self, Chat},
    desks::{HelpDesk, WriteBack},
    digest::{self, Digest},
    mail::{self, Mailer},
    pause::Pauses,
    sender::{LIMITS, LONGEST_RETRY_AFTER},
    webhook::{self, Endpoint},
};
use crate::{
    config::Config,
    domain::{
        mail_address::MailAddress,
        name::{SourceId, TenantId},
        outbox::{Destination, Message, Occasion, OutboxMessage},
        time::Timestamp,
    },
    outbound::Client,
};

pub struct Senders {
    help_desks: BTreeMap<SourceId, HelpDesk>,
    pauses: Pauses,
    webhooks: BTreeMap<(TenantId, String), Endpoint>,
    chats: BTreeMap<(TenantId, String), Chat>,
    recipients: BTreeMap<(TenantId, String), MailAddress>,
    mailer: Option<Mailer>,
    digests: Vec<Digest>,
    public_url: String,
}

/// What of an endpoint's configuration people may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    pub name: String,
    /// Without path and query, which may hold a secret.
    pub host: String,
    /// Empty means all.
    pub events: Vec<String>,
    /// What receivers verify `v1a` signatures with.
    pub public_keys: Vec<String>,
    pub disable_after: Option<Duration>,
}

impl Senders {
    /// # Errors
    /// A name that is none or is used twice, a URL that is not allowed, or a secret of another form.
    pub fn from_config(config: &Config) -> Result<Self, NotifyError> {
        let mut help_desks = BTreeMap::new();
        for source in &config.sources {
            let Some(write_back) = &source.write_back else { continue };
            let refuse = |why: String| NotifyError::WriteBack { source_name: source.name.clone(), why };
            let name = SourceId::new(&source.name).map_err(|why| refuse(why.to_string()))?;
            let client = Client::new(&write_back.base_url, &write_back.allow_addresses, LIMITS)
                .map_err(|why| NotifyError::Target { name: source.name.clone(), why })?;
            if help_desks.insert(name, HelpDesk::new(client, write_back).map_err(refuse)?).is_some() {
                return Err(refuse("the source's name is used twice".to_owned()));
            }
        }
        Ok(Self {
            help_desks,
            pauses: Pauses::default(),
            webhooks: webhook::from_config(config)?,
            chats: chat::from_config(config)?,
            recipients: mail::recipients(config)?,
            mailer: mail::from_config(config)?,
            digests: digest::from_config(config)?,
            public_url: config.server.public_url.trim_end_matches('/').to_owned(),
        })
    }

    /// True when results can go back to this source.
    pub fn writes_back_to(&self, source: &SourceId) -> bool {
        self.help_desks.contains_key(source)
    }

    /// Who of the tenant wants to be told of events of this type, in the order of names.
    pub fn listeners(&self, tenant: &TenantId, event_type: &str) -> Vec<Destination> {
        of(&self.webhooks, tenant, |endpoint| endpoint.wants(event_type)).map(Destination::Webhook).collect()
    }

    /// Every tenant that has a webhook.
    pub fn tenants(&self) -> BTreeSet<TenantId> {
        self.webhooks.keys().map(|(tenant, _)| tenant.clone()).collect()
    }

    /// Every tenant that has a listener of this type.
    pub fn listening_tenants(&self, event_type: &str) -> BTreeSet<TenantId> {
        self.webhooks.iter().filter(|(_, endpoint)| endpoint.wants(event_type)).map(|((tenant, _), _)| tenant.clone()).collect()
    }

    /// The chats of the tenant that want to be told of this, in the order of names.
    pub fn chats_for(&self, tenant: &TenantId, occasion: Occasion) -> Vec<Destination> {
        of(&self.chats, tenant, |chat| chat.wants(occasion)).map(Destination::Chat).collect()
    }

    /// The tenant's webhooks, in the order of names.
    pub fn webhooks(&self, tenant: &TenantId) -> Vec<Configured> {
        let mine = self.webhooks.iter().filter(|((of, _), _)| of == tenant);
        mine.map(|((_, name), endpoint)| Configured {
            name: name.clone(),
            host: endpoint.client.base().origin().ascii_serialization(),
            events: endpoint.events().to_vec(),
            public_keys: endpoint.public_keys(),
            disable_after: endpoint.patience,
        })
        .collect()
    }

    pub fn digests(&self) -> &[Digest] {
        &self.digests
    }

    /// What links begin with; no slash at its end.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    pub(super) fn webhook(&self, tenant: &TenantId, name: &str) -> Option<&Endpoint> {
        self.webhooks.get(&(tenant.clone(), name.to_owned()))
    }

    /// When a message may be sent whose help desk asked for patience, if not now.
    pub(super) fn patience(&self, message: &OutboxMessage, now: Timestamp) -> Option<Timestamp> {
        self.pauses.until(&message.destination, message.id, now)
    }

    /// Sends once; `again` when an earlier try may have arrived.
    pub(super) async fn send(&self, message: &OutboxMessage, again: bool, now: Timestamp) -> Tried {
        let gone = || Sent::Never { why: format!("`{}` is not configured", message.destination.key()) }.into();
        let key = |name: &String| (message.tenant.clone(), name.clone());
        match (&message.destination, &message.message) {
            (
                Destination::HelpDesk(source),
                Message::WriteBack { external_id, comment, priority, category, assignment_group, resolved, tags },
            ) => {
                let Some(desk) = self.help_desks.get(source) else { return gone() };
                let write_back = WriteBack {
                    id: message.id,
                    external_id,
                    comment,
                    priority: *priority,
                    category: category.as_deref(),
                    assignment_group: assignment_group.as_deref(),
                    resolved: *resolved,
                    tags,
                };
                let sent = desk.send(&write_back, again).await;
                if let Sent::Later { after: Some(after), .. } = &sent {
                    self.pauses.begin(&message.destination, now.plus((*after).min(LONGEST_RETRY_AFTER)));
                }
                sent.into()
            }
            (Destination::Webhook(name), Message::Event { event_type, data }) => {
                let Some(endpoint) = self.webhooks.get(&key(name)) else { return gone() };
                endpoint.send(message, event_type, data, now).await
            }
            (Destination::Chat(name), Message::Notice(notice)) => {
                let Some(chat) = self.chats.get(&key(name)) else { return gone() };
                chat.send(notice).await
            }
            (Destination::Mail(name), Message::Notice(notice)) => {
                let (Some(to), Some(mailer)) = (self.recipients.get(&key(name)), &self.mailer) else { return gone() };
                mailer.send(message.id, to, notice, now).await
            }
            _ => Sent::Never { why: "the message is of a kind that its destination does not take".to_owned() }.into(),
        }
    }
}

/// The tenant's names of what `wanted` says yes to.
fn of<T>(all: &BTreeMap<(TenantId, String), T>, tenant: &TenantId, wanted: impl Fn(&T) -> bool) -> impl Iterator<Item = String> {
    all.iter()
        .filter(move |((of, _), value)| of == tenant && wanted(value))
        .map(|((_, name), _)| name.clone())
        .collect::<Vec<_>>()
        .into_iter()
}
