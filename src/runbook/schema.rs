//! The JSON Schema of the front matter, from which editors complete.
//!
//! A help for writers: what decides is the parser, which checks more than a schema can say.

/// JSON Schema 2020-12, as committed in `docs/schemas/runbook.schema.json`.
pub const FRONT_MATTER_SCHEMA: &str = include_str!("../../docs/schemas/runbook.schema.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use regex::Regex;
    use serde_json::Value;

    use super::FRONT_MATTER_SCHEMA;
    use crate::runbook::format;

    /// What in `value` the schema refuses, with its path; knows the keywords that our schema uses and no others.
    fn refused(root: &Value, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
        for (keyword, wanted) in schema.as_object().unwrap() {
            let text = value.as_str();
            let sound = match keyword.as_str() {
                "$schema" | "$defs" | "title" | "description" => true,
                "$ref" => {
                    let target = root.pointer(wanted.as_str().unwrap().trim_start_matches('#')).unwrap();
                    refused(root, target, value, path, found);
                    true
                }
                "type" => {
                    let one = |name: &Value| match name.as_str().unwrap() {
                        "object" => value.is_object(),
                        "array" => value.is_array(),
                        "string" => value.is_string(),
                        "boolean" => value.is_boolean(),
                        "integer" => value.is_i64(),
                        other => panic!("unknown type {other}"),
                    };
                    wanted.as_array().map_or_else(|| one(wanted), |types| types.iter().any(one))
                }
                "enum" => wanted.as_array().unwrap().contains(value),
                "pattern" => text.is_none_or(|text| Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text)),
                "minLength" => text.is_none_or(|text| text.chars().count() as u64 >= wanted.as_u64().unwrap()),
                "maxLength" => text.is_none_or(|text| text.chars().count() as u64 <= wanted.as_u64().unwrap()),
                "required" => wanted.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
                "items" => {
                    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                        refused(root, wanted, item, &format!("{path}/{at}"), found);
                    }
                    true
                }
                "properties" | "additionalProperties" => {
                    for (name, inner) in value.as_object().into_iter().flatten() {
                        let path = format!("{path}/{name}");
                        match (keyword.as_str(), schema["properties"].get(name)) {
                            ("properties", Some(known)) => refused(root, known, inner, &path, found),
                            ("additionalProperties", None) if wanted.is_object() => refused(root, wanted, inner, &path, found),
                            ("additionalProperties", None) => found.push(format!("{path}: unknown")),
                            _ => {}
                        }
                    }
                    true
                }
                other => panic!("unknown keyword {other}"),
            };
            if !sound {
                found.push(format!("{path}: {keyword}"));
            }
        }
    }

    fn check(yaml: &str) -> Vec<String> {
        let schema: Value = serde_json::from_str(FRONT_MATTER_SCHEMA).unwrap();
        let (mut found, value) = (Vec::new(), serde_saphyr::from_str::<Value>(yaml).unwrap());
        refused(&schema, &schema, &value, "", &mut found);
        found
    }

    #[test]
    fn every_shipped_runbook_is_accepted() {
        let mut seen = 0;
        for entry in std::fs::read_dir("runbooks").unwrap() {
            let path = entry.unwrap().path();
            let text = path.extension().filter(|e| *e == "md").map(|_| std::fs::read_to_string(&path).unwrap());
            let Some(yaml) = text.as_deref().and_then(|text| text.strip_prefix("---\n")?.split("\n---\n").next()) else { continue };
            assert_eq!(check(yaml), [""; 0], "{}", path.display());
            seen += 1;
        }
        assert!(seen >= 24, "{seen}");
    }

    #[test]
    fn what_the_parser_refuses_for_its_form_the_schema_refuses_too() {
        const SOUND: &str = "id: a\ntitle: A\nowner: t\nrisk: low\n";
        assert_eq!(check(SOUND), [""; 0]);
        assert!(format::read("a.md", SOUND).is_ok());
        for extra in
            ["colour: red", "triggers: {alerts: [a]}", "parameters: {h: {type: hostname}}", "steps: [{id: a, kind: verify}]", "symptoms: 7"]
        {
            let text = format!("{SOUND}{extra}\n");
            assert!(!check(&text).is_empty() && format::read("a.md", &text).is_err(), "{extra}");
        }
        for missing in SOUND.lines() {
            let text = SOUND.replace(&format!("{missing}\n"), "");
            assert!(!check(&text).is_empty() && format::read("a.md", &text).is_err(), "{missing}");
        }
    }

    #[test]
    fn schema_and_parser_know_the_same_keys() {
        let schema: Value = serde_json::from_str(FRONT_MATTER_SCHEMA).unwrap();
        let known: BTreeSet<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        let finding = format::read("a.md", "zzzzzzzzzzzzzzzzzz: 1\n").unwrap_err();
        let listed = finding.hint.unwrap();
        let listed: BTreeSet<String> = listed.trim_start_matches("the keys are ").split(", ").map(str::to_owned).collect();
        assert_eq!(listed, known);
    }

    #[test]
    fn the_reference_has_every_key_of_the_format() {
        let schema: Value = serde_json::from_str(FRONT_MATTER_SCHEMA).unwrap();
        let reference = include_str!("../../docs/runbooks.md");
        let keys = |pointer: &str| schema.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let mut rows: Vec<String> =
            keys("/properties").into_iter().filter(|key| !["triggers", "applies_to", "examples"].contains(&key.as_str())).collect();
        for table in ["triggers", "applies_to", "examples"] {
            rows.extend(keys(&format!("/properties/{table}/properties")).iter().map(|key| format!("{table}.{key}")));
        }
        rows.extend(keys("/$defs/step/properties"));
        // Bounds stand in the table of types.
        let bounds = ["min", "max", "values", "under", "max_length"];
        rows.extend(keys("/$defs/parameter/properties").into_iter().filter(|key| !bounds.contains(&key.as_str())));
        for key in rows {
            assert!(reference.contains(&format!("\n| `{key}` |")), "docs/runbooks.md has no row for `{key}`");
        }
        for bound in bounds {
            assert!(reference.contains(&format!("`{bound}` | ")) || reference.contains(&format!("`{bound}` and")), "{bound}");
        }
    }
}
