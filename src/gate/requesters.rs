//! What a directory says of one identity, and the list in a file that says it of many.
//!
//! The list is a CSV file with one row an identity. Reads it at load and asks nobody; who a requester is and what
//! several records say together is [`super::standing`]'s.
// INVARIANT: a row that cannot be read refuses the whole list: a slip must not lose a flag.
// INVARIANT: two rows that could mean one person are refused, so no order of rows decides anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Deserialize;

use super::{GateError, Place};
use crate::domain::name::{PersonId, is_slug};

/// Enough for a million rows.
const LARGEST_LIST: u64 = 64 * 1024 * 1024;
/// Groups of one requester; every receipt holds them.
const MOST_GROUPS: usize = 64;
/// The longest name of a group, runbook or category.
const LONGEST_NAME: usize = 64;
/// Rows that are wrong shown at once; a list saved in another form has thousands of one cause.
const MOST_SHOWN: usize = 20;

/// Stands for every runbook in `entitled`.
pub(super) const EVERYTHING: &str = "*";

/// What is said of one identity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    pub vip: bool,
    pub flagged: bool,
    pub groups: BTreeSet<String>,
    /// Runbooks, categories or `*`. `None` when nothing is said, empty when there is nothing they may ask for.
    pub entitled: Option<BTreeSet<String>>,
}

/// A record as a directory service answers it. Unknown members are refused: a misspelled `flaged` must not
/// read as "not flagged".
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// Whom it is about; the caller compares it.
    #[serde(default, rename = "id")]
    _id: serde::de::IgnoredAny,
    #[serde(default)]
    vip: bool,
    #[serde(default)]
    flagged: bool,
    #[serde(default)]
    groups: Vec<String>,
    entitled: Option<Vec<String>>,
}

impl Record {
    /// The record in a directory's JSON.
    ///
    /// # Errors
    /// An unknown member, another type, or a name that is none.
    pub fn from_json(answer: &serde_json::Value) -> Result<Self, String> {
        let read = Answer::deserialize(answer).map_err(|why| why.to_string())?;
        Self::new(
            read.vip,
            read.flagged,
            read.groups.iter().map(String::as_str),
            read.entitled.as_ref().map(|all| all.iter().map(String::as_str)),
        )
    }

    fn new<'a>(
        vip: bool,
        flagged: bool,
        groups: impl Iterator<Item = &'a str>,
        entitled: Option<impl Iterator<Item = &'a str>>,
    ) -> Result<Self, String> {
        let name = |text: &str, what| {
            let parts_are_names = text.len() <= LONGEST_NAME && text.split('/').all(|part| !part.is_empty() && is_slug(part));
            if parts_are_names { Ok(text.to_owned()) } else { Err(format!("`{}` is not {what}", shown(text))) }
        };
        let group = |text: &'a str| match text.contains('/') {
            false => name(text, "a group: expected a-z, 0-9, `-` and `_`"),
            true => Err(format!("`{}` is not a group: expected a-z, 0-9, `-` and `_`", shown(text))),
        };
        let entitlement = |text: &'a str| match text {
            EVERYTHING => Ok(EVERYTHING.to_owned()),
            text => name(text, "a runbook, a category or `*`"),
        };
        let groups: BTreeSet<String> = groups.map(group).collect::<Result<_, _>>()?;
        if groups.len() > MOST_GROUPS {
            return Err(format!("{} groups are too many: {MOST_GROUPS} at most", groups.len()));
        }
        let entitled = entitled.map(|all| all.map(entitlement).collect::<Result<_, _>>()).transpose()?;
        Ok(Self { vip, flagged, groups, entitled })
    }
}

/// An identity as it is compared, or `None` for what cannot be one: lower case, an e-mail address without its
/// `+tag` and without a dot at its end.
///
/// Whatever a mail server would deliver to the same box by other characters (quotes, comments, look-alikes) is no
/// identity here, and its standing counts as not known.
pub(super) fn comparable(text: &str) -> Option<String> {
    let text = PersonId::new(text.trim().to_ascii_lowercase()).ok()?;
    Some(match text.as_str().rsplit_once('@') {
        Some((local, domain)) => {
            let plain = local.split_once('+').map_or(local, |(plain, _)| plain);
            format!("{plain}@{}", domain.trim_end_matches('.'))
        }
        None => text.as_str().to_owned(),
    })
}

