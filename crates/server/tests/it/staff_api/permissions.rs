//! Every route of the API, asked by everybody.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{answer, id_of};
use crate::support::{NewConcert, TestApp};

/// Whoever asks, in the order of the columns.
const CALLERS: [&str; 7] = [
    "nobody",
    "holder",
    "moderator",
    "admin",
    "superadmin",
    "disabled",
    "expired",
];

/// What each gets who sends the least that a route takes: a body without members, no `If-Match`;
/// for a concert and a reservation that are there, and an account that isn't.
///
/// The holder has the access token of the reservation that is asked for.
/// 404 hides a reservation; 401 comes before 403, and both before everything else.
const TABLE: &str = "
                                           nobody holder moderator admin superadmin disabled expired
    delete /admin/concerts/{id}                   401    401       403   204        204      401     401
    delete /admin/reservations/{id}               401    401       403   409        409      401     401
    delete /admin/sessions/current                401    401       204   204        204      401     401
    delete /admin/totp                            401    401       415   415        415      401     401
    delete /admin/users/{id}                      401    401       403   403        404      401     401
    delete /admin/users/{id}/sessions             401    401       403   403        404      401     401
    delete /sessions/current                      401    401       401   401        401      401     401
    get    /admin/audit-logs                      401    401       403   200        200      401     401
    get    /admin/concerts                        401    401       200   200        200      401     401
    get    /admin/concerts/{id}                   401    401       200   200        200      401     401
    get    /admin/exports/audit-logs.csv          401    401       403   200        200      401     401
    get    /admin/exports/audit-logs.xlsx         401    401       403   200        200      401     401
    get    /admin/exports/concerts.csv            401    401       403   200        200      401     401
    get    /admin/exports/concerts.xlsx           401    401       403   200        200      401     401
    get    /admin/exports/reservations.csv        401    401       403   200        200      401     401
    get    /admin/exports/reservations.xlsx       401    401       403   200        200      401     401
    get    /admin/health                          401    401       200   200        200      401     401
    get    /admin/mails                           401    401       200   200        200      401     401
    get    /admin/reports/sales                   401    401       403   200        200      401     401
    get    /admin/reservations                    401    401       200   200        200      401     401
    get    /admin/reservations/{id}               401    401       200   200        200      401     401
    get    /admin/users                           401    401       403   403        200      401     401
    get    /concerts                              200    200       200   200        200      200     200
    get    /concerts/{id}                         200    200       200   200        200      200     200
    get    /concerts/{id}/live                    200    200       200   200        200      200     200
    get    /me                                    401    401       401   401        401      401     401
    get    /me/export                             401    401       401   401        401      401     401
    get    /me/reservations                       401    401       401   401        401      401     401
    get    /reservations/{id}                     404    200       200   200        200      404     404
    get    /reservations/{id}/calendar.ics        404    409       409   409        409      404     404
    get    /reservations/{id}/tickets             404    409       409   409        409      404     404
    get    /reservations/{id}/tickets.pdf         404    409       409   409        409      404     404
    patch  /admin/concerts/{id}                   401    401       403   428        428      401     401
    patch  /admin/users/{id}                      401    401       403   403        404      401     401
    post   /admin/concerts                        401    401       403   422        422      401     401
    post   /admin/concerts/{id}/archive           401    401       403   200        200      401     401
    post   /admin/concerts/{id}/cancel            401    401       403   200        200      401     401
    post   /admin/concerts/{id}/close             401    401       403   200        200      401     401
    post   /admin/concerts/{id}/image             401    401       403   422        422      401     401
    post   /admin/concerts/{id}/open              401    401       403   200        200      401     401
    post   /admin/mails/{id}/retry                401    401       404   404        404      401     401
    post   /admin/password                        401    401       422   422        422      401     401
    post   /admin/reservations/{id}/cancel        401    401       200   200        200      401     401
    post   /admin/reservations/{id}/confirm       401    401       403   200        200      401     401
    post   /admin/reservations/{id}/refund        401    401       403   409        409      401     401
    post   /admin/reservations/{id}/resend        401    401       409   409        409      401     401
    post   /admin/sessions                        422    422       422   422        422      422     422
    post   /admin/tickets/check                   401    401       422   422        422      401     401
    post   /admin/totp                            401    401       422   422        422      401     401
    post   /admin/totp/confirm                    401    401       422   422        422      401     401
    post   /admin/users                           401    401       403   403        422      401     401
    post   /admin/users/{id}/disable              401    401       403   403        404      401     401
    post   /me/erase                              401    401       401   401        401      401     401
    post   /reservations                          422    422       422   422        422      422     422
    post   /reservations/{id}/cancel              404    200       404   404        404      404     404
    post   /reservations/{id}/extend              404    200       404   404        404      404     404
    post   /reservations/{id}/payments            404    422       404   404        404      404     404
    post   /sessions/email                        422    422       422   422        422      422     422
