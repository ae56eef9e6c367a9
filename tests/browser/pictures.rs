//! Pictures of the main pages, for the README: `./test screenshots` writes them into `docs/screenshots`.

use std::path::Path;

use crate::{
    demo::{AUDITOR, Demo, ON_CALL, SECOND},
    driver::Browser,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_main_pages_can_be_pictured() {
    let demo = Demo::start();
    let folder =
        std::env::var_os("SLUICEGATE_SCREENSHOTS").map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots"), Into::into);
    std::fs::create_dir_all(&folder).unwrap();
    let pictures = [
        (ON_CALL, "queue", "/", false, false),
        (ON_CALL, "queue-phone", "/", true, true),
        (ON_CALL, "ticket", "TICKET", false, false),
        (ON_CALL, "approve", "APPROVE", false, true),
        (SECOND, "automation", "/automation", false, false),
        (AUDITOR, "log-entry", "/log/5", false, true),
        (ON_CALL, "overview", "/overview?days=7", false, false),
    ];
    for (person, name, place, phone, dark) in pictures {
        let browser = Browser::signed_in(&demo, person).await;
        if phone {
            browser.phone().await;
        }
        browser.dark(dark).await;
        let path = match place {
            "TICKET" | "APPROVE" => {
                browser.go("/?tab=approve").await;
                let ticket = browser.attribute("tbody a.title", "href").await;
                browser.go(&ticket).await;
                if place == "TICKET" { ticket } else { browser.attribute("a[data-key=a]", "href").await }
            }
            path => path.to_owned(),
        };
        browser.go(&path).await;
        browser.see("h1").await;
        if name == "log-entry" {
            browser.click("[data-verify]").await;
            browser.says("The signature on the note is by the key shown").await;
        }
        let picture = browser.picture().await;
        assert!((10_000..200_000).contains(&picture.len()), "{name} has {} bytes", picture.len());
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
        browser.close().await;
    }
}
