//! Signed notes (C2SP signed-note) with Ed25519: a text, and lines that say who signed it.
//!
//! Keys come in as bytes or text; none is made here. Lines of signers that nobody asked about are kept and
//! not judged, so that witnesses can add theirs (C2SP tlog-cosignature), which say when they saw it.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// What a key signs, as its type byte says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// The text.
    Note = 1,
    /// The text and the second in which the witness saw it.
    Cosignature = 4,
}

/// More signature lines than any log and its witnesses make.
const MOST_SIGNATURES: usize = 100;

/// Why a key or a note was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("`{0}` is not a key name: it must not be empty and have no space and no `+`")]
    BadName(String),
    #[error("`{text}` is not a {what} key: {why}")]
    BadKey { what: &'static str, text: String, why: &'static str },
    #[error("the text is not a signed note: {0}")]
    Malformed(&'static str),
    #[error("the note has no signature by `{0}`: it was signed with another key")]
    NotSigned(String),
    #[error("the signature by `{0}` does not fit the text: one of them was changed")]
    BadSignature(String),
}

fn key_hash(name: &str, kind: Kind, public: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', kind as u8]).chain_update(public).finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

fn checked_name(name: &str) -> Result<&str, NoteError> {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
        return Err(NoteError::BadName(name.chars().take(80).collect()));
    }
    Ok(name)
}

/// A public key with its name, written `name+hash+key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    kind: Kind,
    key: VerifyingKey,
}

impl Verifier {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A witness's key: its signatures say when.
    pub fn is_witness(&self) -> bool {
        self.kind == Kind::Cosignature
    }

    fn hash(&self) -> [u8; 4] {
        key_hash(&self.name, self.kind, self.key.as_bytes())
    }

    /// The text of a note that this key signed.
    ///
    /// # Errors
    /// It is no note, has no signature of this key, or the signature does not fit.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        self.signed(note).map(|(text, _)| text)
    }

    /// The text of a note that this witness cosigned, its signature line with the line break, and the second since 1970 in
    /// which it did.
    ///
    /// # Errors
    /// As [`Self::open`], and a key that is no witness's.
    pub fn cosigned<'a>(&self, note: &'a str) -> Result<(&'a str, String, u64), NoteError> {
        let (text, signature) = self.signed(note)?;
        let second = signature.first_chunk::<8>().filter(|_| self.is_witness()).map(|second| u64::from_be_bytes(*second));
        let second = second.ok_or_else(|| NoteError::NotSigned(self.name.clone()))?;
        let line = STANDARD.encode([self.hash().as_slice(), &signature].concat());
        Ok((text, format!("\u{2014} {} {line}\n", self.name), second))
    }

    /// The text, and the bytes of this key's signature after the hash.
    fn signed<'a>(&self, note: &'a str) -> Result<(&'a str, Vec<u8>), NoteError> {
        let border = note.rfind("\n\n").ok_or(NoteError::Malformed("it has no empty line before its signatures"))?;
        let (text, lines) = (&note[..=border], &note[border + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed("it does not end with a line break"))?;
        if lines.split('\n').count() > MOST_SIGNATURES {
            return Err(NoteError::Malformed("it has more than 100 signatures"));
        }
        for line in lines.split('\n') {
            let (name, signature) = line
                .strip_prefix("\u{2014} ")
                .and_then(|line| line.split_once(' '))
                .ok_or(NoteError::Malformed("a signature line is not `— name signature`"))?;
            let bytes = STANDARD.decode(signature).map_err(|_| NoteError::Malformed("a signature is not base64"))?;
            let Some((hash, signature)) = bytes.split_first_chunk::<4>() else {
                return Err(NoteError::Malformed("a signature is shorter than its key hash"));
            };
            if name == self.name && *hash == self.hash() {
                return self.check(text, signature).map(|()| (text, signature.to_vec()));
            }
        }
        Err(NoteError::NotSigned(self.name.clone()))
    }

    fn check(&self, text: &str, signature: &[u8]) -> Result<(), NoteError> {
        let bad = || NoteError::BadSignature(self.name.clone());
        let (message, signature) = match self.kind {
            Kind::Note => (text.to_owned(), signature),
            Kind::Cosignature => {
                let (second, signature) = signature.split_first_chunk::<8>().ok_or_else(bad)?;
                (format!("cosignature/v1\ntime {}\n{text}", u64::from_be_bytes(*second)), signature)
            }
        };
        let signature = Signature::from_slice(signature).map_err(|_| bad())?;
        self.key.verify_strict(message.as_bytes(), &signature).map_err(|_| bad())
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.kind as u8], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, hex::encode(self.hash()), STANDARD.encode(key))
    }
}

/// `NAME+HASH+KEY`, taken apart.
struct KeyParts<'a> {
    name: &'a str,
    hash: [u8; 4],
    kind: Kind,
    /// After the type byte.
    key: [u8; 32],
}

