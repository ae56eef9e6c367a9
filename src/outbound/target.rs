//! One configured target: where calls go, how they prove who we are, what they may cost.
//!
//! Only names what the configuration holds; [`super::Client::to`] checks it and makes a client of it.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;
use url::Url;

use super::address::{Lookup, SystemLookup};
use crate::config::auth::{ConnectorAuth, Proxy, Tls};

/// What bounds every call of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the first look-up to the last byte of the answer, a token fetched for it included.
    pub timeout: Duration,
    /// The largest answer read, in bytes.
    pub response: usize,
}

#[derive(Clone)]
pub struct Target<'a> {
    pub(super) base: &'a Url,
    pub(super) allow_addresses: &'a [IpNet],
    pub(super) limits: Limits,
    pub(super) auth: Option<&'a ConnectorAuth>,
    pub(super) tls: Option<&'a Tls>,
    pub(super) proxy: Option<&'a Proxy>,
    pub(super) lookup: Arc<dyn Lookup>,
}

impl<'a> Target<'a> {
    pub fn new(base: &'a Url, allow_addresses: &'a [IpNet], limits: Limits) -> Self {
        Self { base, allow_addresses, limits, auth: None, tls: None, proxy: None, lookup: Arc::new(SystemLookup) }
    }

    /// What every request carries; the client adds it, callers do not.
    pub const fn auth(mut self, auth: Option<&'a ConnectorAuth>) -> Self {
        self.auth = auth;
        self
    }

    /// Whom to trust and which certificate to show.
    pub const fn tls(mut self, tls: Option<&'a Tls>) -> Self {
        self.tls = tls;
        self
    }

    pub const fn proxy(mut self, proxy: Option<&'a Proxy>) -> Self {
        self.proxy = proxy;
        self
    }

    /// Another way to look names up than the operating system's.
    pub fn lookup(mut self, lookup: Arc<dyn Lookup>) -> Self {
        self.lookup = lookup;
        self
    }
}
