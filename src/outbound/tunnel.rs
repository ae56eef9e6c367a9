//! The way through a configured HTTP proxy: `CONNECT`, for `http` targets too, so that no proxy reads or changes a call.
//!
//! The proxy looks the target's name up and connects to what it finds: what the address list keeps out of a direct
//! call, the proxy must keep out of a tunnelled one. What needs no look-up is still refused here.
// INVARIANT: the proxy's own address is checked as a target's is, under the proxy's own list.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Host;

use super::{
    address::AddressPolicy,
    error::{CallError, Refusal},
    wire::Metered,
};
use crate::config::{auth::Proxy, secret::Secret};

/// The longest answer to `CONNECT`.
const LONGEST_HEAD: usize = 8 * 1024;

pub(super) struct Tunnel {
    host: Host,
    pub port: u16,
    pub policy: AddressPolicy,
    authorization: Option<Secret>,
}

impl Tunnel {
    /// # Errors
    /// A URL that is none of a plain HTTP proxy, a literal address that is not allowed, or half of a login.
    pub fn from_config(proxy: &Proxy) -> Result<Self, Refusal> {
        let refuse = |key, why: &str| Refusal::Proxy { key, why: why.to_owned() };
        let url = &proxy.url;
        if url.scheme() != "http" {
            return Err(refuse("url", "must start with `http://`: what goes through it is under TLS by itself"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("url", "must not carry a user or password: use `username` and `password`"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("url", "must be host and port only"));
        }
        let (Some(host), Some(port @ 1..)) = (url.host(), url.port_or_known_default()) else {
            return Err(refuse("url", "has no host or no port"));
        };
        let policy = AddressPolicy::new(&proxy.allow_addresses);
        policy.check_literal(&host)?;
        let authorization = match (&proxy.username, &proxy.password) {
            (None, None) => None,
            (Some(name), _) if name.contains(':') || name.chars().any(char::is_control) => {
                return Err(refuse("username", "has a `:` or a control character in it"));
            }
            (Some(name), Some(password)) => {
                let pair = format!("{name}:{}", password.expose());
                Some(Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair))))
            }
            (Some(_), None) => return Err(refuse("password", "is missing beside `username`")),
            (None, Some(_)) => return Err(refuse("username", "is missing beside `password`")),
        };
        Ok(Self { host: host.to_owned(), port, policy, authorization })
    }

    pub fn host(&self) -> Host<&str> {
        match &self.host {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        }
    }

    /// Whether the proxy may be asked for this target: an address as the target's list says, and no name that means
    /// "this machine" to whoever looks it up.
    ///
    /// # Errors
    /// [`Refusal::Address`].
    pub fn permits(&self, target: &Host<&str>, policy: &AddressPolicy) -> Result<(), Refusal> {
        if let Host::Domain(name) = target {
            let name = name.trim_end_matches('.');
            let is_local = name == "localhost" || name.ends_with(".localhost") || name.ends_with(".localdomain");
            if is_local {
                let loopback = [std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()];
                return policy.filter(name, &loopback).map(drop);
            }
        }
        policy.check_literal(target)
    }

    /// Asks for a connection to the target and gives it back once the proxy says it stands.
    pub async fn open(&self, mut socket: Metered, host: &Host<&str>, port: u16) -> Result<Metered, CallError> {
        let unsent = |why: String| CallError::NotSent(format!("the proxy: {why}"));
        let mut head = format!("CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n");
        if let Some(authorization) = &self.authorization {
            head.push_str(&format!("proxy-authorization: {}\r\n", authorization.expose()));
        }
        head.push_str("\r\n");
        socket.write_all(head.as_bytes()).await.map_err(|why| unsent(why.to_string()))?;
        // Byte for byte: what follows the head is the target's.
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= LONGEST_HEAD {
                return Err(unsent("its answer to `CONNECT` has no end".to_owned()));
            }
            answer.push(socket.read_u8().await.map_err(|why| unsent(format!("it closed before it answered: {why}")))?);
        }
        let status = answer.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| std::str::from_utf8(code).ok());
        match status.and_then(|code| code.parse::<u16>().ok()) {
            Some(200..=299) => Ok(socket),
            Some(status) => Err(unsent(format!("it answered {status}"))),
            None => Err(unsent("its answer is not HTTP".to_owned())),
        }
    }
}

#[cfg(test)]
#[path = "tunnel_tests.rs"]
mod tests;
