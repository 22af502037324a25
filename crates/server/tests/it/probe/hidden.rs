//! Nobody sees the probe's concert, buys it or changes it, and the audit log tells of nothing that the
//! probe does to it, and of all else.

use std::io::{Cursor, Read as _};
use std::time::Duration;

use app::probe;
use domain::health::{Level, Name};
use reqwest::Method;
use serde_json::json;
use zip::ZipArchive;

use super::{TOO_LONG, begun};
use crate::support::{NewConcert, TestApp};

/// The name of whatever is the probe's, in any of its rows.
const MARKS: [&str; 3] = ["write probe", "write-probe", "RES1764000000000-"];

/// What servers that were killed in the middle left, of every kind that there may be.
pub(super) async fn leave_behind(app: &TestApp, reservations: i32) {
    let now = app.app.ctx().now();
    let plant = format!(
        "INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity,
                                   total_price, status, created_at, updated_at, reserved_at,
                                   expires_at)
         SELECT 'RES1764000000000-' || lpad(n::text, 8, '0'), 0, 'write probe',
                'write-probe@stagedoor.invalid', 1, 1,
                CASE n % 3 WHEN 0 THEN 'cancelled' WHEN 1 THEN 'confirmed' ELSE 'pending' END,
                made, made, made, made + interval '10 minutes'
         FROM generate_series(1, {reservations}) n,
              (SELECT timestamptz '{now}' AT TIME ZONE 'utc') AS moment (made);
         UPDATE concerts SET available_tickets = total_tickets - (
             SELECT count(*) FROM reservations
             WHERE concert_id = 0 AND status IN ('pending', 'confirmed'))
         WHERE id = 0"
    );
    app.postgres.batch_execute(&plant).await.unwrap();
}

/// Everything that shows, lists, sums or exports.
const API: [&str; 17] = [
    "/concerts?limit=100",
    "/concerts?deleted=true",
    "/concerts?q=probe",
    "/concerts?status=open&from=9998-01-01",
    "/reservations?limit=100",
    "/reservations?q=write",
    "/reservations?q=RES1764",
    "/reservations?email=write-probe%40stagedoor.invalid",
    "/reports/sales",
    "/audit-logs?limit=100",
    "/audit-logs?table_name=reservations",
    "/exports/reservations.csv",
    "/exports/concerts.csv",
    "/exports/audit-logs.csv",
    "/exports/reservations.xlsx",
    "/exports/concerts.xlsx",
    "/exports/audit-logs.xlsx",
];

const PAGES: [&str; 13] = [
    "/staff",
    "/staff/concerts",
    "/staff/concerts?deleted=true",
    "/staff/concerts?q=probe",
    "/staff/reservations",
    "/staff/reservations?q=write",
    "/staff/reservations?q=RES1764",
    "/staff/reservations?concert=probe",
    "/staff/reports",
    "/staff/audit",
    "/staff/runs",
    "/staff/exports/reservations.csv",
    "/staff/exports/concerts.csv",
];

/// INVARIANT: what belongs to the probe is in no list, count or sum.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_probe_is_visible_anywhere() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        app.reserved(concert, 2, "som").await;
        let token = app.plant_signed_in("boss", "superadmin").await;
        let cookie = format!("stagedoor-staff={token}");
        let report = "/reports/sales";
        let of_one = asked(app, &token, report).await;
        leave_behind(app, 9).await;
        for path in API {
            let body = asked(app, &token, path).await;
            assert_hidden(path, &body);
        }
        assert_eq!(asked(app, &token, report).await, of_one, "sums");
        for path in PAGES {
            let page = app.page_as(&cookie, path).await;
            assert!(page.status().is_success(), "{path}: {}", page.status());
            let text = page.text().await.unwrap();
            assert_hidden(path, &text);
        }
        for path in [
            "/api/v1/concerts?limit=100",
            "/api/v1/concerts?q=probe",
            "/api/v1/concerts?from=9998-01-01",
            "/en/",
            "/en/?q=nowhere",
            "/th/",
            "/robots.txt",
        ] {
            let answer = app.get(path).await;
            assert_eq!(answer.status(), 200, "{path}");
            assert_hidden(path, &answer.text().await.unwrap());
        }
    })
    .await;
}

async fn asked(app: &TestApp, token: &str, path: &str) -> String {
    let answer = app.as_staff(token, Method::GET, path).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    let body = answer.bytes().await.unwrap();
    if !path.contains(".xlsx") {
        return String::from_utf8(body.to_vec()).unwrap();
    }
    let mut sheets = ZipArchive::new(Cursor::new(body)).unwrap();
    let mut text = String::new();
    for place in 0..sheets.len() {
        let mut part = sheets.by_index(place).unwrap();
        part.read_to_string(&mut text).unwrap();
    }
    text
}

