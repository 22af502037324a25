//! The live view of a sale: true figures, a stream that ends with the right to it, and one reader
//! however many watch.

use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::Value;

use crate::support::paid::plant_paid;
use crate::support::program::Program;
use crate::support::wait::{LIMIT, eventually, within_limit};
use crate::support::{NewConcert, TestApp, TestDatabase};

/// The figures of a stream.
struct Events {
    response: Response,
    rest: String,
}

impl Events {
    async fn open(app: &TestApp, cookie: &str, concert: i32) -> Self {
        Self::new(app.page_as(cookie, &path(concert, "/events")).await)
    }

    fn new(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        let rest = String::new();
        Self { response, rest }
    }

    /// `None` when the stream has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.rest.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.rest = rest;
                assert!(event.contains("event: sale\n"), "{event}");
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                return Some(serde_json::from_str(data.unwrap()).unwrap());
            }
            let chunk = within_limit("an event", self.response.chunk()).await;
            let chunk = chunk.ok()??;
            self.rest.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The first event from now on with this figure.
    async fn until(&mut self, name: &str, figure: &str) -> Value {
        loop {
            let event = self.next().await.unwrap();
            if event["figures"][name] == figure {
                return event;
            }
        }
    }

    async fn ends(&mut self) {
        while self.next().await.is_some() {}
    }
}

fn path(concert: i32, rest: &str) -> String {
    format!("/staff/concerts/{concert}/live{rest}")
}

/// What the page shows under a name.
fn shown<'a>(page: &'a str, name: &str) -> &'a str {
    let mark = format!("data-figure=\"{name}\">");
    let (_, rest) = page
        .split_once(&mark)
        .unwrap_or_else(|| panic!("{name}: {page}"));
    rest.split('<').next().unwrap()
}

