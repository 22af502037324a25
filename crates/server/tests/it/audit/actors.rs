//! Who the log names where no request acts: commands by the system's user, jobs by their task.

use std::path::Path;
use std::time::Duration;

use app::expire;
use serde_json::json;

use super::{Row, last_id, rows_after};
use crate::support::program::Program;
use crate::support::{NewConcert, TestApp};

/// Runs a command that has to succeed, and gives what it left in the log.
async fn rows_of(app: &TestApp, command: Program) -> Vec<Row> {
    let before = last_id(app).await;
    let done = command.run().await;
    assert_eq!(done.code, 0, "{done:?}");
    rows_after(app, before).await
}

fn actions(rows: &[Row]) -> Vec<(&str, &str)> {
    rows.iter()
        .map(|row| (row.action.as_str(), row.table.as_str()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_in_the_log_with_the_systems_user_and_the_account_it_names() {
    TestApp::run(async |app| {
        let on = |arguments: &[&str]| Program::on(&app.database, arguments);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample/import-example.csv");
        let imported = on(&["concert", "import", file.to_str().unwrap()]);
        let imported = rows_of(app, imported).await;
        assert_eq!(actions(&imported), [("CREATE", "concerts"); 5]);
        let exported = rows_of(app, on(&["concert", "export", "--format", "csv"])).await;
        assert_eq!(actions(&exported), [("EXPORT", "concerts")]);
        assert_eq!(exported[0].new, json!({ "format": "csv", "rows": 5 }));

        let ada = app.plant_staff("ada", "superadmin").await;
        let create = [
            "admin",
            "create",
            "bob",
            "--email",
            "bob@example.com",
            "--role",
            "admin",
            "--as",
            "ada",
        ];
        let created = rows_of(app, on(&create).fed("a long enough horse\n")).await;
        assert_eq!(actions(&created), [("CREATE", "admin_users")]);
        let by_ada = "SELECT count(*) FROM audit_logs
                      WHERE table_name = 'admin_users' AND actor_kind = 'cli' AND user_id =";
        assert_eq!(app.count(&format!("{by_ada} {ada}")).await, 1);

        let user = whoami::username().unwrap();
        for row in [imported, exported, created].iter().flatten() {
            assert_eq!(
                (
                    row.kind.as_deref(),
                    row.actor.as_deref(),
                    row.address.as_deref()
                ),
                (Some("cli"), Some(user.as_str()), None),
                "{row:?}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_in_the_log_by_its_task() {
    TestApp::run(async |app| {
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 2, "som").await;
        app.pass(Duration::from_mins(11)).await;
        let before = last_id(app).await;
        assert_eq!(expire::sweep(&app.app).await.unwrap().expired, 1);
        let rows = rows_after(app, before).await;
        for row in &rows {
            assert_eq!(
                (
                    row.kind.as_deref(),
                    row.actor.as_deref(),
                    row.address.as_deref()
                ),
                (Some("job"), Some("sweeper"), None),
                "{row:?}"
            );
        }
        let changes: Vec<_> = rows
            .iter()
            .map(|row| (row.record.as_deref().unwrap(), &row.old, &row.new))
            .collect();
        let concert = concert.to_string();
        let id = held["id"].as_str().unwrap();
        let expired = (
            json!({ "status": "pending" }),
            json!({ "status": "expired" }),
        );
        let given_back = (
            json!({ "available_tickets": 98 }),
            json!({ "available_tickets": 100 }),
        );
        assert!(
            changes.contains(&(id, &expired.0, &expired.1)),
            "{changes:?}"
        );
        let stock = (concert.as_str(), &given_back.0, &given_back.1);
        assert!(changes.contains(&stock), "{changes:?}");
    })
    .await;
}