";

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_each_caller_as_the_table_says() {
    TestApp::run(async |app| {
        let accounts = Accounts::plant(app).await;
        let document = app.get_json("/api/v1/openapi.json").await;
        let mut found = vec![CALLERS.join(" ")];
        for (method, path) in routes(&document) {
            let mut line = format!("{method} {path}");
            for caller in CALLERS {
                let status = ask(app, &accounts, (&method, &path), caller).await;
                line = format!("{line} {status}");
            }
            found.push(line);
        }
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected = TABLE.lines().map(words).filter(|line| !line.is_empty());
        let expected: Vec<String> = expected.collect();
        assert_eq!(found, expected);
    })
    .await;
}

/// Whoever has no living session is told how to get one, whatever they show instead of a token.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_session_of_staff_opens_nothing() {
    TestApp::run(async |app| {
        let (ended, nobodys) = (app.plant_signed_in("late", "admin").await, "A".repeat(43));
        app.clock.advance(Duration::from_mins(30));
        let document = app.get_json("/api/v1/openapi.json").await;
        for (method, path) in routes(&document) {
            if !path.starts_with("/admin/") || path == "/admin/sessions" {
                continue;
            }
            for token in ["", "x", &nobodys, &ended] {
                let method: Method = method.to_ascii_uppercase().parse().unwrap();
                let path = format!("/api/v1{}", path.replace("{id}", "1"));
                let refused = answer(app.request(method, &path).bearer_auth(token)).await;
                let found = (refused.status, refused.code());
                assert_eq!(found, (401, "unauthenticated"), "{path} {token}");
                assert_eq!(refused.headers["www-authenticate"], "Bearer", "{path}");
            }
        }
    })
    .await;
}

/// Method and path of each, in the table's order.
fn routes(document: &Value) -> Vec<(String, String)> {
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let is_staffs = path.starts_with("/admin/") && path != "/admin/sessions";
            let asks = operation["security"][0]["staff_session"].is_array();
            assert_eq!(asks, is_staffs, "{method} {path} says who may");
            routes.push((method.clone(), path.clone()));
        }
    }
    routes.sort();
    routes
}

/// Staff accounts by the names of their callers.
struct Accounts {
    staff: Vec<(&'static str, i32)>,
    expired: String,
}

impl Accounts {
    async fn plant(app: &TestApp) -> Self {
        let late = app.plant_signed_in("late", "superadmin").await;
        app.clock.advance(Duration::from_hours(12));
        let mut staff = Vec::new();
        for role in ["moderator", "admin", "superadmin"] {
            staff.push((role, app.plant_staff(role, role).await));
        }
        let disabled = app.plant_staff("disabled", "superadmin").await;
        let disable = "UPDATE admin_users SET is_active = false WHERE id = $1";
        app.postgres.execute(disable, &[&disabled]).await.unwrap();
        staff.push(("disabled", disabled));
        Self {
            staff,
            expired: late,
        }
    }

    /// A token of a living session; each call may end it.
    async fn token(&self, app: &TestApp, caller: &str) -> Option<String> {
        if caller == "expired" {
            return Some(self.expired.clone());
        }
        let (_, id) = self.staff.iter().find(|(name, _)| *name == caller)?;
        let end = "DELETE FROM admin_sessions WHERE admin_user_id = $1";
        app.postgres.execute(end, &[id]).await.unwrap();
        Some(app.plant_session(*id).await)
    }
}

/// The status of one cell, on a concert and a reservation of its own.
async fn ask(
    app: &TestApp,
    accounts: &Accounts,
    (method, path): (&str, &str),
    caller: &str,
) -> u16 {
    let concert = app.plant(NewConcert::default()).await;
    let mut id = concert.to_string();
    let mut token = accounts.token(app, caller).await;
    if path.contains("/reservations/") || caller == "holder" {
        // Another concert, so that the first has no reservations.
        let other = app.plant(NewConcert::default()).await;
        let held = app.reserved(other, 1, "som").await;
        if path.contains("/reservations/") {
            id_of(&held).clone_into(&mut id);
        }
        if caller == "holder" {
            token = held["access_token"].as_str().map(str::to_owned);
        }
    }
    if path.contains("/users/") {
        "999999".clone_into(&mut id);
    }
    let method: Method = method.to_ascii_uppercase().parse().unwrap();
    let request = app.request(
        method.clone(),
        &format!("/api/v1{}", path.replace("{id}", &id)),
    );
    let request = match method {
        Method::GET | Method::DELETE => request,
        _ => request.json(&json!({})),
    };
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    // Its body isn't awaited: a stream has no end.
    request.send().await.unwrap().status().as_u16()
}
