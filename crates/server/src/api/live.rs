//! `/concerts/{id}/live`: tickets left, as they change.

use app::App;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::id::ConcertId;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::http::client::ClientAddress;
use crate::http::feed::Feeds;
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;

/// Tickets left, live
///
/// Server-sent events: `availability` with `{"available_tickets","status"}` as data, at once and at
/// every change, at most one a second. The stream ends when the concert is gone or the server
/// stops; asking again tells which.
#[utoipa::path(
    get, path = "/concerts/{id}/live", tag = "concerts", operation_id = "watchConcert",
    params(("id" = i32, Path, description = "The concert's number", minimum = 1)),
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "A stream of events"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such concert"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`: too many watch; ask for the concert itself from time to time. `database_unavailable`; try again"),
    )
)]
pub async fn watch(
    State(app): State<App>,
    State(feeds): State<Feeds>,
    client: ClientAddress,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    let stream = feeds.watch(&app, id, client.network()).await?;
    let head = [
        (CONTENT_TYPE.as_str(), "text/event-stream"),
        (CACHE_CONTROL.as_str(), "no-store"),
        // nginx and its kin would gather events until a buffer is full.
        ("x-accel-buffering", "no"),
    ];
    Ok((head, stream).into_response())
}
