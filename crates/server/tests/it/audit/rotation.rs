//! Changing the secret key: what the former one made stays good, and what no key of ours made is
//! told by its key.

use app::SealKey;
use app::audit::{self, Wrong};
use reqwest::Method;
use serde_json::{Value, json};

use super::seal_all;
use crate::support::program::{Done, Program};
use crate::support::{NewConcert, TestApp, TestDatabase, plant_ten_tickets};

const OLD: &str = "the-former-key-0123456789-abcdefgh";
const NEW: &str = "the-present-key-9876543210-zyxwvut";

fn old() -> SealKey {
    SealKey::new(OLD.as_bytes())
}

fn new() -> SealKey {
    SealKey::new(NEW.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_seal_is_checked_with_the_key_that_it_names() {
    TestApp::run(async |app| {
        let verify = async |key: &SealKey| audit::verify(&app.app, key, &[]).await.unwrap().wrong;
        let both = new().with_previous([OLD.as_bytes()]);
        let concert = app.plant(NewConcert::default()).await;
        seal_all(app, &old(), 1).await;
        app.reserved(concert, 1, "som").await;
        seal_all(app, &both, 2).await;
        app.reserved(concert, 1, "nok").await;
        seal_all(app, &new(), 2).await;
        assert_eq!(verify(&both).await, None);
        let told = verify(&new()).await.unwrap();
        assert!(
            matches!(
                told,
                Wrong::UnknownKey {
                    seal: 1,
                    first_id: 1,
                    ..
                }
            ),
            "{told:?}"
        );
        let key_id = "SELECT encode(key_id, 'hex') FROM audit_seals WHERE id = 1";
        let key_id: String = app.postgres.query_one(key_id, &[]).await.unwrap().get(0);
        let told = told.to_string();
        let sentence = format!("was sealed with a key this process doesn't have: {key_id};");
        assert!(told.contains(&sentence), "{told}");
        // Who goes back to the former key is told as much of the newer seals.
        let back = verify(&old()).await;
        assert!(
            matches!(back, Some(Wrong::UnknownKey { seal: 2, .. })),
            "{back:?}"
        );
        // As a server of the version before made them.
        let unlabelled = "UPDATE audit_seals SET key_id = NULL";
        app.postgres.batch_execute(unlabelled).await.unwrap();
        assert_eq!(verify(&both).await, None);
        let relabelled = "UPDATE audit_seals SET key_id = '\\x0011223344556677' WHERE id = 2";
        app.postgres.batch_execute(relabelled).await.unwrap();
        let forged = verify(&both).await;
        assert!(
            matches!(forged, Some(Wrong::Seal { seal: 2, .. })),
            "{forged:?}"
        );
    })
    .await;
}

/// A command with these keys.
async fn command(database: &TestDatabase, arguments: &[&str], previous: &str) -> Done {
    let program = Program::on(database, arguments).env("STAGEDOOR_SECRET_KEY", NEW);
    let program = program.env("STAGEDOOR_SECRET_KEY_PREVIOUS", previous);
    program.run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_new_key_takes_the_links_of_the_former_one_and_proves_its_seals() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let concert = plant_ten_tickets(&postgres).await;
    let client = reqwest::Client::new();
    let former = Program::on(&database, &["serve"]).env("STAGEDOOR_SECRET_KEY", OLD);
    let mut former = former.serving().await;
    let body = json!({ "concert_id": concert, "quantity": 1, "customer_name": "Som",
                       "customer_email": "som@example.com" });
    let url = format!("{}/api/v1/reservations", former.site());
    let held: Value = client
        .post(url)
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    former.wait_for("audit rows sealed").await;
    drop(former);

    let present = Program::on(&database, &["serve"]).env("STAGEDOOR_SECRET_KEY", NEW);
    let present = present.env(
        "STAGEDOOR_SECRET_KEY_PREVIOUS",
        &format!("{OLD}, another-one"),
    );
    let present = present.serving().await;
    let id = held["id"].as_str().unwrap();
    let ask = client.request(
        Method::GET,
        format!("{}/api/v1/reservations/{id}", present.site()),
    );
    let shown = ask
        .bearer_auth(held["access_token"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(shown.status(), 200);
    drop(present);

    let good = command(&database, &["audit", "verify", "--json"], OLD).await;
    assert_eq!(
        (good.code, &good.json()["ok"]),
        (0, &json!(true)),
        "{good:?}"
    );
    let unknown = "was sealed with a key this process doesn't have";
    for arguments in [&["audit", "verify"], &["doctor", "--json"]] {
        let done = command(&database, arguments, "").await;
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.stdout.contains(unknown), "{done:?}");
    }
}
