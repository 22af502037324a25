//! A path's variable segment, parsed into what it names. What can't be a name isn't found.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

use super::problem::Problem;

/// The segment `{id}`.
#[derive(Clone, Debug)]
pub struct Segment<T>(pub T);

impl<T: FromStr + Send, S: Send + Sync> FromRequestParts<S> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parameters = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::not_found())?;
        let segment = parameters.iter().find(|(name, _)| *name == "id");
        segment
            .and_then(|(_, text)| text.parse().ok())
            .map(Self)
            .ok_or_else(Problem::not_found)
    }
}