/// Tickets and payments as SQL alone counts them.
async fn by_hand(app: &TestApp, concert: i32) -> [i64; 5] {
    let tickets = |status: &str| {
        format!(
            "SELECT coalesce(sum(quantity), 0)::bigint FROM reservations
             WHERE concert_id = {concert} AND status = '{status}'"
        )
    };
    let of_concert =
        |column: &str| format!("SELECT {column}::bigint FROM concerts WHERE id = {concert}");
    let payments = format!(
        "SELECT count(*) FROM payments p JOIN reservations r ON r.id = p.reservation_id
         WHERE r.concert_id = {concert} AND p.status = 'pending'"
    );
    [
        app.count(&tickets("confirmed")).await,
        app.count(&tickets("pending")).await,
        app.count(&of_concert("available_tickets")).await,
        app.count(&of_concert("total_tickets")).await,
        app.count(&payments).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_sql_counts_and_what_buyers_were_told() {
    TestApp::run(async |app| {
        let moderator = format!("{}; lang=en", app.as_member("moderator").await);
        let concert = app
            .plant(NewConcert {
                tickets: 10,
                ..NewConcert::default()
            })
            .await;
        app.postgres
            .batch_execute(&plant_paid(concert, 1000, 1_200))
            .await
            .unwrap();
        let other = app.plant(NewConcert::default()).await;
        app.reserved(other, 5, "else").await;
        for buyer in ["ada", "som", "nok"] {
            let held = app.reserved(concert, 3, buyer).await;
            if buyer == "ada" {
                let pay = app.with_token(reqwest::Method::POST, &held, "/payments");
                let pay = pay.json(&serde_json::json!({ "method": "sandbox" }));
                assert_eq!(pay.send().await.unwrap().status(), 201);
            }
        }
        let refused = app.reserve(concert, 2, "late").send().await.unwrap();
        assert_eq!(refused.status(), 409);
        let over = app.reserve(other, 7, "else").send().await.unwrap();
        assert_eq!(over.status(), 409);
        let counted = by_hand(app, concert).await;
        assert_eq!(counted, [1_200, 9, 1, 1_210, 1]);
        // A second that isn't over yet isn't told.
        eventually("rates", LIMIT, async || {
            let page = app.page_as(&moderator, &path(concert, "")).await;
            assert_eq!(page.status(), 200);
            let page = page.text().await.unwrap();
            let names = ["sold", "held", "left", "total", "payments", "waiting"];
            let figures = names.map(|name| shown(&page, name));
            assert_eq!(figures, ["1,200", "9", "1", "1,210", "1", "0"]);
            assert!(page.contains("of this server alone"), "{page}");
            shown(&page, "admitted") == "0.6" && shown(&page, "sold-out") == "0.2"
        })
        .await;
        let page = app
            .page_as(&moderator, &path(concert, ""))
            .await
            .text()
            .await
            .unwrap();
        assert_eq!(shown(&page, "limit"), "0.0");
        assert!(
            page.contains("staff_live") && page.contains("<polyline"),
            "{page}"
        );
        let page = app
            .page_as(&moderator, &path(other, ""))
            .await
            .text()
            .await
            .unwrap();
        assert_eq!([shown(&page, "held"), shown(&page, "limit")], ["5", "0.2"]);
        for gone in [
            "/staff/concerts/999999/live",
            "/staff/concerts/999999/live/events",
        ] {
            assert_eq!(app.page_as(&moderator, gone).await.status(), 404, "{gone}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_shows_every_change_and_at_most_once_a_second() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let response = app.page_as(&admin, &path(concert, "/events")).await;
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-accel-buffering"), "no");
        let mut events = Events::new(response);
        let first = events.next().await.unwrap();
        assert_eq!(first["figures"]["left"], "100");
        assert_eq!(first["is_current"], true);
        let begun = Instant::now();
        let held = app.reserved(concert, 3, "som").await;
        let event = events.until("held", "3").await;
        assert_eq!(event["figures"]["left"], "97");
        events.until("admitted", "0.2").await;
        let cancel = app.with_token(reqwest::Method::POST, &held, "/cancel");
        assert_eq!(cancel.send().await.unwrap().status(), 200);
        let event = events.until("held", "0").await;
        assert_eq!(event["figures"]["left"], "100");
        let corners = event["curves"]["taken"].as_str().unwrap();
        assert!(corners.ends_with("600,120"), "{corners}");
        let mut count = 0;
        let counted = Instant::now();
        while counted.elapsed() < Duration::from_secs(4) {
            events.next().await.unwrap();
            count += 1;
        }
        assert!((3..=5).contains(&count), "{count} events");
        assert!(
            begun.elapsed() > Duration::from_secs(5),
            "longer than an answer may take"
        );
        let delete = format!("UPDATE concerts SET deleted_at = now() WHERE id = {concert}");
        app.postgres.batch_execute(&delete).await.unwrap();
        events.ends().await;
        assert_eq!(
            app.page_as(&admin, &path(concert, "/events"))
                .await
                .status(),
            404
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_soon_after_the_right_to_it_has() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let endings = [
            (
                "signed out",
                "UPDATE admin_sessions SET revoked_at = now() AT TIME ZONE 'utc'",
            ),
            ("disabled", "UPDATE admin_users SET is_active = false"),
            (
                "expired",
                "UPDATE admin_sessions SET created_at = created_at - interval '13 hours',
                                                   expires_at = expires_at - interval '13 hours'",
            ),
            (
                "idle",
                "UPDATE admin_sessions SET last_used_at = last_used_at - interval '31 minutes',
                                                created_at = created_at - interval '31 minutes'",
            ),
        ];
        for (number, (name, ending)) in endings.into_iter().enumerate() {
            let token = app
                .plant_signed_in(&format!("mod-{number}"), "moderator")
                .await;
            let cookie = format!("stagedoor-staff={token}");
            let mut events = Events::open(app, &cookie, concert).await;
            events.next().await.unwrap();
            // Longer than until it is asked again: who still may goes on watching.
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(4) {
                assert!(events.next().await.is_some(), "{name}");
            }
            app.postgres.batch_execute(ending).await.unwrap();
            let begun = Instant::now();
            events.ends().await;
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(10), "{name}: {took:?}");
            let again = app.page_as(&cookie, &path(concert, "/events")).await;
            assert_eq!(again.status(), 303, "{name}");
        }
    })
    .await;
}

/// A page that asks by itself is no use of the session: whoever went away is signed out in time.
#[tokio::test(flavor = "multi_thread")]
async fn watching_does_not_count_as_being_there() {
    TestApp::run(async |app| {
        let moderator = app.as_member("moderator").await;
        let concert = app.plant(NewConcert::default()).await;
        let mut events = Events::open(app, &moderator, concert).await;
        events.next().await.unwrap();
        app.pass(Duration::from_mins(5)).await;
        let used = "SELECT extract(epoch FROM max(last_used_at))::bigint FROM admin_sessions";
        let before = app.count(used).await;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            events.next().await.unwrap();
        }
        // Nor does coming back when the connection broke, nor a run's page that looks again.
        drop(events);
        Events::open(app, &moderator, concert).await;
        let run = async |is_by_itself: bool| {
            let request = app.as_browser(&moderator, Method::GET, "/staff/runs/1");
            let request = if is_by_itself {
                request.header("hx-request", "true")
            } else {
                request
            };
            request.send().await.unwrap()
        };
        assert_eq!(run(true).await.status(), 404);
        assert_eq!(app.count(used).await, before);
        assert_eq!(run(false).await.status(), 404);
        assert_ne!(app.count(used).await, before);
        app.pass(Duration::from_hours(13)).await;
        let ended = run(true).await;
        assert_eq!(ended.status(), 204);
        let place = "/staff/sign-in?return_to=%2Fstaff%2Fruns%2F1";
        assert_eq!(ended.headers()["hx-redirect"], place);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_watch_by_one_reader_and_more_than_there_are_places_for_are_refused() {
    const PLACES: usize = 200;
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let mut watchers = Vec::new();
        for _ in 0..PLACES {
            watchers.push(Events::open(app, &admin, concert).await);
        }
        let refused = app.page_as(&admin, &path(concert, "/events")).await;
        assert_eq!(refused.status(), 503);
        for watcher in &mut watchers {
            watcher.next().await.unwrap();
        }
        let reads = "SELECT (pg_stat_force_next_flush() IS NULL)::int::bigint + coalesce(sum(
                         seq_scan + coalesce(idx_scan, 0)), 0)::bigint
                     FROM pg_stat_user_tables WHERE relname = 'concerts'";
        let before = app.count(reads).await;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            watchers[0].next().await.unwrap();
        }
        // Sessions tell their figures when they have rested for a second.
        drop(watchers.split_off(1));
        let took = begun.elapsed().as_secs() + 1;
        let read = app.count(reads).await - before;
        assert!(
            read <= i64::try_from(2 * took + 10).unwrap(),
            "{read} reads in {took} s"
        );
        eventually("a place is free again", LIMIT, async || {
            app.page_as(&admin, &path(concert, "/events"))
                .await
                .status()
                == 200
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_does_not_wait_for_staff_who_watch() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let concert = crate::support::plant_ten_tickets(&postgres).await;
    let plant = "
        INSERT INTO admin_users (username, password, email, role)
        VALUES ('nok', 'x', 'nok@example.com', 'admin');
        INSERT INTO admin_sessions (token_digest, admin_user_id, created_at, last_used_at,
                                    expires_at, address_digest)
        SELECT sha256(decode(repeat('07', 32), 'hex')), id, at, at, at + interval '12 hours',
               sha256('somewhere')
        FROM admin_users, (SELECT now() AT TIME ZONE 'utc') AS moment (at)";
    postgres.batch_execute(plant).await.unwrap();
    let mut served = Program::serve(&database).await;
    let token = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
    let url = format!("{}{}", served.site(), path(concert, "/events"));
    let asked = reqwest::Client::new().get(&url);
    let asked = asked.header("cookie", format!("stagedoor-staff={token}"));
    let mut events = Events::new(asked.send().await.unwrap());
    assert_eq!(events.next().await.unwrap()["figures"]["left"], "10");
    let begun = Instant::now();
    served.signal("TERM");
    events.ends().await;
    assert!(served.end(LIMIT).await.success());
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}
