//! What can go wrong with the outbox that is not the receiver's answer.

use crate::{domain::id::OutboxId, outbound::Refusal, store::interface::StoreError};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    #[error("write-back of source `{source_name}`: {why}")]
    WriteBack { source_name: String, why: String },
    #[error("webhook `{webhook}`: {why}")]
    Webhook { webhook: String, why: String },
    #[error("chat `{chat}`: {why}")]
    Chat { chat: String, why: String },
    #[error("mail: {why}")]
    Mail { why: String },
    #[error("target of `{name}`: {why}")]
    Target { name: String, why: Refusal },
    /// Another worker sends it, or it is no longer waiting.
    #[error("message `{0}` was taken over")]
    TakenOver(OutboxId),
    /// Others changed the endpoint again and again while the outcome was recorded; the message waits.
    #[error("the endpoint of message `{0}` changed too often to record what became of the send")]
    Unsettled(OutboxId),
    #[error(transparent)]
    Store(#[from] StoreError),
}
