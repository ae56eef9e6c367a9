//! Proof of origin, over the raw bytes and in constant time.
//!
//! Every signature of a request is tried with every live secret, without stopping at the first that fits:
//! how long the check takes does not tell which one it was. Nothing of the body is parsed here.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use super::{
    error::{Refused, Unproven},
    scheme::{Encoding, Hash, Part, Scheme, TimeForm},
    source::Proof,
};
use crate::domain::{digest::Digest, time::Timestamp};

/// Signatures looked at in one request; a sender that rotates sends two or three.
const MOST_SIGNATURES: usize = 8;
const LONGEST_ID: usize = 256;

/// What an authentic request has proved.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Proven {
    /// The delivery id, where the signature covers one.
    pub id: Option<String>,
    /// The signature that fitted.
    pub signature: Option<Vec<u8>>,
}

/// # Errors
/// [`Refused`], with one public text whatever was wrong.
pub(super) fn verify(proof: &Proof, headers: &[(String, String)], body: &[u8], now: Timestamp) -> Result<Proven, Refused> {
    match proof {
        Proof::Signature { scheme, keys, tolerance } => {
            let (proven, signed_at) = signature(scheme, keys, headers, body).map_err(Refused::Unauthentic)?;
            match signed_at {
                Some(at) if !tolerance.is_zero() && at.since(now).max(now.since(at)) > *tolerance => {
                    Err(Refused::Stale { signed_at: at, now, tolerance: *tolerance })
                }
                _ => Ok(proven),
            }
        }
        Proof::Token { header, digests } => token(header.as_deref(), digests, headers).map_err(Refused::Unauthentic),
        Proof::Basic { digest } => basic(digest, headers).map_err(Refused::Unauthentic),
    }
}

/// The value of a header that may be there only once: a proxy and we might read different ones of two.
fn one<'a>(headers: &'a [(String, String)], name: &str) -> Result<&'a str, Unproven> {
    let mut values = headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let value = values.next().ok_or_else(|| Unproven::Missing(name.to_owned()))?;
    if values.next().is_some() { Err(Unproven::Repeated(name.to_owned())) } else { Ok(value) }
}

fn signature(
    scheme: &Scheme,
    keys: &[Vec<u8>],
    headers: &[(String, String)],
    body: &[u8],
) -> Result<(Proven, Option<Timestamp>), Unproven> {
    let id = scheme.id_header.map(|header| delivery_id(headers, header)).transpose()?;
    let time = scheme.timestamp.map(|time| one(headers, time.header).map(|text| (time, text))).transpose()?;
    let signed_at =
        time.map(|(time, text)| instant(time.form, text).ok_or_else(|| Unproven::Malformed(time.header.to_owned()))).transpose()?;
    let given = signatures(scheme, one(headers, scheme.header)?)?;

    let parts: Vec<&[u8]> = scheme
        .parts
        .iter()
        .map(|part| match part {
            Part::Body => body,
            Part::Timestamp => time.map_or("", |(_, text)| text).as_bytes(),
            Part::Id => id.unwrap_or_default().as_bytes(),
            Part::Literal(text) => text.as_bytes(),
        })
        .collect();
    let mut fits = Choice::from(0);
    let mut fitting = None;
    for key in keys {
        let expected = match scheme.hash {
            Hash::Sha1 => mac::<Hmac<Sha1>>(key, &parts),
            Hash::Sha256 => mac::<Hmac<Sha256>>(key, &parts),
        };
        for candidate in &given {
            let equal = expected.as_slice().ct_eq(candidate.as_slice());
            fits |= equal;
            if bool::from(equal) {
                fitting = Some(candidate.clone());
            }
        }
    }
    if !bool::from(fits) {
        return Err(Unproven::WrongSignature);
    }
    Ok((Proven { id: id.map(str::to_owned), signature: fitting }, signed_at))
}

fn mac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// The signatures of this scheme's version in a header; those of other versions are passed over.
fn signatures(scheme: &Scheme, value: &str) -> Result<Vec<Vec<u8>>, Unproven> {
    let malformed = || Unproven::Malformed(scheme.header.to_owned());
    let values: Vec<&str> = match scheme.separator {
        Some(separator) => value.split(separator).map(str::trim).filter(|value| !value.is_empty()).collect(),
        None => vec![value.trim()],
    };
    let given: Vec<Vec<u8>> = values
        .into_iter()
        .filter_map(|value| value.strip_prefix(scheme.prefix))
        .take(MOST_SIGNATURES + 1)
        .map(|text| match scheme.encoding {
            Encoding::Hex => hex::decode(text).map_err(|_| malformed()),
            Encoding::Base64 => STANDARD.decode(text).map_err(|_| malformed()),
        })
        .collect::<Result<_, _>>()?;
    if given.is_empty() || given.len() > MOST_SIGNATURES { Err(malformed()) } else { Ok(given) }
}

/// A full stop separates id, time and body in what is signed, so an id with one could be cut at two places.
fn delivery_id<'a>(headers: &'a [(String, String)], header: &str) -> Result<&'a str, Unproven> {
    let id = one(headers, header)?;
    if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.') {
        return Err(Unproven::Malformed(header.to_owned()));
    }
    Ok(id)
}

/// Exactly the form the scheme names: digits only and no leading zero, so that no byte can move between the
/// time and the body beside it.
fn instant(form: TimeForm, text: &str) -> Option<Timestamp> {
    match form {
        TimeForm::UnixSeconds => {
            let digits = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
            digits.then(|| text.parse::<i64>().ok()).flatten().map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000)))
        }
        TimeForm::Iso8601 => (text.len() <= 40).then(|| text.parse().ok()).flatten(),
    }
}

fn token(header: Option<&str>, digests: &[Digest], headers: &[(String, String)]) -> Result<Proven, Unproven> {
    let given = match header {
        Some(header) => one(headers, header)?,
        None => credentials(headers, "bearer")?,
    };
    if any_equal(digests, &Digest::of(given.as_bytes())) { Ok(Proven::default()) } else { Err(Unproven::WrongToken) }
}

fn basic(digest: &Digest, headers: &[(String, String)]) -> Result<Proven, Unproven> {
    let given = STANDARD.decode(credentials(headers, "basic")?).map_err(|_| Unproven::Malformed("authorization".to_owned()))?;
    if any_equal(std::slice::from_ref(digest), &Digest::of(&given)) { Ok(Proven::default()) } else { Err(Unproven::WrongPassword) }
}

/// What follows the scheme's name in `Authorization`; the name's case does not matter (RFC 9110, section 11.1).
fn credentials<'a>(headers: &'a [(String, String)], scheme: &str) -> Result<&'a str, Unproven> {
    let (name, rest) =
        one(headers, "authorization")?.trim().split_once(' ').ok_or_else(|| Unproven::Malformed("authorization".to_owned()))?;
    if name.eq_ignore_ascii_case(scheme) { Ok(rest.trim()) } else { Err(Unproven::Malformed("authorization".to_owned())) }
}

/// Compares digests, so that neither the length nor the first different byte of a secret shows in the time.
fn any_equal(digests: &[Digest], given: &Digest) -> bool {
    digests.iter().fold(Choice::from(0), |equal, digest| equal | digest.as_bytes().ct_eq(given.as_bytes())).into()
}
