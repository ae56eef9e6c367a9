//! Whether a text may be the value of a typed slot. The only way for a value into a step.
//!
//! Looks at the whole value: nothing is trimmed, unescaped, decoded or repaired on the way.
// INVARIANT: an accepted value is printable ASCII of a closed character set, has no `..`, and is at most
// `LONGEST_VALUE` bytes, whatever its type, pattern or list say.

use std::net::IpAddr;

use regex::Regex;

use super::wording::LONGEST_VALUE;
use crate::domain::{
    look_up::{Answer, Question},
    runbook::{Directory, Parameter, ParameterType},
};

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
    let validator = Validator::new(parameter)?;
    let mut passed = validator.form(value)?;
    match &parameter.one_of {
        None => {}
        Some(Directory::List { path, values }) if values.contains(value) => passed.push(format!("in {path}")),
        Some(Directory::List { path, .. }) => return Err(format!("it is not in {path}")),
        Some(Directory::Service { name }) => return Err(format!("the directory `{name}` was not asked for it")),
    }
    Ok(passed)
}

/// As [`validate`], where a directory service may have been asked for the value.
///
/// # Errors
/// The first check that it fails; a value that a service was not asked for is not taken.
pub fn accept<'a>(parameter: &Parameter, value: &str, answer: impl FnOnce(&Question) -> Option<&'a Answer>) -> Result<Vec<String>, String> {
    let Some(Directory::Service { name }) = &parameter.one_of else { return validate(parameter, value) };
    let mut passed = Validator::new(parameter)?.form(value)?;
    match answer(&Question { directory: name.clone(), value: value.to_owned() }) {
        Some(Answer::Listed { .. }) => passed.push(format!("in directory {name}")),
        Some(Answer::ListedBefore { at }) => passed.push(format!("in directory {name} at {at}, which cannot be asked now")),
        Some(Answer::Unlisted { .. }) => return Err(format!("it is not in the directory `{name}`")),
        Some(Answer::Unknown { why }) => return Err(format!("the directory `{name}` cannot be asked: {why}")),
        None => return Err(format!("the directory `{name}` was not asked for it")),
    }
    Ok(passed)
}

/// A parameter with its pattern compiled once, for the many words of a text.
pub struct Validator<'a> {
    kind: &'a ParameterType,
    pattern: Option<&'a str>,
    whole: Option<Regex>,
}

impl<'a> Validator<'a> {
    /// # Errors
    /// A pattern that is no regular expression; parsing has refused those already.
    pub(crate) fn new(parameter: &'a Parameter) -> Result<Self, String> {
        Self::of(&parameter.kind, parameter.pattern.as_deref())
    }

    /// # Errors
    /// As [`Self::new`].
    pub fn of(kind: &'a ParameterType, pattern: Option<&'a str>) -> Result<Self, String> {
        // Wrapped, so that a pattern that forgot its anchors, or one of its branches, still decides the whole value.
        let whole = pattern.map(|pattern| Regex::new(&format!("\\A(?:{pattern})\\z"))).transpose();
        Ok(Self { kind, pattern, whole: whole.map_err(|_| "its pattern is not a regular expression".to_owned())? })
    }

    /// Type and pattern; whether the value exists is asked afterwards.
    ///
    /// # Errors
    /// As [`validate`].
    pub fn form(&self, value: &str) -> Result<Vec<String>, String> {
        charset(value)?;
        typed(self.kind, value)?;
        let mut passed = vec![described(self.kind)];
        if let (Some(whole), Some(pattern)) = (&self.whole, self.pattern) {
            if !whole.is_match(value) {
                return Err(format!("it does not match the pattern `{pattern}`"));
            }
            passed.push(format!("pattern {pattern}"));
        }
        Ok(passed)
    }
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
        ParameterType::Ip => not_a(is_ip(value)),
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
            if values.iter().any(|allowed| allowed == value) {
                Ok(())
            } else {
                Err(format!("it is not one of {}", values.join(", ")))
            }
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
            if value.len() <= *max_length {
                Ok(())
            } else {
                Err(format!("it is longer than {max_length}"))
            }
        }
    }
}

