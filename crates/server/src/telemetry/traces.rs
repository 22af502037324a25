//! Traces by OpenTelemetry: each request with the statements that it ran, sent by OTLP over HTTP.
//!
//! The spans are those of the log. They get the names of OpenTelemetry's semantic conventions only
//! where they are sent, so that the log stays as it is. Absent on purpose: what a request brings along.

use std::io::IsTerminal as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Bytes;
use http::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry::trace::{SpanKind, Status, TracerProvider as _};
use opentelemetry::{Key, KeyValue};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{RetryPolicy, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tokio::runtime::Handle;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::{EnvFilter, dynamic_filter_fn};
use tracing_subscriber::layer::{Context, Filter, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::config::{Log, LogFormat};
use crate::http::request::{OTHER_METHOD, SPAN, UNKNOWN_ROUTE};

/// A collector is near; one that is slower loses spans, and keeps no request waiting.
const SENT_WITHIN: Duration = Duration::from_secs(5);

/// How long the end of the program may wait for a collector.
const FINISHED_WITHIN: Duration = Duration::from_secs(3);

/// Where the spans of requests and of statements are made.
const REQUESTS: &str = "stagedoor::http::request";
const STATEMENTS: &str = "store::connection";

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Whether traces get lost, which is said once and not for every batch.
static ARE_LOST: AtomicBool = AtomicBool::new(false);

/// Starts logging as it is without traces, and sending them.
pub(super) fn init(log: &Log, endpoint: &str, shown: EnvFilter) -> Result<(), String> {
    let provider = provider(endpoint).map_err(|error| {
        format!("no traces can be sent to STAGEDOOR_OTEL_ENDPOINT: {error}; correct or unset it")
    })?;
    let traces = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("stagedoor"))
        .with_context_activation(false)
        .with_tracked_inactivity(false)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_filter(of_requests());
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Pretty => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry()
        .with(lines.with_filter(shown))
        .with(traces)
        .try_init();
    // An error means that a subscriber is there already, as in tests.
    if started.is_ok() {
        let _ = PROVIDER.set(provider);
    }
    Ok(())
}

/// Requests, and statements within one: by itself a statement of some background task tells nothing
/// that the metrics don't.
fn of_requests<S>() -> impl Filter<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let is_told =
        |told: &Metadata<'_>| told.is_span() && [REQUESTS, STATEMENTS].contains(&told.target());
    dynamic_filter_fn(move |told, around: &Context<'_, S>| {
        is_told(told) && (told.target() == REQUESTS || around.lookup_current().is_some())
    })
    .with_max_level_hint(LevelFilter::DEBUG)
    .with_callsite_filter(move |told| {
        if is_told(told) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    })
}

/// Tells a request's trace how it ended.
pub(super) fn answered(span: &Span, status: u16) {
    if PROVIDER.get().is_none() {
        return;
    }
    span.set_attribute("http.response.status_code", i64::from(status));
    // What a client did wrong is no error of the server's.
    if status >= 500 {
        span.set_attribute("error.type", status.to_string());
        span.set_status(Status::error(""));
    }
}

fn provider(endpoint: &str) -> Result<SdkTracerProvider, String> {
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(endpoint.starts_with("https:"))?)
        .https_or_http()
        .enable_http1()
        .build();
    let client = InRuntime {
        client: Arc::new(HyperClient::new(connector, SENT_WITHIN, None)),
        runtime: Handle::current(),
    };
    let sending = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .with_timeout(SENT_WITHIN)
        // What waits meanwhile has no room for long, and is worth no second try.
        .with_retry_policy(RetryPolicy::disabled())
        .build()
        .map_err(|error| error.to_string())?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder()
        .with_service_name("stagedoor")
        .with_attribute(version)
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(Named(sending))
        .with_resource(resource)
        .build())
}

