//! What goes with the mail that says that the tickets are the buyer's, and asking for it once more.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mail_parser::MimeHeaders as _;
use reqwest::{Method, Response};
use serde_json::Value;

use super::{arrived, buy, sending_to, settled, work};
use crate::support::smtp_server::{SmtpServer, Taken};
use crate::support::{NewConcert, TestApp};

/// A confirmed reservation of free tickets, made in a language.
async fn book_free(app: &TestApp, quantity: i32, language: &str) -> Value {
    let free = NewConcert {
        price: "0",
        ..NewConcert::default()
    };
    let concert = app.plant(free).await;
    let request = app.reserve(concert, quantity, "som");
    let answer = request.header("accept-language", language).send().await;
    answer.unwrap().json().await.unwrap()
}

/// The content of a mail's attachment with this end of its name.
fn attachment(taken: &Taken, end: &str) -> Vec<u8> {
    let mail = taken.parse();
    let named = |part: &&mail_parser::MessagePart<'_>| {
        part.attachment_name()
            .is_some_and(|name| name.ends_with(end))
    };
    let part = mail.attachments().find(named).expect("an attachment");
    part.contents().to_vec()
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> String {
    let ran = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|_| panic!("{program}; scripts/install-packages.sh test installs it"));
    assert!(ran.status.success(), "{program}: {ran:?}");
    String::from_utf8(ran.stdout).unwrap()
}

async fn payloads(app: &TestApp, reservation: &Value) -> Vec<String> {
    let request = app.with_token(Method::GET, reservation, "/tickets");
    let list: Value = request.send().await.unwrap().json().await.unwrap();
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["payload"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_buyers_mail_brings_tickets_that_a_scanner_reads_and_a_calendar_entry() {
    let server = SmtpServer::start().await;
    TestApp::run_with(sending_to(&server), async |app| {
        let (_stop, _worker) = work(app);
        let hold = buy(app, "som", "th").await;
        let taken = arrived(&server, 1).await.remove(0);
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::write(folder.path().join("t.pdf"), attachment(&taken, ".pdf")).unwrap();
        run("qpdf", &["--check", "t.pdf"], folder.path());
        run(
            "pdftoppm",
            &["-r", "150", "-png", "t.pdf", "page"],
            folder.path(),
        );
        let pages = ["page-1.png", "page-2.png"];
        let read = [
            "--quiet",
            "--raw",
            "-Sdisable",
            "-Sqrcode.enable",
            pages[0],
            pages[1],
        ];
        let read = run("zbarimg", &read, folder.path());
        let expected = payloads(app, &hold).await;
        assert_eq!(read.lines().collect::<Vec<_>>(), expected);
        let calendar = String::from_utf8(attachment(&taken, ".ics")).unwrap();
        let unfolded = calendar.replace("\r\n ", "");
        let page = format!(
            "http://tickets.example/th/r/{}",
            hold["id"].as_str().unwrap()
        );
        assert!(unfolded.contains(&page), "{unfolded}");
        let secret = hold["access_token"].as_str().unwrap();
        assert!(!unfolded.contains(secret), "it may be shared: {unfolded}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_free_gets_its_mail_without_a_payment_in_the_language_of_the_booking() {
    let server = SmtpServer::start().await;
    TestApp::run_with(sending_to(&server), async |app| {
        let (_stop, _worker) = work(app);
        let booked = book_free(app, 3, "th").await;
        assert_eq!(booked["status"], "confirmed");
        let taken = arrived(&server, 1).await.remove(0);
        let mail = taken.parse();
        assert_eq!(mail.subject(), Some("บัตรของคุณ: The Lanterns – Night Ferry"));
        assert!(taken.message_id().ends_with("@tickets.example"));
        assert_eq!(mail.attachment_count(), 2);
        settled(app, "sent", 1).await;
        // Whatever is told later is told in that language, too.
        let cancel = app.with_token(Method::POST, &booked, "/cancel");
        assert_eq!(cancel.send().await.unwrap().status(), 200);
        let taken = arrived(&server, 2).await.remove(1);
        let subject = taken.parse().subject().unwrap().to_owned();
        assert!(subject.starts_with("ยกเลิกแล้ว"), "{subject}");
        assert_eq!(taken.parse().attachment_count(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_booking_of_free_tickets_writes_once() {
    TestApp::run(async |app| {
        let free = NewConcert {
            price: "0",
            ..NewConcert::default()
        };
        let concert = app.plant(free).await;
        for _ in 0..3 {
            let request = app.reserve(concert, 1, "som");
            let answer = request.header("idempotency-key", "again").send().await;
            assert_eq!(answer.unwrap().status(), 201);
        }
        app.reserved(concert, 1, "other").await;
        assert_eq!(app.count("SELECT count(*) FROM mails").await, 2);
        let jobs = "SELECT count(*) FROM jobs WHERE task = 'mail.send'";
        assert_eq!(app.count(jobs).await, 2);
        let held = app.plant(NewConcert::default()).await;
        app.reserved(held, 1, "som").await;
        assert_eq!(app.count("SELECT count(*) FROM mails").await, 2);
    })
    .await;
}

/// What a buyer's browser gets when its owner asks for the mail once more.
async fn ask_again(app: &TestApp, reservation: &Value) -> Response {
    let id = reservation["id"].as_str().unwrap();
    let token = reservation["access_token"].as_str().unwrap();
    let moved = app.get(&format!("/en/r/{id}?t={token}")).await;
    let cookie = moved.headers()["set-cookie"].to_str().unwrap().to_owned();
    let cookie = cookie.split(';').next().unwrap();
    let request = app.request(Method::POST, &format!("/en/r/{id}/resend"));
    request.header("cookie", cookie).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_gets_the_mail_again_once_a_minute_and_five_times_a_day() {
    TestApp::run(async |app| {
        let booked = book_free(app, 1, "th").await;
        let soon = ask_again(app, &booked).await;
        assert_eq!(soon.status(), 429);
        assert_eq!(soon.headers()["retry-after"], "61");
        let page = soon.text().await.unwrap();
        assert!(
            page.contains("A mail left less than a minute ago"),
            "{page}"
        );
        for _ in 2..=5 {
            app.clock.advance(Duration::from_mins(1));
            let sent = ask_again(app, &booked).await;
            assert_eq!(sent.status(), 303);
            assert!(
                sent.headers()["location"]
                    .to_str()
                    .unwrap()
                    .ends_with("?mail=sent")
            );
        }
        app.clock.advance(Duration::from_mins(1));
        let often = ask_again(app, &booked).await;
        assert_eq!(often.status(), 429);
        let page = often.text().await.unwrap();
        assert!(page.contains("Five mails in a day"), "{page}");
        app.clock.advance(Duration::from_hours(24));
        assert_eq!(ask_again(app, &booked).await.status(), 303);
        assert_eq!(app.count("SELECT count(*) FROM mails").await, 6);
        // In the language of the page at which it was asked for.
        let english = "SELECT count(*) FROM mails WHERE language = 'en'";
        assert_eq!(app.count(english).await, 5);
        let held = app.plant(NewConcert::default()).await;
        let held = app.reserved(held, 1, "som").await;
        assert_eq!(ask_again(app, &held).await.status(), 409);
    })
    .await;
}
