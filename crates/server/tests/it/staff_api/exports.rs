//! Whole lists as files, and what the audit log keeps of who took them.

use std::io::{Cursor, Read as _};
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zip::ZipArchive;

use super::Member;
use crate::support::program::Program;
use crate::support::wait::{LIMIT, eventually};
use crate::support::{NewConcert, OWNER, TestApp, TestDatabase};

/// So many cancelled reservations, which keep no tickets, without audit rows of their own.
async fn plant_many(app: &TestApp, rows: i32) {
    let concert = app.plant(NewConcert::default()).await;
    let plant = format!(
        "SET session_replication_role = replica;
         INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity,
                                   total_price, status, created_at)
         SELECT 'RES' || 100000 + n || '-00000000', {concert}, 'Som Chai', n || '@example.com', 1, 1250,
                'cancelled', timestamp '2026-11-01' + n * interval '1 second'
         FROM generate_series(1, {rows}) n;
         RESET session_replication_role;
         ANALYZE reservations"
    );
    app.postgres.batch_execute(&plant).await.unwrap();
}

/// What the log keeps of the exports of a table, the newest first.
async fn told(app: &TestApp, table: &str) -> Vec<Value> {
    let statement = "SELECT new_values::text FROM audit_logs
                     WHERE action = 'EXPORT' AND table_name = $1 ORDER BY id DESC";
    let rows = app.postgres.query(statement, &[&table]).await.unwrap();
    let values = rows.iter().map(|row| row.get::<_, String>(0));
    values
        .map(|text| serde_json::from_str(&text).unwrap())
        .collect()
}

async fn fetched(member: &Member<'_>, path: &str) -> Vec<u8> {
    let answer = member.asks(Method::GET, path).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.bytes().await.unwrap().to_vec()
}

async fn text(member: &Member<'_>, path: &str) -> String {
    String::from_utf8(fetched(member, path).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_has_what_the_filters_ask_for_and_nothing_that_a_spreadsheet_runs() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let som = app.reserved(concert, 2, "som").await;
        app.reserved(concert, 1, "nok").await;
        let rename = "UPDATE reservations SET customer_name = '=HYPERLINK(\"http://x\", \"y\")'
                      WHERE customer_email = 'som@example.com'";
        app.postgres.batch_execute(rename).await.unwrap();
        let all = text(&admin, "/exports/reservations.csv").await;
        let lines: Vec<&str> = all.lines().collect();
        assert_eq!(
            lines[0],
            "id,concert_id,customer_name,customer_email,quantity,total_price,currency,status,\
             payment_status,google_auth,reserved_at,expires_at,created_at,updated_at,\
             concert_artist,concert_name"
        );
        assert_eq!(lines.len(), 3);
        let one = text(&admin, "/exports/reservations.csv?bom=true&email=Som@example.com").await;
        let (id, at) = (som["id"].as_str().unwrap(), "2026-11-22T05:00:00Z");
        let expected = format!(
            "\u{FEFF}{}\n{id},{concert},\"'=HYPERLINK(\"\"http://x\"\", \"\"y\"\")\",som@example.com,2,\
             2500.00,THB,pending,pending,false,{at},2026-11-22T05:10:00Z,{at},{at},\
             The Lanterns,Night Ferry\n",
            lines[0]
        );
        assert_eq!(one, expected);
        let none = text(&admin, "/exports/reservations.csv?status=expired").await;
        assert_eq!(none.lines().count(), 1);
        let kept = told(app, "reservations").await;
        let expected = [
            json!({ "format": "csv", "rows": 0, "status": "expired" }),
            json!({ "format": "csv", "rows": 1, "email": "Som@example.com",
                    "customer_email": "som@example.com" }),
            json!({ "format": "csv", "rows": 2 }),
        ];
        assert_eq!(kept, expected);
        for wrong in ["limit=5", "cursor=x", "status=lost", "bom=maybe"] {
            let asked = admin.gets(&format!("/exports/reservations.csv?{wrong}")).await;
            assert_eq!((asked.status, asked.code()), (422, "validation_failed"), "{wrong}");
        }
        let asked = admin.gets("/exports/reservations.xlsx?bom=true").await;
        assert_eq!(asked.status, 422);
        assert_eq!(told(app, "reservations").await.len(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concerts_and_the_audit_log_are_exported_with_the_filters_of_their_lists() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        app.plant(NewConcert::default()).await;
        let late = NewConcert {
            name: "Late",
            status: "closed",
            in_days: 90,
            ..NewConcert::default()
        };
        app.plant(late).await;
        let csv = text(&admin, "/exports/concerts.csv?status=closed").await;
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 2, "{csv}");
        assert!(
            lines[0].starts_with("id,name,artist,date,venue,total_tickets,"),
            "{csv}"
        );
        assert!(lines[1].contains(",Late,The Lanterns,"), "{csv}");
        let kept = told(app, "concerts").await;
        assert_eq!(
            kept,
            [json!({ "format": "csv", "rows": 1, "status": "closed" })]
        );
        let log = text(
            &admin,
            "/exports/audit-logs.csv?table_name=concerts&action=CREATE",
        )
        .await;
        assert_eq!(log.lines().count(), 3, "{log}");
        let all = text(&admin, "/exports/audit-logs.csv").await;
        assert!(all.contains(",EXPORT,concerts,"), "{all}");
        let kept = told(app, "audit_logs").await;
        let first =
            json!({ "format": "csv", "rows": 2, "table_name": "concerts", "action": "CREATE" });
        assert_eq!(kept[1], first);
    })
    .await;
}

