//! Loading from real files in a folder of its own, and the documented default held beside structs and schema.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use toml::Value;

use super::{
    schema::{self, Node},
    source::Auth,
    *,
};

const DOCUMENTED: &str = include_str!("../../sluicegate.toml");

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = folder.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            #[cfg(unix)]
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, env: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        load_with_warnings(Some(&self.path("c.toml")), env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    fn findings(&self, env: &[(&str, &str)]) -> Vec<Finding> {
        match self.load(env).unwrap_err() {
            ConfigError::Findings(findings) => findings,
            other => panic!("{other}"),
        }
    }
}

fn texts(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| finding.to_string().rsplit_once("c.toml:").map_or(finding.to_string(), |(_, text)| text.to_owned()))
        .collect()
}

const SOURCE: &str = r#"
[[sources]]
name = "desk-a"
adapter = "json"
auth = { scheme = "token", secrets_file = "token" }
"#;

#[test]
fn the_documented_default_is_the_default() {
    let shown = |text: &str| {
        let folder = Folder::new(&[("c.toml", text)]);
        show(&folder.load(&[]).unwrap().config).replace(folder.0.path().to_str().unwrap(), "")
    };
    assert_eq!(shown(DOCUMENTED), shown(""));
    assert_eq!(show(&load(None, std::iter::empty()).unwrap()), show(&Config::default()));
}

/// The documented file with every setting in force.
fn uncommented() -> String {
    DOCUMENTED
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

fn paths_of(value: &Value, at: &str, paths: &mut BTreeSet<String>) {
    match value {
        Value::Table(table) => table.iter().for_each(|(key, value)| paths_of(value, &format!("{at}.{key}"), paths)),
        Value::Array(entries) if entries.iter().any(Value::is_table) => entries.iter().for_each(|entry| paths_of(entry, at, paths)),
        _ => drop(paths.insert(at.to_owned())),
    }
}

fn schema_paths(fields: &[(&str, Node)], at: &str, paths: &mut BTreeSet<String>) {
    for (key, node) in fields {
        let full = format!("{at}.{key}");
        match node {
            Node::Table(inner) | Node::Tables(inner) => schema_paths(inner, &full, paths),
            _ => drop(paths.insert(full)),
        }
    }
}

/// Authentication, TLS and proxy are one set of tables, documented once, wherever they stand.
fn shared(paths: BTreeSet<String>) -> BTreeSet<String> {
    let once = |path: String| {
        let rest =
            path.strip_prefix(".directories").filter(|rest| [".auth.", ".tls.", ".proxy."].iter().any(|table| rest.starts_with(table)));
        rest.map(|rest| format!(".connectors{rest}")).unwrap_or(path)
    };
    paths.into_iter().map(once).collect()
}

#[test]
fn file_schema_and_structs_have_the_same_keys_and_the_file_shows_the_defaults() {
    let text = uncommented();
    let webhook = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";
    // Every file that it names, whatever stands in it; a webhook's secret is looked into.
    let named = text.lines().filter(|line| line.contains("_file = \"")).filter_map(|line| line.split('"').nth(1));
    let files: Vec<(String, &str)> = named.map(|name| (name.to_owned(), webhook)).collect();
    let mut all: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    all.retain(|(name, _)| *name != "secrets/desk-chat");
    all.push(("secrets/desk-chat", "https://hooks.slack.com/services/T0/B0/x\n"));
    // Recipients without a server are refused; the default has neither.
    let text = text.replace("host = \"\"", "host = \"mail.example.com\"");
    all.push(("c.toml", &text));
    let loaded = Folder::new(&all).load(&[]).unwrap();
    assert_eq!(loaded.warnings, []);

    let (mut of_file, mut of_structs, mut of_schema) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut file: Value = Value::Table(text.parse().unwrap());
    paths_of(&file, "", &mut of_file);
    let of_file: BTreeSet<String> = of_file.iter().map(|path| path.strip_suffix("_file").unwrap_or(path).to_owned()).collect();
    let of_file = shared(of_file);
    paths_of(&show(&loaded.config).parse::<toml::Table>().unwrap().into(), "", &mut of_structs);
    schema_paths(schema::ROOT, "", &mut of_schema);
    let (of_structs, of_schema) = (shared(of_structs), shared(of_schema));
    assert_eq!(of_file, of_schema);
    assert_eq!(of_structs, of_schema);

    let mut default: Value = show(&Config::default()).parse::<toml::Table>().unwrap().into();
    file["mail"]["host"] = Value::String(String::new());
    file["log"]["witnesses"] = Value::Array(Vec::new());
    file["console"]["by_hand"] = Value::Array(Vec::new());
    file["console"]["oidc"]["groups"] = Value::Array(Vec::new());
    file["console"]["oidc"]["client_secret"] = Value::String(secret::MASK.to_owned());
    file["mail"]["password"] = Value::String(secret::MASK.to_owned());
    for list in ["sources", "connectors", "directories", "webhooks", "chats", "recipients", "digests"] {
        file.as_table_mut().unwrap().remove(list);
        default.as_table_mut().unwrap().remove(list);
    }
    // `60s` is shown as `1m`.
    file["pipeline"]["lease"] = Value::String("1m".to_owned());
    assert_eq!(file, default);
}

/// A user starts the program in any folder.
#[test]
fn every_file_that_the_defaults_name_is_looked_for_beside_the_configuration() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Folder::new(&[("c.toml", "")]);
    let shown = show(&folder.load(&[]).unwrap().config);
    let named: Vec<&str> = shown.split('"').skip(1).step_by(2).filter(|text| !text.is_empty()).collect();
    let elsewhere: Vec<&&str> = named.iter().filter(|text| Path::new(text).is_relative() && root.join(text).exists()).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    let model = folder.path("models/service-desk");
    assert!(named.contains(&model.to_str().unwrap()), "{named:?}");
}

