//! Filters that take a number or a name: of a concert, and of an account of staff.

use crate::support::{NewConcert, TestApp};

async fn page(app: &TestApp, cookie: &str, path: &str, status: u16) -> String {
    let answer = app.page_as(&format!("{cookie}; lang=en"), path).await;
    let found = answer.status().as_u16();
    let page = answer.text().await.unwrap();
    assert_eq!(found, status, "{path}: {page}");
    page
}

/// Two concerts of The Lanterns with a reservation each, by `som` and by `nok`.
async fn plant_two(app: &TestApp) -> [i32; 2] {
    let named = |name, in_days| NewConcert {
        in_days,
        name,
        ..NewConcert::default()
    };
    let ferry = app.plant(named("Night Ferry", 30)).await;
    let harbour = app.plant(named("10 Years: 100% Harbour", 60)).await;
    app.reserved(ferry, 1, "som").await;
    app.reserved(harbour, 1, "nok").await;
    [ferry, harbour]
}

#[tokio::test(flavor = "multi_thread")]
async fn reservations_are_found_by_their_concerts_number_or_name() {
    TestApp::run(async |app| {
        let cookie = app.as_member("moderator").await;
        let [ferry, harbour] = plant_two(app).await;
        let list = page(app, &cookie, "/staff/reservations", 200).await;
        let label = format!("{ferry} · The Lanterns: Night Ferry (Tue 22 Dec 2026)");
        assert!(
            list.contains(&format!("<option value=\"{label}\">")),
            "{list}"
        );
        for told in ["The Lanterns</a>", "<small>Night Ferry</small>"] {
            assert!(list.contains(told), "{told}: {list}");
        }
        let label = serde_urlencoded::to_string([("concert_id", &label)]).unwrap();
        for (query, is_ferry) in [
            (format!("concert_id={ferry}"), true),
            (format!("concert_id=+{harbour}+"), false),
            (label, true),
            ("concert_id=ferry".to_owned(), true),
            ("concert_id=lanterns:+night".to_owned(), true),
            ("concert_id=10+Years".to_owned(), false),
            ("concert_id=0%25+h".to_owned(), false),
        ] {
            let list = page(app, &cookie, &format!("/staff/reservations?{query}"), 200).await;
            let found = ["som@example.com", "nok@example.com"].map(|one| list.contains(one));
            assert_eq!(found, [is_ferry, !is_ferry], "{query}: {list}");
            // What goes on from here has the number.
            let number = if is_ferry { ferry } else { harbour };
            let carried = format!("name=\"list\" value=\"concert_id={number}\"");
            assert!(list.contains(&carried), "{query}: {list}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_several_concerts_is_told_with_those_that_it_may_mean() {
    TestApp::run(async |app| {
        let cookie = app.as_member("admin").await;
        let [ferry, harbour] = plant_two(app).await;
        for path in ["/staff/reservations", "/staff/reports"] {
            let several = page(app, &cookie, &format!("{path}?concert_id=lantern"), 422).await;
            assert!(
                several.contains("“lantern” may be one of several"),
                "{several}"
            );
            assert!(several.contains("href=\"#concert_id\""), "{several}");
            for told in [
                format!("{ferry} · The Lanterns: Night Ferry"),
                format!("{harbour} · "),
            ] {
                assert!(several.contains(&told), "{told}: {several}");
            }
            assert!(several.contains("value=\"lantern\""), "{several}");
            let none = page(app, &cookie, &format!("{path}?concert_id=nobody"), 422).await;
            assert!(none.contains("No concert has “nobody”"), "{none}");
            let wrong = page(app, &cookie, &format!("{path}?concert_id=0"), 422).await;
            assert!(wrong.contains("href=\"#concert_id\""), "{wrong}");
            let long = format!("{path}?concert_id={}", "x".repeat(101));
            page(app, &cookie, &long, 422).await;
        }
        for _ in 0..9 {
            app.plant(NewConcert::default()).await;
        }
        let many = page(app, &cookie, "/staff/reservations?concert_id=ferry", 422).await;
        assert!(many.contains("“ferry” may be one of many"), "{many}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_narrowed_by_a_concerts_name_and_its_files_by_the_number() {
    TestApp::run(async |app| {
        let cookie = app.as_member("admin").await;
        let [ferry, _] = plant_two(app).await;
        let report = page(app, &cookie, "/staff/reports?concert_id=night+f", 200).await;
        assert!(report.contains("value=\"night f\""), "{report}");
        let file = format!("concert_id={ferry}");
        assert!(report.contains(&file), "{report}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_narrowed_by_an_accounts_name() {
    TestApp::run(async |app| {
        let superadmin = app.as_member("superadmin").await;
        let admin = app.as_member("admin").await;
        app.as_member("moderator").await;
        app.plant_staff("a-mod", "moderator").await;
        let id = app.plant_staff("zoe", "admin").await;
        let log = page(app, &superadmin, "/staff/audit?user_id=ZO", 200).await;
        assert!(
            log.contains(&format!("<option value=\"{id} · zoe\">")),
            "{log}"
        );
        assert!(
            log.contains(&format!("audit-logs.csv?user_id={id}")),
            "{log}"
        );
        let several = page(app, &superadmin, "/staff/audit?user_id=a-", 422).await;
        assert!(several.contains("“a-” may be one of several"), "{several}");
        // A whole name is nobody else's.
        page(app, &superadmin, "/staff/audit?user_id=a-mod", 200).await;
        let none = page(app, &superadmin, "/staff/audit?user_id=nobody", 422).await;
        assert!(none.contains("No account has “nobody”"), "{none}");
        // Who may not read accounts is told of none, and goes by numbers.
        let log = page(app, &admin, &format!("/staff/audit?user_id={id}"), 200).await;
        assert!(!log.contains("· zoe"), "{log}");
        let named = page(app, &admin, "/staff/audit?user_id=zoe", 422).await;
        assert!(!named.contains("· zoe"), "{named}");
    })
    .await;
}