/// Every row of the first sheet, as its XML.
fn rows_of(xlsx: Vec<u8>) -> Vec<String> {
    let mut archive = ZipArchive::new(Cursor::new(xlsx)).unwrap();
    let mut sheet = String::new();
    let mut file = archive.by_name("xl/worksheets/sheet1.xml").unwrap();
    file.read_to_string(&mut sheet).unwrap();
    sheet.split("<row ").skip(1).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_xlsx_has_numbers_as_numbers_texts_as_texts_and_times_as_times() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        app.reserved(concert, 2, "som").await;
        let rename = "UPDATE reservations SET customer_name = '=1+1'";
        app.postgres.batch_execute(rename).await.unwrap();
        let path = "/exports/reservations.xlsx";
        let asked = admin
            .asks(Method::GET, path)
            .header("accept-encoding", "gzip, br");
        let answer = asked.send().await.unwrap();
        let media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        assert_eq!(answer.headers()["content-type"], media_type);
        assert!(!answer.headers().contains_key("content-encoding"));
        let rows = rows_of(answer.bytes().await.unwrap().to_vec());
        assert_eq!(rows.len(), 2);
        assert!(rows[0].contains("customer_name"), "{rows:?}");
        let row = &rows[1];
        assert!(row.contains("<t>=1+1</t>") && !row.contains("<f>"), "{row}");
        assert!(
            row.contains("<v>2</v>") && row.contains("<v>2500</v>"),
            "{row}"
        );
        // 22 November 2026 at noon in Bangkok, with a format, which a plain number hasn't.
        assert_eq!(row.matches("s=\"2\"><v>46348.5</v>").count(), 3, "{row}");
        assert!(
            !row.contains("2026-11-22") && !row.contains("05:00"),
            "{row}"
        );
        assert!(row.contains("<t>Night Ferry</t>"), "{row}");
        let kept = told(app, "reservations").await;
        assert_eq!(kept, [json!({ "format": "xlsx", "rows": 1 })]);
        let rows = rows_of(fetched(&admin, "/exports/concerts.xlsx").await);
        let day = "<v>46378</v>";
        assert!(rows[1].contains(day), "22 December 2026: {rows:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_are_exported_whole_and_each_row_once() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        plant_many(app, 7_000).await;
        let csv = text(&admin, "/exports/reservations.csv").await;
        let mut ids: Vec<&str> = csv
            .lines()
            .skip(1)
            .filter_map(|line| line.split(',').next())
            .collect();
        assert_eq!(ids.len(), 7_000);
        assert!(ids.is_sorted_by(|a, b| a > b), "newest first");
        ids.dedup();
        assert_eq!(ids.len(), 7_000);
        let xlsx = fetched(&admin, "/exports/reservations.xlsx").await;
        assert_eq!(rows_of(xlsx).len(), 7_001);
        let searched = text(&admin, "/exports/reservations.csv?q=999@example").await;
        assert_eq!(searched.lines().count(), 8);
        let kept = told(app, "reservations").await;
        let rows: Vec<_> = kept
            .iter()
            .map(|one| one["rows"].as_i64().unwrap())
            .collect();
        assert_eq!(rows, [7, 7_000, 7_000]);
    })
    .await;
}

