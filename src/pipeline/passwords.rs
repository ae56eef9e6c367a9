//! The work on passwords: hashing, checking, and counting the tries that failed.
//!
//! Argon2id with the parameters that OWASP's Password Storage Cheat Sheet names (19 MiB, 2 passes, 1 lane), off the
//! async threads and a few at a time, so that guessing costs the guesser and not the service. Counts are of this
//! process and end with it. Never keeps a password; knows no account.
// INVARIANT: an account that is not there costs the same work as a wrong password.
// INVARIANT: a try counts from its beginning, so that many at once do not get around the limit.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;

use super::error::{ActionError, Result};
use crate::{
    config::secret::Secret,
    domain::{
        name::{PersonId, TenantId},
        time::Timestamp,
    },
};

/// NIST SP 800-63B-4 section 3.1.1.2 asks for 15 where the password stands alone, 8 where it is one of several proofs;
/// here it stands beside a token.
pub const LEAST: usize = 12;
pub const MOST: usize = 256;

/// Failures of one person inside [`WINDOW`] after which every try is refused, the right one too.
pub const TRIES: usize = 5;
pub const WINDOW: Duration = Duration::from_secs(15 * 60);

/// At the same time: each takes 19 MiB and a core.
const AT_ONCE: usize = 2;

/// A request waits for its turn no longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checked where there is no account. No password has this hash.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Whose tries are counted: the tenant and the person, without case.
type Whose = (TenantId, String);

pub struct Passwords {
    turns: Arc<Semaphore>,
    tries: Mutex<Tries>,
}

#[derive(Default)]
struct Tries {
    /// The next try's, which tells it from others of the same instant.
    number: u64,
    /// When each try began that has not succeeded, with its number.
    begun: BTreeMap<Whose, Vec<(u64, Timestamp)>>,
}

/// A try that began; it counts as failed until it is [`Passwords::succeeded`].
#[must_use]
pub struct Try {
    whose: Whose,
    number: u64,
    failed_before: usize,
}

impl Try {
    /// Tries of the person that failed or are under way.
    pub fn failed_before(&self) -> usize {
        self.failed_before
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), tries: Mutex::default() }
    }
}

/// One spelling for texts that look alike, so that a password typed on another keyboard is the same (NIST SP 800-63B).
fn normalised(text: &Secret) -> Secret {
    Secret::new(text.expose().nfkc().collect::<String>())
}

/// Why `text` cannot be the password of `person`; `None` when it can. No rules of composition, as NIST advises.
pub fn unfit(person: &PersonId, text: &Secret) -> Option<String> {
    let text = normalised(text);
    let length = text.expose().len();
    if !(LEAST..=MOST).contains(&length) {
        return Some(format!("a password has {LEAST} to {MOST} bytes, this one has {length}"));
    }
    let name = person.as_str();
    let local = name.split_once('@').map_or(name, |(local, _)| local);
    let named = [name, local].iter().any(|name| text.expose().eq_ignore_ascii_case(name));
    named.then(|| "a password is not the person's name".to_owned())
}

impl Passwords {
    /// The hash to store, as a PHC string; `salt` is random.
    ///
    /// # Errors
    /// No turn came in time.
    pub async fn hash(&self, text: &Secret, salt: u128) -> Result<String> {
        let text = normalised(text);
        let work = move || Argon2::default().hash_password_with_salt(text.expose().as_bytes(), &salt.to_le_bytes());
        let hash = self.in_turn(work).await?;
        hash.map(|hash| hash.to_string()).map_err(|why| ActionError::Internal(format!("a password was not hashed: {why}")))
    }

    /// Whether `text` is the password with the hash `stored`; the same work where there is none.
    ///
    /// # Errors
    /// No turn came in time, or the stored hash cannot be read.
    pub async fn matches(&self, text: &Secret, stored: Option<&str>) -> Result<bool> {
        let text = normalised(text);
        let known = stored.is_some();
        let hash = stored.unwrap_or(DECOY).to_owned();
        let work = move || Argon2::default().verify_password(text.expose().as_bytes(), hash.as_str());
        match self.in_turn(work).await? {
            Ok(()) => Ok(known),
            Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
            Err(why) => Err(ActionError::Internal(format!("a stored password hash cannot be checked: {why}"))),
        }
    }

