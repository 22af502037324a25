//! What all pages have around them: switches that lead somewhere, errors that stay in the area, lists
//! that say where they end.

use reqwest::Method;

use crate::support::{NewConcert, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn switching_the_language_of_an_answer_to_a_form_leads_to_the_forms_page() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        for (form, page) in [
            ("/staff/account/totp", "/staff/account"),
            ("/staff/concerts/7/poster", "/staff/concerts/7"),
            ("/staff/reservations/bulk", "/staff/reservations"),
            ("/staff/sign-out", "/staff"),
        ] {
            let answer = app.get_as(&admin, &format!("{form}?lang=th")).await;
            assert_eq!(answer.status(), 303, "{form}");
            assert_eq!(answer.headers()["location"], page, "{form}");
            let cookie = answer.headers()["set-cookie"].to_str().unwrap();
            assert!(cookie.contains("lang=th"), "{form}: {cookie}");
        }
        let runs = app.get_as(&admin, "/staff/runs?lang=th").await;
        assert_eq!(runs.status(), 200);
        let slash = app.get_as(&admin, "/staff/").await;
        assert_eq!(slash.headers()["location"], "/staff");
        let wrong = app.as_browser(&admin, Method::DELETE, "/staff/reservations/bulk");
        assert_eq!(wrong.send().await.unwrap().status(), 405);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_in_the_area_is_told_in_its_frame() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let answer = app.page_as(&admin, "/staff/nothing").await;
        assert_eq!(answer.status(), 404);
        let page = answer.text().await.unwrap();
        for part in ["staff-top", "/staff/reports", "a-admin", "To the overview"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("My reservations"), "{page}");
        let answer = app.page_as("theme=dark", "/staff/nothing").await;
        let page = answer.text().await.unwrap();
        assert!(page.contains("staff-top"), "{page}");
        for part in ["/staff/reports", "/staff/sign-out"] {
            assert!(!page.contains(part), "{part}: {page}");
        }
        let thai = app.page_as(&admin, "/staff/nothing?lang=th").await;
        let thai = thai.text().await.unwrap();
        assert!(thai.contains("ที่อยู่อาจพิมพ์ผิด"), "{thai}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poster_that_is_far_too_large_is_told_with_a_way_back_to_its_concert() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let page = format!("/staff/concerts/{concert}");
        let request = app.as_browser(&admin, Method::POST, &format!("{page}/poster"));
        let answer = request
            .header("content-type", "multipart/form-data; boundary=x")
            .body(vec![b'x'; 9 * 1024 * 1024])
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 413);
        let shown = answer.text().await.unwrap();
        assert!(
            shown.contains("The picture is larger than 8 MB."),
            "{shown}"
        );
        assert!(shown.contains(&format!("href=\"{page}\"")), "{shown}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_have_no_room_for_all_say_so_and_where_the_rest_is() {
    TestApp::run(async |app| {
        let admin = app.as_member("admin").await;
        for _ in 0..21 {
            let concert = app.plant(NewConcert::default()).await;
            app.reserved(concert, 1, "som").await;
        }
        let page = app.page_as(&admin, "/staff").await.text().await.unwrap();
        assert!(page.contains("Only 20 of them are shown here."), "{page}");
        assert!(page.contains("/staff/concerts?status=open"), "{page}");
        let page = app.page_as(&admin, "/staff/reports").await;
        let page = page.text().await.unwrap();
        assert!(
            page.contains("The chart shows the first 12 of 21."),
            "{page}"
        );
        assert!(page.contains("Given back or on its way"), "{page}");
    })
    .await;
}
