//! What a mail looks like whatever it quotes, and which addresses a mail server may have. Real servers are in
//! `tests/it/way_mail.rs`.

use std::{io, sync::Mutex};

use async_trait::async_trait;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::outbox::Occasion;

/// Answers with the next list each time it is asked.
struct Answers(Mutex<Vec<Vec<IpAddr>>>);

#[async_trait]
impl Lookup for Answers {
    async fn lookup(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.lock().unwrap().remove(0))
    }
}

fn mailer(mail: serde_json::Value, answers: &[&[&str]]) -> Mailer {
    let config: Config = serde_json::from_value(json!({ "mail": mail })).unwrap();
    let answers = answers.iter().map(|answer| answer.iter().map(|address| address.parse().unwrap()).collect()).collect();
    Mailer::new(&config, Arc::new(Answers(Mutex::new(answers)))).unwrap()
}

fn plain() -> serde_json::Value {
    json!({ "host": "localhost", "security": "none", "from": "desk@example.com", "allow_addresses": ["127.0.0.0/8", "::1/128"] })
}

fn composed(title: &str, line: &str) -> String {
    let notice = Notice {
        occasion: Occasion::Digest,
        title: title.to_owned(),
        lines: vec![line.to_owned()],
        link: Some("https://d.example.com/x".to_owned()),
    };
    let id = OutboxId::new(Timestamp::from_millis(1_700_000_000_000), 7);
    let mail = mailer(plain(), &[]).compose(id, &"ana@example.com".parse().unwrap(), &notice, Timestamp::from_millis(1_700_000_000_000));
    String::from_utf8(mail.unwrap().formatted()).unwrap()
}

/// Names of the headers, in order.
fn headers(mail: &str) -> Vec<String> {
    let head = mail.split("\r\n\r\n").next().unwrap();
    // A line that begins with a space goes on with the header before it (RFC 5322 section 2.2.3).
    let begins = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    begins.map(|line| line.split(':').next().unwrap().to_ascii_lowercase()).collect()
}

const EXPECTED: [&str; 9] =
    ["from", "to", "subject", "message-id", "date", "auto-submitted", "content-type", "content-transfer-encoding", "mime-version"];

#[test]
fn a_title_adds_no_header_and_no_recipient() {
    for title in [
        "x\r\nBcc: eve@example.com",
        "x\nBcc: eve@example.com\n\nbody",
        "x\rBcc: eve@example.com",
        "x\u{2028}Bcc: eve@example.com",
        "x\0y\u{85}z",
        "Ärger\r\nBcc: eve@example.com",
    ] {
        let mail = composed(title, "l");
        let mut found = headers(&mail);
        found.sort();
        let mut expected = EXPECTED.map(str::to_owned).to_vec();
        expected.sort();
        assert_eq!(found, expected, "{mail}");
    }
}

proptest! {
    #[test]
    fn no_title_and_no_line_at_all_adds_a_header(title in any::<String>(), line in any::<String>()) {
        let mail = composed(&title, &line);
        prop_assert_eq!(headers(&mail).len(), EXPECTED.len(), "{}", mail);
        prop_assert!(mail.is_ascii());
    }
}

#[test]
fn a_mail_has_a_stable_id_and_says_that_nobody_wrote_it() {
    let mail = composed("Sluicegate: 1 to approve", "Waits for approval: 1");
    assert!(mail.contains("\r\nMessage-ID: <out_01hf7yat000000000000000007@example.com>\r\n"), "{mail}");
    assert!(mail.contains("\r\nAuto-Submitted: auto-generated\r\n") && mail.contains("\r\nTo: ana@example.com\r\n"), "{mail}");
    assert!(mail.contains("\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"), "{mail}");
    assert!(mail.contains("Waits for approval: 1") && mail.contains("https://d.example.com/x"), "{mail}");
}

#[tokio::test]
async fn a_server_has_only_addresses_that_are_permitted_however_its_name_is_answered() {
    let tls = json!({ "host": "mail.example.com", "from": "desk@example.com" });
    for forbidden in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "224.0.0.1"] {
        let why = mailer(tls.clone(), &[&[forbidden]]).addresses().await.unwrap_err();
        assert!(why.contains("not allowed"), "{why}");
    }
    let mixed = mailer(tls.clone(), &[&["10.0.0.1", "8.8.8.8"]]).addresses().await.unwrap();
    assert_eq!(mixed, ["8.8.8.8".parse::<IpAddr>().unwrap()]);
    let listed = json!({ "host": "mail.example.com", "from": "desk@example.com", "allow_addresses": ["10.1.0.0/16"] });
    assert_eq!(mailer(listed, &[&["10.1.2.3", "10.2.0.1"]]).addresses().await.unwrap(), ["10.1.2.3".parse::<IpAddr>().unwrap()]);
    // Written as an address it is not looked up, and held against the rules all the same.
    let literal = json!({ "host": "169.254.169.254", "from": "desk@example.com" });
    mailer(literal, &[]).addresses().await.unwrap_err();
}

#[tokio::test]
async fn without_tls_a_name_that_is_not_this_machine_alone_gets_no_mail() {
    assert_eq!(mailer(plain(), &[&["127.0.0.1", "::1"]]).addresses().await.unwrap().len(), 2);
    for answer in [&["8.8.8.8"][..], &["127.0.0.1", "8.8.8.8"]] {
        let why = mailer(plain(), &[answer]).addresses().await.unwrap_err();
        assert!(why.contains("not this machine alone"), "{why}");
    }
}

#[test]
fn authorities_that_are_no_certificates_are_refused_by_name() {
    for (file, said) in [("/nonexistent/ca.pem", "cannot be read"), (concat!(env!("CARGO_MANIFEST_DIR"), "/LICENSE"), "no certificate")] {
        let config: Config =
            serde_json::from_value(json!({ "mail": { "host": "mail.example.com", "from": "a@example.com", "authorities": file } }))
                .unwrap();
        let why = from_config(&config).err().unwrap().to_string();
        assert!(why.contains("mail.authorities") && why.contains(said), "{why}");
    }
}
