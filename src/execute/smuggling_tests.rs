//! Values that want to be more than values: from a ticket's text, labels and attributes through slot filling to what a
//! real HTTP server receives, for every type and every position a step has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::Uri};
use regex::Regex;
use serde_json::{Value, json};

use super::Connectors;
use crate::{
    domain::{
        classification::Field,
        name::ParameterName,
        runbook::{Directory, Runbook},
        time::Timestamp,
        untrusted::Untrusted,
    },
    runbook::{Known, Library, Query, parse},
    text::{self, CleanTicket},
};

/// A type as an author declares it, one sound value, how people say it, and what the type is by another pen.
struct Kind {
    slot: &'static str,
    declared: &'static str,
    sound: &'static str,
    /// Another value of the right shape that the declaration refuses.
    foreign: &'static str,
    said: &'static str,
    oracle: &'static str,
}

const KINDS: [Kind; 10] = [
    Kind {
        slot: "host",
        declared: "type: hostname, pattern: '^prn-[0-9]{2}$', one_of: inventory/list.csv",
        sound: "prn-07",
        foreign: "prn-99",
        said: "the printer on host VALUE hangs",
        oracle: "^prn-07$",
    },
    Kind {
        slot: "address",
        declared: "type: ip",
        sound: "10.20.30.40",
        foreign: "10.20.30.400",
        said: "the address VALUE does not answer",
        oracle: "^(?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])(?:\\.(?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])){3}$",
    },
    Kind {
        slot: "mailbox",
        declared: "type: email, pattern: '^[a-z]+@example[.]com$'",
        sound: "ana@example.com",
        foreign: "ana@evil.example",
        said: "the mailbox VALUE is full",
        oracle: "^[a-z]+@example\\.com$",
    },
    Kind {
        slot: "user",
        declared: "type: username, pattern: '^[a-z]{2,12}$', one_of: inventory/list.csv",
        sound: "asmith",
        foreign: "mallory",
        said: "please unlock user VALUE today",
        oracle: "^asmith$",
    },
    Kind {
        slot: "device",
        declared: "type: uuid",
        sound: "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
        foreign: "6f9619ff-8b86-4d01-b42d",
        said: "the device VALUE is lost",
        oracle: "^6f9619ff-8b86-4d01-b42d-00cf4fc964ff$",
    },
    Kind {
        slot: "replicas",
        declared: "type: integer, min: 1, max: 50",
        sound: "7",
        foreign: "700",
        said: "set replicas VALUE please",
        oracle: "^(?:[1-9]|[1-4][0-9]|50)$",
    },
    Kind {
        slot: "window",
        declared: "type: duration, max: 2h",
        sound: "30m",
        foreign: "300h",
        said: "open a window 30m long: window VALUE",
        oracle: "^(?:[1-9]|[1-9][0-9]{1,3})[smh]$",
    },
    Kind {
        slot: "service",
        declared: "type: enum, values: [nginx, redis]",
        sound: "nginx",
        foreign: "sshd",
        said: "the service VALUE is down",
        oracle: "^nginx$",
    },
    Kind {
        slot: "file",
        declared: "type: path, under: [/var/log/app]",
        sound: "/var/log/app/a.log",
        foreign: "/etc/passwd",
        said: "the file VALUE grows",
        oracle: "^/var/log/app/a\\.log$",
    },
    Kind {
        slot: "job",
        declared: "type: string, max_length: 20, pattern: '^job-[a-z]{3,8}$'",
        sound: "job-nightly",
        foreign: "job-UP",
        said: "the job VALUE is stuck",
        oracle: "^job-nightly$",
    },
];