#[test]
fn everything_wrong_is_reported_at_once_with_place_and_nearest_key() {
    let folder = Folder::new(&[("c.toml", "[server]\nlisten = \"127.0.0.1:1\"\n  publik_url = \"x\"\n[gaet]\nhold = \"1s\"\n")]);
    assert_eq!(
        texts(&folder.findings(&[("SLUICEGATE__STORE__QUEUES", "1"), ("SLUICEGATE__STORE__QUEUE", "many")])),
        [
            "4:2: `gaet` is not a known key: did you mean `gate`?",
            "3:3: `server.publik_url` is not a known key: did you mean `public_url`?",
            "SLUICEGATE__STORE__QUEUE: `store.queue` is `many`: expected a whole number",
            "SLUICEGATE__STORE__QUEUES: `store.queues` is not a known key: did you mean `queue`?",
        ]
    );
    let folder = Folder::new(&[("c.toml", "[server]\nlisten = \"nowhere\"\n[gate]\nhold = \"soon\"\n[[sources]]\nname = \"a\"\n")]);
    let found = texts(&folder.findings(&[]));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("4:1: `gate.hold` `soon` is not a length of time"), "{found:?}");
    assert!(found[1].starts_with("2:1: `server.listen` "), "{found:?}");
    assert!(found[2].starts_with("5:1: `sources.0` missing field"), "{found:?}");
    assert!(texts(&Folder::new(&[("c.toml", "a = = 1")]).findings(&[]))[0].starts_with("1:5: is not TOML"));
    assert!(matches!(Folder::new(&[]).load(&[]), Err(ConfigError::Unreadable { .. })));
}