/// RFC 1123 host name, lower or upper case, without a trailing dot; not an address.
/// The standard library's parser refuses leading zeros, shorthand and zone names. One spelling an address, so that a list
/// or a log cannot be dodged, and no IPv4 address that hides in an IPv6 one.
fn is_ip(value: &str) -> bool {
    value.parse::<IpAddr>().is_ok_and(|address| {
        let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4().is_some() && !v6.is_loopback() && !v6.is_unspecified());
        !mapped && address.to_string() == value.to_ascii_lowercase()
    })
}

/// Not `0x7f.1` or `1.0x2`, which resolvers read as an address.
pub(crate) fn is_hostname(value: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let number = |label: &str| {
        let digits = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
        label.bytes().all(|b| b.is_ascii_digit()) || digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    value.len() <= 253 && value.split('.').all(label) && !value.split('.').all(number)
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

pub(crate) fn is_plain_path(value: &str) -> bool {
    value.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|name| {
            !name.is_empty() && !name.starts_with(['.', '-']) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use proptest::prelude::*;

    use super::*;

    fn every_type() -> Vec<(ParameterType, &'static str)> {
        vec![
            (ParameterType::Hostname, "prn-07"),
            (ParameterType::Ip, "10.0.0.7"),
            (ParameterType::Email, "ana@example.com"),
            (ParameterType::Username, "jdoe"),
            (ParameterType::Uuid, "0b8f3f52-7a10-4a55-8a5e-4d1f0c9f2a11"),
            (ParameterType::Integer { min: 1, max: 5_000 }, "14"),
            (ParameterType::Duration { max: Duration::from_secs(7_200) }, "30m"),
            (ParameterType::Enum { values: vec!["nginx".to_owned(), "php-fpm".to_owned()] }, "nginx"),
            (ParameterType::Path { under: vec!["/var/tmp".to_owned()] }, "/var/tmp/a"),
            (ParameterType::String { max_length: 40 }, "orders"),
        ]
    }

    fn slot(kind: ParameterType, pattern: Option<&str>, one_of: Option<&[&str]>) -> Parameter {
        Parameter {
            kind,
            from: Vec::new(),
            pattern: pattern.map(str::to_owned),
            one_of: one_of.map(|values| Directory::List {
                path: "list.csv".to_owned(),
                values: values.iter().map(|v| (*v).to_owned()).collect::<BTreeSet<_>>(),
            }),
            required: true,
            description: None,
        }
    }

    /// What attackers and accidents add to a good value, with where it came from in the field.
    const SMUGGLED: [&str; 44] = [
        ";reboot",
        "|id",
        "||id",
        "&",
        "&&id",
        "`id`",
        "$(id)",
        "${HOME}",
        ">x",
        "<x",
        "\n",
        "\r\n",
        "\r\nX-Admin: 1",
        "\0",
        "\t",
        "\u{b}",
        "\u{85}",
        "\u{2028}",
        "\u{200b}",
        "\u{200d}",
        "\u{202e}",
        "\u{feff}",
        "\u{ad}",
        "/../x",
        "..",
        "../../etc/passwd",
        "%2e%2e%2f",
        "%00",
        "%0d%0a",
        "%",
        "\\",
        "\\..\\",
        "'",
        "\"",
        "{{host}}",
        "{%x%}",
        "*",
        "?",
        "!",
        "~",
        "０７",
        "а",
        "ﬁ",
        "é",
    ];

    #[test]
    fn an_address_has_one_spelling_and_no_host_name_is_an_address_in_disguise() {
        for ip in ["10.20.30.40", "2001:db8::1", "::1", "2001:DB8::1"] {
            assert!(super::is_ip(ip), "{ip}");
        }
        for ip in ["::ffff:10.0.0.7", "::10.0.0.7", "2001:db8:0::1", "2001:0db8::1", "0177.0.0.1", "127.1", "1", "fe80::1%eth0"] {
            assert!(!super::is_ip(ip), "{ip}");
        }
        for host in ["prn-07", "0xen", "a", "1a.2.3", "db1.example.com", "4chan.org"] {
            assert!(super::is_hostname(host), "{host}");
        }
        for host in ["0x7f.1", "0x7f000001", "2130706433", "127.0.0.1", "1.0x2", "0X7F.0.0.1"] {
            assert!(!super::is_hostname(host), "{host}");
        }
    }

    #[test]
    fn every_type_takes_its_own_plain_value() {
        for (kind, good) in every_type() {
            assert!(validate(&slot(kind.clone(), None, None), good).is_ok(), "{kind:?}");
        }
    }

    #[test]
    fn no_smuggled_value_passes_any_type_wherever_it_is_put() {
        let mut tried = 0;
        for (kind, good) in every_type() {
            // Even a pattern that takes everything opens nothing.
            for pattern in [None, Some("^(?s:.*)$"), Some(".*")] {
                let parameter = slot(kind.clone(), pattern, None);
                for bad in SMUGGLED {
                    let middle = good.len() / 2;
                    let forms = [
                        format!("{good}{bad}"),
                        format!("{bad}{good}"),
                        format!("{}{bad}{}", &good[..middle], &good[middle..]),
                        bad.to_owned(),
                    ];
                    for value in forms {
                        assert!(validate(&parameter, &value).is_err(), "{kind:?} took {value:?}");
                        tried += 1;
                    }
                }
            }
        }
        assert!(tried >= 5_000, "{tried}");
    }

    #[test]
    fn overlong_values_are_refused_by_every_type() {
        for (kind, good) in every_type() {
            for length in [256, 300, 10_000] {
                assert!(validate(&slot(kind.clone(), None, None), &good.repeat(length)).is_err(), "{kind:?}");
            }
        }
    }

    #[test]
    fn a_pattern_decides_the_whole_value_and_a_list_is_closed() {
        let prn = slot(ParameterType::Hostname, Some("^prn-[0-9]{2}$|^x$"), None);
        assert!(validate(&prn, "prn-07").is_ok());
        assert!(
            validate(&slot(ParameterType::Hostname, Some("prn-[0-9]{2}"), None), "prn-07-evil").is_err(),
            "an unanchored pattern is anchored"
        );
        let listed = slot(ParameterType::Hostname, None, Some(&["prn-07"]));
        assert_eq!(validate(&listed, "prn-07").unwrap(), ["hostname", "in list.csv"]);
        assert_eq!(validate(&listed, "prn-08").unwrap_err(), "it is not in list.csv");
        assert!(validate(&listed, "PRN-07").is_err());
    }

    #[test]
    fn near_misses_of_each_type_are_refused() {
        let none = |kind: ParameterType, values: &[&str]| {
            for value in values {
                assert!(validate(&slot(kind.clone(), None, None), value).is_err(), "{kind:?} took {value:?}");
            }
        };
        none(ParameterType::Hostname, &["", "-a", "a-", "a..b", "a_b", "10.0.0.1", "a b", "a.", &"a".repeat(64)]);
        none(ParameterType::Ip, &["10.0.0", "010.0.0.1", "10.0.0.256", "1.2.3.4/24", "fe80::1%eth0", "0x7f.1", "2130706433"]);
        none(
            ParameterType::Email,
            &["a@b", "@example.com", "a@@example.com", "a b@example.com", "a@example.com,b@example.com", ".a@example.com"],
        );
        none(ParameterType::Username, &["-rf", "a b", "a@b", ".a", "a/b", "root:0"]);
        none(ParameterType::Integer { min: 1, max: 9 }, &["0", "10", "+1", "01", "1.0", "1e0", "0x1", "-1", "1 ", "1,000"]);
        none(ParameterType::Duration { max: Duration::from_secs(60) }, &["2m", "0s", "30 s", "1h", "s", "30"]);
        none(
            ParameterType::Path { under: vec!["/var/tmp".to_owned()] },
            &["/var/tmpx", "/var/tmp/", "/var/tmp//a", "/var/tmp/.ssh", "/var/tmp/-rf", "var/tmp/a", "/etc"],
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_passes_is_short_plain_ascii_whatever_was_sent(which in 0usize..10, text in "[ -~\\u{0}-\\u{1f}аé０]{0,12}", good in any::<bool>()) {
            let (kind, plain) = every_type().swap_remove(which);
            let value = if good { format!("{plain}{text}") } else { text };
            if validate(&slot(kind, Some("^(?s:.*)$"), None), &value).is_ok() {
                prop_assert!(value.len() <= LONGEST_VALUE && !value.contains("..") && !value.starts_with('-'));
                prop_assert!(value.bytes().all(|b| b.is_ascii_alphanumeric() || SIGNS.contains(&b)));
            }
        }
    }
}
