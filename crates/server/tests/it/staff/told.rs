//! What the log of a server in production says of sign-ins that failed.

use reqwest::Response;
use serde_json::{Value, json};

use crate::support::TestDatabase;
use crate::support::program::{Program, Started};
use crate::support::staff::STAFF_HASH;
use crate::support::wait::{LIMIT, eventually};

/// What people type by mistake where their name belongs.
const TYPED: &str = "qqPASSWORDqq";

async fn sign_in(served: &Started, username: &str) -> Response {
    let url = format!("{}/api/v1/admin/sessions", served.site());
    let body = json!({ "username": username, "password": "wrong horse" });
    let answer = reqwest::Client::new().post(url).json(&body).send().await;
    answer.unwrap()
}

fn id_of(answer: &Response) -> String {
    let id = &answer.headers()["x-request-id"];
    id.to_str().unwrap().to_owned()
}

/// The lines that speak of sign-ins.
fn lines(served: &Started) -> Vec<Value> {
    let said = served.said();
    let lines = said.lines().filter(|line| line.contains("a sign-in "));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failed_sign_in_has_a_line_without_what_was_typed() {
    let database = TestDatabase::migrated().await;
    let plant = "INSERT INTO admin_users (username, password, email, role)
                 VALUES ('ada', $1, 'ada@example.com', 'admin') RETURNING id";
    let postgres = database.superuser().await;
    let ada: i32 = postgres
        .query_one(plant, &[&STAFF_HASH])
        .await
        .unwrap()
        .get(0);
    // As production has them.
    let served = Program::on(&database, &["serve"])
        .env("STAGEDOOR_LOG", "info")
        .env("STAGEDOOR_LOG_FORMAT", "json")
        .serving()
        .await;
    let wrong = id_of(&sign_in(&served, "ada").await);
    let unknown = id_of(&sign_in(&served, TYPED).await);
    let lock = "UPDATE sign_in_failures SET locked_until = now() + interval '10 minutes'
                WHERE subject_digest = sha256('account ada')";
    postgres.execute(lock, &[]).await.unwrap();
    let locked = sign_in(&served, "ada").await;
    assert_eq!(locked.status(), 429);
    let locked = id_of(&locked);
    let all = async || lines(&served).len() == 3;
    eventually("three lines", LIMIT, all).await;
    let expected = [
        ("INFO", "wrong", json!(ada), wrong),
        ("INFO", "wrong", Value::Null, unknown),
        ("WARN", "locked", json!(ada), locked),
    ];
    for (line, (level, outcome, account, id)) in lines(&served).iter().zip(expected) {
        assert_eq!(line["level"], level, "{line}");
        assert_eq!(line["outcome"], outcome, "{line}");
        assert_eq!(line["account"], account, "{line}");
        assert_eq!(line["address"], "127.0.0.1", "{line}");
        assert_eq!(line["span"]["request_id"], json!(id), "{line}");
    }
    assert!(!served.said().contains(TYPED), "{}", served.said());
}
