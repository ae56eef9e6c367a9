//! Every metric by name, in one place, in a registry of its own.
//!
//! Names follow the Prometheus conventions: base units, `_total` on counters. `docs/reference/metrics.md` is
//! made from this file; a test holds them together. Increment where the change is committed, not where it is tried.

use prometheus::{
    Encoder as _, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder, core::Collector,
};

/// From a tenth of a millisecond to a minute: a commit to memory, and a step that waits for a slow system.
const SECONDS: [f64; 17] = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
const GROUP: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

macro_rules! metrics {
    ($($(#[doc = $help:literal])* $field:ident: $type:ident = $name:literal $([$($label:literal),+])? $(buckets $buckets:ident)?;)*) => {
        /// The service's metrics. Cheap to clone: the clones count together.
        #[derive(Clone)]
        pub struct Metrics {
            registry: Registry,
            $($(#[doc = $help])* pub $field: $type,)*
        }

        impl Metrics {
            fn registered() -> Result<Self, prometheus::Error> {
                let registry = Registry::new();
                $(let $field: $type = made::<$type>($name, concat!($($help),*).trim(), &[$($($label),+)?], &{
                    let buckets: &[&[f64]] = &[$(&$buckets)?];
                    buckets.concat()
                })?;
                registry.register(Box::new($field.clone()))?;)*
                Ok(Self { registry, $($field),* })
            }

            /// Name, type, labels and help of every metric, in the order of this file.
            pub fn catalogue() -> Vec<(&'static str, &'static str, Vec<&'static str>, &'static str)> {
                vec![$(($name, <$type as Kind>::NAME, vec![$($($label),+)?], concat!($($help),*).trim())),*]
            }
        }
    };
}

metrics! {
    /// HTTP requests by route pattern, method and status.
    requests: IntCounterVec = "sluicegate_http_requests_total" ["route", "method", "status"];
    /// Time from a request's head to its answer.
    request_seconds: HistogramVec = "sluicegate_http_request_seconds" ["route"] buckets SECONDS;
    /// Webhook deliveries by configured source and outcome; an unknown source counts as `unknown`.
    intake: IntCounterVec = "sluicegate_intake_deliveries_total" ["source", "outcome"];
    /// Signed deliveries that no adapter could read and nobody has looked at.
    dead_letters: IntGauge = "sluicegate_intake_dead_letters";
    /// Moves of tickets between states.
    ticket_transitions: IntCounterVec = "sluicegate_ticket_transitions_total" ["from", "to"];
    /// Tickets and executions that wait for a worker.
    queue_depth: IntGaugeVec = "sluicegate_queue_depth" ["queue"];
    /// Time of one durable commit of a group.
    commit_seconds: Histogram = "sluicegate_store_commit_seconds" buckets SECONDS;
    /// Changes that one commit made durable together.
    commit_group: Histogram = "sluicegate_store_commit_group_size" buckets GROUP;
    /// Changes refused because the disk's queue was full.
    store_overloads: IntCounter = "sluicegate_store_overloads_total";
    /// Time to classify one ticket and match its runbook.
    triage_seconds: Histogram = "sluicegate_triage_seconds" buckets SECONDS;
    /// Targets on which the classifier abstained.
    abstentions: IntCounterVec = "sluicegate_triage_abstentions_total" ["target"];
    /// The gate's verdicts by decision and the id of the first refusal (`none` when nothing refused).
    verdicts: IntCounterVec = "sluicegate_gate_verdicts_total" ["decision", "first_refusal"];
    /// Policies that failed to evaluate; each counts as a refusal.
    gate_errors: IntCounter = "sluicegate_gate_evaluation_errors_total";
    /// Outcomes of proposals that became known by kind, and whether the run was automatic.
    outcomes: IntCounterVec = "sluicegate_outcomes_total" ["kind", "automatic"];
    /// Runbooks that lost their automation because their outcomes showed too many errors.
    demotions: IntCounterVec = "sluicegate_runbook_demotions_total" ["runbook"];
    /// Executions by their final state.
    executions: IntCounterVec = "sluicegate_executions_total" ["outcome"];
    /// Time of one step's call by kind of step and outcome.
    step_seconds: HistogramVec = "sluicegate_execution_step_seconds" ["kind", "outcome"] buckets SECONDS;
    /// Whether runs may use a connector: 0 they may, 1 one try decides, 2 it rests after failures.
    connector_breaker: IntGaugeVec = "sluicegate_connector_breaker_state" ["connector"];
    /// Harmless requests to connectors that are probed, by outcome: `ok` or `failed`.
    connector_probes: IntCounterVec = "sluicegate_connector_probes_total" ["connector", "outcome"];
    /// Requests to witnesses of the log, by outcome: `cosigned` or `failed`.
    witness_requests: IntCounterVec = "sluicegate_witness_requests_total" ["witness", "outcome"];
    /// Outgoing messages delivered.
    outbox_deliveries: IntCounterVec = "sluicegate_outbox_deliveries_total" ["destination"];
    /// Sends of outgoing messages begun.
    outbox_attempts: IntCounterVec = "sluicegate_outbox_attempts_total" ["destination"];
    /// Outgoing messages given up.
    outbox_dead: IntCounterVec = "sluicegate_outbox_dead_total" ["destination"];
    /// 1 while nothing is sent to this webhook because it failed for too long.
    endpoints_disabled: IntGaugeVec = "sluicegate_webhook_disabled" ["destination"];
    /// Reloads that failed and left the last good version in force.
    reload_failures: IntCounterVec = "sluicegate_reload_failures_total" ["what"];
    /// Entries of the action log.
    log_size: IntGauge = "sluicegate_log_entries";
    /// When the process started, in seconds since 1970.
    process_start: Gauge = "sluicegate_process_start_time_seconds";
    /// Always 1; the labels say which build runs.
    build_info: IntGaugeVec = "sluicegate_build_info" ["version"];
    /// Look-ups of values in directory services by outcome: `cached`, `listed`, `unlisted`, `listed_before` or `unknown`.
    directory_lookups: IntCounterVec = "sluicegate_directory_lookups_total" ["directory", "outcome"];
    /// 1 when what decides is not the newest on disk, because the newest was refused.
    reload_stale: IntGaugeVec = "sluicegate_reload_stale" ["what"];
    /// When what decides was loaded, in seconds since 1970.
    reload_success: GaugeVec = "sluicegate_reload_last_success_time_seconds" ["what"];
}

impl Metrics {
    /// Fresh metrics, all at zero.
    ///
    /// `started_at` is in seconds since 1970.
    pub fn new(version: &str, started_at: f64) -> Self {
        let metrics = Self::registered().expect("the names and labels above are valid and each stands once, as a test checks");
        metrics.process_start.set(started_at);
        metrics.build_info.with_label_values(&[version]).set(1);
        metrics
    }

    /// The text format of Prometheus, sorted by name.
    pub fn render(&self) -> String {
        let mut buffer = Vec::new();
        // A vector takes every write; a family without samples is left out by the registry.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut buffer);
        String::from_utf8_lossy(&buffer).into_owned()
    }

    /// The reference page: a table of every metric.
    pub fn reference() -> String {
        let mut page = String::from(
            "# Metrics\n\nServed at `/metrics` in the Prometheus text format.\n\n| name | type | labels | meaning |\n|---|---|---|---|\n",
        );
        for (name, kind, labels, help) in Self::catalogue() {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            page += &format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", "));
        }
        page
    }
}

/// A type of metric that the table above may use.
trait Kind: Collector + Sized {
    const NAME: &'static str;

    fn make(opts: Opts, labels: &[&str], buckets: &[f64]) -> Result<Self, prometheus::Error>;
}

fn made<K: Kind>(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> Result<K, prometheus::Error> {
    K::make(Opts::new(name, help), labels, buckets)
}

macro_rules! kinds {
    ($($type:ident = $name:literal, |$opts:ident, $labels:ident, $buckets:ident| $make:expr;)*) => {$(
        impl Kind for $type {
            const NAME: &'static str = $name;

            fn make($opts: Opts, $labels: &[&str], $buckets: &[f64]) -> Result<Self, prometheus::Error> {
                $make
            }
        }
    )*};
}

kinds! {
    IntCounter = "counter", |opts, _labels, _buckets| Self::with_opts(opts);
    IntCounterVec = "counter", |opts, labels, _buckets| Self::new(opts, labels);
    IntGauge = "gauge", |opts, _labels, _buckets| Self::with_opts(opts);
    Gauge = "gauge", |opts, _labels, _buckets| Self::with_opts(opts);
    GaugeVec = "gauge", |opts, labels, _buckets| Self::new(opts, labels);
    IntGaugeVec = "gauge", |opts, labels, _buckets| Self::new(opts, labels);
    Histogram = "histogram", |opts, _labels, buckets| Self::with_opts(HistogramOpts::from(opts).buckets(buckets.to_vec()));
    HistogramVec = "histogram", |opts, labels, buckets| Self::new(HistogramOpts::from(opts).buckets(buckets.to_vec()), labels);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_follows_the_conventions_and_stands_once() {
        let mut names = std::collections::BTreeSet::new();
        for (name, kind, _, help) in Metrics::catalogue() {
            assert!(name.starts_with("sluicegate_") && names.insert(name), "{name}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            assert!(help.ends_with('.') && help.len() > 10, "{name}");
        }
    }

    #[test]
    fn what_is_counted_shows_in_the_text_format() {
        let metrics = Metrics::new("1.2.3", 1_700_000_000.0);
        metrics.intake.with_label_values(&["zendesk", "accepted"]).inc_by(3);
        metrics.clone().commit_seconds.observe(0.002);
        let text = metrics.render();
        for line in [
            "sluicegate_intake_deliveries_total{outcome=\"accepted\",source=\"zendesk\"} 3",
            "sluicegate_store_commit_seconds_bucket{le=\"0.0025\"} 1",
            "sluicegate_build_info{version=\"1.2.3\"} 1",
            "sluicegate_process_start_time_seconds 1700000000",
            "# TYPE sluicegate_intake_deliveries_total counter",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn the_reference_page_lists_what_there_is() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/metrics.md");
        let page = Metrics::reference();
        if std::env::var_os("SLUICEGATE_BLESS").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), page, "run the test with SLUICEGATE_BLESS=1 and look at the difference");
    }
}
