//! What every kind of engine brings: how a step becomes a request, and how to ask harmlessly whether it would work.

use super::{
    endpoint::{Call, Endpoint},
    prepared::Prepared,
};
use crate::{
    domain::{runbook::Step, template::Values},
    execute::error::ExecuteError,
    outbound::Answer,
};

pub(super) trait Kind: std::fmt::Debug + Send + Sync {
    /// The step's request with the values in, checked against the allow-list. Sends nothing.
    ///
    /// # Errors
    /// An unknown operation, an argument that is missing or of another form, or something that is not allowed.
    fn prepare(&self, endpoint: &Endpoint, step: &Step, values: &Values) -> Result<Prepared, ExecuteError>;

    /// Requests that change nothing, and together tell whether everything allowed could be done. The first is the
    /// one that is asked again and again while the service runs.
    fn probes(&self) -> Vec<Probe>;
}

#[derive(Debug, Clone)]
pub(super) struct Probe {
    /// What it is about, like "job `3b6c19f6`".
    pub about: String,
    pub call: Call,
    /// What is wrong with an answer, and what to do about it.
    pub judge: fn(&Answer) -> Result<(), String>,
}

impl Probe {
    pub fn new(about: String, call: Call) -> Self {
        Self { about, call, judge: knows_us }
    }
}

/// A JSON answer with status 2xx.
pub(super) fn knows_us(answer: &Answer) -> Result<(), String> {
    match answer.status {
        200..=299 => is_json(answer),
        300..=399 => {
            Err(format!("answered {}, a redirect: it sends us to its login page or elsewhere; check `auth` and `base_url`", answer.status))
        }
        401 => Err("answered 401: it does not know us; check `auth`".to_owned()),
        403 => Err("answered 403: it knows us and does not let us; give the account the right to it".to_owned()),
        404 => Err("answered 404: it is not there, or hidden from this account; check its id and `base_url`".to_owned()),
        429 => Err("answered 429: it has had too many requests; ask less often".to_owned()),
        status => Err(format!("answered {status}: look at its own log")),
    }
}

/// A page of HTML with status 200 is a login page or a proxy's, not an API.
fn is_json(answer: &Answer) -> Result<(), String> {
    serde_json::from_slice::<serde_json::Value>(&answer.body)
        .map(drop)
        .map_err(|_| format!("answered {} with something that is not JSON: is `base_url` the API's?", answer.status))
}

/// For what is no question about the target itself: that somebody answers, and neither refuses who we are nor has had enough of
/// us. That something is not there, or cannot be done, is an answer.
pub(super) fn is_there(answer: &Answer) -> Result<(), String> {
    match answer.status {
        401 | 403 | 407 | 429 | 500.. => knows_us(answer),
        _ => Ok(()),
    }
}
