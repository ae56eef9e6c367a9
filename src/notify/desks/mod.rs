//! Write-back to help desks: one comment with its mark, and the fields that the configuration maps.
//!
//! [`help_desk`] does what all of them share: it looks for the mark before a second write, sends, and reads the answer.
//! A file for each help desk says only how its API differs, as data and pure functions ([`protocol`]).

mod fresh;
mod github;
mod gitlab;
mod glpi;
pub(crate) mod help_desk;
mod jira;
mod opsgenie;
mod pagerduty;
mod protocol;
mod service_now;
mod texts;
mod values;
mod zammad;
mod zendesk;

pub(crate) use help_desk::{HelpDesk, WriteBack};
