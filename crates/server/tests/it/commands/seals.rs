//! What `doctor` and `audit verify` say about seals that a process can't check, or that aren't there.

use std::fs;

use app::SealKey;
use app::audit;
use serde_json::Value;

use super::plant;
use crate::support::program::{Done, Program};
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, TestApp, TestDatabase};

const KEY: &str = "a key that only the tests of commands have";

/// The finding about the chain of seals.
fn chain(doctor: &Done) -> Value {
    let report = doctor.json();
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["id"] == "audit");
    found.unwrap_or_else(|| panic!("{report}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_tells_seals_that_it_cannot_check_from_seals_that_are_good() {
    TestApp::run(async |app| {
        app.plant(NewConcert::default()).await;
        let key = SealKey::new(KEY.as_bytes());
        // Transactions of other databases that are under way delay it.
        let is_sealed = async || audit::seal(&app.app, &key).await.unwrap().rows > 0;
        eventually("a seal", LIMIT, is_sealed).await;

        let without = Program::on(&app.database, &["doctor", "--json"])
            .run()
            .await;
        assert_eq!(without.code, 0, "{without:?}");
        let finding = chain(&without);
        assert_eq!(finding["severity"], "info", "{finding}");
        let detail = finding["detail"].as_str().unwrap();
        assert!(detail.contains("can't be checked here"), "{detail}");
        let mend = finding["mend"].as_str().unwrap();
        assert!(mend.contains("set STAGEDOOR_SECRET_KEY"), "{mend}");
        let plain = Program::on(&app.database, &["doctor"]).run().await;
        assert!(!plain.stdout.contains("all is well"), "{plain:?}");
        let is_told = plain.stdout.contains("not everything could be checked");
        assert!(is_told, "{plain:?}");

        let with = Program::on(&app.database, &["doctor", "--json"]);
        let with = with.env("STAGEDOOR_SECRET_KEY", KEY).run().await;
        let finding = chain(&with);
        assert_eq!(finding["severity"], "info", "{finding}");
        let detail = finding["detail"].as_str().unwrap();
        assert!(detail.contains("is as it was"), "{detail}");
        let plain = Program::on(&app.database, &["doctor"]);
        let plain = plain.env("STAGEDOOR_SECRET_KEY", KEY).run().await;
        assert!(plain.stdout.ends_with("all is well\n"), "{plain:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_warns_where_no_row_was_ever_sealed() {
    let database = TestDatabase::migrated().await;
    plant(&database.superuser().await, "Night Ferry").await;
    let done = Program::on(&database, &["doctor", "--json"]).run().await;
    let finding = chain(&done);
    assert_eq!(finding["severity"], "warning", "{finding}");
    let detail = finding["detail"].as_str().unwrap();
    assert!(detail.contains("no row was ever sealed"), "{detail}");
    let plain = Program::on(&database, &["doctor"]).run().await;
    assert!(!plain.stdout.contains("all is well"), "{plain:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_without_the_key_says_where_the_demonstrations_is_and_never_shows_it() {
    let database = TestDatabase::migrated().await;
    let elsewhere = Program::on(&database, &["audit", "verify"]).run().await;
    assert_eq!(elsewhere.code, 2, "{elsewhere:?}");
    assert!(
        elsewhere.stderr.contains("set STAGEDOOR_SECRET_KEY"),
        "{elsewhere:?}"
    );
    assert!(!elsewhere.stderr.contains("secrets.json"), "{elsewhere:?}");

    let folder = tempfile::TempDir::new().unwrap();
    fs::create_dir(folder.path().join(".stagedoor")).unwrap();
    let kept = format!(r#"{{"secret_key":"{KEY}"}}"#);
    fs::write(folder.path().join(".stagedoor/secrets.json"), kept).unwrap();
    let here = Program::within(folder.path(), &["audit", "verify"])
        .env("DATABASE_URL", &database.url(crate::support::APP))
        .run()
        .await;
    assert_eq!(here.code, 2, "{here:?}");
    assert!(
        here.stderr
            .contains("`secret_key` in .stagedoor/secrets.json"),
        "{here:?}"
    );
    assert!(!here.stderr.contains(KEY), "{here:?}");
}
