//! Rundeck job definitions, as `rd jobs list -F yaml` writes them (Rundeck documentation, job-yaml-v12 and job-json-v44).
//!
//! Never imports a value of a secure option, nor where it is kept.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    convert::{Imported, Note, Refusal},
    draft::{Draft, code, line, quotation, quoted},
    source::Node,
};
use crate::{
    domain::name::ParameterName,
    runbook::{plain::slug, triggers, validate::charset},
};

const MOST_JOBS: usize = 1_000;

pub(super) fn read(document: &Node, owner: &str) -> Vec<Result<Imported, Refusal>> {
    let refuse = |node: &Node, why: String| Err(Refusal { pointer: node.pointer.clone(), line: node.line, why });
    let jobs = if document.is_list() { document.items() } else { std::slice::from_ref(document) };
    if jobs.is_empty() || jobs.len() > MOST_JOBS {
        return vec![refuse(document, format!("it has {} jobs: 1 to {MOST_JOBS} are read", jobs.len()))];
    }
    let mut taken = BTreeSet::new();
    jobs.iter()
        .map(|node| {
            let imported = job(node, owner)?;
            if !taken.insert(imported.id.clone()) {
                return refuse(
                    node,
                    format!("another job of this file has the id `{}` too: give one of them another name or group", imported.id),
                );
            }
            Ok(imported)
        })
        .collect()
}

fn job(job: &Node, owner: &str) -> Result<Imported, Refusal> {
    let refuse = |why: &str| Refusal { pointer: job.pointer.clone(), line: job.line, why: why.to_owned() };
    let mut notes = Vec::new();
    let name = job.text_of("name").ok_or_else(|| refuse("a job needs a `name`"))?.to_owned();
    let commands = job.get("sequence").and_then(|sequence| sequence.get("commands")).map(Node::items).unwrap_or_default();
    if commands.is_empty() {
        return Err(refuse("the job has no steps in `sequence.commands`"));
    }
    let group = job.text_of("group").unwrap_or_default().to_owned();
    let mut body = String::from("## What it does\n\n");
    body.push_str(&quotation(job.text_of("description").unwrap_or("The job has no description.")));
    let mut parameters = Vec::new();
    if let Some(options) = job.get("options") {
        body.push_str("\n## What has to be known\n\n");
        let listed = options.items().iter().map(|option| (None, option));
        // Before version 2 options were a map by name.
        for (key, option) in listed.chain(options.fields().iter().map(|(name, option)| (Some(name.as_str()), option))) {
            read_option(key, option, &mut parameters, &mut body, &mut notes);
        }
    }
    body.push_str("\n## Steps\n\nThese ran in Rundeck. Sluicegate has no shell and runs none of them.\n");
    for (number, command) in commands.iter().enumerate() {
        let title = command.text_of("description").map_or_else(String::new, |text| format!(": {}", line(text, 120)));
        let _ = write!(body, "\n### Step {}{title}\n\n", number + 1);
        step(command, &mut body, &mut notes);
        if let Some(handler) = command.get("errorhandler") {
            body.push_str("\nIf it fails:\n\n");
            step(handler, &mut body, &mut notes);
        }
    }
    let _ = write!(body, "\n## Where it comes from\n\n{}", quotation(&format!("Rundeck job `{}`", line(&format!("{group}/{name}"), 300))));
    for (key, said) in
        [("uuid", "Id"), ("id", "Id"), ("project", "Project"), ("nodeFilterEditable", "Node filter editable"), ("tags", "Tags")]
    {
        if let Some(text) = job.text_of(key) {
            body.push_str(&quotation(&format!("{said}: {}", line(text, 300))));
        }
    }
    if let Some(filter) = job.get("nodefilters").and_then(|filters| filters.text_of("filter")) {
        body.push_str(&quotation(&format!("Nodes: {}", line(filter, 300))));
    }
    if let Some(sequence) = job.get("sequence") {
        let (going, strategy) = (sequence.is_true("keepgoing"), sequence.text_of("strategy").unwrap_or("node-first"));
        body.push_str(&quotation(&format!(
            "On a failed step: {}; strategy {}",
            if going { "goes on" } else { "stops" },
            line(strategy, 60)
        )));
    }
    for (key, why) in [
        ("schedule", "Sluicegate starts nothing by the clock"),
        ("scheduleEnabled", "Sluicegate starts nothing by the clock"),
        ("notification", "notifications stay in Rundeck, and may hold secrets"),
    ] {
        if let Some(node) = job.get(key) {
            node.leave(why, &mut notes);
        }
    }
    job.leave_the_rest(&mut notes);
    Draft { id_from: id_from(&group, &name), title: name, parameters, body }.finish(owner, (&job.pointer, job.line), notes)
}

/// Rundeck tells jobs of one name apart by their group. A group that leaves no room for the name is left out.
fn id_from(group: &str, name: &str) -> String {
    let both = format!("{group} {name}");
    if slug(&both).ends_with(&slug(name)) { both } else { name.to_owned() }
}

