//! Checkpoints: size and root of the log at one moment, signed (C2SP tlog-checkpoint).
//!
//! Who holds a checkpoint can later prove that nothing before it was changed.
// INVARIANT: the origin is the name of the key that signs, so one log's checkpoint never passes as another's.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    hash::Hash,
    note::{NoteError, Signer, Verifier},
};

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Names the log: the key's name.
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

/// Why a checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("the signed text is not a checkpoint: {0}")]
    Malformed(&'static str),
    #[error("the checkpoint is of the log `{found}`, expected `{expected}`")]
    OtherLog { found: String, expected: String },
}

impl Checkpoint {
    /// The signed note of a log that stands at this size and root. The origin is the signer's name.
    ///
    /// # Errors
    /// None for a signer with a proper name.
    pub fn sign(size: u64, root: &Hash, signer: &Signer) -> Result<String, CheckpointError> {
        Ok(signer.sign(&Self::text(signer.name(), size, root))?)
    }

    /// What is signed.
    pub fn text(origin: &str, size: u64, root: &Hash) -> String {
        format!("{origin}\n{size}\n{}\n", STANDARD.encode(root))
    }

    /// The checkpoint in a signed note.
    ///
    /// # Errors
    /// It is not signed by this key, or is no checkpoint of its log.
    pub fn open(note: &str, verifier: &Verifier) -> Result<Self, CheckpointError> {
        // Lines after the third are extensions, which the format lets a reader ignore; they are signed all the same.
        let mut lines = verifier.open(note)?.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Malformed("it has fewer than three lines"));
        };
        if origin != verifier.name() {
            return Err(CheckpointError::OtherLog { found: origin.chars().take(200).collect(), expected: verifier.name().to_owned() });
        }
        let parsed: u64 = size.parse().map_err(|_| CheckpointError::Malformed("its second line is not a size"))?;
        // One number, one text: `+5` and `05` parse and are refused.
        if parsed.to_string() != size {
            return Err(CheckpointError::Malformed("its size is not written in plain decimal"));
        }
        let root = STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok());
        let root = root.ok_or(CheckpointError::Malformed("its third line is not the base64 of 32 bytes"))?;
        Ok(Self { origin: origin.to_owned(), size: parsed, root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_back_and_its_text_is_golden() {
        let signer = Signer::from_seed("example.org/log", &[7; 32]).unwrap();
        let note = Checkpoint::sign(3, &[1; 32], &signer).unwrap();
        assert!(
            note.starts_with("example.org/log\n3\nAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n\n\u{2014} example.org/log "),
            "{note}"
        );
        let checkpoint = Checkpoint::open(&note, &signer.verifier()).unwrap();
        assert_eq!(checkpoint, Checkpoint { origin: "example.org/log".to_owned(), size: 3, root: [1; 32] });
    }

    #[test]
    fn what_is_signed_but_no_checkpoint_is_refused_with_the_line() {
        let signer = Signer::from_seed("log", &[7; 32]).unwrap();
        for (text, expected) in [
            ("log\n3\n", "fewer than three"),
            ("other\n3\nAA==\n", "of the log `other`"),
            ("log\n03\nAA==\n", "plain decimal"),
            ("log\nmany\nAA==\n", "second line"),
            ("log\n3\nAA==\n", "third line"),
        ] {
            let error = Checkpoint::open(&signer.sign(text).unwrap(), &signer.verifier()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
