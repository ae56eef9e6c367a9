//! One contract an operation: the request that its documentation asks for, and the answers it tells of.

use serde_json::{Value, json};

/// Looks at what was started, at one path.
#[derive(Clone)]
pub struct Look {
    pub at: &'static str,
    /// Answered in order, before the end.
    pub before: Vec<Value>,
    pub then: Value,
}

#[derive(Clone)]
pub struct Contract {
    pub kind: &'static str,
    /// Path of the base URL.
    pub base: &'static str,
    pub auth: Value,
    /// The header that every request must have.
    pub proof: (&'static str, &'static str),
    pub allow: Value,
    pub operation: &'static str,
    /// Takes the parameter `host`, which is `prn-07`.
    pub with: Value,
    /// The arguments that the allow-list is about.
    pub named: &'static [&'static str],
    /// The table in `with` whose names `arguments` of the allow-list bounds.
    pub arguments: Option<&'static str>,
    pub method: &'static str,
    pub at: &'static str,
    pub content_type: Option<&'static str>,
    /// As sent; `EXECUTION` stands for the idempotency key.
    pub body: String,
    pub taken: (u16, Value),
    pub location: Option<&'static str>,
    /// The name of the job in the end.
    pub job: Option<&'static str>,
    pub looks: Vec<Look>,
    /// In place of the last look's `then`.
    pub failed: Value,
    /// What a step may take from the last answer.
    pub output: Option<(&'static str, &'static str)>,
}

impl Contract {
    pub fn launch(&self) -> String {
        format!("{} {}", self.method, self.at)
    }
}

const JSON: Option<&str> = Some("application/json");
const UUID: &str = "3b6c19f6-41ee-475f-8fd0-8f1a26f27a9a";
const ST2_ID: &str = "5770d0300a84b42cd28d3b0d";

fn bearer() -> Value {
    json!({"kind": "bearer", "token": "hunter2"})
}

fn header(name: &str) -> Value {
    json!({"kind": "header", "name": name, "value": "hunter2"})
}

/// A call that ends with its answer.
fn ending(kind: &'static str, base: &'static str, auth: Value, proof: (&'static str, &'static str)) -> Contract {
    Contract {
        kind,
        base,
        auth,
        proof,
        allow: json!([]),
        operation: "",
        with: json!({}),
        named: &[],
        arguments: None,
        method: "POST",
        at: "",
        content_type: JSON,
        body: "{}".to_owned(),
        taken: (200, json!({})),
        location: None,
        job: None,
        looks: Vec::new(),
        failed: json!({}),
        output: None,
    }
}

fn rundeck() -> Vec<Contract> {
    let of = || ending("rundeck", "/api/41", header("X-Rundeck-Auth-Token"), ("x-rundeck-auth-token", "hunter2"));
    let state = |status: &str| json!({"id": 17, "status": status, "project": "ops", "job": {"id": UUID, "name": "restart"}});
    vec![
        Contract {
            allow: json!([{"job": UUID, "arguments": ["host", "force"]}]),
            operation: "run_job",
            with: json!({"job": UUID, "options": {"host": "{{host}}", "force": true}}),
            named: &["job"],
            arguments: Some("options"),
            at: "/api/41/job/3b6c19f6-41ee-475f-8fd0-8f1a26f27a9a/executions",
            body: json!({"options": {"host": "prn-07", "force": "true"}}).to_string(),
            taken: (200, state("running")),
            job: Some("17"),
            looks: vec![Look { at: "/api/41/execution/17", before: vec![state("scheduled"), state("running")], then: state("succeeded") }],
            failed: state("failed"),
            output: Some(("body.status", "succeeded")),
            ..of()
        },
        Contract {
            allow: json!([{"job": UUID, "operations": ["stop"]}]),
            operation: "abort",
            with: json!({"job": UUID, "execution": 17}),
            named: &["job"],
            at: "/api/41/execution/17/abort",
            taken: (200, json!({"abort": {"status": "pending"}, "execution": {"id": "17", "status": "running"}})),
            ..of()
        },
    ]
}

