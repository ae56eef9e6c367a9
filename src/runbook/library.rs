//! All runbooks of one folder in force together: looked up by id, ranked as one, named by one digest.
//!
//! INVARIANT: a library with an error finding does not exist; the caller keeps the last good one.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    alert_rules::AlertRules,
    calibration::Calibration,
    directory::Directories,
    finding::{Finding, Place, Rule, Severity},
    lint,
    matching::{self, Matcher, Ranking, Standing},
    parameters::{self, Filled},
    parse::{self, Sheet},
    plain,
    query::Query,
    semantic::Meaning,
};
use crate::domain::{
    digest::Digest,
    look_up::{Answer, Question},
    name::{ConnectorName, DirectoryName, RunbookId},
    runbook::{Directory, Runbook},
};

/// What the rest of the configuration knows; `None` leaves that check out.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub categories: Option<BTreeSet<String>>,
    pub connectors: Option<BTreeSet<ConnectorName>>,
    pub owners: Option<BTreeSet<String>>,
    /// Directory services that values may be looked up in.
    pub directories: Option<BTreeSet<DirectoryName>>,
    /// For overdue reviews.
    pub today: Option<jiff::civil::Date>,
    /// The embedding that runbooks are found by beside their words.
    pub meaning: Option<Meaning>,
    /// Prometheus rule files, or folders of them, whose annotations may be in tickets.
    pub alert_rules: Vec<PathBuf>,
}

/// A set of sound runbooks, ready to rank.
#[derive(Debug)]
pub struct Library {
    sheets: BTreeMap<RunbookId, Arc<Sheet>>,
    warnings: Vec<Finding>,
    digest: Digest,
    matcher: Matcher,
    calibration: Calibration,
    rules: AlertRules,
    meaning: Option<Meaning>,
}

impl Library {
    /// Every `*.md` of `dir` and its folders but README and index pages, checked one by one and against each other.
    ///
    /// Examples are not tried here, because that costs a ranking each; [`super::lint`] does.
    ///
    /// # Errors
    /// All findings, errors and warnings, when at least one is an error.
    pub fn load(dir: &Path, known: &Known) -> Result<Self, Vec<Finding>> {
        Self::read(dir, known, None)
    }

    /// The same as [`Library::load`], taking over the index and vectors of every runbook that `self` has alike.
    ///
    /// # Errors
    /// As [`Library::load`].
    pub fn load_again(&self, dir: &Path, known: &Known) -> Result<Self, Vec<Finding>> {
        Self::read(dir, known, Some(self))
    }

