//! The operator's own rules: Cedar policies, read once, checked against the schema, asked per action.
//!
//! Never grants what the invariants refuse: `evaluate` takes the least of both. Reads files in `load` only.
// INVARIANT: every policy in a set passed strict validation, has an `@id` of its own and a `@reason`.
// INVARIANT: a policy that cannot be evaluated refuses. Cedar alone would skip it, and a skipped `forbid` allows.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Context, Decision, Effect, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    Policy, PolicyId, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use miette::Diagnostic;

use super::{
    GateError, Place, context,
    invariants::{self, Seen},
};
use crate::domain::{digest::Digest, name::PersonId, principal::Role};

/// The schema's text; it is the program's, because the program fills the facts.
pub const SCHEMA: &str = include_str!("../../policies/sluicegate.cedarschema");

/// The name of its file beside the policies.
pub const SCHEMA_FILE: &str = "sluicegate.cedarschema";

/// What is asked for. The names are in the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    ExecuteAutomatically,
    ExecuteWithApproval,
    Approve,
}

impl Action {
    pub(crate) const ALL: [Self; 3] = [Self::ExecuteAutomatically, Self::ExecuteWithApproval, Self::Approve];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ExecuteAutomatically => "execute_automatically",
            Self::ExecuteWithApproval => "execute_with_approval",
            Self::Approve => "approve",
        }
    }
}

/// One policy as people see it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PolicyInfo {
    pub id: String,
    /// The `@reason`.
    pub reason: String,
    pub forbids: bool,
    /// The actions it speaks about.
    pub actions: Vec<&'static str>,
    pub place: Place,
    /// As written, with its annotations.
    pub source: String,
}

impl PolicyInfo {
    pub const fn effect(&self) -> &'static str {
        if self.forbids { "forbid" } else { "permit" }
    }
}

/// All policies in force. Cheap to clone.
#[derive(Clone)]
pub struct PolicySet(Arc<Inner>);

struct Inner {
    digest: Digest,
    all: cedar_policy::PolicySet,
    schema: Schema,
    info: BTreeMap<String, PolicyInfo>,
    asked: [Asked; Action::ALL.len()],
    /// The actions and their groups. Built once: building entities is most of what a decision would cost.
    entities: Entities,
    engine: EntityUid,
    person: EntityTypeName,
    runbook: EntityTypeName,
    authorizer: Authorizer,
}

struct Asked {
    action: EntityUid,
    /// Only the policies whose scope has this action, each as [`stripped`]; the others could never speak.
    policies: cedar_policy::PolicySet,
}

/// One proposal as the policies see it.
pub(crate) struct Situation {
    /// Cheap to clone.
    context: Result<Context, String>,
    runbook: EntityUid,
}

/// Cedar's answer to one question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub allowed: bool,
    /// Ids of the policies that decided, sorted: permits when allowed, forbids when not.
    pub determining: Vec<String>,
    /// Policy id and message of each that could not be evaluated, sorted.
    pub errors: Vec<(String, String)>,
}

impl PolicySet {
    /// Reads every `.cedar` file of `dir`, in the order of their names.
    ///
    /// # Errors
    /// Every problem of every file, each with its place.
    pub fn load(dir: &Path) -> Result<Self, GateError> {
        let unreadable =
            |path: &Path, why: &dyn std::fmt::Display| GateError::Unreadable { path: path.display().to_string(), why: why.to_string() };
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(dir).map_err(|why| unreadable(dir, &why))? {
            let path = entry.map_err(|why| unreadable(dir, &why))?.path();
            if path.extension().is_some_and(|extension| extension == "cedar") {
                let text = std::fs::read_to_string(&path).map_err(|why| unreadable(&path, &why))?;
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
                files.insert(name, text);
            }
        }
        if files.is_empty() {
            return Err(GateError::NoPolicies { dir: dir.display().to_string() });
        }
        Self::from_files(files)
    }

