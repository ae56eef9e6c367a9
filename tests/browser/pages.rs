//! What holds of every page: nobody is shut out of it, nothing leaves it, and it can be read without a script.

use crate::{
    demo::{AUDITOR, Demo, ON_CALL, SECOND},
    driver::Browser,
};

/// Every page with who opens it; `TICKET` and the like stand for what the demo has.
const PAGES: &[(&str, &str)] = &[
    (ON_CALL, "/"),
    (ON_CALL, "/?tab=approve"),
    (ON_CALL, "/?q=nothing-that-is-there"),
    (ON_CALL, "/tickets"),
    (ON_CALL, "/tickets?q=printer"),
    (ON_CALL, "TICKET"),
    (ON_CALL, "RESOLVED"),
    (ON_CALL, "APPROVE"),
    (ON_CALL, "REJECT"),
    (ON_CALL, "OUTCOME"),
    (ON_CALL, "UNDO"),
    (ON_CALL, "/runbooks"),
    (ON_CALL, "/runbooks/restart-print-spooler"),
    (SECOND, "/automation"),
    (AUDITOR, "/log"),
    (AUDITOR, "/log/3"),
    (AUDITOR, "/log/checkpoints?old=5"),
    (ON_CALL, "/models"),
    (ON_CALL, "/models/drift"),
    (ON_CALL, "/models/corrections"),
    (SECOND, "/models/version/service-desk"),
    (ON_CALL, "/overview"),
    (AUDITOR, "/people"),
    (ON_CALL, "/account"),
    (ON_CALL, "/no-such-page"),
    ("", "/login"),
];

/// Where `name` stands in this demo.
async fn address(browser: &Browser, name: &str) -> String {
    let first = async |list: &str, link: &str| {
        browser.go(list).await;
        browser.attribute(link, "href").await
    };
    let waiting = "/?tab=approve";
    match name {
        "TICKET" => first(waiting, "tbody a.title").await,
        "RESOLVED" => first("/tickets?state=resolved", "tbody a.title").await,
        "APPROVE" | "REJECT" | "OUTCOME" => {
            let ticket = first(waiting, "tbody a.title").await;
            browser.go(&ticket).await;
            browser.attribute(&format!("a[href$={}]", name.to_lowercase()), "href").await
        }
        "UNDO" => {
            let ticket = first("/tickets?state=resolved", "tbody a.title").await;
            browser.go(&ticket).await;
            browser.attribute("a[href$=undo]", "href").await
        }
        path => path.to_owned(),
    }
}

/// Opens each page, as whoever may.
async fn for_each(demo: &Demo, look: impl AsyncFn(&Browser, &str)) {
    for person in [ON_CALL, SECOND, AUDITOR, ""] {
        let browser = if person.is_empty() { Browser::open(demo).await } else { Browser::signed_in(demo, person).await };
        for (_, name) in PAGES.iter().filter(|(who, _)| *who == person) {
            let path = address(&browser, name).await;
            look(&browser, &path).await;
        }
        browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_wrong_with_any_page_in_either_theme() {
    let demo = Demo::start();
    let found = std::sync::Mutex::new(Vec::new());
    for_each(&demo, async |browser, path| {
        for dark in [false, true] {
            browser.dark(dark).await;
            browser.go(path).await;
            let violations = browser.violations().await;
            let theme = if dark { "dark" } else { "light" };
            found.lock().unwrap().extend(violations.into_iter().map(|violation| format!("{path} {theme}: {violation}")));
        }
    })
    .await;
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_is_wider_than_a_phone_asks_another_host_or_breaks_its_own_policy() {
    let demo = Demo::start();
    let wrong = std::sync::Mutex::new(Vec::new());
    let says = |what: String| wrong.lock().unwrap().push(what);
    for_each(&demo, async |browser, path| {
        browser.phone().await;
        browser.go(path).await;
        let wide = browser.script("return document.documentElement.scrollWidth", vec![]).await.as_i64().unwrap();
        if wide > 360 {
            let widest = "return [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > 361 \
                && !e.closest('.scroll')).slice(0, 3).map((e) => e.outerHTML.slice(0, 160)).join(' | ')";
            says(format!("{path} is {wide} wide: {}", browser.script(widest, vec![]).await));
        }
        let inline = "return document.querySelectorAll('script:not([src]), style, [style], [onclick], [onload], [onerror]').length";
        if browser.script(inline, vec![]).await != 0 {
            says(format!("{path} has a script or a style of its own"));
        }
        let asked = browser.requests().await;
        for other in asked.iter().filter(|url| !url.starts_with(&demo.url) && !url.starts_with("data:")) {
            says(format!("{path} asks {other}"));
        }
        for complaint in browser.complaints().await.into_iter().filter(|complaint| !complaint.contains("status of 404")) {
            says(format!("{path}: {complaint}"));
        }
    })
    .await;
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_reads_the_same_without_scripts() {
    let demo = Demo::start();
    for person in [ON_CALL, SECOND, AUDITOR] {
        let with = Browser::signed_in(&demo, person).await;
        let mut paths = Vec::new();
        for (_, name) in PAGES.iter().filter(|(who, _)| *who == person) {
            paths.push(address(&with, name).await);
        }
        with.close().await;
        let without = Browser::open(&demo).await;
        without.without_scripts().await;
        without.go("/login").await;
        without.submit_sign_in(person, &demo.password).await;
        for path in paths {
            without.go(&path).await;
            let heading = without.plain_text("h1").await;
            assert!(!heading.trim().is_empty() && heading != "Sign in", "{path} has no heading without scripts: `{heading}`");
            assert!(without.plain_text("main").await.len() > 40, "{path} says nothing without scripts");
        }
        without.close().await;
    }
}
