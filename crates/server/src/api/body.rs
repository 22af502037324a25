//! Reading a JSON body with an answer for everything that can be wrong with it.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::http::fields::Fields;
use crate::http::problem::{Code, Problem};

/// The fields of a JSON object.
#[derive(Debug)]
pub struct JsonFields(pub Fields);

impl<S: Send + Sync> FromRequest<S> for JsonFields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let media_type = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(|value| value.trim().to_ascii_lowercase());
        if media_type.as_deref() != Some("application/json") {
            let detail = "Send the body as `Content-Type: application/json`.";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let body = read_body(request, state).await?;
        let value: serde_json::Value = serde_json::from_slice(&body).map_err(|error| {
            let detail = format!("The body isn't JSON: {error}.");
            Problem::new(Code::MalformedRequest, detail)
        })?;
        Fields::from_json(value)
            .map(Self)
            .ok_or_else(|| Problem::new(Code::ValidationFailed, "The body must be a JSON object."))
    }
}

/// The whole body, within the router's limit.
pub async fn read_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE)
            } else {
                Problem::new(
                    Code::MalformedRequest,
                    "The body ended before it was complete.",
                )
            }
        })
}
