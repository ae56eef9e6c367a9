//! What people do with tickets: find, approve, refuse, take back; and what they see of what others do meanwhile.

use serde_json::Value;

use crate::{
    demo::{AUDITOR, Demo, ON_CALL, SECOND},
    driver::Browser,
};

/// A ticket whose runbook the demo leaves to a person.
const RESET: &str = "I forgot my password";

/// Posts a ticket and gives the path of its page.
async fn ticket(demo: &Demo, title: &str, body: &str) -> String {
    format!("/tickets/{}", demo.post(title, body).await)
}

/// The proposal on the ticket's page that waits for approval.
async fn open_proposal(browser: &Browser) -> String {
    browser.go("/?tab=approve").await;
    let ticket = browser.attribute("tbody a.title", "href").await;
    browser.go(&ticket).await;
    ticket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_is_found_let_run_and_seen_to_its_end_by_keyboard_alone() {
    let demo = Demo::start();
    let browser = Browser::signed_in(&demo, ON_CALL).await;
    browser.keys("gq").await;
    browser.says("to approve").await;
    // The first row that waits for an approval of low risk.
    browser.go("/?tab=approve&q=NodeFilesystem").await;
    browser.see("tbody tr[data-row]").await;
    browser.keys("j").await;
    browser.until("a row to be marked", "return document.querySelector('tr.at') !== null", vec![]).await;
    browser.enter().await;
    browser.see("a[data-key=a]").await;
    let ticket = browser.path().await;
    browser.keys("a").await;
    browser.says("Let ").await;
    assert!(browser.path().await.ends_with("/approve"), "{}", browser.path().await);
    // No key executes: not the one that led here, nor Enter on the page itself.
    browser.keys("a").await;
    browser.enter().await;
    assert!(browser.path().await.ends_with("/approve"));
    browser.tab_to("button.primary[type=submit]").await;
    browser.enter().await;
    browser.says("Approved. It runs; this page follows it.").await;
    assert!(browser.path().await.starts_with(&ticket), "{}", browser.path().await);
    // The page follows the run: nothing is loaded by hand.
    browser
        .until("the run to end on the page", "return document.querySelector('#ticket .badges .badge')?.innerText === 'resolved'", vec![])
        .await;
    browser.says("set a run of clean-temporary-files going").await;
    browser.keys("?").await;
    browser.see("#keys[open]").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_is_rejected_with_a_reason_and_a_run_is_taken_back() {
    let demo = Demo::start();
    let browser = Browser::signed_in(&demo, ON_CALL).await;
    let rejected = open_proposal(&browser).await;
    browser.click("a[data-key=r]").await;
    browser.fill("#reason", "not this host, it is being replaced").await;
    browser.click("button.primary[type=submit]").await;
    browser.says("Rejected. The ticket is a person's now.").await;
    browser.says("not this host, it is being replaced").await;
    assert!(browser.path().await.starts_with(&rejected));

    browser.go("/tickets?state=resolved&runbook=send-password-reset").await;
    if browser.text("tbody").await.is_empty() {
        browser.go("/tickets?state=resolved").await;
    }
    let done = browser.attribute("tbody a.title", "href").await;
    browser.go(&done).await;
    browser.click("a[href$=undo]").await;
    browser.says("Take the run back").await;
    browser.click("button.danger").await;
    browser.until("what came of it", "return /It is being taken back|may not do this/.test(document.body.innerText)", vec![]).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_approve_at_once_one_is_told_that_this_changed() {
    let demo = Demo::start();
    let (first, second) = (Browser::signed_in(&demo, ON_CALL).await, Browser::signed_in(&demo, SECOND).await);
    first.go("/?tab=approve&q=NodeFilesystem").await;
    let ticket = first.attribute("tbody a.title", "href").await;
    first.go(&ticket).await;
    let ask = first.attribute("a[data-key=a]", "href").await;
    for browser in [&first, &second] {
        browser.go(&ask).await;
        browser.see("button.primary[type=submit]").await;
    }
    first.click("button.primary[type=submit]").await;
    first.says("Approved. It runs").await;
    second.click("button.primary[type=submit]").await;
    second.says("This changed").await;
    second.says("Look again and decide again").await;
    for browser in [first, second] {
        browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_person_stops_another_sees_on_the_page_that_is_open() {
    let demo = Demo::start();
    let (watching, stopping) = (Browser::signed_in(&demo, ON_CALL).await, Browser::signed_in(&demo, SECOND).await);
    watching.go("/").await;
    watching.says("Automation is on.").await;
    stopping.go("/automation").await;
    stopping.fill("#why-switch", "a drill").await;
    stopping.click("section.card button.danger.primary").await;
    stopping.says("Stopped. No step begins").await;
    watching.says("Everything is stopped.").await;
    watching.says("a drill").await;
    // And what arrives meanwhile appears without being asked for, and does not run.
    let title = "Printer prn-0042 does not print";
    let path = ticket(&demo, title, "Documents sit in the queue of prn-0042, nothing prints").await;
    watching.says(title).await;
    watching.go(&path).await;
    watching.says("kill_switch_off").await;
    stopping.fill("#why-switch", "it is over").await;
    stopping.click("section.card button.primary").await;
    stopping.says("Released. Runs go on.").await;
    watching.until("the banner to say so", "return !document.body.innerText.includes('Everything is stopped.')", vec![]).await;
    for browser in [watching, stopping] {
        browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_full_of_markup_shows_as_text_and_runs_nothing() {
    let demo = Demo::start();
    let browser = Browser::signed_in(&demo, ON_CALL).await;
    let title = "<script>window.hit=1</script><b>printer</b> \" ' onmouseover=window.hit=1 {{ 7*7 }}";
    let body = "<img src=x onerror='window.hit=1'> <iframe src='javascript:parent.hit=1'></iframe> </mark></div><h1>gone</h1> &lt;i&gt; <a href=\"javascript:window.hit=1\">here</a>";
    let path = ticket(&demo, title, body).await;
    for page in ["/", "/tickets?q=onmouseover", &path] {
        browser.go(page).await;
        browser.says("<b>printer</b> \" ' onmouseover=window.hit=1 {{ 7*7 }}").await;
        assert_eq!(browser.script("return window.hit ?? null", vec![]).await, Value::Null, "{page}");
        let made = "return document.querySelectorAll('main iframe, main img, main b, main a[href^=javascript]').length";
        assert_eq!(browser.script(made, vec![]).await, 0, "{page}");
    }
    browser.says("<img src=x onerror='window.hit=1'>").await;
    assert_eq!(browser.script("return document.querySelectorAll('h1').length", vec![]).await, 1);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_verifies_an_entry_by_computing_and_a_changed_one_fails() {
    let demo = Demo::start();
    let browser = Browser::signed_in(&demo, AUDITOR).await;
    browser.go("/log").await;
    browser.click("tbody tr:nth-child(3) a").await;
    browser.click("[data-verify]").await;
    browser.until("the verification", "return document.querySelector('#verify').dataset.verified ?? null", vec![]).await;
    let said = browser.text("#verify-steps").await;
    assert_eq!(browser.attribute("#verify", "data-verified").await, "yes", "{said}");
    assert!(
        said.contains("hashes lead from there to the root") && said.contains("The signature on the note is by the key shown"),
        "{said}"
    );

    let change = |what: &str| format!("delete document.querySelector('#verify').dataset.verified; {what}; return true");
    let tampered = [
        ("an entry", "const raw = document.getElementById('raw'); raw.textContent = raw.textContent.replace('\"form\":1', '\"form\":2')"),
        (
            "a note",
            "const proof = document.querySelector('#verify'); proof.dataset.note = proof.dataset.note.replace(/^(.)/, (c) => c === 'x' ? 'y' : 'x')",
        ),
    ];
    for (what, script) in tampered {
        browser.script(&change(script), vec![]).await;
        browser.click("[data-verify]").await;
        browser.until("the verification", "return document.querySelector('#verify').dataset.verified ?? null", vec![]).await;
        assert_eq!(browser.attribute("#verify", "data-verified").await, "no", "{what}: {}", browser.text("#verify-steps").await);
    }
    browser.go("/log/checkpoints?old=7").await;
    browser.click("[data-verify]").await;
    browser.says("The log of 7 entries is the beginning of the log of").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_says_since_when_it_is_stale() {
    let mut demo = Demo::start();
    let browser = Browser::signed_in(&demo, ON_CALL).await;
    browser.go("/").await;
    browser.see("#queue").await;
    demo.stop();
    browser.says("Stale since ").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_of_one_runbook_are_approved_together_and_others_are_kept_apart() {
    let demo = Demo::start();
    let browser = Browser::signed_in(&demo, ON_CALL).await;
    browser.go("/?tab=approve").await;
    browser.see("tbody input[type=checkbox]").await;
    // The samples wait for different runbooks.
    browser
        .script("for (const box of document.querySelectorAll('tbody input[type=checkbox]')) box.checked = true; return true", vec![])
        .await;
    browser.click("form[action='/approve-together'] button").await;
    browser.says("only proposals of one runbook and one verdict are approved together").await;
    browser.go("/?tab=approve&q=NodeFilesystem").await;
    browser.click("tbody input[type=checkbox]").await;
    browser.click("form[action='/approve-together'] button").await;
    browser.says("run 1 times?").await;
    browser.click("button.primary[type=submit]").await;
    browser.says("approved, it runs").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_is_taken_snoozed_and_given_back() {
    let demo = Demo::start();
    let browser = Browser::signed_in(&demo, ON_CALL).await;
    let path = ticket(&demo, RESET, "and nothing else").await;
    browser.go(&path).await;
    browser.click("form[action$='/take'] button").await;
    browser.says("You have the ticket.").await;
    browser.go("/?tab=mine").await;
    browser.says(RESET).await;
    browser.go(&path).await;
    browser.click("form[action$='/snooze'] button").await;
    browser.says("The ticket is out of the queue until then.").await;
    browser.go("/?tab=snoozed").await;
    browser.says(RESET).await;
    browser.go(&path).await;
    browser.click("form[action$='/release'] button").await;
    browser.says("Nobody has the ticket now.").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_the_ticket_does_not_give_is_typed_in_and_a_wrong_one_is_refused() {
    let demo = Demo::start();
    let browser = Browser::signed_in(&demo, ON_CALL).await;
    let path = ticket(&demo, "Nothing prints", "The printer on our floor prints nothing, jobs pile up. Please restart its spooler.").await;
    browser.go(&path).await;
    browser.click("a[data-key=e]").await;
    browser.says("Change the proposal").await;
    if browser.script("return document.querySelector('input[name^=\"value.\"]') === null", vec![]).await == Value::Bool(true) {
        browser.script("document.querySelector('#choose').value = 'restart-print-spooler'; return true", vec![]).await;
        browser.click("form[method=get].stack button").await;
    }
    browser.fill("input[name='value.host']", "prn-9; reboot").await;
    browser.click("button.primary[type=submit]").await;
    browser.says("That cannot be").await;
    browser.says("which no value may have").await;
    let edit = browser.path().await;
    browser.go(&format!("{edit}?runbook=restart-print-spooler")).await;
    browser.fill("input[name='value.host']", "prn-04").await;
    browser.click("button.primary[type=submit]").await;
    browser.says("Proposed. It never runs by itself").await;
    browser.says("changed the proposal: a person approves it").await;
    browser.says(&format!("{ON_CALL} typed it")).await;
    browser.click("a[data-key=a]").await;
    browser.says("prn-04").await;
    browser.click("button.primary[type=submit]").await;
    browser.says("Approved. It runs").await;
    browser.until("the run to end", "return document.querySelector('#ticket .badges .badge')?.innerText === 'resolved'", vec![]).await;
    browser.close().await;
}
