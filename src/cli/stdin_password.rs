//! A password from the environment, a terminal that does not show it, or one line of standard input.
//!
//! Never from an argument: other users of the machine can read those.

use std::io::{BufRead as _, IsTerminal as _};

use crate::config::secret::Secret;

const VARIABLE: &str = "SLUICEGATE_PASSWORD";

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The password of whoever runs the command.
///
/// # Errors
/// There is none, or standard input cannot be read.
pub fn read(prompt: &str) -> Result<Secret, Failure> {
    std::env::var(VARIABLE).map_or_else(|_| read_new(prompt), |text| Ok(Secret::new(text)))
}

/// One to set: from standard input alone, so that the variable never stands for two.
///
/// # Errors
/// As [`read`].
pub fn read_new(prompt: &str) -> Result<Secret, Failure> {
    if std::io::stdin().is_terminal() {
        return Ok(Secret::new(rpassword::prompt_password(format!("{prompt}: "))?));
    }
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(format!("no password on standard input; one's own may stand in {VARIABLE}").into());
    }
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}
