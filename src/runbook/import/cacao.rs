//! CACAO Security Playbooks 2.0 (OASIS, committee specification 01): the workflow as numbered instructions.
//!
//! Never imports credentials. A workflow with a cycle, or that leads to a step that is not there, is refused.

use std::{collections::BTreeMap, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    convert::{Imported, Note, Refusal},
    draft::{Draft, code, line, quotation, quoted},
    source::Node,
};
use crate::domain::name::ParameterName;

const MOST_STEPS: usize = 500;
const SECRET: &str = "credentials are never imported: configure them on a connector";

pub(super) fn read(playbook: &Node, owner: &str) -> Result<Imported, Refusal> {
    let refuse = |why: String| Refusal { pointer: String::new(), line: playbook.line, why };
    let mut notes = Vec::new();
    if playbook.text_of("type") != Some("playbook") {
        return Err(refuse("its `type` is not `playbook`".to_owned()));
    }
    match playbook.text_of("spec_version") {
        Some("cacao-2.0") => {}
        other => return Err(refuse(format!("its `spec_version` is `{}`: `cacao-2.0` is read", line(other.unwrap_or(""), 40)))),
    }
    if playbook.is_true("revoked") {
        return Err(refuse("it is revoked: whoever made it says that it is no longer valid".to_owned()));
    }
    let name = playbook.text_of("name").ok_or_else(|| refuse("a playbook needs a `name`".to_owned()))?.to_owned();
    let order = order(playbook)?;
    let mut body = String::from("## What it does\n\n");
    body.push_str(&quotation(playbook.text_of("description").unwrap_or("The playbook has no description.")));
    let mut parameters = Vec::new();
    if let Some(variables) = playbook.get("playbook_variables") {
        body.push_str("\n## What has to be known\n\n");
        for (name, variable) in variables.fields() {
            read_variable(name, variable, &mut parameters, &mut body, &mut notes);
        }
    }
    body.push_str("\n## Steps\n\nThese were a CACAO workflow. Sluicegate runs none of them.\n");
    let numbers: BTreeMap<&str, usize> = order.iter().enumerate().map(|(at, (id, _))| (*id, at + 1)).collect();
    for (id, step) in &order {
        read_step(numbers[id], step, &numbers, playbook, &mut body, &mut notes);
    }
    body.push_str("\n## Where it comes from\n\n");
    for key in ["id", "created_by", "created", "modified", "valid_from", "valid_until"] {
        if let Some(text) = playbook.text_of(key) {
            body.push_str(&quotation(&format!("{key}: {}", line(text, 200))));
        }
    }
    for key in ["workflow_start", "workflow_exception"] {
        if let Some(number) = playbook.text_of(key).and_then(|id| numbers.get(id)) {
            body.push_str(&quotation(&format!("{key}: step {number}")));
        }
    }
    for (key, why) in [
        ("authentication_info_definitions", SECRET),
        ("signatures", "signatures are not verified here"),
        ("markings", "check that its handling rules let you keep it here"),
        ("data_marking_definitions", "check that its handling rules let you keep it here"),
        ("priority", "its scale of 0 to 100 is no risk class: risk is high until a person classes it"),
        ("severity", "its scale of 0 to 100 is no risk class: risk is high until a person classes it"),
        ("impact", "its scale of 0 to 100 is no risk class: risk is high until a person classes it"),
    ] {
        if let Some(node) = playbook.get(key) {
            node.leave(why, &mut notes);
        }
    }
    playbook.leave_the_rest(&mut notes);
    Draft { id_from: name.clone(), title: name, parameters, body }.finish(owner, ("", playbook.line), notes)
}

/// Where a step leads: the words for it, and the id.
fn edges(step: &Node) -> Vec<(String, &Node)> {
    let one = ["on_completion", "on_success", "on_failure", "on_true", "on_false"];
    let mut edges: Vec<(String, &Node)> = one.iter().filter_map(|key| Some(((*key).to_owned(), step.get(key)?))).collect();
    edges.extend(step.get("next_steps").map(Node::items).unwrap_or_default().iter().map(|node| ("next_steps".to_owned(), node)));
    let cases = step.get("cases").map(Node::fields).unwrap_or_default();
    edges.extend(cases.iter().map(|(case, node)| (format!("case {}", line(case, 80)), node)));
    edges
}

