//! The floors of the house: a room imports only rooms on lower floors, and pure rooms reach for nothing outside.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Room and floor, as ARCHITECTURE.md draws them.
const FLOORS: [(&str, u8); 17] = [
    ("domain", 1),
    ("telemetry", 1),
    ("config", 2),
    ("text", 2),
    ("intake", 3),
    ("triage", 3),
    ("runbook", 3),
    ("gate", 3),
    ("log", 3),
    ("store", 4),
    ("outbound", 4),
    ("execute", 5),
    ("notify", 5),
    ("pipeline", 6),
    ("server", 7),
    ("cli", 8),
    // Not rooms: the library's root and the binary's.
    ("lib", 9),
];

const PURE: [&str; 7] = ["domain", "text", "intake", "triage", "runbook", "gate", "log"];

/// What a pure room may not name: clocks, randomness, network, async.
const IMPURE: [&str; 10] =
    ["SystemTime", "Instant::now", "Timestamp::now", "Zoned::now", "getrandom", "rand::", "std::net::Tcp", "reqwest", "tokio", "async fn"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file with the room it stands in.
fn rooms() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    files(&source(), &mut found);
    found
        .into_iter()
        .filter_map(|path| {
            let below = path.strip_prefix(source()).unwrap();
            (below.components().count() > 1).then(|| (below.iter().next().unwrap().to_str().unwrap().to_owned(), path.clone()))
        })
        .collect()
}

/// The rooms named by `crate::ROOM` paths and `use crate::{ROOM…}` groups in `code`, with comments taken out.
fn imports(code: &str) -> Vec<String> {
    let code: String = code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    let mut rest = code.as_str();
    while let Some(at) = rest.find("crate::") {
        rest = &rest[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()),
            Some(group) => {
                let (mut depth, mut name) = (0, String::new());
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => found.push(std::mem::take(&mut name)),
                        _ if depth == 0 => name.push(c),
                        _ => {}
                    }
                }
                found.push(name);
            }
        }
    }
    found.iter().map(|name| name.trim().split("::").next().unwrap_or_default().trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

#[test]
fn a_room_imports_only_rooms_on_lower_floors() {
    let floors: BTreeMap<&str, u8> = FLOORS.into();
    let mut wrong = Vec::new();
    for (room, path) in rooms() {
        let floor = *floors.get(room.as_str()).unwrap_or_else(|| panic!("`{room}` is a folder of src/ and no room of the table"));
        for import in imports(&fs::read_to_string(&path).unwrap()) {
            if let Some(other) = floors.get(import.as_str())
                && import != room
                && *other >= floor
            {
                wrong.push(format!("{}: `{room}` (floor {floor}) imports `{import}` (floor {other})", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn pure_rooms_reach_for_no_clock_randomness_network_or_async() {
    let mut wrong = Vec::new();
    for (_, path) in rooms().into_iter().filter(|(room, _)| PURE.contains(&room.as_str())) {
        let code = fs::read_to_string(&path).unwrap();
        // Tests may measure and shuffle; what ships may not.
        let shipped = code.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in (1..).zip(shipped.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            wrong.extend(IMPURE.iter().filter(|word| code.contains(*word)).map(|word| format!("{}:{number}: `{word}`", path.display())));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_paths_and_groups() {
    let code = "use crate::{\n    domain::{a, b},\n    store::interface, // crate::cli\n};\nlet x = crate::gate::evaluate();";
    assert_eq!(imports(code), ["domain", "store", "gate"]);
}