    fn read(dir: &Path, known: &Known, before: Option<&Self>) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let mut files = Vec::new();
        if let Err(why) = markdown_files(dir, "", 0, &mut files) {
            let message = format!("cannot read the runbook folder `{}`: {why}", dir.display());
            return Err(vec![Finding::error(".", Place::TOP, Rule::Unreadable, message)]);
        }
        files.sort();
        let directories = Directories::beside(dir).with_services(known.directories.clone());
        let known_files: BTreeMap<&str, &Sheet> =
            before.into_iter().flat_map(Self::sheets).map(|sheet| (sheet.file.as_str(), sheet)).collect();
        // A sheet with a list depends on the list's file too, and is read again.
        let unchanged = |file: &str, bytes: &[u8]| {
            let sheet = known_files.get(file)?;
            let alone = sheet.runbook.parameters.values().all(|parameter| parameter.one_of.is_none());
            (alone && sheet.runbook.digest == Digest::of(bytes)).then(|| Sheet::clone(sheet))
        };
        let mut sheets = Vec::new();
        for file in &files {
            match read_capped(&dir.join(file)) {
                Ok(bytes) if plain::is_index_page(file, &bytes) => {}
                Ok(bytes) => match unchanged(file, &bytes).map_or_else(|| parse::parse(file, &bytes, &|path| directories.get(path)), Ok) {
                    Ok(sheet) => sheets.push(sheet),
                    Err(found) => findings.extend(found),
                },
                Err(why) => findings.push(Finding::error(file, Place::TOP, Rule::Unreadable, format!("cannot read the file: {why}"))),
            }
        }
        Self::assemble(sheets, findings, known, before)
    }

    /// A library of sheets that are parsed already.
    ///
    /// # Errors
    /// As [`Library::load`].
    pub fn from_sheets(sheets: Vec<Sheet>, known: &Known) -> Result<Self, Vec<Finding>> {
        Self::assemble(sheets, Vec::new(), known, None)
    }

    fn assemble(sheets: Vec<Sheet>, mut findings: Vec<Finding>, known: &Known, before: Option<&Self>) -> Result<Self, Vec<Finding>> {
        for sheet in &sheets {
            findings.extend(lint::one(sheet, known));
        }
        findings.extend(lint::together(&sheets));
        findings.sort();
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(findings);
        }
        let calibration = Calibration::shipped(known.meaning.as_ref().map(Meaning::kind))
            .map_err(|why| vec![Finding::error(".", Place::TOP, Rule::Unreadable, why.to_string())])?;
        let rules = AlertRules::read(&known.alert_rules)?;
        let sheets = sheets.into_iter().map(|sheet| (sheet.runbook.id.clone(), Arc::new(sheet))).collect();
        let matcher = before.map_or(&Matcher::default(), |before| &before.matcher).updated(&sheets, known.meaning.as_ref());
        let library = Self {
            digest: digest(&sheets, known.meaning.as_ref()),
            matcher,
            sheets,
            warnings: findings,
            calibration,
            rules: AlertRules::default(),
            meaning: known.meaning.clone(),
        };
        Ok(library.with_rules(rules))
    }

    /// The same library reading texts backwards by these alert rules.
    pub(crate) fn with_rules(mut self, rules: AlertRules) -> Self {
        if let Some(rules) = rules.digest() {
            self.digest = Digest::of_parts([self.digest.as_bytes().as_slice(), rules.as_bytes()]);
        }
        Self { rules, ..self }
    }

    /// The same library without some runbooks or examples, for training and evaluation.
    pub(crate) fn altered(&self, alter: impl Fn(&Sheet) -> Option<Sheet>) -> Self {
        let altered = self.sheets.values().filter_map(|sheet| Some((sheet.runbook.id.clone(), Arc::new(alter(sheet)?))));
        let sheets: BTreeMap<RunbookId, Arc<Sheet>> = altered.collect();
        Self {
            digest: digest(&sheets, self.meaning.as_ref()),
            matcher: self.matcher.updated(&sheets, self.meaning.as_ref()),
            sheets,
            warnings: Vec::new(),
            calibration: self.calibration.clone(),
            rules: AlertRules::default(),
            meaning: self.meaning.clone(),
        }
    }

    /// Vectors that were made at this load, and the file that keeps them for the next one; `None` when it has them.
    ///
    /// This room writes nothing: who loads a library keeps what it made.
    pub fn to_keep(&self) -> Option<(PathBuf, Vec<u8>)> {
        self.matcher.to_keep()
    }

    /// The same library judging fit by other coefficients.
    pub fn with_calibration(self, calibration: Calibration) -> Self {
        Self { calibration, ..self }
    }

    pub fn get(&self, id: &RunbookId) -> Option<&Runbook> {
        self.sheets.get(id).map(|sheet| &sheet.runbook)
    }

    /// All runbooks in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Runbook> + Clone {
        self.sheets.values().map(|sheet| &sheet.runbook)
    }

    pub fn len(&self) -> usize {
        self.sheets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sheets.is_empty()
    }

    pub(crate) fn sheets(&self) -> impl Iterator<Item = &Sheet> {
        self.sheets.values().map(Arc::as_ref)
    }

    /// What lint found and did not refuse.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    /// Names the whole set: every runbook's bytes, every closed list that values are checked against, the alert rules and
    /// the embedding.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The runbooks for a ticket, best first, and the one proposed when one fits.
    pub fn rank(&self, query: &Query<'_>) -> Ranking {
        matching::answer(self.standings(query), &self.calibration)
    }

    /// The slots of `runbook` for a ticket, with what directory services have answered so far.
    ///
    /// Ask [`Filled::questions`] and fill again until there are none.
    pub fn fill(&self, runbook: &Runbook, query: &Query<'_>, answers: &BTreeMap<Question, Answer>) -> Filled {
        parameters::fill(runbook, &self.rules, query, answers)
    }

    pub(crate) fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    #[cfg(test)]
    pub(crate) fn shares_vectors(&self, other: &Self, id: &RunbookId) -> bool {
        self.matcher.shares_vectors(&other.matcher, id)
    }

    pub(crate) fn standings(&self, query: &Query<'_>) -> Vec<Standing<'_>> {
        self.matcher.standings(query, &|_| false)
    }

    /// As if some runbooks were not there.
    pub(crate) fn standings_without(&self, query: &Query<'_>, left_out: &dyn Fn(&Runbook) -> bool) -> Vec<Standing<'_>> {
        self.matcher.standings(query, left_out)
    }
}

fn digest(sheets: &BTreeMap<RunbookId, Arc<Sheet>>, meaning: Option<&Meaning>) -> Digest {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    parts.extend(meaning.map(|meaning| meaning.digest().as_bytes().to_vec()));
    for (id, sheet) in sheets {
        parts.push(id.as_str().as_bytes().to_vec());
        parts.push(sheet.runbook.digest.as_bytes().to_vec());
        for parameter in sheet.runbook.parameters.values() {
            // What a service says is in each decision's receipt.
            if let Some(Directory::List { path, values }) = &parameter.one_of {
                parts.push(path.as_bytes().to_vec());
                parts.push(Digest::of_parts(values.iter().map(String::as_bytes)).as_bytes().to_vec());
            }
        }
    }
    Digest::of_parts(parts.iter().map(Vec::as_slice))
}

/// Folders deeper than this are no runbook collection but a mistake or a loop of links.
const DEEPEST: usize = 8;

fn markdown_files(root: &Path, inside: &str, depth: usize, files: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(root.join(inside))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = if inside.is_empty() { name.clone() } else { format!("{inside}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < DEEPEST {
            markdown_files(root, &path, depth + 1, files)?;
        } else if !kind.is_dir() && name.ends_with(".md") {
            files.push(path);
        }
    }
    Ok(())
}

/// Reads one byte more than is allowed, so that the parser can say that the file is too large.
fn read_capped(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(parse::LARGEST_FILE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The library in this repository, loaded once for all tests of the room.
#[cfg(test)]
pub(crate) fn shipped() -> &'static Library {
    static SHIPPED: std::sync::LazyLock<Library> = std::sync::LazyLock::new(|| {
        Library::load(Path::new("runbooks"), &Known::default()).unwrap_or_else(|findings| panic!("{findings:#?}"))
    });
    &SHIPPED
}
