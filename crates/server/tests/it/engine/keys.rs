//! `Idempotency-Key`: one reservation, whoever repeats it, wherever and when.

use std::time::Duration;

use app::reserve::{ReserveError, Reserved};
use serde_json::Value;

use super::turns::{beside, tickets};
use crate::support::wait::within_limit;
use crate::support::wishes::{RowLock, answers, keyed, lane_waits, occupy, put, queue, wish};
use crate::support::{NewConcert, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_in_one_batch_makes_one_reservation() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let row = RowLock::take(&app.database, concert).await;
        let first = occupy(app, concert).await;
        let twice = [(); 3].map(|()| queue(&app.app, keyed("one", wish(concert, 2, "som"))));
        let other = queue(&app.app, keyed("one", wish(concert, 3, "som")));
        row.release().await;
        let outcomes = answers(twice).await;
        let reserved: Vec<Reserved> = outcomes.into_iter().map(Result::unwrap).collect();
        assert_eq!(
            reserved.iter().filter(|reserved| reserved.replayed).count(),
            2
        );
        assert!(!reserved[0].replayed, "the first to come made it");
        for replay in &reserved {
            assert_eq!(replay.reservation, reserved[0].reservation);
        }
        let other = within_limit("an answer", other).await;
        assert!(matches!(other, Err(ReserveError::KeyReused)), "{other:?}");
        assert!(first.await.unwrap().is_ok());
        assert_eq!(app.available(concert).await, 97);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_twice_at_once_is_one_reservation_over_http() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        for round in 0..10 {
            let request = app.reserve(concert, 1, &format!("buyer-{round}"));
            let request = request.header("idempotency-key", format!("key-{round}"));
            let again = request.try_clone().unwrap();
            let (one, two) = tokio::join!(request.send(), again.send());
            let (one, two) = (one.unwrap(), two.unwrap());
            assert_eq!((one.status().as_u16(), two.status().as_u16()), (201, 201));
            let replayed =
                |answer: &reqwest::Response| answer.headers().contains_key("idempotent-replayed");
            assert!(replayed(&one) != replayed(&two), "one of them made it");
            let (one, two): (Value, Value) = (one.json().await.unwrap(), two.json().await.unwrap());
            assert_eq!(one, two, "to the letter");
        }
        assert_eq!(app.available(concert).await, 90);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_free_again_after_a_day() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let request = || put(&app.app, keyed("daily", wish(concert, 1, "som")));
        let first = request().await.unwrap().unwrap();
        app.clock
            .advance(Duration::from_hours(24) - Duration::from_millis(1));
        let within_a_day = request().await.unwrap().unwrap();
        assert!(within_a_day.replayed);
        assert_eq!(within_a_day.reservation, first.reservation);
        app.clock.advance(Duration::from_millis(1));
        let other = keyed("daily", wish(concert, 2, "dao"));
        let next_day = put(&app.app, other).await.unwrap().unwrap();
        assert!(!next_day.replayed);
        assert_ne!(next_day.reservation.id, first.reservation.id);
        // From now on the key stands for the second wish.
        let late = request().await.unwrap();
        assert!(matches!(late, Err(ReserveError::KeyReused)), "{late:?}");
    })
    .await;
}