fn step(command: &Node, body: &mut String, notes: &mut Vec<Note>) {
    let mut say = |node: &Node, text: String, why: &str| {
        body.push_str(&text);
        notes.push(Note { pointer: node.pointer.clone(), line: node.line, why: why.to_owned() });
    };
    const SHELL: &str = "Sluicegate has no shell: the command stands in the text for people";
    for key in ["exec", "script", "scriptfile", "scripturl"] {
        if let Some(node) = command.get(key)
            && let Some(text) = node.text()
        {
            let said = if key == "exec" || key == "script" { String::new() } else { format!("{key}:\n\n") };
            say(node, said + &code(text), SHELL);
        }
    }
    for key in ["args", "scriptInterpreter"] {
        if let Some(text) = command.text_of(key) {
            say(command, format!("\n{key}:\n\n{}", code(text)), SHELL);
        }
    }
    if let Some(reference) = command.get("jobref") {
        let named: Vec<String> =
            ["group", "name", "uuid", "args"].iter().filter_map(|key| Some(format!("{key}: {}", reference.text_of(key)?))).collect();
        say(
            reference,
            format!("Run the job:\n\n{}", code(&named.join("\n"))),
            "a runbook cannot call another: the job is named in the text",
        );
    }
    if let Some(kind) = command.text_of("type") {
        say(command, format!("Plugin:\n\n{}", code(kind)), "Rundeck's plugins are not here: the plugin is named in the text");
        // A plugin's settings may be passwords, and nothing says which.
        if let Some(configuration) = command.get("configuration") {
            configuration.leave("a plugin's settings may hold secrets", notes);
        }
    }
}

fn read_option(key: Option<&str>, option: &Node, parameters: &mut Vec<(ParameterName, String)>, body: &mut String, notes: &mut Vec<Note>) {
    let Some(name) = option.text_of("name").or(key).map(str::to_owned) else {
        return option.leave("an option without a name", notes);
    };
    let note = |why: String| Note { pointer: option.pointer.clone(), line: option.line, why };
    if option.is_true("secure") || option.get("storagePath").is_some() {
        body.push_str(&quotation(&format!("{}: a secret; it stays in Rundeck", line(&name, 100))));
        return option.leave("a secure option: its value and where it is kept are never imported", notes);
    }
    let mut said = line(&name, 100);
    if let Some(text) = option.text_of("description") {
        let _ = write!(said, ": {}", line(text, 500));
    }
    if let Some(text) = option.text_of("value") {
        let _ = write!(said, " (default {})", line(text, 200));
        notes.push(note("a parameter has no default: the text names it".to_owned()));
    }
    let values: Vec<&str> = option.get("values").map(Node::items).unwrap_or_default().iter().filter_map(Node::text).collect();
    if !values.is_empty() {
        let _ = write!(said, " (one of {})", line(&values.join(", "), 1_000));
    }
    body.push_str(&quotation(&said));
    let wanted: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(64).collect();
    let Ok(slot) = ParameterName::new(wanted.trim_start_matches('_')) else {
        return notes.push(note(format!("`{}` cannot be a parameter's name", line(&name, 100))));
    };
    if parameters.iter().any(|(known, _)| *known == slot) {
        return notes.push(note(format!("another option is named `{slot}` too")));
    }
    if option.is_true("multivalued") || option.text_of("type").is_some_and(|kind| kind == "file") {
        return notes.push(note("it takes several values or a file; a parameter is one short text".to_owned()));
    }
    let closed = option.is_true("enforced") && !values.is_empty();
    let sound = values.iter().all(|value| charset(value).is_ok() && !value.contains("{{"));
    let regex = option.text_of("regex").and_then(|regex| {
        // Rundeck matches the whole value.
        let whole = format!("^(?:{regex})$");
        let checked = if whole.contains("{{") { Err("it has `{{`".to_owned()) } else { triggers::compile(&whole).map(drop) };
        checked.map(|()| whole).map_err(|why| notes.push(note(format!("its `regex` is not carried over: {why}")))).ok()
    });
    let bounds = match (closed && sound, &regex) {
        (true, None) => format!("type: enum, values: [{}]", values.iter().map(|v| quoted(v)).collect::<Vec<_>>().join(", ")),
        (true, Some(regex)) => {
            let values = values.iter().map(|v| quoted(v)).collect::<Vec<_>>().join(", ");
            format!("type: enum, values: [{values}], pattern: {}", quoted(regex))
        }
        (false, Some(regex)) => format!("type: \"string(255)\", pattern: {}", quoted(regex)),
        (false, None) => "type: \"string(255)\"".to_owned(),
    };
    if closed && !sound {
        notes.push(note("one of its values has a character that no value may have: the list is in the text only".to_owned()));
    }
    // A value of no known shape cannot be taken from prose.
    let text = if (closed && sound) || regex.is_some() { ", text" } else { "" };
    let from = format!("from: [{}, {}{text}]", quoted(&format!("label:{slot}")), quoted(&format!("attribute:{slot}")));
    let required = option.is_true("required");
    parameters.push((slot, format!("{{{bounds}, {from}, required: {required}}}")));
}