fn awx() -> Vec<Contract> {
    let of = || ending("awx", "/api/v2", bearer(), ("authorization", "Bearer hunter2"));
    let state = |id: u64, status: &str| json!({"id": id, "type": "job", "status": status, "failed": status == "failed"});
    vec![
        Contract {
            allow: json!([{"job_template": 42, "arguments": ["host", "limit"]}]),
            operation: "launch_job",
            with: json!({"template": 42, "extra_vars": {"host": "{{host}}"}, "limit": "{{host}}"}),
            named: &["template"],
            arguments: Some("extra_vars"),
            at: "/api/v2/job_templates/42/launch/",
            body: json!({"extra_vars": {"host": "prn-07"}, "limit": "prn-07"}).to_string(),
            taken: (201, json!({"job": 123, "ignored_fields": {}, "id": 123, "type": "job", "status": "pending"})),
            job: Some("jobs/123"),
            looks: vec![Look {
                at: "/api/v2/jobs/123/",
                before: ["new", "pending", "waiting", "running"].map(|status| state(123, status)).to_vec(),
                then: state(123, "successful"),
            }],
            failed: state(123, "failed"),
            output: Some(("body.status", "successful")),
            ..of()
        },
        Contract {
            allow: json!([{"workflow_template": 7}]),
            operation: "launch_workflow",
            with: json!({"template": 7, "extra_vars": {"host": "{{host}}", "count": 2}}),
            named: &["template"],
            at: "/api/v2/workflow_job_templates/7/launch/",
            body: json!({"extra_vars": {"host": "prn-07", "count": 2}}).to_string(),
            taken: (201, json!({"workflow_job": 9, "id": 9, "ignored_fields": {}})),
            job: Some("workflow_jobs/9"),
            looks: vec![Look { at: "/api/v2/workflow_jobs/9/", before: vec![state(9, "running")], then: state(9, "successful") }],
            failed: state(9, "canceled"),
            ..of()
        },
        Contract {
            allow: json!([{"job_template": 42, "operations": ["stop"]}]),
            operation: "cancel_job",
            with: json!({"template": 42, "job": 123}),
            named: &["template"],
            at: "/api/v2/jobs/123/cancel/",
            taken: (202, json!({})),
            ..of()
        },
    ]
}

fn stackstorm() -> Vec<Contract> {
    let of = || ending("stackstorm", "/api/v1", header("St2-Api-Key"), ("st2-api-key", "hunter2"));
    let state = |status: &str| json!({"id": ST2_ID, "status": status, "action": {"ref": "linux.restart"}, "result": {"stdout": "done"}});
    vec![
        Contract {
            allow: json!([{"action": "linux.restart", "arguments": ["host"]}]),
            operation: "run",
            with: json!({"action": "linux.restart", "parameters": {"host": "{{host}}"}}),
            named: &["action"],
            arguments: Some("parameters"),
            at: "/api/v1/executions",
            body: json!({"action": "linux.restart", "parameters": {"host": "prn-07"}}).to_string(),
            taken: (201, state("requested")),
            job: Some(ST2_ID),
            looks: vec![Look {
                at: "/api/v1/executions/5770d0300a84b42cd28d3b0d",
                before: ["requested", "scheduled", "delayed", "running"].map(state).to_vec(),
                then: state("succeeded"),
            }],
            failed: state("timeout"),
            output: Some(("body.result.stdout", "done")),
            ..of()
        },
        Contract {
            allow: json!([{"action": "linux.restart", "operations": ["stop"]}]),
            operation: "cancel",
            with: json!({"action": "linux.restart", "execution": ST2_ID}),
            named: &["action"],
            method: "DELETE",
            at: "/api/v1/executions/5770d0300a84b42cd28d3b0d",
            content_type: None,
            body: String::new(),
            ..of()
        },
    ]
}

fn jenkins() -> Vec<Contract> {
    let of = || {
        let auth = json!({"kind": "basic", "username": "sluicegate", "password": "hunter2"});
        ending("jenkins", "", auth, ("authorization", "Basic c2x1aWNlZ2F0ZTpodW50ZXIy"))
    };
    let item = |build: Value| json!({"id": 39, "cancelled": false, "task": {"name": "restart"}, "why": "In the quiet period", "executable": build});
    let build = |building: bool, result: Value| {
        json!({"number": 35, "building": building, "result": result,
               "actions": [{}, {"parameters": [{"name": "HOST", "value": "prn-07"}]}]})
    };
    vec![
        Contract {
            allow: json!([{"job": "ops/restart", "arguments": ["HOST"]}]),
            operation: "build",
            with: json!({"job": "ops/restart", "parameters": {"HOST": "{{host}}"}}),
            named: &["job"],
            arguments: Some("parameters"),
            at: "/job/ops/job/restart/buildWithParameters",
            content_type: Some("application/x-www-form-urlencoded"),
            body: "HOST=prn-07".to_owned(),
            taken: (201, json!("")),
            // Wherever Jenkins thinks it is: only the number is used.
            location: Some("http://jenkins.evil.example/queue/item/39/"),
            job: Some("build/35"),
            looks: vec![
                Look { at: "/queue/item/39/api/json", before: vec![item(json!(null))], then: item(json!({"number": 35, "url": "x"})) },
                Look {
                    at: "/job/ops/job/restart/35/api/json",
                    before: vec![build(true, json!(null))],
                    then: build(false, json!("SUCCESS")),
                },
            ],
            failed: build(false, json!("UNSTABLE")),
            output: Some(("body.result", "SUCCESS")),
            ..of()
        },
        Contract {
            allow: json!([{"job": "ops/restart", "operations": ["stop"]}]),
            operation: "stop",
            with: json!({"job": "ops/restart", "build": 35}),
            named: &["job"],
            at: "/job/ops/job/restart/35/stop",
            content_type: None,
            body: String::new(),
            // Back to the page of the build.
            taken: (302, json!("")),
            location: Some("http://jenkins.example/job/ops/job/restart/35/"),
            ..of()
        },
    ]
}

