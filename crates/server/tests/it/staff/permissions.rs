//! Every route of staff, asked by everybody.

use std::collections::BTreeSet;

use domain::role::{Permission, Role};
use reqwest::Method;

use crate::support::TestApp;

/// What each route asks for; `None`: whoever is signed in.
const ROUTES: [(&str, &str, Option<Permission>); 8] = [
    ("GET", "/users", Some(Permission::ReadUsers)),
    ("POST", "/users", Some(Permission::ManageUsers)),
    ("PATCH", "/users/{id}", Some(Permission::ManageUsers)),
    ("DELETE", "/users/{id}", Some(Permission::ManageUsers)),
    ("POST", "/users/{id}/disable", Some(Permission::ManageUsers)),
    ("POST", "/totp", None),
    ("POST", "/totp/confirm", None),
    ("DELETE", "/sessions/current", None),
];

/// The only one that is open, for nobody is signed in before it.
const SIGN_IN: (&str, &str) = ("POST", "/sessions");

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_staff_refuses_whom_it_must() {
    TestApp::run(async |app| {
        for (method, path, permission) in ROUTES {
            let name = format!("{method} {path}");
            let ask = async |token: Option<&str>| {
                let path = format!("/api/v1/admin{}", path.replace("{id}", "999999"));
                let request = app.request(method.parse::<Method>().unwrap(), &path);
                let request = match token {
                    Some(token) => request.bearer_auth(token),
                    None => request,
                };
                request.send().await.unwrap()
            };
            let nobodys = "A".repeat(43);
            for token in [None, Some(""), Some("x"), Some(nobodys.as_str())] {
                let refused = ask(token).await;
                assert_eq!(refused.status(), 401, "{name}");
                assert_eq!(refused.headers()["www-authenticate"], "Bearer", "{name}");
                let problem: serde_json::Value = refused.json().await.unwrap();
                assert_eq!(problem["code"], "unauthenticated", "{name}");
            }
            for role in Role::ALL {
                let username = format!("{role}-{method}-{}", path.replace(['/', '{', '}'], "-"));
                let token = app.plant_signed_in(&username, role.as_str()).await;
                let answer = ask(Some(&token)).await;
                let may = permission.is_none_or(|permission| role.may(permission));
                if may {
                    assert!(
                        ![401, 403].contains(&answer.status().as_u16()),
                        "{name} {role}"
                    );
                } else {
                    assert_eq!(answer.status(), 403, "{name} {role}");
                    let problem: serde_json::Value = answer.json().await.unwrap();
                    assert_eq!(problem["code"], "forbidden", "{name} {role}");
                }
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_of_staff_is_missing_from_the_table() {
    TestApp::run(async |app| {
        let document = app.get_json("/api/v1/openapi.json").await;
        let mut found = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            let Some(path) = path.strip_prefix("/admin") else {
                continue;
            };
            for (method, operation) in operations.as_object().unwrap() {
                let method = method.to_ascii_uppercase();
                let is_open = (method.as_str(), path) == SIGN_IN;
                let asks = operation["security"][0]["staff_session"].is_array();
                assert_eq!(asks, !is_open, "{method} {path}");
                found.insert((method, path.to_owned()));
            }
        }
        let known = ROUTES.iter().map(|(method, path, _)| (*method, *path));
        let known: BTreeSet<_> = known
            .chain([SIGN_IN])
            .map(|(method, path)| (method.to_owned(), path.to_owned()))
            .collect();
        assert_eq!(found, known);
    })
    .await;
}
