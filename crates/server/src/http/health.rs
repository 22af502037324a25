//! Liveness and readiness, for load balancers and process managers.

use app::App;
use app::health::{self, NotReady};
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde_json::json;

/// 200 while the process lives.
pub async fn healthz() -> Json<serde_json::Value> {
    Json(json!({ "status": "alive" }))
}

/// 200 when the database answers and its schema is current; with `for=writes` also when it takes
/// sales. Otherwise 503 with the reason.
pub async fn readyz(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    let for_writes = query.as_deref() == Some("for=writes");
    let checked = if for_writes {
        health::check_ready_to_sell(&app).await
    } else {
        health::check_ready(&app).await
    };
    match checked {
        Ok(()) => Json(json!({ "status": "ready" })).into_response(),
        Err(reason) => {
            if let NotReady::Database(error) = &reason {
                tracing::warn!(%error, "not ready");
            }
            let body = json!({ "status": "not_ready", "reason": reason.to_string() });
            (
                StatusCode::SERVICE_UNAVAILABLE,
                [(RETRY_AFTER, "1")],
                Json(body),
            )
                .into_response()
        }
    }
}
