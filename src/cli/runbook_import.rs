//! `runbook import`: other engines' procedures into a folder of runbooks, with a report of what is missing.
//!
//! Never overwrites: every file is written whole or not at all, and under a name that was free.

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use serde::Serialize;

use super::Outcome;
use crate::runbook::{ImportFormat, Imported, Refusal, import};

#[derive(Debug, Parser)]
pub struct Import {
    /// A file, or a folder whose `.yaml`, `.yml` and `.json` files are read, folders in it too.
    source: PathBuf,
    /// The folder for the runbooks; made when missing.
    #[arg(long)]
    out: PathBuf,
    /// Guessed from each file when left out.
    #[arg(long, value_enum)]
    from: Option<From>,
    /// The team that keeps the imported runbooks true.
    #[arg(long, default_value = "service-desk")]
    owner: String,
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum From {
    Rundeck,
    Cacao,
}

/// Folders deeper than this are a mistake or a loop.
const DEEPEST: usize = 8;

/// Everything that was looked at: nothing is dropped silently.
#[derive(Debug, Serialize)]
struct Whole {
    files: Vec<Outcomes>,
    left_out: Vec<LeftOut>,
}

#[derive(Debug, Serialize)]
struct LeftOut {
    path: PathBuf,
    why: &'static str,
}

/// What became of one source file.
#[derive(Debug, Serialize)]
struct Outcomes {
    file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<ImportFormat>,
    imported: Vec<Imported>,
    refused: Vec<Refusal>,
}

/// One byte more than is read, so that the reader can say that the file is too large.
const READ_AT_MOST: u64 = 2 * 1024 * 1024 + 1;

pub fn run(args: &Import) -> Outcome {
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    if args.source.is_dir() {
        sources(&args.source, 0, &mut files, &mut left_out).map_err(|why| format!("cannot read `{}`: {why}", args.source.display()))?;
    } else {
        files.push(args.source.clone());
    }
    std::fs::create_dir_all(&args.out).map_err(|why| format!("cannot make `{}`: {why}", args.out.display()))?;
    let mut whole = Whole { files: Vec::new(), left_out };
    for file in files {
        whole.files.push(one(&file, args)?);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&whole)?);
    } else {
        whole.files.iter().for_each(tell);
        for left in &whole.left_out {
            println!("{}: left out: {}", place(&left.path, "", None), left.why);
        }
        let made: usize = whole.files.iter().map(|file| file.imported.len()).sum();
        let refused: usize = whole.files.iter().map(|file| file.refused.len()).sum();
        println!("{} file(s): {made} runbook(s) made, {refused} refused, {} left out", whole.files.len(), whole.left_out.len());
    }
    let sound = !whole.files.is_empty() && whole.files.iter().all(|file| file.refused.is_empty());
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The sources in `folder` and below, in the order of their paths.
fn sources(folder: &Path, depth: usize, files: &mut Vec<PathBuf>, left_out: &mut Vec<LeftOut>) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        let known = path.extension().is_some_and(|e| ["yaml", "yml", "json"].iter().any(|known| e.eq_ignore_ascii_case(known)));
        let why = match (kind.is_dir(), path.is_file()) {
            _ if entry.file_name().to_string_lossy().starts_with('.') => "its name begins with a dot",
            (true, _) if depth < DEEPEST => {
                sources(&path, depth + 1, files, left_out)?;
                continue;
            }
            (true, _) => "the folder is deeper than 8 levels",
            (false, true) if known => {
                files.push(path);
                continue;
            }
            (false, true) => "not a .yaml, .yml or .json file",
            (false, false) => "neither a file nor a folder; links to folders are not followed",
        };
        left_out.push(LeftOut { path, why });
    }
    Ok(())
}

fn one(file: &Path, args: &Import) -> Result<Outcomes, Box<dyn std::error::Error + Send + Sync>> {
    let mut bytes = Vec::new();
    let mut source = std::fs::File::open(file).map_err(|why| format!("cannot read `{}`: {why}", file.display()))?.take(READ_AT_MOST);
    source.read_to_end(&mut bytes)?;
    let format = args.from.map(|from| match from {
        From::Rundeck => ImportFormat::Rundeck,
        From::Cacao => ImportFormat::Cacao,
    });
    let mut outcomes = Outcomes { file: file.to_owned(), format, imported: Vec::new(), refused: Vec::new() };
    let made = match import(&bytes, format, &args.owner) {
        Ok((format, made)) => {
            outcomes.format = Some(format);
            made
        }
        Err(refusal) => vec![Err(refusal)],
    };
    for result in made {
        match result {
            Ok(imported) => match write(&args.out, &imported) {
                Ok(()) => outcomes.imported.push(imported),
                Err(why) => outcomes.refused.push(Refusal { pointer: imported.pointer, line: imported.line, why }),
            },
            Err(refusal) => outcomes.refused.push(refusal),
        }
    }
    Ok(outcomes)
}

fn write(folder: &Path, imported: &Imported) -> Result<(), String> {
    let path = folder.join(format!("{}.md", imported.id));
    let cannot = |why: String| format!("`{}` cannot be written: {why}", path.display());
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|why| cannot(why.to_string()))?;
    file.write_all(imported.text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(|why| cannot(why.to_string()))?;
    #[cfg(unix)]
    {
        let shared = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(shared).map_err(|why| cannot(why.to_string()))?;
    }
    file.persist_noclobber(&path).map(drop).map_err(|why| match why.error.kind() {
        std::io::ErrorKind::AlreadyExists => cannot("it is there already, and import never overwrites".to_owned()),
        _ => cannot(why.error.to_string()),
    })
}

fn place(file: &Path, pointer: &str, line: Option<u64>) -> String {
    let line = line.map_or_else(String::new, |line| format!(":{line}"));
    let pointer = if pointer.is_empty() { String::new() } else { format!(" {pointer}") };
    // Keys of a stranger's file must not speak to the terminal.
    format!("{}{line}{pointer}", file.display()).replace(char::is_control, "?")
}

fn tell(outcomes: &Outcomes) {
    for imported in &outcomes.imported {
        println!("{}: {}.md  {}", place(&outcomes.file, &imported.pointer, imported.line), imported.id, imported.title);
        for note in &imported.notes {
            println!("  {}: {}", place(&outcomes.file, &note.pointer, note.line), note.why.replace(char::is_control, "?"));
        }
    }
    for refusal in &outcomes.refused {
        println!("{}: refused: {}", place(&outcomes.file, &refusal.pointer, refusal.line), refusal.why.replace(char::is_control, "?"));
    }
}