fn assert_hidden(path: &str, body: &str) {
    for mark in MARKS {
        assert!(!body.contains(mark), "{mark} in {path}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_opens_buys_or_changes_the_probes_concert() {
    TestApp::run(async |app| {
        leave_behind(app, 3).await;
        let token = app.plant_signed_in("boss", "superadmin").await;
        for path in [
            "/api/v1/concerts/0",
            "/api/v1/concerts/0/live",
            "/en/concerts/0",
            "/th/concerts/0",
        ] {
            assert_eq!(app.get(path).await.status(), 404, "{path}");
        }
        let bought = app.reserve(0, 1, "som").send().await.unwrap();
        assert_eq!(bought.status(), 422);
        let leftover = "RES1764000000000-00000002";
        for (method, path) in [
            (Method::GET, "/concerts/0".to_owned()),
            (Method::POST, "/concerts/0/open".to_owned()),
            (Method::POST, "/concerts/0/close".to_owned()),
            (Method::POST, "/concerts/0/archive".to_owned()),
            (Method::DELETE, "/concerts/0".to_owned()),
            (Method::GET, format!("/reservations/{leftover}")),
        ] {
            let answer = app.as_staff(&token, method.clone(), &path).send().await;
            assert_eq!(answer.unwrap().status(), 404, "{method} {path}");
        }
        let change = app.as_staff(&token, Method::PATCH, "/concerts/0");
        let change = change
            .header("if-match", "\"x\"")
            .json(&json!({"name": "Mine"}));
        assert_eq!(change.send().await.unwrap().status(), 404);
        let mine = "SELECT count(*) FROM concerts WHERE id = 0 AND name = 'write probe'
                    AND status = 'open'";
        assert_eq!(app.count(mine).await, 1);
    })
    .await;
}

/// Counts of health, of stock and of what is kept hold no probe, and the sweeper lets it be.
#[tokio::test(flavor = "multi_thread")]
async fn figures_and_the_sweeper_know_nothing_of_it() {
    TestApp::run(async |app| {
        app.plant(NewConcert::default()).await;
        leave_behind(app, 9).await;
        // Even where it doesn't add up.
        let wrong = "UPDATE concerts SET available_tickets = 1 WHERE id = 0";
        app.postgres.batch_execute(wrong).await.unwrap();
        let broken = app::health::broken_inventory(&app.app).await.unwrap();
        assert!(broken.is_empty(), "{broken:?}");
        app::health::look(&app.app).await;
        let figures = app::health::report(&app.app).await.figures;
        let level = |name: Name| {
            figures
                .iter()
                .find(|figure| figure.name == name)
                .unwrap()
                .level
        };
        assert_eq!(level(Name::BrokenInvariants), Level::Green);
        app.clock.advance(Duration::from_mins(11));
        let swept = app::expire::sweep(&app.app).await.unwrap();
        assert_eq!(swept.expired, 0);
        let kept = "SELECT count(*) FROM reservations WHERE status = 'pending'";
        assert_eq!(app.count(kept).await, 3);
        begun(app).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_page_tells_how_long_ago_somebody_could_buy() {
    TestApp::run(async |app| {
        let figure = async || {
            app::health::look(&app.app).await;
            let figures = app::health::report(&app.app).await.figures;
            let of = |name: Name| figures.iter().find(|figure| figure.name == name).cloned();
            (of(Name::LastProbe).unwrap(), of(Name::CanSell).unwrap())
        };
        let (last, _) = figure().await;
        assert_eq!((last.value, last.level), (None, Level::Green));
        begun(app).await;
        let (last, _) = figure().await;
        assert_eq!((last.value, last.level), (Some(0.0), Level::Green));
        app.clock.advance(Duration::from_secs(22));
        assert_eq!(figure().await.0.level, Level::Amber);
        app.clock.advance(TOO_LONG);
        let (last, can_sell) = figure().await;
        assert_eq!((last.value, last.level), (Some(53.0), Level::Red));
        assert_eq!(can_sell.level, Level::Red);
        assert_eq!(can_sell.facts, [("why", "unproven".to_owned())]);
        probe::turn(&app.app).await.unwrap();
        let (last, can_sell) = figure().await;
        assert_eq!((last.level, can_sell.level), (Level::Green, Level::Green));
    })
    .await;
}

/// What is left untold covers nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_whatever_else_is_done_to_the_probes_concert() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let sold = app.reserved(concert, 1, "som").await;
        let sold = sold["id"].as_str().unwrap();
        leave_behind(app, 2).await;
        for moved in [
            format!("UPDATE reservations SET concert_id = 0 WHERE id = '{sold}'"),
            format!("UPDATE reservations SET concert_id = {concert} WHERE concert_id = 0"),
        ] {
            let refused = app.postgres.batch_execute(&moved).await.unwrap_err();
            let said = refused.as_db_error().unwrap().message().to_owned();
            assert!(said.contains("nobody else's"), "{said}");
        }
        let told = "SELECT count(*) FROM audit_logs";
        let before = app.count(told).await;
        let others = "UPDATE reservations SET status = 'cancelled' WHERE concert_id = 0;
                      UPDATE concerts SET available_tickets = 1000, updated_at = now() WHERE id = 0;
                      DELETE FROM reservations WHERE concert_id = 0";
        app.postgres.batch_execute(others).await.unwrap();
        assert_eq!(app.count(told).await, before);
        let changes = "UPDATE concerts SET name = 'Mine' WHERE id = 0;
                       UPDATE concerts SET total_tickets = 2000, available_tickets = 2000 WHERE id = 0";
        app.postgres.batch_execute(changes).await.unwrap();
        assert_eq!(app.count(told).await, before + 2);
        let key = app::SealKey::new(b"a key that is only used for tests");
        app::audit::seal(&app.app, &key).await.unwrap();
        let report = app::audit::verify(&app.app, &key, &[]).await.unwrap();
        assert!(report.wrong.is_none(), "{:?}", report.wrong);
        let differences = app::audit::differences(&app.app, 100).await.unwrap();
        assert_eq!(differences, []);
        app.clock.advance(Duration::from_secs(10));
        begun(app).await;
        assert_eq!(app.count(told).await, before + 2);
    })
    .await;
}
