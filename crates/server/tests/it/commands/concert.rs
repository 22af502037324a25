//! `concert list`, `import` and `export`.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::number;
use crate::support::TestDatabase;
use crate::support::program::{Done, Program};

#[tokio::test(flavor = "multi_thread")]
async fn the_example_files_are_imported() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample");
    let mut lists = Vec::new();
    for name in ["import-example.csv", "import-example.json"] {
        let database = TestDatabase::migrated().await;
        let file = samples.join(name);
        let file = file.to_str().unwrap();
        let done = Program::on(&database, &["concert", "import", file, "--json"])
            .run()
            .await;
        assert_eq!(done.code, 0, "{done:?}");
        assert_eq!(done.json()["imported"], 5);
        assert_eq!(done.json()["ids"].as_array().unwrap().len(), 5);
        let list = Program::on(&database, &["concert", "list", "--json"])
            .run()
            .await;
        assert_eq!(list.code, 0, "{list:?}");
        lists.push(content(&list));
        let plain = Program::on(&database, &["concert", "list"]).run().await;
        assert_eq!(plain.stdout.lines().count(), 5, "{plain:?}");
    }
    assert_eq!(lists[0], lists[1], "both files hold the same concerts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_names_row_and_column_and_changes_nothing() {
    let database = TestDatabase::migrated().await;
    let folder = TempDir::new().unwrap();
    let csv = "name,artist,date,venue,total_tickets,price\n\
               Good,Band,2027-03-06,Hall,10,1.00\n\
               Bad,Band,2027-02-30,Hall,10,1.00\n\
               Worse,,2027-03-06,Hall,-1,free\n";
    let json = r#"[{"name":"Good","artist":"Band","date":"2027-03-06","venue":"Hall",
                    "total_tickets":10,"price":"1.00"},
                   {"name":"Bad","artist":"Band","date":"2027-02-30","venue":"Hall",
                    "total_tickets":10,"price":"1.00"},
                   {"name":"Worse","artist":"","date":"2027-03-06","venue":"Hall",
                    "total_tickets":-1,"price":"free"}]"#;
    for (name, text) in [("bad.csv", csv), ("bad.json", json)] {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let done = Program::on(&database, &["concert", "import", file])
            .run()
            .await;
        assert_eq!(done.code, 1, "{done:?}");
        for place in [
            "row 2, date: ",
            "row 3, artist: ",
            "row 3, total_tickets: ",
            "row 3, price: ",
        ] {
            assert!(done.stderr.contains(place), "{place}: {done:?}");
        }
        let report = Program::on(&database, &["concert", "import", file, "--json"])
            .run()
            .await;
        assert_eq!(report.code, 1);
        let report = report.json();
        assert_eq!(report["imported"], 0);
        assert_eq!(report["errors"][0]["row"], 2);
        assert_eq!(report["errors"][0]["column"], "date");
        assert_eq!(report["errors"].as_array().unwrap().len(), 4, "{report}");
    }
    let missing = Program::on(&database, &["concert", "import", "/nowhere.csv"])
        .run()
        .await;
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("/nowhere.csv"), "{missing:?}");
    let postgres = database.superuser().await;
    assert_eq!(
        number(&postgres, "SELECT count(*) FROM concerts WHERE id > 0").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_imported_elsewhere_unchanged() {
    let database = TestDatabase::migrated().await;
    let postgres = database.superuser().await;
    let awkward = "
        INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets, price,
                              status, image_url, description)
        VALUES ('=SUM(1)', '@home', '2027-01-31', '-', 10, 10, 0, 'open', NULL, NULL),
               ('''+ quoted', '''Round, \"Midnight\"', '2020-02-29', 'สวน, เชียงใหม่', 1000000, 1000000,
                99999999.99, 'closed', '/assets/posters/a.svg', E'One.\\n\\n- \"Two\", three.'),
               ('Old', 'Band', '2001-01-01', 'Hall', 0, 0, 0.01, 'archived', NULL, '-')";
    postgres.batch_execute(awkward).await.unwrap();
    let original = Program::on(&database, &["concert", "list", "--json"])
        .run()
        .await;
    assert_eq!(content(&original).len(), 3);
    let folder = TempDir::new().unwrap();
    for format in ["csv", "json"] {
        let exported = Program::on(&database, &["concert", "export", "--format", format])
            .run()
            .await;
        assert_eq!(exported.code, 0, "{exported:?}");
        if format == "csv" {
            assert!(
                !exported.stdout.contains(",=SUM"),
                "a spreadsheet would run it"
            );
        }
        let file = folder.path().join(format!("concerts.{format}"));
        fs::write(&file, &exported.stdout).unwrap();
        let other = TestDatabase::migrated().await;
        let file = file.to_str().unwrap();
        let imported = Program::on(&other, &["concert", "import", file])
            .run()
            .await;
        assert_eq!(imported.code, 0, "{format}: {imported:?}");
        let copy = Program::on(&other, &["concert", "list", "--json"])
            .run()
            .await;
        assert_eq!(content(&copy), content(&original), "{format}");
    }
    let open = Program::on(
        &database,
        &["concert", "list", "--status", "open", "--json"],
    )
    .run()
    .await;
    assert_eq!(content(&open).len(), 1);
}

/// A list of concerts without what each database sets anew.
fn content(list: &Done) -> Vec<Value> {
    let mut concerts = list.json().as_array().unwrap().clone();
    for concert in &mut concerts {
        let members = concert.as_object_mut().unwrap();
        for own in ["id", "created_at", "updated_at"] {
            assert!(members.remove(own).is_some(), "{own}");
        }
    }
    concerts
}
