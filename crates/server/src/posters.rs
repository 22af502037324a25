//! Posters: how a picture comes in, and how it is shown.

use app::App;
use app::posters;
use axum::body::Bytes;
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{FromRequest, Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::http::limits;
use crate::http::problem::Problem;

/// Its name tells its content: who has one once needs to ask no more (RFC 8246).
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// The field of a form that has the file.
const FIELD: &str = "image";

/// `GET /posters/{file}`
pub async fn show(State(app): State<App>, Path(file): Path<String>) -> Result<Response, Problem> {
    let found = posters::find(&app, &file).await?;
    let picture = found.ok_or_else(Problem::not_found)?;
    let head = [(CONTENT_TYPE, "image/jpeg"), (CACHE_CONTROL, FOR_GOOD)];
    Ok((head, picture).into_response())
}

/// A file as it was uploaded: the field `image` of a form, or the whole body. What it really is decides
/// its content, and neither its name nor its type; without a file it is empty.
#[derive(Debug)]
pub struct Uploaded(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Uploaded {
    type Rejection = Problem;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Problem> {
        limits::widen(&mut request);
        let media_type = request.headers().get(CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        if !media_type.is_some_and(|name| name.starts_with("multipart/form-data")) {
            let body = Bytes::from_request(request, state).await;
            return body
                .map(Self)
                .map_err(|error| Problem::of_status(error.status()));
        }
        let form = Multipart::from_request(request, state).await;
        let mut form = form.map_err(|error| Problem::of_status(error.status()))?;
        while let Some(field) = form.next_field().await.map_err(|error| refused(&error))? {
            if field.name() == Some(FIELD) {
                return field
                    .bytes()
                    .await
                    .map(Self)
                    .map_err(|error| refused(&error));
            }
        }
        Ok(Self(Bytes::new()))
    }
}

fn refused(error: &MultipartError) -> Problem {
    Problem::of_status(error.status())
}