fn key_parts<'a>(what: &'static str, text: &'a str) -> Result<KeyParts<'a>, NoteError> {
    // A signer's text is a secret, so no message repeats it.
    let shown = if what == "signing" { "PRIVATE+KEY+…".to_owned() } else { text.chars().take(200).collect() };
    let refuse = |why| NoteError::BadKey { what, text: shown.clone(), why };
    // The key is base64, which has `+` in its alphabet, so only the first two count.
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(refuse("expected `name+hash+key`"));
    };
    let mut id = [0; 4];
    hex::decode_to_slice(hash, &mut id).map_err(|_| refuse("its hash is not 8 hex digits"))?;
    let key = STANDARD.decode(key).map_err(|_| refuse("its key is not base64"))?;
    let (kind, key) = match key.split_first() {
        Some((1, key)) => (Kind::Note, key),
        Some((4, key)) => (Kind::Cosignature, key),
        _ => return Err(refuse("it is not an Ed25519 key")),
    };
    let key = key.try_into().map_err(|_| refuse("its key is not 32 bytes long"))?;
    Ok(KeyParts { name: checked_name(name)?, hash: id, kind, key })
}

impl FromStr for Verifier {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let text = text.trim();
        let refuse = |why| NoteError::BadKey { what: "verifier", text: text.chars().take(200).collect(), why };
        let KeyParts { name, hash, kind, key } = key_parts("verifier", text)?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| refuse("its key is not a point of the curve"))?;
        let verifier = Self { name: name.to_owned(), kind, key };
        if verifier.hash() == hash { Ok(verifier) } else { Err(refuse("its hash does not fit its name and key")) }
    }
}

/// A private key with its name. Does not print itself; [`secret_text`](Self::secret_text) writes it.
#[derive(Clone)]
pub struct Signer {
    name: String,
    key: SigningKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.name)
    }
}

impl Signer {
    /// The key that 32 unpredictable bytes make.
    ///
    /// # Errors
    /// A name that a note cannot carry.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        Ok(Self { name: checked_name(name)?.to_owned(), key: SigningKey::from_bytes(seed) })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn verifier(&self) -> Verifier {
        Verifier { name: self.name.clone(), kind: Kind::Note, key: self.key.verifying_key() }
    }

    /// The key as text, `PRIVATE+KEY+name+hash+key`: for the key file and nothing else.
    pub fn secret_text(&self) -> String {
        let key = [&[Kind::Note as u8], self.key.as_bytes().as_slice()].concat();
        format!("PRIVATE+KEY+{}+{}+{}", self.name, hex::encode(self.verifier().hash()), STANDARD.encode(key))
    }

    /// The signed note over `text`, which ends with a line break.
    ///
    /// # Errors
    /// A text that does not.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        if !text.ends_with('\n') {
            return Err(NoteError::Malformed("its text does not end with a line break"));
        }
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        let line = STANDARD.encode([self.verifier().hash().as_slice(), &signature].concat());
        Ok(format!("{text}\n\u{2014} {} {line}\n", self.name))
    }
}

impl FromStr for Signer {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let refuse = |why| NoteError::BadKey { what: "signing", text: "PRIVATE+KEY+…".to_owned(), why };
        let rest = text.trim().strip_prefix("PRIVATE+KEY+").ok_or_else(|| refuse("it does not begin with `PRIVATE+KEY+`"))?;
        let KeyParts { name, hash, kind, key: seed } = key_parts("signing", rest)?;
        if kind != Kind::Note {
            return Err(refuse("it is a witness's key, which signs no log"));
        }
        let signer = Self::from_seed(name, &seed)?;
        if signer.verifier().hash() == hash { Ok(signer) } else { Err(refuse("its hash does not fit its name and key")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the reference implementation (golang.org/x/mod/sumdb/note).
    const SIGNER: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn the_reference_note_is_signed_to_the_byte_and_opened() {
        let signer: Signer = SIGNER.parse().unwrap();
        let text = &NOTE[..NOTE.find("\n\n").unwrap() + 1];
        assert_eq!(signer.sign(text).unwrap(), NOTE);
        assert_eq!(signer.verifier().to_string(), VERIFIER);
        assert_eq!(signer.secret_text(), SIGNER);
        assert_eq!(VERIFIER.parse::<Verifier>().unwrap().open(NOTE).unwrap(), text);
    }

    #[test]
    fn any_changed_byte_of_text_or_signature_is_noticed() {
        let verifier: Verifier = VERIFIER.parse().unwrap();
        for at in 0..NOTE.len() {
            let mut bytes = NOTE.as_bytes().to_vec();
            bytes[at] ^= 1;
            if let Ok(note) = String::from_utf8(bytes) {
                assert!(verifier.open(&note).is_err(), "byte {at} changed and nobody noticed");
            }
        }
    }

    #[test]
    fn another_key_of_the_same_name_and_other_signers_are_told_apart() {
        let mine = Signer::from_seed("example.org/log", &[7; 32]).unwrap();
        let other = Signer::from_seed("example.org/log", &[8; 32]).unwrap();
        let note = mine.sign("hello\n").unwrap();
        assert_eq!(other.verifier().open(&note), Err(NoteError::NotSigned("example.org/log".to_owned())));
        let witness = Signer::from_seed("witness", &[9; 32]).unwrap().sign("hello\n").unwrap();
        let both = format!("{note}{}", witness.lines().last().unwrap()) + "\n";
        assert_eq!(mine.verifier().open(&both).unwrap(), "hello\n");
    }

    #[test]
    fn damaged_keys_are_refused_and_a_secret_is_never_repeated() {
        for bad in ["", "a+b", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "x+c74f20a3+AA=="] {
            assert!(bad.parse::<Verifier>().is_err(), "{bad}");
        }
        let error = SIGNER.replace("c74f20a3", "c74f20a4").parse::<Signer>().unwrap_err().to_string();
        assert!(!error.contains("AYEK"), "{error}");
        assert!(Signer::from_seed("two words", &[0; 32]).is_err());
    }
}
