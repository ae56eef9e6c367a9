//! What a sender is told of a delivery.

use serde::Serialize;

use crate::{
    domain::{
        id::{DeadLetterId, DeliveryId, TicketId},
        recommendation::Recommendation,
    },
    pipeline::actions::accept::Accepted,
};

/// The delivery is on disk, or was found not to concern us.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Acknowledgement {
    /// The delivery; of a duplicate, the first one. Absent when ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<DeliveryId>,
    /// The tickets it opened or changed.
    pub tickets: Vec<TicketId>,
    /// The same delivery came before and nothing was stored again.
    pub duplicate: bool,
    /// Why it was authentic and yet not for us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
    /// It could not be read and waits for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<DeadLetterId>,
    /// Only when `?wait=` was given and the decision came in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<Box<Recommendation>>,
}

impl Acknowledgement {
    /// A fixed word for a metric's label.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self { ignored: Some(_), .. } => "ignored",
            Self { dead_letter: Some(_), .. } => "dead_lettered",
            Self { duplicate: true, .. } => "duplicate",
            _ => "accepted",
        }
    }
}

impl From<Accepted> for Acknowledgement {
    fn from(accepted: Accepted) -> Self {
        let empty = Self { id: None, tickets: Vec::new(), duplicate: false, ignored: None, dead_letter: None, recommendation: None };
        match accepted {
            Accepted::Tickets { delivery, tickets } => Self { id: Some(delivery), tickets, ..empty },
            Accepted::Duplicate { delivery, tickets } => Self { id: Some(delivery), tickets, duplicate: true, ..empty },
            Accepted::Ignored { reason } => Self { ignored: Some(reason), ..empty },
            Accepted::DeadLettered { delivery, dead_letter } => Self { id: Some(delivery), dead_letter: Some(dead_letter), ..empty },
        }
    }
}
