//! Importing concerts on a page: a preview that changes nothing, errors by row and column, and an
//! import that happens once.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Method, Response};

use crate::support::TestApp;
use crate::support::wait::{LIMIT, eventually};

const PATH: &str = "/staff/concerts/import";
const HEADER: &str = "name,artist,date,venue,total_tickets,price,description\n";
const TWO: &str = "name,artist,date,venue,total_tickets,price,description\n\
    Night Ferry,The Lanterns,2027-01-31,\"Riverside Hall, Bangkok\",800,1250.00,\"One night,\n\none river.\"\n\
    '=1+1,<script>alert(1)</script>,2027-02-01,Hall,10,0.00,\n";

async fn send(app: &TestApp, cookie: &str, fields: &[(&str, &[u8])]) -> Response {
    let mut body = Vec::new();
    for (name, value) in fields {
        let file = if *name == "file" {
            "; filename=\"a.csv\""
        } else {
            ""
        };
        let head =
            format!("--x-y-z\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend([head.as_bytes(), value, b"\r\n"].concat());
    }
    body.extend(b"--x-y-z--\r\n");
    app.as_browser(cookie, Method::POST, PATH)
        .header("content-type", "multipart/form-data; boundary=x-y-z")
        .body(body)
        .send()
        .await
        .unwrap()
}

async fn page(app: &TestApp, cookie: &str, fields: &[(&str, &[u8])], status: u16) -> String {
    let answer = send(app, cookie, fields).await;
    let found = answer.status().as_u16();
    let page = answer.text().await.unwrap();
    assert_eq!(found, status, "{page}");
    page
}

/// What a preview carries to the import.
fn previewed(page: &str) -> Vec<u8> {
    let (_, rest) = page.split_once("name=\"previewed\" value=\"").expect(page);
    let value = rest.split('"').next().unwrap();
    value.replace("&#43;", "+").into_bytes()
}

async fn concerts(app: &TestApp) -> i64 {
    app.count("SELECT count(*) FROM concerts WHERE id > 0")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_previewed_and_then_imported() {
    TestApp::run(async |app| {
        let admin = format!("{}; lang=en", app.as_member("admin").await);
        for field in ["file", "text"] {
            let shown = page(app, &admin, &[(field, TWO.as_bytes())], 200).await;
            assert!(shown.contains("2 concerts would be made"), "{shown}");
            assert!(
                shown.contains("Sun 31 Jan 2027") && shown.contains("฿1,250"),
                "{shown}"
            );
            assert!(
                !shown.contains("<script>alert") && shown.contains("=1+1"),
                "{shown}"
            );
            assert_eq!(concerts(app).await, 0);
        }
        let shown = page(app, &admin, &[("file", TWO.as_bytes())], 200).await;
        let made = send(app, &admin, &[("previewed", &previewed(&shown))]).await;
        assert_eq!(made.status(), 303);
        assert_eq!(
            made.headers()["location"],
            "/staff/concerts?said=concerts-imported"
        );
        assert_eq!(concerts(app).await, 2);
        let same = "SELECT count(*) FROM concerts
                    WHERE (name = 'Night Ferry' AND description = E'One night,\\n\\none river.'
                           AND total_tickets = 800 AND price = 1250 AND status = 'closed')
                       OR (name = '=1+1' AND artist = '<script>alert(1)</script>')";
        assert_eq!(app.count(same).await, 2);
        let by = "SELECT count(*) FROM audit_logs
                  WHERE table_name = 'concerts' AND action = 'CREATE' AND user_id IS NOT NULL";
        assert_eq!(app.count(by).await, 2);
        let list = app
            .page_as(&admin, "/staff/concerts?said=concerts-imported")
            .await;
        let list = list.text().await.unwrap();
        assert!(
            list.contains("The concerts are made.") && list.contains(PATH),
            "{list}"
        );
        assert!(!list.contains("<script>alert"), "{list}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_sent_twice_at_once_makes_its_concerts_once() {
    TestApp::run(async |app| {
        let admin = format!("{}; lang=en", app.as_member("admin").await);
        let shown = page(app, &admin, &[("file", TWO.as_bytes())], 200).await;
        let carried = previewed(&shown);
        let fields: [(&str, &[u8]); 1] = [("previewed", &carried)];
        let (first, second, third) = tokio::join!(
            send(app, &admin, &fields),
            send(app, &admin, &fields),
            send(app, &admin, &fields),
        );
        let mut places: Vec<_> = [first, second, third]
            .into_iter()
            .map(|answer| answer.headers()["location"].to_str().unwrap().to_owned())
            .collect();
        places.sort();
        let before = "/staff/concerts?said=concerts-imported-before";
        assert_eq!(
            places,
            ["/staff/concerts?said=concerts-imported", before, before]
        );
        assert_eq!(concerts(app).await, 2);
        let again = page(app, &admin, &[("file", TWO.as_bytes())], 422).await;
        assert!(
            again.contains("All of these concerts are there already"),
            "{again}"
        );
        let more =
            format!("{TWO}New,Ones,2027-03-01,Hall,5,1.00,\nNew,Ones,2027-03-01,Hall,9,2.00,\n");
        let partly = page(app, &admin, &[("file", more.as_bytes())], 422).await;
        assert!(partly.contains("3 things are wrong with it"), "{partly}");
        assert!(
            partly.contains("There is such a concert already"),
            "{partly}"
        );
        assert!(
            partly.contains("It is the same concert as in row 3."),
            "{partly}"
        );
        assert_eq!(concerts(app).await, 2);
    })
    .await;
}

/// Another server imports meanwhile: of those that wait for it here, one has a connection.
#[tokio::test(flavor = "multi_thread")]
async fn imports_that_wait_for_each_other_hold_no_connections() {
    TestApp::run(async |app| {
        let admin = format!("{}; lang=en", app.as_member("admin").await);
        let shown = page(app, &admin, &[("file", TWO.as_bytes())], 200).await;
        let carried = previewed(&shown);
        let fields: [(&str, &[u8]); 1] = [("previewed", &carried)];
        let lock = "BEGIN; SELECT pg_advisory_xact_lock(7164913)";
        let other = app.database.superuser().await;
        other.batch_execute(lock).await.unwrap();
        let presses = join_all((0..5).map(|_| send(app, &admin, &fields)));
        let looking = async {
            let waiting = "SELECT count(*) FROM pg_stat_activity
                           WHERE query LIKE '%lock_import%' AND wait_event_type = 'Lock'
                             AND datname = current_database()";
            eventually("an import that waits", LIMIT, async || {
                app.count(waiting).await > 0
            })
            .await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            let waiting = app.count(waiting).await;
            other.batch_execute("COMMIT").await.unwrap();
            waiting
        };
        let (answers, waiting) = tokio::join!(presses, looking);
        assert_eq!(waiting, 1);
        assert!(answers.iter().all(|answer| answer.status() == 303));
        assert_eq!(concerts(app).await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_by_row_and_column_in_both_languages() {
    TestApp::run(async |app| {
        let member = app.as_member("admin").await;
        let file = format!(
            "{HEADER}Night,Ones,2027-01-31,Hall,100,1250.00,\n,Ones,31.1.2027,Hall,-1,1e3,\n"
        );
        for (lang, sentences) in [
            (
                "en",
                ["4 things are wrong", "It must be a day like 2027-01-31."],
            ),
            ("th", ["พบข้อผิดพลาด 4 รายการ", "ต้องเป็นวันที่ เช่น 2027-01-31"]),
        ] {
            let cookie = format!("{member}; lang={lang}");
            let wrong = page(app, &cookie, &[("file", file.as_bytes())], 422).await;
            for sentence in sentences {
                assert!(wrong.contains(sentence), "{wrong}");
            }
            for column in ["name", "date", "total_tickets", "price"] {
                assert!(
                    wrong.contains(&format!(">{column}</td>")),
                    "{column}: {wrong}"
                );
            }
            // What was sent can be mended in place.
            assert!(wrong.contains("31.1.2027"), "{wrong}");
            assert!(!wrong.contains("name=\"previewed\""), "{wrong}");
        }
        assert_eq!(concerts(app).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_of_concerts_is_told_in_a_sentence() {
    TestApp::run(async |app| {
        let admin = format!("{}; lang=en", app.as_member("admin").await);
        let html =
            b"name,artist,date,venue,total_tickets,price,<b>x\na,b,2027-01-01,c,1,1,\"</td>\"\n";
        let large = vec![b'a'; 2 * 1024 * 1024 + 1];
        let long = format!("{}{}\n", HEADER.replace('\n', ","), "x".repeat(65));
        let cases: [(&str, &[u8], &str); 9] = [
            (
                "a long name",
                long.as_bytes(),
                "No column has such a name: one has at most 64 characters.",
            ),
            ("nothing", b"", "Choose a file or paste its content first."),
            ("blank", b" \r\n ", "The first line must name the columns"),
            ("no rows", HEADER.as_bytes(), "No concerts are in it"),
            (
                "JSON that is none",
                b"[{]",
                "It is no JSON array of objects",
            ),
            ("UTF-16", b"\xff\xfen\0a\0", "isn&#39;t UTF-8"),
            ("HTML", html, "There is no such column. There are: name"),
            (
                "a column of another name",
                b"name,artist,date,venue,total_tickets,price,imageurl\na,b,2027-01-01,c,1,1,x",
                "Did you mean image_url?",
            ),
            ("large", &large, "larger than 2 MB"),
        ];
        for (name, file, sentence) in cases {
            let wrong = page(app, &admin, &[("file", file)], 422).await;
            assert!(wrong.contains(sentence), "{name}: {wrong}");
            assert!(!wrong.contains("<b>x"), "{name}");
        }
        let both: [(&str, &[u8]); 2] = [("file", b"a"), ("text", b"b")];
        assert!(page(app, &admin, &both, 422).await.contains("both came"));
        let broken: [(&str, &[u8]); 1] = [("previewed", b"%%%")];
        assert!(
            page(app, &admin, &broken, 422)
                .await
                .contains("came back damaged")
        );
        assert_eq!(
            send(app, &admin, &[("file", &vec![b'a'; 5 << 20])])
                .await
                .status(),
            413
        );
        assert_eq!(concerts(app).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_and_ten_thousand_rows_are_taken_and_one_more_is_not() {
    TestApp::run(async |app| {
        let admin = format!("{}; lang=en", app.as_member("admin").await);
        let json = br#"[{"name":"a","artist":"b","date":"2027-01-31","venue":"c","total_tickets":10,"price":99.5}]"#;
        let shown = page(app, &admin, &[("text", json)], 200).await;
        assert!(shown.contains("One concert would be made"), "{shown}");
        let rows = |count: usize| {
            let rows = (1..=count).map(|n| format!("Night {n},The Lanterns,2027-01-31,Hall,800,1250.00,\n"));
            format!("{HEADER}{}", rows.collect::<String>())
        };
        let many = page(app, &admin, &[("file", rows(10_001).as_bytes())], 422).await;
        assert!(many.contains("10,001 concerts. Split it into files of up to 10,000"), "{many}");
        let shown = page(app, &admin, &[("file", rows(10_000).as_bytes())], 200).await;
        assert!(shown.contains("10,000 concerts would be made"));
        assert!(shown.contains("The first 200 of them are shown."));
        let begun = Instant::now();
        let made = send(app, &admin, &[("previewed", &previewed(&shown))]).await;
        eprintln!("10,000 concerts were imported within {:?}", begun.elapsed());
        assert_eq!(made.status(), 303);
        assert_eq!(concerts(app).await, 10_000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_is_a_file_that_can_be_imported() {
    TestApp::run(async |app| {
        let admin = format!("{}; lang=en", app.as_member("admin").await);
        let form = app.page_as(&admin, PATH).await.text().await.unwrap();
        assert!(
            form.contains("/staff/concerts/import/template.csv"),
            "{form}"
        );
        let file = app
            .page_as(&admin, "/staff/concerts/import/template.csv")
            .await;
        assert_eq!(file.headers()["content-type"], "text/csv; charset=utf-8");
        let disposition = file.headers()["content-disposition"].to_str().unwrap();
        assert!(disposition.contains("attachment"), "{disposition}");
        let file = file.bytes().await.unwrap();
        let shown = page(app, &admin, &[("file", &file)], 200).await;
        assert!(shown.contains("One concert would be made"), "{shown}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_that_are_over_are_told_and_asked_once_more() {
    TestApp::run(async |app| {
        let admin = format!("{}; lang=en", app.as_member("admin").await);
        let file = format!(
            "{HEADER}Old,Ones,2026-11-21,Hall,10,1.00,\nNew,Ones,2026-11-22,Hall,10,1.00,\n"
        );
        let shown = page(app, &admin, &[("file", file.as_bytes())], 200).await;
        assert!(
            shown.contains("One of them has a day that is over"),
            "{shown}"
        );
        assert_eq!(shown.matches("in the past").count(), 1, "{shown}");
        let carried = previewed(&shown);
        let again = page(app, &admin, &[("previewed", &carried)], 422).await;
        assert!(
            again.contains("One of them has a day that is over"),
            "{again}"
        );
        assert_eq!(concerts(app).await, 0);
        let confirmed: [(&str, &[u8]); 2] = [("previewed", &carried), ("confirmed", b"1")];
        assert_eq!(send(app, &admin, &confirmed).await.status(), 303);
        assert_eq!(concerts(app).await, 2);
        // Sent again, it was done before, and isn't asked about.
        let again = send(app, &admin, &[("previewed", &carried)]).await;
        assert_eq!(again.status(), 303);
        assert_eq!(concerts(app).await, 2);
    })
    .await;
}
