//! What the document says of staff's calls and no type keeps.

use serde_json::Value;

use super::{printed, text};
use crate::support::TestDatabase;

#[tokio::test(flavor = "multi_thread")]
async fn every_new_password_has_the_form_of_passwords() {
    let document: Value = serde_json::from_str(&printed().await).unwrap();
    let schemas = &document["components"]["schemas"];
    for (body, field) in [
        ("NewStaffMember", "password"),
        ("StaffMemberChange", "password"),
        ("OwnPasswordChange", "new_password"),
    ] {
        let form = schemas[body]["properties"][field].to_string();
        assert!(
            form.contains("#/components/schemas/Password"),
            "{body}: {form}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_logs_filter_tells_every_table_that_is_in_the_log() {
    let document: Value = serde_json::from_str(&printed().await).unwrap();
    let parameters = document["paths"]["/admin/audit-logs"]["get"]["parameters"].as_array();
    let by_table = parameters
        .unwrap()
        .iter()
        .find(|one| one["name"] == "table_name");
    let described = text(&by_table.unwrap()["description"]);
    let audited = "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger
                   WHERE NOT tgisinternal AND tgfoid::regproc::text LIKE 'audit\\_%' ORDER BY 1";
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let tables = postgres.query(audited, &[]).await.unwrap();
    let tables: Vec<String> = tables.iter().map(|row| row.get(0)).collect();
    assert!(tables.len() >= 5, "{tables:?}");
    for table in tables {
        assert!(
            described.contains(&format!("`{table}`")),
            "{table}: {described}"
        );
    }
}
