//! Metrics in Prometheus' text format, on an address of their own.

use std::sync::OnceLock;
use std::time::Duration;

use app::App;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// From a cached page to the longest that a request may take, in seconds.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Requests in one transaction, up to the engine's most.
const BATCH_SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Starts collecting in this process; later calls give the same collection.
pub fn install() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let builder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
                .and_then(|builder| {
                    let sizes = Matcher::Suffix("_batch_size".to_owned());
                    builder.set_buckets_for_metric(sizes, &BATCH_SIZES)
                });
            let recorder = builder.map(PrometheusBuilder::build_recorder);
            let recorder = recorder.unwrap_or_else(|_| PrometheusBuilder::new().build_recorder());
            let handle = recorder.handle();
            // Somebody else's recorder, in a program that embeds us, stays in place.
            let _ = metrics::set_global_recorder(recorder);
            describe();
            handle
        })
        .clone()
}

/// Folds what was measured into the histograms, so that memory stays flat when nobody asks.
pub async fn keep_up(handle: PrometheusHandle) {
    let mut tick = tokio::time::interval(UPKEEP_EVERY);
    loop {
        tick.tick().await;
        handle.run_upkeep();
    }
}

/// The metrics address' only route.
pub fn router(app: App, handle: PrometheusHandle) -> Router {
    register(&app);
    Router::new()
        .route("/metrics", get(show))
        .with_state((app, handle))
}

async fn show(
    State((app, handle)): State<(App, PrometheusHandle)>,
) -> ([(http::HeaderName, &'static str); 1], String) {
    measure(&app);
    handle.run_upkeep();
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        handle.render(),
    )
}

/// Figures that are read when they are asked for.
#[expect(
    clippy::cast_precision_loss,
    reason = "queues hold some ten thousand requests at most"
)]
fn measure(app: &App) {
    let pool = app.writer();
    let (name, state) = (pool.name(), pool.state());
    let connections = |kind| gauge!("stagedoor_pool_connections", "pool" => name, "state" => kind);
    connections("active").set(f64::from(state.active));
    connections("idle").set(f64::from(state.idle));
    gauge!("stagedoor_pool_waiting", "pool" => name).set(f64::from(state.waiting));
    gauge!("stagedoor_admission_queue_depth").set(app.waiting_requests() as f64);
}

/// Makes every series exist from the start, so that an absent one means an absent server.
fn register(app: &App) {
    let pool = app.writer().name();
    measure(app);
    let _ = histogram!("stagedoor_pool_wait_seconds", "pool" => pool);
    let _ = histogram!("stagedoor_admission_batch_size");
    let _ = histogram!("stagedoor_admission_wait_seconds");
    let _ = histogram!("stagedoor_admission_commit_seconds");
    for kind in ["connect", "timeout", "broken"] {
        counter!("stagedoor_pool_errors_total", "pool" => pool, "kind" => kind).absolute(0);
    }
    for outcome in app::reserve::OUTCOMES {
        counter!("stagedoor_reservations_total", "outcome" => outcome).absolute(0);
    }
    counter!("stagedoor_audit_seals_lost_total").absolute(0);
    for outcome in app::sign_in::OUTCOMES {
        counter!("stagedoor_staff_sign_ins_total", "outcome" => outcome).absolute(0);
    }
    for statement in ["BEGIN", "COMMIT", "ROLLBACK"]
        .iter()
        .chain(store::STATEMENTS)
    {
        let statement = *statement;
        let _ = histogram!("stagedoor_query_duration_seconds", "statement" => statement);
        counter!("stagedoor_slow_queries_total", "statement" => statement).absolute(0);
    }
    let _ = histogram!(
        "stagedoor_http_request_duration_seconds",
        "route" => "/{lang}/", "method" => "GET", "status" => "200"
    );
}

fn describe() {
    describe_gauge!(
        "stagedoor_pool_connections",
        "Connections of a pool by state"
    );
    describe_gauge!(
        "stagedoor_pool_waiting",
        "Requests that wait for a connection"
    );
    describe_histogram!(
        "stagedoor_pool_wait_seconds",
        "Time until a connection was had"
    );
    describe_counter!(
        "stagedoor_pool_errors_total",
        "Connections that failed or were not had"
    );
    describe_histogram!(
        "stagedoor_http_request_duration_seconds",
        "Time until an answer began"
    );
    describe_histogram!(
        "stagedoor_query_duration_seconds",
        "Time of a statement, by its name"
    );
    describe_counter!(
        "stagedoor_slow_queries_total",
        "Statements that took over 100 ms"
    );
    describe_histogram!(
        "stagedoor_admission_batch_size",
        "Requests to reserve that one transaction decided"
    );
    describe_gauge!(
        "stagedoor_admission_queue_depth",
        "Requests to reserve without an answer yet"
    );
    describe_histogram!(
        "stagedoor_admission_wait_seconds",
        "Time of a request to reserve until its transaction began"
    );
    describe_histogram!(
        "stagedoor_admission_commit_seconds",
        "Time of writing and committing a batch"
    );
    describe_counter!(
        "stagedoor_reservations_total",
        "Requests to reserve, by outcome"
    );
    describe_counter!(
        "stagedoor_staff_sign_ins_total",
        "Attempts of staff to sign in, by outcome"
    );
    describe_counter!(
        "stagedoor_audit_seals_lost_total",
        "Seals over the audit log that this process made and then found gone"
    );
    describe_gauge!(
        "stagedoor_audit_unsealed",
        "Seconds since the oldest audit row without a seal was written"
    );
    describe_gauge!(
        "stagedoor_jobs_oldest_seconds",
        "How long the longest waiting due job has been due, by task"
    );
}
