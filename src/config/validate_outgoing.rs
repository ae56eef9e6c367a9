//! Rules over who is told what: webhooks, chats, mail. Opens and reads nothing, and repeats no secret.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::Url;

use super::{Config, mail::MailSecurity, validate::Checks};
use crate::domain::{
    mail_address::MailAddress,
    outbox::{EVENT_TYPES, Occasion},
};

impl Checks {
    pub(super) fn outgoing(&mut self, config: &Config) {
        self.names("webhooks", config.webhooks.iter().map(|webhook| webhook.name.as_str()));
        self.names("chats", config.chats.iter().map(|chat| chat.name.as_str()));
        self.names("recipients", config.recipients.iter().map(|recipient| recipient.name.as_str()));
        self.names("digests", config.digests.iter().map(|digest| digest.name.as_str()));
        self.webhooks(config);
        self.chats(config);
        self.mail(config);
        self.digests(config);
    }

    fn webhooks(&mut self, config: &Config) {
        for (index, webhook) in config.webhooks.iter().enumerate() {
            let at = format!("webhooks.{index}");
            self.url(format!("{at}.url"), &webhook.url);
            self.require(
                !webhook.secret.is_empty() && webhook.secret.iter().all(|secret| is_webhook_secret(secret.expose())),
                format!("{at}.secret"),
                "is not a Standard Webhooks secret: write `whsec_` and base64 of 24 to 64 bytes, or `whsk_` and base64 of 32",
            );
            for event in webhook.events.iter().filter(|event| !EVENT_TYPES.contains(&event.as_str())) {
                self.require(
                    false,
                    format!("{at}.events"),
                    format!("has `{event}`, which is no event: choose from {}", EVENT_TYPES.join(", ")),
                );
            }
            if let Some(owner) = &webhook.owner_mail {
                let known = config.recipients.iter().any(|recipient| recipient.name == *owner && recipient.tenant == webhook.tenant);
                self.require(known, format!("{at}.owner_mail"), format!("is `{owner}`, which is no entry of `recipients` of this tenant"));
            }
            if let Some(owner) = &webhook.owner_chat {
                let known = config.chats.iter().any(|chat| chat.name == *owner && chat.tenant == webhook.tenant);
                self.require(known, format!("{at}.owner_chat"), format!("is `{owner}`, which is no entry of `chats` of this tenant"));
            }
        }
    }

    fn chats(&mut self, config: &Config) {
        for (index, chat) in config.chats.iter().enumerate() {
            let at = format!("chats.{index}");
            // Parsed here and not in the struct, because whoever refuses a URL repeats it.
            let url = Url::parse(chat.url.expose()).ok();
            let http =
                url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none());
            self.require(http, format!("{at}.url"), "is not an `https` or `http` URL without a user name");
            for occasion in &chat.occasions {
                let known = Occasion::OF_CHATS.map(Occasion::as_str);
                let message = format!("has `{occasion}`, which is no occasion: choose from {}", known.join(", "));
                self.require(known.contains(&occasion.as_str()), format!("{at}.occasions"), message);
            }
        }
    }

    fn mail(&mut self, config: &Config) {
        let mail = &config.mail;
        for (index, recipient) in config.recipients.iter().enumerate() {
            if let Err(why) = recipient.address.parse::<MailAddress>() {
                self.require(false, format!("recipients.{index}.address"), why.to_string());
            }
        }
        if mail.host.is_empty() {
            if !config.recipients.is_empty() {
                self.require(false, "mail.host", "is empty: without a server no entry of `recipients` gets mail");
            }
            return;
        }
        if let Err(why) = mail.from.parse::<MailAddress>() {
            self.require(false, "mail.from", why.to_string());
        }
        self.require(url::Host::parse(&mail.host).is_ok(), "mail.host", format!("is `{}`: expected a host name or an address", mail.host));
        self.require(mail.port > 0, "mail.port", "is zero");
        self.require(!mail.timeout.get().is_zero(), "mail.timeout", "is zero: every mail would fail");
        self.require(
            mail.security != MailSecurity::None || is_this_machine(&mail.host),
            "mail.security",
            format!("is `none`, and `{}` is another machine: mail leaves this one encrypted only", mail.host),
        );
        self.require(
            mail.username.is_empty() == mail.password.is_empty(),
            "mail.password",
            "and `mail.username` go together: give both, or none",
        );
        self.require(
            mail.security != MailSecurity::None || mail.username.is_empty(),
            "mail.username",
            "is set, and `mail.security` is `none`: a password is sent encrypted only",
        );
    }

    fn digests(&mut self, config: &Config) {
        for (index, digest) in config.digests.iter().enumerate() {
            let at = format!("digests.{index}");
            self.require(!digest.recipients.is_empty(), format!("{at}.recipients"), "is empty: nobody would get it");
            for name in &digest.recipients {
                let known = config.recipients.iter().any(|recipient| recipient.name == *name && recipient.tenant == digest.tenant);
                self.require(known, format!("{at}.recipients"), format!("has `{name}`, which is no entry of `recipients` of this tenant"));
            }
            match digest.times() {
                Err(why) => self.require(false, format!("{at}.at"), why),
                Ok(times) => self.require(!times.is_empty(), format!("{at}.at"), "is empty: it would never be sent"),
            }
            if let Err(why) = digest.zone() {
                self.require(false, format!("{at}.zone"), why);
            }
        }
    }
}

/// `localhost` must also resolve to this machine when mail is sent; that is looked at then.
fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Standard Webhooks 1.0.0: base64 of 24 to 64 bytes after `whsec_`, or of an Ed25519 seed (or seed and public key) after `whsk_`.
fn is_webhook_secret(secret: &str) -> bool {
    let bytes = |prefix: &str| secret.strip_prefix(prefix).and_then(|text| STANDARD.decode(text).ok()).map(|key| key.len());
    bytes("whsec_").is_some_and(|length| (24..=64).contains(&length)) || matches!(bytes("whsk_"), Some(32 | 64))
}
