//! What must stay secret stays so: in the log, and in the database.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::support::TestDatabase;
use crate::support::program::Program;

const PASSWORD: &str = "a horse that nobody may see";
/// Without a lasting key there is no second factor.
const KEY: &str = "a key of many characters that nobody may see";

/// One request to a real server; the answer's JSON.
async fn call(site: &str, method: Method, path: &str, (token, body): (&str, Value)) -> Value {
    let request = Client::new().request(method, format!("{site}/api/v1/admin{path}"));
    let request = request.bearer_auth(token).json(&body);
    let text = request.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_default()
}

/// What an authenticator shows now. The server's clock is the database's, which is this machine's.
fn code_now(secret: &str) -> String {
    let totp = Builder::new().with_secret(Secret::try_from_base32(secret).unwrap());
    let seconds = std::process::Command::new("date").arg("+%s").output();
    let seconds = String::from_utf8(seconds.unwrap().stdout).unwrap();
    let seconds = seconds.trim().parse().unwrap();
    totp.build().unwrap().generate(seconds).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_log_however_much_it_tells() {
    let database = TestDatabase::migrated().await;
    let create = [
        "admin",
        "create",
        "ada",
        "--email",
        "ada@example.org",
        "--role",
        "superadmin",
    ];
    let made = Program::on(&database, &create)
        .env("STAGEDOOR_LOG", "trace")
        .fed(PASSWORD)
        .run()
        .await;
    assert_eq!(made.code, 0, "{made:?}");
    let served = Program::on(&database, &["serve"])
        .env("STAGEDOOR_LOG", "trace,hyper=info")
        .env("STAGEDOOR_SECRET_KEY", KEY)
        .serving()
        .await;
    let site = served.site();
    let sign_in = json!({ "username": "ada", "password": PASSWORD });
    let session = call(&site, Method::POST, "/sessions", ("", sign_in.clone())).await;
    let token = session["token"].as_str().unwrap();
    let typed = json!({ "password": PASSWORD });
    let begun = call(&site, Method::POST, "/totp", (token, typed)).await;
    let secret = begun["secret"].as_str().unwrap();
    let code = code_now(secret);
    let confirm = (token, json!({ "totp": code }));
    let confirmed = call(&site, Method::POST, "/totp/confirm", confirm).await;
    let recovery = confirmed["recovery_codes"][0].as_str().unwrap();
    let with_code = json!({ "username": "ada", "password": PASSWORD, "totp": recovery });
    let again = call(&site, Method::POST, "/sessions", ("", with_code)).await;
    let second_token = again["token"].as_str().unwrap();
    let own = json!({ "current_password": PASSWORD, "new_password": "a horse of my own" });
    call(&site, Method::POST, "/password", (second_token, own)).await;
    let wrong = json!({ "username": "my password in the wrong field", "password": "guessed it" });
    call(&site, Method::POST, "/sessions", ("", wrong)).await;
    let colleague = json!({
        "username": "bob", "email": "bob@example.org", "role": "admin", "password": "bob's own horse",
    });
    let bob = call(&site, Method::POST, "/users", (second_token, colleague)).await;
    assert_eq!(bob["username"], "bob", "{bob}");

    let said = served.said() + &made.stderr + &made.stdout;
    assert!(
        said.contains("admin_users.find_credentials"),
        "the log tells everything: {said}"
    );
    for hidden in [
        PASSWORD,
        KEY,
        "a horse of my own",
        token,
        second_token,
        secret,
        code.as_str(),
        recovery,
        "my password",
        "guessed it",
        "bob's own horse",
        "$2b$",
        "ada@example.org",
        "bob@example.org",
    ] {
        assert!(!said.contains(hidden), "{hidden} is in the log: {said}");
    }
}
