//! Jobs at the other side: what names one, how it is looked at, and what a look says.
//!
//! A look that cannot be understood says nothing of the job: it counts as still running, and the step's time bound
//! and verify steps decide.
// INVARIANT: only a state that the engine's documentation calls an end is one.

use serde_json::Value;

use super::endpoint::Call;
use crate::{
    domain::execution::Job,
    outbound::{Answer, Path},
};

/// What a look at a job found.
#[derive(Debug)]
pub(crate) enum Progress {
    Running,
    /// It is known under another name from now on, like a build that left its queue.
    Moved(Job),
    /// It is over. `outcome` is what the engine at the other side says of it; the reason is for people.
    Finished {
        answer: Answer,
        outcome: Result<(), String>,
    },
}

/// What one look's JSON says.
#[derive(Debug, PartialEq)]
pub(super) enum State {
    Running,
    Moved(Job),
    Succeeded,
    Failed(String),
}

/// A kind of job.
pub(super) trait Follow: std::fmt::Debug + Sync {
    /// The job that the answer to a launch names.
    ///
    /// # Errors
    /// The answer names none, or another than was asked for.
    fn job(&self, launch: &Launch, answer: &Answer) -> Result<Job, String>;

    /// Where to look; `None` when the name is not one that [`Self::job`] made.
    fn look(&self, launch: &Launch, job: &Job) -> Option<Path>;

    /// What the answer to a look says.
    fn read(&self, launch: &Launch, job: &Job, body: &Value) -> State;
}

/// A launched job's kind, and what of the launch is needed to look at it.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub follow: &'static dyn Follow,
    /// What was launched, as its kind names it.
    pub target: String,
    /// Names of the arguments it was given.
    pub given: Vec<String>,
    pub headers: &'static [(&'static str, &'static str)],
}

impl Launch {
    pub fn look(&self, job: &Job) -> Option<Call> {
        Some(Call::get(self.follow.look(self, job)?).headers(self.headers))
    }

    pub fn read(&self, job: &Job, answer: Answer) -> Progress {
        if !answer.is_success() {
            return Progress::Running;
        }
        let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else { return Progress::Running };
        match self.follow.read(self, job, &body) {
            State::Running => Progress::Running,
            State::Moved(to) => Progress::Moved(to),
            State::Succeeded => Progress::Finished { answer, outcome: Ok(()) },
            State::Failed(why) => Progress::Finished { answer, outcome: Err(why) },
        }
    }
}

/// The answer to a launch, as JSON.
pub(super) fn json(answer: &Answer) -> Result<Value, String> {
    serde_json::from_slice(&answer.body).map_err(|_| "the answer to the launch is not JSON".to_owned())
}

/// A number that an engine gave one of its jobs, as digits.
pub(super) fn number(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) => number.as_u64()?.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    is_number(&text).then_some(text)
}

pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A path below the base URL, each part encoded; an empty last part leaves a `/` at the end.
///
/// # Errors
/// A part that could be read as something else than one segment.
pub(super) fn path(parts: &[&str]) -> Result<Path, crate::outbound::Refusal> {
    let mut text = String::new();
    for (place, part) in parts.iter().enumerate() {
        text.push('/');
        if !part.is_empty() || place + 1 < parts.len() {
            text.push_str(&Path::encode(part)?);
        }
    }
    Path::parse(&text)
}
