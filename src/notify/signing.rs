//! Signatures of outgoing events: `v1` (HMAC-SHA256) and `v1a` (Ed25519) of Standard Webhooks 1.0.0.
//!
//! An endpoint may have several secrets, so that one can be rotated: every message is signed with each, and the receiver
//! takes whichever signature it can verify. Pure.
// INVARIANT: no message of an error repeats a secret.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::Signer as _;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::secret::Secret;

/// Written before the base64 of a shared secret, a private key and a public key.
const SHARED: &str = "whsec_";
const PRIVATE: &str = "whsk_";
const PUBLIC: &str = "whpk_";

/// What one secret signs with.
pub(crate) enum SigningKey {
    /// 24 to 64 bytes, known to the receiver.
    Shared(Vec<u8>),
    /// Known to nobody else; receivers have the public key.
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

impl SigningKey {
    /// Reads `whsec_` or `whsk_` and base64. `Err` says what is wrong, without the secret.
    pub fn parse(secret: &Secret) -> Result<Self, &'static str> {
        if let Some(encoded) = secret.expose().strip_prefix(PRIVATE) {
            let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| "`secret` must be base64 after `whsk_`")?;
            // The seed alone, or with the public key behind it, as some tools write it.
            let key = if let Ok(seed) = <&[u8; 32]>::try_from(bytes.as_slice()) {
                ed25519_dalek::SigningKey::from_bytes(seed)
            } else if let Ok(pair) = <&[u8; 64]>::try_from(bytes.as_slice()) {
                ed25519_dalek::SigningKey::from_keypair_bytes(pair)
                    .map_err(|_| "`secret` has a private and a public key that do not belong together")?
            } else {
                return Err("`secret` must have 32 or 64 bytes after `whsk_`");
            };
            return Ok(Self::Ed25519(Box::new(key)));
        }
        let encoded = secret.expose().strip_prefix(SHARED).ok_or("`secret` must start with `whsec_` or `whsk_`")?;
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| "`secret` must be base64 after `whsec_`")?;
        if (24..=64).contains(&bytes.len()) { Ok(Self::Shared(bytes)) } else { Err("`secret` must have 24 to 64 bytes") }
    }

    fn sign(&self, signed: &[u8]) -> Result<String, &'static str> {
        match self {
            Self::Shared(key) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| "the signing key cannot be used")?;
                mac.update(signed);
                Ok(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
            }
            Self::Ed25519(key) => Ok(format!("v1a,{}", BASE64_STANDARD.encode(key.sign(signed).to_bytes()))),
        }
    }

    /// For receivers: `whpk_` and base64. A shared secret has none.
    fn public(&self) -> Option<String> {
        match self {
            Self::Shared(_) => None,
            Self::Ed25519(key) => Some(format!("{PUBLIC}{}", BASE64_STANDARD.encode(key.verifying_key().as_bytes()))),
        }
    }
}

/// The live secrets of one endpoint.
pub(crate) struct SigningKeys(Vec<SigningKey>);

impl SigningKeys {
    pub fn parse(secrets: &[Secret]) -> Result<Self, &'static str> {
        if secrets.is_empty() {
            return Err("`secret` is missing: an event is never sent unsigned");
        }
        secrets.iter().map(SigningKey::parse).collect::<Result<_, _>>().map(Self)
    }

    /// The value of `webhook-signature`: one signature for each secret, in the order of the configuration.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Result<String, &'static str> {
        let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
        Ok(self.0.iter().map(|key| key.sign(&signed)).collect::<Result<Vec<_>, _>>()?.join(" "))
    }

    pub fn public(&self) -> Vec<String> {
        self.0.iter().filter_map(SigningKey::public).collect()
    }
}

/// A new private key from 32 unpredictable bytes, with its public one: `whsk_…` and `whpk_…`.
pub fn new_key_pair(seed: &[u8; 32]) -> (Secret, String) {
    let key = SigningKey::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(seed)));
    (Secret::new(format!("{PRIVATE}{}", BASE64_STANDARD.encode(seed))), key.public().unwrap_or_default())
}

/// A new shared secret from 32 unpredictable bytes.
pub fn new_shared(bytes: &[u8; 32]) -> Secret {
    Secret::new(format!("{SHARED}{}", BASE64_STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signature, VerifyingKey};

    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
    const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;

    #[test]
    fn signatures_match_the_published_vector() {
        let keys = SigningKeys::parse(&[Secret::new(SECRET)]).unwrap();
        assert_eq!(keys.sign(ID, 1_649_367_553, BODY).unwrap(), "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    }

    #[test]
    fn a_private_key_signs_what_its_public_key_verifies_and_nothing_else() {
        let (private, public) = new_key_pair(&[7; 32]);
        let keys = SigningKeys::parse(&[Secret::new(SECRET), private]).unwrap();
        assert_eq!(keys.public(), std::slice::from_ref(&public));
        let signatures = keys.sign(ID, 5, BODY).unwrap();
        let [shared, asymmetric]: [&str; 2] = signatures.split(' ').collect::<Vec<_>>().try_into().unwrap();
        assert!(shared.starts_with("v1,"));
        let raw = BASE64_STANDARD.decode(public.strip_prefix("whpk_").unwrap()).unwrap();
        let verifier = VerifyingKey::from_bytes(&raw.try_into().unwrap()).unwrap();
        let signature = Signature::from_slice(&BASE64_STANDARD.decode(asymmetric.strip_prefix("v1a,").unwrap()).unwrap()).unwrap();
        let signed = [format!("{ID}.5.").as_bytes(), BODY].concat();
        verifier.verify_strict(&signed, &signature).unwrap();
        assert!(verifier.verify_strict(&signed[1..], &signature).is_err());
    }

    #[test]
    fn seed_and_pair_of_one_key_are_the_same_key() {
        let (seed, public) = new_key_pair(&[9; 32]);
        let pair = ed25519_dalek::SigningKey::from_bytes(&[9; 32]).to_keypair_bytes();
        let pair = Secret::new(format!("whsk_{}", BASE64_STANDARD.encode(pair)));
        assert_eq!(SigningKeys::parse(&[seed, pair]).unwrap().public(), [public.clone(), public]);
        let torn = [[9u8; 32], [8u8; 32]].concat();
        assert!(SigningKey::parse(&Secret::new(format!("whsk_{}", BASE64_STANDARD.encode(torn)))).is_err());
    }

    #[test]
    fn odd_secrets_are_refused_and_not_shown() {
        for bad in ["", "hunter2", "whsec_", "whsec_aHVudGVyMg==", "whsec_!!!", "whsk_aHVudGVyMg==", "whsk_!!!", "whpk_AAAA"] {
            let why = SigningKey::parse(&Secret::new(bad)).err().unwrap();
            assert!(!why.contains("hunter2"));
        }
        assert!(SigningKeys::parse(&[]).is_err());
    }
}
