//! Where payment providers tell what became of payments.
//!
//! An answer of 200 means that it is kept and acted on; everything else is told again.

use app::App;
use app::payments::{self, DeliverError, Told};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use http::HeaderMap;
use serde::Serialize;

use crate::http::problem::{Code, Problem};

/// What became of a delivery.
#[derive(Debug, Serialize)]
pub struct Received {
    received: bool,
    /// Whether it had been told before.
    known: bool,
}

/// `POST /webhooks/{provider}`: the signature is checked on the body as it came.
pub async fn receive(
    State(app): State<App>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Received>, Problem> {
    let told = payments::deliver(&app, &provider, &headers, &body).await?;
    Ok(Json(Received {
        received: true,
        known: told == Told::Known,
    }))
}

impl From<DeliverError> for Problem {
    fn from(error: DeliverError) -> Self {
        use app::providers::Disbelief;
        match error {
            DeliverError::NoProvider => Self::not_found(),
            DeliverError::Disbelief(Disbelief::Unreadable) => Self::new(
                Code::MalformedRequest,
                "The body isn't an event of this provider.",
            ),
            DeliverError::Disbelief(disbelief) => {
                tracing::warn!(%disbelief, "a webhook's body wasn't believed");
                let detail =
                    "The signature doesn't fit. Check the webhook's secret and the clocks.";
                Self::new(Code::Unauthenticated, detail)
            }
            DeliverError::Store(error) => error.into(),
        }
    }
}