/// A batch finds a key's receipt too old, and before it has replaced it another server has, for
/// another concert, so that no row's lock stands between the two.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_another_server_wrote_meanwhile_is_never_deleted() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let first = put(&app.app, keyed("daily", wish(concert, 1, "som"))).await;
        let first = first.unwrap().unwrap().reservation;
        app.clock.advance(Duration::from_hours(24));
        // The batch may still read receipts, but not delete any.
        let other = app.database.superuser().await;
        let begin = "BEGIN; LOCK TABLE admission_receipts IN EXCLUSIVE MODE";
        other.batch_execute(begin).await.unwrap();
        let sale = put(&app.app, keyed("daily", wish(concert, 2, "dao")));
        lane_waits(app).await;
        let now = app.app.ctx().now();
        let renew = format!(
            "UPDATE admission_receipts SET created_at = timestamptz '{now}' AT TIME ZONE 'utc';
             COMMIT"
        );
        other.batch_execute(&renew).await.unwrap();
        let outcome = within_limit("an answer", sale).await.unwrap();
        assert!(
            matches!(outcome, Err(ReserveError::KeyReused)),
            "{outcome:?}"
        );
        assert_eq!(app.available(concert).await, 99);
        let kept = format!(
            "SELECT count(*) FROM admission_receipts WHERE reservation_id = '{}'",
            first.id.as_str()
        );
        assert_eq!(app.count(&kept).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_at_two_servers_at_once_makes_one_reservation() {
    TestApp::run(async |app| {
        let other = beside(app).await;
        let concert = app.plant(NewConcert::default()).await;
        let elsewhere = app.plant(NewConcert::default()).await;
        for round in 0..30 {
            let wish = keyed(
                &format!("key-{round}"),
                wish(concert, 1, &format!("b{round}")),
            );
            let both = [&app.app, &other.app].map(|app| put(app, wish.clone()));
            let mut ids = Vec::new();
            for outcome in both {
                let reserved = within_limit("an answer", outcome).await.unwrap().unwrap();
                ids.push(reserved.reservation.id);
            }
            assert_eq!(ids[0], ids[1]);
        }
        assert_eq!(app.available(concert).await, 70);

        // No row is locked by both: only the receipt's own key stands between them.
        let mut admitted = 0;
        for round in 0..30 {
            let buyer = format!("c{round}");
            let wishes = [(&app.app, concert), (&other.app, elsewhere)];
            let both =
                wishes.map(|(app, concert)| put(app, keyed(&buyer, wish(concert, 1, &buyer))));
            for outcome in both {
                match within_limit("an answer", outcome).await.unwrap() {
                    Ok(_) => admitted += 1,
                    Err(error) => assert!(matches!(error, ReserveError::KeyReused), "{error:?}"),
                }
            }
        }
        assert_eq!(admitted, 30);
        let receipts = "SELECT count(DISTINCT reservation_id) FROM admission_receipts";
        assert_eq!(app.count(receipts).await, 60);
    })
    .await;
}

/// Two servers that draw the same random numbers: an id that exists already is drawn again.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_another_server_gave_is_drawn_again() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        app.postgres
            .batch_execute(
                "CREATE SEQUENCE turns;
                 CREATE FUNCTION collide() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
                 $$ BEGIN
                     IF nextval('turns') = 3 THEN NEW.id := (SELECT id FROM reservations LIMIT 1);
                     END IF;
                     RETURN NEW;
                 END $$;
                 CREATE TRIGGER collide BEFORE INSERT ON reservations
                     FOR EACH ROW EXECUTE FUNCTION collide();",
            )
            .await
            .unwrap();
        for n in 0..5 {
            let outcome = put(&app.app, wish(concert, 1, &format!("b{n}"))).await;
            outcome.unwrap().unwrap();
        }
        assert_eq!(app.count("SELECT last_value FROM turns").await, 6);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_gets_its_reservation_after_the_last_ticket_went() {
    TestApp::run(async |app| {
        let concert = tickets(app, 2).await;
        let lucky = keyed("lucky", wish(concert, 2, "lucky"));
        let first = put(&app.app, lucky.clone()).await.unwrap().unwrap();
        for _ in 0..3 {
            let late = put(&app.app, wish(concert, 1, "late")).await.unwrap();
            assert!(matches!(late, Err(ReserveError::Refused(_))), "{late:?}");
            let again = put(&app.app, lucky.clone()).await.unwrap().unwrap();
            assert!(again.replayed);
            assert_eq!(again.reservation, first.reservation);
        }
        let refused = keyed("late", wish(concert, 1, "late"));
        for _ in 0..2 {
            let late = put(&app.app, refused.clone()).await.unwrap();
            assert!(matches!(late, Err(ReserveError::Refused(_))), "{late:?}");
        }
        // A refusal is never kept.
        let grow = "UPDATE concerts SET total_tickets = 3, available_tickets = 1 WHERE id > 0";
        app.postgres.batch_execute(grow).await.unwrap();
        assert!(!put(&app.app, refused).await.unwrap().unwrap().replayed);
    })
    .await;
}