/// Records by identity, as [`comparable`] writes it.
pub(super) type List = BTreeMap<String, Record>;

/// # Errors
/// The file cannot be read, or as [`parse`].
pub(super) fn load(path: &Path) -> Result<List, GateError> {
    let file = path.display().to_string();
    let unreadable = |why: std::io::Error| GateError::Unreadable { path: file.clone(), why: why.to_string() };
    if path.metadata().map_err(unreadable)?.len() > LARGEST_LIST {
        let message = format!("is larger than {LARGEST_LIST} bytes: use a directory service (`requesters.directory`)");
        return Err(GateError::File { file, message });
    }
    parse(&file, &std::fs::read(path).map_err(unreadable)?)
}

/// Where each column stands.
struct Columns {
    id: usize,
    vip: Option<usize>,
    flagged: Option<usize>,
    groups: Option<usize>,
    entitled: Option<usize>,
}

impl Columns {
    fn read(headers: &csv::StringRecord) -> Result<Self, String> {
        const KNOWN: [&str; 5] = ["id", "vip", "flagged", "groups", "entitled"];
        if let Some(odd) = headers.iter().find(|header| !KNOWN.contains(header)) {
            return Err(format!("`{}` is not a column: expected `id`, and any of `vip`, `flagged`, `groups`, `entitled`", shown(odd)));
        }
        if let Some(twice) = KNOWN.into_iter().find(|known| headers.iter().filter(|header| header == known).count() > 1) {
            return Err(format!("the column `{twice}` stands there twice: remove one"));
        }
        let at = |name| headers.iter().position(|header| header == name);
        let id = at("id").ok_or("there is no column `id`: the first line names the columns")?;
        Ok(Self { id, vip: at("vip"), flagged: at("flagged"), groups: at("groups"), entitled: at("entitled") })
    }

    fn record(&self, row: &csv::StringRecord) -> Result<(String, Record), String> {
        let cell = |column: Option<usize>| column.and_then(|column| row.get(column));
        let written = row.get(self.id).unwrap_or_default();
        let id = comparable(written)
            .ok_or_else(|| format!("`{}` is not an identity: expected 1 to 128 letters, digits and `.-_@:+`", shown(written)))?;
        let names = |text: &'_ str| -> Vec<String> { text.split([' ', ';']).filter(|name| !name.is_empty()).map(str::to_owned).collect() };
        let groups = cell(self.groups).map(names).unwrap_or_default();
        let entitled = cell(self.entitled).map(names);
        let record = Record::new(
            yes_or_no("vip", cell(self.vip))?,
            yes_or_no("flagged", cell(self.flagged))?,
            groups.iter().map(String::as_str),
            entitled.as_ref().map(|all| all.iter().map(String::as_str)),
        )?;
        Ok((id, record))
    }
}

/// An empty cell is a no, as in every spreadsheet.
fn yes_or_no(column: &str, cell: Option<&str>) -> Result<bool, String> {
    match cell.unwrap_or_default().to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" | "" => Ok(false),
        other => Err(format!("`{column}` is `{}`: expected `yes` or `no`", shown(other))),
    }
}

