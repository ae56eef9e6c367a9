//! How good a model is with few examples of each label.
//!
//! `cargo bench --bench learning_curve -- TRAIN.jsonl DEV.jsonl TARGET [EMBEDDING [TEACHER]]`, the last two as `sluicegate
//! train` has them. Nought examples: the labels' own names, as a catalogue has them. The examples of each label are the first
//! of the file; the development file is measured on and not learned from. Texts of one line: `{"text": …}` or
//! `{"title": …, "body": …}`.

use std::{collections::BTreeMap, error::Error, fs, path::PathBuf};

use serde_json::{Value, json};
use sluicegate::triage::{TrainOptions, train};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const EXAMPLES: [usize; 6] = [0, 2, 5, 20, 100, usize::MAX];

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [data, dev, target, ..] = arguments.as_slice() else {
        println!("nothing measured: give TRAIN.jsonl DEV.jsonl TARGET [EMBEDDING [TEACHER]]");
        return Ok(());
    };
    let embedding = match arguments.get(3).map_or("static", String::as_str) {
        "none" => None,
        name => Some((name.parse()?, PathBuf::from("models/embedding"))),
    };
    let taught = arguments.get(4).is_none_or(|teacher| teacher != "none");
    let folder = tempfile::tempdir()?;
    let lines: Vec<String> = fs::read_to_string(data)?.lines().map(str::to_owned).collect();
    println!("{:>8} {:>8} {:>9} {:>9} {:>22}", "examples", "texts", "accuracy", "macro-F1", "right @ answered (90 %)");
    for most in EXAMPLES {
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        let mut chosen = Vec::new();
        for line in &lines {
            let read: Value = serde_json::from_str(line)?;
            let Some(label) = read["labels"][target].as_str() else { continue };
            let count = taken.entry(label.to_owned()).or_default();
            if *count < most {
                *count += 1;
                chosen.push(line.clone());
            }
        }
        // A label is learned from two texts at least, and its name is what is always there.
        for label in taken.keys() {
            let name = label.replace(['_', '/', '-'], " ");
            chosen.extend([name.clone(), format!("about {name}")].map(|text| json!({"text": text, "labels": {target: label}}).to_string()));
        }
        let file = folder.path().join("some.jsonl");
        fs::write(&file, chosen.join("\n"))?;
        let options = TrainOptions {
            name: "curve".to_owned(),
            data: vec![file],
            dev: Some(PathBuf::from(dev)),
            catalogue: None,
            signals: "signals.toml".into(),
            more: None,
            frozen: None,
            targets: vec![target.clone()],
            out: folder.path().join("model"),
            seed: 42,
            promised: 0.9,
            licence: "measured only".to_owned(),
            embedding: embedding.clone(),
            taught,
        };
        let manifest = train(&options, &mut |_| {})?;
        let Some(figures) = manifest.heads[target].dev.as_ref() else { return Err("the development file has no such label".into()) };
        let most = if most == usize::MAX { "all".to_owned() } else { most.to_string() };
        let at = figures.coverage_at_90;
        println!(
            "{most:>8} {:>8} {:>7.1} % {:>7.1} % {:>10.1} @ {:.1} %",
            chosen.len(),
            figures.accuracy * 100.0,
            figures.macro_f1 * 100.0,
            at.accuracy * 100.0,
            at.coverage * 100.0
        );
    }
    Ok(())
}