    /// From file names and their texts.
    ///
    /// # Errors
    /// Every problem of every file, each with its place.
    pub fn from_files(files: impl IntoIterator<Item = (String, String)>) -> Result<Self, GateError> {
        let files: BTreeMap<String, String> = files.into_iter().collect();
        let digest = Digest::of_parts(
            std::iter::once(SCHEMA.as_bytes()).chain(files.iter().flat_map(|(name, text)| [name.as_bytes(), text.as_bytes()])),
        );
        let schema = read_schema()?;
        let entities = schema.action_entities().map_err(|why| broken_schema(&why))?;
        let mut errors = Vec::new();
        let mut policies = BTreeMap::new();
        for (file, text) in &files {
            match read_file(file, text) {
                Ok(found) => {
                    for (policy, info) in found {
                        match policies.get(&info.id) {
                            Some((_, PolicyInfo { place, .. })) => errors.push(GateError::Policy {
                                place: info.place,
                                message: format!("`@id(\"{}\")` is taken by the policy at {place}: choose another", info.id),
                            }),
                            None => drop(policies.insert(info.id.clone(), (policy, info))),
                        }
                    }
                }
                Err(found) => errors.extend(found),
            }
        }
        if let Some(found) = joined(errors) {
            return Err(found);
        }
        let scopes: Vec<_> = Action::ALL.iter().map(|action| action_uid(*action)).collect::<Result<_, _>>()?;
        for (policy, info) in policies.values_mut() {
            info.actions =
                Action::ALL.iter().zip(&scopes).filter(|(_, uid)| covers(policy, uid, &entities)).map(|(a, _)| a.as_str()).collect();
        }
        let all = cedar_policy::PolicySet::from_policies(policies.values().map(|(policy, _)| policy.clone()));
        let all = all.map_err(|why| broken_schema(&why))?;
        validate(&schema, &all, &policies, &files)?;
        let asked = |action: Action| {
            let covering = policies.values().filter(|(_, info)| info.actions.contains(&action.as_str()));
            let policies = covering.map(|(policy, _)| stripped(policy)).collect::<Result<Vec<_>, _>>()?;
            let policies = cedar_policy::PolicySet::from_policies(policies).map_err(|why| broken_schema(&why))?;
            Ok::<_, GateError>(Asked { action: action_uid(action)?, policies })
        };
        let asked = [asked(Action::ExecuteAutomatically)?, asked(Action::ExecuteWithApproval)?, asked(Action::Approve)?];
        Ok(Self(Arc::new(Inner {
            digest,
            all,
            schema,
            info: policies.into_iter().map(|(id, (_, info))| (id, info)).collect(),
            asked,
            entities,
            engine: uid("Engine", "sluicegate")?,
            person: type_name("Person")?,
            runbook: type_name("Runbook")?,
            authorizer: Authorizer::new(),
        })))
    }

    /// The digest of the schema, and of the files' names and bytes.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// The policies, by id.
    pub fn policies(&self) -> impl Iterator<Item = &PolicyInfo> {
        self.0.info.values()
    }

    pub fn policy(&self, id: &str) -> Option<&PolicyInfo> {
        self.0.info.get(id)
    }

    /// The policy alone in Cedar's JSON form, which has no layout, comments or annotations.
    pub(crate) fn rule(&self, id: &str) -> Option<serde_json::Value> {
        let mut rule = self.0.all.policy(&PolicyId::new(id))?.to_json().ok()?;
        rule.as_object_mut()?.remove("annotations");
        Some(rule)
    }

    pub(crate) fn cedar(&self) -> &cedar_policy::PolicySet {
        &self.0.all
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.0.schema
    }

    /// What is asked about, built once for all questions about one proposal.
    pub(crate) fn situation(&self, seen: &Seen<'_>) -> Situation {
        Situation {
            context: context::situation(seen).map_err(|why| why.to_string()),
            runbook: EntityUid::from_type_name_and_id(self.0.runbook.clone(), EntityId::new(seen.proposal.runbook.as_str())),
        }
    }

    /// May the engine do `action`?
    pub(crate) fn ask_engine(&self, action: Action, situation: &Situation) -> Answer {
        self.ask(action, self.0.engine.clone(), &self.0.entities, situation)
    }