/// # Errors
/// Every row that cannot be read, with its line and what to do.
fn parse(file: &str, bytes: &[u8]) -> Result<List, GateError> {
    let fail = |line, message| GateError::Requesters { place: Place { file: file.to_owned(), line }, message };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let columns = reader.headers().map_err(|why| why.to_string()).and_then(Columns::read).map_err(|why| fail(1, why))?;
    let (mut list, mut places, mut errors, mut unshown) = (List::new(), BTreeMap::new(), Vec::new(), 0);
    for row in reader.records() {
        let at = |position: Option<&csv::Position>| position.map_or(0, |position| usize::try_from(position.byte()).unwrap_or(usize::MAX));
        let (at, wrong) = match row {
            Err(why) => (at(why.position()), Some(unreadable(&why))),
            Ok(row) => {
                let at = at(row.position());
                let wrong = match columns.record(&row) {
                    Ok((id, record)) => match places.insert(id.clone(), at) {
                        None => {
                            list.insert(id, record);
                            None
                        }
                        Some(first) => {
                            Some(format!("`{id}` stands in line {} already, in whatever spelling: keep one", line(bytes, first)))
                        }
                    },
                    Err(message) => Some(message),
                };
                (at, wrong)
            }
        };
        match wrong {
            Some(message) if errors.len() < MOST_SHOWN => errors.push(fail(line(bytes, at), message)),
            Some(_) => unshown += 1,
            None => {}
        }
    }
    if unshown > 0 {
        errors.push(fail(0, format!("and {unshown} more")));
    }
    match (errors.len(), errors.pop()) {
        (_, None) if list.is_empty() => Err(fail(0, "names no requester: a list that was cut off would look like this".to_owned())),
        (_, None) => Ok(list),
        (1, Some(only)) => Err(only),
        (_, Some(last)) => Err(GateError::Several(errors.into_iter().chain([last]).collect())),
    }
}

/// The line of the row that was read from byte `start`, from 1. The reader's own count stays behind after a
/// blank line and in files that end their lines with CR LF.
fn line(bytes: &[u8], start: usize) -> usize {
    let start = start.min(bytes.len());
    let row = start + bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    1 + bytes[..row].iter().filter(|byte| **byte == b'\n').count()
}

fn unreadable(why: &csv::Error) -> String {
    match why.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!("has {len} cells, the first line has {expected_len}"),
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8".to_owned(),
        _ => why.to_string(),
    }
}

