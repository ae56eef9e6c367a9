//! The stored form of facts: it reads back exactly, and other forms are refused by name.

use super::specimen::{BASELINE, Dice, baseline, shipped};
use crate::{
    domain::{canonical, verdict::Layer},
    gate::{GateError, evaluate, facts::Facts},
};

#[test]
fn facts_read_back_exactly() {
    let mut dice = Dice::new(17);
    for _ in 0..500 {
        let facts = dice.facts();
        let bytes = canonical::bytes(&facts).unwrap();
        let read = Facts::read(&serde_json::from_slice(&bytes).unwrap()).unwrap();
        assert_eq!(read, facts);
        assert_eq!(canonical::bytes(&read).unwrap(), bytes);
        assert!(bytes.len() < 6_000, "{} bytes", bytes.len());
    }
}

/// As the first released program wrote it.
const FORM_1: &str = include_str!("facts_form_1.json");

#[test]
fn facts_of_form_one_are_read_and_decided_as_they_were() {
    let old = Facts::read(&serde_json::from_str(FORM_1).unwrap()).unwrap();
    assert_eq!(old.form, 1);
    assert_eq!(serde_json::to_value(&old).unwrap(), serde_json::from_str::<serde_json::Value>(FORM_1).unwrap(), "nothing is added");
    let (then, now) = (evaluate(&shipped(), &old), evaluate(&shipped(), &baseline()));
    assert_eq!(then.decision, now.decision);
    // The invariants' reasons as the program that wrote them gave them; `UPDATE_REASONS=1` writes the file.
    let invariants: Vec<_> = then.reasons.iter().filter(|reason| reason.layer == Layer::Invariant).collect();
    let reasons = serde_json::to_string_pretty(&invariants).unwrap() + "\n";
    if std::env::var_os("UPDATE_REASONS").is_some() {
        std::fs::write("src/gate/tests/reasons_form_1.json", &reasons).unwrap();
    }
    assert_eq!(reasons, std::fs::read_to_string("src/gate/tests/reasons_form_1.json").unwrap());
}

#[test]
fn the_shipped_baseline_is_written_in_the_form_of_now() {
    let facts = baseline();
    assert_eq!(facts.form, Facts::FORM);
    let written: serde_json::Value = serde_json::from_str(BASELINE).unwrap();
    assert_eq!(serde_json::to_value(&facts).unwrap(), written);
}

#[test]
fn another_form_and_an_unknown_or_missing_field_are_refused() {
    let mut value: serde_json::Value = serde_json::from_str(BASELINE).unwrap();
    value["form"] = 3.into();
    assert!(matches!(Facts::read(&value), Err(GateError::FactsForm { found: 3, known: 2 })));
    value["form"] = 0.into();
    assert!(matches!(Facts::read(&value), Err(GateError::FactsForm { found: 0, known: 2 })));
    value["form"] = 2.into();
    value["override"] = true.into();
    assert!(Facts::read(&value).unwrap_err().to_string().contains("override"));
    value.as_object_mut().unwrap().remove("override");
    value.as_object_mut().unwrap().remove("kill_switch");
    assert!(Facts::read(&value).unwrap_err().to_string().contains("kill_switch"));
}
