//! Pairs of how a candidate stood and whether it fitted, kept as numbers: what the shipped calibration was fitted on,
//! without the texts it came from.

use std::{fmt::Write as _, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    calibration::{Features, NAMES},
    error::RunbookError,
    evaluate::lines,
};

const FORM: u32 = 1;

/// A file of pairs: the first line says what they are, each other line is one pair.
#[derive(Debug, Clone, PartialEq)]
pub struct FitPairs {
    source: String,
    pairs: Vec<(Features, bool)>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Head { form: u32, source: String, features: Vec<String> },
    Pair(Vec<f64>, bool),
}

impl FitPairs {
    /// `source` says what corpus they come from and under which licence.
    pub fn new(source: String, pairs: &[(Features, bool)]) -> Self {
        Self { source, pairs: pairs.to_vec() }
    }

    pub fn pairs(self) -> Vec<(Features, bool)> {
        self.pairs
    }

    /// # Errors
    /// A file that cannot be read, of another form, or for other features.
    pub fn read(path: &Path) -> Result<Self, RunbookError> {
        let bad = |line: usize, why: String| RunbookError::BadLine { path: path.to_owned(), line, why };
        let mut source = None;
        let mut pairs = Vec::new();
        for (number, line) in lines::<Line>(path)?.into_iter().enumerate() {
            match line {
                Line::Head { form, source: said, features } if form == FORM && features == NAMES => source = Some(said),
                Line::Head { form, .. } => {
                    return Err(bad(number + 1, format!("form {form} or its features are not this version's: write the pairs again")));
                }
                Line::Pair(values, fits) if source.is_some() => {
                    let features = Features::from_values(&values)
                        .ok_or_else(|| bad(number + 1, format!("{} numbers, or one outside -1..1", values.len())))?;
                    pairs.push((features, fits));
                }
                Line::Pair(..) => return Err(bad(number + 1, "the first line has to say what the pairs are".to_owned())),
            }
        }
        let source = source.ok_or(RunbookError::Empty { path: path.to_owned(), what: "first line" })?;
        Ok(Self { source, pairs })
    }

    pub fn to_json_lines(&self) -> String {
        let head = serde_json::json!({"form": FORM, "source": self.source, "features": NAMES});
        self.pairs.iter().fold(format!("{head}\n"), |mut text, (features, fits)| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", serde_json::json!([features.values(), fits]));
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_written_and_those_of_other_features_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pairs.jsonl");
        let features = Features::from_values(&[0.125; NAMES.len()]).unwrap();
        let written = FitPairs::new("a corpus, CC0".to_owned(), &[(features, true), (features, false)]);
        std::fs::write(&path, written.to_json_lines()).unwrap();
        assert_eq!(FitPairs::read(&path).unwrap(), written);
        for bad in [
            written.to_json_lines().replace("\"form\":1", "\"form\":2"),
            written.to_json_lines().replace("margin", "margins"),
            written.to_json_lines().replace("0.125,", ""),
            written.to_json_lines().lines().skip(1).collect::<Vec<_>>().join("\n"),
            String::new(),
        ] {
            std::fs::write(&path, &bad).unwrap();
            assert!(FitPairs::read(&path).is_err(), "{bad}");
        }
    }
}
