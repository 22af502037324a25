//! Light or dark by choice: a form in the footer, a cookie for a year, and back to the same page.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, http::header::SET_COOKIE};
use serde::Deserialize;

use crate::http::page::Theme;
use crate::http::web::Web;

const COOKIE_SECONDS: u32 = 365 * 24 * 60 * 60;

#[derive(Debug, Deserialize)]
pub struct Choice {
    theme: String,
    #[serde(default)]
    return_to: String,
}

/// `POST /theme`: 303 to where the form stood.
pub async fn choose(State(web): State<Web>, Form(choice): Form<Choice>) -> Response {
    let theme = Theme::parse(&choice.theme).as_str();
    let secure = if web.is_https() { "; Secure" } else { "" };
    let cookie =
        format!("theme={theme}; Path=/; Max-Age={COOKIE_SECONDS}; SameSite=Lax; HttpOnly{secure}");
    (
        [(SET_COOKIE, cookie)],
        Redirect::to(local(&choice.return_to)),
    )
        .into_response()
}

/// Only a path of this site is followed: anything else could send the visitor elsewhere.
fn local(path: &str) -> &str {
    let plain = path
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if plain && path.starts_with('/') && !path.starts_with("//") {
        path
    } else {
        "/"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for path in [
            "",
            "en",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nb",
        ] {
            assert_eq!(local(path), "/", "{path:?}");
        }
        assert_eq!(local("/th/concerts/7?q=a%20b"), "/th/concerts/7?q=a%20b");
    }
}