fn kubernetes() -> Vec<Contract> {
    let of = || ending("kubernetes", "", bearer(), ("authorization", "Bearer hunter2"));
    let deployment = |seen: u64, updated: u64, reason: &str| {
        json!({"kind": "Deployment", "metadata": {"name": "prn-07", "generation": 5}, "spec": {"replicas": 2},
               "status": {"observedGeneration": seen, "replicas": 2, "updatedReplicas": updated, "availableReplicas": 2,
                          "conditions": [{"type": "Progressing", "status": "True", "reason": reason}]}})
    };
    let objects = |operation: &str| json!([{"namespace": "shop", "resource": "deployment", "operations": [operation]}]);
    let with = || json!({"namespace": "shop", "resource": "deployment", "name": "{{host}}"});
    let and = |key: &str, value: Value| {
        let mut with = with();
        with[key] = value;
        with
    };
    vec![
        Contract {
            allow: objects("rollout_restart"),
            operation: "rollout_restart",
            with: with(),
            named: &["namespace", "resource"],
            method: "PATCH",
            at: "/apis/apps/v1/namespaces/shop/deployments/prn-07",
            content_type: Some("application/strategic-merge-patch+json"),
            body: json!({"spec": {"template": {"metadata": {"annotations": {"sluicegate/restarted-by": "EXECUTION"}}}}}).to_string(),
            taken: (200, deployment(4, 2, "NewReplicaSetAvailable")),
            job: Some("generation/5"),
            looks: vec![Look {
                at: "/apis/apps/v1/namespaces/shop/deployments/prn-07",
                before: vec![deployment(4, 2, "NewReplicaSetAvailable"), deployment(5, 1, "ReplicaSetUpdated")],
                then: deployment(5, 2, "NewReplicaSetAvailable"),
            }],
            failed: deployment(5, 1, "ProgressDeadlineExceeded"),
            output: Some(("body.metadata.name", "prn-07")),
            ..of()
        },
        Contract {
            allow: objects("scale"),
            operation: "scale",
            with: and("replicas", json!(3)),
            named: &["namespace", "resource"],
            method: "PATCH",
            at: "/apis/apps/v1/namespaces/shop/deployments/prn-07/scale",
            content_type: Some("application/merge-patch+json"),
            body: json!({"spec": {"replicas": 3}}).to_string(),
            taken: (200, json!({"kind": "Scale", "spec": {"replicas": 3}})),
            ..of()
        },
        Contract {
            allow: objects("patch"),
            operation: "patch",
            with: and("patch", json!({"metadata": {"labels": {"asked-by": "{{host}}"}}})),
            named: &["namespace", "resource"],
            method: "PATCH",
            at: "/apis/apps/v1/namespaces/shop/deployments/prn-07",
            content_type: Some("application/strategic-merge-patch+json"),
            body: json!({"metadata": {"labels": {"asked-by": "prn-07"}}}).to_string(),
            taken: (200, deployment(5, 2, "x")),
            ..of()
        },
        Contract {
            allow: json!([{"namespace": "shop", "resource": "pod", "operations": ["delete_pod"]}]),
            operation: "delete_pod",
            with: json!({"namespace": "shop", "name": "{{host}}"}),
            named: &["namespace"],
            method: "DELETE",
            at: "/api/v1/namespaces/shop/pods/prn-07",
            content_type: None,
            body: String::new(),
            taken: (200, json!({"kind": "Pod", "metadata": {"name": "prn-07"}})),
            output: Some(("body.metadata.name", "prn-07")),
            ..of()
        },
    ]
}

