//! Guessing passwords: it gets slow for whoever guesses, and never shuts out the owner.

use std::time::{Duration, Instant};

use app::sign_in::unlock::{self, Locked};
use app::staff::{self, Change};
use domain::password::Password;
use domain::text::Username;
use futures_util::{StreamExt as _, stream};
use reqwest::Response;
use store::Acting;

use crate::support::TestApp;
use crate::support::staff::STAFF_PASSWORD;

const WRONG: &str = "wrong horse battery";

/// The wait that a locked attempt is told.
async fn retry_after(answer: Response) -> u64 {
    assert_eq!(answer.status(), 429);
    let seconds = answer.headers()["retry-after"].to_str().unwrap().parse();
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "rate_limited");
    seconds.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_some_failures_a_name_must_wait_longer_each_time() {
    TestApp::run(async |app| {
        app.plant_staff("ada", "admin").await;
        for _ in 0..5 {
            assert_eq!(app.sign_in("ada", WRONG).await.status(), 401);
        }
        for expected in [1, 2, 4] {
            assert_eq!(app.sign_in("ada", WRONG).await.status(), 401);
            let before = app.app.passwords_worked();
            // Even the right password has to wait, or waiting would tell that it is right.
            for password in [WRONG, STAFF_PASSWORD] {
                assert_eq!(
                    retry_after(app.sign_in("ada", password).await).await,
                    expected
                );
            }
            assert_eq!(
                app.app.passwords_worked(),
                before,
                "locked attempts cost nothing"
            );
            app.clock.advance(Duration::from_secs(expected));
        }
        assert_eq!(app.sign_in("ada", STAFF_PASSWORD).await.status(), 201);
        // The name is clean again.
        for _ in 0..5 {
            assert_eq!(app.sign_in_from(2, "ada", WRONG).await.status(), 401);
        }
        assert_eq!(
            app.sign_in_from(3, "ada", STAFF_PASSWORD).await.status(),
            201
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_guesses_many_names_must_wait_too_for_at_most_a_quarter_of_an_hour() {
    TestApp::run(async |app| {
        app.plant_staff("ada", "admin").await;
        for number in 0..11 {
            let name = format!("name{number}");
            assert_eq!(app.sign_in(&name, WRONG).await.status(), 401, "{number}");
        }
        assert_eq!(
            retry_after(app.sign_in("ada", STAFF_PASSWORD).await).await,
            1
        );
        assert_eq!(
            app.sign_in_from(2, "ada", STAFF_PASSWORD).await.status(),
            201
        );
        let many = "UPDATE sign_in_failures SET failures = 1000";
        app.postgres.batch_execute(many).await.unwrap();
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(app.sign_in("another", WRONG).await.status(), 401);
        assert_eq!(
            retry_after(app.sign_in("ada", STAFF_PASSWORD).await).await,
            900
        );
        app.clock.advance(Duration::from_mins(15));
        assert_eq!(app.sign_in("ada", STAFF_PASSWORD).await.status(), 201);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_cannot_shut_out_the_owner() {
    TestApp::run(async |app| {
        let ada = app.plant_staff("ada", "superadmin").await;
        assert_eq!(
            app.sign_in_from(1, "ada", STAFF_PASSWORD).await.status(),
            201
        );
        for _ in 0..6 {
            assert_eq!(app.sign_in_from(2, "ada", WRONG).await.status(), 401);
        }
        // From anywhere the name is locked, but not where its owner signed in lately.
        assert_eq!(
            app.sign_in_from(3, "ada", STAFF_PASSWORD).await.status(),
            429
        );
        assert_eq!(
            app.sign_in_from(1, "ada", STAFF_PASSWORD).await.status(),
            201
        );

        for _ in 0..6 {
            assert_eq!(app.sign_in_from(5, "ada", WRONG).await.status(), 401);
        }
        assert_eq!(
            app.sign_in_from(3, "ada", STAFF_PASSWORD).await.status(),
            429
        );
        // An operator lets them in from anywhere.
        let change = Change {
            password: Some(Password::parse("a new horse").unwrap()),
            ..Change::default()
        };
        let id = domain::id::AdminUserId::new(ada).unwrap();
        let changed = staff::change(&app.app, id, change, Acting::system("test")).await;
        changed.unwrap();
        assert_eq!(
            app.sign_in_from(3, "ada", "a new horse").await.status(),
            201
        );

        // A month later the address is one like any other.
        app.clock.advance(Duration::from_hours(31 * 24));
        for _ in 0..6 {
            assert_eq!(app.sign_in_from(4, "ada", WRONG).await.status(), 401);
        }
        assert_eq!(
            app.sign_in_from(1, "ada", "a new horse").await.status(),
            429
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_wrong_passwords_at_once_cost_few_checks() {
    TestApp::run(async |app| {
        app.plant_staff("ada", "superadmin").await;
        let begun = Instant::now();
        let statuses: Vec<u16> = stream::iter(0..1_000)
            .map(|number| guess(app, number))
            .buffer_unordered(50)
            .collect()
            .await;
        let count = |status: u16| statuses.iter().filter(|&&found| found == status).count();
        let (wrong, locked, worked) = (count(401), count(429), app.app.passwords_worked());
        println!(
            "1000 guesses in {:?}: {wrong} checked, {locked} locked, bcrypt ran {worked} times",
            begun.elapsed()
        );
        assert_eq!(wrong + locked, 1_000);
        // Five are free, the sixth locks; the clock stands still.
        assert_eq!(worked, 6);
        assert!(wrong <= 6, "{wrong}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_who_guesses_does_not_shut_out_the_box_office_behind_the_same_address() {
    TestApp::run(async |app| {
        for name in ["ada", "bob", "new"] {
            app.plant_staff(name, "admin").await;
        }
        for name in ["ada", "bob"] {
            assert_eq!(app.sign_in(name, STAFF_PASSWORD).await.status(), 201);
        }
        let mut statuses = Vec::new();
        for number in 0..15 {
            statuses.push(app.sign_in(&format!("name{number}"), WRONG).await.status());
        }
        assert_eq!(statuses[..11], [401; 11]);
        assert_eq!(statuses[11..], [429; 4], "whoever guesses is slowed");
        // Nobody knows yet that this one belongs here.
        assert_eq!(app.sign_in("new", STAFF_PASSWORD).await.status(), 429);
        for name in ["ada", "bob"] {
            assert_eq!(app.sign_in(name, STAFF_PASSWORD).await.status(), 201);
        }
        // And who guesses at one of them from here is slowed as anywhere.
        for _ in 0..6 {
            assert_eq!(app.sign_in("ada", WRONG).await.status(), 401);
        }
        assert_eq!(
            retry_after(app.sign_in("ada", STAFF_PASSWORD).await).await,
            1
        );
        assert_eq!(app.sign_in("bob", STAFF_PASSWORD).await.status(), 201);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_colleagues_success_leaves_the_address_as_locked_as_it_was() {
    TestApp::run(async |app| {
        app.plant_staff("ada", "admin").await;
        assert_eq!(app.sign_in("ada", STAFF_PASSWORD).await.status(), 201);
        // A day without failures is a new beginning, however often people sign in meanwhile.
        for number in 0..9 {
            assert_eq!(
                app.sign_in(&format!("old{number}"), WRONG).await.status(),
                401
            );
        }
        for _ in 0..24 {
            app.clock.advance(Duration::from_hours(1));
            assert_eq!(app.sign_in("ada", STAFF_PASSWORD).await.status(), 201);
        }
        for number in 0..14 {
            let name = format!("name{number}");
            assert_eq!(app.sign_in(&name, WRONG).await.status(), 401, "{number}");
            let wait = if number < 10 { 0 } else { 1 << (number - 10) };
            if wait > 0 {
                assert_eq!(app.sign_in("ada", STAFF_PASSWORD).await.status(), 201);
                assert_eq!(retry_after(app.sign_in("bob", WRONG).await).await, wait);
            }
            app.clock.advance(Duration::from_secs(wait));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_where_the_owner_signs_in_gets_slow_too() {
    TestApp::run(async |app| {
        app.plant_staff("ada", "admin").await;
        assert_eq!(app.sign_in("ada", STAFF_PASSWORD).await.status(), 201);
        let before = app.app.passwords_worked();
        let statuses: Vec<u16> = stream::iter(0..1_000)
            .map(|number| guess(app, number))
            .buffer_unordered(50)
            .collect()
            .await;
        let count = |status: u16| statuses.iter().filter(|&&found| found == status).count();
        assert_eq!((count(401), count(429)), (6, 994));
        assert_eq!(app.app.passwords_worked() - before, 6);
        // A quarter of an hour at most, and no free guesses in a day of waiting it out.
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            app.clock.advance(Duration::from_secs(wait));
            assert_eq!(app.sign_in("ada", WRONG).await.status(), 401, "{wait}");
            assert_eq!(app.sign_in("ada", WRONG).await.status(), 429, "{wait}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_at_one_account_from_many_addresses_gets_slow_for_all_of_them() {
    TestApp::run(async |app| {
        app.plant_staff("ada", "admin").await;
        let before = app.app.passwords_worked();
        let mut statuses = Vec::new();
        for number in 0..1_000u32 {
            let place = u8::try_from(2 + number % 200).unwrap();
            statuses.push(app.sign_in_from(place, "ada", WRONG).await.status());
        }
        assert_eq!(statuses[..6], [401; 6]);
        assert!(statuses[6..].iter().all(|status| *status == 429));
        assert_eq!(app.app.passwords_worked() - before, 6);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_unlocks_a_name_an_address_or_all() {
    TestApp::run(async |app| {
        app.plant_staff("ada", "admin").await;
        assert_eq!(app.sign_in("ada", STAFF_PASSWORD).await.status(), 201);
        let unlock = async |whose: Locked| {
            let by = Acting::cli(None);
            unlock::unlock(&app.app, whose, by).await.unwrap()
        };
        let ada = || Locked::Username(Username::parse("ada").unwrap());
        for _ in 0..6 {
            assert_eq!(app.sign_in("ada", WRONG).await.status(), 401);
        }
        assert_eq!(app.sign_in("ada", STAFF_PASSWORD).await.status(), 429);
        assert_eq!(unlock(ada()).await, 2, "of the name, and of it there");
        assert_eq!(app.sign_in("ada", STAFF_PASSWORD).await.status(), 201);
        assert_eq!(
            unlock(Locked::Username(Username::parse("nobody").unwrap())).await,
            0
        );

        // Six of the address are there still; five of other names lock it.
        for number in 0..5 {
            let name = format!("name{number}");
            assert_eq!(app.sign_in(&name, WRONG).await.status(), 401);
        }
        assert_eq!(app.sign_in("name0", WRONG).await.status(), 429);
        let here = Locked::Address("127.0.0.1".parse().unwrap());
        assert_eq!(unlock(here.clone()).await, 1);
        assert_eq!(unlock(here).await, 0);
        assert_eq!(app.sign_in("name0", WRONG).await.status(), 401);

        assert!(unlock(Locked::All).await > 10);
        let rows = "SELECT count(*) FROM sign_in_failures";
        assert_eq!(app.count(rows).await, 0);
    })
    .await;
}

/// Whoever finds too many waiting comes again, as somebody who guesses would.
async fn guess(app: &TestApp, number: u32) -> u16 {
    let password = format!("guess number {number}");
    for _ in 0..200 {
        let status = app.sign_in("ada", &password).await.status().as_u16();
        if status != 503 {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    503
}

#[tokio::test(flavor = "multi_thread")]
async fn old_failures_and_sessions_are_forgotten() {
    TestApp::run(async |app| {
        app.plant_staff("ada", "admin").await;
        assert_eq!(app.sign_in("ada", WRONG).await.status(), 401);
        assert_eq!(app.sign_in("ada", STAFF_PASSWORD).await.status(), 201);
        let rows = "SELECT (SELECT count(*) FROM sign_in_failures)
                         + (SELECT count(*) FROM admin_sessions)";
        // For the name, the address, and the name there.
        assert_eq!(app.count(rows).await, 4);
        app.clock.advance(Duration::from_hours(31 * 24));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let jobs = app::jobs::start(&app.app, app::jobs::Tasks::of_product(), &stopped);
        let limit = Duration::from_secs(20);
        crate::support::wait::eventually("old rows are gone", limit, async || {
            app.count(rows).await == 0
        })
        .await;
        stop.send(true).unwrap();
        for job in jobs {
            job.await.unwrap();
        }
    })
    .await;
}
