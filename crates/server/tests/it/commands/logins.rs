//! A login that PostgreSQL refuses: every command says that, and not that PostgreSQL is away.

use crate::support::program::Program;
use crate::support::{APP, OWNER, PASSWORD, TestDatabase};

/// What PostgreSQL refuses about a URL, and the words that must tell it.
fn refused(url: &str, database: &str) -> [(String, &'static str); 3] {
    [
        (
            url.replace(PASSWORD, "wrong-password"),
            "refuses the user or the password",
        ),
        (
            url.replace(&format!(":{PASSWORD}@"), "@"),
            "asks for a password",
        ),
        (
            url.replace(&format!("/{database}"), "/nowhere"),
            "no such database",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_reads_as_one_in_every_command() {
    let database = TestDatabase::migrated().await;
    for (url, said) in refused(&database.url(APP), &database.name) {
        for command in [
            "serve",
            "worker",
            "admin list",
            "concert list",
            "audit verify",
            "rush --url http://127.0.0.1:1 --buyers 1",
        ] {
            let words: Vec<&str> = command.split(' ').collect();
            let done = Program::new(&words).env("DATABASE_URL", &url).run().await;
            assert_eq!(done.code, 1, "{command}: {done:?}");
            for said in [said, "DATABASE_URL"] {
                assert!(done.stderr.contains(said), "{command}: {said}: {done:?}");
            }
            for unsaid in ["wrong-password", PASSWORD, "can't reach", "runs"] {
                assert!(!done.stderr.contains(unsaid), "{command}: {done:?}");
            }
        }
    }
    for (url, said) in refused(&database.url(OWNER), &database.name) {
        for command in [
            "migrate",
            "migrate --check",
            "seed --concerts 1 --reservations 1",
        ] {
            let words: Vec<&str> = command.split(' ').collect();
            let program = Program::new(&words).env("DATABASE_OWNER_URL", &url);
            let done = program.run().await;
            assert_eq!(done.code, 1, "{command}: {done:?}");
            for said in [said, "DATABASE_OWNER_URL"] {
                assert!(done.stderr.contains(said), "{command}: {said}: {done:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_tells_a_refused_login_from_a_database_that_is_away() {
    let database = TestDatabase::migrated().await;
    for (url, said) in refused(&database.url(APP), &database.name) {
        let doctor = Program::new(&["doctor", "--json"]).env("DATABASE_URL", &url);
        let done = doctor.run().await;
        assert_eq!(done.code, 1, "{done:?}");
        let report = done.json();
        let findings = report["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["id"] == "database");
        let found = found.unwrap_or_else(|| panic!("{report}"));
        assert_eq!(found["severity"], "error");
        assert!(found["detail"].as_str().unwrap().contains(said), "{found}");
        let mend = found["mend"].as_str().unwrap();
        assert!(!mend.contains("runs"), "{found}");
        assert!(!done.stdout.contains("wrong-password"), "{done:?}");
    }
}
