//! Talks to Stripe: one request, one answer, and what an answer that isn't the object says.
//!
//! <https://docs.stripe.com/api>: forms in, JSON out. Absent on purpose: redirects, proxies from the
//! environment, and waiting before another attempt, which is the job's.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::object::ErrorBody;
use super::{SettingsError, StripeSettings};
use crate::providers::ProviderError;

/// The version of the API whose names and types `object` knows
/// (<https://docs.stripe.com/api/versioning>).
pub const API_VERSION: &str = "2026-08-26.dahlia";
/// Stripe is a few milliseconds away, or not reachable.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// A session has some kilobytes, a page of a hundred refunds about a hundred.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Jobs come in bursts; what rests longer may have been dropped by something on the way.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// As many as jobs run at one time.
const IDLE_CONNECTIONS_MAX: usize = 4;
/// What Stripe's words for errors have: they are shown to operators.
const WORD_CHARACTERS_MAX: usize = 64;

pub(super) type Form<'a> = [(&'a str, String)];

pub(super) struct Client {
    http: Http<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    authorization: HeaderValue,
    patience: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.base)
    }
}

/// Why there is no object.
#[derive(Debug)]
pub(super) enum Failure {
    /// Whether Stripe did anything isn't known.
    Lost(String),
    Told(Told),
}

/// An answer that isn't 2xx.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) kind: String,
    pub(super) code: String,
    pub(super) param: String,
    /// Stripe's name for the exchange, for its support.
    request: String,
    /// `Stripe-Should-Retry`.
    should_retry: Option<bool>,
    /// `Idempotent-Replayed`: said before, to the same key.
    pub(super) is_replayed: bool,
}

impl Client {
    /// # Errors
    /// When the settings can't be used.
    pub(super) fn new(settings: &StripeSettings) -> Result<Self, SettingsError> {
        let (base, is_secure) = base_of(&settings.api_base)?;
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_MAX));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(is_secure)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = Http::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        let authorization = format!("Bearer {}", settings.secret_key);
        let mut authorization =
            HeaderValue::from_str(&authorization).map_err(|_| SettingsError::Key)?;
        authorization.set_sensitive(true);
        Ok(Self {
            http,
            base,
            authorization,
            patience: settings.patience,
        })
    }

    /// Whether pages of Stripe's may be without TLS, because Stripe is a test's.
    pub(super) fn is_secure(&self) -> bool {
        self.base.starts_with("https:")
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Form<'_>,
    ) -> Result<T, Failure> {
        let path = format!("{path}?{}", encode(query));
        self.exchange(Method::GET, &path, String::new(), None).await
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &Form<'_>,
        key: Option<&str>,
    ) -> Result<T, Failure> {
        self.exchange(Method::POST, path, encode(form), key).await
    }

    /// Does something that the same key never does twice
    /// (<https://docs.stripe.com/api/idempotent_requests>).
    ///
    /// Stripe keeps the answer to a key for a day, also a 500. Such a one would be told again at each
    /// attempt, so the next key of the row takes over: only for what Stripe itself doesn't do twice,
    /// or what harms nobody.
    pub(super) async fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &Form<'_>,
        key: &str,
    ) -> Result<T, Failure> {
        match self.post(path, form, Some(key)).await {
            Err(Failure::Told(told)) if told.is_replayed && told.status.is_server_error() => {
                let next = format!("{key}:again");
                self.post(path, form, Some(&next)).await
            }
            answer => answer,
        }
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: String,
        key: Option<&str>,
    ) -> Result<T, Failure> {
        let request = self.request(method, path, body, key)?;
        let (status, headers, body) = tokio::time::timeout(self.patience, self.send(request))
            .await
            .map_err(|_| Failure::Lost(format!("no answer within {:?}", self.patience)))??;
        if !status.is_success() {
            return Err(Failure::Told(Told::read(status, &headers, &body)));
        }
        serde_json::from_slice(&body)
            .map_err(|_| Failure::Lost("the answer isn't the object that was asked for".into()))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: String,
        key: Option<&str>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder()
            .uri(format!("{}{path}", self.base))
            .header(AUTHORIZATION, self.authorization.clone())
            .header("stripe-version", API_VERSION)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("stagedoor/", env!("CARGO_PKG_VERSION")));
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.method(method).body(Full::from(body));
        request.map_err(|_| Failure::Lost("the request can't be written".into()))
    }

    async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, HeaderMap, Bytes), Failure> {
        let response = self.http.request(request).await.map_err(|error| {
            let what = if error.is_connect() {
                "no connection"
            } else {
                "the connection was lost"
            };
            Failure::Lost(with_sources(what, &error))
        })?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| Failure::Lost("the answer was cut off or too long".into()))?;
        Ok((parts.status, parts.headers, body.to_bytes()))
    }
}

fn encode(form: &Form<'_>) -> String {
    serde_urlencoded::to_string(form).unwrap_or_default()
}

/// The address without a slash at its end, and whether it is reached with TLS.
fn base_of(text: &str) -> Result<(String, bool), SettingsError> {
    let base = text.trim_end_matches('/');
    let uri: Uri = base.parse().map_err(|_| SettingsError::ApiBase)?;
    let host = uri.host().ok_or(SettingsError::ApiBase)?;
    let is_here = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
    let is_plain = uri.query().is_none() && !base.contains(['@', '#']);
    match uri.scheme_str() {
        Some("https") if is_plain => Ok((base.to_owned(), true)),
        // The key would be readable on the way.
        Some("http") if is_plain && is_here => Ok((base.to_owned(), false)),
        _ => Err(SettingsError::ApiBase),
    }
}

