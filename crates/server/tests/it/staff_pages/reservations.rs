//! Finding reservations, one of them with its story, and what can be done to it.

use std::time::Duration;

use app::expire;
use serde_json::Value;

use crate::support::paid::plant_paid;
use crate::support::{NewConcert, TestApp};

fn id_of(reservation: &Value) -> &str {
    reservation["id"].as_str().unwrap()
}

async fn text(app: &TestApp, cookie: &str, path: &str) -> String {
    let answer = app.page_as(cookie, path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

/// Where an act leads, and its page's words where it leads nowhere.
async fn act(app: &TestApp, cookie: &str, path: &str) -> (u16, String) {
    let answer = app.form_as(cookie, path, &[]).send().await.unwrap();
    let status = answer.status().as_u16();
    let place = answer.headers().get("location");
    let place = place.map(|value| value.to_str().unwrap().to_owned());
    let body = answer.text().await.unwrap();
    (status, place.unwrap_or(body))
}

#[tokio::test(flavor = "multi_thread")]
async fn reservations_are_found_by_what_the_address_asks_for() {
    TestApp::run(async |app| {
        let cookie = app.as_member("moderator").await;
        let none = text(app, &cookie, "/staff/reservations").await;
        assert!(none.contains("There are no reservations yet."), "{none}");
        let (first, second) = (
            app.plant(NewConcert::default()).await,
            app.plant(NewConcert::default()).await,
        );
        let som = app.reserved(first, 1, "som").await;
        let nok = app.reserved(second, 2, "nok").await;
        let confirm = "UPDATE reservations SET status = 'confirmed', payment_status = 'completed'
                       WHERE customer_email = 'nok@example.com'";
        app.postgres.batch_execute(confirm).await.unwrap();
        let id = id_of(&som);
        for (query, has_som, has_nok) in [
            (String::new(), true, true),
            ("?q=som%40".to_owned(), true, false),
            (format!("?q={id}"), true, false),
            (format!("?q={}", &id[..id.len() - 2]), true, false),
            ("?email=Nok@example.com".to_owned(), false, true),
            ("?status=confirmed".to_owned(), false, true),
            (format!("?concert_id={first}&q="), true, false),
            ("?from=2026-11-22&to=2026-11-22".to_owned(), true, true),
            ("?from=2026-11-23".to_owned(), false, false),
            ("?said=x&lang=en&unknown=1".to_owned(), true, true),
        ] {
            let page = text(app, &cookie, &format!("/staff/reservations{query}")).await;
            let has = |one: &Value| {
                page.contains(&format!("href=\"/staff/reservations/{}\"", id_of(one)))
            };
            assert_eq!((has(&som), has(&nok)), (has_som, has_nok), "{query}");
        }
        let page = text(app, &cookie, "/staff/reservations?q=nobody%22%3E").await;
        assert!(page.contains("No reservation is like that."), "{page}");
        assert!(
            page.contains("value=\"nobody&#34;&#62;\""),
            "what was typed: {page}"
        );
        let wrong = app
            .page_as(&cookie, "/staff/reservations?status=lost&from=yesterday")
            .await;
        assert_eq!(wrong.status(), 422);
        let wrong = wrong.text().await.unwrap();
        assert!(
            wrong.contains("href=\"#status\"") && wrong.contains("href=\"#from\""),
            "{wrong}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_read_page_by_page() {
    TestApp::run(async |app| {
        let cookie = app.as_member("admin").await;
        let concert = app
            .plant(NewConcert {
                tickets: 500,
                ..NewConcert::default()
            })
            .await;
        app.plant_holds(concert, 250, Duration::from_mins(10)).await;
        let mut seen = Vec::new();
        let mut next = Some("/staff/reservations?status=pending".to_owned());
        let mut pages = 0;
        while let Some(path) = next {
            let page = text(app, &cookie, &path).await;
            let newest = "<a href=\"/staff/reservations?status=pending\">Newest</a>";
            assert_eq!(page.contains(newest), pages > 0, "{page}");
            let ids = page.split("name=\"id\" value=\"").skip(1);
            seen.extend(ids.map(|rest| rest.split('"').next().unwrap().to_owned()));
            let more = page
                .split("<a href=\"")
                .find(|rest| rest.contains("rel=\"next\""));
            let more = page
                .split("\" rel=\"next\"")
                .next()
                .filter(|_| more.is_some());
            next = more.map(|before| {
                let place = before.rsplit('"').next().unwrap();
                place.replace("&#38;", "&").replace("&amp;", "&")
            });
            pages += 1;
        }
        let all = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!((pages, all, seen.len()), (3, 250, 250));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_at_several_comes_back_to_the_list_with_its_filters() {
    TestApp::run(async |app| {
        let cookie = app.as_member("admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let sold = app.reserved(concert, 1, "som").await;
        let id = sold["id"].as_str().unwrap();
        let list = text(app, &cookie, "/staff/reservations?status=pending&q=som").await;
        let (_, carried) = list.split_once("name=\"list\" value=\"").expect(&list);
        let carried = carried.split('"').next().unwrap();
        let carried = carried.replace("&#38;", "&").replace("&amp;", "&");
        let back = async |fields: &[(&str, &str)]| {
            let path = "/staff/reservations/bulk";
            let answer = app.form_as(&format!("{cookie}; lang=en"), path, fields);
            let answer = answer.send().await.unwrap().text().await.unwrap();
            let links = answer.split("href=\"/staff/reservations?").skip(1);
            let links = links.map(|rest| rest.split('"').next().unwrap().to_owned());
            links.collect::<Vec<_>>()
        };
        let list = ("list", &*carried);
        let filters = ["q=som&#38;status=pending"];
        assert_eq!(back(&[("kind", "cancel"), ("id", id), list]).await, filters);
        assert_eq!(back(&[("kind", "cancel"), list]).await, filters);
        let strange = ("list", "//elsewhere.example/?x=1&next=2");
        assert!(
            back(&[("kind", "cancel"), ("id", id), strange])
                .await
                .is_empty()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_page_are_chosen_by_a_link_and_what_goes_back_is_told_before() {
    TestApp::run(async |app| {
        let admin = format!("{}; lang=en", app.as_member("admin").await);
        let concert = app.plant(NewConcert::default()).await;
        app.postgres
            .batch_execute(&plant_paid(concert, 1000, 2))
            .await
            .unwrap();
        let held = app.reserved(concert, 2, "som").await;
        let ticks = |page: &str| page.matches("\" checked>").count();
        let filter = format!("/staff/reservations?concert_id={concert}");
        let plain = text(app, &admin, &filter).await;
        assert_eq!(ticks(&plain), 0, "{plain}");
        let link = format!("href=\"{filter}&#38;all=1\"");
        assert!(plain.contains(&link), "{plain}");
        let all = text(app, &admin, &format!("{filter}&all=1")).await;
        assert_eq!(ticks(&all), 3, "{all}");
        assert!(
            all.contains(&format!("<a href=\"{filter}\">Choose none</a>")),
            "{all}"
        );
        let more = text(app, &admin, "/staff/reservations?all=1").await;
        assert_eq!(ticks(&more), 3, "{more}");

        let ids = ["RES1000-00000000", "RES1001-00000000", id_of(&held)];
        let preview = async |kind| {
            let mut form = vec![("kind", kind)];
            form.extend(ids.map(|id| ("id", id)));
            let answer = app.form_as(&admin, "/staff/reservations/bulk", &form);
            answer.send().await.unwrap().text().await.unwrap()
        };
        for kind in ["cancel", "refund"] {
            let page = preview(kind).await;
            let total = "Goes back the way it was paid: ฿2,500, from 2 of these reservations.";
            assert!(page.contains(total), "{kind}: {page}");
            assert_eq!(
                page.matches("\"Money back\">฿1,250</td>").count(),
                2,
                "{kind}: {page}"
            );
            assert_eq!(
                page.matches("\"Money back\">–</td>").count(),
                1,
                "{kind}: {page}"
            );
        }
        let page = preview("resend").await;
        assert!(!page.contains("Money back"), "{page}");
        let stuck = "UPDATE payments SET status = 'refunding', refund_error = 'no',
                            refund_reason = 'by_staff'
                     WHERE id = 'PAY1000-00000000'";
        app.postgres.batch_execute(stuck).await.unwrap();
        let page = preview("cancel").await;
        assert!(page.contains("฿1,250, from 1 of these"), "{page}");
        let page = preview("refund").await;
        assert!(page.contains("฿2,500, from 2 of these"), "{page}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_tells_its_story_and_offers_what_its_state_and_the_role_allow() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let moderator = app.as_member("moderator").await;
        let concert = app.plant(NewConcert::default()).await;
        let held = app.reserved(concert, 2, "som").await;
        let path = format!("/staff/reservations/{}", id_of(&held));
        let offers = async |cookie: &str| {
            let page = text(app, cookie, &path).await;
            let acts = ["confirm", "resend", "cancel", "refund"];
            let offered = acts
                .into_iter()
                .filter(|act| page.contains(&format!("{path}/{act}\"")));
            offered.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(offers(&admin).await, "confirm cancel");
        assert_eq!(offers(&moderator).await, "cancel");
        let page = text(app, &admin, &path).await;
        assert!(page.contains("2 tickets were reserved."), "{page}");
        assert!(
            page.contains("som@example.com") && page.contains("฿2,500"),
            "{page}"
        );

        let (status, place) = act(app, &admin, &format!("{path}/resend")).await;
        assert_eq!(status, 409);
        assert!(place.contains("No mail tells of a reservation"), "{place}");
        assert_eq!(
            act(app, &moderator, &format!("{path}/confirm")).await.0,
            403
        );
        let (status, place) = act(app, &admin, &format!("{path}/confirm")).await;
        assert_eq!(
            (status, place),
            (303, format!("{path}?said=reservation-confirmed"))
        );
        let page = text(app, &admin, &format!("{path}?said=reservation-confirmed")).await;
        assert!(page.contains("The reservation is confirmed."), "{page}");
        assert!(
            page.contains("a-admin confirmed it: it was paid by hand."),
            "{page}"
        );
        assert!(page.contains("A mail was written: tickets."), "{page}");
        assert_eq!(offers(&admin).await, "resend cancel refund");
        assert_eq!(offers(&moderator).await, "resend cancel");
        let (status, place) = act(app, &moderator, &format!("{path}/resend")).await;
        assert_eq!((status, place), (303, format!("{path}?said=mail-written")));
        let (status, place) = act(app, &admin, &format!("{path}/confirm")).await;
        assert_eq!(status, 409);
        assert!(place.contains("Its state has changed."), "{place}");
        let (status, _) = act(app, &moderator, &format!("{path}/cancel")).await;
        assert_eq!(status, 303);
        let (status, place) = act(app, &moderator, &format!("{path}/cancel")).await;
        assert_eq!(status, 409);
        assert!(place.contains("It is cancelled already."), "{place}");
        assert_eq!(act(app, &moderator, &format!("{path}/refund")).await.0, 403);
        assert_eq!(app.count("SELECT count(*) FROM mails").await, 3);
        let page = text(app, &admin, &path).await;
        for told in [
            "a-moderator wrote to the buyer again.",
            "a-moderator cancelled it.",
            "a-moderator gave the money back.",
        ] {
            assert_eq!(page.matches(told).count(), 1, "{told}: {page}");
        }
        // Who did what is the audit log's, which a moderator doesn't read.
        let page = text(app, &moderator, &path).await;
        assert!(!page.contains("a-admin"), "{page}");
        assert!(page.contains("Staff confirmed it"), "{page}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_hold_takes_its_tickets_anew_and_money_goes_back_by_a_button() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let few = NewConcert {
            tickets: 3,
            ..NewConcert::default()
        };
        let concert = app.plant(few).await;
        let held = app.reserved(concert, 2, "som").await;
        expire::sweep(&app.app).await.unwrap();
        app.pass(Duration::from_mins(10)).await;
        expire::sweep(&app.app).await.unwrap();
        let path = format!("/staff/reservations/{}", id_of(&held));
        let page = text(app, &admin, &path).await;
        assert!(page.contains("takes 2 tickets anew"), "{page}");
        assert!(page.contains("The hold ran out."), "{page}");
        app.reserved(concert, 2, "nok").await;
        let (status, place) = act(app, &admin, &format!("{path}/confirm")).await;
        assert_eq!(status, 409);
        assert!(place.contains("only one ticket is left"), "{place}");

        let plant = plant_paid(concert, 1000, 1);
        app.postgres.batch_execute(&plant).await.unwrap();
        let path = "/staff/reservations/RES1000-00000000";
        let (status, place) = act(app, &admin, &format!("{path}/refund")).await;
        assert_eq!(
            (status, place),
            (303, format!("{path}?said=reservation-refunded"))
        );
        let page = text(app, &admin, path).await;
        assert!(
            page.contains("on its way back") && page.contains("Staff gave it back."),
            "{page}"
        );
        let (status, place) = act(app, &admin, &format!("{path}/refund")).await;
        assert_eq!(status, 409);
        assert!(
            place.contains("Nothing was paid that could go back"),
            "{place}"
        );
        let missing = app
            .page_as(&admin, "/staff/reservations/RES1-00000000")
            .await;
        assert_eq!(missing.status(), 404);
    })
    .await;
}
