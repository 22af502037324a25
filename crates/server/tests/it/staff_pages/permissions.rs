//! Every page of the area and every form on it, asked by everybody.

use std::fs;
use std::path::Path;

use reqwest::Method;

use crate::support::{NewConcert, TestApp};

/// Whoever asks, in the order of the columns.
const CALLERS: [&str; 6] = [
    "nobody",
    "moderator",
    "admin",
    "superadmin",
    "disabled",
    "expired",
];

/// What each gets for an address with `{id}` of a concert or reservation that is there, and for a form
/// without fields. 303 leads whoever isn't signed in to the form where one does, 403 says that the role
/// may not.
const TABLE: &str = "
                                     nobody moderator admin superadmin disabled expired
    get  /staff                         303    200       200   200        303      303
    get  /staff/                        303    303       303   303        303      303
    get  /staff/account                 303    200       200   200        303      303
    get  /staff/audit                   303    403       200   200        303      303
    get  /staff/concerts                303    200       200   200        303      303
    get  /staff/concerts/import         303    403       200   200        303      303
    get  /staff/concerts/import/template.csv 303 403     200   200        303      303
    get  /staff/concerts/new            303    403       200   200        303      303
    get  /staff/concerts/{id}           303    200       200   200        303      303
    get  /staff/concerts/{id}/cancel    303    403       200   200        303      303
    get  /staff/concerts/{id}/edit      303    403       200   200        303      303
    get  /staff/concerts/{id}/live      303    200       200   200        303      303
    get  /staff/concerts/{id}/live/events 303  200       200   200        303      303
    get  /staff/exports/reservations.csv 303   403      200   200        303      303
    get  /staff/mails                   303    200       200   200        303      303
    get  /staff/refunds                 303    403       200   200        303      303
    get  /staff/refunds/{id}            303    403       404   404        303      303
    get  /staff/health                  303    200       200   200        303      303
    get  /staff/reports                 303    403       200   200        303      303
    get  /staff/reports/sales.csv       303    403       200   200        303      303
    get  /staff/reservations            303    200       200   200        303      303
    get  /staff/reservations/{id}       303    200       200   200        303      303
    get  /staff/runs                    303    200       200   200        303      303
    get  /staff/runs/{id}               303    404       404   404        303      303
    get  /staff/sign-in                 200    303       303   303        200      200
    get  /staff/users                   303    403       403   200        303      303
    post /staff/account/password        303    422       422   422        303      303
    post /staff/account/totp            303    422       422   422        303      303
    post /staff/account/totp/confirm    303    422       422   422        303      303
    post /staff/account/totp/off        303    422       422   422        303      303
    post /staff/concerts/import         303    403       422   422        303      303
    post /staff/concerts/new            303    403       422   422        303      303
    post /staff/concerts/{id}/archive   303    403       303   303        303      303
    post /staff/concerts/{id}/cancel    303    403       422   422        303      303
    post /staff/concerts/{id}/close     303    403       303   303        303      303
    post /staff/concerts/{id}/delete    303    403       409   409        303      303
    post /staff/concerts/{id}/edit      303    403       422   422        303      303
    post /staff/concerts/{id}/open      303    403       303   303        303      303
    post /staff/concerts/{id}/poster    303    403       422   422        303      303
    post /staff/mails/{id}/retry        303    404       404   404        303      303
    post /staff/refunds/{id}/ask        303    403       404   404        303      303
    post /staff/refunds/{id}/settle     303    403       404   404        303      303
    post /staff/reservations/bulk       303    422       422   422        303      303
    post /staff/reservations/{id}/cancel 303   303       303   303        303      303
    post /staff/reservations/{id}/confirm 303  403       303   303        303      303
    post /staff/reservations/{id}/refund 303   403       409   409        303      303
    post /staff/reservations/{id}/resend 303   409       409   409        303      303
    post /staff/runs                    303    422       422   422        303      303
    post /staff/sign-in                 401    401       401   401        401      401
    post /staff/sign-out                303    303       303   303        303      303
    post /staff/users                   303    403       403   422        303      303
    post /staff/users/{id}/delete       303    403       403   404        303      303
    post /staff/users/{id}/disable      303    403       403   404        303      303
    post /staff/users/{id}/enable       303    403       403   404        303      303
    post /staff/users/{id}/factor       303    403       403   404        303      303
    post /staff/users/{id}/password     303    403       403   404        303      303
    post /staff/users/{id}/role         303    403       403   404        303      303
    post /staff/users/{id}/sessions     303    403       403   404        303      303