/// Asks for an export and reads so much of it.
async fn begun(member: &Member<'_>, path: &str, bytes: usize) -> TcpStream {
    let mut socket = TcpStream::connect(member.app.address).await.unwrap();
    let head = format!(
        "GET /api/v1/admin{path} HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {}\r\n\r\n",
        member.token
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut read = vec![0; bytes];
    socket.read_exact(&mut read).await.unwrap();
    assert!(
        read.starts_with(b"HTTP/1.1 200 OK"),
        "{}",
        String::from_utf8_lossy(&read)
    );
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_away_in_the_middle_is_told_of_with_the_rows_that_went() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        plant_many(app, 100_000).await;
        let socket = begun(&admin, "/exports/reservations.csv?status=cancelled", 1_000).await;
        assert!(told(app, "reservations").await.is_empty());
        drop(socket);
        eventually("the export is told of", LIMIT, async || {
            !told(app, "reservations").await.is_empty()
        })
        .await;
        let kept = told(app, "reservations").await;
        let rows = kept[0]["rows"].as_i64().unwrap();
        assert!((1..100_000).contains(&rows), "{kept:?}");
        assert_eq!(kept[0]["status"], "cancelled");

        // As many as may be at once keep the next one out, until one of them ends.
        let mut sockets = Vec::new();
        for _ in 0..4 {
            sockets.push(begun(&admin, "/exports/reservations.csv", 1_000).await);
        }
        let refused = admin.gets("/exports/concerts.csv").await;
        assert_eq!((refused.status, refused.code()), (503, "overloaded"));
        assert!(refused.headers.contains_key("retry-after"));
        sockets.pop();
        eventually("a place is free", LIMIT, async || {
            admin.gets("/exports/concerts.csv").await.status == 200
        })
        .await;

        // Who may no more gets no further.
        let mut socket = sockets.pop().unwrap();
        let leave = admin.deletes("/sessions/current").await;
        assert_eq!(leave.status, 204);
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
        assert!(
            !rest.ends_with(b"0\r\n\r\n"),
            "it ended as if it were whole"
        );
        assert!(rest.len() < 15_000_000, "{} bytes", rest.len());
    })
    .await;
}

/// Reads what is left of an export; whether it came to its end.
async fn is_whole(mut socket: TcpStream) -> bool {
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    rest.ends_with(b"0\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_outlives_neither_its_session_nor_half_an_hour() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        plant_many(app, 100_000).await;
        let path = "/exports/reservations.csv";
        for (lifetime, passes) in [(10, 11), (60 * 24, 31)] {
            let renew = format!(
                "UPDATE admin_sessions SET last_used_at = timestamptz '{now}' AT TIME ZONE 'utc',
                    expires_at = timestamptz '{now}' AT TIME ZONE 'utc' + interval '{lifetime} minutes'",
                now = app.app.ctx().now(),
            );
            app.postgres.batch_execute(&renew).await.unwrap();
            let socket = begun(&admin, path, 1_000).await;
            app.clock.advance(Duration::from_mins(passes));
            assert!(!is_whole(socket).await, "after {passes} minutes");
        }
    })
    .await;
}

