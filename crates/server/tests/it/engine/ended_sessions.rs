//! Sessions that PostgreSQL ends or doesn't begin, and room that it hasn't: who buys meanwhile is
//! told to come again, and nobody has to restart anything.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::bad_rows::{attempts, refuse_rows};
use super::lost_commits::{alone, through_proxy};
use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::wishes::{keyed, put, wish};
use crate::support::{NewConcert, TestApp};

/// On a machine that does much else; the product's own limit is 5 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Whatever the code of a fatal error is, its session has ended. The server behind the proxy keeps
/// it, so nothing but the error says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ended_fatally_serves_nobody_any_more() {
    through_proxy(async |app, proxy| {
        // A sequence keeps what a transaction that is rolled back noted.
        let fail_once = "
            CREATE SEQUENCE faulty;
            CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
            BEGIN
                IF (SELECT is_called FROM faulty) THEN RETURN NEW; END IF;
                PERFORM setval('faulty', pg_backend_pid());
                RAISE 'refused by a test';
            END $$;
            CREATE TRIGGER fail_once BEFORE INSERT ON reservations
                FOR EACH ROW EXECUTE FUNCTION fail_once()";
        app.postgres.batch_execute(fail_once).await.unwrap();
        proxy.rewrite(b"SERROR\0VERROR\0", b"SFATAL\0VFATAL\0");
        let concert = app.plant(NewConcert::default()).await;
        let sale = put(&app.app, keyed("k", wish(concert, 1, "som")));
        let reserved = within_limit("an answer", sale).await.unwrap().unwrap();
        assert!(!reserved.replayed, "made on another connection");
        let kept = "SELECT count(*) FROM pg_stat_activity
                    WHERE pid = (SELECT last_value FROM faulty)";
        // Long before it would be closed for being idle.
        eventually(
            "the session is given up",
            Duration::from_secs(15),
            async || app.count(kept).await == 0,
        )
        .await;
        assert_eq!(app.available(concert).await, 99);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_buys_while_the_disk_is_full_is_told_to_come_again() {
    TestApp::run(async |app| {
        refuse_rows(app, "", "53100").await;
        let concert = app.plant(NewConcert::default()).await;
        assert_told_to_come_again(app, concert).await;
        // PostgreSQL has said that it wrote nothing, and has enough to do: once more, and no more.
        assert_eq!(attempts(app).await, 2);
        let room = "DROP TRIGGER refuse ON reservations";
        app.postgres.batch_execute(room).await.unwrap();
        app.reserved(concert, 1, "later").await;
        assert_eq!(app.available(concert).await, 99);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_buys_while_postgresql_takes_no_more_sessions_is_told_to_come_again() {
    TestApp::run_with(alone(), async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let limit = async |sessions: i32| {
            let name = &app.database.name;
            let alter = format!("ALTER DATABASE {name} CONNECTION LIMIT {sessions}");
            app.postgres.batch_execute(&alter).await.unwrap();
        };
        limit(0).await;
        let end = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
                   WHERE datname = current_database() AND usename = 'stagedoor_app'";
        app.count(end).await;
        assert_told_to_come_again(app, concert).await;
        limit(-1).await;
        eventually("it sells again", LIMIT, async || {
            let answer = app.reserve(concert, 1, "later").send().await.unwrap();
            answer.status() == 201
        })
        .await;
        assert_eq!(app.available(concert).await, 99);
    })
    .await;
}

async fn assert_told_to_come_again(app: &TestApp, concert: i32) {
    let begun = Instant::now();
    let answer = app.reserve(concert, 1, "som").send();
    let answer = within_limit("an answer", answer).await.unwrap();
    let took = begun.elapsed();
    eprintln!("told after {took:?}");
    assert!(took < ANSWER_WITHIN, "{took:?}");
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "database_unavailable");
}
