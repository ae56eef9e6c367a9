//! What one help desk's API is, as data and pure functions: which calls, in which order, and how answers are read.
//!
//! A protocol never calls anything and never sees the token.
// INVARIANT: the call with the mark is the last of [`Protocol::writes`]. So the mark speaks for all of them: where it is
// found nothing is left to do, and where it is not, everything is done again, which each call before it must bear.

use reqwest::Method;
use serde_json::Value;

/// One request below the base URL.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub method: Method,
    /// Made of fixed words and an id that [`IdForm`] let through.
    pub path: String,
    pub query: Vec<(&'static str, String)>,
    pub body: Option<Value>,
}

impl Call {
    pub fn get(path: impl Into<String>, query: &[(&'static str, &str)]) -> Self {
        let query = query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { method: Method::GET, path: path.into(), query, body: None }
    }

    pub fn write(method: Method, path: impl Into<String>, body: Value) -> Self {
        Self { method, path: path.into(), query: Vec::new(), body: Some(body) }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }
}

/// What one message changes, in the help desk's own values. `None` leaves a field alone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change<'a> {
    /// Plain text.
    pub comment: &'a str,
    /// Stands on a line of its own.
    pub mark: &'a str,
    pub public: bool,
    pub priority: Option<Value>,
    pub category: Option<Value>,
    pub group: Option<Value>,
    pub resolved: Option<Value>,
    /// Empty unless `resolved` is given.
    pub resolved_fields: &'a [(String, Value)],
    pub tags: &'a [String],
}

impl Change<'_> {
    /// Our tags, and the mapped values that this help desk keeps as tags or labels.
    pub fn tags_and(&self, values: &[&Option<Value>]) -> Vec<String> {
        let values = values.iter().filter_map(|value| value.as_ref()?.as_str().map(str::to_owned));
        self.tags.iter().cloned().chain(values).collect()
    }
}

/// Where comments are listed.
pub(super) struct Listing {
    /// JSON pointer of the list in the answer; what is there may be one object with all comments in it.
    pub pointer: &'static str,
    /// How many a page has; `None` when all come at once.
    pub page: Option<usize>,
    /// Ours, being recent, is then on the first pages.
    pub newest_first: bool,
}

/// What ids of a help desk look like. Anything else came from outside and is not put into a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdForm {
    Digits,
    /// `ABC-12`, or digits.
    JiraKey,
    /// 32 hexadecimal digits.
    SysId,
    /// Letters, digits and `-`.
    Word,
}

impl IdForm {
    pub fn fits(self, id: &str) -> bool {
        let digits = |text: &str| (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        match self {
            Self::Digits => digits(id),
            Self::JiraKey => {
                let project = |text: &str| {
                    text.starts_with(|first: char| first.is_ascii_uppercase())
                        && text.len() <= 64
                        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
                };
                digits(id) || id.split_once('-').is_some_and(|(name, number)| project(name) && digits(number))
            }
            Self::SysId => id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            Self::Word => (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
        }
    }

    pub const fn expected(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::JiraKey => "a key like `ABC-12`, or digits",
            Self::SysId => "a `sys_id` of 32 hexadecimal digits",
            Self::Word => "letters, digits and `-`",
        }
    }
}

pub(super) trait Protocol: Send + Sync {
    fn id_form(&self) -> IdForm;

    /// Sent with every call, besides the authentication.
    fn headers(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn listing(&self) -> Listing;

    /// Asks for page `page` of the ticket's comments, from 0.
    fn comments(&self, id: &str, page: usize) -> Call;

    /// What must be read before it can be said what is written.
    fn current(&self, _id: &str, _change: &Change<'_>) -> Option<Call> {
        None
    }

    /// What is written, in order. `current` is the answer to [`Self::current`].
    ///
    /// # Errors
    /// Why it cannot be said, for people; trying again cannot help.
    fn writes(&self, id: &str, change: &Change<'_>, current: &Value) -> Result<Vec<Call>, String>;

    /// True when 409 says that the ticket changed since it was read, and nothing was written.
    fn locks(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_each_form_fit_and_hostile_ones_do_not() {
        let forms = [IdForm::Digits, IdForm::JiraKey, IdForm::SysId, IdForm::Word];
        for (form, good) in [
            (forms[0], "42"),
            (forms[1], "DESK-7"),
            (forms[1], "10042"),
            (forms[2], "9d385017c611228701d22104cc95c371"),
            (forms[3], "Q2K-1"),
        ] {
            assert!(form.fits(good), "{form:?} {good}");
        }
        for bad in
            ["", "..", "../x", "4/2", "4%2f2", "4?x=1", "4#x", "4 2", "4\n2", "٤٢", "a.b", "42;x", "-", "DESK-", "desk-7/x", "DESK-7?a"]
        {
            for form in [IdForm::Digits, IdForm::JiraKey, IdForm::SysId] {
                assert!(!form.fits(bad), "{form:?} {bad:?}");
            }
            assert!(!IdForm::Word.fits(bad) || ["-", "DESK-"].contains(&bad), "{bad:?}");
        }
    }
}
