//! The stored form of facts: it reads back exactly, and other forms are refused by name.

use super::specimen::{BASELINE, Dice, baseline};
use crate::{
    domain::canonical,
    gate::{GateError, facts::Facts},
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

/// The shipped baseline is form 1 as it was first written: a change that cannot read it needs a new form.
#[test]
fn form_one_is_read() {
    let facts = baseline();
    assert_eq!(facts.form, 1);
    let written: serde_json::Value = serde_json::from_str(BASELINE).unwrap();
    assert_eq!(serde_json::to_value(&facts).unwrap(), written);
}

#[test]
fn another_form_and_an_unknown_or_missing_field_are_refused() {
    let mut value: serde_json::Value = serde_json::from_str(BASELINE).unwrap();
    value["form"] = 2.into();
    assert!(matches!(Facts::read(&value), Err(GateError::FactsForm { found: 2, known: 1 })));
    value["form"] = 1.into();
    value["override"] = true.into();
    assert!(Facts::read(&value).unwrap_err().to_string().contains("override"));
    value.as_object_mut().unwrap().remove("override");
    value.as_object_mut().unwrap().remove("kill_switch");
    assert!(Facts::read(&value).unwrap_err().to_string().contains("kill_switch"));
}
