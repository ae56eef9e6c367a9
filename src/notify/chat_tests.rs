//! What a chat gets for a notice, however hostile the ticket that it quotes.

use proptest::prelude::*;

use super::*;

fn notice(title: &str, line: &str) -> Notice {
    Notice {
        occasion: Occasion::NeedsApproval,
        title: title.to_owned(),
        lines: vec![line.to_owned()],
        link: Some("https://desk.example.com/v1/tickets/tkt_01hf7yat80000000000000000t".to_owned()),
    }
}

/// Every text in the body that is not one of our own constants, with the type of the object that it stands in.
fn texts(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            if let (Some(Value::String(text)), Some(Value::String(kind))) = (object.get("text"), object.get("type")) {
                found.push((kind.clone(), text.clone()));
            }
            object.values().for_each(|inner| texts(inner, found));
        }
        Value::Array(values) => values.iter().for_each(|inner| texts(inner, found)),
        _ => {}
    }
}

const HOSTILE: [&str; 12] = [
    "<!channel> please",
    "<!here|here>",
    "<@U012AB3CD> and <#C1> and <!subteam^S1>",
    "@channel @here @everyone",
    "<https://evil.example.com|Approve>",
    "[Approve](https://evil.example.com)",
    "see https://evil.example.com/x or www.evil.example.com",
    "<at>Ana</at> {{DATE(2026-01-01T00:00:00Z)}}",
    "*bold* _it_ ~no~ `code` ```block```\n> quote\n# head",
    "\u{202e}desrever\u{202c} a\u{200b}b",
    "first\nsecond\r\nthird\u{2028}fourth",
    "javascript:alert(1) <img src=x onerror=alert(1)>",
];

#[test]
fn a_ticket_places_no_mention_link_or_markup_in_slack() {
    for hostile in HOSTILE {
        let body = slack(&notice(hostile, hostile));
        let mut found = Vec::new();
        texts(&body, &mut found);
        let quoted: Vec<_> = found.iter().filter(|(kind, _)| kind == "plain_text").collect();
        assert_eq!(quoted.len(), 2, "{body}");
        for (_, text) in quoted {
            assert!(!text.contains('<') && !text.contains('>'), "{text}");
            assert!(!text.contains("://") && !text.contains("@channel") && !text.contains("@here"), "{text}");
            assert!(!text.contains("www.e"), "{text}");
        }
        // What Slack formats is ours alone.
        let formatted: Vec<_> = found.iter().filter(|(kind, _)| kind == "mrkdwn").map(|(_, text)| text.as_str()).collect();
        assert_eq!(formatted, ["<https://desk.example.com/v1/tickets/tkt_01hf7yat80000000000000000t|Open in Sluicegate>"]);
        assert_eq!(body["text"], "Sluicegate: a proposal waits for approval");
        assert_eq!(body["blocks"][0]["text"]["emoji"], false);
    }
}

#[test]
fn a_ticket_places_no_mention_link_or_markup_in_teams() {
    for hostile in HOSTILE {
        let body = teams(&notice(hostile, hostile));
        let card = &body["attachments"][0]["content"];
        assert!(card.get("msteams").is_none(), "mentions need a list of entities, and there is none");
        let mut found = Vec::new();
        texts(&body, &mut found);
        assert!(found.len() == 2 && found.iter().all(|(kind, _)| kind == "TextRun"), "TextRun knows no Markdown: {body}");
        assert!(found.iter().all(|(_, text)| !text.contains("://") && !text.contains("{{") && !text.contains("](")), "{body}");
        let actions = card["actions"].as_array().unwrap();
        assert_eq!((actions.len(), &actions[0]["type"]), (1, &json!("Action.OpenUrl")));
        assert_eq!(actions[0]["url"], "https://desk.example.com/v1/tickets/tkt_01hf7yat80000000000000000t");
        assert_eq!((&body["type"], &card["type"], &card["version"]), (&json!("message"), &json!("AdaptiveCard"), &json!("1.4")));
    }
}

#[test]
fn words_are_kept_readable_and_short() {
    assert_eq!(plain("Printer prn-07\n does  not print", 100), "Printer prn-07 does not print");
    assert_eq!(plain("restart prn-07.corp.example.com (2nd floor)", 100), "restart prn-07.corp.example.com (2nd floor)");
    assert_eq!(plain(&"x".repeat(500), 10), "xxxxxxxxxx…");
    let many = Notice { lines: vec!["line".to_owned(); 40], ..notice("t", "") };
    assert_eq!(slack(&many)["blocks"][1]["text"]["text"].as_str().unwrap().lines().count(), LINES);
    let bare = Notice { link: Some("javascript:alert(1)".to_owned()), ..notice("t", "") };
    assert_eq!(slack(&bare)["blocks"].as_array().unwrap().len(), 1, "what is no web address is no link");
}

proptest! {
    #[test]
    fn no_text_at_all_brings_a_control_character_to_a_chat(title in any::<String>(), line in any::<String>()) {
        for body in [slack(&notice(&title, &line)), teams(&notice(&title, &line))] {
            let mut found = Vec::new();
            texts(&body, &mut found);
            for (kind, text) in found.iter().filter(|(kind, _)| kind != "mrkdwn") {
                prop_assert!(!text.contains('<') || kind == "TextRun");
                prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
                prop_assert!(!text.contains("://") && !text.contains("{{"));
            }
        }
    }
}

#[test]
fn a_refused_url_is_not_repeated() {
    let config =
        |url: &str| -> Config { serde_json::from_value(json!({ "chats": [{ "name": "ops", "kind": "slack", "url": url }] })).unwrap() };
    for url in ["ftp://hooks.example.com/T00/B00/s3cr3t", "http://127.0.0.1/T00/s3cr3t", "https://x/#s3cr3t", "s3cr3t"] {
        let why = from_config(&config(url)).err().unwrap().to_string();
        assert!(!why.contains("s3cr3t") && why.contains("`ops`"), "{why}");
    }
    assert!(!format!("{:?}", config("https://hooks.slack.com/services/s3cr3t")).contains("s3cr3t"));
}
