//! The way to a provider: HTTPS with the system's authorities, or plain on this machine alone.
//! Nothing is followed anywhere else, and no answer is read without an end.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Uri;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const CONNECT_MAX: Duration = Duration::from_secs(2);
/// Discovery documents, keys and tokens have some kilobytes each.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
const IDLE_MAX: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS_MAX: usize = 4;

/// Why there is no answer; for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error("an address without https")]
    Plain,
    #[error("no connection: {0}")]
    Lost(String),
    #[error("its answer was cut off or is too long")]
    Body,
    #[error("it answers {0}")]
    Failing(u16),
}

pub(super) struct Exchange {
    http: Http<HttpsConnector<HttpConnector>, Full<Bytes>>,
    is_plain: bool,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

/// Whether a provider is reached without TLS, which only one on this machine is; `None` for what is
/// no address of a provider.
pub(super) fn is_plain(address: &str) -> Option<bool> {
    let uri: Uri = address.parse().ok()?;
    let host = uri.host()?;
    let is_here = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
    match uri.scheme_str()? {
        "https" => Some(false),
        "http" if is_here && !address.contains('@') => Some(true),
        _ => None,
    }
}

impl Exchange {
    /// `is_plain`: whether what the provider names may be without TLS too, on this machine.
    pub(super) fn new(is_plain: bool) -> Option<Self> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_MAX));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(is_plain)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = Http::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        Some(Self { http, is_plain })
    }

    /// Whether a browser or a request of ours may go there.
    pub(super) fn may_lead_to(&self, address: &str) -> bool {
        match is_plain(address) {
            Some(true) => self.is_plain,
            Some(false) => true,
            None => false,
        }
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ExchangeError> {
        if !self.may_lead_to(&request.uri().to_string()) {
            return Err(ExchangeError::Plain);
        }
        let request = request.map(|body| Full::from(Bytes::from(body)));
        let answer = self.http.request(request).await;
        let answer = answer.map_err(|error| ExchangeError::Lost(with_sources(&error)))?;
        let (parts, body) = answer.into_parts();
        if parts.status.is_server_error() {
            return Err(ExchangeError::Failing(parts.status.as_u16()));
        }
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| ExchangeError::Body)?;
        Ok(http::Response::from_parts(parts, body.to_bytes().to_vec()))
    }
}

impl<'c> AsyncHttpClient<'c> for Exchange {
    type Error = ExchangeError;
    type Future = BoxFuture<'c, Result<HttpResponse, ExchangeError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

fn tls(is_plain: bool) -> Option<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() && !is_plain {
        return None;
    }
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("ring speaks both versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some(config)
}

/// Errors of connections name addresses and certificates, never what was sent.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_provider_on_this_machine_is_reached_without_tls() {
        for (address, expected) in [
            ("https://accounts.google.com", Some(false)),
            ("http://127.0.0.1:1234", Some(true)),
            ("http://localhost:1234/oidc", Some(true)),
            ("http://accounts.google.com", None),
            ("http://127.0.0.1@example.com", None),
            ("http://localhost.example.com", None),
            ("ftp://127.0.0.1", None),
            ("", None),
        ] {
            assert_eq!(is_plain(address), expected, "{address}");
        }
    }
}
