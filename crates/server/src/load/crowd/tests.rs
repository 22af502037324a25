//! A crowd at a small shop of the test's own, which can be told to fail.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::load::ContradictionKind;

/// How the shop fails.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    /// Every so many requests it sells, and then hangs up without an answer.
    hangs_up: Option<u64>,
    /// Every so many requests it answers that it is overloaded.
    overloaded: Option<u64>,
    /// After so many seconds, it says then, there is room.
    room_after: u64,
    /// It forgets what a key was used for.
    forgetful: bool,
}

#[derive(Debug, Default)]
struct Shop {
    tickets: u64,
    requests: u64,
    sold: BTreeMap<String, String>,
}

/// What the shop does with a request.
enum Deed {
    Answer(String),
    HangUp,
}

async fn open_shop(tickets: u64, faults: Faults) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shop = Arc::new(Mutex::new(Shop {
        tickets,
        ..Shop::default()
    }));
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(attend(socket, Arc::clone(&shop), faults));
        }
    });
    address
}

async fn attend(mut socket: TcpStream, shop: Arc<Mutex<Shop>>, faults: Faults) {
    let mut read = vec![0; 4096];
    while let Ok(length) = socket.read(&mut read).await {
        // The crowd writes a whole request at once.
        let text = String::from_utf8_lossy(&read[..length]).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return;
        };
        let deed = shop.lock().unwrap().decide(head, body, faults);
        let Deed::Answer(answer) = deed else { return };
        tokio::time::sleep(Duration::from_millis(2)).await;
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl Shop {
    fn decide(&mut self, head: &str, body: &str, faults: Faults) -> Deed {
        self.requests += 1;
        let strikes =
            |every: Option<u64>| every.is_some_and(|every| self.requests.is_multiple_of(every));
        if head.starts_with("GET") {
            return Deed::Answer(answer("200 OK", "", "a page"));
        }
        if strikes(faults.overloaded) {
            let problem = r#"{"code":"overloaded"}"#;
            let after = format!("retry-after: {}\r\n", faults.room_after);
            return Deed::Answer(answer("503 Busy", &after, problem));
        }
        let hangs_up = strikes(faults.hangs_up);
        let key = head.split_once("idempotency-key: ").unwrap().1.to_owned();
        let known = self.sold.get(&key).filter(|_| !faults.forgetful).cloned();
        let replayed = known.is_some();
        let id = known.or_else(|| {
            let number = self.sold.len();
            (self.tickets > 0).then(|| format!("RES{number}-{}", self.requests))
        });
        let Some(id) = id else {
            return Deed::Answer(answer("409 Conflict", "", r#"{"code":"sold_out"}"#));
        };
        if !replayed {
            self.tickets -= 1;
            self.sold.insert(key, id.clone());
        }
        if hangs_up {
            return Deed::HangUp;
        }
        let mut reserved: serde_json::Value = serde_json::from_str(body).unwrap();
        reserved["id"] = id.into();
        let mark = if replayed {
            "idempotent-replayed: true\r\n"
        } else {
            ""
        };
        Deed::Answer(answer("201 Created", mark, &reserved.to_string()))
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

async fn rush(plan: Plan) -> Report {
    Crowd::send(plan).unwrap().report().await.unwrap()
}

fn plan(address: SocketAddr, buyers: u32) -> Plan {
    Plan {
        concurrency: 16,
        page: Some("/en/".to_owned()),
        ..Plan::new(address, 1, buyers, "test")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_rush_sells_every_ticket_and_refuses_the_rest() {
    let address = open_shop(60, Faults::default()).await;
    let report = rush(plan(address, 200)).await;
    assert_eq!((report.counts.admitted, report.counts.refused), (60, 140));
    assert_eq!(report.counts.refused_by["sold_out"], 140);
    assert_eq!((report.tickets, report.counts.requests), (60, 200));
    assert_eq!(report.contradictions, []);
    assert_eq!(report.fates.len(), 200);
    let admitted = report
        .fates
        .iter()
        .filter(|fate| matches!(fate, Fate::Admitted(_)));
    assert_eq!(admitted.count(), 60);
    assert_eq!((report.admitted.count(), report.refused.count()), (60, 140));
    assert!(report.pages.count() > 0);
    assert_eq!(report.samples.last().unwrap().admitted, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn buyers_come_back_with_the_same_key_until_they_know() {
    let faults = Faults {
        hangs_up: Some(7),
        overloaded: Some(5),
        ..Faults::default()
    };
    let address = open_shop(1_000, faults).await;
    let report = rush(Plan {
        repeat: 0.5,
        abandon: 0.1,
        ..plan(address, 300)
    })
    .await;
    let counts = &report.counts;
    assert_eq!(counts.admitted + counts.abandoned, 300, "{counts:?}");
    assert_eq!((counts.refused, counts.unanswered), (0, 0));
    assert!(counts.unknown_resolved > 0 && counts.overloaded > 0);
    assert!(counts.replayed > 0 && counts.repeated > 0);
    assert_eq!(report.contradictions, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_forgets_keys_is_caught() {
    let faults = Faults {
        forgetful: true,
        ..Faults::default()
    };
    let address = open_shop(1_000, faults).await;
    let report = rush(Plan {
        repeat: 1.0,
        ..plan(address, 60)
    })
    .await;
    let doubled = report
        .contradictions
        .iter()
        .filter(|found| found.kind == ContradictionKind::TwoReservations);
    assert!(doubled.count() > 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_dead_server_longer_than_patience_lasts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let report = rush(Plan {
        patience: Duration::from_millis(300),
        ..plan(address, 5)
    })
    .await;
    assert_eq!(report.counts.unanswered, 5);
    assert_eq!(report.counts.requests, 0);
    assert_eq!(report.fates, vec![Fate::Unknown; 5]);
    // A visit that failed is no visit that took no time.
    assert_eq!(report.pages.count(), 0);
    assert!(report.page_failures > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_timed_from_the_first_click_however_often_it_was_asked_for() {
    let faults = Faults {
        overloaded: Some(2),
        room_after: 1,
        ..Faults::default()
    };
    let address = open_shop(10, faults).await;
    let report = rush(Plan {
        concurrency: 1,
        page: None,
        ..plan(address, 2)
    })
    .await;
    // The second buyer was told once to come back a second later.
    assert_eq!((report.counts.admitted, report.counts.overloaded), (2, 1));
    for times in [&report.admitted, &report.waits] {
        assert_eq!(times.count(), 2);
        assert!(times.max_ms() > 990.0, "{} ms", times.max_ms());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_requests_and_never_answers_is_noticed_as_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let crowd = Crowd::send(plan(listener.local_addr().unwrap(), 5)).unwrap();
    let mut progress = crowd.progress();
    let silent = progress.wait_for(|now| now.silence > Duration::from_millis(500));
    let noticed = tokio::time::timeout(Duration::from_secs(10), silent).await;
    assert!(noticed.is_ok_and(|found| found.is_ok()));

    let talking = open_shop(1_000_000, Faults::default()).await;
    let crowd = Crowd::send(plan(talking, 1_000_000)).unwrap();
    let mut progress = crowd.progress();
    let later = progress.wait_for(|now| now.elapsed > Duration::from_secs(1));
    let now = *later.await.unwrap();
    assert!(now.silence < Duration::from_millis(500), "{now:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_loop_keeps_its_rate_and_ends_with_its_time() {
    let address = open_shop(0, Faults::default()).await;
    let report = rush(Plan {
        rate: Some(200.0),
        duration: Some(Duration::from_millis(500)),
        ..plan(address, 10_000)
    })
    .await;
    assert_eq!(report.counts.refused, 100);
    assert!(report.elapsed >= Duration::from_millis(495));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_is_dropped_leaves_at_once() {
    let address = open_shop(0, Faults::default()).await;
    let crowd = Crowd::send(plan(address, 1_000_000)).unwrap();
    let mut progress = crowd.progress();
    progress.changed().await.unwrap();
    assert!(progress.borrow().latest.refused > 0);
    let before = Instant::now();
    drop(crowd);
    assert!(before.elapsed() < Duration::from_secs(2));
}
