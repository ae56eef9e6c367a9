//! Why a call was not made, or what is known about one that went wrong.
//!
//! The variants of [`CallError`] are the facts that drive `in_doubt`: whether the receiver may have acted.
// INVARIANT: `Forbidden` and `NotSent` mean that no byte of the request reached the receiver.

/// Why a call may not be made at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    #[error("base URL `{url}` {why}")]
    BaseUrl { url: String, why: &'static str },
    #[error("path `{path}` {why}")]
    Path { path: String, why: &'static str },
    #[error("`{host}` has only addresses that are not allowed ({addresses}): list its network in `allow_addresses` if it is meant")]
    Address { host: String, addresses: String },
    #[error("method `{0}` is not an HTTP method")]
    Method(String),
    #[error("header `{0}` has characters that a header may not have")]
    Header(String),
    /// Names the key of the configuration, never the secret.
    #[error("`auth.{key}` {why}")]
    Auth { key: &'static str, why: String },
    #[error("`tls.{key}` {why}")]
    Tls { key: &'static str, why: String },
    #[error("`proxy.{key}` {why}")]
    Proxy { key: &'static str, why: String },
}

/// A call without a usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Refused before any connection.
    #[error(transparent)]
    Forbidden(#[from] Refusal),
    /// No connection: surely nothing was received.
    #[error("not sent: {0}")]
    NotSent(String),
    /// Sent at least in part, and no answer came.
    #[error("sent, and what became of it is not known: {0}")]
    Unknown(String),
    /// The status came, the rest of the answer could not be read within its bounds.
    #[error("answered {status}, and the answer could not be read: {why}")]
    Unreadable { status: u16, why: String },
}

impl CallError {
    /// True when the receiver cannot have acted on the request.
    pub const fn is_surely_unsent(&self) -> bool {
        matches!(self, Self::Forbidden(_) | Self::NotSent(_))
    }
}