fn github() -> Vec<Contract> {
    let of = || ending("github_workflow", "", bearer(), ("authorization", "Bearer hunter2"));
    let state = |status: &str, conclusion: Value| json!({"id": 8_000_000_001_u64, "status": status, "conclusion": conclusion});
    let with = || json!({"repository": "acme/ops", "workflow": "restart.yml", "ref": "main"});
    let allow = |operation: &str| json!([{"repository": "acme/ops", "workflow": "restart.yml", "ref": "main", "operations": [operation], "arguments": ["host"]}]);
    let and = |key: &str, value: Value| {
        let mut with = with();
        with[key] = value;
        with
    };
    let dispatches = "/repos/acme/ops/actions/workflows/restart.yml/dispatches";
    vec![
        Contract {
            allow: allow("start"),
            operation: "dispatch",
            with: and("inputs", json!({"host": "{{host}}"})),
            named: &["repository", "workflow", "ref"],
            arguments: Some("inputs"),
            at: dispatches,
            body: json!({"ref": "main", "inputs": {"host": "prn-07"}, "return_run_details": true}).to_string(),
            taken: (200, json!({"workflow_run_id": 8_000_000_001_u64, "run_url": "x", "html_url": "x"})),
            job: Some("8000000001"),
            looks: vec![Look {
                at: "/repos/acme/ops/actions/runs/8000000001",
                before: vec![state("queued", json!(null)), state("in_progress", json!(null))],
                then: state("completed", json!("success")),
            }],
            failed: state("completed", json!("cancelled")),
            output: Some(("body.conclusion", "success")),
            ..of()
        },
        Contract {
            allow: allow("start"),
            operation: "dispatch_only",
            with: and("inputs", json!({"host": "{{host}}"})),
            named: &["repository", "workflow", "ref"],
            arguments: Some("inputs"),
            at: dispatches,
            body: json!({"ref": "main", "inputs": {"host": "prn-07"}}).to_string(),
            taken: (204, json!("")),
            ..of()
        },
        Contract {
            allow: allow("stop"),
            operation: "cancel",
            with: and("run", json!(8_000_000_001_u64)),
            named: &["repository", "workflow", "ref"],
            at: "/repos/acme/ops/actions/runs/8000000001/cancel",
            taken: (202, json!({})),
            ..of()
        },
    ]
}

fn gitlab() -> Vec<Contract> {
    let of = || ending("gitlab_pipeline", "/api/v4", header("PRIVATE-TOKEN"), ("private-token", "hunter2"));
    let state = |status: &str| json!({"id": 61, "status": status, "ref": "main", "web_url": "https://gitlab.example/p/61"});
    vec![
        Contract {
            allow: json!([{"project": "acme/ops", "ref": "main", "arguments": ["HOST"]}]),
            operation: "run",
            with: json!({"project": "acme/ops", "ref": "main", "variables": {"HOST": "{{host}}"}}),
            named: &["project", "ref"],
            arguments: Some("variables"),
            at: "/api/v4/projects/acme%2Fops/pipeline",
            body: json!({"ref": "main", "variables": [{"key": "HOST", "value": "prn-07"}]}).to_string(),
            taken: (201, state("created")),
            job: Some("61"),
            looks: vec![Look {
                at: "/api/v4/projects/acme%2Fops/pipelines/61",
                before: ["created", "waiting_for_resource", "preparing", "pending", "running"].map(state).to_vec(),
                then: state("success"),
            }],
            failed: state("skipped"),
            output: Some(("body.web_url", "https://gitlab.example/p/61")),
            ..of()
        },
        Contract {
            allow: json!([{"project": "acme/ops", "ref": "main", "operations": ["stop"]}]),
            operation: "cancel",
            with: json!({"project": "acme/ops", "ref": "main", "pipeline": 61}),
            named: &["project", "ref"],
            at: "/api/v4/projects/acme%2Fops/pipelines/61/cancel",
            taken: (200, state("canceled")),
            ..of()
        },
    ]
}

fn hooks() -> Vec<Contract> {
    ["n8n", "node_red"]
        .into_iter()
        .map(|kind| Contract {
            allow: json!([{"hook": "restart-printer", "arguments": ["printer"]}]),
            operation: "call",
            with: json!({"hook": "restart-printer", "body": {"printer": "{{host}}"}}),
            named: &["hook"],
            arguments: Some("body"),
            at: "/webhook/restart-printer",
            body: json!({"printer": "prn-07"}).to_string(),
            taken: (200, json!({"restarted": "prn-07"})),
            output: Some(("body.restarted", "prn-07")),
            ..ending(kind, "/webhook", header("X-Hook-Secret"), ("x-hook-secret", "hunter2"))
        })
        .collect()
}

pub fn contracts() -> Vec<Contract> {
    [rundeck(), awx(), stackstorm(), jenkins(), kubernetes(), github(), gitlab(), hooks()].concat()
}
