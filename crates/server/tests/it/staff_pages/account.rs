//! Signing in and out with a browser, and one's own account.

use reqwest::Response;
use reqwest::header::{LOCATION, SET_COOKIE};

use crate::support::TestApp;
use crate::support::staff::{Authenticator, STAFF_PASSWORD};

fn header(answer: &Response, name: reqwest::header::HeaderName) -> String {
    let value = answer.headers().get(name).expect("a header");
    value.to_str().unwrap().to_owned()
}

async fn sign_in(app: &TestApp, fields: &[(&str, &str)]) -> Response {
    app.form_as("lang=en", "/staff/sign-in", fields)
        .send()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_in_gets_where_they_wanted_and_out_again() {
    TestApp::run(async |app| {
        app.plant_staff("nok", "admin").await;
        let turned_away = app.get("/staff/account?x=1").await;
        assert_eq!(turned_away.status(), 303);
        let form = header(&turned_away, LOCATION);
        assert_eq!(form, "/staff/sign-in?return_to=%2Fstaff%2Faccount%3Fx%3D1");
        let shown = app.get(&form).await.text().await.unwrap();
        assert!(shown.contains("value=\"/staff/account?x=1\""), "{shown}");

        let wrong = sign_in(app, &[("username", "nok"), ("password", "wrong")]).await;
        assert_eq!(wrong.status(), 401);
        assert!(wrong.headers().get(SET_COOKIE).is_none());
        let wrong = wrong.text().await.unwrap();
        assert!(wrong.contains("Name, password or code is wrong"), "{wrong}");
        assert!(wrong.contains("value=\"nok\"") && !wrong.contains("value=\"wrong\""));
        let unknown = sign_in(app, &[("username", "nobody"), ("password", "wrong")]).await;
        assert_eq!(
            unknown.text().await.unwrap().replace("nobody", "nok"),
            wrong
        );

        let right = [
            ("username", " nok "),
            ("password", STAFF_PASSWORD),
            ("return_to", "/staff/account?x=1"),
        ];
        let entered = sign_in(app, &right).await;
        assert_eq!(entered.status(), 303);
        assert_eq!(header(&entered, LOCATION), "/staff/account?x=1");
        let cookie = header(&entered, SET_COOKIE);
        for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let page = app.page_as(&cookie, "/staff/account").await;
        assert_eq!(page.headers()["cache-control"], "no-store");
        let page = page.text().await.unwrap();
        assert!(
            page.contains("nok@example.com") && page.contains("Admin"),
            "{page}"
        );

        let left = app
            .form_as(&cookie, "/staff/sign-out", &[])
            .send()
            .await
            .unwrap();
        assert!(header(&left, SET_COOKIE).contains("Max-Age=0"));
        assert_eq!(
            app.page_as(&cookie, "/staff").await.status(),
            303,
            "the session is over"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_guesses_has_to_wait_and_is_told_how_long() {
    TestApp::run(async |app| {
        app.plant_staff("nok", "admin").await;
        let guess = [("username", "nok"), ("password", "wrong")];
        let mut answer = sign_in(app, &guess).await;
        for _ in 0..20 {
            if answer.status() == 429 {
                break;
            }
            answer = sign_in(app, &guess).await;
        }
        assert_eq!(answer.status(), 429);
        assert!(answer.headers().contains_key("retry-after"));
        let page = answer.text().await.unwrap();
        assert!(page.contains("Try again in"), "{page}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_by_whoever_knows_the_old_one() {
    TestApp::run(async |app| {
        let cookie = app.as_member("moderator").await;
        let change = async |current: &str, new: &str| {
            let fields = [("current_password", current), ("new_password", new)];
            let asked = app.form_as(&cookie, "/staff/account/password", &fields);
            let answer = asked.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        for (current, new, sentence) in [
            (
                "",
                "four words of my own",
                "That isn&#39;t your current password.",
            ),
            (STAFF_PASSWORD, "", "This is needed."),
            (
                "wrong",
                "four words of my own",
                "That isn&#39;t your current password.",
            ),
            (STAFF_PASSWORD, "password", "easy to guess"),
            (STAFF_PASSWORD, "short", "too short"),
            (STAFF_PASSWORD, STAFF_PASSWORD, "This can&#39;t be used."),
        ] {
            let (status, page) = change(current, new).await;
            assert_eq!(status, 422, "{current} {new}");
            assert!(page.contains(sentence), "{current} {new}: {page}");
            assert!(!page.contains(STAFF_PASSWORD));
        }
        let (status, _) = change(STAFF_PASSWORD, "four words of my own").await;
        assert_eq!(status, 303);
        let page = app
            .page_as(&cookie, "/staff/account?said=password-changed")
            .await;
        let page = page.text().await.unwrap();
        assert!(page.contains("Your password was changed"), "{page}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_set_up_asked_for_and_turned_off() {
    TestApp::run(async |app| {
        let cookie = app.as_member("admin").await;
        let send = async |path: &str, fields: &[(&str, &str)]| {
            let asked = app.form_as(&cookie, &format!("/staff/account/totp{path}"), fields);
            let answer = asked.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        assert_eq!(send("", &[("password", "wrong")]).await.0, 422);
        let (status, page) = send("", &[("password", STAFF_PASSWORD)]).await;
        assert_eq!(status, 200);
        assert!(page.contains("<svg"), "a code to scan");
        let secret = page
            .split("<code>")
            .nth(1)
            .unwrap()
            .split('<')
            .next()
            .unwrap();
        assert_eq!(send("/confirm", &[("totp", "000000")]).await.0, 422);
        let code = Authenticator::new(secret).code(app);
        let (status, codes) = send("/confirm", &[("totp", &code)]).await;
        assert_eq!((status, codes.matches("<li><code>").count()), (200, 10));

        let half = [("username", "a-admin"), ("password", STAFF_PASSWORD)];
        let asked = sign_in(app, &half).await;
        assert_eq!(asked.status(), 401);
        assert!(asked.text().await.unwrap().contains("has a second factor"));
        let recovery = codes
            .split("<li><code>")
            .nth(1)
            .unwrap()
            .split('<')
            .next()
            .unwrap();
        let whole = [half[0], half[1], ("totp", recovery)];
        assert_eq!(sign_in(app, &whole).await.status(), 303);

        assert_eq!(send("/off", &[("password", STAFF_PASSWORD)]).await.0, 303);
        assert_eq!(sign_in(app, &half).await.status(), 303);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_says_nothing_of_its_own() {
    TestApp::run(async |app| {
        let cookie = app.as_member("admin").await;
        for said in ["unknown", "<b>x</b>", "../etc", ""] {
            let query = serde_urlencoded::to_string([("said", said)]).unwrap();
            let page = app.page_as(&cookie, &format!("/staff?{query}")).await;
            assert!(
                !page.text().await.unwrap().contains("role=\"status\""),
                "{said}"
            );
        }
        let thai = app.page_as(&cookie, "/staff?lang=th").await;
        assert!(header(&thai, SET_COOKIE).starts_with("lang=th"));
        assert!(thai.text().await.unwrap().contains("ภาพรวม"));
        let gone = app.page_as(&cookie, "/staff/nowhere").await;
        assert_eq!(gone.status(), 404);
        assert!(gone.text().await.unwrap().contains("href=\"/staff\""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superadmin_is_told_why_an_act_on_an_account_is_not_possible() {
    TestApp::run(async |app| {
        let cookie = app.as_member("superadmin").await;
        let other = app.plant_staff("nok", "admin").await;
        let act = async |id: i32, act: &str, fields: &[(&str, &str)]| {
            let path = format!("/staff/users/{id}/{act}");
            let answer = app.form_as(&cookie, &path, fields).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        let long = "ก".repeat(30);
        for (password, sentence) in [
            ("", "This is needed."),
            ("short", "too short"),
            (&long, "too long"),
            ("password", "easy to guess"),
        ] {
            let (status, page) = act(other, "password", &[("password", password)]).await;
            assert_eq!(status, 409, "{password}");
            assert!(page.contains(sentence), "{password}: {page}");
        }
        let (status, page) = act(other, "role", &[("role", "king")]).await;
        assert_eq!(status, 409);
        assert!(page.contains("Choose a role."), "{page}");
        let me = "SELECT id::bigint FROM admin_users WHERE username = 'a-superadmin'";
        let me = i32::try_from(app.count(me).await).unwrap();
        for (id, what, sentence) in [
            (me, "disable", "last active superadmin"),
            (me, "factor", "My account"),
        ] {
            let (status, page) = act(id, what, &[]).await;
            assert_eq!(status, 409, "{what}");
            assert!(page.contains(sentence), "{what}: {page}");
        }
        let changed = act(other, "role", &[("role", "moderator")]).await;
        assert_eq!(changed.0, 303);
        let role = "SELECT count(*) FROM admin_users WHERE username = 'nok' AND role = 'moderator'";
        assert_eq!(app.count(role).await, 1);
    })
    .await;
}
