//! `policy shadow-report`: what would have run by itself and what people then did, from a running service.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

use super::{Outcome, remote::OptionalRemote};
use crate::{
    config::span::Span,
    domain::{ambient::Ambient as _, name::RunbookId, principal::Actor, time::Timestamp},
    gate::agreement::{Disagreement, ShadowReport, VersionAgreement},
};

#[derive(Debug, Parser)]
pub struct Args {
    #[command(flatten)]
    remote: OptionalRemote,
    /// How far back to look: `30d`, `12h`, or an RFC 3339 time.
    #[arg(long, default_value = "30d", value_parser = since)]
    since: Since,
    /// Only this runbook.
    #[arg(long)]
    runbook: Option<RunbookId>,
    /// The report as JSON.
    #[arg(long)]
    json: bool,
    /// Write the chart to this file too.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Ago(Span),
    At(Timestamp),
}

fn since(text: &str) -> Result<Since, String> {
    let ago = text.parse().map(Since::Ago);
    ago.or_else(|_| text.parse().map(Since::At))
        .map_err(|_| format!("`{text}` is neither a length of time like `30d` nor an RFC 3339 time"))
}

pub fn run(args: &Args) -> Outcome {
    let remote = args.remote.require()?;
    let since = match args.since {
        Since::Ago(span) => super::assemble::System.now().minus(span.get()),
        Since::At(at) => at,
    };
    let mut query = format!("?since={since}");
    if let Some(runbook) = &args.runbook {
        query += &format!("&runbook={runbook}");
    }
    if let Some(file) = &args.svg {
        std::fs::write(file, remote.get_text(&format!("/v1/shadow-report.svg{query}"))?)
            .map_err(|why| format!("cannot write `{}`: {why}", file.display()))?;
        eprintln!("wrote {}", file.display());
    }
    let answer = remote.get(&format!("/v1/shadow-report{query}"))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        print!("{}", page(&serde_json::from_value(answer)?));
    }
    Ok(ExitCode::SUCCESS)
}

fn page(report: &ShadowReport) -> String {
    let mut page = format!("proposals from {} to {}\n", report.since, report.until);
    if report.versions.is_empty() {
        page += "nothing would have run by itself\n";
    }
    for version in &report.versions {
        page += &of_version(version);
    }
    // People wrote the comments; they must not speak to the terminal.
    page.replace(|c: char| c.is_control() && c != '\n', "?")
}

fn of_version(version: &VersionAgreement) -> String {
    let percent = |rate: f64| format!("{:.1} %", rate * 100.0);
    let old = if version.in_force { "" } else { " (not in force)" };
    let mut page = format!("\n{} {}{old}\n", version.runbook, version.digest.short());
    page +=
        &format!("  would have acted  {}; judged {}; ran by itself {}\n", version.would_have_acted, version.judged, version.ran_by_itself);
    let kinds: Vec<String> = version.outcomes.iter().map(|(kind, count)| format!("{} {count}", kind.as_str())).collect();
    page += &format!("  what came of it   {}\n", if kinds.is_empty() { "not known yet".to_owned() } else { kinds.join(", ") });
    if let Some(agreement) = &version.agreement {
        page += &format!(
            "  agreement         {} ({} to {} at {})\n",
            percent(agreement.rate),
            percent(agreement.lower),
            percent(agreement.upper),
            percent(agreement.confidence)
        );
    }
    let bound = &version.bound;
    let verdict = match (bound.holds, bound.right_needed) {
        (true, _) if bound.limit >= 1.0 => "no limit set".to_owned(),
        (true, _) => format!("inside the limit of {}", percent(bound.limit)),
        (false, Some(more)) => format!("over the limit of {}, {more} more right ones needed", percent(bound.limit)),
        (false, None) => format!("over the limit of {}, and no number of right ones is enough", percent(bound.limit)),
    };
    page += &format!(
        "  error bound       {} at {} from {} outcomes, {} wrong: {verdict}\n",
        percent(bound.upper),
        percent(bound.confidence),
        bound.decisions,
        bound.wrong
    );
    for (place, disagreement) in version.disagreements.iter().enumerate() {
        page += &format!("  {:<16}  {}\n", if place == 0 { "disagreements" } else { "" }, of_disagreement(disagreement));
    }
    page
}

fn of_disagreement(disagreement: &Disagreement) -> String {
    let by = match &disagreement.by {
        Actor::Engine => "the verification".to_owned(),
        Actor::Source(source) => format!("source {source}"),
        Actor::Person(person) => person.to_string(),
    };
    let mut line = format!("{} {} by {by}", disagreement.known_at, disagreement.outcome.as_str());
    if let Some(runbook) = &disagreement.another_runbook {
        line += &format!(", used {runbook}");
    }
    if let Some(category) = &disagreement.category {
        line += &format!(", is {category}");
    }
    if let Some(comment) = &disagreement.comment {
        // One line a disagreement, whatever was written.
        line += &format!(": {}", comment.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    format!("{line}\n{:20}{} {}", "", disagreement.link, disagreement.recommendation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_length_of_time_or_a_time() {
        assert_eq!(since("30d"), Ok(Since::Ago(Span::secs(30 * 86_400))));
        assert!(matches!(since("2026-11-01T00:00:00Z"), Ok(Since::At(_))));
        assert!(since("last week").unwrap_err().contains("`last week`"));
    }
}
