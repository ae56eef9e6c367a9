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
    /// A file, or a folder of `.yaml`, `.yml` and `.json` files.
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
    let mut files = Vec::new();
    if args.source.is_dir() {
        for entry in std::fs::read_dir(&args.source)? {
            let path = entry?.path();
            let known = path.extension().is_some_and(|e| ["yaml", "yml", "json"].iter().any(|known| e.eq_ignore_ascii_case(known)));
            if path.is_file() && known {
                files.push(path);
            } else {
                eprintln!("left out `{}`: not a .yaml, .yml or .json file", path.display());
            }
        }
        files.sort();
    } else {
        files.push(args.source.clone());
    }
    std::fs::create_dir_all(&args.out).map_err(|why| format!("cannot make `{}`: {why}", args.out.display()))?;
    let mut all = Vec::new();
    for file in files {
        all.push(one(&file, args)?);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        all.iter().for_each(tell);
    }
    let sound = !all.is_empty() && all.iter().all(|file| file.refused.is_empty());
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