fn tls(is_needed: bool) -> Result<ClientConfig, SettingsError> {
    let mut roots = RootCertStore::empty();
    if is_needed {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(SettingsError::NoRoots);
        }
    }
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("ring speaks both versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// Errors of connections name addresses and certificates, never what was sent.
fn with_sources(what: &str, error: &hyper_util::client::legacy::Error) -> String {
    let mut text = what.to_owned();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

impl Told {
    fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let error = serde_json::from_slice::<ErrorBody>(body).unwrap_or_default();
        let error = error.error;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            status,
            kind: word(error.kind.as_deref()),
            code: word(error.code.as_deref()),
            param: word(error.param.as_deref()),
            request: word(header("request-id")),
            should_retry: header("stripe-should-retry").and_then(|value| value.parse().ok()),
            is_replayed: header("idempotent-replayed") == Some("true"),
        }
    }

    /// Whether the same may work later (<https://docs.stripe.com/error-low-level>).
    ///
    /// After a 5xx nobody knows what was done, so it is never final, whatever the header says of the
    /// same key.
    fn may_pass(&self) -> bool {
        let is_passing = matches!(
            self.status,
            StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS | StatusCode::FAILED_DEPENDENCY
        ) || matches!(self.code.as_str(), "lock_timeout" | "rate_limit");
        self.status.is_server_error() || self.should_retry.unwrap_or(is_passing)
    }
}

/// A word of Stripe's vocabulary, or nothing: an answer must not carry anything else into a log.
fn word(text: Option<&str>) -> String {
    let is_of_words = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
    text.filter(|text| text.len() <= WORD_CHARACTERS_MAX && text.bytes().all(is_of_words))
        .unwrap_or_default()
        .to_owned()
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status.as_u16())?;
        for (label, word) in [
            ("", &self.kind),
            ("", &self.code),
            ("at ", &self.param),
            ("request ", &self.request),
        ] {
            if !word.is_empty() {
                write!(f, " {label}{word}")?;
            }
        }
        Ok(())
    }
}

impl From<Failure> for ProviderError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Lost(why) => Self::Unavailable(why),
            Failure::Told(told) if told.may_pass() => Self::Unavailable(told.to_string()),
            Failure::Told(told) => Self::Refused(told.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, headers: &[(&str, &str)], body: &str) -> ProviderError {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().unwrap();
            map.insert(name, value.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Failure::Told(Told::read(status, &map, body.as_bytes())).into()
    }

    fn is_final(error: &ProviderError) -> bool {
        matches!(error, ProviderError::Refused(_))
    }

    #[test]
    fn only_what_no_later_attempt_can_change_is_final() {
        let lock = r#"{"error":{"type":"invalid_request_error","code":"lock_timeout"}}"#;
        for (status, headers, body, expected) in [
            (400, &[][..], "{}", true),
            (401, &[], "{}", true),
            (402, &[], "{}", true),
            (403, &[], "{}", true),
            (404, &[], "{}", true),
            (301, &[], "", true),
            (409, &[], "{}", false),
            (424, &[], "{}", false),
            (429, &[], "{}", false),
            (400, &[], lock, false),
            (500, &[], "", false),
            (503, &[], "<html>", false),
            (400, &[("stripe-should-retry", "true")], "{}", false),
            (409, &[("stripe-should-retry", "false")], "{}", true),
            (500, &[("stripe-should-retry", "false")], "{}", false),
        ] {
            let error = told(status, headers, body);
            assert_eq!(is_final(&error), expected, "{status} {headers:?} {error}");
        }
    }

    #[test]
    fn an_error_tells_its_words_and_nothing_that_somebody_wrote() {
        let body = r#"{"error":{"type":"invalid_request_error","code":"email_invalid",
            "param":"customer_email","message":"Invalid email address: som@example.com"}}"#;
        assert_eq!(
            told(400, &[("request-id", "req_1")], body).to_string(),
            "the payment provider refuses: 400 invalid_request_error email_invalid \
             at customer_email request req_1"
        );
        let odd = r#"{"error":{"type":"som@example.com","code":"a b","param":"ก"}}"#;
        for body in [odd, "som@example.com", "[]", ""] {
            let text = told(400, &[("request-id", "a\tb")], body).to_string();
            assert_eq!(text, "the payment provider refuses: 400");
        }
    }

    #[test]
    fn the_key_leaves_the_machine_encrypted_only() {
        for (base, expected) in [
            ("https://api.stripe.com", Some(true)),
            ("https://api.stripe.com/", Some(true)),
            ("http://127.0.0.1:1234", Some(false)),
            ("http://[::1]:1234", Some(false)),
            ("http://localhost:1234/", Some(false)),
            ("http://api.stripe.com", None),
            ("http://127.0.0.1@example.com", None),
            ("http://localhost.example.com", None),
            ("ftp://127.0.0.1", None),
            ("https://api.stripe.com?x=1", None),
            ("api.stripe.com", None),
            ("", None),
        ] {
            let is_secure = base_of(base).ok().map(|(_, is_secure)| is_secure);
            assert_eq!(is_secure, expected, "{base}");
        }
    }
}
