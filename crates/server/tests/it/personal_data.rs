//! What is kept about a customer: a copy of it, and its erasure, after which nothing names them and the
//! audit log still proves itself.

use std::time::Duration;

use app::audit::{self, Report, Wrong};
use app::personal_data::{self, EraseError, Erased};
use app::{App, SealKey};
use domain::text::EmailAddress;
use reqwest::Method;
use serde_json::{Value, json};
use store::Acting;

use crate::support::program::Program;
use crate::support::wait::{LIMIT, eventually};
use crate::support::{APP, NewConcert, Options, TestApp, connect, open_app};

const KEY: &str = "a key that only the tests of erasing have";
const NAME: &str = "Zebulon Quartz";
const EMAIL: &str = "zebulon@example.com";
const DAY: Duration = Duration::from_hours(24);

fn key() -> SealKey {
    SealKey::new(KEY.as_bytes())
}

/// The product as a process that has the key of the seals.
fn sealing(app: &TestApp, random_seed: u64) -> App {
    let options = Options {
        random_seed,
        ..Options::default()
    };
    open_app(&app.database.url(APP), &app.clock, &options).sealing_with(key())
}

fn email() -> EmailAddress {
    EmailAddress::parse(EMAIL).unwrap()
}

async fn erase(app: &App) -> Result<Erased, EraseError> {
    personal_data::erase(app, Acting::cli(None), email()).await
}

async fn seal_all(app: &TestApp) {
    eventually("all is sealed", LIMIT, async || {
        audit::seal(&app.app, &key()).await.unwrap();
        audit::verify(&app.app, &key(), &[]).await.unwrap().unsealed == 0
    })
    .await;
}

async fn verify(app: &TestApp) -> Report {
    audit::verify(&app.app, &key(), &[]).await.unwrap()
}

/// Two free tickets for tomorrow's concert, with all that a paid one may leave behind.
async fn bought(app: &TestApp) -> Value {
    let tomorrow = NewConcert {
        price: "0",
        in_days: 1,
        ..NewConcert::default()
    };
    let concert = app.plant(tomorrow).await;
    let body = json!({
        "concert_id": concert, "quantity": 2, "customer_name": NAME, "customer_email": EMAIL,
    });
    let request = app.request(Method::POST, "/api/v1/reservations");
    let answer = request.json(&body).header("idempotency-key", "once");
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let reservation: Value = answer.json().await.unwrap();
    let tickets = app.with_token(Method::GET, &reservation, "/tickets");
    assert_eq!(tickets.send().await.unwrap().status(), 200);
    let id = reservation["id"].as_str().unwrap();
    let rest = format!(
        "INSERT INTO payments (id, reservation_id, provider, amount, currency, status, language,
                               redirect_url, refund_reason)
         VALUES ('PAY1-00000000', '{id}', 'sandbox', 1250, 'THB', 'completed', 'en',
                 'http://pay.example/secret', 'late');
         UPDATE payments SET refund_error = 'no account of {NAME} <{EMAIL}>';
         UPDATE payments SET refund_note = 'in cash to his sister Ottilie';
         INSERT INTO payment_events (provider, event_id, payment_id, news, consequence, words,
                                     received_at)
         VALUES ('sandbox', 'e1', 'PAY1-00000000', 'refund_refused', 'reported',
                 'nobody is called {NAME}', '2026-11-22'),
                ('sandbox', 'e2', 'PAY1-00000000', 'refund_failed', 'reported', 'card closed',
                 '2026-11-22');
         INSERT INTO mails (id, kind, language, recipient, reservation_id, message_id, status,
                            last_error)
         VALUES ('MAIL1-00000000', 'confirmed', 'en', '{EMAIL}', '{id}', '<m@localhost>', 'sent',
                 '250 <{EMAIL}> taken'),
                ('MAIL1-00000001', 'refunded', 'en', '{EMAIL}', '{id}', '<n@localhost>', 'pending',
                 NULL);
         INSERT INTO jobs (task, payload, run_at, attempts_max, last_error)
         VALUES ('t', '{{}}', '2027-01-31', 1, 'refused: {EMAIL}')"
    );
    app.postgres.batch_execute(&rest).await.unwrap();
    reservation
}

/// The same when its concert is over.
async fn over(app: &TestApp) -> Value {
    let reservation = bought(app).await;
    app.clock.advance(3 * DAY);
    reservation
}

