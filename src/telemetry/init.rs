//! Log lines through `tracing`: to standard error, as text for people or JSON for collectors.

use std::str::FromStr;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    Text,
    Json,
}

#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("`{0}` is not a log format: choose from `text`, `json`")]
    Form(String),
    #[error("`{level}` is not a log level or filter: {reason}; write one like `info` or `sluicegate=debug,info`")]
    Level { level: String, reason: String },
    #[error("log lines are already being written in this process")]
    Twice,
}

impl FromStr for LogForm {
    type Err = InitError;

    fn from_str(text: &str) -> Result<Self, InitError> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(InitError::Form(other.to_owned())),
        }
    }
}

/// Starts writing log lines for the whole process. Call it once, from the binary.
///
/// # Errors
/// The format or the level is unknown, or it was called before.
pub fn init(form: &str, level: &str) -> Result<(), InitError> {
    let form: LogForm = form.parse()?;
    let filter = filter(level)?;
    let registry = tracing_subscriber::registry().with(filter);
    let done = match form {
        LogForm::Text => registry.with(fmt::layer().with_writer(std::io::stderr)).try_init(),
        LogForm::Json => registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init(),
    };
    done.map_err(|_| InitError::Twice)
}

/// A word that is no level would be read as the name of a crate, and silence everything.
fn filter(level: &str) -> Result<EnvFilter, InitError> {
    let refuse = |reason: String| InitError::Level { level: level.to_owned(), reason };
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let bare = level.split(',').find(|part| !part.contains(['=', '[']) && !LEVELS.contains(&part.trim().to_ascii_lowercase().as_str()));
    if let Some(part) = bare {
        return Err(refuse(format!("`{part}` is none of {}", LEVELS.join(", "))));
    }
    EnvFilter::try_new(level).map_err(|error| refuse(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_are_taken_and_a_mistyped_level_is_refused() {
        for good in ["info", "sluicegate=debug", "warn,sluicegate=trace", "OFF"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["", "inof", "sluicegate=loud", "info,verbose"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
        assert!("xml".parse::<LogForm>().is_err());
    }
}
