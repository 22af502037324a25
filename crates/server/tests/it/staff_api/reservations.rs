//! Reservations as staff see, confirm, cancel and delete them.

use std::time::Duration;

use app::expire;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Member, answer, id_of, named, walk};
use crate::expiry::behind_the_concert;
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, TestApp};

async fn sold_out_concert(app: &TestApp) -> (i32, Value) {
    let few = NewConcert {
        tickets: 2,
        ..NewConcert::default()
    };
    let concert = app.plant(few).await;
    (concert, app.reserved(concert, 2, "som").await)
}

async fn sweep(app: &TestApp) {
    app.pass(Duration::from_mins(10)).await;
    expire::sweep(&app.app).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_reservation_is_confirmed_by_hand_and_then_no_more() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let (concert, held) = sold_out_concert(app).await;
        let path = format!("/reservations/{}", id_of(&held));
        let confirmed = admin.posts(&format!("{path}/confirm")).await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.body);
        assert_eq!(confirmed.body["status"], "confirmed");
        assert_eq!(confirmed.body["payment_status"], "completed");
        assert_eq!(app.available(concert).await, 0);
        assert_eq!(admin.gets(&path).await.body, confirmed.body);
        let again = admin.posts(&format!("{path}/confirm")).await;
        assert_eq!((again.status, again.code()), (409, "invalid_state"));
        sweep(app).await;
        assert_eq!(admin.gets(&path).await.body["status"], "confirmed");
        let kept = admin.deletes(&path).await;
        assert_eq!((kept.status, kept.code()), (409, "invalid_state"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_reservation_is_confirmed_again_only_while_there_are_tickets() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let (concert, late) = sold_out_concert(app).await;
        sweep(app).await;
        let taken = app.reserved(concert, 1, "dao").await;
        let confirm = format!("/reservations/{}/confirm", id_of(&late));
        let refused = admin.posts(&confirm).await;
        assert_eq!((refused.status, refused.code()), (409, "invalid_state"));
        assert_eq!(refused.body["available"], 1);
        let cancel = format!("/reservations/{}/cancel", id_of(&taken));
        assert_eq!(admin.posts(&cancel).await.status, 200);
        let confirmed = admin.posts(&confirm).await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.body);
        assert_eq!(app.available(concert).await, 0);
        let cancelled = format!("/reservations/{}/confirm", id_of(&taken));
        let refused = admin.posts(&cancelled).await;
        assert_eq!((refused.status, refused.code()), (409, "invalid_state"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_of_a_deleted_concert_is_not_confirmed() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let (concert, held) = sold_out_concert(app).await;
        sweep(app).await;
        let deleted = admin.deletes(&format!("/concerts/{concert}")).await;
        assert_eq!(deleted.status, 204);
        let confirm = format!("/reservations/{}/confirm", id_of(&held));
        let refused = admin.posts(&confirm).await;
        assert_eq!((refused.status, refused.code()), (409, "invalid_state"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_cancel_what_keeps_tickets_and_what_was_paid_goes_back() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let moderator = Member::of(app, "moderator").await;
        let (concert, held) = sold_out_concert(app).await;
        let path = format!("/reservations/{}", id_of(&held));
        admin.posts(&format!("{path}/confirm")).await;
        let cancelled = moderator.posts(&format!("{path}/cancel")).await;
        assert_eq!(cancelled.status, 200, "{}", cancelled.body);
        assert_eq!(cancelled.body["status"], "cancelled");
        // Confirmed by hand, so paid by hand: owed until somebody says that it is paid back.
        assert_eq!(cancelled.body["payment_status"], "completed");
        let owed =
            "SELECT count(*) FROM payments WHERE status = 'refunding' AND refund_error IS NOT NULL";
        assert_eq!(app.count(owed).await, 1);
        // On sale again when the answer has come.
        let next = app.reserved(concert, 2, "dao").await;
        let again = moderator.posts(&format!("{path}/cancel")).await;
        assert_eq!((again.status, again.code()), (409, "invalid_state"));
        app.clock.advance(Duration::from_mins(10));
        let overdue = format!("/reservations/{}/cancel", id_of(&next));
        let overdue = moderator.posts(&overdue).await;
        assert_eq!(
            (overdue.status, overdue.code()),
            (409, "reservation_expired")
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_reservation_that_keeps_no_tickets_is_deleted() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let (_, held) = sold_out_concert(app).await;
        let path = format!("/reservations/{}", id_of(&held));
        let pending = admin.deletes(&path).await;
        assert_eq!((pending.status, pending.code()), (409, "invalid_state"));
        app.pass(Duration::from_mins(10)).await;
        let overdue = admin.deletes(&path).await;
        let detail = overdue.body["detail"].as_str().unwrap();
        assert!(detail.contains("two seconds"), "{detail}");
        expire::sweep(&app.app).await.unwrap();
        assert_eq!(admin.deletes(&path).await.status, 204);
        assert_eq!(admin.deletes(&path).await.status, 404);
        assert_eq!(admin.gets(&path).await.status, 404);
        assert_eq!(admin.posts(&format!("{path}/confirm")).await.status, 404);
        let shown = app.with_token(Method::GET, &held, "").send().await.unwrap();
        assert_eq!(shown.status(), 404);
        assert_eq!(
            walk(&admin, "/reservations?limit=9").await,
            <[Value; 0]>::default()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_see_a_reservation_where_its_holder_does() {
    TestApp::run(async |app| {
        let moderator = Member::of(app, "moderator").await;
        let (_, held) = sold_out_concert(app).await;
        let path = format!("/api/v1/reservations/{}", id_of(&held));
        let seen = app
            .request(Method::GET, &path)
            .bearer_auth(&moderator.token);
        let seen = answer(seen).await;
        assert_eq!((seen.status, &seen.body["id"]), (200, &held["id"]));
        assert_eq!(seen.body.get("access_token"), None);
        // To change it they have their own addresses.
        let cancel = app.request(Method::POST, &format!("{path}/cancel"));
        let cancel = answer(cancel.bearer_auth(&moderator.token)).await;
        assert_eq!(cancel.status, 404);
        app.clock.advance(Duration::from_mins(30));
        let ended = app
            .request(Method::GET, &path)
            .bearer_auth(&moderator.token);
        assert_eq!(answer(ended).await.status, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_find_reservations_newest_first_by_everything_they_may_know() {
    TestApp::run(async |app| {
        let moderator = Member::of(app, "moderator").await;
        let one = app.plant(NewConcert::default()).await;
        let other = app.plant(NewConcert::default()).await;
        let first = app.reserved(one, 1, "som").await;
        app.clock.advance(Duration::from_mins(9));
        let second = app.reserved(other, 1, "som").await;
        let third = app.reserved(one, 1, "100_dao").await;
        let admin = Member::of(app, "admin").await;
        let confirm = format!("/reservations/{}/confirm", id_of(&third));
        assert_eq!(admin.posts(&confirm).await.status, 200);
        app.clock.advance(Duration::from_mins(1));
        let rename = "UPDATE reservations SET customer_name = 'สมชาย Jaidee' WHERE id = $1";
        app.postgres
            .execute(rename, &[&id_of(&first)])
            .await
            .unwrap();
        let [a, b, c] = [&first, &second, &third].map(id_of);
        let half = a[..8].to_ascii_lowercase();
        for (query, mut expected) in [
            ("limit=1", vec![a, b, c]),
            (&format!("concert_id={one}"), vec![a, c]),
            ("status=expired", vec![a]),
            ("status=pending", vec![b]),
            ("status=confirmed", vec![c]),
            ("status=cancelled", vec![]),
            ("email=SOM%40Example.com", vec![a, b]),
            ("q=%E0%B8%A1%E0%B8%8A%E0%B8%B2%E0%B8%A2", vec![a]),
            ("q=JAIDEE", vec![a]),
            ("q=100_", vec![c]),
            ("q=om%40example&limit=1", vec![a, b]),
            (&format!("q={}", a.to_ascii_lowercase()), vec![a]),
            (&format!("q={half}"), vec![a, b, c]),
            ("q=ES1", vec![]),
            ("from=2026-11-22&to=2026-11-22", vec![a, b, c]),
            ("from=0001-01-01&to=9999-12-31", vec![a, b, c]),
            ("to=0001-01-01", vec![]),
            ("to=2026-11-21", vec![]),
            ("from=2026-11-22T05:09:00Z", vec![b, c]),
            ("to=2026-11-22T05:09:00Z&limit=1", vec![a]),
        ] {
            let found = walk(&moderator, &format!("/reservations?{query}")).await;
            let made = |item: &Value| item["created_at"].as_str().unwrap().to_owned();
            assert!(found.is_sorted_by(|newer, older| made(newer) >= made(older)));
            let mut found: Vec<&str> = found.iter().map(id_of).collect();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{query}");
        }
        let wrong = moderator
            .gets("/reservations?concert_id=0&status=paid&email=som&q=%00&from=12:00&cursor=MS8x")
            .await;
        let expected = [
            "/concert_id invalid",
            "/status invalid",
            "/email not_an_email",
            "/q control_character",
            "/from invalid",
            "/cursor invalid",
        ];
        assert_eq!(wrong.status, 422);
        assert_eq!(named(&wrong.body), expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_at_once_what_is_rare_and_what_is_common_among_very_many() {
    TestApp::run(async |app| {
        let moderator = Member::of(app, "moderator").await;
        let many = NewConcert {
            tickets: 50_000,
            ..NewConcert::default()
        };
        let concert = app.plant(many).await;
        app.plant_holds(concert, 45_000, Duration::from_mins(10))
            .await;
        let tidy = "SELECT tidy_reservation_search()";
        assert!(app.count(tidy).await > 0);
        let found = |page: &super::Answer| page.body["items"].as_array().unwrap().len();
        let next = |page: &super::Answer| page.body["next_cursor"].clone();
        let scans = "SELECT pg_stat_get_numscans('reservations_search_idx'::regclass)";
        // All were made in the same moment, so that their order is that of their ids: 9, 8, …, 2, then 1.
        for query in [
            "q=12345%40example.com".to_owned(),
            format!("q=12345%40EX&concert_id={concert}&status=pending"),
            "email=12345%40example.com".to_owned(),
        ] {
            let page = moderator.gets(&format!("/reservations?{query}")).await;
            assert_eq!((found(&page), next(&page)), (1, json!(null)), "{query}");
        }
        eventually("the index's use", LIMIT, async || {
            app.count(scans).await > 0
        })
        .await;
        let common = moderator.gets("/reservations?q=EXAMPLE&limit=30").await;
        assert_eq!(found(&common), 30);
        assert_ne!(next(&common), json!(null));
        let none = moderator.gets("/reservations?q=nobody+at+all").await;
        assert_eq!((found(&none), next(&none)), (0, json!(null)));

        // What is too short for the index is looked for page by page.
        let rename =
            "UPDATE reservations SET customer_name = 'Ö' WHERE customer_email LIKE '12345@%'";
        app.postgres.batch_execute(rename).await.unwrap();
        let first = moderator.gets("/reservations?q=%C3%B6").await;
        assert_eq!(found(&first), 0);
        assert_ne!(next(&first), json!(null));
        assert_eq!(walk(&moderator, "/reservations?q=%C3%B6").await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_active_staff_searches_whatever_the_server_asks() {
    TestApp::run(async |app| {
        let staff = app.plant_staff("nok", "moderator").await;
        let ask =
            "SELECT * FROM search_reservations('%som%', NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                                     NULL, NULL, NULL, now()::timestamp, 1)";
        let of = |id: i32| format!("SET stagedoor.user_id = '{id}'; {ask}");
        for question in [ask.to_owned(), of(staff + 1)] {
            let refused = app.postgres.batch_execute(&question).await.unwrap_err();
            let code = refused.code().map(tokio_postgres::error::SqlState::code);
            assert_eq!(code, Some("42501"), "{question}");
        }
        app.postgres.batch_execute(&of(staff)).await.unwrap();
        let disable = "UPDATE admin_users SET is_active = false";
        app.postgres.batch_execute(disable).await.unwrap();
        app.postgres.batch_execute(&of(staff)).await.unwrap_err();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_lock_the_concert_before_the_reservation() {
    let test = TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 1, "som").await;
        for act in ["confirm", "cancel"] {
            let change = admin.asks(
                Method::POST,
                &format!("/reservations/{}/{act}", id_of(&held)),
            );
            let status = behind_the_concert(app, concert, &held, async move {
                change.send().await.unwrap().status().as_u16()
            });
            assert_eq!(status.await, 200);
        }
    });
    // Large, for it has the whole of two conversations.
    Box::pin(test).await;
}
