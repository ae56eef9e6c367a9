//! Our category, group, priority and end of a ticket in the values of one help desk, as configured.
//!
//! What is not mapped stays `None` and is left alone.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    config::write_back::{Form, Named, WriteBack},
    domain::priority::Priority,
};

#[derive(Debug)]
pub(super) struct Values {
    priorities: BTreeMap<&'static str, Value>,
    categories: BTreeMap<String, Value>,
    groups: BTreeMap<String, Value>,
    pub resolved: Option<Value>,
    pub resolved_fields: Vec<(String, Value)>,
}

impl Values {
    /// # Errors
    /// A value that the help desk does not take, which `config check` says in more words.
    pub fn from_config(config: &WriteBack) -> Result<Self, String> {
        let takes = config.kind.takes();
        let value = |form: Option<Form>, text: &str| {
            form.and_then(|form| form.value(text)).ok_or_else(|| format!("`{text}` is no value that {} takes there", config.kind.name()))
        };
        let named = |form: Option<Form>, list: &[Named]| -> Result<Vec<(String, Value)>, String> {
            list.iter().map(|named| Ok((named.name.clone(), value(form, &named.value)?))).collect()
        };
        let mut priorities = BTreeMap::new();
        for priority in Priority::ALL {
            if let Some(text) = config.priorities.get(priority) {
                priorities.insert(priority.as_str(), value(Some(takes.priority), text)?);
            }
        }
        Ok(Self {
            priorities,
            categories: named(takes.category, &config.categories)?.into_iter().collect(),
            groups: named(takes.group, &config.groups)?.into_iter().collect(),
            resolved: config.resolved.as_deref().map(|text| value(Some(takes.resolved), text)).transpose()?,
            resolved_fields: named(takes.resolved_fields.then_some(Form::Text), &config.resolved_fields)?,
        })
    }

    pub fn priority(&self, priority: Option<Priority>) -> Option<Value> {
        self.priorities.get(priority?.as_str()).cloned()
    }

    pub fn category(&self, category: Option<&str>) -> Option<Value> {
        self.categories.get(category?).cloned()
    }

    pub fn group(&self, group: Option<&str>) -> Option<Value> {
        self.groups.get(group?).cloned()
    }
}
