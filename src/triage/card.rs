//! The model card that `train` writes beside a model: data, quality, calibration and limits, in Markdown.

use std::fmt::Write as _;

use super::{head::ClassMetrics, measure, registry::Manifest};

/// The file of a head's calibration plot, beside the card.
pub(super) fn plot_name(target: &str) -> String {
    format!("calibration-{target}.svg")
}

/// A share of `right` in `all` with its 95 % interval.
fn share(right: usize, all: usize) -> String {
    let (low, high) = measure::interval(right, all);
    format!("{:.1} % ({:.1} to {:.1})", right as f64 / all.max(1) as f64 * 100.0, low * 100.0, high * 100.0)
}

pub(super) fn card(manifest: &Manifest, examples: usize) -> String {
    let mut out = String::new();
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "# Model `{}`\n\nWritten by `{} train`, seed {}. Licence: {}.\n\nTwo linear stages for each target: one-vs-rest support vector machines over {} word and character \
         n-grams with frozen TF-IDF, then a multinomial logistic regression over their out-of-fold scores, the embedding{} and {} structured features. \
         Probabilities are calibrated with a temperature and a confidence map a target.\n\n## Data\n\n{examples} labelled texts:\n\n",
        manifest.name,
        manifest.engine,
        manifest.seed,
        manifest.licence,
        manifest.features,
        if manifest.embedding.as_ref().is_some_and(|embedding| embedding.tuned) { ", its last layers tuned to the labels," } else { "" },
        manifest.structured.len(),
    );
    for (name, digest) in &manifest.data {
        let _ = writeln!(out, "- `{name}` {digest}");
    }
    let taught: Vec<String> = manifest.heads.iter().filter(|(_, head)| head.taught).map(|(target, _)| format!("`{target}`")).collect();
    if !taught.is_empty() {
        let _ = writeln!(out, "\nOf {} it learned from the scores of a MiniLM that was tuned to the labels, too.", taught.join(", "));
    }
    out.push_str("\n## Quality on out-of-fold predictions (5 folds of the training data)\n\n");
    out.push_str("| target | labels | examples | accuracy | macro-F1 | calibration error |\n|---|---|---|---|---|---|\n");
    for (target, head) in &manifest.heads {
        let m = &head.metrics;
        let right = (m.accuracy * m.examples as f64).round() as usize;
        let (labels, accuracy, f1, ece) = (head.labels.len(), share(right, m.examples), percent(m.macro_f1), percent(m.ece));
        let _ = writeln!(out, "| {target} | {labels} | {} | {accuracy} | {f1} | {ece} |", m.examples);
    }
    for (target, dev) in manifest.heads.iter().filter_map(|(target, head)| Some((target, head.dev.as_ref()?))) {
        let (accuracy, f1, ece) = (percent(dev.accuracy), percent(dev.macro_f1), percent(dev.ece));
        let _ = writeln!(out, "| {target}, development file | | {} | {accuracy} | {f1} | {ece} |", dev.n);
    }
    out.push_str("\n| target | promised accuracy | threshold | coverage | accuracy there |\n|---|---|---|---|---|\n");
    for (target, head) in &manifest.heads {
        for c in &head.metrics.coverage {
            let (promised, coverage, accuracy) = (percent(c.promised), percent(c.coverage), percent(c.accuracy));
            let _ = writeln!(out, "| {target} | {promised} | {:.3} | {coverage} | {accuracy} |", c.threshold);
        }
    }
    out.push_str("\nIn brackets: 95 % intervals (Wilson).\n");
    for (target, head) in &manifest.heads {
        let _ = write!(out, "\n## Calibration of `{target}`\n\n![Probability claimed against share right]({})\n", plot_name(target));
        let mut worst: Vec<&ClassMetrics> = head.metrics.classes.iter().filter(|class| class.right < class.examples).collect();
        worst.sort_by(|a, b| (a.right * b.examples).cmp(&(b.right * a.examples)).then_with(|| a.label.cmp(&b.label)));
        if !worst.is_empty() {
            out.push_str(
                "\nLabels that are found least often:\n\n| label | examples | found | of the answers right |\n|---|---|---|---|\n",
            );
        }
        for class in worst.iter().take(10) {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                class.label,
                class.examples,
                share(class.right, class.examples),
                share(class.right, class.answered)
            );
        }
    }
    out.push_str(
        "\n## Limits\n\nBeginnings of some of the texts (80 characters, secrets and personal data taken out) are kept with their vectors when there is an \
         embedding, to show what a text is nearest to: whoever may read the model may read them. Of corrected tickets none are kept. A text with few known n-grams, or unlike all that was learned from, or below the threshold of its target, gets no label: a person decides. \
         The model never lowers a risk, chooses no command and fills no parameter. It knows the language of its examples only.\n",
    );
    out
}
