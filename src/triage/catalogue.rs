//! The category catalogue: what a service desk is asked, who takes it, and examples in people's own words.
//!
//! It is the first training data and, at run time, the way from a category to its assignment group.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Deserialize;

use super::TriageError;
use crate::domain::{
    digest::Digest,
    priority::{Level, Risk},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    category: Vec<Category>,
}

/// One category.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Stable, like `hardware/printer`.
    pub id: String,
    pub name: String,
    pub description: String,
    pub assignment_group: String,
    /// Assumed when the report states none.
    #[serde(default)]
    pub impact: Option<Level>,
    /// Assumed when the report states none.
    #[serde(default)]
    pub urgency: Option<Level>,
    /// The least risk of a ticket of this category.
    #[serde(default)]
    pub risk: Option<Risk>,
    pub examples: Vec<String>,
}

/// All categories by id.
#[derive(Debug, Clone)]
pub struct Catalogue {
    categories: BTreeMap<String, Category>,
    digest: Digest,
}

impl Catalogue {
    /// # Errors
    /// The file cannot be read, is no catalogue, or names a category twice or oddly.
    pub fn load(path: &Path) -> Result<Self, TriageError> {
        let bytes = std::fs::read(path).map_err(|source| TriageError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &bytes)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, TriageError> {
        let form = |reason: String| TriageError::Form { path: path.to_owned(), reason };
        let text = std::str::from_utf8(bytes).map_err(|error| form(error.to_string()))?;
        let file: File = toml::from_str(text).map_err(|error| form(error.to_string()))?;
        let mut categories = BTreeMap::new();
        for category in file.category {
            let part = |part: &str| {
                !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            };
            if !category.id.split('/').all(part) || category.id.split('/').count() > 3 {
                return Err(form(format!(
                    "category `{}` has to be up to three parts of a-z, 0-9 and `-`, like `hardware/printer`",
                    category.id
                )));
            }
            if category.assignment_group.trim().is_empty() || category.examples.iter().all(|example| example.trim().is_empty()) {
                return Err(form(format!("category `{}` needs an assignment group and an example", category.id)));
            }
            if let Some(twice) = categories.insert(category.id.clone(), category) {
                return Err(form(format!("category `{}` is defined twice", twice.id)));
            }
        }
        if categories.len() < 2 {
            return Err(form("a catalogue needs at least two categories".to_owned()));
        }
        Ok(Self { categories, digest: Digest::of(bytes) })
    }

    pub fn get(&self, id: &str) -> Option<&Category> {
        self.categories.get(id)
    }

    /// In order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Category> {
        self.categories.values()
    }

    /// The ids alone.
    pub fn ids(&self) -> BTreeSet<String> {
        self.categories.keys().cloned().collect()
    }

    /// The assignment groups that take tickets.
    pub fn groups(&self) -> BTreeSet<String> {
        self.categories.values().map(|category| category.assignment_group.clone()).collect()
    }

    /// The digest of the file's bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_catalogue_is_refused_with_the_category() {
        let one = |id: &str, group: &str| {
            format!("[[category]]\nid='{id}'\nname='n'\ndescription='d'\nassignment_group='{group}'\nexamples=['e']\n")
        };
        for (file, part) in [
            (one("A b", "g"), "`A b`"),
            (one("a/b", " "), "`a/b` needs an assignment group"),
            (one("a/b", "g") + &one("a/b", "g"), "`a/b` is defined twice"),
            (one("a/b", "g"), "at least two"),
            ("[[category]]\nid='x'\nowner='y'".to_owned(), "owner"),
        ] {
            let message = Catalogue::parse(Path::new("c.toml"), file.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
