//! An e-mail address that can be put into a header or an SMTP command as it is.
// INVARIANT: printable ASCII without spaces, quotes, commas, colons, brackets or line ends, and one `@`; so no text that
// came from outside can add a header, a recipient or a command.

use std::{fmt, str::FromStr};

/// The dot-atom form of RFC 5322 section 3.4.1 with a host name behind the `@`; quoted forms are not taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MailAddress(String);

/// A text that is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a mail address: write it like `ana@example.com`")]
pub struct NotAnAddress(String);

impl MailAddress {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MailAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let refuse = || NotAnAddress(text.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect());
        let (local, domain) = text.split_once('@').ok_or_else(refuse)?;
        let atom = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b));
        let label = |part: &str| {
            (1..=63).contains(&part.len())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        };
        let sound = local.len() <= 64 && domain.len() <= 253 && local.split('.').all(atom) && domain.split('.').all(label);
        if sound { Ok(Self(text.to_owned())) } else { Err(refuse()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_read_and_what_could_add_a_header_a_recipient_or_a_command_does_not() {
        for good in ["ana@example.com", "a.b+c@mail-1.example.org", "root@localhost", "x_y@EXAMPLE.com"] {
            assert_eq!(good.parse::<MailAddress>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "ana",
            "@example.com",
            "ana@",
            "ana@exa mple.com",
            "ana@example.com\r\nBcc: eve@example.com",
            "ana@example.com\n",
            "ana@example.com,eve@example.com",
            "Ana <ana@example.com>",
            "<ana@example.com>",
            "\"a b\"@example.com",
            "a@b@example.com",
            ".a@example.com",
            "a..b@example.com",
            "ana@-x.com",
            "ana@example..com",
            "ana@[127.0.0.1]",
            "anä@example.com",
            "ana@example.com> SIZE=1",
        ] {
            assert!(bad.parse::<MailAddress>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_reads_has_no_character_that_means_something_in_a_header(text in any::<String>()) {
            if let Ok(address) = text.parse::<MailAddress>() {
                prop_assert!(address.as_str().bytes().all(|b| b.is_ascii_graphic() && !b"()<>[]:;,\\\"".contains(&b)));
            }
        }
    }
}
