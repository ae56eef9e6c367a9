//! The console's paths, and who may use each.
//!
//! To add a page: its file, its row here, its test in `tests/browser`, and its place in `frame::Section` when it has one.

use axum::{
    Router,
    http::Method,
    routing::{get, post},
};

use super::{
    account, assets, automation, corrections, drift, live, log, log_entry, models, overview, people, queue, runbook, runbooks, sign_in,
    single_sign_on, ticket, tickets, welcome,
};
use crate::{
    domain::principal::Role::{Admin, Approver, Auditor, Operator, Responder},
    server::{
        app::App,
        roles::{Access, Route},
    },
};

/// Whoever is signed in.
const ANYBODY: Access = Access::Session(&[Responder, Approver, Auditor, Operator, Admin]);
/// Sees tickets and all that belongs to them.
const READ: Access = Access::Session(&[Responder, Approver, Auditor, Operator]);

/// Works on tickets.
const HANDLE: Access = Access::Session(&[Responder, Approver, Operator]);
/// Says whether a proposal was right.
const JUDGE: Access = Access::Session(&[Responder, Approver]);
const OPERATE: Access = Access::Session(&[Operator]);
const ADMIN: Access = Access::Session(&[Admin]);
const APPROVE: Access = Access::Session(&[Approver]);

const fn route(method: Method, path: &'static str, access: Access) -> Route {
    Route { method, path, access }
}

pub const ROUTES: &[Route] = &[
    route(Method::GET, "/assets/{name}", Access::Public),
    route(Method::GET, "/login", Access::Public),
    route(Method::POST, "/login", Access::Public),
    route(Method::GET, "/login/oidc", Access::Public),
    route(Method::GET, "/login/oidc/back", Access::Public),
    route(Method::GET, "/account/prove", ANYBODY),
    route(Method::GET, "/welcome/{secret}", Access::Public),
    route(Method::POST, "/welcome/{secret}", Access::Public),
    route(Method::POST, "/logout", ANYBODY),
    route(Method::GET, "/live", ANYBODY),
    route(Method::GET, "/account", ANYBODY),
    route(Method::POST, "/account/password", ANYBODY),
    route(Method::POST, "/account/theme", ANYBODY),
    route(Method::POST, "/account/sessions/end-others", ANYBODY),
    route(Method::POST, "/account/sessions/{id}/end", ANYBODY),
    route(Method::GET, "/", READ),
    route(Method::GET, "/tickets", READ),
    route(Method::GET, "/tickets/{id}", READ),
    route(Method::POST, "/tickets/{id}/take", HANDLE),
    route(Method::POST, "/tickets/{id}/release", HANDLE),
    route(Method::POST, "/tickets/{id}/snooze", HANDLE),
    route(Method::POST, "/tickets/{id}/wake", HANDLE),
    route(Method::POST, "/tickets/{id}/look-again", HANDLE),
    route(Method::POST, "/tickets/{id}/correct", JUDGE),
    route(Method::GET, "/recommendations/{id}/approve", APPROVE),
    route(Method::POST, "/recommendations/{id}/approve", APPROVE),
    route(Method::GET, "/recommendations/{id}/reject", JUDGE),
    route(Method::POST, "/recommendations/{id}/reject", JUDGE),
    route(Method::GET, "/recommendations/{id}/edit", JUDGE),
    route(Method::POST, "/recommendations/{id}/edit", JUDGE),
    route(Method::GET, "/recommendations/{id}/outcome", JUDGE),
    route(Method::POST, "/recommendations/{id}/outcome", JUDGE),
    route(Method::GET, "/approve-together", APPROVE),
    route(Method::POST, "/approve-together", APPROVE),
    route(Method::GET, "/executions/{id}/cancel", HANDLE),
    route(Method::POST, "/executions/{id}/cancel", HANDLE),
    route(Method::GET, "/executions/{id}/undo", APPROVE),
    route(Method::POST, "/executions/{id}/undo", APPROVE),
    route(Method::GET, "/executions/{id}/settle", JUDGE),
    route(Method::POST, "/executions/{id}/settle", JUDGE),
    route(Method::GET, "/runbooks", READ),
    route(Method::GET, "/runbooks/{id}", READ),
    route(Method::POST, "/runbooks/{id}/pre-approve", APPROVE),
    route(Method::POST, "/pre-approvals/{id}/revoke", Access::Session(&[Approver, Operator])),
    route(Method::GET, "/automation", READ),
    route(Method::POST, "/automation/kill-switch", HANDLE),
    route(Method::POST, "/automation/modes", Access::Session(&[Approver, Operator])),
    route(Method::POST, "/automation/requests/{id}/confirm", APPROVE),
    route(Method::POST, "/automation/requests/{id}/withdraw", HANDLE),
    route(Method::POST, "/automation/endpoints/{name}/enable", OPERATE),
    route(Method::POST, "/automation/outbox/{id}/send-again", OPERATE),
    route(Method::POST, "/automation/dead-letters/{id}/replay", OPERATE),
    route(Method::GET, "/models", READ),
    route(Method::GET, "/models/drift", READ),
    route(Method::GET, "/models/corrections", READ),
    route(Method::POST, "/models/corrections/{id}", APPROVE),
    route(Method::GET, "/models/version/{id}", OPERATE),
    route(Method::POST, "/models/version/{id}/promote", OPERATE),
    route(Method::POST, "/models/rollback", OPERATE),
    route(Method::POST, "/models/shadow", OPERATE),
    route(Method::GET, "/overview", READ),
    route(Method::GET, "/people", Access::Session(&[Admin, Auditor])),
    route(Method::POST, "/people/invite", ADMIN),
    route(Method::POST, "/people/invitations/{id}/withdraw", ADMIN),
    route(Method::POST, "/people/tokens", ADMIN),
    route(Method::POST, "/people/tokens/{id}/revoke", ADMIN),
    route(Method::POST, "/people/{person}", ADMIN),
    route(Method::POST, "/people/{person}/end-sessions", ADMIN),
    route(Method::GET, "/log", READ),
    route(Method::GET, "/log/checkpoints", READ),
    route(Method::GET, "/log/export", Access::Session(&[Auditor])),
    route(Method::GET, "/log/{index}", READ),
];

