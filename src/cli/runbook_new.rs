//! `runbook new`: asks what a runbook cannot be without, and writes a file that parses and says what is left to do.
//!
//! Never overwrites. The file has no `change` step: what it changes is the one thing nobody can guess.

use std::{
    io::{BufRead, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;

use super::Outcome;
use crate::{domain::name::RunbookId, runbook::parse};

#[derive(Debug, Parser)]
pub struct New {
    #[arg(long, default_value = "runbooks")]
    folder: PathBuf,
}

pub fn run(args: &New) -> Outcome {
    let text = ask(&mut std::io::stdin().lock(), &mut std::io::stderr())?;
    let (id, text) = text;
    let path = args.folder.join(format!("{id}.md"));
    std::fs::create_dir_all(&args.folder)?;
    let mut file = std::fs::File::create_new(&path).map_err(|why| format!("cannot write `{}`: {why}", path.display()))?;
    file.write_all(text.as_bytes())?;
    println!("{}", path.display());
    eprintln!("next: fill the steps and the text, then `sluicegate runbook lint {}`", args.folder.display());
    Ok(ExitCode::SUCCESS)
}

/// The id and the file's text, from answers in turn.
///
/// # Errors
/// The answers end early, or what they make does not parse.
fn ask(answers: &mut dyn BufRead, prompts: &mut dyn Write) -> Result<(RunbookId, String), Box<dyn std::error::Error + Send + Sync>> {
    let mut answer = |question: &str, sound: &dyn Fn(&str) -> Result<(), String>| loop {
        write!(prompts, "{question}: ")?;
        prompts.flush()?;
        let mut line = String::new();
        if answers.read_line(&mut line)? == 0 {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, format!("no answer to `{question}`")));
        }
        match sound(line.trim()) {
            Ok(()) => return Ok(line.trim().to_owned()),
            Err(why) => writeln!(prompts, "{why}")?,
        }
    };
    let some = |text: &str| if text.is_empty() { Err("it cannot be empty".to_owned()) } else { Ok(()) };
    let id = answer("id, like `restart-print-spooler`", &|text| RunbookId::new(text).map(drop).map_err(|why| why.to_string()))?;
    let title = answer("title", &some)?;
    let owner = answer("team that keeps it true", &some)?;
    let author = answer("you, by e-mail address", &some)?;
    let risk = answer("risk: low, medium or high", &|text| match text {
        "low" | "medium" | "high" => Ok(()),
        _ => Err(format!("`{text}` is not a risk")),
    })?;
    let symptom = answer("what people see, in their words", &some)?;
    let example = answer("a ticket it is for", &some)?;
    let other = answer("a ticket that looks like it and is not", &some)?;
    // JSON strings are YAML strings: no answer can end its own value.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let text = format!(
        "---\nid: {id}\ntitle: {}\nowner: {}\nauthors: [{}]\nrisk: {risk}\nsymptoms:\n  - {}\nsteps: []\nexamples:\n  match:\n    - {}\n  no_match:\n    - {}\n---\n\n## When it happens\n\n## What the steps do\n\n## If it does not help\n",
        quoted(&title),
        quoted(&owner),
        quoted(&author),
        quoted(&symptom),
        quoted(&example),
        quoted(&other),
    );
    let none = |path: &str| Err(format!("no list `{path}`"));
    let sheet = parse(&format!("{id}.md"), text.as_bytes(), &none)
        .map_err(|findings| findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    Ok((sheet.runbook.id, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_become_a_file_that_parses_and_none_can_end_its_own_value() {
        let answers = "Not An Id\nlost-badge\nLost badge\" \nrisk: low\nana@example.com\nnone\nlow\nbadge gone\nlost my badge # help\n- new badge: {a\n";
        let (id, text) = ask(&mut answers.as_bytes(), &mut Vec::new()).unwrap();
        assert_eq!(id.as_str(), "lost-badge");
        let sheet = parse("lost-badge.md", text.as_bytes(), &|_| Err(String::new())).unwrap();
        assert_eq!((sheet.runbook.title.as_str(), sheet.runbook.owner.as_str()), ("Lost badge\"", "risk: low"));
        assert_eq!(sheet.runbook.examples.not_matching, ["- new badge: {a"]);
        assert!(ask(&mut "lost-badge\n".as_bytes(), &mut Vec::new()).is_err());
    }
}
