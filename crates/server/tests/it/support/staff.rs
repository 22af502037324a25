//! Staff for tests: planted accounts and sessions, and signing in from any address.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use super::TestApp;

/// The password of everybody who is planted.
pub(crate) const STAFF_PASSWORD: &str = "correct horse battery";
/// Its hash with today's work.
pub(crate) const STAFF_HASH: &str = "$2b$12$abcdefghijklmnopqrstuuE3j5FFjC71WyDL2KIK7ShSoj8tPD3m6";
/// Its hash with the least work that bcrypt takes.
pub(crate) const WEAK_HASH: &str = "$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS";

/// An authenticator that somebody has the secret in.
pub(crate) struct Authenticator(Totp);

impl Authenticator {
    pub(crate) fn new(secret: &str) -> Self {
        let secret = Secret::try_from_base32(secret).expect("a secret");
        Self(
            Builder::new()
                .with_secret(secret)
                .build()
                .expect("an authenticator"),
        )
    }

    /// What it shows now, by the test's clock.
    pub(crate) fn code(&self, app: &TestApp) -> String {
        let seconds = u64::try_from(app.app.ctx().now().as_second()).expect("after 1970");
        self.0.generate(seconds).to_string()
    }
}

static NEXT_TOKEN: AtomicU32 = AtomicU32::new(1);

impl TestApp {
    /// Plants an account with plain SQL; returns its number.
    pub(crate) async fn plant_staff(&self, username: &str, role: &str) -> i32 {
        let statement = "
            INSERT INTO admin_users (username, password, email, role)
            VALUES ($1, $2, $4, $3) RETURNING id";
        let email = format!("{username}@example.com");
        let row = self
            .postgres
            .query_one(statement, &[&username, &STAFF_HASH, &role, &email])
            .await;
        row.expect("an account").get(0)
    }

    /// Plants a session that begins now; returns its token. No password is hashed for it.
    pub(crate) async fn plant_session(&self, staff: i32) -> String {
        let mut token = [0; 32];
        token[..4].copy_from_slice(&NEXT_TOKEN.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let now = self.app.ctx().now();
        let statement = format!(
            "INSERT INTO admin_sessions (token_digest, admin_user_id, created_at, last_used_at,
                                         expires_at, address_digest)
             SELECT sha256($1), $2, at, at, at + interval '12 hours', sha256('somewhere')
             FROM (SELECT timestamptz '{now}' AT TIME ZONE 'utc') AS moment (at)"
        );
        self.postgres
            .execute(&statement, &[&token.as_slice(), &staff])
            .await
            .expect("a session");
        URL_SAFE_NO_PAD.encode(token)
    }

    /// An account of a role with a session; returns its token.
    pub(crate) async fn plant_signed_in(&self, username: &str, role: &str) -> String {
        let staff = self.plant_staff(username, role).await;
        self.plant_session(staff).await
    }

    /// `POST /api/v1/admin/sessions`.
    pub(crate) async fn sign_in(&self, username: &str, password: &str) -> Response {
        let body = json!({ "username": username, "password": password });
        self.sign_in_with(&body).await
    }

    pub(crate) async fn sign_in_with(&self, body: &Value) -> Response {
        let request = self.request(Method::POST, "/api/v1/admin/sessions");
        request.json(body).send().await.expect("an answer")
    }

    /// The same from 127.0.0.`place`, which is another address to the server.
    pub(crate) async fn sign_in_from(&self, place: u8, username: &str, password: &str) -> Response {
        let client = Client::builder()
            .local_address(IpAddr::V4(Ipv4Addr::new(127, 0, 0, place)))
            .build()
            .expect("an HTTP client");
        let url = format!("http://{}/api/v1/admin/sessions", self.address);
        let body = json!({ "username": username, "password": password });
        client
            .post(url)
            .json(&body)
            .send()
            .await
            .expect("an answer")
    }

    /// A request to the API of staff.
    pub(crate) fn as_staff(&self, token: &str, method: Method, path: &str) -> RequestBuilder {
        let path = format!("/api/v1/admin{path}");
        self.request(method, &path).bearer_auth(token)
    }

    /// The status of `GET /admin/users` with a token: 200 for a superadmin with a living session.
    pub(crate) async fn status_with(&self, token: &str) -> u16 {
        let asked = self.as_staff(token, Method::GET, "/users").send().await;
        asked.expect("an answer").status().as_u16()
    }
}
