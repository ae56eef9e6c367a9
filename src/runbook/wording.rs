//! Small forms that people write in front matter: durations, sources, parameter types.
//!
//! Each reader says in its error what it expected.

use std::time::Duration;

use serde_json::Value;

use serde_saphyr::Spanned;

use super::{format::WrittenParameter, validate};
use crate::domain::runbook::{ParameterSource, ParameterType};

/// The longest a value may be whatever its type; DNS names have 253.
pub(crate) const LONGEST_VALUE: usize = 255;

/// `30s`, `2m`, `12h`, `180d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("`{text}` is not a duration: write a whole number and `s`, `m`, `h` or `d`, like `30s`");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| refuse())?;
    let unit = match text[digits..].trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(refuse()),
    };
    // Ten years: beyond that it is a slip, and day arithmetic stays far from its edges.
    number.checked_mul(unit).filter(|seconds| *seconds <= 3_650 * 86_400).map(Duration::from_secs).ok_or_else(refuse)
}

/// How long a run may take in all.
pub(crate) fn time_limit(text: &str) -> Result<Duration, String> {
    /// A lease on a run lasts longer than this, and what takes longer a person looks at.
    const LONGEST: Duration = Duration::from_secs(90 * 60);
    let length = duration(text)?;
    if length.is_zero() || length > LONGEST {
        return Err(format!("a time limit is between 1s and {}m, not `{text}`", LONGEST.as_secs() / 60));
    }
    Ok(length)
}

/// `label:NAME`, `attribute:NAME`, `requester`, `text`.
pub(crate) fn source(text: &str) -> Result<ParameterSource, String> {
    match text.split_once(':') {
        Some(("label", name)) if !name.is_empty() => Ok(ParameterSource::Label(name.to_owned())),
        Some(("attribute", name)) if !name.is_empty() => Ok(ParameterSource::Attribute(name.to_owned())),
        None if text == "requester" => Ok(ParameterSource::Requester),
        None if text == "text" => Ok(ParameterSource::Text),
        _ => Err(format!("`{text}` is not a source: write `label:NAME`, `attribute:NAME`, `requester` or `text`")),
    }
}

/// Names of the types, for messages and near misses.
pub(crate) const TYPES: [&str; 10] = ["hostname", "ip", "email", "username", "uuid", "integer", "duration", "enum", "path", "string"];

/// The type of an output with its bounds in one text, like `integer(1..50)`.
pub(crate) fn output_type(kind: &Spanned<String>) -> Result<ParameterType, String> {
    parameter_type(&WrittenParameter {
        kind: kind.clone(),
        from: Vec::new(),
        pattern: None,
        one_of: None,
        required: true,
        description: None,
        min: None,
        max: None,
        values: Vec::new(),
        under: Vec::new(),
        max_length: None,
    })
}

/// The type of a parameter with its bounds, from `type: integer(1..50)` or `type: integer` with `min` and `max`.
pub(crate) fn parameter_type(written: &WrittenParameter) -> Result<ParameterType, String> {
    let text = written.kind.value.trim();
    let (name, inside) = match text.split_once('(') {
        Some((name, rest)) => {
            (name.trim(), Some(rest.strip_suffix(')').ok_or_else(|| format!("`{text}` opens `(` and does not close it"))?.trim()))
        }
        None => (text, None),
    };
    let kind = match name {
        "hostname" => ParameterType::Hostname,
        "ip" => ParameterType::Ip,
        "email" => ParameterType::Email,
        "username" => ParameterType::Username,
        "uuid" => ParameterType::Uuid,
        "integer" => {
            let (min, max) = integer_bounds(written, inside)?;
            ParameterType::Integer { min, max }
        }
        "duration" => {
            let max = match (inside, &written.max) {
                (Some(text), None) => duration(text)?,
                (None, Some(Value::String(text))) => duration(text)?,
                _ => return Err("a duration needs its longest value: write `duration(2h)` or `max: 2h`".to_owned()),
            };
            ParameterType::Duration { max }
        }
        "enum" => {
            let values = match inside {
                Some(list) if written.values.is_empty() => list.split([',', '|']).map(|v| v.trim().to_owned()).collect(),
                None => written.values.clone(),
                Some(_) => return Err("give the values once: in `enum(…)` or as `values`".to_owned()),
            };
            if values.is_empty() || values.iter().any(String::is_empty) {
                return Err("an enum needs `values`, none of them empty".to_owned());
            }
            if let Some((value, why)) = values.iter().find_map(|value| Some((value, validate::charset(value).err()?))) {
                return Err(format!("no value may ever be `{value}`: {why}"));
            }
            ParameterType::Enum { values }
        }
        "path" => path_type(written, inside)?,
        "string" => {
            let max_length = match (inside, written.max_length) {
                (Some(text), None) => text.parse().map_err(|_| format!("`{text}` is not a length"))?,
                (None, Some(length)) => length,
                (None, None) => 64,
                (Some(_), Some(_)) => return Err("give the length once: in `string(…)` or as `max_length`".to_owned()),
            };
            if max_length == 0 || max_length > LONGEST_VALUE {
                return Err(format!("a string's length is between 1 and {LONGEST_VALUE}, not {max_length}"));
            }
            ParameterType::String { max_length }
        }
        _ => return Err(format!("`{name}` is not a parameter type: write one of {}", TYPES.join(", "))),
    };
    stray_bounds(written, &kind, inside)?;
    Ok(kind)
}