    /// May `person` approve a run of the runbook of `situation`?
    pub(crate) fn ask_approver<'r>(&self, person: &PersonId, roles: impl IntoIterator<Item = &'r Role>, situation: &Situation) -> Answer {
        let principal = EntityUid::from_type_name_and_id(self.0.person.clone(), EntityId::new(person.as_str()));
        let roles = RestrictedExpression::new_set(roles.into_iter().map(|role| RestrictedExpression::new_string(role.as_str().to_owned())));
        let entities = Entity::new(principal.clone(), HashMap::from([("roles".to_owned(), roles)]), HashSet::new())
            .map_err(|why| why.to_string())
            .and_then(|entity| self.0.entities.clone().add_entities([entity], None).map_err(|why| why.to_string()));
        match entities {
            Ok(entities) => self.ask(Action::Approve, principal, &entities, situation),
            Err(why) => Answer::unanswered(why),
        }
    }

    fn ask(&self, action: Action, principal: EntityUid, entities: &Entities, situation: &Situation) -> Answer {
        let asked = &self.0.asked[action as usize];
        let request = situation.context.clone().and_then(|context| {
            Request::new(principal, asked.action.clone(), situation.runbook.clone(), context, None).map_err(|why| why.to_string())
        });
        let request = match request {
            Ok(request) => request,
            Err(why) => return Answer::unanswered(why),
        };
        let response = self.0.authorizer.is_authorized(&request, &asked.policies, entities);
        let diagnostics = response.diagnostics();
        let mut determining: Vec<String> = diagnostics.reason().map(ToString::to_string).collect();
        let mut errors: Vec<(String, String)> = diagnostics
            .errors()
            .map(|AuthorizationError::PolicyEvaluationError(error)| (error.policy_id().to_string(), error.inner().to_string()))
            .collect();
        determining.sort_unstable();
        errors.sort_unstable();
        Answer { allowed: response.decision() == Decision::Allow && errors.is_empty(), determining, errors }
    }
}

impl std::fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PolicySet({} policies, {})", self.0.info.len(), self.0.digest)
    }
}

impl Answer {
    fn unanswered(why: String) -> Self {
        Self { allowed: false, determining: Vec::new(), errors: vec![("policy_request".to_owned(), why)] }
    }
}

fn read_schema() -> Result<Schema, GateError> {
    Schema::from_cedarschema_str(SCHEMA).map(|(schema, _)| schema).map_err(|why| broken_schema(&why))
}

fn broken_schema(why: &dyn std::fmt::Display) -> GateError {
    GateError::File { file: SCHEMA_FILE.to_owned(), message: why.to_string() }
}

fn type_name(name: &str) -> Result<EntityTypeName, GateError> {
    name.parse().map_err(|why| broken_schema(&why))
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, GateError> {
    Ok(EntityUid::from_type_name_and_id(type_name(kind)?, EntityId::new(id)))
}

fn action_uid(action: Action) -> Result<EntityUid, GateError> {
    uid("Action", action.as_str())
}

fn covers(policy: &Policy, action: &EntityUid, entities: &Entities) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(named) => &named == action,
        ActionConstraint::In(named) => named.iter().any(|group| group == action || entities.is_ancestor_of(group, action)),
    }
}

/// The policy as it is asked: without annotations, without the places in its text, and for any action.
///
/// Cedar carries the place of every expression through its evaluation and compares the action once a policy, which
/// together is a third of a decision's time. A set holds only what covers its action, so that comparison is always
/// true there. Answers stay the same (`what_is_asked_answers_as_the_policies_do_as_they_are_written`).
fn stripped(policy: &Policy) -> Result<Policy, GateError> {
    let mut rule = policy.to_json().map_err(|why| broken_schema(&why))?;
    // This keeps the scope's principal and resource, which do tell policies of one action apart.
    if let Some(members) = rule.as_object_mut() {
        members.remove("annotations");
        members.insert("action".to_owned(), serde_json::json!({"op": "All"}));
    }
    Policy::from_json(Some(policy.id().clone()), rule).map_err(|why| broken_schema(&why))
}

