//! Posters: what somebody uploads becomes three pictures of our own, in the folder for files.
//!
//! Nothing that was uploaded is ever served: what is kept was drawn anew from its pixels, so that
//! neither what hides in a file nor where it was photographed leaves this house. Old posters stay, for
//! browsers and mails may still show them.

mod ending;
mod files;
mod jpeg;
mod picture;

use bytes::Bytes;
use domain::concert::{Concert, ConcertEdit, ConcertStatus, Replacement};
use domain::id::ConcertId;
use domain::text::ImagePath;
use sha2::{Digest as _, Sha256};
use store::{Acting, StoreError};

use crate::App;
use crate::concerts::change::{self, ChangeError, Expected};
use crate::concerts::{show_to_staff, was_cancelled};

pub use files::{Files, FilesError, Found};
pub use picture::{Fault, PIXELS_MAX, SIDE_MAX, SIDE_MIN};

/// What a camera makes; the pictures that are kept have a tenth of it.
pub const BYTES_MAX: usize = 8 * 1024 * 1024;
/// As wide as posters are kept: a card's, a page's, and a page's on a dense screen.
pub const WIDTHS: [u32; 3] = [360, 720, 1200];
/// The one for whoever doesn't choose.
const USUAL_WIDTH: u32 = 720;
/// Names tell content and how it is drawn: whoever draws differently counts this up, for browsers keep
/// what has a name for good.
const EDITION: &[u8] = b"stagedoor poster 1";
/// 128 bits of a digest: two pictures never share a name by chance.
const NAME_BYTES: usize = 16;
/// Where they are on this site.
const FOLDER: &str = "/posters/";

/// Why a concert didn't get its poster.
#[derive(Debug, thiserror::Error)]
pub enum PosterError {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("other posters are being drawn")]
    Crowded,
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl From<StoreError> for PosterError {
    fn from(error: StoreError) -> Self {
        Self::Change(error.into())
    }
}

/// Gives a concert the poster that was uploaded.
pub async fn set(
    app: &App,
    id: ConcertId,
    uploaded: Bytes,
    by: Acting,
) -> Result<Concert, PosterError> {
    // Asked first because it is cheap; the transaction asks again.
    let concert = show_to_staff(app, id).await?.ok_or(ChangeError::NotFound)?;
    if concert.status == ConcertStatus::Archived {
        return Err(ChangeError::Archived.into());
    }
    if was_cancelled(app, &concert).await? {
        return Err(ChangeError::Cancelled.into());
    }
    let files = app.files().ok_or(FilesError::None)?;
    let name = name(&uploaded);
    for (width, drawn) in WIDTHS.into_iter().zip(files.draw(uploaded).await?) {
        files.put(&file(&name, width), drawn).await?;
    }
    let path = format!("{FOLDER}{}", file(&name, USUAL_WIDTH));
    let edit = ConcertEdit {
        image_url: ImagePath::parse(&path).map_or(Replacement::Keep, Replacement::Set),
        ..ConcertEdit::default()
    };
    Ok(change::edit(app, id, (edit, Expected::Any), by).await?)
}

/// A poster's file; `None` when there is none of that name.
pub async fn find(app: &App, file: &str) -> Result<Option<Found>, FilesError> {
    match app.files().filter(|_| read_file(file).is_some()) {
        Some(files) => files.find(file).await,
        None => Ok(None),
    }
}

/// The addresses of an uploaded poster with their widths in pixels; `None` for any other picture.
pub fn addresses(image_url: &str) -> Option<[(u32, String); 3]> {
    let (name, _) = read_file(image_url.strip_prefix(FOLDER)?)?;
    Some(WIDTHS.map(|width| (width, format!("{FOLDER}{}", file(name, width)))))
}

fn name(uploaded: &[u8]) -> String {
    let digest = Sha256::new().chain_update(EDITION).chain_update(uploaded);
    let mut head = [0; NAME_BYTES];
    head.copy_from_slice(&digest.finalize()[..NAME_BYTES]);
    format!("{:032x}", u128::from_be_bytes(head))
}

fn file(name: &str, width: u32) -> String {
    format!("{name}-{width}.jpg")
}

/// Name and width of a file as we write them, and of no other.
fn read_file(file: &str) -> Option<(&str, u32)> {
    let (name, width) = file.strip_suffix(".jpg")?.split_once('-')?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let width = WIDTHS.into_iter().find(|one| one.to_string() == width)?;
    (name.len() == 2 * NAME_BYTES && name.bytes().all(is_hex)).then_some((name, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_read_as_they_are_written_and_no_others() {
        let name = name(b"a picture");
        for width in WIDTHS {
            assert_eq!(read_file(&file(&name, width)), Some((&*name, width)));
        }
        let path = format!("/posters/{name}-720.jpg");
        let addresses = addresses(&path).expect("addresses");
        assert_eq!(addresses[2], (1200, format!("/posters/{name}-1200.jpg")));
        assert!(ImagePath::parse(&path).is_ok());
        let others = [
            String::new(),
            format!("{name}-721.jpg"),
            format!("{name}-0720.jpg"),
            format!("{name}-720.png"),
            format!("{}-720.jpg", name.to_uppercase()),
            format!("../{name}-720.jpg"),
            format!("{}-720.jpg", &name[1..]),
            "/etc/passwd".to_owned(),
        ];
        for other in others {
            assert_eq!(read_file(&other), None, "{other}");
        }
    }
}
