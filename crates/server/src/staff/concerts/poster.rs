//! A concert's poster comes in.

use app::posters::{self, Fault, PosterError};
use axum::extract::State;
use axum::response::Response;
use domain::id::ConcertId;
use http::StatusCode;

use super::{OnePage, address, refusal};
use crate::http::page::show;
use crate::http::path::Segment;
use crate::http::problem::{Code, Problem};
use crate::http::staff::UploadPoster;
use crate::posters::Uploaded;
use crate::staff::frame::done;
use crate::staff::member::Member;
use app::App;

/// `POST /staff/concerts/{id}/poster`
pub(super) async fn upload(
    State(app): State<App>,
    member: Member<UploadPoster>,
    Segment(id): Segment<ConcertId>,
    uploaded: Result<Uploaded, Problem>,
) -> Result<Response, Problem> {
    let by = member.acting.clone();
    let outcome = match uploaded {
        Ok(Uploaded(file)) => posters::set(&app, id, file, by).await,
        Err(problem) if problem.code == Code::PayloadTooLarge => Err(Fault::TooManyBytes.into()),
        Err(problem) => return Err(problem),
    };
    let fault = match outcome {
        Ok(_) => return Ok(done(&address(id), "poster-set")),
        Err(PosterError::Fault(fault)) => fault,
        Err(PosterError::Change(error)) => return refusal(member.frame, id, error),
        Err(error) => return Err(error.into()),
    };
    let sentence = member.frame.t(key(fault));
    let page = OnePage::of(&app, member.frame, &member.acting, id).await?;
    let page = OnePage {
        errors: vec![("image", sentence.clone())],
        wrong_poster: Some(sentence),
        ..page
    };
    Ok(show(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

/// Why a file becomes no poster, and what to do.
const fn key(fault: Fault) -> &'static str {
    match fault {
        Fault::Empty => "sc-poster-empty",
        Fault::TooManyBytes => "sc-poster-bytes",
        Fault::OtherKind => "sc-poster-kind",
        Fault::Truncated => "sc-poster-truncated",
        Fault::MoreBehind => "sc-poster-behind",
        Fault::TooLarge => "sc-poster-large",
        Fault::TooSmall => "sc-poster-small",
        Fault::Broken => "sc-poster-broken",
    }
}