    /// Begins a try of `person`; `None` when too many failed.
    pub fn begin(&self, tenant: &TenantId, person: &PersonId, now: Timestamp) -> Option<Try> {
        let whose = (tenant.clone(), person.as_str().to_ascii_lowercase());
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.minus(WINDOW);
        tries.begun.retain(|_, begun| {
            begun.retain(|(_, at)| *at > since);
            !begun.is_empty()
        });
        let number = tries.number;
        let begun = tries.begun.entry(whose.clone()).or_default();
        if begun.len() >= TRIES {
            return None;
        }
        let failed_before = begun.len();
        begun.push((number, now));
        tries.number += 1;
        Some(Try { whose, number, failed_before })
    }

    /// Takes the try back out of the count. Those that failed before stay: the person may be one of two who try.
    pub fn succeeded(&self, done: &Try) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(begun) = tries.begun.get_mut(&done.whose) {
            begun.retain(|(number, _)| *number != done.number);
        }
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(ActionError::Busy { seconds: PATIENCE.as_secs() }) };
        // The turn goes with the work: a request that is given up does not make room for a third.
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|why| ActionError::Internal(format!("the work on a password stopped: {why}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ana() -> PersonId {
        PersonId::new("ana.lima@example.com").unwrap()
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_however_it_is_typed_and_no_other_does() {
        let passwords = Passwords::default();
        let hash = passwords.hash(&secret("caf\u{e9} au lait, please"), 7).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.matches(&secret("cafe\u{301} au lait, please"), Some(&hash)).await.unwrap());
        assert!(!passwords.matches(&secret("cafe au lait, please"), Some(&hash)).await.unwrap());
        let salted = passwords.hash(&secret("caf\u{e9} au lait, please"), 8).await.unwrap();
        assert_ne!(hash, salted);
    }

    #[tokio::test]
    async fn without_an_account_the_same_work_is_done_and_nothing_matches() {
        let passwords = Passwords::default();
        assert!(!passwords.matches(&secret("correct horse battery"), None).await.unwrap());
        let real = passwords.hash(&secret("correct horse battery"), 7).await.unwrap();
        let work = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(work(DECOY), work(&real));
        assert!(passwords.matches(&secret("x"), Some("not a hash")).await.is_err());
    }

    #[test]
    fn a_password_is_long_enough_short_enough_and_not_the_name() {
        for (text, fit) in [
            ("elevenbytes", false),
            ("twelve bytes", true),
            (&"x".repeat(256), true),
            (&"x".repeat(257), false),
            ("Ana.Lima@Example.com", false),
            ("aaaaaaaaaaaa", true),
        ] {
            assert_eq!(unfit(&ana(), &secret(text)).is_none(), fit, "{text}");
        }
        assert!(unfit(&PersonId::new("bartholomew1@example.com").unwrap(), &secret("Bartholomew1")).is_some());
    }

    #[test]
    fn five_tries_that_fail_inside_the_window_close_it_for_that_person_until_it_has_passed() {
        let (passwords, tenant) = (Passwords::default(), TenantId::default());
        let start = Timestamp::from_millis(1_700_000_000_000);
        let begin = |person: &str, after: Duration| passwords.begin(&tenant, &PersonId::new(person).unwrap(), start.plus(after));
        for second in 0..4 {
            assert!(begin("ana", Duration::from_secs(second)).is_some());
        }
        let right = begin("ana", Duration::from_secs(4)).unwrap();
        assert!(begin("ANA", Duration::from_secs(4)).is_none(), "another spelling is the same person");
        passwords.succeeded(&right);
        assert!(begin("ana", Duration::from_secs(5)).is_some());
        assert!(begin("ana", Duration::from_secs(6)).is_none());
        assert!(begin("bo", Duration::from_secs(6)).is_some(), "nobody else is kept out");
        let other = TenantId::new("other").unwrap();
        assert!(passwords.begin(&other, &PersonId::new("ana").unwrap(), start).is_some());
        assert!(begin("ana", WINDOW - Duration::from_millis(1)).is_none());
        assert!(begin("ana", WINDOW).is_some(), "the first failure is out of the window");
        assert!(begin("ana", WINDOW).is_none(), "and only the first");
    }
}
