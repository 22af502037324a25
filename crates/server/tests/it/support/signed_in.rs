//! Customers for tests: planted sessions, and links as they come by mail.

use std::sync::atomic::{AtomicU8, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::TestApp;

static NEXT_TOKEN: AtomicU8 = AtomicU8::new(1);

impl TestApp {
    /// Plants an account with a session that begins now; returns its browser's cookie.
    pub(crate) async fn plant_customer(&self, email: &str, is_google: bool) -> String {
        let token = [NEXT_TOKEN.fetch_add(1, Ordering::Relaxed); 32];
        let now = self.app.ctx().now();
        let statement = format!(
            "WITH account AS (
                 INSERT INTO customers (email, name) VALUES ($1, 'Som Chai')
                 ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name RETURNING id
             )
             INSERT INTO customer_sessions (token_digest, customer_id, is_google, created_at, expires_at)
             SELECT sha256($2), id, $3, at, at + interval '30 days'
             FROM account, (SELECT timestamptz '{now}' AT TIME ZONE 'utc') AS moment (at)"
        );
        self.postgres
            .execute(&statement, &[&email, &token.as_slice(), &is_google])
            .await
            .expect("a session");
        format!("stagedoor=s.{}", URL_SAFE_NO_PAD.encode(token))
    }

    /// A request of a browser with this cookie.
    pub(crate) fn as_browser(&self, cookie: &str, method: Method, path: &str) -> RequestBuilder {
        let request = self.request(method, path).header("cookie", cookie);
        request.header("sec-fetch-site", "same-origin")
    }

    /// The same that sends a form of this site.
    pub(crate) fn form_as(
        &self,
        cookie: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> RequestBuilder {
        let body = serde_urlencoded::to_string(fields).expect("a form");
        self.as_browser(cookie, Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    pub(crate) async fn get_as(&self, cookie: &str, path: &str) -> Response {
        let request = self.as_browser(cookie, Method::GET, path);
        request.send().await.expect("an answer")
    }

    /// `POST /api/v1/sessions/email`.
    pub(crate) async fn ask_for_link(&self, email: &str) -> u16 {
        let request = self.request(Method::POST, "/api/v1/sessions/email");
        let request = request.json(&json!({ "email": email }));
        request.send().await.expect("an answer").status().as_u16()
    }

    /// The paths of all links that an address got, the newest first. Jobs must be running.
    pub(crate) async fn links_of(&self, email: &str) -> Vec<String> {
        let mails: Value = self.get_json(&format!("/dev/mail?to={email}")).await;
        let mails = mails["items"].as_array().expect("mails").iter();
        let links = mails.filter_map(|mail| {
            let text = mail["text"].as_str()?;
            let link = text.lines().find(|line| line.contains("/sign-in/"))?;
            Some(link.trim_start_matches("http://tickets.example").to_owned())
        });
        links.collect()
    }
}
