//! Posters: how a picture comes in, and how it is shown.

use app::App;
use app::posters;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};

use crate::http::problem::Problem;
use crate::http::upload::Upload;

/// Its name tells its content: who has one once needs to ask no more (RFC 8246).
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// The field of a form that has the file.
const FIELD: &str = "image";

/// `GET /posters/{file}`
pub async fn show(State(app): State<App>, Path(file): Path<String>) -> Result<Response, Problem> {
    let found = posters::find(&app, &file).await?;
    let picture = found.ok_or_else(Problem::not_found)?;
    let head = [
        (CONTENT_TYPE, HeaderValue::from_static("image/jpeg")),
        (CACHE_CONTROL, HeaderValue::from_static(FOR_GOOD)),
        (CONTENT_LENGTH, picture.bytes.into()),
    ];
    Ok((head, Body::from_stream(picture.parts)).into_response())
}

/// A file as it was uploaded: the field `image` of a form, or the whole body. What it really is decides
/// its content, and neither its name nor its type; without a file it is empty.
#[derive(Debug)]
pub struct Uploaded(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Uploaded {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let file = match Upload::from_request(request, state).await? {
            Upload::Body(body) => Some(body),
            Upload::Form(fields) => fields
                .into_iter()
                .find_map(|(name, value)| (name == FIELD).then_some(value)),
        };
        Ok(Self(file.unwrap_or_default()))
    }
}
