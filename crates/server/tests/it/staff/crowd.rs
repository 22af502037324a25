//! A flood of sign-ins: it gets a share of bcrypt, and those who work here get in.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::support::staff::STAFF_PASSWORD;
use crate::support::{Options, TestApp};

/// Many more than have places, on however many cores.
const STRANGERS: u32 = 64;
const HERE: &str = "203.0.113.1";

async fn sign_in(app: &TestApp, from: &str, username: &str, password: &str) -> u16 {
    let body = json!({ "username": username, "password": password });
    let request = app.request(Method::POST, "/api/v1/admin/sessions");
    let request = request.header("x-forwarded-for", from).json(&body);
    request.send().await.unwrap().status().as_u16()
}

/// The flood of one network: each attempt has a name and a /64 of its own, so that no failures count.
#[derive(Default)]
struct Flood {
    is_over: AtomicBool,
    attempts: AtomicU32,
    refused: AtomicU32,
}

impl Flood {
    async fn run(&self, app: &TestApp) {
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.attempts.fetch_add(1, Ordering::Relaxed);
            let (high, low) = (number >> 16, number & 0xffff);
            let from = format!("2001:db8:{high:x}:{low:x}::1");
            if sign_in(app, &from, &format!("name{number}"), "a guess").await == 503 {
                self.refused.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// That so many more are refused says that the places are full.
    async fn is_high(&self) {
        let before = self.refused.load(Ordering::Relaxed);
        while self.refused.load(Ordering::Relaxed) < before + STRANGERS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_from_unknown_addresses_does_not_keep_the_box_office_out() {
    let options = Options {
        trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
        ..Options::default()
    };
    TestApp::run_with(options, async |app| {
        app.plant_staff("ada", "moderator").await;
        assert_eq!(sign_in(app, HERE, "ada", STAFF_PASSWORD).await, 201);
        let flood = Flood::default();
        let owner = async {
            let (mut here, mut elsewhere) = (Vec::new(), Vec::new());
            for number in 0..5 {
                flood.is_high().await;
                let begun = Instant::now();
                here.push(sign_in(app, HERE, "ada", STAFF_PASSWORD).await);
                println!("signed in after {:?}", begun.elapsed());
                let from = format!("198.51.100.{number}");
                elsewhere.push(sign_in(app, &from, "ada", STAFF_PASSWORD).await);
            }
            flood.is_over.store(true, Ordering::Relaxed);
            assert!(elsewhere.contains(&503), "it is a flood: {elsewhere:?}");
            assert_eq!(here, [201; 5]);
        };
        let strangers = join_all((0..STRANGERS).map(|_| flood.run(app)));
        tokio::join!(owner, strangers);
    })
    .await;
}