/// The policies of one file under their own ids, or everything that is wrong with the file.
fn read_file(file: &str, text: &str) -> Result<Vec<(Policy, PolicyInfo)>, Vec<GateError>> {
    let parsed: cedar_policy::PolicySet = text
        .parse()
        .map_err(|errors: cedar_policy::ParseErrors| errors.iter().map(|error| diagnosed(file, text, error)).collect::<Vec<_>>())?;
    let mut errors = Vec::new();
    if parsed.num_of_templates() > 0 {
        let message = "a policy has a slot (`?principal` or `?resource`): write the principal and resource out".to_owned();
        errors.push(GateError::Policy { place: Place { file: file.to_owned(), line: 0 }, message });
    }
    let mut found = Vec::new();
    for policy in parsed.policies() {
        let offset = policy.as_ref().loc().map_or(0, |loc| loc.start());
        let place = Place::at(file, text, offset);
        match (identified(policy), policy.annotation("reason").map(str::trim).filter(|reason| !reason.is_empty())) {
            (Ok(id), Some(reason)) => {
                let forbids = policy.effect() == Effect::Forbid;
                let info = PolicyInfo {
                    id: id.clone(),
                    reason: reason.to_owned(),
                    forbids,
                    actions: Vec::new(),
                    place,
                    source: policy.to_string(),
                };
                found.push((policy.new_id(PolicyId::new(id)), info));
            }
            (Err(message), _) => errors.push(GateError::Policy { place, message }),
            (Ok(id), None) => {
                let message = format!("policy `{id}` has no `@reason(\"…\")`: say for people why it allows or refuses");
                errors.push(GateError::Policy { place, message });
            }
        }
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

fn identified(policy: &Policy) -> Result<String, String> {
    let id = policy.annotation("id").ok_or("a policy has no `@id(\"…\")`: give it a name of its own, like `@id(\"vip-to-people\")`")?;
    let well_formed =
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if !well_formed {
        return Err(format!("`@id(\"{id}\")` is not a policy id: expected 1 to 64 characters of a-z, 0-9, `-` and `_`"));
    }
    if invariants::ALL.iter().any(|invariant| invariant.id == id) || super::evaluate::RESERVED.contains(&id) {
        return Err(format!("`@id(\"{id}\")` is the name of a check of the program: choose another"));
    }
    Ok(id.to_owned())
}

fn validate(
    schema: &Schema,
    all: &cedar_policy::PolicySet,
    policies: &BTreeMap<String, (Policy, PolicyInfo)>,
    files: &BTreeMap<String, String>,
) -> Result<(), GateError> {
    let result = Validator::new(schema.clone()).validate(all, ValidationMode::Strict);
    let mut errors: Vec<GateError> = result
        .validation_errors()
        .map(|error| match policies.get(&error.policy_id().to_string()) {
            Some((_, info)) => match files.get(&info.place.file) {
                Some(text) => diagnosed(&info.place.file, text, error),
                None => GateError::Policy { place: info.place.clone(), message: error.to_string() },
            },
            None => broken_schema(error),
        })
        .collect();
    errors.sort_by_key(|error| match error {
        GateError::Policy { place, .. } => Some(place.clone()),
        _ => None,
    });
    joined(errors).map_or(Ok(()), Err)
}

/// Cedar's message with the line it points at and its advice.
pub(crate) fn diagnosed(file: &str, text: &str, error: &dyn Diagnostic) -> GateError {
    let label = error.labels().and_then(|mut labels| labels.next());
    let place = label.as_ref().map_or_else(|| Place { file: file.to_owned(), line: 0 }, |label| Place::at(file, text, label.offset()));
    let mut message = error.to_string();
    if let Some(what) = label.as_ref().and_then(|label| label.label()) {
        message = format!("{message} ({what})");
    }
    if let Some(help) = error.help() {
        message = format!("{message}: {help}");
    }
    GateError::Policy { place, message }
}

fn joined(mut errors: Vec<GateError>) -> Option<GateError> {
    if errors.len() > 1 { Some(GateError::Several(errors)) } else { errors.pop() }
}