#[test]
fn the_environment_goes_over_the_file_by_name_and_by_number() {
    let folder = Folder::new(&[("c.toml", SOURCE), ("token", "0123456789abcdef\n"), ("other", "fedcba9876543210\r\n")]);
    let other = folder.path("other");
    let loaded = folder
        .load(&[
            ("SLUICEGATE__SERVER__LISTEN", "0.0.0.0:9"),
            ("SLUICEGATE__GATE__LEAST_FIT", "1"),
            ("SLUICEGATE__GATE__VIP", "ana@example.com, bo"),
            ("SLUICEGATE__SOURCES__DESK_A__AUTH__SECRETS_FILE", other.to_str().unwrap()),
            ("SLUICEGATE__SOURCES__0__OWN_ACTORS", "[\"7\"]"),
            ("SLUICEGATE_UNRELATED", "x"),
        ])
        .unwrap();
    let config = loaded.config;
    assert_eq!((config.server.listen.port(), config.gate.least_fit), (9, 1.0));
    assert_eq!(config.gate.vip, ["ana@example.com", "bo"]);
    assert_eq!(config.sources[0].own_actors, ["7"]);
    match &config.sources[0].auth {
        Auth::Token { secrets, .. } => assert_eq!(secrets.iter().map(secret::Secret::expose).collect::<Vec<_>>(), ["fedcba9876543210"]),
        other => panic!("{other:?}"),
    }
    assert_eq!(config.runbooks.folder, folder.path("runbooks"));
    assert!(show(&config).contains("********") && !show(&config).contains("fedcba"));
    for (name, value) in [
        ("SLUICEGATE__SOURCES__DESK_B__TENANT", "x"),
        ("SLUICEGATE__SOURCES__1__TENANT", "x"),
        ("SLUICEGATE__SOURCES", "x"),
        ("SLUICEGATE__SERVER", "x"),
        ("SLUICEGATE__SERVER__LISTEN__PORT", "1"),
    ] {
        assert_eq!(folder.findings(&[(name, value)])[0].place, Place::Environment(name.to_owned()));
    }
}

