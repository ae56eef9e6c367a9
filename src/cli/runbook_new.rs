//! `runbook new`: asks what a runbook cannot be without, and writes a file that lints and says what is left to do.
//!
//! Never overwrites. The steps stand in the file as a comment: what it changes is the one thing nobody can guess.
// INVARIANT: taking `# ` from the front of each line of that comment gives a runbook in which only the connector has to be named.

use std::{
    collections::BTreeSet,
    io::{BufRead, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;

use super::{Outcome, assemble, runbook};
use crate::{
    domain::name::{PersonId, RunbookId},
    runbook::{lint, nearest, parse},
};

#[derive(Debug, Parser)]
pub struct New {
    #[arg(long, default_value = "runbooks")]
    folder: PathBuf,
    /// Its categories and owners are offered, and its address is where editors find the schema.
    #[command(flatten)]
    config: assemble::ConfigArgs,
}

/// What the answers may be, and what the file says without asking.
struct Offer {
    /// Empty when nobody knows: then any is taken.
    owners: BTreeSet<String>,
    categories: BTreeSet<String>,
    connector: String,
    schema: String,
    today: String,
    folder: PathBuf,
}

/// A slug, so that the file parses, and a name that lint will ask for.
const UNNAMED: &str = "your-connector";

/// One of each step with a parameter, for the writer to change.
const STEPS: &str = r#"# Values from the ticket. Sources are asked in this order; a value is used only when type and pattern hold for all of it.
parameters:
  host: {type: hostname, from: [label:instance, attribute:ci, text], pattern: '^[a-z]{2,8}-[0-9]{2,4}$', description: The machine}
# True only when every change below can be undone. Else write `irreversible: true` and remove `rollback` and the last step.
reversible: true
steps:
  # Looks and changes nothing. When `expect` does not hold, nothing is changed.
  - {id: look, kind: precheck, use: CONNECTOR.get, with: {path: "/hosts/{{host}}"}, expect: 'status == 200 && body.state != "healthy"'}
  # `idempotent: true` only when sending it twice does no harm; then a lost answer is tried again.
  - {id: act, kind: change, use: CONNECTOR.post, with: {path: "/hosts/{{host}}/restart"}, timeout: 30s, idempotent: false, rollback: undo}
  # Proves that it helped; asked again until it holds or `within` is over (at most 15m).
  - {id: check, kind: verify, use: CONNECTOR.get, with: {path: "/hosts/{{host}}"}, expect: 'status == 200 && body.state == "healthy"', within: 2m}
  # Runs only when something failed after `act`, or when a person asks for it.
  - {id: undo, kind: rollback, use: CONNECTOR.post, with: {path: "/hosts/{{host}}/undo", body: {action: restart}}}
"#;

pub fn run(args: &New) -> Outcome {
    let known = runbook::known(&args.config)?;
    let config = args.config.load()?;
    let offer = Offer {
        owners: known.owners.clone().unwrap_or_default(),
        categories: known.categories.clone().unwrap_or_default(),
        connector: known.connectors.iter().flatten().next().map_or(UNNAMED.to_owned(), ToString::to_string),
        schema: format!("{}/schemas/runbook.json", config.server.public_url.trim_end_matches('/')),
        today: known.today.map(|today| today.to_string()).unwrap_or_default(),
        folder: args.folder.clone(),
    };
    let (id, text) = ask(&offer, &mut std::io::stdin().lock(), &mut std::io::stderr())?;
    let path = args.folder.join(format!("{id}.md"));
    std::fs::create_dir_all(&args.folder)?;
    let mut file = std::fs::File::create_new(&path).map_err(|why| format!("cannot write `{}`: {why}", path.display()))?;
    file.write_all(text.as_bytes())?;
    println!("{}", path.display());
    let name = format!("{id}.md");
    for finding in lint(&args.folder, &known).findings.iter().filter(|finding| finding.file == name) {
        eprintln!("{finding}");
    }
    eprintln!("next: write the text, and the steps if a machine may do them; then `sluicegate runbook lint {}`", args.folder.display());
    Ok(ExitCode::SUCCESS)
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Questions in turn; a question is asked again until its answer is sound.
struct Interview<'a> {
    answers: &'a mut dyn BufRead,
    prompts: &'a mut dyn Write,
}

impl Interview<'_> {
    /// What may be answered next, once, however often the question is asked.
    fn offer(&mut self, what: &str, names: &BTreeSet<String>) -> std::io::Result<()> {
        if names.is_empty() { Ok(()) } else { writeln!(self.prompts, "{what}: {}", listed(names)) }
    }

    fn ask(&mut self, question: &str, sound: &dyn Fn(&str) -> Result<(), String>) -> Result<String, Failure> {
        loop {
            write!(self.prompts, "{question}: ")?;
            self.prompts.flush()?;
            let mut line = String::new();
            if self.answers.read_line(&mut line)? == 0 {
                return Err(format!("no answer to `{question}`; nothing is written").into());
            }
            match sound(line.trim()) {
                Ok(()) => return Ok(line.trim().to_owned()),
                Err(why) => writeln!(self.prompts, "{why}")?,
            }
        }
    }
}

/// One line, as the parser will ask of a title.
fn text(text: &str) -> Result<(), String> {
    match text.len() {
        1..=200 if !text.chars().any(char::is_control) => Ok(()),
        _ => Err("one line of 1 to 200 characters".to_owned()),
    }
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn one_of(what: &str, names: &BTreeSet<String>, text: &str, else_do: &str) -> Result<(), String> {
    if names.is_empty() || names.contains(text) {
        return Ok(());
    }
    Err(match nearest(text, names.iter().map(String::as_str)) {
        Some(near) => format!("`{text}` is not {what}: did you mean `{near}`?"),
        None => format!("`{text}` is not {what}: take one of the list, {else_do}"),
    })
}

/// The id and the file's text, from answers in turn.
///
/// # Errors
/// The answers end early, or what they make does not parse.
fn ask(offer: &Offer, answers: &mut dyn BufRead, prompts: &mut dyn Write) -> Result<(RunbookId, String), Failure> {
    let mut interview = Interview { answers, prompts };
    let id = interview.ask("id, like `restart-print-spooler`", &|answer| {
        RunbookId::new(answer).map_err(|why| why.to_string())?;
        let path = offer.folder.join(format!("{answer}.md"));
        if path.exists() { Err(format!("`{}` is there already: take another id", path.display())) } else { Ok(()) }
    })?;
    let title = interview.ask("title", &text)?;
    interview.offer("teams", &offer.owners)?;
    let owner = interview.ask("team that keeps it true", &|answer| {
        text(answer)?;
        one_of("a known team", &offer.owners, answer, "or add it to `runbooks.owners` first")
    })?;
    let author = interview.ask("you, by e-mail address", &|answer| PersonId::new(answer).map(drop).map_err(|why| why.to_string()))?;
    let risk = interview.ask("risk if it goes wrong: low (may run alone), medium (one approver), high (two)", &|answer| match answer {
        "low" | "medium" | "high" => Ok(()),
        _ => Err(format!("`{answer}` is not a risk: write low, medium or high")),
    })?;
    let split =
        |answer: &str| answer.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect::<BTreeSet<_>>();
    interview.offer("categories", &offer.categories)?;
    let categories = interview.ask("categories it is for, with commas between; empty for any", &|answer| {
        split(answer).iter().try_for_each(|part| one_of("a category", &offer.categories, part, "or leave it empty"))
    })?;
    let symptom = interview.ask("what people see, in their words", &text)?;
    let example = interview.ask("a ticket it is for", &text)?;
    let other = interview.ask("a ticket that looks like it and is not", &text)?;
    let apart = interview.ask("a word of that one which is never in yours, like `toner`; empty for none", &|answer| {
        let within = |text: &str| text.to_lowercase().contains(&answer.to_lowercase());
        match answer {
            "" => Ok(()),
            _ if !within(&other) => Err(format!("`{answer}` is not in `{other}`")),
            _ if [&title, &symptom, &example].iter().any(|yours| within(yours)) => Err(format!("`{answer}` is in yours too")),
            _ => Ok(()),
        }
    })?;
    // JSON strings are YAML strings: no answer can end its own value.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let list = |texts: BTreeSet<String>| texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ");
    let mut front = format!("# yaml-language-server: $schema={}\nid: {id}\ntitle: {}\n", offer.schema, quoted(&title));
    front += &format!("owner: {}\nauthors: [{}]\nreviewed: {}\nreview_every: 180d\n", quoted(&owner), quoted(&author), offer.today);
    if !apart.is_empty() {
        front += &format!("triggers:\n  not_patterns: [{}]\n", quoted(&format!("(?i){}", regex::escape(&apart))));
    }
    if !categories.is_empty() {
        front += &format!("applies_to: {{categories: [{}]}}\n", list(split(&categories)));
    }
    front += &format!("symptoms:\n  - {}\nrisk: {risk}\nexamples:\n  match:\n    - {}\n", quoted(&symptom), quoted(&example));
    front += &format!("    # five more, as other people would say it\n  no_match:\n    - {}\n", quoted(&other));
    front += "\n# It is for people until steps say what a machine does. Take `# ` from the front of each line below, and make it yours";
    front += &match offer.connector.as_str() {
        UNNAMED => format!(":\n# `{UNNAMED}` becomes the name of a connector of the configuration.\n"),
        _ => ".\n".to_owned(),
    };
    for line in STEPS.replace("CONNECTOR", &offer.connector).lines() {
        front += &format!("# {line}\n");
    }
    let text = format!("---\n{front}---\n\n## When it happens\n\n## What the steps do\n\n## If it does not help\n");
    let none = |path: &str| Err(format!("no list `{path}`"));
    let sheet = parse(&format!("{id}.md"), text.as_bytes(), &none)
        .map_err(|findings| findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    Ok((sheet.runbook.id, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::name::ConnectorName,
        runbook::{Known, Rule, Severity},
    };

    fn offer(connector: &str) -> Offer {
        Offer {
            owners: ["server-team".to_owned(), "risk: low".to_owned()].into(),
            categories: ["facility/badge".to_owned()].into(),
            connector: connector.to_owned(),
            schema: "https://desk.example.com/schemas/runbook.json".to_owned(),
            today: "2026-11-24".to_owned(),
            folder: PathBuf::from("no/such/folder"),
        }
    }

    const ANSWERS: &str = "lost-badge\nLost badge\nserver-team\nana@example.com\nlow\nfacility/badge\nmy badge is gone\nI lost my badge\nI want a new badge photo\nphoto\n";

    fn asked(answers: &str, connector: &str) -> (RunbookId, String, String) {
        let mut prompts = Vec::new();
        let (id, text) = ask(&offer(connector), &mut answers.as_bytes(), &mut prompts).unwrap();
        (id, text, String::from_utf8(prompts).unwrap())
    }

    /// Errors and warnings of the file alone in a folder.
    fn linted(text: &str) -> Vec<crate::runbook::Finding> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("lost-badge.md"), text).unwrap();
        let known = Known {
            categories: Some(offer("").categories),
            owners: Some(offer("").owners),
            connectors: Some([ConnectorName::new("automation").unwrap()].into()),
            today: Some(jiff::civil::date(2026, 11, 24)),
            ..Known::default()
        };
        lint(folder.path(), &known).findings
    }

    fn uncommented(text: &str) -> String {
        let (head, block) = text.split_once("becomes the name of a connector of the configuration.\n").unwrap();
        let (block, body) = block.split_once("---\n").unwrap();
        let lines: String = block.lines().map(|line| line.strip_prefix("# ").unwrap().to_owned() + "\n").collect();
        format!("{head}\n{lines}---\n{body}")
    }

    #[test]
    fn the_file_lints_and_with_its_comment_taken_off_only_the_connector_is_left_to_name() {
        let (_, text, _) = asked(ANSWERS, UNNAMED);
        assert_eq!(linted(&text), []);
        assert!(text.starts_with("---\n# yaml-language-server: $schema=https://desk.example.com/schemas/runbook.json\n"), "{text}");
        let bare = uncommented(&text);
        let errors: Vec<_> = linted(&bare).into_iter().filter(|finding| finding.severity == Severity::Error).collect();
        assert!(errors.len() == 4 && errors.iter().all(|finding| finding.rule == Rule::UnknownConnector), "{errors:#?}");
        let named = bare.replace(UNNAMED, "automation");
        let left: Vec<_> = linted(&named).into_iter().map(|finding| (finding.severity, finding.rule)).collect();
        assert_eq!(left, [(Severity::Warning, Rule::TooFewExamples)], "{named}");
        assert!(parse("a.md", named.as_bytes(), &|_| Err(String::new())).unwrap().runbook.is_executable());
    }

    #[test]
    fn a_configured_connector_is_named_already() {
        let (_, text, _) = asked(ANSWERS, "automation");
        assert!(text.contains("use: automation.post") && !text.contains("CONNECTOR") && !text.contains(UNNAMED), "{text}");
    }

    #[test]
    fn answers_become_a_file_that_parses_and_none_can_end_its_own_value() {
        let answers = "Not An Id\nlost-badge\nLost badge\" \nnobody\nrisk: low\ntwo words\nana@example.com\nnone\nlow\nzzz\n\nbadge gone\nlost my badge # help\n- new photo: {a\nbadge\nxyz\nphoto:\n";
        let (id, text, prompts) = asked(answers, UNNAMED);
        assert_eq!(id.as_str(), "lost-badge");
        let sheet = parse("lost-badge.md", text.as_bytes(), &|_| Err(String::new())).unwrap();
        assert_eq!((sheet.runbook.title.as_str(), sheet.runbook.owner.as_str()), ("Lost badge\"", "risk: low"));
        assert_eq!(sheet.runbook.examples.not_matching, ["- new photo: {a"]);
        assert!(sheet.runbook.categories.is_empty() && sheet.runbook.triggers.not_patterns == ["(?i)photo:"]);
        for told in [
            "teams: risk: low, server-team",
            "is not a known team: take one of the list",
            "not a risk",
            "not a category: take one of the list",
            "is not in `- new",
        ] {
            assert!(prompts.contains(told), "{told}: {prompts}");
        }
        assert!(ask(&offer(UNNAMED), &mut "lost-badge\n".as_bytes(), &mut Vec::new()).is_err());
    }
}
