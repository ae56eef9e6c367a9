//! Environment variables over the file's values: `SLUICEGATE__SERVER__LISTEN`.

use toml::{Table, Value};

use super::{
    finding::{Finding, Place},
    load::{Loading, join},
    schema::{self, Node},
};

const PREFIX: &str = "SLUICEGATE__";

pub(super) fn apply(loading: &mut Loading, table: &mut Table, env: impl Iterator<Item = (String, String)>) {
    let mut variables: Vec<(String, String)> = env.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    variables.sort();
    for (name, text) in variables {
        let parts: Vec<String> = name[PREFIX.len()..].split("__").map(str::to_ascii_lowercase).collect();
        match set(table, schema::ROOT, &parts, &text, "") {
            Ok(key) => drop(loading.places.insert(key, Place::Environment(name))),
            Err((key, message)) => loading.findings.push(Finding::error(key, Place::Environment(name), message)),
        }
    }
}

/// Sets one value; gives its full key, or the key and what is wrong with it.
fn set(table: &mut Table, fields: &[(&'static str, Node)], parts: &[String], text: &str, at: &str) -> Result<String, (String, String)> {
    let Some((part, rest)) = parts.split_first() else {
        return Err((at.to_owned(), "is a table: name one of its keys after `__`".to_owned()));
    };
    let full = join(at, part);
    let Some((key, node, twin)) = schema::find(fields, part) else {
        return Err((full, format!("is not a known key: did you mean `{}`?", schema::nearest(fields, part))));
    };
    match node {
        Node::Table(inner) => {
            let entry = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
            let inner_table = entry.as_table_mut().ok_or_else(|| (full.clone(), "is not a table in the file".to_owned()))?;
            set(inner_table, inner, rest, text, &full)
        }
        Node::Tables(inner) => {
            let (Some(name), entries) = (rest.first(), table.get_mut(key).and_then(Value::as_array_mut)) else {
                return Err((full, "is a list: name an entry and one of its keys after `__`".to_owned()));
            };
            let entries = entries.map(Vec::as_mut_slice).unwrap_or_default();
            let index = position(entries, name).ok_or_else(|| {
                (
                    join(&full, name),
                    format!("names no entry: the file has {} in `{full}`, and each is known by its name or its number", entries.len()),
                )
            })?;
            let full = join(&full, &index.to_string());
            let entry = entries[index].as_table_mut().ok_or_else(|| (full.clone(), "is not a table in the file".to_owned()))?;
            set(entry, inner, &rest[1..], text, &full)
        }
        _ if !rest.is_empty() => Err((full, "is a value: nothing may follow it".to_owned())),
        leaf => {
            let value = if twin { Value::String(text.to_owned()) } else { value(leaf, text).map_err(|message| (full.clone(), message))? };
            // The environment's form of a text that may come from a file replaces the file's, whichever form that has.
            if leaf.has_file() {
                table.remove(key);
                table.remove(&format!("{key}_file"));
            }
            table.insert(part.clone(), value);
            Ok(full)
        }
    }
}

/// By number, or by `name` with `-` written as `_`.
fn position(entries: &[Value], name: &str) -> Option<usize> {
    let by_name = entries
        .iter()
        .position(|entry| entry.get("name").and_then(Value::as_str).is_some_and(|own| own.to_ascii_lowercase().replace('-', "_") == name));
    by_name.or_else(|| name.parse().ok().filter(|index| *index < entries.len()))
}

fn value(node: Node, text: &str) -> Result<Value, String> {
    match node {
        Node::Integer => text.trim().parse().map(Value::Integer).map_err(|_| format!("is `{text}`: expected a whole number")),
        Node::Float => {
            let number: f64 = text.trim().parse().map_err(|_| format!("is `{text}`: expected a number"))?;
            Ok(Value::Float(number))
        }
        Node::Texts | Node::Secrets => texts(text, node.is_secret()),
        Node::Text | Node::Secret | Node::Document | Node::Table(_) | Node::Tables(_) => Ok(Value::String(text.to_owned())),
    }
}

fn texts(text: &str, secret: bool) -> Result<Value, String> {
    if text.trim_start().starts_with('[') {
        // A secret that is refused must not show in the message.
        let parsed: Result<Table, _> = format!("list = {text}").parse();
        return match parsed.ok().and_then(|mut table| table.remove("list")) {
            Some(list @ Value::Array(_)) => Ok(list),
            _ if secret => Err("is not a TOML array of strings".to_owned()),
            _ => Err(format!("is `{text}`: expected a TOML array of strings, or texts separated by commas")),
        };
    }
    Ok(Value::Array(text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(|text| Value::String(text.to_owned())).collect()))
}