/// A sheet that can't be written is told before anything is sent.
#[tokio::test(flavor = "multi_thread")]
async fn without_room_for_its_file_a_sheet_is_a_problem_and_no_broken_file() {
    let app = TestApp::start(
        TestDatabase::migrated().await,
        crate::support::Options::default(),
    )
    .await;
    let token = real_session(&app).await;
    let server = Program::on(&app.database, &["serve"]).env("TMPDIR", "/nonexistent");
    let server = server.serving().await;
    let fetch = async |file: &str| {
        let url = format!("{}/api/v1/admin/exports/{file}", server.site());
        let answer = Client::new().get(url).bearer_auth(&token).send();
        answer.await.unwrap()
    };
    let refused = fetch("concerts.xlsx").await;
    assert_eq!(refused.status(), 500);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "internal");
    assert!(told(&app, "concerts").await.is_empty());
    assert_eq!(fetch("concerts.csv").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_the_log_cannot_tell_of_breaks_off() {
    TestApp::run(async |app| {
        let admin = Member::of(app, "admin").await;
        app.plant(NewConcert::default()).await;
        let revoke =
            "REVOKE EXECUTE ON FUNCTION log_export(text, jsonb) FROM stagedoor_app, public";
        app.postgres.batch_execute(revoke).await.unwrap();
        for ending in ["csv", "xlsx"] {
            let path = format!("/exports/concerts.{ending}");
            let answer = admin.asks(Method::GET, &path).send().await.unwrap();
            assert!(answer.bytes().await.is_err(), "{ending}");
        }
    })
    .await;
}

/// Memory follows the page, not the file: ten times as many rows take as much, but for what the
/// allocator keeps.
#[tokio::test(flavor = "multi_thread")]
async fn exporting_takes_no_more_memory_for_more_rows() {
    let database = TestDatabase::migrated().await;
    let seeded = Program::new(&["seed", "--concerts", "20", "--reservations", "100000"])
        .env("DATABASE_OWNER_URL", &database.url(OWNER))
        .run()
        .await;
    assert_eq!(seeded.code, 0, "{}", seeded.stderr);
    let app = TestApp::start(database, crate::support::Options::default()).await;
    let token = real_session(&app).await;
    let server = Program::serve(&app.database).await;
    let client = Client::new();
    let fetch = async |file: &str| {
        let url = format!("{}/api/v1/admin/exports/{file}", server.site());
        let mut answer = client.get(url).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{file}");
        let mut bytes = 0;
        while let Some(part) = answer.chunk().await.unwrap() {
            bytes += part.len();
        }
        bytes
    };
    // Also while a sheet is made, of which nothing is sent yet.
    let watched = async |file: &str| {
        let mut highest = 0;
        let watching = async {
            loop {
                highest = highest.max(server.resident_kib());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let bytes = tokio::select! {
            bytes = fetch(file) => bytes,
            () = watching => unreachable!("nobody watches for ever"),
        };
        (bytes, highest)
    };
    let tenth_of_a_year = "SELECT (now() - interval '36 days')::date::text";
    let row = app.postgres.query_one(tenth_of_a_year, &[]).await.unwrap();
    let day: String = row.get(0);
    for ending in ["csv", "xlsx"] {
        // A tenth of the rows are some full pages. As many rows in all, so that what comes and goes
        // by the page has as many chances to be seen.
        let tenth = format!("reservations.{ending}?from={day}");
        let mut few = (0, 0);
        for _ in 0..10 {
            let (bytes, highest) = watched(&tenth).await;
            few = (bytes, highest.max(few.1));
        }
        let all = watched(&format!("reservations.{ending}")).await;
        println!("{ending}: {few:?} {all:?} (bytes, KiB)");
        assert!(all.0 > few.0 * 6, "{few:?} {all:?}");
        assert!(all.1 < few.1 + few.1 / 4, "{few:?} {all:?}");
    }
}

/// A session by the database's clock, for a server that runs by it.
async fn real_session(app: &TestApp) -> String {
    let staff = app.plant_staff("nok", "admin").await;
    let token = app.plant_session(staff).await;
    let renew = "UPDATE admin_sessions SET created_at = now() AT TIME ZONE 'utc',
                 last_used_at = now() AT TIME ZONE 'utc',
                 expires_at = now() AT TIME ZONE 'utc' + interval '12 hours'";
    app.postgres.batch_execute(renew).await.unwrap();
    // The first look at a clock anchors it.
    tokio::time::sleep(Duration::from_millis(10)).await;
    token
}
