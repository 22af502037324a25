//! `demo`: everything on one machine, which a kill doesn't harm.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use app::AccessKey;
use domain::id::ReservationId;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{STOPS_WITHIN, status};
use crate::support::program::{Program, Started};
use crate::support::wait::eventually;
use crate::support::{APP, OWNER, TestDatabase, connect, plant_ten_tickets};

/// The watchdog gives PostgreSQL thirty seconds for a clean end.
const POSTGRES_STOPS_WITHIN: Duration = Duration::from_secs(45);

#[tokio::test(flavor = "multi_thread")]
async fn a_demonstration_survives_a_kill_and_leaves_nothing_running() {
    let folder = TempDir::new().unwrap();
    // PostgreSQL runs as another user when root starts it, and must get into the folder.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut first = start_demo(folder.path()).await;
    let told = check_description(folder.path()).await;
    let concerts = get_json(&told, "/api/v1/concerts").await;
    let concert = &concerts["items"][0]["id"];
    let reservation = reserve(&told, concert).await;
    first.signal("KILL");
    first.end(STOPS_WITHIN).await;
    let port = told["database_url"].as_str().unwrap().to_owned();
    let is_stopped = async || {
        tokio_postgres::connect(&port, tokio_postgres::NoTls)
            .await
            .is_err()
    };
    eventually("PostgreSQL stops", POSTGRES_STOPS_WITHIN, is_stopped).await;

    let mut second = start_demo(folder.path()).await;
    let told_again = check_description(folder.path()).await;
    for same in ["admin", "data_folder"] {
        assert_eq!(told_again[same], told[same]);
    }
    let concerts_again = get_json(&told_again, "/api/v1/concerts").await;
    let numbers = |list: &Value| -> Vec<Value> {
        let items = list["items"].as_array().unwrap();
        items.iter().map(|item| item["id"].clone()).collect()
    };
    assert_eq!(numbers(&concerts_again), numbers(&concerts));
    let path = format!(
        "/api/v1/reservations/{}",
        reservation["id"].as_str().unwrap()
    );
    let token = reservation["access_token"].as_str().unwrap();
    let url = format!("{}{path}", told_again["base_url"].as_str().unwrap());
    let shown = reqwest::Client::new().get(url).bearer_auth(token).send();
    assert_eq!(
        shown.await.unwrap().status(),
        200,
        "the key was kept as well"
    );
    second.signal("INT");
    let ended = second.end(POSTGRES_STOPS_WITHIN).await;
    assert_eq!(ended.code(), Some(0), "{}", second.said());
    let nothing_runs = async || processes_in(folder.path()).is_empty();
    eventually("all processes end", STOPS_WITHIN, nothing_runs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demonstration_follows_an_exported_database_and_says_so() {
    let folder = TempDir::new().unwrap();
    let nobody = "postgresql://stagedoor_app:secret@127.0.0.1:1/elsewhere";
    let failed = Program::within(folder.path(), &DEMO)
        .env("DATABASE_URL", nobody)
        .run()
        .await;
    let said = &failed.stderr;
    assert_ne!(failed.code, 0, "{said}");
    assert!(said.contains("Unset DATABASE_URL"), "{said}");
    assert!(!said.contains("secret@"), "{said}");

    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let concert = plant_ten_tickets(&postgres).await;
    let mut demo = Program::within(folder.path(), &DEMO)
        .env("DATABASE_URL", &database.url(APP))
        .start("Stop with Ctrl-C")
        .await;
    assert!(
        demo.said().contains("Unset DATABASE_URL"),
        "{}",
        demo.said()
    );
    assert!(!folder.path().join(".stagedoor/postgres").exists());

    let told = json!({ "base_url": demo.word_after("Shop").trim_end_matches('/') });
    let reservation = reserve(&told, &json!(concert)).await;
    let secrets = fs::read(folder.path().join(".stagedoor/secrets.json")).unwrap();
    let secrets: Value = serde_json::from_slice(&secrets).unwrap();
    let of_demonstration = AccessKey::new(secrets["secret_key"].as_str().unwrap().as_bytes());
    let id: ReservationId = reservation["id"].as_str().unwrap().parse().unwrap();
    assert_ne!(
        of_demonstration.token(&id),
        reservation["access_token"].as_str().unwrap(),
        "nothing in that database is made with a key that is kept here alone"
    );
    demo.signal("INT");
    let ended = demo.end(POSTGRES_STOPS_WITHIN).await;
    assert_eq!(ended.code(), Some(0), "{}", demo.said());
}

const DEMO: [&str; 5] = [
    "demo",
    "--listen",
    "127.0.0.1:0",
    "--metrics-listen",
    "127.0.0.1:0",
];

async fn start_demo(folder: &Path) -> Started {
    Program::within(folder, &DEMO)
        .start("Stop with Ctrl-C")
        .await
}

/// Reads `demo.json` and tries everything that it names.
async fn check_description(folder: &Path) -> Value {
    let file = folder.join(".stagedoor/demo.json");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let told: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let keys = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let wanted = [
        "admin",
        "app_database_url",
        "base_url",
        "data_folder",
        "database_url",
        "metrics_url",
        "owner_database_url",
    ];
    assert_eq!(keys(&told), wanted.map(str::to_owned).into());
    assert_eq!(
        keys(&told["admin"]),
        ["password", "username"].map(str::to_owned).into()
    );
    assert!(Path::new(told["data_folder"].as_str().unwrap()).is_dir());
    for (key, is_superuser, user) in [
        ("database_url", true, "postgres"),
        ("owner_database_url", false, OWNER),
        ("app_database_url", false, APP),
    ] {
        let postgres = connect(told[key].as_str().unwrap()).await;
        let who = "SELECT rolsuper, rolname::text FROM pg_roles WHERE rolname = current_user";
        let row = postgres.query_one(who, &[]).await.unwrap();
        assert_eq!(row.get::<_, bool>(0), is_superuser, "{key}");
        assert_eq!(row.get::<_, String>(1), user, "{key}");
    }
    assert_eq!(status(told["metrics_url"].as_str().unwrap()).await, 200);
    let site = told["base_url"].as_str().unwrap();
    for path in ["/readyz", "/readyz?for=writes", "/healthz", "/en/"] {
        assert_eq!(status(&format!("{site}{path}")).await, 200, "{path}");
    }
    told
}

async fn get_json(told: &Value, path: &str) -> Value {
    let url = format!("{}{path}", told["base_url"].as_str().unwrap());
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

async fn reserve(told: &Value, concert: &Value) -> Value {
    let url = format!("{}/api/v1/reservations", told["base_url"].as_str().unwrap());
    let wish = json!({
        "concert_id": concert,
        "quantity": 1,
        "customer_name": "Som",
        "customer_email": "som@example.com",
    });
    let response = reqwest::Client::new().post(url).json(&wish).send();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 201);
    response.json().await.unwrap()
}

/// Processes that work in a folder or were told of it.
fn processes_in(folder: &Path) -> Vec<String> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let name = folder.to_string_lossy().into_owned();
    processes
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let id: u32 = path.file_name()?.to_str()?.parse().ok()?;
            let command = fs::read(path.join("cmdline")).ok()?;
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            let place = fs::read_link(path.join("cwd")).unwrap_or_default();
            let is_ours = command.contains(&name) || place.starts_with(folder);
            is_ours.then(|| format!("{id}: {command}"))
        })
        .collect()
}
