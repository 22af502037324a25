//! `/admin/concerts/{id}/image`: a concert's poster.

use app::{App, posters};
use axum::extract::State;
use axum::response::Response;
use domain::id::ConcertId;
use utoipa::ToSchema;

use super::concerts::shown;
use crate::api::model::ConcertBody;
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::staff::{Staff, UploadPoster};
use crate::posters::Uploaded;

/// A form with a file.
#[derive(Debug, ToSchema)]
#[schema(as = Image)]
#[expect(dead_code, reason = "it says in the document what a form has")]
pub struct ImageBody {
    /// A JPEG, PNG or WebP picture of at most 8 MB.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
}

/// Give a concert its poster
///
/// The picture is drawn anew, upright and without what else is in its file, as JPEG 360, 720 and
/// 1200 pixels wide at most. `image_url` then names the second of them. Instead of a form the picture
/// alone may be sent, as `image/jpeg`, `image/png` or `image/webp`.
#[utoipa::path(
    post, path = "/admin/concerts/{id}/image", tag = "staff", operation_id = "setConcertImage",
    params(("id" = i32, Path, description = "The concert's number", minimum = 1)),
    request_body(content = ImageBody, content_type = "multipart/form-data"),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = ConcertBody, description = "The concert with its poster", headers(("ETag" = String, description = "Changes with what can be edited, not with a sale"))),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The form can't be read"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: admins alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such concert"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: the concert is archived, or was cancelled"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The picture is larger than 8 MB"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: why this can't be a poster"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, also while other posters are drawn; `database_unavailable`; try again"),
    )
)]
pub async fn set(
    State(app): State<App>,
    by: Staff<UploadPoster>,
    Segment(id): Segment<ConcertId>,
    Uploaded(file): Uploaded,
) -> Result<Response, Problem> {
    let concert = posters::set(&app, id, file, by.acting).await?;
    Ok(shown(&app, concert))
}
