//! Planting secrets and finding them again: in clear, percent-encoded, in hex, and in Base64 wherever they stand in it.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::AhoCorasick;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

/// Where a secret may be kept all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of the configuration, a token, a password, a key, an answer: nowhere.
    Ours,
    /// In a ticket's text: in the raw delivery and the ticket itself.
    Ticket,
}

/// Every secret that was planted.
#[derive(Default)]
pub struct Garden {
    pub planted: Vec<(String, Kind, String)>,
}

impl Garden {
    pub fn note(&mut self, place: &str, kind: Kind, secret: &str) {
        self.planted.push((place.to_owned(), kind, secret.to_owned()));
    }

    /// A secret that stands nowhere else, of letters and digits.
    pub fn plant(&mut self, place: &str, kind: Kind) -> String {
        let number = self.planted.len();
        let secret = format!("Zq{number:03}{}", &hex::encode(Sha256::digest(format!("{place} {number}")))[..20]);
        self.note(place, kind, &secret);
        secret
    }

    pub fn ours(&mut self, place: &str) -> String {
        self.plant(place, Kind::Ours)
    }

    /// In the form of Standard Webhooks: what is shown and the bytes behind it.
    pub fn whsec(&mut self, place: &str) -> String {
        let bytes = format!("{}{}", self.ours(place), "01234567");
        let text = STANDARD.encode(bytes);
        self.note(place, Kind::Ours, &text);
        format!("whsec_{text}")
    }

    /// `(pattern, place, kind)` of every form in which a secret could show.
    pub fn forms(&self) -> Vec<(String, &str, Kind)> {
        let mut forms = Vec::new();
        for (place, kind, secret) in &self.planted {
            let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
            let mut all = BTreeSet::from([secret.clone(), encoded, hex::encode(secret)]);
            // Wherever it stands in what is encoded: without the letters that depend on its neighbours.
            for before in ["", "x", "xx"] {
                let text = STANDARD.encode(format!("{before}{secret}"));
                all.insert(text[4..text.len() - 4].to_owned());
            }
            forms.extend(all.into_iter().filter(|form| form.len() >= 8).map(|form| (form, place.as_str(), *kind)));
        }
        forms
    }
}

/// What came out, by where.
#[derive(Default)]
pub struct Harvest {
    pub outputs: Vec<(String, Kind, Vec<u8>)>,
}

impl Harvest {
    /// Output that may hold no secret at all.
    pub fn keep(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.outputs.push((place.into(), Kind::Ticket, bytes.into()));
    }

    /// Output that may hold the texts of tickets.
    pub fn keep_raw(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.outputs.push((place.into(), Kind::Ours, bytes.into()));
    }

    /// Who shows in what, with where for the first time.
    pub fn leaks(&self, garden: &Garden) -> BTreeMap<(String, String), String> {
        let forms = garden.forms();
        let search = AhoCorasick::new(forms.iter().map(|(form, ..)| form)).unwrap();
        let mut leaks = BTreeMap::new();
        for (place, searched, bytes) in &self.outputs {
            for found in search.find_overlapping_iter(bytes) {
                let (form, planted, kind) = &forms[found.pattern().as_usize()];
                if *kind == Kind::Ours || *searched == Kind::Ticket {
                    let around = &bytes[found.start().saturating_sub(80)..(found.end() + 20).min(bytes.len())];
                    leaks
                        .entry((place.clone(), planted.to_string()))
                        .or_insert_with(|| format!("`{form}`: …{}…", String::from_utf8_lossy(around)));
                }
            }
        }
        leaks
    }
}

/// Every kind of secret and personal datum that is redacted, as a person would write it.
pub fn in_words(garden: &mut Garden, place: &str) -> Vec<String> {
    let mut plant = |kind: &str| garden.plant(&format!("{kind} in {place}"), Kind::Ticket);
    let mut texts = vec![
        format!("the password: {} does not work", plant("a password")),
        format!("my password is {}! and it is refused", plant("a password without a colon")),
        format!("api_key = {}", plant("an API key")),
        format!("client secret: {}", plant("a client secret")),
        format!("Authorization: Bearer {}", plant("a bearer token")),
        format!("ghp_{0}{0}", plant("a GitHub token")),
        format!("glpat-{}", plant("a GitLab token")),
        format!("xoxb-{}", plant("a Slack token")),
        format!("sk_live_{}", plant("a payment key")),
        format!("sk-{}", plant("a model key")),
        format!("hvs.{}", plant("a vault token")),
        format!("whsec_{}", plant("a webhook secret")),
        format!("AIza{}0123456789", plant("a cloud key")),
        format!("eyJ{0}.{0}.{0}", plant("a JSON Web Token")),
        format!("postgres://app:{}@db-1/main", plant("a password in a URL")),
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", plant("a private key")),
        format!("write to {}@mail.example.org", plant("an address")),
    ];
    let number = garden.planted.len();
    let key = format!("AKIA{:016}", number);
    let card = with_luhn(&format!("4111{number:011}"));
    let iban = with_iban(&format!("{number:018}"));
    let (phone, national) =
        (format!("+49 170 {:07}", 1_000_000 + number), format!("{:03}-{:02}-{:04}", 100 + number % 600, 10 + number % 89, 1000 + number));
    for (kind, text) in
        [("an access key", key), ("a card", card), ("an IBAN", iban), ("a phone number", phone), ("a national id", national)]
    {
        garden.note(&format!("{kind} in {place}"), Kind::Ticket, &text);
        texts.push(format!("{kind}: {text} is mine"));
    }
    texts
}

/// ISO/IEC 7812-1: the digit that makes the sum a multiple of ten.
pub fn with_luhn(digits: &str) -> String {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit - b'0');
            if at % 2 == 1 { digit } else { digit * 2 - if digit > 4 { 9 } else { 0 } }
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// ISO 13616: the check digits of a German account.
pub fn with_iban(account: &str) -> String {
    let rest = format!("{account}131400").bytes().fold(0u32, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
    format!("DE{:02}{account}", 98 - rest)
}
