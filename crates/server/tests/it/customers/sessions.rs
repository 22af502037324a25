//! Sessions of customers: rotation, signing out, their end.

use std::time::Duration;

use reqwest::Method;
use store::{Acting, Transaction};

use super::{cookie_of, link, work};
use crate::support::{NewConcert, TestApp};

async fn status(app: &TestApp, cookie: &str) -> u16 {
    app.get_as(cookie, "/api/v1/me").await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_again_ends_the_session_that_the_browser_had() {
    TestApp::run(async |app| {
        let _work = work(app);
        let first = link(app, "som@example.com").await;
        let entered = app
            .as_browser("", Method::POST, &first)
            .send()
            .await
            .unwrap();
        let before = cookie_of(&entered);
        let second = link(app, "som@example.com").await;
        let entered = app.as_browser(&before, Method::POST, &second).send();
        let after = cookie_of(&entered.await.unwrap());
        assert_ne!(before, after);
        assert_eq!(
            (status(app, &before).await, status(app, &after).await),
            (401, 200)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_on_the_server_and_empties_the_browser() {
    TestApp::run(async |app| {
        for (method, path, expected) in [
            (Method::POST, "/en/sign-out", 303),
            (Method::DELETE, "/api/v1/sessions/current", 204),
        ] {
            let cookie = app.plant_customer("som@example.com", false).await;
            let other = app.plant_customer("som@example.com", false).await;
            assert_eq!(status(app, &cookie).await, 200);
            let out = app.as_browser(&cookie, method, path).send().await.unwrap();
            assert_eq!(out.status(), expected);
            let set = out.headers()["set-cookie"].to_str().unwrap();
            assert!(set.starts_with("stagedoor=; Path=/; Max-Age=0;"), "{set}");
            assert_eq!(status(app, &cookie).await, 401);
            assert_eq!(status(app, &other).await, 200);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_after_thirty_days_and_is_forgotten() {
    TestApp::run(async |app| {
        let cookie = app.plant_customer("som@example.com", false).await;
        app.clock.advance(Duration::from_hours(30 * 24 - 1));
        assert_eq!(status(app, &cookie).await, 200);
        app.clock.advance(Duration::from_hours(1));
        assert_eq!(status(app, &cookie).await, 401);
        let me = app.get_as(&cookie, "/en/me").await;
        assert_eq!(me.status(), 303);
        assert_eq!(me.headers()["location"], "/en/sign-in?return_to=/en/me");
        for nonsense in ["stagedoor=s.", "stagedoor=s.x", "stagedoor=s", "other=s.x"] {
            assert_eq!(status(app, nonsense).await, 401, "{nonsense}");
        }
    })
    .await;
}

/// Whatever a use case forgets to ask, the database shows a customer nothing of anybody else.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_itself_shows_a_customer_only_what_is_theirs() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        for buyer in ["som", "dao"] {
            app.reserved(concert, 1, buyer).await;
            app.plant_customer(&format!("{buyer}@example.com"), false)
                .await;
            assert_eq!(app.ask_for_link(&format!("{buyer}@example.com")).await, 202);
        }
        let som = domain::text::EmailAddress::parse("som@example.com").unwrap();
        let by = Acting::new(domain::actor::Actor::Customer(som.clone()));
        let transaction = Transaction::begin(app.app.writer(), &by).await.unwrap();
        let dao = domain::text::EmailAddress::parse("dao@example.com").unwrap();
        let (today, now) = (app.app.today(), app.app.ctx().now());
        for (email, expected) in [(&som, 1), (&dao, 0)] {
            let found = store::customers::list_bookings(&transaction, email, (today, now), (0, 10));
            assert_eq!(found.await.unwrap().len(), expected, "{email}");
            let since = now - Duration::from_hours(1);
            let links = store::customer_links::count_since(&transaction, email, since);
            assert_eq!(
                links.await.unwrap(),
                i64::try_from(expected).unwrap(),
                "{email}"
            );
        }
        transaction.rollback().await;
    })
    .await;
}
