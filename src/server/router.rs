//! All routes, and the API document made from them.
//!
//! A handler's attribute says its method, path, parameters and answers; the table of roles says who may; the
//! document says both.

use std::sync::Arc;

use axum::{Router, extract::Request, middleware, response::IntoResponse};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder,
    path::{HttpMethod, Operation},
    security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    api,
    app::App,
    auth, console, layers,
    problem::{self, Problem, ProblemDocument},
    roles::{self, Access, Ruling},
};
use crate::pipeline::service::Service;

fn routed() -> (Router<App>, OpenApi) {
    let (router, document) = OpenApiRouter::with_openapi(described())
        .routes(routes!(api::intake::receive))
        .routes(routes!(api::ticket::list::list, api::ticket::submit::submit))
        .routes(routes!(api::ticket::show::show))
        .routes(routes!(api::ticket::log::log))
        .routes(routes!(api::ticket::triage::triage))
        .routes(routes!(api::ticket::similar::similar))
        .routes(routes!(api::ticket::handling::take))
        .routes(routes!(api::ticket::handling::release))
        .routes(routes!(api::ticket::handling::snooze))
        .routes(routes!(api::ticket::handling::wake))
        .routes(routes!(api::feedback::correct::correct))
        .routes(routes!(api::feedback::list::list))
        .routes(routes!(api::feedback::rule::rule))
        .routes(routes!(api::feedback::examples::examples))
        .routes(routes!(api::model::list::list))
        .routes(routes!(api::model::show::show))
        .routes(routes!(api::model::compare::compare))
        .routes(routes!(api::model::promote::promote))
        .routes(routes!(api::model::rollback::rollback))
        .routes(routes!(api::model::shadow::shadow))
        .routes(routes!(api::model::drift::drift))
        .routes(routes!(api::recommendation::list::list))
        .routes(routes!(api::recommendation::show::show))
        .routes(routes!(api::recommendation::approve::approve))
        .routes(routes!(api::recommendation::reject::reject))
        .routes(routes!(api::recommendation::edit::edit))
        .routes(routes!(api::recommendation::outcome::outcome, api::recommendation::judge::judge))
        .routes(routes!(api::shadow_report::show::show))
        .routes(routes!(api::shadow_report::chart::chart))
        .routes(routes!(api::execution::list::list))
        .routes(routes!(api::execution::show::show))
        .routes(routes!(api::execution::cancel::cancel))
        .routes(routes!(api::execution::settle::settle))
        .routes(routes!(api::execution::undo::undo))
        .routes(routes!(api::runbook::list::list))
        .routes(routes!(api::runbook::show::show))
        .routes(routes!(api::policy::list::list))
        .routes(routes!(api::connector::list::list))
        .routes(routes!(api::receipt::list::list))
        .routes(routes!(api::pre_approval::list::list, api::pre_approval::make::make))
        .routes(routes!(api::pre_approval::revoke::revoke))
        .routes(routes!(api::modes::show::show))
        .routes(routes!(api::modes::set::global))
        .routes(routes!(api::modes::set::source))
        .routes(routes!(api::modes::set::runbook))
        .routes(routes!(api::modes::kill_switch::set))
        .routes(routes!(api::dual_authorization::list::list, api::dual_authorization::request::request))
        .routes(routes!(api::dual_authorization::show::show))
        .routes(routes!(api::dual_authorization::confirm::confirm))
        .routes(routes!(api::dual_authorization::withdraw::withdraw))
        .routes(routes!(api::person::password::set))
        .routes(routes!(api::storm::list::list))
        .routes(routes!(api::dead_letter::list::list))
        .routes(routes!(api::dead_letter::replay::replay))
        .routes(routes!(api::outbox::list::list))
        .routes(routes!(api::outbox::show::show))
        .routes(routes!(api::outbox::redeliver::redeliver))
        .routes(routes!(api::endpoint::list::list))
        .routes(routes!(api::endpoint::enable::enable))
        .routes(routes!(api::token::list::list, api::token::create::create))
        .routes(routes!(api::token::revoke::revoke))
        .routes(routes!(api::log::entries::entries))
        .routes(routes!(api::log::entry::entry))
        .routes(routes!(api::log::checkpoint::checkpoint))
        .routes(routes!(api::log::inclusion::inclusion))
        .routes(routes!(api::log::consistency::consistency))
        .routes(routes!(api::log::tile::tile))
        .routes(routes!(api::log::export::export))
        .routes(routes!(api::health::live::live))
        .routes(routes!(api::health::ready::ready))
        .routes(routes!(api::health::loads::loads))
        .routes(routes!(api::health::metrics::metrics))
        .routes(routes!(api::health::openapi::document))
        .routes(routes!(api::problems::explain))
        .routes(routes!(api::schemas::runbook_schema))
        .routes(routes!(api::schemas::events_schema))
        .split_for_parts();
    (router, finished(document))
}

/// The service's routes with everything around them.
pub fn router(service: Arc<Service>) -> Router {
    let (router, document) = routed();
    let app = App::new(service, text(&document));
    router
        .merge(console::routes())
        .fallback(nothing_here)
        .layer(middleware::from_fn_with_state(app.clone(), auth::authorize))
        .layer(middleware::from_fn_with_state(app.clone(), layers::limit_addresses))
        .layer(middleware::from_fn_with_state(app.clone(), layers::observe))
        .with_state(app)
}

