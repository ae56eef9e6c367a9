//! `demo`: the whole way of a ticket, with nothing to configure.
//!
//! A real service on a temporary folder, a simulated automation endpoint and a receiving help desk, all over
//! HTTP on loopback. Sample tickets arrive through the real signed webhooks. Two simulated persons act: an
//! approver who pre-approves the low-risk runbooks, and an on-call engineer who allows some proposals. Together they
//! switch automation on.

mod automation;
mod desk;
mod samples;
mod tell;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use automation::Automation;
use clap::Parser;
use desk::Desk;
use samples::{Sample, Secrets};

use super::{Outcome, assemble, init};
use crate::{
    config::{
        Config,
        connector::{Connector, ConnectorAuth},
        engine::{AllowedCall, Engine},
        secret::Secret,
        source::{AdapterKind, Auth, Source},
        span::Span,
        webhook::Webhook,
        write_back::{DeskKind, Priorities, Visibility, WriteBack},
    },
    domain::{
        approval::{Caps, Mode, Scope},
        name::{PersonId, TenantId},
        principal::{Actor, Principal, Role},
        priority::Risk,
        state::TicketState,
    },
    pipeline::{
        actions::{account, approve, dual_authorization, pre_approve, token},
        service::Service,
        workers,
    },
    server::Application,
    store::interface::{Page, TicketFilter},
};

