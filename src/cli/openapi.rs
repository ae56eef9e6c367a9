//! `openapi`: the API document, as `/openapi.json` serves it.

use std::process::ExitCode;

use super::Outcome;

pub fn run() -> Outcome {
    println!("{}", crate::server::openapi_json());
    Ok(ExitCode::SUCCESS)
}
