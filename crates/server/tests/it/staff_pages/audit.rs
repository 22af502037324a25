//! The audit log's page: its filters, and what it shows of a change.

use std::collections::BTreeSet;

use crate::support::{NewConcert, TestApp};

const WRONG: &str = "This can&#39;t be used.";

#[tokio::test(flavor = "multi_thread")]
async fn wrong_filters_are_shown_again_with_their_reasons() {
    TestApp::run(async |app| {
        let session = app.as_member("admin").await;
        let of = async |lang: &str, query: &str| {
            let cookie = format!("{session}; lang={lang}");
            let answer = app.page_as(&cookie, &format!("/staff/audit?{query}")).await;
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        let long = format!("record_id={}", "x".repeat(101));
        for (query, field, value, reason) in [
            ("user_id=nok&record_id=RES7", "user_id", "nok", WRONG),
            ("user_id=0", "user_id", "0", WRONG),
            ("from=yesterday", "from", "yesterday", WRONG),
            ("to=2026-02-30", "to", "2026-02-30", WRONG),
            ("action=READ", "action", "", WRONG),
            (&*long, "record_id", "xxx", "This is too long."),
            ("cursor=abc", "cursor", "", WRONG),
        ] {
            let (status, page) = of("en", query).await;
            assert_eq!(status, 422, "{query}");
            assert!(
                page.contains(&format!("<a href=\"#{field}\">")),
                "{query}: {page}"
            );
            if field != "cursor" {
                let place = format!("id=\"{field}-error\">{reason}");
                assert!(page.contains(&place), "{query}: {page}");
                assert!(page.contains("aria-invalid=\"true\""), "{query}: {page}");
            }
            assert!(page.contains(value), "{query}: {page}");
            assert!(!page.contains("/staff/exports/"), "{query}: {page}");
            assert_eq!(of("th", query).await.0, 422);
        }
        let (_, page) = of("en", "user_id=nok&record_id=RES7").await;
        assert!(page.contains("value=\"RES7\""), "{page}");
        // What isn't filled in, and what no filter is called, asks for nothing.
        let (status, page) = of("en", "user_id=&from=&said=x&nothing=1").await;
        assert_eq!(status, 200);
        assert!(!page.contains("id=\"errors\""), "{page}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_the_log_and_stay_in_its_files() {
    TestApp::run(async |app| {
        let session = format!("{}; lang=en", app.as_member("admin").await);
        let concert = app.plant(NewConcert::default()).await;
        let other = app.plant(NewConcert::default()).await;
        let query = format!("table_name=concerts&action=CREATE&record_id={concert}");
        let page = app
            .page_as(&session, &format!("/staff/audit?{query}&user_id="))
            .await;
        let page = page.text().await.unwrap();
        let record = |id: i32| format!("concerts <small>{id}</small>");
        assert!(page.contains(&record(concert)), "{page}");
        assert!(!page.contains(&record(other)), "{page}");
        assert!(
            page.contains("<option selected>concerts</option>"),
            "{page}"
        );
        let file = query.replace('&', "&#38;");
        assert!(
            page.contains(&format!("/staff/exports/audit-logs.csv?{file}")),
            "{page}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_with_an_audit_trigger_can_be_chosen() {
    TestApp::run(async |app| {
        let session = app.as_member("admin").await;
        let page = app.page_as(&session, "/staff/audit").await.text().await;
        let page = page.unwrap();
        let (_, select) = page.split_once("<select id=\"table_name\"").unwrap();
        let (select, _) = select.split_once("</select>").unwrap();
        let words = select.split("<option>").skip(1);
        let offered: BTreeSet<String> = words
            .map(|word| word.trim_end_matches("</option>").to_owned())
            .collect();
        let audited = "SELECT DISTINCT event_object_table::text FROM information_schema.triggers
                       WHERE trigger_name LIKE '%\\_audit%' ORDER BY 1";
        let rows = app.postgres.query(audited, &[]).await.unwrap();
        let mut audited: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        // A function writes of these, because the tables hold more than the log may know.
        audited.extend(["sign_in_failures", "audit_erasures", "audit_logs"].map(str::to_owned));
        assert_eq!(offered, audited);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_did_is_told_without_what_the_product_did_by_itself() {
    TestApp::run(async |app| {
        let session = format!("{}; lang=en", app.as_member("admin").await);
        let concert = app.plant(NewConcert::default()).await;
        app.reserved(concert, 1, "som").await;
        let record = format!("concerts <small>{concert}</small>");
        let log = async |query: &str| {
            let path = format!("/staff/audit?{query}");
            let page = app.page_as(&session, &path).await;
            assert_eq!(page.status(), 200, "{query}");
            page.text().await.unwrap()
        };
        // The engine took a ticket, at a time with seconds.
        let query = format!("action=UPDATE&table_name=concerts&record_id={concert}");
        let all = log(&query).await;
        assert_eq!(all.matches(&*record).count(), 1, "{all}");
        let (_, rows) = all.split_once("<tbody>").expect(&all);
        let at = rows.split("</th>").next().unwrap();
        assert_eq!(at.matches(':').count(), 2, "{at}");
        let by_people = format!("{query}&people=true");
        let none = log(&by_people).await;
        assert!(!none.contains(&record), "{none}");
        // What a buyer does is somebody's act.
        let buyers = log("table_name=reservations&people=true").await;
        assert!(buyers.contains("holder RES"), "{buyers}");
        let close = format!("/staff/concerts/{concert}/close");
        let closed = app.form_as(&session, &close, &[]).send().await.unwrap();
        assert_eq!(closed.status(), 303);
        let page = log(&by_people).await;
        assert_eq!(page.matches(&*record).count(), 1, "{page}");
        assert!(
            page.contains("name=\"people\" type=\"checkbox\" value=\"true\" checked"),
            "{page}"
        );

        // The file has the same; no other has such a question.
        let filters = page.split("/staff/exports/audit-logs.csv?").nth(1).unwrap();
        let filters = filters.split('"').next().unwrap().replace("&#38;", "&");
        assert!(filters.contains("people=true"), "{filters}");
        let file = format!("/staff/exports/audit-logs.csv?{filters}");
        let file = app.page_as(&session, &file).await.text().await.unwrap();
        assert_eq!(file.lines().count(), 2, "{file}");
        let other = "/staff/exports/reservations.csv?people=true";
        assert_eq!(app.page_as(&session, other).await.status(), 422);
    })
    .await;
}
