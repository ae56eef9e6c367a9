//! Corrections and models, as people use them.

use crate::{
    demo::{Demo, ON_CALL, SECOND},
    driver::Browser,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_that_contradicts_a_sure_model_waits_for_another_approver_who_keeps_it() {
    let demo = Demo::start();
    let ticket = demo.post("VPN disconnects", "the vpn client drops the tunnel every ten minutes when I work from home over vpn").await;
    let first = Browser::signed_in(&demo, ON_CALL).await;
    first.go(&format!("/tickets/{ticket}")).await;
    first.says("At this score right").await;
    first.click("#correct summary").await;
    first
        .script(
            "const choice = document.querySelector('#correct-category'); choice.value = 'hardware/printer'; choice.form.requestSubmit();",
            vec![],
        )
        .await;
    first.says("Recorded. The next training learns from it, when it passes").await;
    first.says("said that the category is hardware/printer").await;
    first.go("/models/corrections").await;
    first.says("the model was").await;
    let buttons = "return document.querySelectorAll('button[name=ruling]').length";
    assert_eq!(first.script(buttons, vec![]).await, 0, "nobody rules over their own");

    let second = Browser::signed_in(&demo, SECOND).await;
    second.go("/models/corrections").await;
    second.fill("input[name=reason]", "it is the printer's own VPN").await;
    second.click("button[value=keep]").await;
    second.says("Kept: the next training learns from it.").await;
    second.says("it is the printer's own VPN").await;
    second.close().await;
    first.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_how_good_the_model_in_force_is_and_that_it_cannot_replace_itself() {
    let demo = Demo::start();
    let browser = Browser::signed_in(&demo, SECOND).await;
    browser.go("/models").await;
    browser.says("Calibration").await;
    browser.see("svg.chart circle.bar").await;
    browser.go("/models/version/service-desk").await;
    browser.says("Nothing can take its own place").await;
    browser.says("Both answer every text alike").await;
    assert_eq!(browser.script("return document.querySelectorAll('form[action$=promote]').length", vec![]).await, 0);
    browser.go("/models/drift").await;
    browser.says("too few to say").await;
    browser.close().await;
}
