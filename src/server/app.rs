//! What every handler shares.

use std::{collections::BTreeMap, ops::Deref, sync::Arc};

use super::{
    console::Overviews,
    limits::{AddressLimit, Quota},
};
use crate::{domain::name::SourceId, pipeline::service::Service};

/// A cheap handle; clones share everything.
#[derive(Clone)]
pub struct App(Arc<Shared>);

pub struct Shared {
    pub service: Arc<Service>,
    pub addresses: AddressLimit,
    pub quotas: BTreeMap<SourceId, Quota>,
    /// Counts that take long, kept for a while.
    pub overviews: Overviews,
    /// `/openapi.json` as served.
    pub document: String,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    pub fn new(service: Arc<Service>, document: String) -> Self {
        let addresses = AddressLimit::new(service.config.server.requests_per_address_minute);
        let quotas = service.sources.values().map(|source| (source.spec.source().clone(), Quota::new(source.quota_per_minute))).collect();
        Self(Arc::new(Shared { service, addresses, quotas, overviews: Overviews::default(), document }))
    }
}