/// The steps that can be reached, each before those it leads to.
fn order(playbook: &Node) -> Result<Vec<(&str, &Node)>, Refusal> {
    let refuse = |node: &Node, why: String| Refusal { pointer: node.pointer.clone(), line: node.line, why };
    let workflow = playbook.get("workflow").ok_or_else(|| refuse(playbook, "a playbook needs a `workflow`".to_owned()))?;
    if workflow.fields().is_empty() || workflow.fields().len() > MOST_STEPS {
        return Err(refuse(workflow, format!("it has {} steps: 1 to {MOST_STEPS} are read", workflow.fields().len())));
    }
    let steps: BTreeMap<&str, &Node> = workflow.fields().iter().map(|(id, step)| (id.as_str(), step)).collect();
    let start = playbook.get("workflow_start").ok_or_else(|| refuse(playbook, "a playbook needs a `workflow_start`".to_owned()))?;
    let mut unknown: Vec<String> = Vec::new();
    let roots: Vec<&Node> = playbook.get("workflow_exception").into_iter().chain([start]).collect();
    for node in steps.values().flat_map(|step| edges(step)).map(|(_, node)| node).chain(roots.iter().copied()) {
        let id = node.text().unwrap_or_default();
        if !steps.contains_key(id) {
            unknown.push(format!("`{}` at {}", line(id, 100), node.pointer));
        }
    }
    if !unknown.is_empty() {
        return Err(refuse(workflow, format!("it leads to steps that are not in the workflow: {}", unknown.join(", "))));
    }
    // Depth first without recursion; a step that is still open is met again only on a cycle.
    let mut done: BTreeMap<&str, bool> = BTreeMap::new();
    let mut finished = Vec::new();
    for root in roots {
        let mut stack = vec![(root.text().unwrap_or_default(), 0usize)];
        while let Some((id, next)) = stack.pop() {
            if next == 0 {
                match done.get(id) {
                    Some(true) => continue,
                    Some(false) => {
                        let way: Vec<&str> = stack.iter().map(|(id, _)| *id).skip_while(|seen| *seen != id).chain([id]).collect();
                        return Err(refuse(steps[id], format!("the workflow goes round in a circle: {}", way.join(" → "))));
                    }
                    None => {
                        done.insert(id, false);
                    }
                }
            }
            let (id, step) = steps.get_key_value(id).map(|(id, step)| (*id, *step)).unwrap_or((id, workflow));
            match edges(step).get(next) {
                Some((_, target)) => {
                    stack.push((id, next + 1));
                    stack.push((target.text().unwrap_or_default(), 0));
                }
                None => {
                    done.insert(id, true);
                    finished.push((id, step));
                }
            }
        }
    }
    finished.reverse();
    Ok(finished)
}

fn read_variable(name: &str, node: &Node, parameters: &mut Vec<(ParameterName, String)>, body: &mut String, notes: &mut Vec<Note>) {
    let plain = name.trim_matches('_').to_ascii_lowercase();
    let kind = node.text_of("type").unwrap_or_default();
    let mut note = |why: &str| notes.push(Note { pointer: node.pointer.clone(), line: node.line, why: why.to_owned() });
    let mut said = format!("{}: {}", line(name, 200), line(node.text_of("description").unwrap_or("no description"), 500));
    let telling = ["key", "token", "secret", "password", "credential"].iter().any(|word| plain.contains(word));
    match node.get("value") {
        Some(value) if telling && value.text().is_some_and(|text| !text.is_empty()) => note(SECRET),
        Some(value) => {
            if let Some(text) = value.text().filter(|text| !text.is_empty()) {
                let _ = write!(said, " ({})", line(text, 300));
            }
        }
        None => {}
    }
    body.push_str(&quotation(&said));
    if !node.is_true("external") {
        return note("only an external variable is known before the workflow starts: the text names it");
    }
    let slot: String = plain.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(64).collect();
    let Ok(slot) = ParameterName::new(slot) else { return note("its name cannot be a parameter's name") };
    if parameters.iter().any(|(known, _)| *known == slot) {
        return note("another variable has this name too");
    }
    let (bounds, findable) = match kind {
        "ipv4-addr" | "ipv6-addr" => ("type: ip".to_owned(), true),
        "uuid" => ("type: uuid".to_owned(), true),
        "bool" => ("type: enum, values: [\"true\", \"false\"]".to_owned(), false),
        "integer" | "long" => ("type: \"string(19)\", pattern: \"^(?:-?[0-9]{1,18})$\"".to_owned(), false),
        "mac-addr" => ("type: \"string(17)\", pattern: \"^(?:[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5})$\"".to_owned(), true),
        "md5-hash" => ("type: \"string(32)\", pattern: \"^(?:[0-9a-fA-F]{32})$\"".to_owned(), true),
        "sha256-hash" => ("type: \"string(64)\", pattern: \"^(?:[0-9a-fA-F]{64})$\"".to_owned(), true),
        "string" | "uri" | "hexstring" | "hash" | "float" => ("type: \"string(255)\"".to_owned(), false),
        _ => return note("no parameter type is like its type: the text names it"),
    };
    let text = if findable { ", text" } else { "" };
    let from = format!("from: [{}, {}{text}]", quoted(&format!("label:{slot}")), quoted(&format!("attribute:{slot}")));
    parameters.push((slot, format!("{{{bounds}, {from}}}")));
}