#[derive(Debug, Parser)]
pub struct Args {
    /// Run the samples to their end, print a summary and exit.
    #[arg(long)]
    once: bool,
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runbooks that wait for a person and that the on-call engineer of the demo allows; the rest stays waiting.
const APPROVED_BY_HAND: [&str; 4] = ["send-password-reset", "resume-replication", "requeue-dead-messages", "restart-deployment"];

/// Who is on call in the demo.
const ON_CALL: &str = "olu.adeyemi@example.com";

/// Between two sample tickets, so that a person can read along.
const PACE: Duration = Duration::from_millis(120);

/// A ticket still on its way after this means that something is broken.
const LONGEST: Duration = Duration::from_secs(60);

pub fn run(args: &Args) -> Outcome {
    crate::telemetry::init("text", "warn")?;
    let folder = tempfile::Builder::new().prefix("sluicegate-demo-").tempdir()?;
    super::runtime()?.block_on(async {
        let demo = Demo::start(folder.path(), args.listen).await?;
        println!("sluicegate {} demo: data in {}", env!("CARGO_PKG_VERSION"), folder.path().display());
        println!("  service      {}", demo.url);
        println!("  console      {}/ (sign in as {ON_CALL}, password {})", demo.url, demo.password.expose());
        println!("               also ines.duarte@example.com (approver, operator), ravi.menon@example.com (auditor, admin)");
        println!("  openapi      {}/openapi.json", demo.url);
        println!("  token        {} (all roles; ends with the demo)", demo.token);
        println!("  try          curl -H 'Authorization: Bearer {}' {}/v1/tickets\n", demo.token, demo.url);
        let told = tokio::spawn(tell::follow(demo.service.clone()));
        demo.post_all().await?;
        demo.settled().await?;
        told.abort();
        tell::summary(&demo.service, &demo.automation.calls(), &demo.desk.tickets(), &demo.desk.events()).await?;
        if !args.once {
            println!("\nThe service stays up at {}. Stop it with Ctrl-C.", demo.url);
            let _told = tokio::spawn(tell::follow(demo.service.clone()));
            tokio::signal::ctrl_c().await?;
        }
        demo.stop().await
    })
}

struct Demo {
    service: Arc<Service>,
    workers: workers::Workers,
    stop: tokio::sync::oneshot::Sender<()>,
    server: tokio::task::JoinHandle<Result<(), Failure>>,
    url: String,
    token: String,
    password: Secret,
    secrets: Secrets,
    on_call: Principal,
    automation: Automation,
    desk: Desk,
}

impl Demo {
    async fn start(folder: &Path, listen: SocketAddr) -> Result<Self, Failure> {
        init::write_assets(folder)?;
        let ambient = assemble::System;
        let random = || format!("{:032x}", crate::domain::ambient::Ambient::random(&ambient));
        let mut webhook = [0; 32];
        getrandom::fill(&mut webhook)?;
        let secrets = Secrets { zendesk: random(), alertmanager: random(), webhook };
        let (automation, desk, automation_token) = (Automation::default(), Desk::default(), random());
        let automation_address = serve(automation.router(&automation_token)).await?;
        let desk_address = serve(desk.router()).await?;

        let mut config = config(folder, &secrets, automation_address, &automation_token, desk_address)?;
        config.server.listen = listen;
        let listener = tokio::net::TcpListener::bind(listen).await.map_err(|why| format!("cannot listen on {listen}: {why}"))?;
        let url = format!("http://{}", listener.local_addr()?);
        config.server.public_url.clone_from(&url);
        let service = assemble::service(config).await?;
        let password = Secret::new(format!("demo-{}", &random()[..8]));
        let on_call = person(&service, ON_CALL, &[Role::Responder, Role::Approver], &password).await?;
        let approver = person(&service, "ines.duarte@example.com", &[Role::Approver, Role::Operator], &password).await?;
        person(&service, "ravi.menon@example.com", &[Role::Auditor, Role::Admin], &password).await?;
        pre_approve_low_risk(&service, &approver).await?;
        switch_on(&service, &approver, &on_call, &password).await?;
        let token = token::create(&service, Actor::Engine, TenantId::default(), PersonId::new("demo")?, Role::ALL.into(), None).await?.text;
        let application = Application::on(listener, service.clone())?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            application
                .run_until(async {
                    let _ = stopped.await;
                })
                .await
                .map_err(Failure::from)
        });
        let workers = workers::start(&service);
        Ok(Self { service, workers, stop, server, url, token, password, secrets, on_call, automation, desk })
    }

    async fn post_all(&self) -> Result<(), Failure> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let mut first: Option<samples::Posted> = None;
        for (number, sample) in (1..).zip(samples::all()?) {
            let posted = self.post(&client, number, &sample).await?;
            first.get_or_insert(posted);
            tokio::time::sleep(PACE).await;
        }
        // Senders send again when an answer is lost on the way; the second one changes nothing.
        if let Some(again) = first {
            self.send(&client, &again).await?;
        }
        Ok(())
    }

    async fn post(&self, client: &reqwest::Client, number: u64, sample: &Sample) -> Result<samples::Posted, Failure> {
        let posted = sample.post(number, &self.secrets, self.service.ambient.now());
        self.send(client, &posted).await?;
        Ok(posted)
    }

    async fn send(&self, client: &reqwest::Client, posted: &samples::Posted) -> Result<(), Failure> {
        let mut request = client
            .post(format!("{}/v1/intake/{}", self.url, posted.source))
            .body(posted.body.clone())
            .header("content-type", "application/json");
        for (name, value) in &posted.headers {
            request = request.header(*name, value);
        }
        let answer = request.send().await?;
        if answer.status() != reqwest::StatusCode::ACCEPTED {
            return Err(format!("the webhook of {} was answered {}: {}", posted.source, answer.status(), answer.text().await?).into());
        }
        Ok(())
    }

    /// Waits until every ticket has come to rest and everything was said, and lets the on-call engineer approve some.
    async fn settled(&self) -> Result<(), Failure> {
        let mut happenings = self.service.store.listen();
        let wait = async {
            loop {
                self.approve_some().await?;
                if self.is_settled().await? {
                    return Ok::<(), Failure>(());
                }
                let _ = tokio::time::timeout(Duration::from_millis(250), happenings.recv()).await;
            }
        };
        tokio::time::timeout(LONGEST, wait).await.map_err(|_| format!("some tickets did not come to rest in {LONGEST:?}"))?
    }

    async fn is_settled(&self) -> Result<bool, Failure> {
        let tenant = TenantId::default();
        let counts = self.service.store.ticket_counts(&tenant).await?;
        let moving = [TicketState::Received, TicketState::Triaged, TicketState::Executing]
            .into_iter()
            .any(|state| counts.get(&state).is_some_and(|count| *count > 0));
        let waiting = self
            .service
            .store
            .messages(&tenant, Some(crate::domain::outbox::OutboxState::Waiting), Page { before: None, limit: 1 })
            .await?;
        Ok(!moving && waiting.is_empty())
    }

    async fn approve_some(&self) -> Result<(), Failure> {
        let tenant = TenantId::default();
        let filter = TicketFilter { states: vec![TicketState::AwaitingApproval], source: None };
        for ticket in self.service.store.tickets(&tenant, &filter, Page { before: None, limit: 100 }).await? {
            let Some(recommendation) = self.service.store.recommendation_for(&tenant, ticket.id).await? else { continue };
            if recommendation.runbook.as_ref().is_some_and(|runbook| APPROVED_BY_HAND.contains(&runbook.as_str())) {
                let seen = approve::Approve {
                    revision: recommendation.revision,
                    binding: recommendation.binding()?,
                    comment: Some("looked at it, go ahead".to_owned()),
                };
                approve::approve(&self.service, &self.on_call, recommendation.id, seen).await?;
            }
        }
        Ok(())
    }

    async fn stop(self) -> Outcome {
        let _ = self.stop.send(());
        self.server.await??;
        self.workers.stop().await;
        self.service.store.close().await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A named approver, who wrote none of them, makes the shipped low-risk runbooks standard changes.
async fn pre_approve_low_risk(service: &Service, approver: &Principal) -> Result<(), Failure> {
    let decider = service.decider();
    let low_risk = decider.library().iter().filter(|runbook| runbook.risk == Risk::Low && runbook.is_executable());
    for runbook in low_risk {
        let asked = pre_approve::NewPreApproval {
            runbook: runbook.id.clone(),
            digest: runbook.digest,
            mode: Mode::Auto,
            caps: Caps { per_hour: 20, per_target_hour: 2, per_requester_hour: 5, concurrent: 5 },
            sources: BTreeSet::new(),
            categories: BTreeSet::new(),
            during: None,
            expires_at: service.ambient.now().plus(Duration::from_secs(86_400)),
        };
        pre_approve::make(service, approver, asked).await?;
    }
    Ok(())
}

/// Two approvers let Sluicegate act on its own, each under their own password.
async fn switch_on(service: &Service, asks: &Principal, confirms: &Principal, password: &Secret) -> Result<(), Failure> {
    let reason = "a demo of standard changes that run on their own".to_owned();
    let asked = dual_authorization::Asked::AutoMode { scope: Scope::Global, reason, proof: password.clone().into() };
    let asked = dual_authorization::request(service, asks, asked).await?;
    dual_authorization::confirm(service, confirms, asked.id, asked.revision, &password.clone().into()).await?;
    Ok(())
}

/// A person with an account, by which they sign in to the console and prove that they are there.
async fn person(service: &Service, name: &str, roles: &[Role], password: &Secret) -> Result<Principal, Failure> {
    let (tenant, person, roles) = (TenantId::default(), PersonId::new(name)?, roles.iter().copied().collect());
    let account = account::make(service, Actor::Engine, &tenant, &person, roles, password).await?;
    Ok(Principal { person: account.person, tenant: account.tenant, roles: account.roles })
}

/// Serves `router` on a free loopback port for as long as the process lives.
async fn serve(router: axum::Router) -> Result<SocketAddr, Failure> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

fn config(folder: &Path, secrets: &Secrets, automation: SocketAddr, automation_token: &str, desk: SocketAddr) -> Result<Config, Failure> {
    let loopback = vec!["127.0.0.0/8".parse()?];
    let inside = |path: &str| -> PathBuf { folder.join(path) };
    let mut config = Config::default();
    config.store.folder = inside("data");
    config.triage.model = inside("models/service-desk");
    config.triage.models = inside("models");
    config.triage.frozen = inside("models/service-desk.eval.jsonl");
    config.triage.embedding = inside("models/embedding");
    config.triage.catalogue = inside("models/catalogue.toml");
    config.triage.signals = inside("signals.toml");
    config.runbooks.folder = inside("runbooks");
    config.gate.policies = inside("policies");
    // A demo has no history to measure an error rate on. A real desk earns automation in shadow and suggest mode.
    config.gate.error_limit = 1.0;
    config.pipeline.poll = Span(Duration::from_millis(200));
    let source = |name: &str, adapter, auth, write_back| Source {
        name: name.to_owned(),
        tenant: "default".to_owned(),
        adapter,
        auth,
        quota_per_minute: 0,
        own_actors: Vec::new(),
        write_back,
    };
    let signature = |name: &str, secret: String| Auth::Signature {
        name: name.to_owned(),
        secrets: vec![Secret::new(secret)],
        tolerance: Span::secs(300),
    };
    let mapped = |value: &str| Some(value.to_owned());
    let write_back = WriteBack {
        kind: DeskKind::Zendesk,
        base_url: format!("http://{desk}").parse()?,
        email: mapped("sluicegate@example.com"),
        user: None,
        token: Secret::new("demo-token"),
        client_id: None,
        client_secret: None,
        visibility: Visibility::Internal,
        priorities: Priorities { p1: mapped("urgent"), p2: mapped("high"), p3: mapped("normal"), p4: mapped("low") },
        resolved: mapped("solved"),
        resolved_fields: Vec::new(),
        categories: Vec::new(),
        groups: Vec::new(),
        allow_addresses: loopback.clone(),
    };
    config.sources = vec![
        source("zendesk-demo", AdapterKind::Zendesk, signature("zendesk", secrets.zendesk.clone()), Some(write_back)),
        source(
            "alertmanager-demo",
            AdapterKind::Alertmanager,
            Auth::Token { secrets: vec![Secret::new(secrets.alertmanager.clone())], header: None },
            None,
        ),
        source("webhook-demo", AdapterKind::StandardWebhooks, signature("standard_webhooks", secrets.whsec()), None),
    ];
    config.connectors = vec![Connector {
        name: "automation".to_owned(),
        base_url: format!("http://{automation}").parse()?,
        auth: Some(ConnectorAuth::Bearer { token: Secret::new(automation_token) }),
        engine: Engine::Http(vec![
            AllowedCall { method: "get".to_owned(), path: "/*/*".to_owned() },
            AllowedCall { method: "post".to_owned(), path: "/*/*/*".to_owned() },
        ]),
        tls: None,
        proxy: None,
        allow_addresses: loopback.clone(),
        timeout: Span::secs(30),
        response_limit: 64 * 1024,
        probe: Span::default(),
    }];
    config.webhooks = vec![Webhook {
        name: "demo".to_owned(),
        tenant: "default".to_owned(),
        url: format!("http://{desk}/events").parse()?,
        secret: vec![Secret::new(secrets.whsec())],
        disable_after: Span::default(),
        owner_mail: None,
        owner_chat: None,
        events: Vec::new(),
        allow_addresses: loopback,
    }];
    Ok(config)
}
