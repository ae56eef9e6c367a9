//! Notices by mail, through one configured SMTP server.
//!
//! The server's name is looked up once, its addresses are held against the same rules as those of HTTP calls, and the
//! connection goes to an address that passed; certificates are checked against the name. Mail has no look-before-write: a
//! crash between sending and recording gives a second mail under the same `Message-ID`.
// INVARIANT: without TLS mail goes to this machine itself only.
// INVARIANT: headers are made of our own words, [`MailAddress`]es, ids and a [`Subject`]; no text can begin a line of its own.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0},
    },
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        extension::ClientId,
    },
};

use super::{NotifyError, Sent, Tried};
use crate::{
    config::{Config, mail::MailSecurity},
    domain::{id::OutboxId, mail_address::MailAddress, name::TenantId, outbox::Notice, time::Timestamp},
    outbound::{AddressPolicy, Lookup, SystemLookup, install_cryptography},
};

/// Longer ones are cut by many readers.
const SUBJECT: usize = 160;
/// Addresses of one server that are tried.
const MOST_ADDRESSES: usize = 4;

pub(crate) struct Mailer {
    host: String,
    port: u16,
    security: MailSecurity,
    /// `None` without TLS.
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    from: MailAddress,
    timeout: Duration,
    policy: AddressPolicy,
    lookup: Arc<dyn Lookup>,
}

/// One line of a mail's header: no control characters, bounded.
struct Subject(String);

impl Subject {
    fn new(text: &str) -> Self {
        let line: String = text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect();
        Self(line.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SUBJECT).collect())
    }
}

/// The configured server, when there is one.
///
/// # Errors
/// An address that is none, or authorities that cannot be read.
pub(crate) fn from_config(config: &Config) -> Result<Option<Mailer>, NotifyError> {
    if config.mail.host.is_empty() {
        return Ok(None);
    }
    Mailer::new(config, Arc::new(SystemLookup)).map(Some)
}

/// Who may get mail, by tenant and name.
///
/// # Errors
/// A name that is none or is used twice, or an address that is none.
pub(crate) fn recipients(config: &Config) -> Result<BTreeMap<(TenantId, String), MailAddress>, NotifyError> {
    let mut recipients = BTreeMap::new();
    for recipient in &config.recipients {
        let refuse = |why: String| NotifyError::Mail { why: format!("recipient `{}`: {why}", recipient.name) };
        let tenant = TenantId::new(&recipient.tenant).map_err(|why| refuse(why.to_string()))?;
        let address: MailAddress = recipient.address.parse().map_err(|why| refuse(format!("{why}")))?;
        if recipients.insert((tenant, recipient.name.clone()), address).is_some() {
            return Err(refuse("the name is used twice".to_owned()));
        }
    }
    Ok(recipients)
}

impl Mailer {
    fn new(config: &Config, lookup: Arc<dyn Lookup>) -> Result<Self, NotifyError> {
        let mail = &config.mail;
        let refuse = |why: String| NotifyError::Mail { why };
        install_cryptography();
        let tls = match mail.security {
            MailSecurity::None => None,
            MailSecurity::Tls | MailSecurity::Starttls => {
                let mut builder = TlsParameters::builder(mail.host.clone());
                if !mail.authorities.as_os_str().is_empty() {
                    let file = mail.authorities.display();
                    let pem = std::fs::read(&mail.authorities)
                        .map_err(|why| refuse(format!("`mail.authorities` names `{file}`, which cannot be read: {why}")))?;
                    // A file without any reads as an empty list, and every server would be refused later.
                    let begins = pem.windows(27).any(|line| line == b"-----BEGIN CERTIFICATE-----");
                    let certificate = Certificate::from_pem(&pem)
                        .ok()
                        .filter(|_| begins)
                        .ok_or_else(|| refuse(format!("`mail.authorities` names `{file}`, which has no certificate in PEM")))?;
                    builder = builder.add_root_certificate(certificate);
                }
                Some(builder.build().map_err(|why| refuse(format!("TLS could not be set up: {}", chain(&why))))?)
            }
        };
        Ok(Self {
            host: mail.host.clone(),
            port: mail.port,
            security: mail.security,
            tls,
            credentials: (!mail.username.is_empty()).then(|| Credentials::new(mail.username.clone(), mail.password.expose().to_owned())),
            from: mail.from.parse().map_err(|why| refuse(format!("`mail.from`: {why}")))?,
            timeout: mail.timeout.get(),
            policy: AddressPolicy::new(&mail.allow_addresses),
            lookup,
        })
    }

