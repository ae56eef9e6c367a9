//! The pages in docs/connectors: every configuration on them is one, and every step on them may be run with it.

use std::collections::BTreeMap;

use super::Connectors;
use crate::{config::connector::Connector, runbook};

const PAGES: [(&str, &str); 10] = [
    ("http", include_str!("../../../docs/connectors/http.md")),
    ("rundeck", include_str!("../../../docs/connectors/rundeck.md")),
    ("awx", include_str!("../../../docs/connectors/awx.md")),
    ("stackstorm", include_str!("../../../docs/connectors/stackstorm.md")),
    ("jenkins", include_str!("../../../docs/connectors/jenkins.md")),
    ("kubernetes", include_str!("../../../docs/connectors/kubernetes.md")),
    ("github_workflow", include_str!("../../../docs/connectors/github_workflow.md")),
    ("gitlab_pipeline", include_str!("../../../docs/connectors/gitlab_pipeline.md")),
    ("n8n", include_str!("../../../docs/connectors/n8n.md")),
    ("node_red", include_str!("../../../docs/connectors/node_red.md")),
];

/// The first block of a language.
fn block<'a>(page: &'a str, language: &str) -> &'a str {
    page.split_once(&format!("```{language}\n")).unwrap().1.split_once("```").unwrap().0
}

#[test]
fn every_page_has_a_configuration_that_loads_and_a_runbook_whose_steps_it_allows() {
    for (kind, page) in PAGES {
        // The files are not there; a text stands for what is in them.
        let text = block(page, "toml").replace("_file = ", " = ");
        let mut config: BTreeMap<String, Vec<Connector>> = toml::from_str(&text).unwrap_or_else(|why| panic!("{kind}: {why}"));
        let configured = config.remove("connectors").unwrap();
        assert_eq!(configured.iter().map(|connector| connector.engine.as_str()).collect::<Vec<_>>(), [kind]);
        let connectors = Connectors::from_config(&configured).unwrap_or_else(|why| panic!("{kind}: {why}"));

        let steps = block(page, "yaml");
        let file = format!(
            "---\nid: example\ntitle: An example\nowner: server-team\nrisk: low\nreversible: true\n\
             parameters:\n  host: {{type: hostname, from: [text], description: The host}}\n{steps}---\n\n## When it happens\n\nNow.\n"
        );
        let sheet = runbook::parse("example.md", file.as_bytes(), &|_| Err("no lists".to_owned()));
        let runbook = sheet.unwrap_or_else(|findings| panic!("{kind}: {findings:?}")).runbook;
        assert!(!runbook.steps.is_empty());
        let values = runbook.values(&BTreeMap::from([("host".parse().unwrap(), "web-7".to_owned())]));
        for step in &runbook.steps {
            connectors.describe(step, &values).unwrap_or_else(|why| panic!("{kind}: {why}"));
        }
    }
}