";

#[tokio::test(flavor = "multi_thread")]
async fn every_staff_page_answers_each_caller_as_its_permission_says() {
    TestApp::run(async |app| {
        let mut found = vec![CALLERS.join(" ")];
        for (method, pattern) in rows() {
            let mut line = format!("{method} {pattern}");
            for caller in CALLERS {
                let cookie = cookie_of(app, caller).await;
                let path = pattern.replace("{id}", &plant(app, pattern).await);
                let answer = match method {
                    "get" => app.get_as(&cookie, &path).await,
                    _ => app.form_as(&cookie, &path, &[]).send().await.unwrap(),
                };
                line = format!("{line} {}", answer.status().as_u16());
                clear(app).await;
            }
            found.push(line);
        }
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected = TABLE.lines().map(words).filter(|line| !line.is_empty());
        assert_eq!(found, expected.collect::<Vec<_>>());
    })
    .await;
}

/// What the address is about; each caller has their own, for some acts can be done only once.
async fn plant(app: &TestApp, pattern: &str) -> String {
    let is_concert = pattern.contains("/concerts/{id}");
    if !is_concert && !pattern.contains("/reservations/{id}") {
        return "none".to_owned();
    }
    let concert = app.plant(NewConcert::default()).await;
    let reservation = app.reserved(concert, 1, "som").await;
    if is_concert {
        return concert.to_string();
    }
    reservation["id"].as_str().unwrap().to_owned()
}

/// Limits of buyers and of guessing are tried elsewhere.
async fn clear(app: &TestApp) {
    let forget = "DELETE FROM sign_in_failures; DELETE FROM admin_sessions;
                  UPDATE reservations SET customer_email = id || '@example.com'";
    app.postgres.batch_execute(forget).await.unwrap();
}

async fn cookie_of(app: &TestApp, caller: &str) -> String {
    let role = match caller {
        "nobody" => return "theme=dark".to_owned(),
        "disabled" | "expired" => "superadmin",
        role => role,
    };
    let known = format!(
        "SELECT coalesce(max(id), 0)::bigint FROM admin_users WHERE username = 'a-{caller}'"
    );
    let staff = match app.count(&known).await {
        0 => app.plant_staff(&format!("a-{caller}"), role).await,
        known => i32::try_from(known).unwrap(),
    };
    let token = app.plant_session(staff).await;
    let ruin = match caller {
        "disabled" => "UPDATE admin_users SET is_active = false WHERE username = 'a-disabled'",
        "expired" => {
            "UPDATE admin_sessions SET created_at = created_at - interval '13 hours',
                                       expires_at = expires_at - interval '13 hours'"
        }
        _ => "SELECT 1",
    };
    app.postgres.batch_execute(ruin).await.unwrap();
    format!("stagedoor-staff={token}")
}

fn rows() -> Vec<(&'static str, &'static str)> {
    let lines = TABLE.lines().skip(2);
    let row = |line: &'static str| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    };
    lines.filter_map(row).collect()
}

/// A page that isn't in the table would be tried by nobody.
#[test]
fn the_table_has_every_address_of_the_area() {
    let mut paths: Vec<_> = rows().into_iter().map(|(_, path)| path).collect();
    paths.sort_unstable();
    paths.dedup();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/staff");
    assert_eq!(paths.len(), routes_under(&folder));
}

fn routes_under(folder: &Path) -> usize {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let routes = entries.map(|path| {
        if path.is_dir() {
            return routes_under(&path);
        }
        fs::read_to_string(&path)
            .unwrap()
            .matches(".route(")
            .count()
    });
    routes.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_take_no_token_and_the_api_takes_no_cookie() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("nok", "superadmin").await;
        let page = app.request(Method::GET, "/staff").bearer_auth(&token);
        assert_eq!(page.send().await.unwrap().status(), 303);
        let cookie = format!("stagedoor-staff={token}");
        let call = app.get_as(&cookie, "/api/v1/admin/users").await;
        assert_eq!(call.status(), 401);
        assert_eq!(app.get_as(&cookie, "/staff").await.status(), 200);
    })
    .await;
}
