//! The action log as mathematics: a Merkle tree over entry bytes, its proofs, signed checkpoints and exports.
//!
//! Pure: tiles come in through a trait, keys as bytes. Everything here can be checked offline by an outsider
//! with other programs, because the forms are RFC 6962, RFC 9162 and C2SP's tlog-tiles and tlog-checkpoint.

pub mod hash;
pub mod tree;
// SHIM
#[derive(Debug)]
pub struct SigningKey;
impl SigningKey {
    pub fn new(_: &str, _: [u8; 32]) -> Result<Self, String> {
        Ok(Self)
    }
    pub fn verifier(&self) -> String {
        String::new()
    }
}
#[derive(Clone, Debug)]
pub struct VerifierKey;
impl std::str::FromStr for VerifierKey {
    type Err = String;
    fn from_str(_: &str) -> Result<Self, String> {
        Ok(Self)
    }
}
pub struct ExportReport {
    pub size: u64,
    pub root: String,
    pub origin: String,
}
pub fn verify_export<R: std::io::BufRead>(_: R, _: &VerifierKey) -> Result<ExportReport, String> {
    Err(String::new())
}
