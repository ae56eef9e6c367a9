//! The two things no pure room may reach for: the time and randomness.
//!
//! Rooms that act hold an `Arc<dyn Ambient>` and pass plain values down; tests hold one they turn by hand.

use super::time::Timestamp;

/// Where time and randomness come from.
pub trait Ambient: Send + Sync {
    /// The current instant. May jump in either direction: callers must not assume it is monotonic.
    fn now(&self) -> Timestamp;

    /// 128 unpredictable bits, good enough for identifiers, nonces and tokens.
    fn random(&self) -> u128;
}
