//! Promote a model, go back to the one before, let one look on.
//!
//! A promotion is a person's, after both models answered the same frozen texts; a significant loss on any label refuses it,
//! and nobody can pass that by. A rollback asks nothing: it is for the night in which the new one turns out wrong.
// INVARIANT: what is in force is what the store says; the folder must hold exactly that version to be loaded.

use std::sync::Arc;

use crate::{
    domain::{
        canonical,
        entry::{Entry, Event},
        model::{ModelVersion, Models, Shadow},
        name::{ModelName, TenantId},
        principal::{Actor, Principal, Role},
    },
    pipeline::{
        error::{ActionError, Result},
        load::{self, Part},
        models, reload,
        service::Service,
    },
    store::change::{Change, Expectation, Write},
    triage::{Comparison, PromotionBar, Triage, compare},
};

/// Who may change which model decides: all tenants' tickets are read by it, so it is nobody's but the first one's.
fn may(service: &Service, caller: &Principal) -> Result<()> {
    service.require(caller, Role::Operator)?;
    if caller.tenant == TenantId::default() {
        return Ok(());
    }
    Err(ActionError::Refused(vec![format!("the models are those of every tenant, and tenant `{}` does not choose them", caller.tenant)]))
}

fn as_seen(models: &Models, revision: u64) -> Result<()> {
    if models.revision == revision {
        return Ok(());
    }
    Err(ActionError::Changed(format!("you saw revision {revision} of the models, they are at {}", models.revision)))
}

/// Both models on the frozen texts: what [`promote`] would go by.
///
/// # Errors
/// There is no such model, it cannot be loaded, or the frozen texts cannot be read.
pub async fn comparison(service: &Arc<Service>, name: &ModelName) -> Result<(ModelVersion, Comparison)> {
    // One at a time: each reads two models into memory.
    let _turn = service.comparing.acquire().await.map_err(|closed| ActionError::Internal(closed.to_string()))?;
    models::exists(service, name)?;
    let (config, name, decider) = (Arc::clone(&service.config), name.clone(), service.decider());
    let work = move || {
        let candidate = loaded(load::named(&config, &name))?;
        let settings = &config.triage;
        let bar = PromotionBar { floor: settings.promotion_floor, level: settings.promotion_level };
        let compared = compare(decider.triage(), &candidate, &settings.frozen, bar);
        let compared = compared.map_err(|why| ActionError::Refused(vec![why.to_string()]))?;
        Ok((ModelVersion { name, digest: candidate.manifest_digest() }, compared))
    };
    tokio::task::spawn_blocking(work).await.map_err(|stopped| ActionError::Internal(stopped.to_string()))?
}

fn loaded(triage: std::result::Result<Triage, load::LoadError>) -> Result<Triage> {
    triage.map_err(|why| ActionError::Refused(vec![why.to_string()]))
}

/// Puts `name` in force, if nobody changed the models since the caller saw `revision`.
///
/// # Errors
/// Wrong role or tenant, no such model, it is in force already, it loses on a label, or somebody else was first.
pub async fn promote(service: &Arc<Service>, caller: &Principal, name: &ModelName, revision: u64) -> Result<(Models, Comparison)> {
    may(service, caller)?;
    let models = service.store.models().await?;
    as_seen(&models, revision)?;
    let (next, comparison) = comparison(service, name).await?;
    let now = models::in_force(service)?;
    if now == next {
        return Err(ActionError::Refused(vec![format!("`{name}` is in force already, in this very version")]));
    }
    if !comparison.refusals.is_empty() {
        return Err(ActionError::Refused(comparison.refusals));
    }
    let event = Event::ModelPromoted {
        model: next.name.clone(),
        digest: next.digest,
        from: now.clone(),
        comparison: canonical::digest(&comparison)?,
    };
    let models = put(service, caller, models.promoted(now, next), event).await?;
    Ok((models, comparison))
}

/// Puts the model before the last promotion back in force.
///
/// # Errors
/// Wrong role or tenant, there was none before, its folder no longer holds it, or somebody else was first.
pub async fn rollback(service: &Arc<Service>, caller: &Principal, revision: u64) -> Result<Models> {
    may(service, caller)?;
    let models = service.store.models().await?;
    as_seen(&models, revision)?;
    let from = models::in_force(service)?;
    let Some(models) = models.rolled_back() else {
        return Err(ActionError::Refused(vec!["no model was promoted, so there is none to go back to".to_owned()]));
    };
    let Some(back) = models.in_force.clone() else { return Err(ActionError::Internal("a rollback to nothing".to_owned())) };
    // Before it is said: a rollback to what is gone would leave the record ahead of what decides.
    check(service, &back).await?;
    let event = Event::ModelRolledBack { model: back.name, digest: back.digest, from };
    put(service, caller, models, event).await
}

/// Lets `name` answer beside the model in force; `None` ends it.
///
/// # Errors
/// Wrong role or tenant, no such model, it is the one in force, it cannot be loaded, or somebody else was first.
pub async fn shadow(service: &Arc<Service>, caller: &Principal, name: Option<&ModelName>, revision: u64) -> Result<Models> {
    may(service, caller)?;
    let mut models = service.store.models().await?;
    as_seen(&models, revision)?;
    let version = match name {
        None => None,
        Some(name) => {
            models::exists(service, name)?;
            let (config, name) = (Arc::clone(&service.config), name.clone());
            let work = move || loaded(load::named(&config, &name)).map(|triage| ModelVersion { name, digest: triage.manifest_digest() });
            let version = tokio::task::spawn_blocking(work).await.map_err(|stopped| ActionError::Internal(stopped.to_string()))??;
            if version == models::in_force(service)? {
                return Err(ActionError::Refused(vec![format!("`{}` is the model in force", version.name)]));
            }
            Some(version)
        }
    };
    models.shadow = version.clone().map(|version| Shadow { version, since: service.ambient.now() });
    models.revision += 1;
    put(service, caller, models, Event::ModelShadowed { shadow: version }).await
}

async fn check(service: &Service, version: &ModelVersion) -> Result<()> {
    let (config, version) = (Arc::clone(&service.config), version.clone());
    let loaded = tokio::task::spawn_blocking(move || load::version(&config, &version).map(drop)).await;
    let loaded = loaded.map_err(|stopped| ActionError::Internal(stopped.to_string()))?;
    loaded.map_err(|why| ActionError::Refused(vec![why.to_string()]))
}

/// Commits, and has it in force when this returns.
async fn put(service: &Arc<Service>, caller: &Principal, models: Models, event: Event) -> Result<Models> {
    let now = service.ambient.now();
    let change = Change {
        expect: vec![Expectation::ModelsRevision { revision: models.revision - 1 }],
        writes: vec![Write::Models(models.clone())],
        entries: vec![Entry::new(caller.tenant.clone(), now, Actor::Person(caller.person.clone()), event)],
    };
    service.commit(change).await?;
    reload::reload(service).await;
    match service.loads.all().remove(&Part::Model).and_then(|load| load.refused) {
        // It was loaded a moment ago: somebody changed its folder meanwhile.
        Some(refused) => Err(ActionError::Internal(format!("it is recorded and could not be put in force: {}", refused.message))),
        None => Ok(models),
    }
}
