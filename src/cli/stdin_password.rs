//! A password from the environment, a terminal that does not show it, or one line of standard input.
//!
//! Never from an argument: other users of the machine can read those.

use std::io::{BufRead as _, IsTerminal as _};

use crate::config::secret::Secret;

const VARIABLE: &str = "SLUICEGATE_PASSWORD";

/// # Errors
/// There is none, or standard input cannot be read.
pub fn read(prompt: &str) -> Result<Secret, Box<dyn std::error::Error + Send + Sync>> {
    if let Ok(text) = std::env::var(VARIABLE) {
        return Ok(Secret::new(text));
    }
    if std::io::stdin().is_terminal() {
        return Ok(Secret::new(rpassword::prompt_password(format!("{prompt}: "))?));
    }
    let mut line = String::new();
    if std::io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(format!("no password: give it on standard input or as {VARIABLE}").into());
    }
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}
