//! What must not be readable anywhere: tokens, keys, addresses and passwords that came in.

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::program::{Program, Started};
use crate::support::{APP, TestDatabase};

const SECRET_KEY: &str = "qqSECRETKEYqq-0123456789-abcdefgh";
const EMAIL: &str = "qqemailqq@example.com";
const NAME: &str = "QqNameQq";
const KEY: &str = "qqIDEMPOTENCYqq";
const COOKIE: &str = "qqCOOKIEqq";
const FORGED: &str = "qqFORGEDTOKENqq";
const SEARCHED: &str = "qqSEARCHqq";
const PASSWORD: &str = "qqPASSWORDqq";

/// A visitor who notes what errors say.
struct Visitor {
    client: Client,
    site: String,
    errors: Vec<String>,
}

impl Visitor {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.site))
            .header("cookie", format!("stagedoor={COOKIE}; lang=en"))
            .header("idempotency-key", KEY)
    }

    async fn send(&mut self, request: RequestBuilder) {
        let answer: Response = request.send().await.unwrap();
        if answer.status().is_client_error() || answer.status().is_server_error() {
            self.errors.push(answer.text().await.unwrap());
        }
    }

    /// Reserves; the id and the token that opens it.
    async fn reserve(&self, concert: i32) -> (String, String) {
        let reserve = self.request(Method::POST, "/api/v1/reservations");
        let reserved = reserve.json(&wish(concert, 1)).send().await.unwrap();
        assert_eq!(reserved.status(), 201);
        let reserved: Value = reserved.json().await.unwrap();
        let text = |field: &str| reserved[field].as_str().unwrap().to_owned();
        (text("id"), text("access_token"))
    }

    /// Everything about a reservation, with a token in the header and in the address.
    async fn look_at(&mut self, id: &str, token: &str) {
        for (method, rest) in [
            (Method::GET, ""),
            (Method::POST, "/extend"),
            (Method::DELETE, ""),
        ] {
            let request = self.request(method, &format!("/api/v1/reservations/{id}{rest}"));
            self.send(request.bearer_auth(token)).await;
        }
        for (method, path) in [
            (Method::GET, format!("/en/r/{id}?t={token}")),
            (Method::GET, format!("/th/r/{id}/none?t={token}")),
            (Method::POST, format!("/en/r/{id}/extend?t={token}")),
        ] {
            let request = self.request(method, &path);
            self.send(request).await;
        }
    }

    /// Bodies and addresses that are refused.
    async fn err(&mut self, concert: i32) {
        let wrong = json!({ "concert_id": "x", "customer_email": EMAIL, "password": PASSWORD });
        for body in [wish(concert, 2), wrong] {
            let request = self.request(Method::POST, "/api/v1/reservations");
            self.send(request.json(&body)).await;
        }
        let form = format!("quantity=0&customer_name={NAME}&customer_email={EMAIL}");
        let hold = self.request(Method::POST, &format!("/en/concerts/{concert}/hold"));
        let hold = hold.header("content-type", "application/x-www-form-urlencoded");
        // A form with errors shows its visitor what was typed; that is not a leak.
        assert_eq!(hold.body(form).send().await.unwrap().status(), 422);
        let sign_in = json!({ "username": "nobody", "password": PASSWORD });
        let request = self.request(Method::POST, "/api/v1/admin/sessions");
        self.send(request.json(&sign_in)).await;
        for path in [
            "/api/v1/concerts?q=",
            "/en/?q=",
            "/api/v1/concerts?cursor=",
            "/none?x=",
        ] {
            let request = self.request(Method::GET, &format!("{path}{SEARCHED}"));
            self.send(request).await;
        }
    }
}

fn wish(concert: i32, quantity: i32) -> Value {
    json!({
        "concert_id": concert, "quantity": quantity, "customer_name": NAME, "customer_email": EMAIL,
    })
}

/// Drives every endpoint with secrets; returns what the errors said, and the real token.
async fn drive(site: String, concert: i32) -> (Vec<String>, String) {
    let client = Client::builder().redirect(reqwest::redirect::Policy::none());
    let mut visitor = Visitor {
        client: client.build().unwrap(),
        site,
        errors: Vec::new(),
    };
    let (id, token) = visitor.reserve(concert).await;
    for token in [&token, FORGED] {
        visitor.look_at(&id, token).await;
    }
    visitor.err(concert).await;
    let cancel = format!("/api/v1/reservations/{id}/cancel");
    for _ in 0..2 {
        let request = visitor.request(Method::POST, &cancel);
        visitor.send(request.bearer_auth(&token)).await;
    }
    (visitor.errors, token)
}