/// The API document as served at `/openapi.json` and kept in the repository.
pub fn openapi_json() -> String {
    text(&routed().1)
}

fn text(document: &OpenApi) -> String {
    let mut text = document.to_pretty_json().expect("the document has string keys and finite numbers only");
    text.push('\n');
    text
}

async fn nothing_here(request: Request) -> axum::response::Response {
    let problem = Problem::not_found("path", request.uri().path().chars().take(120).collect::<String>());
    if console::is_for_people(request.headers()) { console::told(problem) } else { problem.into_response() }
}

fn described() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Sluicegate")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Ticket triage: signed webhooks in, gated runbook automation out, every decision provable.\n\n\
             Times are RFC 3339 in UTC. Lists are newest first; give `next` back as `cursor`. Every answer that is no \
             success is an RFC 9457 problem with a stable `type`; a GET of the `type` explains it. The tenant comes \
             from the token, never from a parameter. Compare-and-set: send the `ETag` you read as `If-Match`.",
        ))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    OpenApiBuilder::new().info(info).build()
}

/// Adds to every operation who may, and the problems that any of its kind may answer.
fn finished(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let mut schemas = vec![("Problem".to_owned(), <ProblemDocument as utoipa::PartialSchema>::schema())];
    <ProblemDocument as utoipa::ToSchema>::schemas(&mut schemas);
    components.schemas.extend(schemas);
    for (path, item) in &mut document.paths.paths {
        let operations = [
            (HttpMethod::Get, &mut item.get),
            (HttpMethod::Post, &mut item.post),
            (HttpMethod::Put, &mut item.put),
            (HttpMethod::Delete, &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                finish(operation, access_of(&method, path), path);
            }
        }
    }
    // axum marks a parameter that takes slashes with a star; OpenAPI has no word for it.
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    document
}

fn access_of(method: &HttpMethod, path: &str) -> Option<Access> {
    let method = match method {
        HttpMethod::Get => axum::http::Method::GET,
        HttpMethod::Post => axum::http::Method::POST,
        HttpMethod::Put => axum::http::Method::PUT,
        _ => axum::http::Method::DELETE,
    };
    match roles::ruling(&method, path) {
        Ruling::Access(access) => Some(access),
        _ => None,
    }
}

fn finish(operation: &mut Operation, access: Option<Access>, path: &str) {
    let access = access.unwrap_or(Access::Public);
    // Handlers are named by their verb alone; an operation's id stands without its folder.
    let tag = operation.tags.iter().flatten().next().map_or("", String::as_str).replace('-', "_");
    let verb = operation.operation_id.take().unwrap_or_default();
    operation.operation_id = Some(format!("{tag}_{verb}"));
    let said = operation.description.take().map_or_else(String::new, |text| format!("{text}\n\n"));
    operation.description = Some(format!("{said}{}", access.sentence()));
    if matches!(access, Access::AnyOf(_)) {
        operation.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    }
    let changes = operation.request_body.is_some();
    let named = path.contains('{');
    let kinds = problem::common_to(&access).iter().chain(problem::of_bodies(changes, &access)).chain(problem::of_names(named, &access));
    let mut by_status: std::collections::BTreeMap<u16, Vec<&'static problem::Kind>> = std::collections::BTreeMap::new();
    for kind in kinds {
        by_status.entry(kind.status).or_default().push(kind);
    }
    for (status, kinds) in by_status {
        let description: Vec<String> = kinds.iter().map(|kind| format!("`{}`: {}", kind.id, kind.title)).collect();
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new().description(description.join("; ")).content("application/problem+json", content).build();
        operation.responses.responses.insert(status.to_string(), RefOr::T(response));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations() -> Vec<(axum::http::Method, String)> {
        let document: serde_json::Value = serde_json::from_str(&openapi_json()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let methods = |item: &serde_json::Value| item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        paths
            .iter()
            .flat_map(|(path, item)| methods(item).into_iter().map(move |method| (method.to_uppercase().parse().unwrap(), path.clone())))
            .collect()
    }

    #[test]
    fn the_committed_document_is_the_served_one() {
        crate::server::golden::check("openapi.json", &openapi_json());
    }

    #[test]
    fn the_routes_and_the_table_of_roles_are_the_same_set() {
        let routed = operations();
        for (method, path) in &routed {
            let listed = roles::ROUTES.iter().any(|route| route.method == *method && route.path.replace("{*", "{") == *path);
            assert!(listed, "{method} {path} is not in the table of roles");
        }
        assert_eq!(routed.len(), roles::ROUTES.len(), "the table of roles names a route that is not there");
    }

    #[test]
    fn every_reference_in_the_document_leads_somewhere() {
        let text = openapi_json();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut seen = 0;
        for reference in text.split("\"$ref\": \"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
            seen += 1;
        }
        assert!(seen > 50, "{seen}");
    }

    #[test]
    fn every_operation_says_who_may_and_what_can_go_wrong() {
        let document: serde_json::Value = serde_json::from_str(&openapi_json()).unwrap();
        let mut ids = std::collections::BTreeSet::new();
        for (method, path) in operations() {
            let operation = &document["paths"][&path][method.as_str().to_lowercase()];
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{}", operation["operationId"]);
            let guarded = operation["security"].is_array();
            assert_eq!(guarded, path.starts_with("/v1/") && !path.starts_with("/v1/intake"), "{method} {path}");
            assert!(!guarded || operation["responses"]["401"].is_object(), "{method} {path}");
        }
    }
}
