//! Concerts on pages: made, previewed, edited by two at once, opened, closed, archived, deleted.

use reqwest::header::LOCATION;

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
        assert!(shown.contains("One &#60;b&#62;night"), "{shown}");
        assert_eq!(app.count("SELECT count(*) FROM concerts").await, 0);

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
        assert_eq!(app.count("SELECT count(*) FROM concerts").await, 0);

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
