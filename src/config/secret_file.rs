//! Secrets and certificates from files: `token_file = "path"` in place of `token`, as Docker, systemd and Kubernetes hand them out.
//!
//! One newline at the end is cut, since editors and `echo` write one. The content never shows in a message.

use std::path::Path;

use toml::{Table, Value};

use super::{
    finding::Finding,
    load::{Loading, join},
    schema::{self, Node},
};

/// Puts the content of every named file in place of its `…_file` key.
pub(super) fn read_all(loading: &mut Loading, table: &mut Table, folder: &Path) {
    table_at(loading, table, schema::ROOT, folder, "");
}

fn table_at(loading: &mut Loading, table: &mut Table, fields: &[(&'static str, Node)], folder: &Path, at: &str) {
    for (key, node) in fields {
        let full = join(at, key);
        match (node, table.get_mut(*key)) {
            (Node::Table(inner), Some(Value::Table(inner_table))) => table_at(loading, inner_table, inner, folder, &full),
            (Node::Tables(inner), Some(Value::Array(entries))) => {
                for (index, entry) in entries.iter_mut().enumerate() {
                    if let Value::Table(entry) = entry {
                        table_at(loading, entry, inner, folder, &join(&full, &index.to_string()));
                    }
                }
            }
            (Node::Secret | Node::Secrets | Node::Document, _) => {
                twin(loading, table, key, *node, folder, &full);
                form(loading, table, key, *node, full);
            }
            _ => {}
        }
    }
}

/// A secret of the wrong form is refused here: the reader of the structs would show it in its message.
///
/// One text where there may be several is a list of one.
fn form(loading: &mut Loading, table: &mut Table, key: &str, node: Node, full: String) {
    if let (Node::Secrets, Some(slot @ Value::String(_))) = (node, table.get_mut(key)) {
        *slot = Value::Array(vec![slot.clone()]);
    }
    let (right, expected) = match (node, table.get(key)) {
        (_, None) => return,
        (Node::Secrets, Some(Value::Array(texts))) => (texts.iter().all(Value::is_str), "a list of texts"),
        (Node::Secrets, Some(_)) => (false, "a list of texts, like `[\"…\"]`"),
        (_, Some(value)) => (value.is_str(), "a text in quotes"),
    };
    if !right {
        let place = loading.place(&full);
        loading.findings.push(Finding::error(full, place, format!("is not {expected}")));
    }
}

fn twin(loading: &mut Loading, table: &mut Table, key: &str, node: Node, folder: &Path, full: &str) {
    let Some(named) = table.remove(&format!("{key}_file")) else { return };
    let full_twin = format!("{full}_file");
    let place = loading.place(&full_twin);
    if table.contains_key(key) {
        let message = format!("and `{key}` are both given: keep one");
        return loading.findings.push(Finding::error(full_twin, place, message));
    }
    let names: Vec<String> = match (&named, node) {
        (Value::String(name), _) => vec![name.clone()],
        (Value::Array(names), Node::Secrets) if names.iter().all(Value::is_str) => {
            names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => return loading.findings.push(Finding::error(full_twin, place, "is not a path")),
    };
    let mut secrets = Vec::new();
    for name in names {
        let path = folder.join(name);
        match read(&path) {
            Ok(secret) => secrets.push(Value::String(secret)),
            Err(message) => return loading.findings.push(Finding::error(full_twin, place, message)),
        }
        if node.is_secret() && readable_by_all(&path) {
            let message = format!("names `{}`, which every user of this machine may read: `chmod 600` it", path.display());
            loading.findings.push(Finding::warning(full_twin.clone(), place.clone(), message));
        }
    }
    let value = match (node, secrets.pop()) {
        (Node::Secret | Node::Document, Some(secret)) => secret,
        (_, last) => Value::Array(secrets.into_iter().chain(last).collect()),
    };
    table.insert(key.to_owned(), value);
}

fn read(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("names `{}`, which cannot be read: {error}", path.display()))?;
    let secret = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if secret.is_empty() { Err(format!("names `{}`, which is empty", path.display())) } else { Ok(secret.to_owned()) }
}

#[cfg(unix)]
fn readable_by_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn readable_by_all(_: &Path) -> bool {
    false
}
