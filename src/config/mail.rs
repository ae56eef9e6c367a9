//! How mail leaves, who may get some, and when digests are sent.

use std::path::PathBuf;

use jiff::{civil::Time, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{secret::Secret, span::Span};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// The server that takes mail for delivery; empty for no mail.
    pub host: String,
    pub port: u16,
    pub security: MailSecurity,
    /// Certificates, in PEM, of authorities to trust beside the system's; empty for none.
    pub authorities: PathBuf,
    /// Empty for a server that asks for no login.
    pub username: String,
    pub password: Secret,
    /// The sender's address.
    pub from: String,
    /// The longest one mail may take.
    pub timeout: Span,
    /// Private addresses the server may have, as networks; public ones are always allowed.
    pub allow_addresses: Vec<ipnet::IpNet>,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 465,
            security: MailSecurity::Tls,
            authorities: PathBuf::new(),
            username: String::new(),
            password: Secret::default(),
            from: "sluicegate@localhost".to_owned(),
            timeout: Span::secs(30),
            allow_addresses: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailSecurity {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// Plain first, then `STARTTLS`; a server that does not offer it gets no mail.
    Starttls,
    /// No encryption: only to this machine itself.
    None,
}

/// Somebody who may get mail.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    pub name: String,
    #[serde(default = "default_tenant")]
    pub tenant: String,
    pub address: String,
}

/// A summary sent at certain times of the day.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    pub name: String,
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// Names of entries of `recipients`.
    pub recipients: Vec<String>,
    /// Times of the day, like `08:00`.
    pub at: Vec<String>,
    /// IANA name of the zone that `at` is in.
    pub zone: String,
}

impl Digest {
    /// # Errors
    /// A text that is no time of the day.
    pub fn times(&self) -> Result<Vec<Time>, String> {
        let time = |text: &String| {
            Time::strptime("%H:%M", text).map_err(|_| format!("has `{text}`, which is no time of the day: write it like `08:00`"))
        };
        self.at.iter().map(time).collect()
    }

    /// # Errors
    /// A text that is no zone's name.
    pub fn zone(&self) -> Result<TimeZone, String> {
        TimeZone::get(&self.zone).map_err(|_| format!("is `{}`, which is no time zone: write an IANA name like `Europe/Berlin`", self.zone))
    }
}

fn default_tenant() -> String {
    "default".to_owned()
}
