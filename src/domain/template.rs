//! Templates: texts with named holes, and the typed values that fill them.
//!
//! A template is cut into pieces when its runbook is loaded and filled once, in one pass, so a value that comes
//! from a ticket or from an answer is never read as a template.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::name::{NotAName, OutputName, ParameterName, StepId};

/// What is to be filled in: a parameter, `{{host}}`, or what an earlier step gave, `{{launch.job}}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hole {
    Parameter(ParameterName),
    Output { step: StepId, output: OutputName },
}

impl FromStr for Hole {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        Ok(match text.split_once('.') {
            None => Self::Parameter(text.parse()?),
            Some((step, output)) => Self::Output { step: step.parse()?, output: output.parse()? },
        })
    }
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(name) => write!(f, "{{{{{name}}}}}"),
            Self::Output { step, output } => write!(f, "{{{{{step}.{output}}}}}"),
        }
    }
}

/// What fills a hole, already checked against its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Value {
    /// A JSON number where it stands alone in a body.
    Integer(i64),
    Text(String),
}

impl Value {
    fn as_json(&self) -> serde_json::Value {
        match self {
            Self::Integer(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Everything that may fill the holes of one step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Values(BTreeMap<Hole, Value>);

impl Values {
    pub fn insert(&mut self, hole: Hole, value: Value) {
        self.0.insert(hole, value);
    }

    pub fn get(&self, hole: &Hole) -> Option<&Value> {
        self.0.get(hole)
    }

    /// The same, with every hole of `argument` that nothing fills yet filled by its own name, `{{launch.job}}`: for
    /// looking at a step whose predecessors have not run.
    #[must_use]
    pub fn or_names(&self, argument: &Argument) -> Self {
        let mut filled = self.clone();
        for hole in argument.holes() {
            if matches!(hole, Hole::Output { .. }) {
                filled.0.entry(hole.clone()).or_insert_with(|| Value::Text(hole.to_string()));
            }
        }
        filled
    }
}

impl FromIterator<(Hole, Value)> for Values {
    fn from_iter<I: IntoIterator<Item = (Hole, Value)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// Text with named holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Hole(Hole),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("`{0}` opens `{{{{` and does not close it with `}}}}`")]
    Unclosed(String),
    #[error("`{{{{{0}}}}}` is neither a parameter nor the output of a step: {1}")]
    BadName(String, NotAName),
    #[error("no value for {}", of(.0))]
    Missing(Hole),
}

fn of(hole: &Hole) -> String {
    match hole {
        Hole::Parameter(name) => format!("parameter `{name}`"),
        Hole::Output { step, output } => format!("output `{output}` of step `{step}`"),
    }
}

impl Template {
    /// # Errors
    /// A hole that does not close or whose name cannot be a parameter's or an output's.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find("{{") {
            let close = rest[open..].find("}}").ok_or_else(|| TemplateError::Unclosed(text.to_owned()))? + open;
            if open > 0 {
                pieces.push(Piece::Literal(rest[..open].to_owned()));
            }
            let name = rest[open + 2..close].trim();
            pieces.push(Piece::Hole(name.parse().map_err(|why| TemplateError::BadName(name.to_owned(), why))?));
            rest = &rest[close + 2..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// The text with its holes as `{{name}}`, for people to read.
    pub fn written(&self) -> String {
        self.0.iter().fold(String::new(), |text, piece| match piece {
            Piece::Literal(literal) => text + literal,
            Piece::Hole(hole) => format!("{text}{hole}"),
        })
    }

    /// The holes in the order written.
    pub fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Hole(hole) => Some(hole),
            Piece::Literal(_) => None,
        })
    }

    /// The text with each hole filled by `encode(value)`; literals stand as written.
    ///
    /// One pass: a value that looks like a hole stays text.
    ///
    /// # Errors
    /// A hole that `values` has no value for.
    pub fn render(&self, values: &Values, encode: impl Fn(&str) -> String) -> Result<String, TemplateError> {
        self.0.iter().try_fold(String::new(), |mut text, piece| {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Hole(hole) => text.push_str(&encode(&found(values, hole)?.to_string())),
            }
            Ok(text)
        })
    }
}

fn found<'a>(values: &'a Values, hole: &Hole) -> Result<&'a Value, TemplateError> {
    values.get(hole).ok_or_else(|| TemplateError::Missing(hole.clone()))
}

impl Serialize for Template {
    /// As written.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written())
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// JSON whose strings are templates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Argument {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(Template),
    List(Vec<Argument>),
    Object(BTreeMap<String, Argument>),
}

impl Argument {
    /// Every hole in every template of this argument.
    pub fn holes(&self) -> Vec<&Hole> {
        match self {
            Self::Text(template) => template.holes().collect(),
            Self::List(items) => items.iter().flat_map(Self::holes).collect(),
            Self::Object(fields) => fields.values().flat_map(Self::holes).collect(),
            Self::Null | Self::Bool(_) | Self::Number(_) => Vec::new(),
        }
    }