/// The value with something more on it, in it, or written otherwise.
fn smuggled(kind: &Kind) -> Vec<String> {
    let value = kind.sound;
    let (first, rest) = value.split_at(1);
    let mut forms = Vec::new();
    for more in [
        ";reboot",
        "|id",
        "&&id",
        "$(id)",
        "`id`",
        "${IFS}id",
        ">x",
        "<x",
        "'",
        "\"",
        "\\",
        "\\x00",
        "\0",
        "\r\nX-Evil: 1",
        "\nevil",
        "\r",
        "\t",
        "%0d%0a",
        "%00",
        "%2f..%2f..",
        "%2e%2e%2f",
        "/../../admin",
        "/..",
        "/.",
        "//",
        "/x",
        "?a=b",
        "#f",
        "&a=b",
        "@evil.example",
        ":80@evil.example",
        "{{other}}",
        "{{ host }}",
        "${jndi:ldap://x}",
        "{%x%}",
        "<script>",
        "\",\"admin\":\"yes",
        "\"}",
        "'}",
        ",x",
        "=x",
        "*",
        "~",
        "!",
        "^",
        "\u{200b}",
        "\u{202e}",
        "\u{2066}",
        "\u{feff}",
        "\u{ad}",
        "\u{301}",
        "\u{ff0f}",
        "\u{2024}",
        "\u{ff1b}id",
        "é",
        "ı",
        "ﬁ",
        "🦊",
    ] {
        forms.push(format!("{value}{more}"));
        forms.push(format!("{more}{value}"));
        forms.push(format!("{first}{more}{rest}"));
    }
    // Letters and digits that look the same or fold to the same.
    let swap = |from: char, to: char| value.contains(from).then(|| value.replacen(from, &to.to_string(), 1));
    let alike = [
        ('a', 'а'),
        ('e', 'е'),
        ('o', 'о'),
        ('p', 'р'),
        ('i', 'і'),
        ('0', '０'),
        ('7', '７'),
        ('3', '３'),
        ('n', 'ｎ'),
        ('-', '‐'),
        ('-', '－'),
        ('.', '．'),
        ('/', '∕'),
        ('@', '＠'),
        ('m', 'ｍ'),
    ];
    forms.extend(alike.into_iter().filter_map(|(from, to)| swap(from, to)));
    forms.extend([
        kind.foreign.to_owned(),
        value.repeat(200),
        format!("-{value}"),
        format!("--flag={value}"),
        format!("file://{value}"),
        format!("0x{value}"),
        format!("!!python/object {value}x"),
    ]);
    forms.extend(
        ["0177.0.0.1", "0x7f.1", "::ffff:10.20.30.40", "2130706433", "1e1", "+7", "７", "7.0", "٧", "P30M", "30M", "../../etc/passwd"]
            .map(str::to_owned),
    );
    forms.retain(|form| form != value);
    forms
}

fn library() -> Library {
    let sheets = KINDS.iter().map(|kind| {
        let slot = kind.slot;
        let text = format!(
            "---\nid: act-on-{slot}\ntitle: Act on {slot}\nowner: team\nrisk: low\nirreversible: true\nparameters:\n  {slot}: {{{}, from: [\"label:{slot}\", \"attribute:{slot}\", text]}}\n\
             steps:\n  - {{id: act, kind: change, use: automation.post, with: {{path: \"/things/{{{{{slot}}}}}/act\", query: {{q: \"{{{{{slot}}}}}\"}}, body: {{v: \"{{{{{slot}}}}}\", note: \"is {{{{{slot}}}}} well\"}}}}}}\n\
             \x20 - {{id: check, kind: verify, use: automation.get, with: {{path: /things}}}}\n---\nbody\n",
            kind.declared
        );
        let list = |path: &str| Ok(Directory::List { path: path.to_owned(), values: ["prn-07".to_owned(), "asmith".to_owned()].into() });
        parse(&format!("{slot}.md"), text.as_bytes(), &list).unwrap_or_else(|findings| panic!("{findings:#?}"))
    });
    Library::from_sheets(sheets.collect(), &Known::default()).unwrap_or_else(|findings| panic!("{findings:#?}"))
}

/// Where in the ticket the value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Text,
    Label,
    Attribute,
}

/// The value the slot gets, or why it gets none.
fn filled(library: &Library, runbook: &Runbook, kind: &Kind, source: Source, value: &str) -> Result<String, String> {
    let body = if source == Source::Text { kind.said.replace("VALUE", value) } else { "please act".to_owned() };
    let field =
        |wanted: Source| if source == wanted { BTreeMap::from([(kind.slot.to_owned(), Untrusted::new(value))]) } else { BTreeMap::new() };
    let clean: CleanTicket = text::clean_fields("", &body, false);
    let query = Query {
        title: clean.title.text(),
        body: clean.body.text(),
        labels: &field(Source::Label),
        attributes: &field(Source::Attribute),
        requester: None,
        category: None,
        span_of: &|field, range| Some(if field == Field::Title { clean.title.span(range) } else { clean.body.span(range) }),
    };
    let filled = library.fill(runbook, &query, &BTreeMap::new());
    match (filled.parameters.as_slice(), filled.missing.as_slice()) {
        ([one], []) => Ok(one.value.clone()),
        ([], [missing]) => Err(missing.reason.clone()),
        other => panic!("one slot is filled or missing: {other:?}"),
    }
}

