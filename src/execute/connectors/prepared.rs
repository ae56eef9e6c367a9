//! A step made into the one request it sends, and what the answer to it means.

use serde::{Deserialize, Serialize};

use super::job::Launch;
use crate::{
    domain::execution::Job,
    outbound::{Answer, Request},
};

/// The exact request of a step, for people and digests; holds no secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RequestPreview {
    pub method: String,
    pub url: String,
    pub body: Option<serde_json::Value>,
}

impl std::fmt::Display for RequestPreview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

/// A step with its values in, checked, ready to be sent.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub preview: RequestPreview,
    pub(super) request: Request,
    pub(super) then: Then,
    /// Where in the body the run names itself when it sends: a JSON pointer.
    pub(super) stamp: Option<&'static str>,
}

/// What a 2xx answer means.
#[derive(Debug, Clone)]
pub(super) enum Then {
    /// It is the end of the step.
    Done,
    /// The same, unless this finds that it says otherwise.
    Unless(fn(&Answer) -> Result<(), String>),
    /// A job was started and goes on.
    Follow(Launch),
    /// Only what this makes of it is of use to expectations.
    Condense(fn(Answer) -> Answer),
}

impl Prepared {
    /// True when the call starts a job that goes on after its answer.
    pub const fn starts_job(&self) -> bool {
        matches!(self.then, Then::Follow(_))
    }

    /// True when a 2xx whose body is lost says all the same that the step ended; false when only the body tells.
    pub const fn ends_with_its_status(&self) -> bool {
        matches!(self.then, Then::Done | Then::Condense(_))
    }

    /// The job that an answer says was started; `None` when the answer is the end of the step.
    ///
    /// # Errors
    /// The answer cannot be understood, or says that the step has not ended with it.
    pub fn job(&self, answer: &Answer) -> Result<Option<Job>, String> {
        match &self.then {
            Then::Follow(launch) => launch.follow.job(launch, answer).map(Some),
            Then::Unless(check) => check(answer).map(|()| None),
            Then::Done | Then::Condense(_) => Ok(None),
        }
    }

    /// The request as sent by one run, which `key` names.
    pub(super) fn stamped(&self, key: &str) -> Request {
        let mut request = self.request.clone();
        if let (Some(pointer), Some(body)) = (self.stamp, &self.preview.body) {
            let mut body = body.clone();
            if let Some(place) = body.pointer_mut(pointer) {
                *place = key.into();
                request.body = Some(body.to_string().into_bytes());
            }
        }
        request
    }
}