    pub async fn send(&self, id: OutboxId, to: &MailAddress, notice: &Notice, now: Timestamp) -> Tried {
        let mail = match self.compose(id, to, notice, now) {
            Ok(mail) => mail,
            Err(why) => return Sent::Never { why }.into(),
        };
        tokio::time::timeout(self.timeout, self.transact(&mail))
            .await
            .unwrap_or_else(|_| later("the mail server did not finish in time".to_owned()))
    }

    fn compose(&self, id: OutboxId, to: &MailAddress, notice: &Notice, now: Timestamp) -> Result<Message, String> {
        let mailbox = |name: Option<&str>, address: &MailAddress| -> Result<Mailbox, String> {
            let address: Address = address.as_str().parse().map_err(|why| format!("`{address}`: {why}"))?;
            Ok(Mailbox::new(name.map(str::to_owned), address))
        };
        let line = |line: &String| -> String { line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect() };
        let mut body: Vec<String> = notice.lines.iter().map(line).collect();
        if let Some(link) = &notice.link {
            body.extend([String::new(), line(link)]);
        }
        body.extend([
            String::new(),
            "-- ".to_owned(),
            "Sent by Sluicegate. An answer to this mail approves nothing and is read by nobody.".to_owned(),
        ]);
        Message::builder()
            .from(mailbox(Some("Sluicegate"), &self.from)?)
            .to(mailbox(None, to)?)
            .subject(Subject::new(&notice.title).0)
            .message_id(Some(format!("<{id}@{}>", self.from.domain())))
            .date(UNIX_EPOCH + Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or(0)))
            // RFC 3834: holiday responders do not answer.
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            .body(body.join("\r\n"))
            .map_err(|why| why.to_string())
    }

    async fn transact(&self, mail: &Message) -> Tried {
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err(why) => return later(why),
        };
        if let Some(credentials) = &self.credentials {
            // A refused login is the operator's to mend, and the mail is still worth sending then.
            if let Err(why) = connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await {
                return failed(&why, false);
            }
        }
        let envelope: Envelope = mail.envelope().clone();
        match connection.send(&envelope, &mail.formatted()).await {
            Ok(answer) => {
                // It has the mail; how it says goodbye changes nothing.
                let _ = connection.quit().await;
                Tried::answered(Sent::Delivered, answer.code().into())
            }
            Err(why) => failed(&why, true),
        }
    }

    /// A connection to an address that passed, encrypted unless it stays on this machine.
    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let mut why = String::new();
        for address in self.addresses().await?.into_iter().take(MOST_ADDRESSES) {
            match self.connect_to(SocketAddr::new(address, self.port)).await {
                Ok(connection) => return Ok(connection),
                Err(error) => why = chain(&error),
            }
        }
        Err(format!("no session with the mail server `{}`: {why}", self.host))
    }

    async fn addresses(&self) -> Result<Vec<IpAddr>, String> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let found = match bare.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.lookup.lookup(&self.host).await.map_err(|why| format!("`{}` cannot be looked up: {why}", self.host))?,
        };
        let permitted = self.policy.filter(&self.host, &found).map_err(|why| why.to_string())?;
        if self.security == MailSecurity::None && !permitted.iter().all(IpAddr::is_loopback) {
            return Err(format!("`mail.security` is `none`, and `{}` is not this machine alone", self.host));
        }
        Ok(permitted)
    }

    async fn connect_to(&self, address: SocketAddr) -> Result<AsyncSmtpConnection, lettre::transport::smtp::Error> {
        let hello = ClientId::Domain(self.from.domain().to_owned());
        let at_once = self.tls.clone().filter(|_| self.security == MailSecurity::Tls);
        let mut connection = AsyncSmtpConnection::connect_tokio1(address, Some(self.timeout), &hello, at_once, None).await?;
        if let Some(tls) = self.tls.clone().filter(|_| self.security == MailSecurity::Starttls) {
            // Fails when the server does not offer it.
            connection.starttls(tls, &hello).await?;
        }
        Ok(connection)
    }
}

fn later(why: String) -> Tried {
    Sent::Later { why, after: None }.into()
}

/// The server's code and never its words, which repeat addresses.
fn failed(why: &lettre::transport::smtp::Error, final_when_permanent: bool) -> Tried {
    let Some(code) = why.status() else { return later(format!("the mail server broke off: {}", chain(why))) };
    let code: u16 = code.into();
    let text = format!("the mail server answered {code}");
    let sent = if final_when_permanent && why.is_permanent() { Sent::Never { why: text } } else { Sent::Later { why: text, after: None } };
    Tried::answered(sent, code)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(inner) = source {
        let text = inner.to_string();
        if !texts.iter().any(|said| said.contains(&text)) {
            texts.push(text);
        }
        source = inner.source();
    }
    texts.join(": ")
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;
