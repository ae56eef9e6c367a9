//! Where past decisions come from: a file of JSON Lines, or a running service page by page.
//!
//! Holds one batch at a time, so that a month of a large desk fits.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    cli::{assemble::System, remote, since::Since},
    domain::ambient::Ambient as _,
    gate::backtest::{Again, Backtest, PastDecision},
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Decisions evaluated together; enough that starting threads costs nothing.
const BATCH: usize = 2_000;

/// As many as the service gives at once.
const PAGE: usize = 200;

#[derive(Debug, Args)]
pub struct FromService {
    #[command(flatten)]
    remote: remote::OptionalRemote,
    /// How far back: a span like `30d` or `12h`, or an RFC 3339 time.
    #[arg(long, default_value = "30d")]
    since: Since,
    /// Keep the receipts fetched as JSON Lines, for `--receipts`.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

/// As many threads as there are cores.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl FromService {
    /// Every decision since then, newest first, into `backtest`.
    pub fn feed(&self, backtest: &mut Backtest<'_>) -> Result<(), Failure> {
        let remote = self.remote.require()?;
        let since = self.since.instant(System.now());
        let unwritable = |path: &Path, why: std::io::Error| format!("{} cannot be written: {why}", path.display());
        let mut kept = match &self.save {
            Some(path) => Some((path, BufWriter::new(File::create(path).map_err(|why| unwritable(path, why))?))),
            None => None,
        };
        let (mut waiting, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let page = remote.get(&format!("/v1/receipts?since={since}&limit={PAGE}{after}"))?;
            for item in page["items"].as_array().ok_or("the service answered without `items`")? {
                if let Some((path, file)) = &mut kept {
                    writeln!(file, "{item}").map_err(|why| unwritable(path, why))?;
                }
                waiting.push(PastDecision::read(&item.to_string())?);
            }
            cursor = page["next"].as_str().map(str::to_owned);
            if waiting.len() >= BATCH || cursor.is_none() {
                take(backtest, &waiting);
                waiting.clear();
            }
            if cursor.is_none() {
                break;
            }
        }
        match kept {
            Some((path, mut file)) => file.flush().map_err(|why| unwritable(path, why).into()),
            None => Ok(()),
        }
    }
}

/// Every decision of a file of JSON Lines into `backtest`.
pub fn feed_file(path: &Path, backtest: &mut Backtest<'_>) -> Result<(), Failure> {
    let file = File::open(path).map_err(|why| format!("{} cannot be read: {why}", path.display()))?;
    let mut waiting = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|why| format!("{} cannot be read: {why}", path.display()))?;
        if line.trim().is_empty() {
            continue;
        }
        waiting.push(PastDecision::read(&line).map_err(|why| format!("{}:{}: {why}", path.display(), number + 1))?);
        if waiting.len() >= BATCH {
            take(backtest, &waiting);
            waiting.clear();
        }
    }
    take(backtest, &waiting);
    Ok(())
}

fn take(backtest: &mut Backtest<'_>, decisions: &[PastDecision]) {
    backtest.take(&decisions.iter().map(Again::from).collect::<Vec<_>>());
}
