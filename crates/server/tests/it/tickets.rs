//! Tickets: for whoever has a confirmed reservation, and good at the door once.

use std::io::Write as _;
use std::process::{Command, Stdio};

use futures_util::future::join_all;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{NewConcert, TestApp};

/// A confirmed reservation of two tickets, by its buyer.
async fn confirmed(app: &TestApp) -> (i32, Value) {
    let free = NewConcert {
        price: "0",
        ..NewConcert::default()
    };
    let concert = app.plant(free).await;
    (concert, app.reserved(concert, 2, "som").await)
}

async fn tickets(app: &TestApp, reservation: &Value) -> Vec<Value> {
    let request = app.with_token(Method::GET, reservation, "/tickets");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let list: Value = answer.json().await.unwrap();
    list["items"].as_array().unwrap().clone()
}

/// What a door says, to the session of a moderator.
async fn check((app, token): (&TestApp, &str), body: Value) -> Response {
    app.as_staff(token, Method::POST, "/tickets/check")
        .json(&body)
        .send()
        .await
        .unwrap()
}

async fn reason(answer: Response) -> String {
    assert_eq!(answer.status(), 409);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "invalid_state");
    problem["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn tickets_are_made_once_and_their_qr_codes_are_read() {
    TestApp::run(async |app| {
        let (_, reservation) = confirmed(app).await;
        let at_once = join_all((0..8).map(|_| tickets(app, &reservation))).await;
        for items in &at_once {
            assert_eq!(items.len(), 2);
            assert_eq!(items, &at_once[0]);
        }
        for ticket in &at_once[0] {
            assert_eq!(ticket["status"], "valid");
            let read = scan(ticket["qr_svg"].as_str().unwrap());
            assert_eq!(read, ticket["payload"].as_str().unwrap());
        }
        assert_eq!(app.count("SELECT count(*) FROM tickets").await, 2);
    })
    .await;
}

/// What `zbarimg` reads in a picture.
fn scan(svg: &str) -> String {
    let folder = tempfile::TempDir::new().unwrap();
    let picture = folder.path().join("code.png");
    let mut draw = Command::new("rsvg-convert")
        .args(["--zoom", "6", "--output"])
        .arg(&picture)
        .stdin(Stdio::piped())
        .spawn()
        .expect("rsvg-convert; scripts/install-packages.sh test installs it");
    draw.stdin
        .take()
        .unwrap()
        .write_all(svg.as_bytes())
        .unwrap();
    assert!(draw.wait().unwrap().success());
    let read = Command::new("zbarimg")
        .args(["--quiet", "--raw"])
        .arg(&picture)
        .output()
        .expect("zbarimg; scripts/install-packages.sh test installs it");
    String::from_utf8(read.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn what_is_not_confirmed_or_somebody_elses_has_no_tickets() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 2, "som").await;
        for rest in ["/tickets", "/tickets.pdf", "/calendar.ics"] {
            let own = app.with_token(Method::GET, &held, rest).send().await;
            assert_eq!(own.unwrap().status(), 409, "{rest}");
            let id = held["id"].as_str().unwrap();
            let stranger = app.get(&format!("/api/v1/reservations/{id}{rest}")).await;
            assert_eq!(stranger.status(), 404, "{rest}");
        }
        assert_eq!(app.count("SELECT count(*) FROM tickets").await, 0);
    })
    .await;
}

#[tokio::test]
async fn tickets_are_taken_along_as_pdf_and_calendar_entry() {
    TestApp::run(async |app| {
        let (_, reservation) = confirmed(app).await;
        let request = app.with_token(Method::GET, &reservation, "/tickets.pdf");
        let request = request.header("accept-language", "th");
        let pdf = request.send().await.unwrap();
        assert_eq!(pdf.status(), 200);
        assert_eq!(pdf.headers()["content-type"], "application/pdf");
        assert!(pdf.bytes().await.unwrap().starts_with(b"%PDF-"));
        let request = app.with_token(Method::GET, &reservation, "/calendar.ics");
        let calendar = request.send().await.unwrap();
        assert_eq!(
            calendar.headers()["content-type"],
            "text/calendar; charset=utf-8"
        );
        let text = calendar.text().await.unwrap();
        assert!(text.contains("SUMMARY"), "{text}");
        let uid = format!(
            "UID:{}@tickets.example",
            reservation["id"].as_str().unwrap()
        );
        assert!(text.contains(&uid), "{text}");
    })
    .await;
}

#[tokio::test]
async fn a_ticket_lets_one_person_in_at_whichever_door() {
    TestApp::run(async |app| {
        let (concert, reservation) = confirmed(app).await;
        let items = tickets(app, &reservation).await;
        let token = app.plant_signed_in("mo", "moderator").await;
        let door = (app, token.as_str());
        let payload = &items[0]["payload"];
        let doors = (0..6).map(|_| check(door, json!({ "code": payload })));
        let answers = join_all(doors).await;
        let let_in = answers.iter().filter(|answer| answer.status() == 200);
        assert_eq!(let_in.count(), 1);
        // By the code in letters, as people type it.
        let code = items[0]["code"].as_str().unwrap().to_lowercase();
        let code = code.replace('-', " ");
        let again = check(door, json!({ "code": code, "concert_id": concert })).await;
        assert_eq!(reason(again).await, "used");
        let used = tickets(app, &reservation).await;
        assert_eq!(used[0]["status"], "used");
        assert_eq!(used[1]["status"], "valid");
        let other = json!({ "code": items[1]["code"], "concert_id": concert + 1 });
        assert_eq!(reason(check(door, other).await).await, "other_concert");
        // Whoever was in has nothing to give back.
        let cancel = app.with_token(Method::POST, &reservation, "/cancel");
        let refused = cancel.send().await.unwrap();
        assert_eq!(refused.status(), 409);
        assert_eq!(app.available(concert).await, 98);
    })
    .await;
}

#[tokio::test]
async fn forged_altered_and_cancelled_tickets_let_nobody_in() {
    TestApp::run(async |app| {
        let (_, reservation) = confirmed(app).await;
        let items = tickets(app, &reservation).await;
        let token = app.plant_signed_in("mo", "moderator").await;
        let door = (app, token.as_str());
        let payload = items[0]["payload"].as_str().unwrap();
        let (rest, last) = payload.split_at(payload.len() - 1);
        let altered = format!("{rest}{}", if last == "0" { "1" } else { "0" });
        for code in [altered.as_str(), "7Q2M-K8XD-0V5T", "SD1:nonsense", "hello"] {
            let answer = check(door, json!({ "code": code })).await;
            assert_eq!(reason(answer).await, "forged", "{code}");
        }
        let cancel = app.with_token(Method::POST, &reservation, "/cancel");
        assert_eq!(cancel.send().await.unwrap().status(), 200);
        for code in [payload, items[1]["code"].as_str().unwrap()] {
            let answer = check(door, json!({ "code": code })).await;
            assert_eq!(reason(answer).await, "cancelled", "{code}");
        }
        let gone = app.with_token(Method::GET, &reservation, "/tickets");
        assert_eq!(gone.send().await.unwrap().status(), 409);
    })
    .await;
}