    /// The JSON with every hole as `{{name}}`, for people to read.
    pub fn written(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null => Json::Null,
            Self::Bool(flag) => Json::Bool(*flag),
            Self::Number(number) => Json::Number(number.clone()),
            Self::Text(template) => Json::String(template.written()),
            Self::List(items) => Json::Array(items.iter().map(Self::written).collect()),
            Self::Object(fields) => Json::Object(fields.iter().map(|(key, value)| (key.clone(), value.written())).collect()),
        }
    }

    /// # Errors
    /// A string in `value` that is not a template.
    pub fn parse(value: &serde_json::Value) -> Result<Self, TemplateError> {
        use serde_json::Value as Json;
        Ok(match value {
            Json::Null => Self::Null,
            Json::Bool(flag) => Self::Bool(*flag),
            Json::Number(number) => Self::Number(number.clone()),
            Json::String(text) => Self::Text(Template::parse(text)?),
            Json::Array(items) => Self::List(items.iter().map(Self::parse).collect::<Result<_, _>>()?),
            Json::Object(fields) => Self::Object(
                fields.iter().map(|(key, value)| Ok((key.clone(), Self::parse(value)?))).collect::<Result<_, TemplateError>>()?,
            ),
        })
    }

    /// The JSON with every hole filled. JSON encoding is the serialiser's, so a value cannot leave its string.
    ///
    /// A text that is one hole and nothing else becomes the value in its own type: an integer is a JSON number.
    ///
    /// # Errors
    /// A hole that `values` has no value for.
    pub fn render(&self, values: &Values) -> Result<serde_json::Value, TemplateError> {
        use serde_json::Value as Json;
        Ok(match self {
            Self::Null => Json::Null,
            Self::Bool(flag) => Json::Bool(*flag),
            Self::Number(number) => Json::Number(number.clone()),
            Self::Text(template) => match template.0.as_slice() {
                [Piece::Hole(alone)] => found(values, alone)?.as_json(),
                _ => Json::String(template.render(values, str::to_owned)?),
            },
            Self::List(items) => Json::Array(items.iter().map(|item| item.render(values)).collect::<Result<_, _>>()?),
            Self::Object(fields) => Json::Object(
                fields.iter().map(|(key, value)| Ok((key.clone(), value.render(values)?))).collect::<Result<_, TemplateError>>()?,
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), Value::Text((*value).to_owned()))).collect()
    }

    #[test]
    fn a_value_that_looks_like_a_hole_stays_text() {
        let template = Template::parse("/printers/{{ host }}/restart").unwrap();
        let filled = template.render(&values(&[("host", "{{other}}"), ("other", "x")]), str::to_owned).unwrap();
        assert_eq!(filled, "/printers/{{other}}/restart");
    }

    #[test]
    fn a_value_cannot_leave_its_json_string() {
        let argument = Argument::parse(&serde_json::json!({"user": "{{u}}", "force": true})).unwrap();
        let filled = argument.render(&values(&[("u", "a\",\"admin\":\"yes")])).unwrap();
        assert_eq!(filled, serde_json::json!({"user": "a\",\"admin\":\"yes", "force": true}));
    }

    #[test]
    fn an_integer_alone_is_a_number_and_inside_a_text_its_digits() {
        let argument = Argument::parse(&serde_json::json!({"n": "{{n}}", "text": "n={{n}}", "job": ["{{launch.id}}"]})).unwrap();
        let filled: Values = [("n", 3), ("launch.id", -4)].into_iter().map(|(h, n)| (h.parse().unwrap(), Value::Integer(n))).collect();
        assert_eq!(argument.render(&filled).unwrap(), serde_json::json!({"n": 3, "text": "n=3", "job": [-4]}));
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_templates() {
        let argument = Argument::parse(&serde_json::json!({"path": "/a/{{ h }}/b", "n": [1, true, null, "{{ x.y }}"]})).unwrap();
        assert_eq!(argument.written(), serde_json::json!({"path": "/a/{{h}}/b", "n": [1, true, null, "{{x.y}}"]}));
        assert_eq!(Argument::parse(&argument.written()).unwrap(), argument);
        assert_eq!(serde_json::from_value::<Argument>(serde_json::to_value(&argument).unwrap()).unwrap(), argument);
    }

    #[test]
    fn holes_must_close_have_a_name_and_a_value() {
        assert!(matches!(Template::parse("a {{b"), Err(TemplateError::Unclosed(_))));
        for odd in ["{{a|shell}}", "{{a.b.c}}", "{{.a}}", "{{a.}}", "{{}}"] {
            assert!(matches!(Template::parse(odd), Err(TemplateError::BadName(..))), "{odd}");
        }
        let lone = Template::parse("{{a}}").unwrap();
        assert_eq!(lone.render(&values(&[]), str::to_owned).unwrap_err().to_string(), "no value for parameter `a`");
        let output = Template::parse("/{{launch.job}}").unwrap();
        assert_eq!(output.render(&values(&[]), str::to_owned).unwrap_err().to_string(), "no value for output `job` of step `launch`");
    }

    #[test]
    fn what_no_step_gave_yet_is_shown_by_its_name() {
        let argument = Argument::parse(&serde_json::json!({"path": "/jobs/{{launch.job}}", "host": "{{host}}"})).unwrap();
        let shown = values(&[("host", "prn-07")]).or_names(&argument);
        assert_eq!(argument.render(&shown).unwrap(), serde_json::json!({"path": "/jobs/{{launch.job}}", "host": "prn-07"}));
        assert!(argument.render(&values(&[]).or_names(&argument)).is_err(), "a parameter is never made up");
    }
}
