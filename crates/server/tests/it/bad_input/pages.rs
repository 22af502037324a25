//! What is wrong with a request for a page is said on a page.

use super::everything;
use crate::support::wire::Wire;
use crate::support::{NewConcert, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_says_what_is_wrong_on_a_page_of_its_own() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let before = everything(app).await;
        let hold = format!("/en/concerts/{concert}/hold");
        let mut table = wrong_pages();
        table.extend(wrong_forms(&hold));
        let mut failed = Vec::new();
        for (request, status, lang) in table {
            let answer = request.send(app.address).await;
            let html = answer.text();
            let is_page = answer.header("content-type") == Some("text/html; charset=utf-8")
                && answer.header("x-request-id").is_some()
                && html.contains(&format!("<html lang=\"{lang}\""))
                && html.contains("<h1");
            let allows = status != 405 || answer.header("allow").is_some();
            if answer.status != status || !is_page || !allows {
                failed.push(format!("{}: {answer:?}", request.path()));
            }
        }
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        assert_eq!(everything(app).await, before);
        let own = form(&hold, GOOD_FORM)
            .header("origin", format!("http://{}", app.address))
            .header("sec-fetch-site", "same-origin");
        assert_eq!(own.send(app.address).await.status, 303);
        let plain = form(&hold, GOOD_FORM).send(app.address).await;
        assert_eq!(
            plain.status, 303,
            "clients that send neither header aren't browsers"
        );
    })
    .await;
}

const GOOD_FORM: &str = "quantity=1&customer_name=Som&customer_email=som%40example.com";

fn form(path: &str, body: &str) -> Wire {
    Wire::new("POST", path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
}

fn wrong_pages() -> Vec<(Wire, u16, &'static str)> {
    vec![
        (Wire::get("/en/nothing"), 404, "en"),
        (Wire::get("/th/nothing"), 404, "th"),
        (
            Wire::get("/nothing").header("accept-language", "th"),
            404,
            "th",
        ),
        (Wire::get("/xx/"), 404, "en"),
        (Wire::get("/xx"), 404, "en"),
        (Wire::get("/xx/concerts/1"), 404, "en"),
        (Wire::get("/en/concerts/abc"), 404, "en"),
        (Wire::get("/th/concerts/999999"), 404, "th"),
        (Wire::get("/en/concerts/%00"), 404, "en"),
        (Wire::get("/en/concerts/%ff"), 404, "en"),
        (Wire::get("/%ff/"), 404, "en"),
        (Wire::get("/en/r/nonsense"), 404, "en"),
        (Wire::get("/en/r/RES1-00000000?t=nonsense"), 404, "en"),
        (Wire::get("/assets/nothing.css"), 404, "en"),
        (Wire::get("/metrics"), 404, "en"),
        (Wire::new("POST", "/en/"), 405, "en"),
        (Wire::new("DELETE", "/th/"), 405, "th"),
        (Wire::new("PUT", "/en/concerts/1"), 405, "en"),
        (Wire::get("/en/concerts/1/hold"), 405, "en"),
        (Wire::get("/theme"), 405, "en"),
        (
            Wire::get("/en/").header("x-padding", "x".repeat(100_000)),
            400,
            "en",
        ),
    ]
}

fn wrong_forms(hold: &str) -> Vec<(Wire, u16, &'static str)> {
    let good = || form(hold, GOOD_FORM);
    let thai = hold.replace("/en/", "/th/");
    let long = format!("{GOOD_FORM}&note={}", "x".repeat(10_000_000));
    vec![
        (good().header("origin", "https://evil.example"), 403, "en"),
        (good().header("origin", "null"), 403, "en"),
        (good().header("sec-fetch-site", "cross-site"), 403, "en"),
        (good().header("sec-fetch-site", "same-site"), 403, "en"),
        (
            form(&thai, GOOD_FORM).header("sec-fetch-site", "cross-site"),
            403,
            "th",
        ),
        (
            form("/theme", "theme=dark").header("origin", "https://evil.example"),
            403,
            "en",
        ),
        (form("/en/concerts/999999/hold", GOOD_FORM), 404, "en"),
        (form("/xx/concerts/1/hold", GOOD_FORM), 404, "en"),
        (form(hold, &long), 413, "en"),
        (form(hold, &long).chunked(), 413, "en"),
        (Wire::new("POST", hold).body(GOOD_FORM), 415, "en"),
        (form(hold, ""), 422, "en"),
        (form(&thai, "quantity=0"), 422, "th"),
        (
            form(hold, "quantity=x&customer_name=%00&customer_email=%ff"),
            422,
            "en",
        ),
    ]
}
