//! Pairs for the matcher's calibration from a library's own examples, each left out of the index it is tried on.
//!
//! Three kinds: an example of a runbook that is there (fits when it comes first), the same example with its
//! runbook taken away (nothing fits: the sibling that comes first must look unsure), and a `no_match` example
//! for the runbook it names. Each is tried with the right category known and with none.

use std::collections::BTreeMap;

use super::{
    calibration::Features,
    error::RunbookError,
    evaluate::{Collection, Labelled},
    library::Library,
    matching::Standing,
    query::{Query, same_span, text_query},
};
use crate::domain::{name::RunbookId, untrusted::Untrusted};

/// Every so many examples one is tried with a wrong category, because triage errs too.
const WRONG_CATEGORY_EVERY: usize = 5;

/// Pairs of queries with known answers: each asked as it is, and again as if its answers were not there.
///
/// # Errors
/// As [`Labelled::read`].
pub fn labelled_pairs(collection: &Collection, labelled: &Labelled) -> Result<Vec<(Features, bool)>, RunbookError> {
    let mut pairs = Vec::new();
    for asked in labelled.read()? {
        let fits = |id: &RunbookId| asked.gold.contains_key(collection.name(id));
        text_query(&asked.text, None, |query| {
            let library = collection.library();
            pairs.extend(library.standings(query).first().map(|best| (best.features, fits(&best.runbook.id))));
            if !asked.gold.is_empty() {
                let without = library.standings_without(query, &|runbook| fits(&runbook.id));
                pairs.extend(without.first().map(|best| (best.features, false)));
            }
        });
    }
    Ok(pairs)
}

/// Pairs of a library's own examples.
pub fn example_pairs(library: &Library) -> Vec<(Features, bool)> {
    let mut categories: Vec<&str> = library.iter().filter_map(|r| r.categories.first().map(String::as_str)).collect();
    categories.dedup();
    let mut pairs = Vec::new();
    for (turn, runbook) in library.iter().enumerate() {
        let right = runbook.categories.first().map(String::as_str);
        let wrong = categories.iter().copied().cycle().skip(turn + 1).take(categories.len()).find(|c| !runbook.categories.contains(*c));
        let own = |best: &Standing<'_>| best.runbook.id == runbook.id;
        for (number, example) in runbook.examples.matching.iter().enumerate() {
            let held_out = library.altered(|sheet| {
                let mut sheet = sheet.clone();
                sheet.runbook.examples.matching.retain(|other| other != example);
                Some(sheet)
            });
            let mut tried = vec![None, right];
            tried.extend((number % WRONG_CATEGORY_EVERY == 0).then_some(wrong));
            for category in tried {
                text_query(example, category, |query| {
                    pairs.extend(held_out.standings(query).first().map(|best| (best.features, own(best))));
                    let without = held_out.standings_without(query, &|other| other.id == runbook.id);
                    pairs.extend(without.first().map(|best| (best.features, false)));
                });
            }
            for name in &runbook.triggers.alertnames {
                alert(name, example, |query| pairs.extend(held_out.standings(query).first().map(|best| (best.features, own(best)))));
            }
        }
        for example in &runbook.examples.not_matching {
            for category in [None, right] {
                text_query(example, category, |query| {
                    pairs.extend(library.standings(query).iter().find(|standing| own(standing)).map(|standing| (standing.features, false)));
                });
            }
        }
    }
    pairs
}

/// An alert with this name and an example as its description.
fn alert<R>(name: &str, text: &str, with: impl FnOnce(&Query<'_>) -> R) -> R {
    let labels = BTreeMap::from([("alertname".to_owned(), Untrusted::new(name))]);
    let attributes = BTreeMap::new();
    with(&Query { title: name, body: text, labels: &labels, attributes: &attributes, requester: None, category: None, span_of: &same_span })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        runbook::{Calibration, FitPairs, Known, Meaning, fit_calibration, library::shipped, lint},
        text::embedding::{CachedEmbedder, Embedder, EmbeddingKind},
    };

    fn refit(library: &Library, embedding: &str) {
        let file = format!("models/matcher/{embedding}.json");
        // Few, and the mistake that a person forgives least: counted twice.
        let public = ["alerts", "articles", "foreign", "foreign"].map(|corpus| format!("models/matcher/pairs/{corpus}-{embedding}.jsonl"));
        let mut pairs: Vec<_> = public.iter().flat_map(|path| FitPairs::read(std::path::Path::new(path)).unwrap().pairs()).collect();
        pairs.extend(example_pairs(library));
        let fitted = fit_calibration(&pairs).unwrap();
        if std::env::var_os("UPDATE_MATCHER").is_some() {
            std::fs::write(&file, serde_json::to_string_pretty(&fitted).unwrap() + "\n").unwrap();
        }
        let stored = Calibration::from_json(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let distance = fitted.distance(&stored);
        assert!(
            distance < 1e-3,
            "refit moved by {distance}: run this test with UPDATE_MATCHER=1 and look at the change\n{fitted:?}\n{stored:?}"
        );
    }

    #[test]
    fn the_shipped_coefficients_are_what_fitting_on_the_shipped_examples_gives() {
        refit(shipped(), "none");
    }

    #[test]
    fn the_shipped_coefficients_for_the_static_embedding_are_what_fitting_gives() {
        let embedder = Embedder::load(std::path::Path::new("models/embedding"), EmbeddingKind::Static).unwrap();
        let meaning = Some(Meaning { embedder: Arc::new(CachedEmbedder::new(embedder, 4_096)), kept_in: None });
        let library = Library::load(std::path::Path::new("runbooks"), &Known { meaning, ..Known::default() }).unwrap();
        refit(&library, "static");
    }

    #[test]
    fn the_shipped_library_has_no_finding() {
        let today = Some(jiff::civil::date(2026, 11, 23));
        let connectors = Some([crate::domain::name::ConnectorName::new("automation").unwrap()].into());
        let catalogue: toml::Table = std::fs::read_to_string("models/catalogue.toml").unwrap().parse().unwrap();
        let categories = catalogue["category"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap().to_owned());
        let categories = Some(categories.collect());
        let report = lint(std::path::Path::new("runbooks"), &Known { today, connectors, categories, ..Known::default() });
        let shown: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        assert!(shown.is_empty(), "{}", shown.join("\n"));
        assert!(report.runbooks >= 24);
    }

    #[test]
    fn what_an_expert_would_never_automate_has_no_change_step_and_no_low_risk() {
        use crate::domain::priority::Risk;
        let library = shipped();
        for id in ["lost-laptop", "phishing-report", "malware-alert", "offboarding", "onboarding", "group-access", "reset-second-factor"] {
            let runbook = library.get(&RunbookId::new(id).unwrap()).unwrap();
            assert!(!runbook.is_executable() && runbook.risk > Risk::Low, "{id}");
        }
        let ready = library.iter().filter(|r| r.is_executable() && r.risk == Risk::Low).count();
        assert!(ready >= 10, "{ready} can run on their own");
        for runbook in library.iter() {
            assert!(runbook.examples.matching.len() >= 6 && runbook.examples.not_matching.len() >= 2, "{}", runbook.id);
            assert!(!runbook.authors.is_empty() && runbook.body.contains("## If it does not help"), "{}", runbook.id);
            for step in runbook.steps.iter().filter(|s| s.kind == crate::domain::runbook::StepKind::Change) {
                assert!(runbook.risk > Risk::Low || runbook.reversible || step.idempotent, "{}", runbook.id);
            }
        }
    }
}