pub fn routes() -> Router<App> {
    Router::new()
        .route("/assets/{name}", get(assets::show))
        .route("/login", get(sign_in::show).post(sign_in::sign_in))
        .route("/login/oidc", get(single_sign_on::begin))
        .route("/login/oidc/back", get(single_sign_on::back))
        .route("/account/prove", get(single_sign_on::prove))
        .route("/welcome/{secret}", get(welcome::show).post(welcome::accept))
        .route("/logout", post(sign_in::sign_out))
        .route("/live", get(live::stream))
        .route("/account", get(account::show))
        .route("/account/password", post(account::set_password))
        .route("/account/theme", post(account::set_theme))
        .route("/account/sessions/end-others", post(account::end_others))
        .route("/account/sessions/{id}/end", post(account::end))
        .route("/", get(queue::show))
        .route("/tickets", get(tickets::show))
        .route("/tickets/{id}", get(ticket::show::show))
        .route("/tickets/{id}/take", post(ticket::handling::take))
        .route("/tickets/{id}/release", post(ticket::handling::release))
        .route("/tickets/{id}/snooze", post(ticket::handling::snooze))
        .route("/tickets/{id}/wake", post(ticket::handling::wake))
        .route("/tickets/{id}/correct", post(ticket::correct::correct))
        .route("/tickets/{id}/look-again", post(ticket::handling::look_again))
        .route("/recommendations/{id}/approve", get(ticket::approve::ask).post(ticket::approve::approve))
        .route("/recommendations/{id}/reject", get(ticket::refuse::ask).post(ticket::refuse::reject))
        .route("/recommendations/{id}/edit", get(ticket::edit::ask).post(ticket::edit::edit))
        .route("/recommendations/{id}/outcome", get(ticket::refuse::ask_outcome).post(ticket::refuse::tell))
        .route("/approve-together", get(ticket::together::ask).post(ticket::together::approve))
        .route("/executions/{id}/cancel", get(ticket::run::ask_cancel).post(ticket::run::cancel))
        .route("/executions/{id}/undo", get(ticket::run::ask_undo).post(ticket::run::undo))
        .route("/executions/{id}/settle", get(ticket::run::ask_settle).post(ticket::run::settle))
        .route("/runbooks", get(runbooks::show))
        .route("/runbooks/{id}", get(runbook::show))
        .route("/runbooks/{id}/pre-approve", post(runbook::pre_approve))
        .route("/pre-approvals/{id}/revoke", post(runbook::revoke))
        .route("/automation", get(automation::show))
        .route("/automation/kill-switch", post(automation::switch))
        .route("/automation/modes", post(automation::set_mode))
        .route("/automation/requests/{id}/confirm", post(automation::confirm))
        .route("/automation/requests/{id}/withdraw", post(automation::withdraw))
        .route("/automation/endpoints/{name}/enable", post(automation::enable))
        .route("/automation/outbox/{id}/send-again", post(automation::send_again))
        .route("/automation/dead-letters/{id}/replay", post(automation::replay))
        .route("/models", get(models::show))
        .route("/models/drift", get(drift::show))
        .route("/models/corrections", get(corrections::show))
        .route("/models/corrections/{id}", post(corrections::rule))
        .route("/models/version/{id}", get(models::compare))
        .route("/models/version/{id}/promote", post(models::promote))
        .route("/models/rollback", post(models::rollback))
        .route("/models/shadow", post(models::shadow))
        .route("/overview", get(overview::show))
        .route("/people", get(people::show))
        .route("/people/invite", post(people::invite))
        .route("/people/invitations/{id}/withdraw", post(people::withdraw))
        .route("/people/tokens", post(people::make_token))
        .route("/people/tokens/{id}/revoke", post(people::revoke_token))
        .route("/people/{person}", post(people::change))
        .route("/people/{person}/end-sessions", post(people::end_sessions))
        .route("/log", get(log::show))
        .route("/log/checkpoints", get(log_entry::checkpoints))
        .route("/log/export", get(log_entry::export))
        .route("/log/{index}", get(log_entry::show))
}
