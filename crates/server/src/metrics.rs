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
use store::Replicas;
use store::pool::PoolState;

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
    for (name, state) in pools(app) {
        let connections =
            |kind| gauge!("stagedoor_pool_connections", "pool" => name, "state" => kind);
        connections("active").set(f64::from(state.active));
        connections("idle").set(f64::from(state.idle));
        gauge!("stagedoor_pool_waiting", "pool" => name).set(f64::from(state.waiting));
    }
    gauge!("stagedoor_admission_queue_depth").set(app.waiting_requests() as f64);
}

/// The replicas' pools are shown as one; without replicas it has no connections.
fn pools(app: &App) -> [(&'static str, PoolState); 2] {
    let readers = app.replicas().map(Replicas::pool_state);
    [
        (app.writer().name(), app.writer().state()),
        ("reader", readers.unwrap_or_default()),
    ]
}

/// Makes every series exist from the start, so that an absent one means an absent server.
fn register(app: &App) {
    measure(app);
    for (pool, _) in pools(app) {
        let _ = histogram!("stagedoor_pool_wait_seconds", "pool" => pool);
        for kind in ["connect", "timeout", "broken"] {
            counter!("stagedoor_pool_errors_total", "pool" => pool, "kind" => kind).absolute(0);
        }
    }
    let _ = histogram!("stagedoor_admission_batch_size");
    let _ = histogram!("stagedoor_admission_wait_seconds");
    let _ = histogram!("stagedoor_admission_commit_seconds");
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

/// What each metric is, by its kind.
const GAUGES: [(&str, &str); 37] = [
    (
        "stagedoor_pool_connections",
        "Connections of a pool by state",
    ),
    (
        "stagedoor_pool_waiting",
        "Requests that wait for a connection",
    ),
    (
        "stagedoor_replica_up",
        "1 while a replica answers, or is the primary",
    ),
    (
        "stagedoor_replica_lag_seconds",
        "For how long the primary has had something that a replica lacks",
    ),
    (
        "stagedoor_replica_lag_bytes",
        "Bytes of the write-ahead log that a replica has not replayed",
    ),
    (
        "stagedoor_admission_queue_depth",
        "Requests to reserve without an answer yet",
    ),
    (
        "stagedoor_audit_unsealed",
        "Seconds since the oldest audit row without a seal was written",
    ),
    (
        "stagedoor_backup_last_success_timestamp_seconds",
        "When the last backup, check or drill ended well, by repository and type; 0: never",
    ),
    (
        "stagedoor_backup_last_failure_timestamp_seconds",
        "When a backup, check or drill failed that was not made good since; 0: there is none",
    ),
    (
        "stagedoor_wal_archive_age_seconds",
        "How old the oldest log may be that isn't archived; +Inf: none is archived at all",
    ),
    (
        "stagedoor_wal_archive_waiting_bytes",
        "Log on the primary's disk that isn't archived yet",
    ),
    (
        "stagedoor_restore_drill_seconds",
        "How long the last restore drill took that ended well; 0: there was none",
    ),
    (
        "stagedoor_tickets_available",
        "Tickets left of a concert on sale",
    ),
    (
        "stagedoor_tickets_held",
        "Tickets of a concert on sale that unpaid reservations hold",
    ),
    ("stagedoor_table_bytes", "Size of a table with its indexes"),
    ("stagedoor_table_rows", "Rows of a table, estimated"),
    ("stagedoor_index_bytes", "Size of an index"),
    (
        "stagedoor_table_growth_bytes_per_day",
        "How much a table grows in a day, over the last week",
    ),
    ("stagedoor_database_bytes", "Size of the database"),
    (
        "stagedoor_disk_free_bytes",
        "Free room on the database's disk, where that is on this machine",
    ),
    (
        "stagedoor_disk_size_bytes",
        "Size of the database's disk, where that is on this machine",
    ),
    (
        "stagedoor_connection_uptime_seconds",
        "For how long a pool's database could be reached without a break",
    ),
    (
        "stagedoor_database_start_timestamp_seconds",
        "When the database was started",
    ),
    (
        "stagedoor_database_connections",
        "Sessions of the database, of all programs, by state",
    ),
    (
        "stagedoor_database_connections_max",
        "Sessions that the database server allows",
    ),
    (
        "stagedoor_transaction_oldest_seconds",
        "How long the oldest open transaction has lasted",
    ),
    (
        "stagedoor_snapshot_oldest_seconds",
        "How long the oldest transaction that keeps old rows has lasted",
    ),
    ("stagedoor_lock_waiting", "Sessions that wait for a lock"),
    (
        "stagedoor_lock_wait_seconds",
        "How long the longest of them has waited",
    ),
    (
        "stagedoor_standby_missing",
        "1 while commits must wait for a standby and none confirms them",
    ),
    (
        "stagedoor_standbys",
        "Standbys that stream from the primary",
    ),
    (
        "stagedoor_sale_possible_timestamp_seconds",
        "When this process last found that the database takes sales; 0: not since it started",
    ),
    (
        "stagedoor_write_probe_success_timestamp_seconds",
        "When a buyer or the write probe last could reserve, of all servers; 0: not known yet",
    ),
    (
        "stagedoor_jobs_dead",
        "Jobs that were given up and are still kept",
    ),
    (
        "stagedoor_invariant_failures",
        "Concerts whose tickets left aren't the total less what is held",
    ),
    (
        "stagedoor_analyze_last_timestamp_seconds",
        "When the statistics of all tables were last gathered; 0: never",
    ),
    (
        "stagedoor_jobs_oldest_seconds",
        "How long the longest waiting due job has been due, by task",
    ),
];

const COUNTERS: [(&str, &str); 7] = [
    (
        "stagedoor_table_scans_total",
        "Scans of a whole table since this process first looked",
    ),
    (
        "stagedoor_deadlocks_total",
        "Deadlocks since this process first looked",
    ),
    (
        "stagedoor_pool_errors_total",
        "Connections that failed or were not had",
    ),
    (
        "stagedoor_slow_queries_total",
        "Statements that took over 100 ms",
    ),
    (
        "stagedoor_reservations_total",
        "Requests to reserve, by outcome",
    ),
    (
        "stagedoor_staff_sign_ins_total",
        "Attempts of staff to sign in, by outcome",
    ),
    (
        "stagedoor_audit_seals_lost_total",
        "Seals over the audit log that this process made and then found gone",
    ),
];

const HISTOGRAMS: [(&str, &str); 8] = [
    (
        "stagedoor_write_probe_seconds",
        "Time of a write probe that succeeded",
    ),
    (
        "stagedoor_health_collect_seconds",
        "Time of one look at the figures of health",
    ),
    (
        "stagedoor_pool_wait_seconds",
        "Time until a connection was had",
    ),
    (
        "stagedoor_http_request_duration_seconds",
        "Time until an answer began",
    ),
    (
        "stagedoor_query_duration_seconds",
        "Time of a statement, by its name",
    ),
    (
        "stagedoor_admission_batch_size",
        "Requests to reserve that one transaction decided",
    ),
    (
        "stagedoor_admission_wait_seconds",
        "Time of a request to reserve until its transaction began",
    ),
    (
        "stagedoor_admission_commit_seconds",
        "Time of writing and committing a batch",
    ),
];

fn describe() {
    for (name, text) in GAUGES {
        describe_gauge!(name, text);
    }
    for (name, text) in COUNTERS {
        describe_counter!(name, text);
    }
    for (name, text) in HISTOGRAMS {
        describe_histogram!(name, text);
    }
}