fn integer_bounds(written: &WrittenParameter, inside: Option<&str>) -> Result<(i64, i64), String> {
    let (min, max) = match inside {
        Some(range) => {
            let (low, high) = range.split_once("..").ok_or_else(|| format!("`{range}` is not a range: write it like `1..50`"))?;
            let bound = |text: &str| text.trim().parse::<i64>().map_err(|_| format!("`{text}` is not a whole number"));
            (bound(low)?, bound(high.trim_start_matches('='))?)
        }
        None => match (written.min, written.max.as_ref().and_then(Value::as_i64)) {
            (Some(min), Some(max)) => (min, max),
            _ => return Err("an integer needs its range: write `integer(1..50)` or `min` and `max`".to_owned()),
        },
    };
    if min > max { Err(format!("the range {min}..{max} is empty")) } else { Ok((min, max)) }
}

fn path_type(written: &WrittenParameter, inside: Option<&str>) -> Result<ParameterType, String> {
    let under: Vec<String> = match inside {
        Some(list) if written.under.is_empty() => list.split(',').map(|p| p.trim().to_owned()).collect(),
        _ => written.under.clone(),
    };
    if under.is_empty() {
        return Err("a path needs `under`: absolute folders it may be in, none of them `/`".to_owned());
    }
    if let Some(odd) = under.iter().find(|folder| !validate::is_plain_path(folder.strip_suffix('/').unwrap_or(folder))) {
        return Err(format!("no path may be under `{odd}`: write absolute folders of plain names, none of them `/`"));
    }
    Ok(ParameterType::Path { under })
}

/// A bound that the type does not have would look like a limit and be none.
fn stray_bounds(written: &WrittenParameter, kind: &ParameterType, inside: Option<&str>) -> Result<(), String> {
    use ParameterType as T;
    let plain = matches!(kind, T::Hostname | T::Ip | T::Email | T::Username | T::Uuid);
    let stray = [
        ("min", written.min.is_some() && !matches!(kind, T::Integer { .. })),
        ("max", written.max.is_some() && !matches!(kind, T::Integer { .. } | T::Duration { .. })),
        ("values", !written.values.is_empty() && !matches!(kind, T::Enum { .. })),
        ("under", !written.under.is_empty() && !matches!(kind, T::Path { .. })),
        ("max_length", written.max_length.is_some() && !matches!(kind, T::String { .. })),
        ("(…)", plain && inside.is_some()),
    ];
    match stray.iter().find(|(_, is)| *is) {
        Some((key, _)) => Err(format!("`{key}` means nothing for the type `{}`", kind.as_str())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_an_end() {
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("180d"), Ok(Duration::from_secs(180 * 86_400)));
        for bad in ["", "2", "m", "-1s", "1.5h", "2 weeks", "99999999999999999999s", "9999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sources_are_one_of_four() {
        assert_eq!(source("label:instance"), Ok(ParameterSource::Label("instance".to_owned())));
        assert_eq!(source("text"), Ok(ParameterSource::Text));
        for bad in ["", "label", "label:", "txt", "env:PATH"] {
            assert!(source(bad).is_err(), "{bad}");
        }
    }
}
