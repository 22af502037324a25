//! Staff at the same time as others: no change is lost, and the inventory stays true.

use std::time::Duration;

use app::expire;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::{Answer, Member, answer, id_of};
use crate::support::wait::{LIMIT, eventually};
use crate::support::wishes::{put, wish};
use crate::support::{NewConcert, TestApp};

/// Two who edit the same version at the same time: their answers.
async fn edit_twice(member: &Member<'_>, concert: i32, etag: &str) -> [Answer; 2] {
    let (name, venue) = (json!({ "name": "By Ada" }), json!({ "name": "By Bo" }));
    let edits = [&name, &venue].map(|change| answer(member.edits(concert, etag, change)));
    let [first, second] = edits;
    let (first, second) = tokio::join!(first, second);
    [first, second]
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_edit_one_concert_the_second_learns_what_the_first_did() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        // Without a version, one of them overwrites the other and nobody knows.
        let careless = edit_twice(&admin, concert, "*").await;
        assert_eq!(careless.map(|answer| answer.status), [200, 200]);

        for _ in 0..10 {
            let path = format!("/concerts/{concert}");
            let reset = answer(admin.edits(concert, "*", &json!({ "name": "Night Ferry" }))).await;
            let mut answers = edit_twice(&admin, concert, reset.etag()).await;
            answers.sort_by_key(|answer| answer.status);
            let [first, second] = answers;
            assert_eq!((first.status, second.status), (200, 412));
            assert_eq!(second.code(), "precondition_failed");
            assert_eq!(second.body["current"], first.body);
            assert_eq!(second.body["current_etag"], first.etag());
            assert_eq!(second.body["given_etags"], json!([reset.etag()]));
            assert_eq!(admin.gets(&path).await.body, first.body);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn capacity_that_changes_in_a_rush_keeps_the_inventory() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let mut buyers: Vec<_> = (0..150)
            .map(|n| put(&app.app, wish(concert, 2, &format!("early{n}"))))
            .collect();
        for (round, total) in [60, 160, 90, 400, 250, 300].into_iter().enumerate() {
            let change = json!({ "total_tickets": total });
            let edited = answer(admin.edits(concert, "*", &change)).await;
            // Too few is refused; a row that somebody has for too long is 503.
            assert!([200, 422, 503].contains(&edited.status), "{}", edited.body);
            app.assert_inventory().await;
            let late = (0..20).map(|n| format!("late{round}-{n}"));
            buyers.extend(late.map(|buyer| put(&app.app, wish(concert, 1, &buyer))));
        }
        let mut sold = 0;
        for outcome in join_all(buyers).await {
            sold += outcome.unwrap().map_or(0, |held| held.reservation.quantity);
        }
        let total = format!("SELECT total_tickets::bigint FROM concerts WHERE id = {concert}");
        let total = app.count(&total).await;
        assert_eq!(
            i64::from(app.available(concert).await),
            total - i64::from(sold)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn confirming_beside_the_sweeper_never_sells_a_ticket_twice() {
    const HOLDS: i32 = 20;
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let few = NewConcert {
            tickets: HOLDS,
            ..NewConcert::default()
        };
        let concert = app.plant(few).await;
        let mut held = Vec::new();
        for buyer in 0..HOLDS {
            held.push(app.reserved(concert, 1, &format!("b{buyer}")).await);
        }
        expire::sweep(&app.app).await.unwrap();
        app.pass(Duration::from_mins(10)).await;
        let sweeping = app.app.clone();
        let sweeper = tokio::spawn(async move {
            for _ in 0..5 {
                expire::sweep(&sweeping).await.unwrap();
            }
        });
        let confirms = held.iter().map(|held| {
            let path = format!("/reservations/{}/confirm", id_of(held));
            answer(admin.asks(Method::POST, &path))
        });
        for confirmed in join_all(confirms).await {
            assert_eq!(confirmed.status, 200, "{}", confirmed.body);
        }
        sweeper.await.unwrap();
        assert_eq!(app.available(concert).await, 0);
        let confirmed = "SELECT count(*) FROM reservations WHERE status = 'confirmed'";
        assert_eq!(app.count(confirmed).await, i64::from(HOLDS));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sweeper_is_about_to_give_back_is_confirmed_with_new_tickets() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 4, "som").await;
        expire::sweep(&app.app).await.unwrap();
        app.pass(Duration::from_mins(10)).await;
        let id = id_of(&held);
        let somebody = app.database.superuser().await;
        let lock = format!("BEGIN; SELECT 1 FROM reservations WHERE id = '{id}' FOR UPDATE");
        somebody.batch_execute(&lock).await.unwrap();
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let wait_for = async |waiters: i64| {
            let found = async || app.count(waiting).await == waiters;
            eventually("so many wait", LIMIT, found).await;
        };
        let sweeping = app.app.clone();
        let sweeper = tokio::spawn(async move { expire::sweep(&sweeping).await.unwrap() });
        wait_for(1).await;
        let confirm = format!("/reservations/{id}/confirm");
        let confirm = tokio::spawn(answer(admin.asks(Method::POST, &confirm)));
        wait_for(2).await;
        somebody.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(sweeper.await.unwrap().expired, 1);
        let confirmed = confirm.await.unwrap();
        assert_eq!(confirmed.status, 200, "{}", confirmed.body);
        // Taken anew, for the sweeper has given them back.
        assert_eq!(app.available(concert).await, 96);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concert_that_is_deleted_in_a_rush_has_either_buyers_or_none() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        for round in 0..20 {
            let concert = app.plant(NewConcert::default()).await;
            let buyers = (0..3).map(|buyer| {
                let request = app.reserve(concert, 1, &format!("r{round}-{buyer}"));
                answer(request)
            });
            let path = format!("/concerts/{concert}");
            let (deleted, buyers) = tokio::join!(admin.deletes(&path), join_all(buyers));
            let statuses: Vec<u16> = buyers.iter().map(|buyer| buyer.status).collect();
            match deleted.status {
                204 => assert_eq!(statuses, [404; 3]),
                409 => assert!(statuses.contains(&201), "{statuses:?}"),
                _ => panic!("{}", deleted.body),
            }
        }
        let lost = "SELECT count(*) FROM reservations r JOIN concerts c ON c.id = r.concert_id
                    WHERE c.deleted_at IS NOT NULL";
        assert_eq!(app.count(lost).await, 0);
    })
    .await;
}
