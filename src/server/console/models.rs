//! The models: which decides and how it was measured, which could take its place, and how a shadow compares.

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    form::Form,
    frame::Frame,
    overview::Overviews,
    page::{self, done},
    trouble::Trouble,
    visitor::Visitor,
    words::{self, Badge, Tone, count, percent},
};
use crate::{
    domain::{name::ModelName, principal::Role::Operator},
    pipeline::{
        actions::model,
        load::Part,
        models::{self, Listed, Standing},
    },
    server::{app::App, parameters::Id},
    triage::{Change, HeadManifest, Place, calibration_plot, interval},
};

/// One model in a line.
struct Row {
    name: String,
    standing: Badge,
    /// By target: what it got right of the texts held out of its training.
    figures: Vec<String>,
    refused: Option<String>,
    can_shadow: bool,
}

/// One target of the model in force.
struct Head {
    target: String,
    figures: Vec<(&'static str, String)>,
    plot: String,
    bins: Vec<(String, String)>,
    worst: Vec<(String, String, String)>,
    /// Labels down the side, counts in the order of the labels and then any other.
    confusion: Vec<(usize, String, Vec<usize>)>,
}

/// What model and shadow said.
struct Pair {
    said: String,
    shadow_said: String,
    tickets: String,
}

#[derive(Template)]
#[template(path = "models.html")]
struct ModelsPage {
    frame: Frame,
    name: String,
    loaded: String,
    refused: Option<(String, String)>,
    rows: Vec<Row>,
    heads: Vec<Head>,
    data: Vec<(String, String)>,
    digests: Vec<(&'static str, String)>,
    sure: String,
    total: u64,
    shadow: Option<(String, String)>,
    pairs: Vec<Pair>,
    agreement: String,
    can_go_back: Option<String>,
    revision: u64,
    operates: bool,
}

fn standing(standing: Standing) -> Badge {
    match standing {
        Standing::InForce => Badge::new(Tone::Good, "in force"),
        Standing::Shadow => Badge::new(Tone::Info, "looks on"),
        Standing::Before => Badge::new(Tone::Plain, "before"),
        Standing::Candidate => Badge::new(Tone::Plain, "candidate"),
        Standing::Unusable => Badge::new(Tone::Bad, "not in order"),
    }
}

/// `right` of `all` with its 95 % interval.
fn share(right: usize, all: usize) -> String {
    let (low, high) = interval(right, all);
    let part = right as f64 / all.max(1) as f64;
    format!("{} ({:.0} to {:.0})", percent(part), low * 100.0, high * 100.0)
}

fn figures(target: &str, head: &HeadManifest) -> String {
    let m = &head.metrics;
    format!("{target}: {} of {} held-out texts right", percent(m.accuracy), count(m.examples as u64))
}

impl Row {
    fn of(model: Listed) -> Self {
        let heads = model.manifest.iter().flat_map(|manifest| &manifest.heads);
        Self {
            figures: heads.map(|(target, head)| figures(target, head)).collect(),
            can_shadow: matches!(model.standing, Standing::Candidate | Standing::Before),
            standing: standing(model.standing),
            name: model.name.to_string(),
            refused: model.refused,
        }
    }
}

impl Head {
    fn of(target: &str, head: &HeadManifest) -> Self {
        const WORST: usize = 10;
        let m = &head.metrics;
        let right = m.classes.iter().map(|class| class.right).sum();
        let mut worst: Vec<_> = m.classes.iter().filter(|class| class.right < class.examples).collect();
        worst.sort_by(|a, b| (a.right * b.examples).cmp(&(b.right * a.examples)).then_with(|| a.label.cmp(&b.label)));
        let at = |promised: f64| m.coverage.iter().find(|coverage| (coverage.promised - promised).abs() < 1e-9);
        let promise =
            at(0.9).map_or(String::new(), |at| format!("{} of texts, {} of those right", percent(at.coverage), percent(at.accuracy)));
        Self {
            target: target.to_owned(),
            figures: vec![
                ("Labels", count(head.labels.len() as u64)),
                ("Held-out texts", count(m.examples as u64)),
                ("Right", share(right, m.examples)),
                ("Macro-F1", percent(m.macro_f1)),
                ("Calibration error", percent(m.ece)),
                ("Answers, at 90 % promised", promise),
            ],
            plot: calibration_plot(target, &m.bins, Place::OnAPage),
            bins: m
                .bins
                .iter()
                .filter(|bin| bin.answers > 0)
                .map(|bin| (percent(bin.claimed), format!("{} of {}", bin.right, bin.answers)))
                .collect(),
            worst: worst
                .iter()
                .take(WORST)
                .map(|class| (class.label.clone(), share(class.right, class.examples), share(class.right, class.answered)))
                .collect(),
            confusion: m
                .confusion
                .labels
                .iter()
                .zip(&m.confusion.counts)
                .enumerate()
                .map(|(place, (label, counts))| (place + 1, label.clone(), counts.clone()))
                .collect(),
        }
    }
}

pub async fn show(State(app): State<App>, visitor: Visitor) -> Result<Response, Trouble> {
    let frame = Frame::load(&app, &visitor, "Models").await?;
    let load = app.service.loads.all().remove(&Part::Model);
    let counted = Overviews::get(&app, &visitor.principal().tenant, 30).await?;
    let days = &counted.tally.days;
    let total: u64 = days.iter().map(|day| day.tickets).sum();
    let sure: u64 = days.iter().filter(|day| day.category.is_some()).map(|day| day.tickets).sum();
    let registry = models::registry(&app.service).await?;
    let decider = app.service.decider();
    let manifest = decider.triage().manifest();
    let said = |label: Option<&String>| label.cloned().unwrap_or_else(|| "not sure".to_owned());
    let (alike, all) = registry
        .shadow_pairs
        .iter()
        .fold((0, 0), |(alike, all), pair| (alike + if pair.said == pair.shadow_said { pair.tickets } else { 0 }, all + pair.tickets));
    page::page(&ModelsPage {
        name: registry.in_force.name.to_string(),
        loaded: load.as_ref().map_or(String::new(), |load| words::minute(load.loaded_at)),
        refused: load.and_then(|load| load.refused).map(|refused| (words::ago(frame.now, refused.at), refused.message)),
        heads: manifest.heads.iter().map(|(target, head)| Head::of(target, head)).collect(),
        data: manifest.data.iter().map(|(name, digest)| (name.clone(), digest.to_string())).collect(),
        digests: app.service.in_force().into_iter().map(|(name, digest)| (name, digest.to_string())).collect(),
        sure: format!("{} of {} ({})", count(sure), count(total), percent(sure as f64 / total.max(1) as f64)),
        total,
        shadow: registry.chosen.shadow.as_ref().map(|shadow| (shadow.version.name.to_string(), words::minute(shadow.since))),
        pairs: registry
            .shadow_pairs
            .iter()
            .filter(|pair| pair.said != pair.shadow_said)
            .take(20)
            .map(|pair| Pair { said: said(pair.said.as_ref()), shadow_said: said(pair.shadow_said.as_ref()), tickets: count(pair.tickets) })
            .collect(),
        agreement: share(alike as usize, all as usize),
        can_go_back: registry.chosen.before.last().map(|before| before.name.to_string()),
        revision: registry.chosen.revision,
        operates: frame.may(Operator),
        rows: registry.models.into_iter().map(Row::of).collect(),
        frame,
    })
}

/// One label's change, or a target's.
struct Changed {
    label: String,
    texts: usize,
    before: usize,
    after: usize,
    lost: usize,
    gained: usize,
}

impl Changed {
    fn of(label: &str, change: &Change) -> Self {
        Self {
            label: label.to_owned(),
            texts: change.texts,
            before: change.right_before,
            after: change.right_after,
            lost: change.lost,
            gained: change.gained,
        }
    }
}

#[derive(Template)]
#[template(path = "model.html")]
struct ModelPage {
    frame: Frame,
    name: String,
    in_force: String,
    refusals: Vec<String>,
    targets: Vec<(Changed, Vec<Changed>)>,
    revision: u64,
}

/// A candidate against the model in force, and the button.
pub async fn compare(State(app): State<App>, visitor: Visitor, Id(name): Id<ModelName>) -> Result<Response, Trouble> {
    let frame = Frame::load(&app, &visitor, format!("Promote {name}")).await?;
    let revision = app.service.store.models().await?.revision;
    let (candidate, comparison) = model::comparison(&app.service, &name).await?;
    let changed = |(target, change): (&String, &crate::triage::TargetChange)| {
        let moved = change.labels.iter().filter(|(_, change)| change.lost + change.gained > 0);
        (Changed::of(target, &change.all), moved.map(|(label, change)| Changed::of(label, change)).collect())
    };
    page::page(&ModelPage {
        name: candidate.name.to_string(),
        in_force: models::in_force(&app.service)?.name.to_string(),
        targets: comparison.targets.iter().map(changed).collect(),
        refusals: comparison.refusals,
        revision,
        frame,
    })
}

pub async fn promote(State(app): State<App>, visitor: Visitor, Id(name): Id<ModelName>, form: Form) -> Result<Response, Trouble> {
    model::promote(&app.service, visitor.principal(), &name, form.value("revision")?).await?;
    Ok(done("/models", "promoted"))
}

pub async fn rollback(State(app): State<App>, visitor: Visitor, form: Form) -> Result<Response, Trouble> {
    model::rollback(&app.service, visitor.principal(), form.value("revision")?).await?;
    Ok(done("/models", "rolled-back"))
}

pub async fn shadow(State(app): State<App>, visitor: Visitor, form: Form) -> Result<Response, Trouble> {
    let name: Option<ModelName> = form.maybe("model")?;
    model::shadow(&app.service, visitor.principal(), name.as_ref(), form.value("revision")?).await?;
    Ok(done("/models", if name.is_some() { "looks-on" } else { "looks-on-no-more" }))
}
