//! Whether a text may be the value of a typed slot. The only way for a value into a step.
//!
//! Looks at the whole value: nothing is trimmed, unescaped, decoded or repaired on the way.
// INVARIANT: an accepted value is printable ASCII of a closed character set, has no `..`, and is at most
// `LONGEST_VALUE` bytes, whatever its type, pattern or list say.

use std::net::IpAddr;

use regex::RegexBuilder;

use super::wording::LONGEST_VALUE;
use crate::domain::runbook::{Parameter, ParameterType};

/// Signs that a value may have beside letters and digits. No quote, space at an edge, shell, template, glob,
/// percent or backslash sign is among them; space is allowed inside and refused by every type but `string` and `enum`.
const SIGNS: &[u8] = b" ._-@:/+,=#";

/// # Errors
/// Why no value of any type may look like `value`.
pub(crate) fn charset(value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("it is empty".to_owned());
    }
    if value.len() > LONGEST_VALUE {
        return Err(format!("it is longer than {LONGEST_VALUE} bytes"));
    }
    if let Some(odd) = value.chars().find(|c| !(c.is_ascii_alphanumeric() || u8::try_from(*c).is_ok_and(|b| SIGNS.contains(&b)))) {
        return Err(format!("it has the character {}, which no value may have", shown(odd)));
    }
    if value.contains("..") {
        return Err("it has `..`".to_owned());
    }
    if value.starts_with([' ', '-']) || value.ends_with(' ') {
        return Err("it starts with a space or `-`, or ends with a space".to_owned());
    }
    Ok(())
}

fn shown(odd: char) -> String {
    if odd.is_ascii_graphic() { format!("`{odd}`") } else { format!("U+{:04X}", u32::from(odd)) }
}

/// Checks `value` against everything that `parameter` asks, and names each check it passed.
///
/// # Errors
/// The first check that it fails, as a reason for people; the value itself is not in it.
pub fn validate(parameter: &Parameter, value: &str) -> Result<Vec<String>, String> {
    charset(value)?;
    typed(&parameter.kind, value)?;
    let mut passed = vec![described(&parameter.kind)];
    if let Some(pattern) = &parameter.pattern {
        // Wrapped, so that a pattern that forgot its anchors, or one of its branches, still decides the whole value.
        let whole = RegexBuilder::new(&format!("\\A(?:{pattern})\\z"))
            .build()
            .map_err(|_| "its pattern is not a regular expression".to_owned())?;
        if !whole.is_match(value) {
            return Err(format!("it does not match the pattern `{pattern}`"));
        }
        passed.push(format!("pattern {pattern}"));
    }
    if let Some(directory) = &parameter.one_of {
        if !directory.values.contains(value) {
            return Err(format!("it is not in {}", directory.path));
        }
        passed.push(format!("in {}", directory.path));
    }
    Ok(passed)
}

fn described(kind: &ParameterType) -> String {
    match kind {
        ParameterType::Integer { min, max } => format!("integer {min}..{max}"),
        ParameterType::Duration { max } => format!("duration up to {}s", max.as_secs()),
        ParameterType::Enum { values } => format!("one of {}", values.join(", ")),
        ParameterType::Path { under } => format!("path under {}", under.join(", ")),
        ParameterType::String { max_length } => format!("string up to {max_length}"),
        plain => plain.as_str().to_owned(),
    }
}

fn typed(kind: &ParameterType, value: &str) -> Result<(), String> {
    let not_a = |is: bool| if is { Ok(()) } else { Err(format!("it is not a {}", kind.as_str())) };
    match kind {
        ParameterType::Hostname => not_a(is_hostname(value)),
        // The standard library's parser refuses leading zeros, shorthand and zone names.
        ParameterType::Ip => not_a(value.parse::<IpAddr>().is_ok()),
        ParameterType::Email => not_a(is_email(value)),
        ParameterType::Username => not_a(is_username(value)),
        ParameterType::Uuid => not_a(is_uuid(value)),
        ParameterType::Integer { min, max } => {
            // One spelling a number: no sign, no leading zero, so that a list or a log cannot be dodged.
            let digits = value.strip_prefix('-').unwrap_or(value);
            let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
            let number = value.parse::<i64>().ok().filter(|_| plain).ok_or("it is not a whole number")?;
            if (*min..=*max).contains(&number) { Ok(()) } else { Err(format!("it is not between {min} and {max}")) }
        }
        ParameterType::Duration { max } => {
            let length = super::wording::duration(value).map_err(|_| "it is not a duration like `30m`".to_owned())?;
            if value.contains(' ') || length.is_zero() || length > *max {
                return Err(format!("it is not a duration between 1s and {}s", max.as_secs()));
            }
            Ok(())
        }
        ParameterType::Enum { values } => {
            if values.iter().any(|allowed| allowed == value) { Ok(()) } else { Err(format!("it is not one of {}", values.join(", "))) }
        }
        ParameterType::Path { under } => {
            if !is_plain_path(value) {
                return Err("it is not an absolute path of plain names".to_owned());
            }
            let inside = |prefix: &String| {
                value.strip_prefix(prefix.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if under.iter().any(inside) { Ok(()) } else { Err(format!("it is not under {}", under.join(" or "))) }
        }
        ParameterType::String { max_length } => {
            if value.len() <= *max_length { Ok(()) } else { Err(format!("it is longer than {max_length}")) }
        }
    }
}

/// RFC 1123 host name, lower or upper case, without a trailing dot; not an address.
pub(crate) fn is_hostname(value: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    value.len() <= 253 && value.split('.').all(label) && value.bytes().any(|b| b.is_ascii_alphabetic())
}

pub(crate) fn is_username(value: &str) -> bool {
    value.len() <= 64
        && value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && value.ends_with(|c: char| c.is_ascii_alphanumeric())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

pub(crate) fn is_email(value: &str) -> bool {
    value.split_once('@').is_some_and(|(local, domain)| {
        let local_ok = (1..=64).contains(&local.len())
            && local.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-+".contains(&b)));
        local_ok && domain.contains('.') && is_hostname(domain)
    })
}

fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(i, b)| if matches!(i, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() })
}

fn is_plain_path(value: &str) -> bool {
    value.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|name| {
            !name.is_empty() && !name.starts_with(['.', '-']) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        })
    })
}