async fn plant(database: &TestDatabase) -> i32 {
    let planted = "INSERT INTO concerts (name, artist, date, venue, total_tickets,
                                         available_tickets, price, status)
         VALUES ('Night Ferry', 'The Lanterns', current_date + 30, 'Hall', 100, 100, 1250, 'open')
         RETURNING id";
    let row = database.superuser().await.query_one(planted, &[]).await;
    row.unwrap().get(0)
}

async fn serve(database: &TestDatabase) -> Started {
    Program::on(database, &["serve"])
        .env("STAGEDOOR_LOG", "trace")
        .env("STAGEDOOR_SECRET_KEY", SECRET_KEY)
        .env(
            "STAGEDOOR_SMTP_URL",
            &format!("smtps://mail:{PASSWORD}@mail.example"),
        )
        .serving()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_log_in_an_error_or_in_the_list_of_processes() {
    let database = TestDatabase::migrated().await;
    let concert = plant(&database).await;
    let mut server = serve(&database).await;
    let (errors, token) = drive(server.site(), concert).await;
    assert!(errors.len() > 10, "{errors:?}");
    let arguments = std::fs::read(format!("/proc/{}/cmdline", server.id())).unwrap();
    server.signal("TERM");
    server.end(Duration::from_secs(15)).await;
    let log = server.said();
    assert!(log.contains("answered"), "the log tells requests: {log}");
    let secrets = [
        SECRET_KEY, EMAIL, NAME, KEY, COOKIE, FORGED, SEARCHED, PASSWORD, &token,
    ];
    for secret in secrets {
        assert!(
            !log.contains(secret),
            "{secret} is in the log:\n{}",
            around(&log, secret)
        );
        for error in &errors {
            assert!(!error.contains(secret), "{secret} is in an error: {error}");
        }
        let arguments = String::from_utf8_lossy(&arguments);
        assert!(!arguments.contains(secret), "{secret} is in {arguments}");
    }
}

/// Where core files are allowed: a crash leaves none, and nobody of the same user reads the memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_leaves_no_core_file() {
    let database = TestDatabase::migrated().await;
    let folder = TempDir::new().unwrap();
    let limit = getrlimit(Resource::Core);
    let allowed = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Core, allowed).unwrap();
    let mut server = Program::within(folder.path(), &["serve"])
        .env("DATABASE_URL", &database.url(APP))
        .env("STAGEDOOR_SECRET_KEY", SECRET_KEY)
        .serving()
        .await;
    server.signal("ABRT");
    let ended = server.end(Duration::from_secs(15)).await;
    setrlimit(Resource::Core, limit).unwrap();
    assert_eq!(ended.signal(), Some(6));
    assert!(!ended.core_dumped());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

fn around<'a>(log: &'a str, secret: &str) -> &'a str {
    log.lines()
        .find(|line| line.contains(secret))
        .unwrap_or_default()
}

#[tokio::test]
async fn the_configuration_that_is_printed_masks_every_secret() {
    let url = format!("postgresql://app:{PASSWORD}@db/d");
    for arguments in [
        &["config", "print"][..],
        &["config", "print", "--json"],
        &["config", "check"],
    ] {
        let done = [
            "DATABASE_URL",
            "DATABASE_OWNER_URL",
            "DATABASE_MONITOR_URL",
            "DATABASE_BACKUP_URL",
            "DATABASE_REPLICA_URLS",
        ]
        .into_iter()
        .fold(Program::new(arguments), |program, name| {
            program.env(name, &url)
        })
        .env("STAGEDOOR_SECRET_KEY", SECRET_KEY)
        .env("STAGEDOOR_GOOGLE_CLIENT_ID", "id")
        .env("STAGEDOOR_GOOGLE_CLIENT_SECRET", PASSWORD)
        .env("STAGEDOOR_STRIPE_SECRET_KEY", PASSWORD)
        .env("STAGEDOOR_STRIPE_WEBHOOK_SECRET", PASSWORD)
        .env(
            "STAGEDOOR_SMTP_URL",
            &format!("smtps://mail:{PASSWORD}@mail.example"),
        )
        .run()
        .await;
        for secret in [SECRET_KEY, PASSWORD] {
            let is_shown = done.stdout.contains(secret) || done.stderr.contains(secret);
            assert!(!is_shown, "{arguments:?}: {done:?}");
        }
    }
}
