//! Concerts on pages: made, previewed, edited by two at once, opened, closed, archived, deleted.

use reqwest::header::LOCATION;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{NewConcert, TestApp};

const FORM: [(&str, &str); 8] = [
    ("artist", "The Lanterns"),
    ("name", "Night Ferry"),
    ("date", "2027-01-31"),
    ("venue", "Riverside Hall"),
    ("total_tickets", "100"),
    ("price", "1250.00"),
    ("image_url", ""),
    ("description", "One <b>night</b>.\r\n\r\nNo more."),
];

/// The form with some of its fields otherwise.
fn form<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = FORM
        .into_iter()
        .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    kept.chain(changes.iter().copied()).collect()
}

/// Status, address and page of an answer to a form.
async fn send(
    app: &TestApp,
    cookie: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> (u16, String, String) {
    let cookie = format!("{cookie}; lang=en");
    let answer = app.form_as(&cookie, path, fields).send().await.unwrap();
    let status = answer.status().as_u16();
    let place = answer.headers().get(LOCATION);
    let place = place.map_or("", |value| value.to_str().unwrap()).to_owned();
    (status, place, answer.text().await.unwrap())
}

async fn page(app: &TestApp, cookie: &str, path: &str) -> String {
    let answer = app.page_as(&format!("{cookie}; lang=en"), path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

/// The hidden field of the form.
fn version(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"version\" value=\"").expect(page);
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concert_is_previewed_made_opened_closed_and_archived() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let fields = form(&[("preview", "1")]);
        let (status, _, shown) = send(app, &admin, "/staff/concerts/new", &fields).await;
        assert_eq!(status, 200);
        assert!(shown.contains("Sunday 31 January 2027"), "{shown}");
        assert!(shown.contains("<dd>100 of 100</dd>"), "{shown}");
        assert!(shown.contains("One &#60;b&#62;night"), "{shown}");
        assert_eq!(
            app.count("SELECT count(*) FROM concerts WHERE id > 0")
                .await,
            0
        );

        let (status, place, _) = send(app, &admin, "/staff/concerts/new", &FORM).await;
        assert_eq!(status, 303);
        let address = place.split('?').next().unwrap().to_owned();
        let shown = page(app, &admin, &place).await;
        assert!(shown.contains("The concert is made."), "{shown}");
        assert!(shown.contains("Open the sale") && !shown.contains("Close the sale"));
        assert_eq!(
            send(app, &admin, &format!("{address}/open"), &[]).await.0,
            303
        );
        let shown = page(app, &admin, &address).await;
        assert!(shown.contains("Close the sale") && !shown.contains("Open the sale"));
        let list = page(app, &admin, "/staff/concerts?q=ferry&status=open").await;
        assert!(list.contains(&address), "{list}");
        let list = page(app, &admin, "/staff/concerts?status=archived").await;
        assert!(list.contains("No concert is like this"), "{list}");

        assert_eq!(
            send(app, &admin, &format!("{address}/close"), &[]).await.0,
            303
        );
        assert_eq!(
            send(app, &admin, &format!("{address}/archive"), &[])
                .await
                .0,
            303
        );
        let shown = page(app, &admin, &address).await;
        assert!(
            shown.contains("Archived") && !shown.contains("/edit\""),
            "{shown}"
        );
        let (status, _, refused) = send(app, &admin, &format!("{address}/open"), &[]).await;
        assert_eq!(status, 409);
        assert!(refused.contains("archived, which is final"), "{refused}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_the_form_is_told_beside_its_field_and_kept() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let fields = form(&[("date", "soon"), ("price", "-1"), ("name", "")]);
        let (status, _, shown) = send(app, &admin, "/staff/concerts/new", &fields).await;
        assert_eq!(status, 422);
        for part in [
            "id=\"errors\"",
            "id=\"date-error\"",
            "id=\"price-error\"",
            "id=\"name-error\"",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(shown.contains("value=\"-1\""), "{shown}");
        assert_eq!(
            app.count("SELECT count(*) FROM concerts WHERE id > 0")
                .await,
            0
        );

        let concert = app.plant(NewConcert::default()).await;
        app.reserved(concert, 3, "som").await;
        let edit = format!("/staff/concerts/{concert}/edit");
        let version = version(&page(app, &admin, &edit).await);
        let fields = form(&[("total_tickets", "2"), ("version", &version)]);
        let (status, _, shown) = send(app, &admin, &edit, &fields).await;
        assert_eq!(status, 422);
        assert!(
            shown.contains("at least 3: 0 are sold and 3 held"),
            "{shown}"
        );
        assert_eq!(app.available(concert).await, 97);

        let (status, _, refused) = send(
            app,
            &admin,
            &format!("/staff/concerts/{concert}/delete"),
            &[],
        )
        .await;
        assert_eq!(status, 409);
        assert!(refused.contains("One reservation has tickets"), "{refused}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_edit_at_once_the_second_sees_both_versions_and_chooses() {
    TestApp::run(async |app| {
        let first = app.as_member("admin").await;
        let second = app.as_member("superadmin").await;
        let concert = app.plant(NewConcert::default()).await;
        let edit = format!("/staff/concerts/{concert}/edit");
        let read = version(&page(app, &first, &edit).await);

        let theirs = form(&[("venue", "Harbour Barn"), ("version", &read)]);
        assert_eq!(send(app, &first, &edit, &theirs).await.0, 303);
        // Sales change the concert's row, by nobody or by whoever cancels one, and so does closing it.
        let sold = app.reserved(concert, 1, "som").await;
        let id = sold["id"].as_str().unwrap();
        let sales = format!(
            "DO $$ BEGIN FOR n IN 1..60 LOOP
                 UPDATE concerts SET available_tickets = available_tickets - 1 WHERE id = {concert};
                 UPDATE concerts SET available_tickets = available_tickets + 1 WHERE id = {concert};
             END LOOP; END $$"
        );
        app.postgres.batch_execute(&sales).await.unwrap();
        for act in [
            format!("/staff/reservations/{id}/cancel"),
            format!("/staff/concerts/{concert}/close"),
        ] {
            assert_eq!(send(app, &second, &act, &[]).await.0, 303, "{act}");
        }
        let mine = form(&[("venue", "Old Mint"), ("version", &read)]);
        let (status, _, shown) = send(app, &second, &edit, &mine).await;
        assert_eq!(status, 409);
        assert!(shown.contains("Harbour Barn") && shown.contains("Old Mint"));
        assert!(shown.contains("a-admin saved another version"), "{shown}");
        let venue = "SELECT count(*) FROM concerts WHERE venue = 'Harbour Barn'";
        assert_eq!(app.count(venue).await, 1);

        let now = version(&shown);
        let mine = form(&[("venue", "Old Mint"), ("version", &now)]);
        assert_eq!(send(app, &second, &edit, &mine).await.0, 303);
        let venue = "SELECT count(*) FROM concerts WHERE venue = 'Old Mint'";
        assert_eq!(app.count(venue).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_like_it_has_everything_but_a_day() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let shown = page(app, &admin, &format!("/staff/concerts/new?from={concert}")).await;
        assert!(shown.contains("value=\"Night Ferry\""), "{shown}");
        assert!(
            shown.contains("name=\"date\" type=\"date\" required value=\"\""),
            "{shown}"
        );
        assert!(!shown.contains("name=\"version\""));

        let past = app
            .plant(NewConcert {
                in_days: -1,
                status: "closed",
                ..NewConcert::default()
            })
            .await;
        let (status, _, refused) =
            send(app, &admin, &format!("/staff/concerts/{past}/open"), &[]).await;
        assert_eq!(status, 409);
        assert!(refused.contains("day is over"), "{refused}");
        let delete = format!("/staff/concerts/{past}/delete");
        let (status, place, _) = send(app, &admin, &delete, &[]).await;
        assert_eq!(
            (status, place.as_str()),
            (303, "/staff/concerts?said=concert-deleted")
        );
        let list = page(app, &admin, "/staff/concerts?deleted=true").await;
        assert!(list.contains("Night Ferry") && !list.contains(&format!("/{past}\"")));

        let moderator = app.as_member("moderator").await;
        let shown = page(app, &moderator, &format!("/staff/concerts/{concert}")).await;
        for act in ["/edit", "/open", "/close", "/archive", "/delete", "/poster"] {
            assert!(
                !shown.contains(&format!("/staff/concerts/{concert}{act}")),
                "{act}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_concert_says_so_and_is_not_offered_for_sale() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let path = format!("/staff/concerts/{concert}");
        let (cancel, open) = (format!("{path}/cancel"), format!("{path}/open"));
        let (status, run, _) = send(app, &admin, &cancel, &[("name", "Night Ferry")]).await;
        assert_eq!(status, 303);
        let shown = page(app, &admin, &path).await;
        assert!(shown.contains(">Cancelled</span>"), "{shown}");
        assert!(shown.contains(&format!("href=\"{run}\"")), "{shown}");
        assert!(!shown.contains(&open), "{shown}");
        let (status, _, refused) = send(app, &admin, &open, &[]).await;
        assert_eq!(status, 409);
        assert!(
            refused.contains("The concert was cancelled, which is final."),
            "{refused}"
        );
        let thai = app.page_as(&format!("{admin}; lang=th"), &path).await;
        assert!(thai.text().await.unwrap().contains("คอนเสิร์ตนี้ถูกยกเลิกแล้ว"));
    })
    .await;
}

/// Its buyers were told of it as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_concert_stays_as_it_is() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("nok", "admin").await;
        let admin = format!("stagedoor-staff={token}");
        let concert = app.plant(NewConcert::default()).await;
        let path = format!("/staff/concerts/{concert}");
        let edit = format!("{path}/edit");
        let before = version(&page(app, &admin, &edit).await);
        let api = format!("/concerts/{concert}");
        let read = app.as_staff(&token, Method::GET, &api).send().await;
        let etag = read.unwrap().headers()["etag"].clone();
        let kept = "SELECT to_jsonb(c)::text FROM concerts c WHERE id > 0";
        let (status, ..) = send(
            app,
            &admin,
            &format!("{path}/cancel"),
            &[("name", "Night Ferry")],
        )
        .await;
        assert_eq!(status, 303);
        let was: String = app.postgres.query_one(kept, &[]).await.unwrap().get(0);

        let sentence = "The concert was cancelled, which is final.";
        let shown = app.page_as(&format!("{admin}; lang=en"), &edit).await;
        assert_eq!(shown.status(), 409);
        assert!(shown.text().await.unwrap().contains(sentence));
        for changes in [
            vec![("version", before.as_str()), ("venue", "Elsewhere")],
            vec![("version", "an old one")],
            vec![("version", before.as_str()), ("preview", "1")],
            vec![("version", before.as_str()), ("price", "free")],
        ] {
            let (status, _, refused) = send(app, &admin, &edit, &form(&changes)).await;
            assert_eq!(status, 409, "{changes:?}");
            assert!(refused.contains(sentence), "{changes:?}: {refused}");
        }
        for etag in [etag.to_str().unwrap(), "\"another\"", "*"] {
            let change = app.as_staff(&token, Method::PATCH, &api);
            let change = change
                .header("if-match", etag)
                .json(&json!({"venue": "Elsewhere"}));
            assert_final(change.send().await.unwrap()).await;
        }
        let image = app.as_staff(&token, Method::POST, &format!("{api}/image"));
        let image = image.header("content-type", "image/jpeg").body("a picture");
        assert_final(image.send().await.unwrap()).await;
        let upload = app.as_browser(&admin, Method::POST, &format!("{path}/poster"));
        let upload = upload
            .header("content-type", "image/jpeg")
            .body("a picture");
        assert_eq!(upload.send().await.unwrap().status(), 409);
        let is: String = app.postgres.query_one(kept, &[]).await.unwrap().get(0);
        assert_eq!(is, was);
    })
    .await;
}

async fn assert_final(refused: Response) {
    assert_eq!(refused.status(), 409);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "invalid_state");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("The concert was cancelled"), "{detail}");
}

/// What the box of a second press carries.
fn token(page: &str) -> String {
    let (_, rest) = page
        .split_once("name=\"confirmed\" type=\"checkbox\" value=\"")
        .expect(page);
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_price_for_who_comes_later_wants_a_second_press() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let edit = format!("/staff/concerts/{concert}/edit");
        let save = async |price: &str, confirmed: &str| {
            let version = version(&page(app, &admin, &edit).await);
            let fields = form(&[
                ("price", price),
                ("version", &version),
                ("confirmed", confirmed),
            ]);
            send(app, &admin, &edit, &fields).await
        };
        let prices = async || {
            let row = "SELECT price::text, (SELECT sum(total_price)::text FROM reservations)
                       FROM concerts WHERE id > 0";
            let row = app.postgres.query_one(row, &[]).await.unwrap();
            (row.get::<_, String>(0), row.get::<_, Option<String>>(1))
        };
        // Nobody has tickets yet.
        assert_eq!(save("1300.00", "").await.0, 303);
        app.reserved(concert, 2, "som").await;
        let (status, _, asked) = save("1400.00", "").await;
        assert_eq!(status, 422);
        assert!(
            asked.contains("from ฿1,300 to ฿1,400") && asked.contains("2 tickets"),
            "{asked}"
        );
        assert!(
            asked.contains("value=\"1400.00\""),
            "what was typed: {asked}"
        );
        assert_eq!(
            prices().await,
            ("1300.00".to_owned(), Some("2600.00".to_owned()))
        );
        // What was confirmed is that price, and no other.
        assert_eq!(save("1500.00", &token(&asked)).await.0, 422);
        assert_eq!(save("1400.00", &token(&asked)).await.0, 303);
        assert_eq!(
            prices().await,
            ("1400.00".to_owned(), Some("2600.00".to_owned()))
        );
        let (_, _, shown) = {
            let version = version(&page(app, &admin, &edit).await);
            let fields = form(&[("price", "9.00"), ("version", &version), ("preview", "1")]);
            send(app, &admin, &edit, &fields).await
        };
        assert!(shown.contains("id=\"doubts\""), "{shown}");
        // Everything else is saved at once.
        assert_eq!(save("1400.00", "").await.0, 303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_over_wants_a_second_press() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let new = "/staff/concerts/new";
        let over = ("date", "2026-11-21");
        let (status, _, asked) = send(app, &admin, new, &form(&[over])).await;
        assert_eq!(status, 422);
        assert!(
            asked.contains("Saturday 21 November 2026 is over"),
            "{asked}"
        );
        assert_eq!(
            app.count("SELECT count(*) FROM concerts WHERE id > 0")
                .await,
            0
        );
        let confirmed = token(&asked);
        let fields = form(&[over, ("confirmed", &confirmed)]);
        let (status, place, _) = send(app, &admin, new, &fields).await;
        assert_eq!(status, 303);
        // It stays so without being asked again, and today isn't over.
        let edit = format!("{}/edit", place.split('?').next().unwrap());
        for (date, status) in [
            ("2026-11-21", 303),
            ("2026-11-20", 422),
            ("2026-11-22", 303),
        ] {
            let version = version(&page(app, &admin, &edit).await);
            let fields = form(&[("date", date), ("version", &version)]);
            assert_eq!(send(app, &admin, &edit, &fields).await.0, status, "{date}");
        }
    })
    .await;
}
