//! `stagedoor admin`, and the first superadmin of `serve`.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::TestDatabase;
use crate::support::program::{Done, Program};

const PASSWORD: &str = "a horse on the command line";

async fn create(database: &TestDatabase, arguments: &[&str], stdin: &str) -> Done {
    let all = [&["admin", "create"], arguments].concat();
    Program::on(database, &all).fed(stdin).run().await
}

async fn can_sign_in(site: &str, username: &str, password: &str) -> u16 {
    let body = json!({ "username": username, "password": password });
    let url = format!("{site}/api/v1/admin/sessions");
    let answer = reqwest::Client::new().post(url).json(&body).send().await;
    answer.unwrap().status().as_u16()
}

const ADA: [&str; 5] = ["Ada", "--email", "ada@example.org", "--role", "superadmin"];

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_made_listed_and_disabled() {
    let database = TestDatabase::migrated().await;
    let ada = [&ADA[..], &["--json"]].concat();
    let made = create(&database, &ada, &format!("{PASSWORD}\nnot this line\n")).await;
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(made.json()["username"], "ada");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\r\n")).unwrap();
    let bob = [
        "bob",
        "--email",
        "bob@example.org",
        "--role",
        "moderator",
        "--as",
        "ada",
        "--password-file",
        file.to_str().unwrap(),
    ];
    let made = create(&database, &bob, "").await;
    assert_eq!(
        (made.code, made.stdout.as_str()),
        (0, "made bob (moderator)\n"),
        "{made:?}"
    );

    let site = Program::serve(&database).await;
    for name in ["ada", "bob"] {
        assert_eq!(
            can_sign_in(&site.site(), name, PASSWORD).await,
            201,
            "{name}"
        );
    }
    let disabled = Program::on(&database, &["admin", "disable", "bob", "--json"])
        .run()
        .await;
    assert_eq!(
        (disabled.code, &disabled.json()["is_active"]),
        (0, &json!(false))
    );
    assert_eq!(can_sign_in(&site.site(), "bob", PASSWORD).await, 401);
    let listed = Program::on(&database, &["admin", "list", "--json"])
        .run()
        .await
        .json();
    let listed = listed.as_array().unwrap();
    let names: Vec<&Value> = listed.iter().map(|one| &one["username"]).collect();
    assert_eq!(names, ["ada", "bob"]);
    let listed = Program::on(&database, &["admin", "list"]).run().await;
    assert!(
        listed.stdout.contains("disabled  bob  bob@example.org"),
        "{listed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lets_somebody_in_who_lost_password_and_second_factor() {
    let database = TestDatabase::migrated().await;
    let made = create(&database, &ADA, PASSWORD).await;
    assert_eq!(made.code, 0, "{made:?}");
    let lost = "
        INSERT INTO admin_totp (admin_user_id, secret, confirmed_at)
        SELECT id, decode(repeat('00', 60), 'hex'), now() FROM admin_users;
        INSERT INTO sign_in_failures (subject_digest, failures, last_failed_at, locked_until)
        SELECT sha256('account ada'), 99, now(), now() + interval '10 minutes'";
    database
        .superuser()
        .await
        .batch_execute(lost)
        .await
        .unwrap();
    let served = Program::serve(&database).await;
    assert_eq!(can_sign_in(&served.site(), "ada", PASSWORD).await, 429);
    let reset = ["admin", "reset-password", "ada", "--password-file", "-"];
    for (flag, status) in [(None, 401), (Some("--forget-totp"), 201)] {
        let arguments: Vec<&str> = reset.into_iter().chain(flag).collect();
        let done = Program::on(&database, &arguments)
            .fed("another good horse\n")
            .run()
            .await;
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (0, "gave a new password to ada (superadmin)\n")
        );
        assert_eq!(
            can_sign_in(&served.site(), "ada", "another good horse").await,
            status
        );
    }
    assert_eq!(can_sign_in(&served.site(), "ada", PASSWORD).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_says_so_and_is_enabled_again() {
    let database = TestDatabase::migrated().await;
    for name in ["ada", "bob"] {
        let email = format!("{name}@example.org");
        let account = [name, "--email", &email, "--role", "superadmin"];
        assert_eq!(create(&database, &account, PASSWORD).await.code, 0);
    }
    let run = async |arguments: &[&str]| {
        let all = [&["admin"], arguments].concat();
        let done = Program::on(&database, &all)
            .fed("another good horse\n")
            .run()
            .await;
        assert_eq!(done.code, 0, "{done:?}");
        done
    };
    run(&["disable", "bob"]).await;
    let reset = run(&["reset-password", "bob"]).await;
    assert_eq!(reset.stdout, "gave a new password to bob (superadmin)\n");
    for said in ["bob is disabled", "stagedoor admin enable bob"] {
        assert!(reset.stderr.contains(said), "{reset:?}");
    }
    let enabled = run(&["enable", "bob", "--as", "ada"]).await;
    assert_eq!(enabled.stdout, "enabled bob (superadmin)\n");
    let reset = run(&["reset-password", "bob"]).await;
    assert!(!reset.stderr.contains("disabled"), "{reset:?}");
    let served = Program::serve(&database).await;
    let status = can_sign_in(&served.site(), "bob", "another good horse").await;
    assert_eq!(status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_and_worker_warn_once_of_a_missing_secret_key() {
    const MISSING: &str = "STAGEDOOR_SECRET_KEY is not set";
    let database = TestDatabase::migrated().await;
    let served = Program::serve(&database).await;
    let works = Program::worker(&database).await;
    for said in [served.said(), works.said()] {
        assert_eq!(said.matches(MISSING).count(), 1, "{said}");
    }
    let with_key = Program::on(&database, &["serve"])
        .env("STAGEDOOR_SECRET_KEY", "a key that is only used for tests")
        .serving()
        .await;
    assert!(!with_key.said().contains(MISSING), "{}", with_key.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lets_everybody_in_whom_failures_keep_waiting() {
    let database = TestDatabase::migrated().await;
    let locked = "
        INSERT INTO sign_in_failures (subject_digest, failures, last_failed_at, locked_until)
        SELECT sha256(subject), 99, now(), now() + interval '10 minutes'
        FROM unnest('{account ada,account bob,address 192.0.2.7,address 192.0.2.8}'::bytea[])
             AS subject";
    let postgres = database.superuser().await;
    postgres.batch_execute(locked).await.unwrap();
    for (arguments, code, said) in [
        (
            vec!["--username", "Ada"],
            0,
            "forgot the failed sign-ins of ada\n",
        ),
        (
            vec!["--username", "ada"],
            0,
            "there were no failed sign-ins of ada\n",
        ),
        (
            vec!["--address", "192.0.2.7"],
            0,
            "forgot the failed sign-ins from 192.0.2.7\n",
        ),
        (vec!["--all", "--json"], 0, "{\n  \"forgotten\": 2\n}\n"),
        (
            vec!["--all"],
            0,
            "there were no failed sign-ins of all names and addresses\n",
        ),
        (vec![], 2, ""),
        (vec!["--all", "--username", "ada"], 2, ""),
        (vec!["--address", "home"], 2, ""),
        (vec!["--username", "a b"], 2, ""),
    ] {
        let all = [&["admin", "unlock"], arguments.as_slice()].concat();
        let done = Program::on(&database, &all).run().await;
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (code, said),
            "{arguments:?}: {done:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_let_people_in_is_in_the_audit_log_and_wrong_passwords_are_not() {
    let database = TestDatabase::migrated().await;
    assert_eq!(create(&database, &ADA, PASSWORD).await.code, 0);
    let postgres = database.superuser().await;
    let logged = async || -> Vec<String> {
        let select = "SELECT concat_ws(' ', action, record_id, new_values, actor_kind, actor)
                      FROM audit_logs WHERE table_name = 'sign_in_failures' ORDER BY id";
        let rows = postgres.query(select, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let served = Program::serve(&database).await;
    let wrong = can_sign_in(&served.site(), "ada", "no horse of hers").await;
    assert_eq!(wrong, 401);
    assert_eq!(logged().await, <[String; 0]>::default());
    for arguments in [
        vec!["--username", "Ada"],
        vec!["--address", "192.0.2.7"],
        vec!["--all"],
    ] {
        let all = [&["admin", "unlock"], arguments.as_slice()].concat();
        let done = Program::on(&database, &all).run().await;
        assert_eq!(done.code, 0, "{done:?}");
    }
    let user = whoami::username().unwrap();
    let expected = [
        r#"{"username": "ada", "forgotten": 1}"#,
        r#"{"address": "192.0.2.7", "forgotten": 0}"#,
        r#"{"all": true, "forgotten": 2}"#,
    ]
    .map(|told| format!("UPDATE {told} cli {user}"));
    assert_eq!(logged().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_that_the_next_start_would_lose_is_not_begun() {
    let database = TestDatabase::migrated().await;
    assert_eq!(create(&database, &ADA, PASSWORD).await.code, 0);
    let served = Program::serve(&database).await;
    let site = format!("{}/api/v1/admin", served.site());
    let client = reqwest::Client::new();
    let who = json!({ "username": "ada", "password": PASSWORD });
    let session = client
        .post(format!("{site}/sessions"))
        .json(&who)
        .send()
        .await;
    let session: Value = session.unwrap().json().await.unwrap();
    let token = session["token"].as_str().unwrap();
    let body = json!({ "password": PASSWORD });
    let begin = client
        .post(format!("{site}/totp"))
        .bearer_auth(token)
        .json(&body);
    let refused = begin.send().await.unwrap();
    assert_eq!(refused.status(), 409);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "invalid_state");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("STAGEDOOR_SECRET_KEY"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_exits_with_two_and_refusals_with_one() {
    let database = TestDatabase::migrated().await;
    let ada = ["ada", "--email", "ada@example.org", "--role", "superadmin"];
    let good = format!("{PASSWORD}\n");
    for (arguments, stdin, said) in [
        (
            vec!["a b", "--email", "a@example.org", "--role", "admin"],
            good.as_str(),
            "the name must be made of",
        ),
        (
            vec!["ada", "--email", "nowhere", "--role", "admin"],
            &good,
            "the e-mail address must be",
        ),
        (
            [&ada[..], &["--as", "bob"]].concat(),
            &good,
            "--as names bob",
        ),
        (
            ada.to_vec(),
            "",
            "the password from stdin must not be empty",
        ),
        (ada.to_vec(), "short\n", "must be at least 8 characters"),
        (ada.to_vec(), &"x".repeat(73), "must be at most 72 bytes"),
        (ada.to_vec(), "password\n", "too easy to guess"),
        (
            [&ada[..], &["--password-file", "/nonexistent"]].concat(),
            "",
            "can't read the password file",
        ),
    ] {
        let done = create(&database, &arguments, stdin).await;
        assert_eq!(done.code, 2, "{arguments:?}: {done:?}");
        assert!(done.stderr.contains(said), "{arguments:?}: {done:?}");
    }
    assert_eq!(create(&database, &ada, &good).await.code, 0);
    let again = create(&database, &ada, &good).await;
    assert_eq!(again.code, 1);
    assert!(
        again.stderr.contains("another account has this name"),
        "{again:?}"
    );
    for (arguments, said) in [
        (["admin", "disable", "ada"], "the last active superadmin"),
        (["admin", "disable", "bob"], "there is no account bob"),
        (
            ["admin", "reset-password", "bob"],
            "there is no account bob",
        ),
    ] {
        let done = Program::on(&database, &arguments).run().await;
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.stderr.contains(said), "{done:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_acts_as_a_member_of_staff_who_is_disabled_or_deleted() {
    let database = TestDatabase::migrated().await;
    let planted = "
        INSERT INTO admin_users (username, password, email, role, is_active, deleted_at)
        VALUES ('eve', '-', 'eve@example.org', 'admin', false, NULL),
               ('dot', '-', 'dot@example.org', 'admin', false, now()),
               ('bob', '-', 'bob@example.org', 'admin', true, NULL)";
    let postgres = database.superuser().await;
    postgres.batch_execute(planted).await.unwrap();
    for (name, said) in [
        ("eve", "--as names eve, whose account is disabled"),
        (
            "dot",
            "--as names dot, whom `stagedoor admin list` doesn't know",
        ),
    ] {
        for command in ["disable", "reset-password"] {
            let arguments = ["admin", command, "bob", "--as", name];
            let done = Program::on(&database, &arguments).fed(PASSWORD).run().await;
            assert_eq!(done.code, 2, "{command} {name}: {done:?}");
            assert!(done.stderr.contains(said), "{command} {name}: {done:?}");
        }
    }
    let changed = "SELECT count(*) FROM audit_logs WHERE action = 'UPDATE'";
    let changed: i64 = postgres.query_one(changed, &[]).await.unwrap().get(0);
    assert_eq!(changed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_makes_the_first_superadmin_of_its_configuration_only_while_there_is_none() {
    let database = TestDatabase::migrated().await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("password");
    let serve = |username: &str| {
        Program::on(&database, &["serve"])
            .env("STAGEDOOR_ADMIN_USERNAME", username)
            .env("STAGEDOOR_ADMIN_EMAIL", "first@example.org")
            .env("STAGEDOOR_ADMIN_PASSWORD_FILE", file.to_str().unwrap())
    };
    let unreadable = serve("first").run().await;
    assert_eq!(unreadable.code, 2, "{unreadable:?}");
    assert!(
        unreadable.stderr.contains("can't read the password file"),
        "{unreadable:?}"
    );
    std::fs::write(&file, "first123\n").unwrap();
    let weak = serve("first").run().await;
    assert_eq!(weak.code, 2, "{weak:?}");
    assert!(weak.stderr.contains("too easy to guess"), "{weak:?}");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let first = serve("grace").serving().await;
    assert_eq!(can_sign_in(&first.site(), "grace", PASSWORD).await, 201);
    let said = first.said();
    let is_told = said.contains("the first superadmin was made") && said.contains("account");
    assert!(is_told && !said.contains("grace"), "{said}");
    // There is one now: nothing is read, and nobody is made.
    std::fs::remove_file(&file).unwrap();
    let second = serve("second").serving().await;
    assert_eq!(can_sign_in(&second.site(), "second", PASSWORD).await, 401);
    assert_eq!(can_sign_in(&second.site(), "grace", PASSWORD).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_says_how_to_make_the_first_superadmin() {
    let database = TestDatabase::migrated().await;
    let served = Program::serve(&database).await;
    assert!(
        served.said().contains("stagedoor admin create"),
        "{}",
        served.said()
    );
}
