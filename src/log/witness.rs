//! What a log and a witness say to each other (C2SP tlog-witness): the request for a cosignature, and the answers.
//!
//! A witness signs a checkpoint only when it was shown that the log only grew since the last one it signed. Who trusts one
//! witness need not trust the log's operator not to show different logs to different people.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    hash::Hash,
    note::{NoteError, Verifier},
};

/// What a witness answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It signed, in this second since 1970, with this signature line.
    Cosigned { line: String, second: u64 },
    /// It last signed the log at this size: ask again with the proof from there.
    LastSaw { size: u64 },
}

/// Why there is no cosignature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    #[error("the witness does not know this log: give it the log's public key")]
    UnknownLog,
    #[error("the witness does not accept the log's signature: it has another public key of this log")]
    WrongKey,
    #[error("the witness saw another log of this name before: entries that it signed are changed or gone here, as after a restore")]
    OtherLog,
    /// Without the body: what an outsider wrote does not belong in our logs.
    #[error("the witness answered {0}, with no signature: its own log may say why")]
    Other(u16),
    #[error("the witness's answer is not its signature of this checkpoint: {0}")]
    Signature(#[from] NoteError),
}

/// The body of `POST …/add-checkpoint`: the log grew from `old` entries to those of the signed `note`.
pub fn add_checkpoint(old: u64, proof: &[Hash], note: &str) -> String {
    let hashes: String = proof.iter().map(|hash| STANDARD.encode(hash) + "\n").collect();
    format!("old {old}\n{hashes}\n{note}")
}

/// What the answer to [`add_checkpoint`] with this `note` says.
///
/// # Errors
/// It is no cosignature of the witness with this key.
pub fn read(status: u16, body: &[u8], note: &str, witness: &Verifier) -> Result<Said, WitnessError> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    match status {
        200 => {
            // Lines of other keys that it has are its business.
            let (_, line, second) = witness.cosigned(&format!("{note}{text}"))?;
            Ok(Said::Cosigned { line, second })
        }
        409 => match text.strip_suffix('\n').unwrap_or(text).parse() {
            Ok(size) => Ok(Said::LastSaw { size }),
            Err(_) => Err(WitnessError::Other(status)),
        },
        404 => Err(WitnessError::UnknownLog),
        403 => Err(WitnessError::WrongKey),
        422 => Err(WitnessError::OtherLog),
        _ => Err(WitnessError::Other(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{checkpoint::Checkpoint, note::Signer};

    /// Made by an independent implementation: key, and its answer for the checkpoint below.
    const WITNESS: &str = "witness.example.org/w1+33f915cc+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY";
    const LINE: &str = "\u{2014} witness.example.org/w1 M/kVzAAAAABqsTuAUmGK0KksjCicbVrmQOmdq3QyeLz9d3QRWqqD6/wLmHVD9/NgHGbNvZmSq5xTwRyjam8Mrn40yiN3BsSS9Q90Cw==\n";

    fn note() -> String {
        Checkpoint::sign(3, &[1; 32], &Signer::from_seed("example.org/log", &[7; 32]).unwrap()).unwrap()
    }

    #[test]
    fn a_request_is_written_as_the_specification_has_it() {
        let proof = [[0; 32], [255; 32]];
        let expected =
            format!("old 2\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n//////////////////////////////////////////8=\n\n{}", note());
        assert_eq!(add_checkpoint(2, &proof, &note()), expected);
        assert_eq!(add_checkpoint(0, &[], &note()), format!("old 0\n\n{}", note()));
    }

    #[test]
    fn a_cosignature_of_another_implementation_is_taken_and_no_changed_byte_of_it() {
        let witness: Verifier = WITNESS.parse().unwrap();
        assert_eq!(witness.to_string(), WITNESS);
        assert!(witness.is_witness());
        let said = read(200, LINE.as_bytes(), &note(), &witness).unwrap();
        assert_eq!(said, Said::Cosigned { line: LINE.to_owned(), second: 1_790_000_000 });
        // After the log's own line, as a note carries both.
        assert!(
            Checkpoint::open(&format!("{}{LINE}", note()), &Signer::from_seed("example.org/log", &[7; 32]).unwrap().verifier()).is_ok()
        );
        for at in 0..LINE.len() {
            let mut bytes = LINE.as_bytes().to_vec();
            bytes[at] ^= 1;
            assert!(read(200, &bytes, &note(), &witness).is_err(), "byte {at} changed and nobody noticed");
        }
        let other = Checkpoint::sign(4, &[1; 32], &Signer::from_seed("example.org/log", &[7; 32]).unwrap()).unwrap();
        assert!(read(200, LINE.as_bytes(), &other, &witness).is_err(), "it is of another checkpoint");
        let log = Signer::from_seed("example.org/log", &[7; 32]).unwrap().verifier();
        assert!(matches!(read(200, b"", &note(), &log), Err(WitnessError::Signature(_))), "the log is no witness of itself");
    }

    #[test]
    fn what_is_no_cosignature_says_what_to_do() {
        let witness: Verifier = WITNESS.parse().unwrap();
        assert_eq!(read(409, b"20\n", &note(), &witness), Ok(Said::LastSaw { size: 20 }));
        for (status, body, expected) in [
            (404, "", "does not know this log"),
            (403, "", "another public key"),
            (422, "", "as after a restore"),
            (409, "many", "answered 409"),
            (500, "down\n\u{1b}[2J", "answered 500, with no signature"),
            (200, "", "no signature by"),
            (200, "\u{fffd}", "not a signed note"),
        ] {
            let error = read(status, body.as_bytes(), &note(), &witness).unwrap_err().to_string();
            assert!(error.contains(expected), "{status} {body:?}: {error}");
        }
    }
}