fn read_step(number: usize, step: &Node, numbers: &BTreeMap<&str, usize>, playbook: &Node, body: &mut String, notes: &mut Vec<Note>) {
    let kind = line(step.text_of("type").unwrap_or("step"), 40);
    let title = step.text_of("name").map_or_else(|| kind.clone(), |name| line(name, 120));
    let _ = write!(body, "\n### Step {number}: {title}\n\n");
    if let Some(text) = step.text_of("description") {
        body.push_str(&quotation(text));
    }
    for key in ["condition", "switch", "playbook_id", "playbook_version", "delay", "timeout", "owner"] {
        if let Some(text) = step.text_of(key) {
            let _ = write!(body, "\n{key}:\n\n{}", code(text));
        }
    }
    if kind == "playbook-action" {
        notes.push(Note {
            pointer: step.pointer.clone(),
            line: step.line,
            why: "a runbook cannot call another: the text names it".to_owned(),
        });
    }
    for key in ["agent", "targets", "in_args", "out_args"] {
        let Some(node) = step.get(key) else { continue };
        let one = std::slice::from_ref(node);
        for text in if node.is_list() { node.items() } else { one }.iter().filter_map(Node::text) {
            let _ = write!(body, "\n{key}: `{}`\n", line(text, 200).replace('`', "'"));
            for definitions in ["agent_definitions", "target_definitions"] {
                let named = playbook.get(definitions).and_then(|all| all.get(text));
                if let Some(said) = named.and_then(|named| named.text_of("name")) {
                    body.push_str(&quotation(said));
                }
            }
        }
    }
    for command in step.get("commands").map(Node::items).unwrap_or_default() {
        read_command(command, body, notes);
    }
    if let Some(node) = step.get("authentication_info") {
        node.leave(SECRET, notes);
    }
    for (words, target) in edges(step) {
        if let Some(next) = target.text().and_then(|id| numbers.get(id)) {
            let _ = write!(body, "\n{}: go to step {next}.\n", words.replace('_', " "));
        }
    }
}

fn read_command(command: &Node, body: &mut String, notes: &mut Vec<Note>) {
    let kind = line(command.text_of("type").unwrap_or("manual"), 40);
    if let Some(text) = command.text_of("description") {
        body.push_str(&quotation(text));
    }
    let _ = write!(body, "\n{kind}:\n\n");
    for key in ["command", "content", "command_b64", "content_b64"] {
        let Some(node) = command.get(key) else { continue };
        let Some(text) = node.text() else { continue };
        if !key.ends_with("_b64") {
            body.push_str(&if kind == "manual" { quotation(text) } else { code(text) });
            continue;
        }
        match STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
            Some(text) => body.push_str(&code(&text)),
            None => node.leave("it is not base64 of text", notes),
        }
    }
    if let Some(headers) = command.get("headers") {
        headers.leave("headers may hold credentials: a connector sets its own", notes);
    }
    if kind != "manual" {
        let why = format!("`{kind}` is not run: the command stands in the text for people");
        notes.push(Note { pointer: command.pointer.clone(), line: command.line, why });
    }
}