#[test]
fn a_secret_file_that_is_missing_empty_or_doubled_is_refused_and_an_open_one_is_warned_of() {
    let missing = Folder::new(&[("c.toml", SOURCE)]);
    assert!(texts(&missing.findings(&[]))[0].starts_with("5:28: `sources.0.auth.secrets_file` names"));
    let empty = Folder::new(&[("c.toml", SOURCE), ("token", "\n")]);
    assert!(texts(&empty.findings(&[]))[0].ends_with("which is empty"));
    let both = SOURCE.replace("secrets_file = \"token\"", "secrets_file = \"token\", secrets = [\"a\"]");
    assert!(texts(&Folder::new(&[("c.toml", &both), ("token", "x")]).findings(&[]))[0].contains("keep one"));
    let rotating = SOURCE.replace("\"token\" }", "[\"token\", \"new\"] }");
    let open = Folder::new(&[("c.toml", &rotating), ("token", "a"), ("new", "b\n\n")]);
    #[cfg(unix)]
    fs::set_permissions(open.path("new"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let loaded = open.load(&[]).unwrap();
    match &loaded.config.sources[0].auth {
        Auth::Token { secrets, .. } => assert_eq!(secrets.iter().map(secret::Secret::expose).collect::<Vec<_>>(), ["a", "b\n"]),
        other => panic!("{other:?}"),
    }
    #[cfg(unix)]
    assert!(loaded.warnings[0].message.contains("chmod 600"), "{:?}", loaded.warnings);
}

#[test]
fn rules_over_the_whole_are_checked_together() {
    let text = r#"
        server = { public_url = "ftp://x", body_limit = 1 }
        gate = { least_fit = 1.5, error_confidence = 1.0, storm_size = 0 }
        pipeline = { batch = 0, lease = "off" }
        requesters = { file = "r.csv", directory = "people" }
        [[connectors]]
        name = "a-b"
        kind = "http"
        base_url = "https://u:p@example.com"
        allow = [{ method = "POST", path = "/../x" }]
        [[connectors]]
        name = "a_b"
        kind = "http"
        base_url = "file:///etc"
        allow = []
        [[webhooks]]
        name = "w"
        url = "https://example.com"
        secret = "short"
    "#;
    let findings = Folder::new(&[("c.toml", text)]).findings(&[]);
    let keys: Vec<&str> =
        findings.iter().filter(|finding| finding.severity == Severity::Error).map(|finding| finding.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "connectors.0.allow.0.method",
            "connectors.0.allow.0.path",
            "connectors.0.base_url",
            "connectors.1.base_url",
            "connectors.1.name",
            "gate.error_confidence",
            "gate.least_fit",
            "gate.storm_size",
            "pipeline.batch",
            "pipeline.lease",
            "requesters.directory",
            "requesters.directory",
            "server.body_limit",
            "server.public_url",
            "webhooks.0.secret",
        ]
    );
    assert!(
        findings.iter().filter(|finding| finding.severity == Severity::Error).all(|finding| matches!(finding.place, Place::File { .. }))
    );
    assert_eq!(validate(&Config::default()), []);
}

#[test]
fn requesters_come_from_a_file_beside_the_configuration_or_from_a_directory_asked_for_one() {
    let file = Folder::new(&[("c.toml", "[requesters]\nfile = \"people.csv\"\nrate_limit = 3\n")]);
    let config = file.load(&[]).unwrap().config;
    assert_eq!((config.requesters.file(), config.requesters.directory()), (Some(file.path("people.csv").as_path()), None));
    assert_eq!(Config::default().requesters.file(), None);
    let directory = |path: &str| {
        let text = format!(
            "[requesters]\ndirectory = \"people\"\n[[directories]]\nname = \"people\"\nkind = \"http\"\nbase_url = \"https://d.example.com\"\n{path}\n"
        );
        Folder::new(&[("c.toml", &text)])
    };
    let config = directory("path = \"/people/*\"").load(&[]).unwrap().config;
    assert_eq!((config.requesters.file(), config.requesters.directory()), (None, Some("people")));
    let search = directory("path = \"/search\"\nquery = \"q\"\nfield = \"/0/id\"").findings(&[]);
    assert!(texts(&search)[0].starts_with("2:1: `requesters.directory` names `people`, which is a search"), "{search:?}");
    let negative = Folder::new(&[("c.toml", "[requesters]\nrate_limit = -1\n")]).findings(&[]);
    assert!(texts(&negative)[0].starts_with("2:1: `requesters.rate_limit`"), "{negative:?}");
}

#[test]
fn a_secret_in_the_wrong_form_or_place_is_refused_without_being_shown() {
    let connector = |rest: &str| format!("[[connectors]]\nname = \"a\"\nkind = \"http\"\nallow = []\n{rest}\n");
    let source = |auth: &str| format!("[[sources]]\nname = \"a\"\nadapter = \"json\"\nauth = {auth}\n");
    let url = "base_url = \"https://a.example\"\n";
    for (text, says) in [
        (source("{ scheme = \"token\", secrets = 486573 }"), "is not a list of texts"),
        (source("{ scheme = \"token\", secrets = [[\"hunter2\"]] }"), "is not a list of texts"),
        (source("{ scheme = \"basic\", username = \"a\", password = 486573 }"), "is not a text in quotes"),
        (source("{ scheme = \"basic\", username = \"a\", password = { hunter2 = \"hunter2\" } }"), "is not a text in quotes"),
        (source("{ scheme = \"basic\", username = \"a\", password = hunter2 }"), "is not TOML"),
        (connector(&format!("{url}auth = {{ kind = \"bearer\", token = 486573.5 }}")), "is not a text in quotes"),
        (connector(&format!("{url}auth = {{ kind = \"bearer\", token = [\"hunter2\"] }}")), "is not a text in quotes"),
        (connector(&format!("{url}tls = {{ key = true, certificate = 486573 }}")), "is not a text in quotes"),
        (connector("base_url = \"https://me:hunter2@a b.example\""), "https://********@a b.example"),
        (connector("base_url = \"https://hunter2@a.example\""), "has a user name or a password in it"),
        (connector(&format!("{url}proxy = {{ url = \"http://me:hunter2@a.example\" }}")), "has a user name or a password in it"),
        (
            connector(&format!(
                "{url}auth = {{ kind = \"oauth2\", client_id = \"a\", client_secret = \"b\", token_url = \"https://hunter2@a.example\" }}"
            )),
            "has a user name",
        ),
        ("[server]\npublic_url = \"ftp://me:hunter2@b\"\n".to_owned(), "`server.public_url`"),
    ] {
        let folder = Folder::new(&[("c.toml", &text)]);
        let error = folder.load(&[]).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert!(!error.contains("hunter2") && !error.contains("486573"), "{error}");
    }
    for (name, value) in [("SLUICEGATE__SOURCES__0__AUTH__SECRETS", "[hunter2"), ("SLUICEGATE__SERVER__PUBLIC_URL", "x://me:hunter2@b")] {
        let text = source("{ scheme = \"token\", secrets = [\"x\"] }");
        let error = Folder::new(&[("c.toml", &text)]).load(&[(name, value)]).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn who_is_told_what_is_checked_together_and_no_secret_is_repeated() {
    let text = r#"
        [mail]
        host = "mail.example.com"
        port = 0
        security = "none"
        username = "desk"
        from = "desk"
        timeout = "off"
        [[webhooks]]
        name = "ops"
        url = "https://ops.example.com"
        secret = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "whsk_c2hvcnQ="]
        events = ["ticket.triaged", "ticket.closed"]
        owner_mail = "nobody"
        owner_chat = "elsewhere"
        [[webhooks]]
        name = "unsigned"
        url = "https://ops.example.com"
        secret = []
        [[chats]]
        name = "elsewhere"
        tenant = "other"
        kind = "teams"
        url = "hooks.example.com/s3cr3t"
        occasions = ["lunch"]
        [[recipients]]
        name = "ana"
        address = "Ana <ana@example.com>"
        [[digests]]
        name = "morning"
        recipients = ["ana", "bo"]
        at = ["8 o'clock"]
        zone = "Atlantis"
        [[digests]]
        name = "never"
        recipients = []
        at = []
        zone = "Europe/Berlin"
    "#;
    let findings = Folder::new(&[("c.toml", text)]).findings(&[]);
    let keys: Vec<&str> = findings.iter().map(|finding| finding.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "chats.0.occasions",
            "chats.0.url",
            "digests.0.at",
            "digests.0.recipients",
            "digests.0.zone",
            "digests.1.at",
            "digests.1.recipients",
            "mail.from",
            "mail.password",
            "mail.port",
            "mail.security",
            "mail.timeout",
            "mail.username",
            "recipients.0.address",
            "webhooks.0.events",
            "webhooks.0.owner_chat",
            "webhooks.0.owner_mail",
            "webhooks.0.secret",
            "webhooks.1.secret",
        ]
    );
    assert!(texts(&findings).iter().all(|text| !text.contains("s3cr3t") && !text.contains("c2hvcnQ")), "{findings:?}");
    let nobody = "[[recipients]]\nname = \"ana\"\naddress = \"ana@example.com\"\n";
    assert_eq!(Folder::new(&[("c.toml", nobody)]).findings(&[])[0].key, "mail.host");
}

#[test]
fn the_secret_of_a_webhook_is_one_or_several_from_the_file_files_or_the_environment() {
    let of = |key: &str, env: &[(&str, &str)]| {
        let text = format!("[[webhooks]]\nname = \"ops\"\nurl = \"https://ops.example.com\"\n{key}\n");
        let files = [
            ("c.toml", text.as_str()),
            ("new", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n"),
            ("old", "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=\n"),
        ];
        let config = Folder::new(&files).load(env).unwrap().config;
        assert!(!show(&config).contains("whsec_"));
        config.webhooks[0].secret.len()
    };
    assert_eq!(of("secret_file = \"new\"", &[]), 1);
    assert_eq!(of("secret_file = [\"new\", \"old\"]", &[]), 2);
    assert_eq!(of("secret = \"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"", &[]), 1);
    let both = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=,whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
    assert_eq!(of("secret_file = \"new\"", &[("SLUICEGATE__WEBHOOKS__OPS__SECRET", both)]), 2);
}