/// Path and query as they stood in the request line, and the body.
type Seen = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

async fn record(State(seen): State<Seen>, uri: Uri, body: Bytes) -> &'static str {
    seen.lock().unwrap().push((uri.to_string(), body.to_vec()));
    "{}"
}

#[tokio::test]
async fn of_thousands_of_smuggled_values_none_reaches_a_connector_in_another_form_than_intended() {
    let seen = Seen::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/base", listener.local_addr().unwrap());
    let router = Router::new().fallback(record).with_state(Arc::clone(&seen));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let config = json!([{
        "name": "automation", "kind": "http", "base_url": base, "allow_addresses": ["127.0.0.1/32"],
        "allow": [{"method": "post", "path": "/things/*/act"}],
    }]);
    let connectors = Connectors::from_config(&serde_json::from_value::<Vec<_>>(config).unwrap()).unwrap();
    let library = library();
    let now = || Timestamp::from_millis(1_700_000_000_000);
    let (mut tried, mut refused) = (0, 0);
    let mut arrived: BTreeSet<(&str, Source)> = BTreeSet::new();
    for kind in &KINDS {
        let runbook = library.iter().find(|runbook| runbook.id.as_str() == format!("act-on-{}", kind.slot)).unwrap();
        let oracle = Regex::new(kind.oracle).unwrap();
        for source in [Source::Text, Source::Label, Source::Attribute] {
            for form in std::iter::once(kind.sound.to_owned()).chain(smuggled(kind)) {
                tried += 1;
                let value = match filled(&library, runbook, kind, source, &form) {
                    Ok(value) => value,
                    Err(reason) => {
                        assert!(!reason.is_empty(), "{} {source:?} {form:?}", kind.slot);
                        refused += 1;
                        continue;
                    }
                };
                let at = format!("{} from {source:?} {form:?} became {value:?}", kind.slot);
                assert!(oracle.is_match(&value), "{at}");
                let original = form.to_ascii_lowercase();
                assert!(
                    source == Source::Text && kind.said.contains(&value) || original.contains(&value),
                    "it stands in the ticket as it is: {at}"
                );
                if source != Source::Text {
                    assert!(
                        form == value || form.eq_ignore_ascii_case(&value) || form.starts_with(&format!("{value}:")),
                        "a field is taken whole or not: {at}"
                    );
                }
                let values = BTreeMap::from([(ParameterName::new(kind.slot).unwrap(), value.clone())]);
                let step = &runbook.steps[0];
                let prepared = connectors.prepare(step, &values);
                let prepared = prepared.unwrap_or_else(|why| panic!("{at}: {why}"));
                connectors
                    .call(step, &prepared, None, Some(Duration::from_secs(20)), now)
                    .await
                    .unwrap_or_else(|why| panic!("{at}: {why}"));
                let (uri, body) = seen.lock().unwrap().pop().unwrap();
                let (path, query) = uri.split_once('?').unwrap();
                let segments: Vec<String> =
                    path.split('/').map(|part| percent_encoding::percent_decode_str(part).decode_utf8().unwrap().into_owned()).collect();
                assert_eq!(segments, ["", "base", "things", value.as_str(), "act"], "{at}");
                let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
                assert_eq!(pairs, [("q".to_owned(), value.clone())], "{at}");
                let body: Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(body, json!({"v": value, "note": format!("is {value} well")}), "{at}");
                arrived.insert((kind.slot, source));
            }
        }
    }
    assert!(tried >= 2_000 && refused >= 2_000, "{tried} tried, {refused} refused");
    let wanted: BTreeSet<(&str, Source)> =
        KINDS.iter().flat_map(|kind| [Source::Text, Source::Label, Source::Attribute].map(|source| (kind.slot, source))).collect();
    assert_eq!(arrived, wanted, "a sound value of every type arrives from every source");
    assert!(seen.lock().unwrap().is_empty(), "nothing was sent but what was asked for");
}
