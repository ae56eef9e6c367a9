//! Closed lists of allowed values: CSV files beside the runbooks, read at load.
//!
//! `inventory/printers.csv` means its first column, `inventory/printers.csv#name` the column headed `name`.
//! `directory:users` means the configured service of that name, which is asked for each value. Never follows a path
//! out of the runbook folder, and asks no service itself.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use super::validate;
use crate::domain::{name::DirectoryName, runbook::Directory};

/// Enough for 100,000 hosts.
const LARGEST_LIST: u64 = 8 * 1024 * 1024;

/// Reads each list once.
pub(crate) struct Directories {
    root: PathBuf,
    /// Names of the configured services; `None` takes any.
    services: Option<BTreeSet<DirectoryName>>,
    read: RefCell<BTreeMap<String, Result<Directory, String>>>,
}

impl Directories {
    pub(crate) fn beside(root: &Path) -> Self {
        Self { root: root.to_owned(), services: None, read: RefCell::default() }
    }

    /// The same, taking only these services.
    pub(crate) fn with_services(self, services: Option<BTreeSet<DirectoryName>>) -> Self {
        Self { services, ..self }
    }

    pub(crate) fn get(&self, path: &str) -> Result<Directory, String> {
        if let Some(known) = self.read.borrow().get(path) {
            return known.clone();
        }
        let directory = self.load(path);
        self.read.borrow_mut().insert(path.to_owned(), directory.clone());
        directory
    }

    fn load(&self, written: &str) -> Result<Directory, String> {
        if let Some(name) = written.strip_prefix("directory:") {
            return self.service(name);
        }
        let (file, column) = written.split_once('#').map_or((written, None), |(file, column)| (file, Some(column)));
        let inside = Path::new(file);
        if !inside.components().all(|part| matches!(part, Component::Normal(_))) || !file.ends_with(".csv") {
            return Err(format!("`{file}` is not a list: name a `.csv` file inside the runbook folder"));
        }
        let unreadable = |why: std::io::Error| format!("cannot read the list `{file}`: {why}");
        let path = self.root.join(inside);
        // A link may point anywhere; the resolved file has to be inside too.
        let root = self.root.canonicalize().map_err(unreadable)?;
        let real = path.canonicalize().map_err(unreadable)?;
        if !real.starts_with(&root) {
            return Err(format!("the list `{file}` is a link out of the runbook folder"));
        }
        if real.metadata().map_err(unreadable)?.len() > LARGEST_LIST {
            return Err(format!("the list `{file}` is larger than {LARGEST_LIST} bytes"));
        }
        let bytes = std::fs::read(&real).map_err(unreadable)?;
        Ok(Directory::List { path: written.to_owned(), values: values(file, &bytes, column)? })
    }

    fn service(&self, name: &str) -> Result<Directory, String> {
        let name = DirectoryName::new(name).map_err(|why| why.to_string())?;
        match &self.services {
            Some(known) if !known.contains(&name) => {
                let listed: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
                let listed = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
                Err(format!("the configuration has no directory `{name}`; it has {listed}"))
            }
            _ => Ok(Directory::Service { name }),
        }
    }
}

fn values(file: &str, bytes: &[u8], column: Option<&str>) -> Result<BTreeSet<String>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let headers = reader.headers().map_err(|why| format!("the list `{file}` has no heading line: {why}"))?;
    let index = match column {
        Some(name) => headers.iter().position(|h| h == name).ok_or_else(|| format!("the list `{file}` has no column `{name}`"))?,
        None => 0,
    };
    let mut values = BTreeSet::new();
    for (row, record) in reader.records().enumerate() {
        let line = row + 2;
        let record = record.map_err(|why| format!("the list `{file}` does not parse: {why}"))?;
        let value = record.get(index).unwrap_or_default();
        validate::charset(value).map_err(|why| format!("the list `{file}` line {line}: {why}"))?;
        if !values.insert(value.to_owned()) {
            return Err(format!("the list `{file}` line {line} repeats `{value}`"));
        }
    }
    if values.is_empty() { Err(format!("the list `{file}` has no values")) } else { Ok(values) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_by_column_and_hold_only_sound_values() {
        let csv = b"name,site\nprn-01,berlin\nprn-02,lisbon\n";
        assert_eq!(values("p.csv", csv, None).unwrap(), BTreeSet::from(["prn-01".to_owned(), "prn-02".to_owned()]));
        assert_eq!(values("p.csv", csv, Some("site")).unwrap().len(), 2);
        assert!(values("p.csv", csv, Some("owner")).is_err());
        assert!(values("p.csv", b"name\n", None).is_err(), "an empty list would let nothing through without saying so");
        assert!(values("p.csv", b"name\na\na\n", None).unwrap_err().contains("repeats"));
        assert!(values("p.csv", "name\nprn-０７\n".as_bytes(), None).is_err());
        assert!(values("p.csv", b"name\n../etc\n", None).is_err());
    }

    #[test]
    fn a_service_is_known_by_its_configured_name() {
        let any = Directories::beside(Path::new("."));
        let users = DirectoryName::new("users").unwrap();
        assert_eq!(any.get("directory:users"), Ok(Directory::Service { name: users.clone() }));
        assert!(any.get("directory:../users").is_err());
        let some = Directories::beside(Path::new(".")).with_services(Some([users].into()));
        assert!(some.get("directory:users").is_ok());
        assert_eq!(some.get("directory:hosts").unwrap_err(), "the configuration has no directory `hosts`; it has `users`");
    }

    #[test]
    fn a_list_outside_the_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("runbooks");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(folder.path().join("x.csv"), "name\na\n").unwrap();
        let directories = Directories::beside(&root);
        for bad in ["../x.csv", "/etc/passwd", "a/../../x.csv", "x.txt", "missing.csv"] {
            assert!(directories.get(bad).is_err(), "{bad}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(folder.path().join("x.csv"), root.join("link.csv")).unwrap();
            assert!(directories.get("link.csv").unwrap_err().contains("link out"));
        }
    }
}
