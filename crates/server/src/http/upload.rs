//! Requests that bring files, as large as their addresses take.

use axum::body::Bytes;
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;

use super::limits;
use super::problem::Problem;

/// The fields of a form with files, or the whole body where it is no such form.
#[derive(Debug)]
pub enum Upload {
    Form(Vec<(String, Bytes)>),
    Body(Bytes),
}

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = Problem;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Problem> {
        limits::widen(&mut request);
        let media_type = request.headers().get(CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        if !media_type.is_some_and(|name| name.starts_with("multipart/form-data")) {
            let body = Bytes::from_request(request, state).await;
            return body
                .map(Self::Body)
                .map_err(|error| Problem::of_status(error.status()));
        }
        let form = Multipart::from_request(request, state).await;
        let mut form = form.map_err(|error| Problem::of_status(error.status()))?;
        let mut fields = Vec::new();
        while let Some(field) = form.next_field().await.map_err(|error| refused(&error))? {
            let name = field.name().unwrap_or_default().to_owned();
            let value = field.bytes().await.map_err(|error| refused(&error))?;
            fields.push((name, value));
        }
        Ok(Self::Form(fields))
    }
}

fn refused(error: &MultipartError) -> Problem {
    Problem::of_status(error.status())
}
