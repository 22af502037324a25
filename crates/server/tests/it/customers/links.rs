//! Links by mail.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::{cookie_of, link, work};
use crate::support::wait::{LIMIT, eventually};
use crate::support::{Options, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_in_by_its_button_and_leads_where_they_wanted_to_go() {
    TestApp::run(async |app| {
        let _work = work(app);
        let form = app.form_as(
            "",
            "/th/sign-in",
            &[
                ("email", " Som@Example.com "),
                ("return_to", "/th/concerts/7?x=1"),
            ],
        );
        let sent = form.send().await.unwrap();
        assert_eq!(sent.status(), 200);
        assert!(sent.text().await.unwrap().contains("som@example.com"));
        eventually("a mail", LIMIT, async || {
            !app.links_of("som@example.com").await.is_empty()
        })
        .await;
        let link = app.links_of("som@example.com").await.remove(0);
        assert!(link.starts_with("/th/sign-in/"), "{link}");
        for _ in 0..3 {
            let looked = app.get(&link).await;
            assert_eq!(looked.status(), 200);
            assert_eq!(looked.headers()["cache-control"], "no-store");
            let page = looked.text().await.unwrap();
            assert!(page.contains("som@example.com") && page.contains("noindex"));
        }
        let entered = app
            .as_browser("", Method::POST, &link)
            .send()
            .await
            .unwrap();
        assert_eq!(entered.status(), 303);
        assert_eq!(entered.headers()["location"], "/th/concerts/7?x=1");
        let cookie = entered.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
        let me = app.get_as(&cookie_of(&entered), "/api/v1/me").await;
        let me: serde_json::Value = me.json().await.unwrap();
        let expected = json!({ "email": "som@example.com", "name": null, "google_auth": false });
        assert_eq!(me, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_who_use_one_link_at_once_one_is_signed_in() {
    TestApp::run(async |app| {
        let _work = work(app);
        let link = link(app, "som@example.com").await;
        let uses = (0..20).map(|_| app.as_browser("", Method::POST, &link).send());
        let answers = join_all(uses).await.into_iter();
        let statuses: Vec<u16> = answers.map(|it| it.unwrap().status().as_u16()).collect();
        let of = |wanted: u16| statuses.iter().filter(|it| **it == wanted).count();
        assert_eq!((of(303), of(410)), (1, 19), "{statuses:?}");
        assert_eq!(app.count("SELECT count(*) FROM customer_sessions").await, 1);
        assert_eq!(app.get(&link).await.status(), 410);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_over_after_a_quarter_of_an_hour() {
    TestApp::run(async |app| {
        let _work = work(app);
        let link = link(app, "som@example.com").await;
        assert_eq!(app.get(&link).await.status(), 200);
        let later = "UPDATE customer_links SET created_at = created_at - interval '15 minutes',
                                               expires_at = expires_at - interval '15 minutes'";
        app.postgres.batch_execute(later).await.unwrap();
        let looked = app.get(&link).await;
        assert_eq!(looked.status(), 410);
        let page = looked.text().await.unwrap();
        assert!(page.contains("href=\"/en/sign-in\""), "{page}");
        let entered = app
            .as_browser("", Method::POST, &link)
            .send()
            .await
            .unwrap();
        assert_eq!(entered.status(), 410);
        assert!(entered.headers().get("set-cookie").is_none());
        for unknown in ["/en/sign-in/x", &format!("/en/sign-in/{}", "A".repeat(43))] {
            assert_eq!(app.get(unknown).await.status(), 410, "{unknown}");
        }
        assert_eq!(app.get("/en/sign-in/%00").await.status(), 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_which_addresses_are_known_or_had_enough() {
    TestApp::run(async |app| {
        let concert = app.plant(crate::support::NewConcert::default()).await;
        app.reserved(concert, 1, "known").await;
        let mut answers = HashSet::new();
        for email in ["known@example.com", "unknown@example.com"] {
            for _ in 0..7 {
                let form = app.form_as("", "/en/sign-in", &[("email", email)]);
                let answer = form.send().await.unwrap();
                let status = answer.status();
                let page = answer.text().await.unwrap().replace(email, "…");
                answers.insert((status, page));
                assert_eq!(app.ask_for_link(email).await, 202);
            }
            let sent = format!("SELECT count(*) FROM mails WHERE recipient = '{email}'");
            assert_eq!(app.count(&sent).await, 5, "{email}");
        }
        assert_eq!(answers.len(), 1, "{answers:?}");
        app.clock.advance(std::time::Duration::from_mins(61));
        assert_eq!(app.ask_for_link("known@example.com").await, 202);
        let sent = "SELECT count(*) FROM mails WHERE recipient = 'known@example.com'";
        assert_eq!(app.count(sent).await, 6);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_get_no_more_links_than_one_after_the_other() {
    TestApp::run(async |app| {
        let asked = (0..20).map(|_| app.ask_for_link("som@example.com"));
        assert_eq!(join_all(asked).await, [202; 20]);
        assert_eq!(app.count("SELECT count(*) FROM customer_links").await, 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_address_is_refused_by_name() {
    TestApp::run(async |app| {
        for body in [
            json!({}),
            json!({ "email": "som" }),
            json!({ "email": 1 }),
            json!({ "email": "a@b.co", "x": 1 }),
        ] {
            let request = app.request(Method::POST, "/api/v1/sessions/email");
            let refused = request.json(&body).send().await.unwrap();
            assert_eq!(refused.status(), 422, "{body}");
            let problem: serde_json::Value = refused.json().await.unwrap();
            assert_eq!(problem["code"], "validation_failed");
        }
        let form = app.form_as(
            "",
            "/en/sign-in",
            &[("email", "som@"), ("return_to", "//evil.example")],
        );
        let refused = form.send().await.unwrap();
        assert_eq!(refused.status(), 422);
        let page = refused.text().await.unwrap();
        assert!(page.contains("value=\"som@\"") && page.contains("id=\"email-error\""));
        assert!(!page.contains("evil"), "{page}");
        let foreign = app
            .request(Method::POST, "/en/sign-in")
            .header("sec-fetch-site", "cross-site")
            .header("content-type", "application/x-www-form-urlencoded")
            .body("email=som%40example.com");
        assert_eq!(foreign.send().await.unwrap().status(), 403);
        assert_eq!(app.count("SELECT count(*) FROM mails").await, 0);
    })
    .await;
}

/// A product that was asked for a link and sends none, and one with these keys on the same database.
async fn asked_before_the_key_changed(options: &Options) -> (TestApp, app::App) {
    let database = crate::support::TestDatabase::migrated().await;
    let old = TestApp::start(database, Options::default()).await;
    assert_eq!(old.ask_for_link("som@example.com").await, 202);
    let url = old.database.url(crate::support::APP);
    let new = crate::support::open_app(&url, &old.clock, options);
    (old, new)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_of_a_link_lies_in_the_database_and_a_changed_key_still_sends_it() {
    let options = Options {
        secrets: &[
            b"a new key that is only used for tests",
            b"a key that is only used for tests",
        ],
        ..Options::default()
    };
    let (old, new) = asked_before_the_key_changed(&options).await;
    let written = app::mails::list_written(&new, "som@example.com");
    assert!(written.await.unwrap().unwrap().is_empty(), "not sent yet");
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(app::jobs::work(
        new.clone(),
        app::jobs::Tasks::of_product(),
        stopped,
    ));
    eventually("a mail", LIMIT, async || {
        let written = app::mails::list_written(&new, "som@example.com").await;
        !written.unwrap().unwrap().is_empty()
    })
    .await;
    let link = old.links_of("som@example.com").await.remove(0);
    let token = link.rsplit('/').next().unwrap();
    let rows = "SELECT count(*) FROM (
                    SELECT to_jsonb(m)::text AS line FROM mails m
                    UNION ALL SELECT to_jsonb(l)::text FROM customer_links l
                    UNION ALL SELECT to_jsonb(j)::text FROM jobs j
                    UNION ALL SELECT to_jsonb(a)::text FROM audit_logs a) AS rows
                WHERE line LIKE '%";
    assert_eq!(old.count(&format!("{rows}{token}%'")).await, 0);
    let entered = old
        .as_browser("", Method::POST, &link)
        .send()
        .await
        .unwrap();
    assert_eq!(entered.status(), 303);
}

/// Another process may have its key, for as long as the link can be used.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_a_forgotten_key_is_given_up_when_it_is_over() {
    let options = Options {
        secrets: &[b"a new key that is only used for tests"],
        carrier: Some(std::sync::Arc::new(Nobody)),
        ..Options::default()
    };
    let (old, new) = asked_before_the_key_changed(&options).await;
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let tasks = app::jobs::Tasks::of_product();
    tokio::spawn(app::jobs::work(new.clone(), tasks, stopped));
    let with = async |condition: &str| {
        let rows = format!("SELECT count(*) FROM jobs, mails WHERE {condition}");
        old.count(&rows).await
    };
    let waits = "jobs.last_error LIKE '%another key%' AND mails.status = 'pending'";
    eventually("a first try", LIMIT, async || with(waits).await == 1).await;
    old.pass(Duration::from_mins(16)).await;
    let over = "mails.status = 'dead' AND mails.last_error = 'its link is over'";
    eventually("the end", LIMIT, async || with(over).await == 1).await;
}

/// A mail server to which nothing may be handed.
#[derive(Debug)]
struct Nobody;

impl app::mails::Carrier for Nobody {
    fn carry<'a>(
        &'a self,
        _: &'a app::mails::Sealed,
    ) -> futures_util::future::BoxFuture<'a, Result<(), app::mails::CarryError>> {
        Box::pin(async { panic!("nothing is to be sent") })
    }
}
