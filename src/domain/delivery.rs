//! One HTTP request from a source: raw bytes kept, so that nothing an adapter overlooks is lost.

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    id::{DeadLetterId, DeliveryId},
    name::{SourceId, TenantId},
    time::Timestamp,
};

/// An authenticated request as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub id: DeliveryId,
    pub tenant: TenantId,
    pub source: SourceId,
    /// Names the delivery for deduplication: the sender's delivery id where it is stable over retries,
    /// else a digest of source and body. Unique per source.
    pub dedup_key: String,
    /// The headers an adapter or an auditor may need; never authentication headers.
    pub headers: Vec<(String, String)>,
    #[serde(with = "base64_bytes")]
    pub body: Vec<u8>,
    pub body_digest: Digest,
    pub received_at: Timestamp,
}

/// A signed delivery that no adapter could read. Kept until a person replays or drops it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeadLetter {
    pub id: DeadLetterId,
    pub tenant: TenantId,
    pub source: SourceId,
    pub delivery: DeliveryId,
    pub body_digest: Digest,
    /// What was wrong and where, for people.
    pub reason: String,
    pub received_at: Timestamp,
}

mod base64_bytes {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