/// Tables that have one of these words in a row.
async fn tables_with(app: &TestApp, words: &[&str]) -> Vec<String> {
    let tables = "SELECT relname::text FROM pg_class
                  WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1";
    let mut found = Vec::new();
    for row in app.postgres.query(tables, &[]).await.unwrap() {
        let table: String = row.get(0);
        for word in words {
            let sweep =
                format!("SELECT count(*) FROM \"{table}\" AS t WHERE t::text ILIKE '%{word}%'");
            if app.count(&sweep).await > 0 {
                found.push(format!("{table}: {word}"));
            }
        }
    }
    // Whoever plants by SQL comes from the same address.
    let addresses = "SELECT count(*) FROM audit_logs
                     WHERE ip_address IS NOT NULL AND actor_kind IN ('holder', 'customer', 'system')";
    if app.count(addresses).await > 0 {
        found.push("audit_logs: an address".to_owned());
    }
    let addresses = "SELECT count(*) FROM reservations WHERE client_ip IS NOT NULL";
    if app.count(addresses).await > 0 {
        found.push("reservations: an address".to_owned());
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_all_that_is_kept_and_nothing_that_opens_or_pays() {
    TestApp::run(async |app| {
        let reservation = bought(app).await;
        let concert = reservation["concert_id"].as_i64().unwrap();
        app.reserved(i32::try_from(concert).unwrap(), 1, "other")
            .await;
        let done = Program::on(
            &app.database,
            &["customer", "export", "Zebulon@Example.com"],
        );
        let done = done.run().await;
        assert_eq!(done.code, 0, "{done:?}");
        let copy = done.json();
        assert_eq!(copy["email"], EMAIL);
        assert_eq!(copy["is_complete"], true);
        let kept = &copy["reservations"][0];
        assert_eq!(copy["reservations"].as_array().unwrap().len(), 1);
        assert_eq!(kept["id"], reservation["id"]);
        assert_eq!(kept["customer_name"], NAME);
        assert_eq!(kept["total_price"], "0.00");
        assert_eq!(kept["ip_address"], "127.0.0.1");
        assert_eq!(kept["concert"]["name"], "Night Ferry");
        assert_eq!(copy["payments"][0]["amount"], "1250.00");
        assert_eq!(copy["tickets"].as_array().unwrap().len(), 2);
        assert_eq!(copy["tickets"][0]["status"], "valid");
        // The one that the sale wrote, too, where it did.
        let mails = copy["mails"].as_array().unwrap();
        assert!(mails.iter().all(|mail| mail["recipient"] == EMAIL));
        assert!(mails.len() >= 2, "{mails:?}");
        assert!(!done.stdout.contains("secret"), "{done:?}");
        let logged = format!(
            "SELECT count(*) FROM audit_logs WHERE action = 'EXPORT' AND table_name = 'customers'
             AND actor_kind = 'cli' AND new_values ->> 'customer_email' = '{EMAIL}'"
        );
        assert_eq!(app.count(&logged).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_gets_and_erases_their_own_and_nothing_else() {
    TestApp::run(async |app| {
        over(app).await;
        let own = sealing(app, 99);
        let stranger = EmailAddress::parse("other@example.com").unwrap();
        let by = |email: EmailAddress| Acting::new(domain::actor::Actor::Customer(email));
        let copy = personal_data::export(&own, by(stranger.clone()), email()).await;
        assert!(copy.unwrap().reservations.is_empty());
        personal_data::erase(&own, by(stranger), email())
            .await
            .unwrap_err();
        let copy = personal_data::export(&own, by(email()), email())
            .await
            .unwrap();
        assert_eq!(copy.reservations.len(), 1);
        assert_eq!(copy.payments.len(), 1);
        let erased = personal_data::erase(&own, by(email()), email())
            .await
            .unwrap();
        assert_eq!(erased.reservations, 1);
        let left = tables_with(app, &["zebulon"]).await;
        assert_eq!(left, <[&str; 0]>::default());
    })
    .await;
}

/// What staff look for before they take away what they found, and whether it tells who that is.
const SEARCHES: [(&str, bool); 7] = [
    ("zebulon quartz", true),
    (" Quartz", true),
    ("ZEB", true),
    ("zebulon@", true),
    ("Mr Zebulon Quartz of Bangkok", true),
    ("example.com", false),
    ("Night Ferry", false),
];

async fn search_and_take_away(app: &TestApp) {
    let token = app.plant_signed_in("nok", "admin").await;
    for (search, _) in SEARCHES {
        let query = serde_urlencoded::to_string([("q", search)]).unwrap();
        let path = format!("/exports/reservations.csv?{query}");
        let answer = app.as_staff(&token, Method::GET, &path).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 200, "{search}");
        answer.text().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_customer_is_named_nowhere_and_the_log_still_proves_itself() {
    TestApp::run(async |app| {
        let reservation = over(app).await;
        // Whom a note names nobody can know.
        let words = ["zebulon", "quartz", "pay.example", "ottilie"];
        assert!(tables_with(app, &words).await.len() >= 5);
        search_and_take_away(app).await;
        seal_all(app).await;
        // And some that wait for their seal.
        let copy = Acting::cli(None);
        personal_data::export(&app.app, copy, email())
            .await
            .unwrap();
        let own = sealing(app, 99);
        let erased = erase(&own).await.unwrap();
        assert_eq!((erased.erasure, erased.reservations), (Some(1), 1));
        assert_eq!(tables_with(app, &words).await, <[&str; 0]>::default());
        let searches = "SELECT new_values ->> 'q' FROM audit_logs
                        WHERE action = 'EXPORT' AND table_name = 'reservations' ORDER BY id";
        let searches = app.postgres.query(searches, &[]).await.unwrap();
        let searches: Vec<&str> = searches.iter().map(|row| row.get(0)).collect();
        let erased_ones = SEARCHES.map(
            |(search, is_erased)| {
                if is_erased { "erased" } else { search }
            },
        );
        assert_eq!(searches, erased_ones);

        for is_sealed in [false, true] {
            if is_sealed {
                seal_all(app).await;
            }
            let report = verify(app).await;
            assert_eq!(report.wrong, None, "{report:?}");
            assert_eq!(report.erased.len(), 1);
            assert_eq!(report.erased[0].row_ids.len(), erased.audit_rows);
            let differences = audit::differences(&app.app, audit::PAGE_ROWS).await;
            let differences = differences.unwrap();
            assert!(differences.is_empty(), "{differences:?}");
        }

        let words = "SELECT string_agg(words, ', ' ORDER BY event_id) FROM payment_events";
        let words = app.postgres.query_one(words, &[]).await.unwrap();
        assert_eq!(words.get::<_, String>(0), "erased, card closed");
        let notes = "SELECT count(*) FROM payments WHERE refund_note = 'erased'";
        assert_eq!(app.count(notes).await, 1);
        let kept = "SELECT count(*) FROM reservations r JOIN payments p ON p.reservation_id = r.id
                    WHERE r.quantity = 2 AND r.customer_name = 'erased' AND p.amount = 1250
                      AND r.customer_email ~ '^erased-[0-9a-f]{32}@invalid$'";
        assert_eq!(app.count(kept).await, 1);
        assert_eq!(app.count("SELECT count(*) FROM tickets").await, 2);
        let link = app.with_token(Method::GET, &reservation, "").send().await;
        assert_eq!(link.unwrap().status(), 404);
        let tickets = app
            .with_token(Method::GET, &reservation, "/tickets")
            .send()
            .await;
        assert_eq!(tickets.unwrap().status(), 404);

        let nothing = Erased {
            erasure: None,
            reservations: 0,
            audit_rows: 0,
        };
        assert_eq!(erase(&own).await.unwrap(), nothing);
        assert_eq!(app.count("SELECT count(*) FROM audit_erasures").await, 1);
    })
    .await;
}

/// What a superuser may do with an erasure.
const TAMPERING: &[&str] = &[
    // The erased row says something else.
    "UPDATE audit_logs SET new_values = new_values || '{\"quantity\": 1}'
     WHERE table_name = 'reservations' AND action = 'CREATE'
       AND new_values ->> 'customer_name' = 'erased'",
    // Another row was erased, it is said.
    "UPDATE audit_logs SET new_values = '{\"name\": \"erased\"}'
     WHERE table_name = 'concerts' AND action = 'CREATE';
     INSERT INTO audit_erasures (pseudonym, log_id, row_ids, befores, afters, key_id, mac, erased_at)
     SELECT 'erased-00000000000000000000000000000000@invalid', log_id, ARRAY[l.id],
            decode(repeat('00', 16), 'hex'), audit_digest(l), key_id, mac, erased_at
     FROM audit_erasures, audit_logs l WHERE l.table_name = 'concerts' AND l.action = 'CREATE'",
    // A true erasure covers one row more.
    "UPDATE audit_erasures SET row_ids = row_ids || 1, befores = befores || decode(repeat('00', 16), 'hex'),
            afters = afters || decode(repeat('00', 16), 'hex')",
    // The erasure never happened.
    "DELETE FROM audit_erasures",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_is_no_way_to_hide_a_change() {
    TestApp::run(async |app| {
        over(app).await;
        seal_all(app).await;
        erase(&sealing(app, 99)).await.unwrap();
        seal_all(app).await;
        for tampering in TAMPERING {
            let keep = "CREATE TABLE kept_logs AS TABLE audit_logs;
                        CREATE TABLE kept_erasures AS TABLE audit_erasures";
            app.postgres.batch_execute(keep).await.unwrap();
            app.postgres.batch_execute(tampering).await.unwrap();
            let wrong = verify(app).await.wrong;
            assert!(wrong.is_some(), "{tampering}");
            let restore = "UPDATE audit_logs l SET new_values = k.new_values FROM kept_logs k
                           WHERE k.id = l.id;
                           DELETE FROM audit_erasures;
                           INSERT INTO audit_erasures OVERRIDING SYSTEM VALUE TABLE kept_erasures;
                           DROP TABLE kept_logs, kept_erasures";
            app.postgres.batch_execute(restore).await.unwrap();
            assert_eq!(verify(app).await.wrong, None, "{tampering}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_before_an_erasure_stays_found_and_only_the_product_erases() {
    TestApp::run(async |app| {
        let reservation = over(app).await;
        let id = reservation["id"].as_str().unwrap();
        seal_all(app).await;
        // With the server's login, but without the key.
        let login = connect(&app.database.url(APP)).await;
        let unsigned = format!(
            "BEGIN; SET stagedoor.actor_kind = 'system';
             SELECT erase_customer('{{{id}}}', '{EMAIL}',
                                   'erased-00000000000000000000000000000000@invalid', now()::timestamp);
             COMMIT"
        );
        login.batch_execute(&unsigned).await.unwrap();
        let wrong = verify(app).await.wrong;
        assert!(
            matches!(wrong, Some(Wrong::Erasure { erasure: 1, .. } | Wrong::Changed(_))),
            "{wrong:?}"
        );
        let late = "SELECT sign_audit_erasure(1, decode(repeat('00', 8), 'hex'),
                                              decode(repeat('00', 32), 'hex'))";
        login.batch_execute(late).await.unwrap_err();
    })
    .await;
    TestApp::run(async |app| {
        over(app).await;
        seal_all(app).await;
        let change = "UPDATE audit_logs SET new_values = new_values || '{\"quantity\": 9}'
                      WHERE table_name = 'reservations' AND action = 'CREATE'";
        app.postgres.batch_execute(change).await.unwrap();
        erase(&sealing(app, 99)).await.unwrap();
        let wrong = verify(app).await.wrong;
        assert!(matches!(wrong, Some(Wrong::Changed(_))), "{wrong:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_erased_who_holds_tickets_or_whose_money_is_under_way() {
    TestApp::run(async |app| {
        let reservation = bought(app).await;
        let id = reservation["id"].as_str().unwrap();
        let own = sealing(app, 99);
        let refused = async |reason: &str| {
            let error = erase(&own).await.unwrap_err();
            assert!(matches!(error, EraseError::Living(_)), "{error}");
            assert!(error.to_string().contains(reason), "{error}");
            assert!(error.to_string().contains(id), "{error}");
        };
        refused("cancel it first").await;
        app.clock.advance(3 * DAY);
        for (change, reason, back) in [
            (
                "UPDATE reservations SET status = 'pending'",
                "holds tickets",
                "UPDATE reservations SET status = 'confirmed'",
            ),
            (
                "UPDATE payments SET status = 'refunding'",
                "under way",
                "UPDATE payments SET status = 'completed'",
            ),
            (
                "UPDATE payments SET status = 'pending'",
                "under way",
                "UPDATE payments SET status = 'completed'",
            ),
            (
                "UPDATE payments SET ask_at = '2027-01-31'",
                "under way",
                "UPDATE payments SET ask_at = NULL",
            ),
        ] {
            app.postgres.batch_execute(change).await.unwrap();
            refused(reason).await;
            app.postgres.batch_execute(back).await.unwrap();
        }
        erase(&own).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_fails_in_its_middle_has_erased_nothing() {
    TestApp::run(async |app| {
        over(app).await;
        let before = tables_with(app, &["zebulon"]).await;
        let fail = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION 'no'; END $$;
                    CREATE TRIGGER fail BEFORE INSERT ON audit_erasures
                    FOR EACH ROW EXECUTE FUNCTION fail()";
        app.postgres.batch_execute(fail).await.unwrap();
        let own = sealing(app, 99);
        erase(&own).await.unwrap_err();
        assert_eq!(tables_with(app, &["zebulon"]).await, before);
        app.postgres
            .batch_execute("DROP TRIGGER fail ON audit_erasures")
            .await
            .unwrap();
        erase(&own).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_beside_an_erasure_is_in_its_way_or_stays() {
    TestApp::run(async |app| {
        over(app).await;
        let concert = app.plant(NewConcert::default()).await;
        let own = sealing(app, 99);
        for _ in 0..8 {
            let (erased, sold) =
                tokio::join!(erase(&own), app.reserve(concert, 1, "zebulon").send(),);
            let held: Value = sold.unwrap().json().await.unwrap();
            if let Err(error) = erased {
                assert!(matches!(error, EraseError::Living(_)), "{error}");
            }
            let own_page = app.with_token(Method::GET, &held, "").send().await.unwrap();
            assert_eq!(own_page.status(), 200, "the sale is whole");
            let cancel = app.with_token(Method::POST, &held, "/cancel");
            let (erased, cancelled) = tokio::join!(erase(&own), cancel.send());
            assert_eq!(cancelled.unwrap().status(), 200);
            assert!(
                matches!(erased, Ok(_) | Err(EraseError::Living(_))),
                "{erased:?}"
            );
        }
        let erased = erase(&own).await;
        assert!(erased.is_ok(), "{erased:?}");
        let left = tables_with(app, &["zebulon"]).await;
        assert_eq!(left, <[&str; 0]>::default());
        assert_eq!(verify(app).await.wrong, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_erased_beside_their_own_cancelling() {
    TestApp::run(async |app| {
        over(app).await;
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 1, "zebulon").await;
        // Somebody has the concert: whoever erases waits for no concert.
        let other = app.database.superuser().await;
        let lock = format!("BEGIN; SELECT FROM concerts WHERE id = {concert} FOR UPDATE");
        other.batch_execute(&lock).await.unwrap();
        let error = erase(&sealing(app, 99)).await.unwrap_err();
        assert!(matches!(error, EraseError::Living(_)), "{error}");
        other.batch_execute("ROLLBACK").await.unwrap();
        let cancel = app.with_token(Method::POST, &held, "/cancel").send().await;
        assert_eq!(cancel.unwrap().status(), 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_erases_who_asks_by_letter() {
    TestApp::run(async |app| {
        over(app).await;
        app.plant_staff("ada", "superadmin").await;
        let run = async |arguments: &[&str]| {
            let program = Program::on(&app.database, arguments);
            program.env("STAGEDOOR_SECRET_KEY", KEY).run().await
        };
        let without = Program::on(
            &app.database,
            &["customer", "erase", EMAIL, "--as", "ada", "--yes"],
        );
        let without = without.run().await;
        assert_eq!(without.code, 2, "no key: {without:?}");
        for wrong in [
            &["customer", "erase", EMAIL, "--yes"][..],
            &["customer", "erase", EMAIL, "--as", "ada"],
            &["customer", "erase", EMAIL, "--as", "nobody", "--yes"],
            &["customer", "erase", "nonsense", "--as", "ada", "--yes"],
        ] {
            let done = run(wrong).await;
            assert_eq!(done.code, 2, "{done:?}");
        }
        // The program's clock is the database's, by which the concert is to come.
        let date = "UPDATE concerts SET date = (now() + interval '2 days')::date WHERE id > 0";
        app.postgres.batch_execute(date).await.unwrap();
        let all = ["customer", "erase", EMAIL, "--as", "ada", "--yes", "--json"];
        let refused = run(&all).await;
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains("cancel it first"), "{refused:?}");
        let date = "UPDATE concerts SET date = (now() - interval '2 days')::date WHERE id > 0";
        app.postgres.batch_execute(date).await.unwrap();
        let done = run(&all).await;
        assert_eq!(done.code, 0, "{done:?}");
        assert_eq!(done.json()["erasure"], 1);
        let verified = run(&["audit", "verify", "--json"]).await;
        assert_eq!(verified.code, 0, "{verified:?}");
        assert_eq!(verified.json()["erased"][0]["erasure"], 1);
        let by = "SELECT count(*) FROM audit_logs l JOIN admin_users u ON u.id = l.user_id
                  WHERE l.table_name = 'audit_erasures' AND u.username = 'ada'";
        assert_eq!(app.count(by).await, 1);
        let again = run(&all).await;
        assert_eq!(again.json()["erasure"], Value::Null);
    })
    .await;
}
