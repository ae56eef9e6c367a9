//! Signing in and out, sessions that end, and the first admin's colleagues.

use crate::{
    demo::{AUDITOR, Demo, ON_CALL},
    driver::Browser,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_signs_in_where_they_wanted_to_go_and_out_again() {
    let demo = Demo::start();
    let browser = Browser::open(&demo).await;
    browser.go("/overview?days=7").await;
    browser.says("Sign in").await;
    browser.fill("#name", ON_CALL).await;
    browser.fill("#password", "not the password").await;
    browser.click("button[type=submit]").await;
    browser.says("do not open an account here").await;
    browser.fill("#name", "nobody@example.com").await;
    browser.fill("#password", "not the password").await;
    browser.click("button[type=submit]").await;
    browser.says("do not open an account here").await;
    browser.fill("#name", ON_CALL).await;
    browser.fill("#password", &demo.password).await;
    browser.click("button[type=submit]").await;
    browser.see("nav.places").await;
    assert_eq!(browser.path().await, "/overview?days=7");
    browser.click("form[action='/logout'] button").await;
    browser.says("Sign in").await;
    browser.go("/overview").await;
    assert!(browser.path().await.starts_with("/login?next="), "{}", browser.path().await);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_was_ended_elsewhere_is_over_and_nothing_is_done_with_it() {
    let demo = Demo::start();
    let (ended, ending) = (Browser::signed_in(&demo, ON_CALL).await, Browser::signed_in(&demo, ON_CALL).await);
    ended.go("/?tab=approve").await;
    let ticket = ended.attribute("tbody a.title", "href").await;
    ended.go(&ticket).await;
    ended.see("form[action$='/take'] button").await;
    ending.go("/account").await;
    ending.click("form[action$='end-others'] button").await;
    ending.says("Your other sessions were ended.").await;
    ended.click("form[action$='/take'] button").await;
    ended.says("Please sign in").await;
    ending.go(&ticket).await;
    ending.see("form[action$='/take'] button").await;
    for browser in [ended, ending] {
        browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_invites_a_colleague_who_sets_a_password_and_signs_in() {
    let demo = Demo::start();
    let admin = Browser::signed_in(&demo, AUDITOR).await;
    admin.go("/people").await;
    admin.fill("#person", "new.colleague@example.com").await;
    admin.click("form[action='/people/invite'] input[value=responder]").await;
    admin.fill("#own-invite", &demo.password).await;
    admin.click("form[action='/people/invite'] button.primary").await;
    admin.says("The link for new.colleague@example.com").await;
    let link = admin.text("#once").await;
    let path = link.strip_prefix(&demo.url).unwrap().to_owned();

    let colleague = Browser::open(&demo).await;
    colleague.go(&path).await;
    colleague.fill("#password", "a sentence that is long").await;
    colleague.fill("#again", "a sentence that is other").await;
    colleague.click("button[type=submit]").await;
    colleague.says("the two passwords differ").await;
    colleague.fill("#password", "a sentence that is long").await;
    colleague.fill("#again", "a sentence that is long").await;
    colleague.click("button[type=submit]").await;
    colleague.says("Where you are signed in").await;
    // The link works once, and the roles are those that were given.
    colleague.go("/people").await;
    colleague.says("You may not do this").await;
    let other = Browser::open(&demo).await;
    other.go(&path).await;
    other.says("this link was used, taken back, or is too old").await;
    for browser in [admin, colleague, other] {
        browser.close().await;
    }
}
