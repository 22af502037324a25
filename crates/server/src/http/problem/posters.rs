//! What goes wrong with posters, as problems.

use app::posters::{Fault, FilesError, PosterError};
use http::StatusCode;

use super::Problem;

impl From<PosterError> for Problem {
    fn from(error: PosterError) -> Self {
        match error {
            PosterError::Fault(fault) => fault.into(),
            PosterError::Files(error) => error.into(),
            PosterError::Crowded => Self::overloaded(),
            PosterError::Change(error) => error.into(),
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let wanted = match fault {
            Fault::TooManyBytes => return Self::of_status(StatusCode::PAYLOAD_TOO_LARGE),
            Fault::Empty => "a picture; this file is empty",
            Fault::OtherKind => "a JPEG, PNG or WebP picture, by its content",
            Fault::Truncated => "a whole picture; this is only a part of one",
            Fault::MoreBehind => {
                "a picture and nothing else; something stands behind this one. Save it anew as a \
                 plain JPEG"
            }
            Fault::TooLarge => {
                "at most 12000 pixels wide and high, and of at most 40 million pixels, in a plain \
                 form. Make it smaller"
            }
            Fault::TooSmall => "at least 360 pixels wide and high",
            Fault::Broken => "a picture that can be read. Save it anew as a plain JPEG",
        };
        Self::must_be("image", wanted)
    }
}

impl From<FilesError> for Problem {
    fn from(error: FilesError) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, cause, "files can't be kept; see STAGEDOOR_FILES");
        Self::internal()
    }
}