fn tls(is_needed: bool) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    if is_needed {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err("this machine has no certificates of authorities".to_owned());
        }
    }
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// Waits until what was measured is sent, or can't be.
pub(super) async fn finish() {
    if let Some(provider) = PROVIDER.get() {
        let end = || provider.shutdown_with_timeout(FINISHED_WITHIN);
        if let Ok(Err(_)) = tokio::task::spawn_blocking(end).await {
            note_loss("the collector takes too long");
        }
    }
}

fn note_loss(reason: &str) {
    if !ARE_LOST.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            reason,
            "traces can't be sent to STAGEDOOR_OTEL_ENDPOINT; they are lost until they can"
        );
    }
}

/// Gives requests the names of the semantic conventions for HTTP servers, on the exporter's thread.
#[derive(Debug)]
struct Named<E>(E);

impl<E: SpanExporter> SpanExporter for Named<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.export(batch.into_iter().map(named).collect()).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn named(mut span: SpanData) -> SpanData {
    if span.name != SPAN {
        return span;
    }
    let told = |key: &str| {
        let told = span.attributes.iter().find(|told| told.key.as_str() == key);
        told.map(|told| told.value.to_string()).unwrap_or_default()
    };
    let (method, route) = (told("method"), told("route"));
    let is_known = route != UNKNOWN_ROUTE;
    span.span_kind = SpanKind::Server;
    let verb = if method == OTHER_METHOD {
        "HTTP"
    } else {
        &method
    };
    span.name = if is_known {
        format!("{verb} {route}").into()
    } else {
        verb.to_owned().into()
    };
    span.attributes
        .retain(|told| is_known || told.key.as_str() != "route");
    for told in &mut span.attributes {
        match told.key.as_str() {
            "method" if method == OTHER_METHOD => {
                *told = KeyValue::new("http.request.method", "_OTHER");
            }
            "method" => told.key = Key::from_static_str("http.request.method"),
            "route" => told.key = Key::from_static_str("http.route"),
            _ => {}
        }
    }
    span
}

/// The exporter has a thread of its own, and connections live in the program's runtime.
#[derive(Debug)]
struct InRuntime {
    client: Arc<HyperClient<HttpsConnector<HttpConnector>>>,
    runtime: Handle,
}

type Sent<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for InRuntime {
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> Sent<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        let client = Arc::clone(&self.client);
        let exchange = async move {
            let sent = client.send_bytes(request).await;
            match &sent {
                Ok(answer) if answer.status().is_success() => {
                    if ARE_LOST.swap(false, Ordering::Relaxed) {
                        tracing::info!("traces are sent again");
                    }
                }
                Ok(answer) => note_loss(&format!("the collector answers {}", answer.status())),
                Err(error) => note_loss(&with_sources(error.as_ref())),
            }
            sent
        };
        let sent = self.runtime.spawn(exchange);
        Box::pin(async move { sent.await? })
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{SpanContext, SpanId};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

    use super::*;

    fn request(method: &'static str, route: &'static str) -> SpanData {
        let now = std::time::UNIX_EPOCH;
        named(SpanData {
            span_context: SpanContext::empty_context(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: SPAN.into(),
            start_time: now,
            end_time: now,
            attributes: vec![
                KeyValue::new("method", method),
                KeyValue::new("route", route),
            ],
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        })
    }

    #[test]
    fn requests_have_the_names_of_the_conventions() {
        let known = request("GET", "/en/concerts/{id}");
        assert_eq!(known.name, "GET /en/concerts/{id}");
        assert_eq!(known.span_kind, SpanKind::Server);
        let told = [
            KeyValue::new("http.request.method", "GET"),
            KeyValue::new("http.route", "/en/concerts/{id}"),
        ];
        assert_eq!(known.attributes, told);
    }

    #[test]
    fn what_nobody_knows_has_no_route_and_no_method_of_its_own() {
        let unknown = request(OTHER_METHOD, UNKNOWN_ROUTE);
        assert_eq!(unknown.name, "HTTP");
        let told = [KeyValue::new("http.request.method", "_OTHER")];
        assert_eq!(unknown.attributes, told);
        assert_eq!(request("GET", UNKNOWN_ROUTE).name, "GET");
    }
}