/// As much of a cell as a message may repeat.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<List, String> {
        parse("r.csv", text.as_bytes()).map_err(|why| why.to_string())
    }

    #[test]
    fn a_list_says_of_each_identity_what_its_columns_say() {
        let list = read(
            "\u{feff}id, vip, flagged, groups, entitled\n\
             Ana@Example.com, yes, , finance;on-call staff, restart-spooler hardware/printer\n\
             u-17, 0, TRUE, , *\n\
             \"bo@example.com\", no, false, ,\n",
        )
        .unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let ana = Record {
            vip: true,
            flagged: false,
            groups: names(&["finance", "on-call", "staff"]),
            entitled: Some(names(&["restart-spooler", "hardware/printer"])),
        };
        assert_eq!(list["ana@example.com"], ana);
        assert_eq!(list["u-17"], Record { flagged: true, entitled: Some(names(&["*"])), ..Record::default() });
        assert_eq!(list["bo@example.com"].entitled, Some(BTreeSet::new()), "an empty cell is nothing, not everything");
        assert_eq!(read("flagged,id\nyes,u-1\n").unwrap()["u-1"], Record { flagged: true, ..Record::default() });
        assert_eq!(read("id\nu-1\n").unwrap()["u-1"].entitled, None, "without the column nothing is said");
    }

    #[test]
    fn everything_wrong_with_a_list_is_said_with_its_line() {
        for (text, said) in [
            ("", "r.csv:1: there is no column `id`: the first line names the columns"),
            ("name\nana\n", "r.csv:1: `name` is not a column: expected `id`, and any of `vip`, `flagged`, `groups`, `entitled`"),
            ("vip\nyes\n", "r.csv:1: there is no column `id`: the first line names the columns"),
            ("id,ID\na,b\n", "r.csv:1: `ID` is not a column: expected `id`, and any of `vip`, `flagged`, `groups`, `entitled`"),
            ("id,vip,id\na,no,b\n", "r.csv:1: the column `id` stands there twice: remove one"),
            (
                "id;flagged\na;yes\n",
                "r.csv:1: `id;flagged` is not a column: expected `id`, and any of `vip`, `flagged`, `groups`, `entitled`",
            ),
            ("id,vip\n", "r.csv: names no requester: a list that was cut off would look like this"),
            ("id,vip\nu-1,no\nu-2,maybe\n", "r.csv:3: `vip` is `maybe`: expected `yes` or `no`"),
            ("id,flagged\nu-1,x\n", "r.csv:2: `flagged` is `x`: expected `yes` or `no`"),
            ("id\n\nАna@example.com\n", "r.csv:3: `Аna@example.com` is not an identity: expected 1 to 128 letters, digits and `.-_@:+`"),
            ("id,vip\n,yes\n", "r.csv:2: `` is not an identity: expected 1 to 128 letters, digits and `.-_@:+`"),
            ("id,vip\nu-1,no\nU-1,yes\n", "r.csv:3: `u-1` stands in line 2 already, in whatever spelling: keep one"),
            ("id\na+x@b.io\na@B.io.\n", "r.csv:3: `a@b.io` stands in line 2 already, in whatever spelling: keep one"),
            ("id,groups\nu-1,a/b\n", "r.csv:2: `a/b` is not a group: expected a-z, 0-9, `-` and `_`"),
            ("id,groups\nu-1,Domain Users\n", "r.csv:2: `Domain` is not a group: expected a-z, 0-9, `-` and `_`"),
            ("id,entitled\nu-1,restart-*\n", "r.csv:2: `restart-*` is not a runbook, a category or `*`"),
            ("id,entitled\nu-1,hardware//x\n", "r.csv:2: `hardware//x` is not a runbook, a category or `*`"),
            ("id,vip\nu-1\n", "r.csv:2: has 1 cells, the first line has 2"),
        ] {
            assert_eq!(read(text).unwrap_err(), said, "{text:?}");
        }
        assert_eq!(parse("r.csv", b"id\n\xff\n").unwrap_err().to_string(), "r.csv:2: is not UTF-8");
        assert_eq!(read("id,vip\r\nu-1,no\r\n\r\nu-2,x\r\n").unwrap_err(), "r.csv:4: `vip` is `x`: expected `yes` or `no`");
        let two = read("id,vip\nu-1,x\nu-2,y\n").unwrap_err();
        assert_eq!(two.lines().count(), 2, "{two}");
        let many = format!("id,vip\n{}", (0..50).map(|n| format!("u-{n},x\n")).collect::<String>());
        assert!(read(&many).unwrap_err().ends_with("r.csv: and 30 more"));
    }

    #[test]
    fn an_answer_with_a_member_that_is_not_known_is_refused() {
        let read = |json: &str| Record::from_json(&serde_json::from_str(json).unwrap());
        assert_eq!(read("{}").unwrap(), Record::default());
        let full = read(r#"{"id": "x", "vip": true, "flagged": true, "groups": ["staff"], "entitled": ["*", "access/mfa"]}"#).unwrap();
        assert!(full.vip && full.flagged && full.groups.contains("staff") && full.entitled.unwrap().contains("access/mfa"));
        assert_eq!(read(r#"{"entitled": null}"#).unwrap().entitled, None);
        assert_eq!(read(r#"{"entitled": []}"#).unwrap().entitled, Some(BTreeSet::new()));
        for bad in [
            r#"{"flaged": true}"#,
            r#"{"flagged": "no"}"#,
            r#"{"vip": null}"#,
            r#"{"groups": "staff"}"#,
            r#"{"groups": ["Staff"]}"#,
            r#"{"entitled": "*"}"#,
            r#"{"entitled": ["a b"]}"#,
            "[]",
            "null",
            "true",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let many: Vec<String> = (0..=MOST_GROUPS).map(|n| format!("g{n}")).collect();
        assert!(Record::from_json(&serde_json::json!({ "groups": many })).unwrap_err().contains("too many"));
    }

    #[test]
    fn a_list_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let said = load(&folder.path().join("none.csv")).unwrap_err().to_string();
        assert!(said.contains("none.csv") && said.starts_with("cannot read"), "{said}");
    }
}
