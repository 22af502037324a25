//! From an uploaded file to pictures of our own.
//!
//! Decoders are what an attacker would aim at: content alone decides which one is asked, a file's
//! structure and its announced size are judged before, and nothing but pixels comes out.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::error::ImageError;
use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, RgbImage};

use super::{BYTES_MAX, WIDTHS, ending, jpeg};

/// Narrower ones would be blurred on the smallest card.
pub const SIDE_MIN: u32 = 360;
/// More than any camera of today has on a side.
pub const SIDE_MAX: u32 = 12_000;
/// Some hundred megabytes once decoded; phones make 12 million, and a poster needs two.
pub const PIXELS_MAX: u64 = 40_000_000;
/// What a decoder may ask for, with 8 bytes a pixel at the most.
const MEMORY_MAX: u64 = 8 * PIXELS_MAX;
/// Where the eye sees no difference any more.
const QUALITY: u8 = 82;
/// From so many times the wanted width on a picture is first halved roughly: a fine reduction of all
/// pixels would need several times their memory.
const ROUGH_FROM: u32 = 4;

/// Why an uploaded file becomes no poster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the file is empty")]
    Empty,
    #[error("the file is larger than {} MB", BYTES_MAX / 1024 / 1024)]
    TooManyBytes,
    #[error("the file is no JPEG, PNG or WebP picture")]
    OtherKind,
    #[error("the file is only a part of a picture")]
    Truncated,
    #[error("something else stands behind the picture")]
    MoreBehind,
    #[error("the picture has more than {SIDE_MAX} pixels on a side, or than {PIXELS_MAX} in all")]
    TooLarge,
    #[error("the picture has less than {SIDE_MIN} pixels on a side")]
    TooSmall,
    #[error("the picture can't be read")]
    Broken,
}

/// Draws a poster anew in each of [`WIDTHS`], as JPEG: upright, on white, never enlarged.
pub(super) fn draw(file: &[u8]) -> Result<[Vec<u8>; 3], Fault> {
    let widest = decode(file)?;
    let mut drawn = [const { Vec::new() }; 3];
    for (width, drawn) in WIDTHS.into_iter().zip(&mut drawn) {
        let (width, height) = reduced(widest.dimensions(), width);
        let picture = imageops::resize(&widest, width, height, FilterType::Lanczos3);
        JpegEncoder::new_with_quality(drawn, QUALITY)
            .encode_image(&picture)
            .map_err(|_| Fault::Broken)?;
    }
    Ok(drawn)
}

/// The picture upright and no wider than it is ever shown.
fn decode(file: &[u8]) -> Result<RgbImage, Fault> {
    if file.is_empty() {
        return Err(Fault::Empty);
    }
    if file.len() > BYTES_MAX {
        return Err(Fault::TooManyBytes);
    }
    let Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) =
        image::guess_format(file)
    else {
        return Err(Fault::OtherKind);
    };
    ending::check(format, file)?;
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(MEMORY_MAX);
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| fault(&error))?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS_MAX || decoder.total_bytes() > MEMORY_MAX {
        return Err(Fault::TooLarge);
    }
    if width.min(height) < SIDE_MIN {
        return Err(Fault::TooSmall);
    }
    let orientation = decoder.orientation().map_err(|error| fault(&error))?;
    let picture = if format == ImageFormat::Jpeg {
        jpeg::decode(file)?
    } else {
        on_white(DynamicImage::from_decoder(decoder).map_err(|error| fault(&error))?)
    };
    Ok(upright(picture, orientation))
}

fn fault(error: &ImageError) -> Fault {
    match error {
        ImageError::Limits(_) => Fault::TooLarge,
        _ => Fault::Broken,
    }
}

/// JPEG has no transparency; where a picture has some, paper shows through.
fn on_white(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let clear = picture.into_rgba8();
    let mut opaque = RgbImage::new(clear.width(), clear.height());
    for (opaque, clear) in opaque.pixels_mut().zip(clear.pixels()) {
        let [.., alpha] = clear.0;
        let alpha = u16::from(alpha);
        for (channel, colour) in opaque.0.iter_mut().zip(clear.0) {
            let mixed = (u16::from(colour) * alpha + 255 * (255 - alpha)) / 255;
            *channel = u8::try_from(mixed).unwrap_or(u8::MAX);
        }
    }
    opaque
}

/// Turned as its camera was held, and no wider then than the widest poster.
fn upright(picture: RgbImage, orientation: Orientation) -> RgbImage {
    let is_turned = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let turned = |(width, height)| {
        if is_turned {
            (height, width)
        } else {
            (width, height)
        }
    };
    let before = turned(picture.dimensions());
    let wanted = reduced(before, WIDTHS[2]);
    let fitting = if before.0 >= ROUGH_FROM * wanted.0 {
        let (width, height) = turned((2 * wanted.0, 2 * wanted.1));
        imageops::thumbnail(&picture, width, height)
    } else {
        picture
    };
    let (width, height) = turned(wanted);
    let fitting = imageops::resize(&fitting, width, height, FilterType::Lanczos3);
    let mut fitting = DynamicImage::from(fitting);
    fitting.apply_orientation(orientation);
    fitting.into_rgb8()
}

/// Width and height at most `width` wide, in the same proportion.
fn reduced((from, height): (u32, u32), width: u32) -> (u32, u32) {
    if from <= width {
        return (from, height);
    }
    let reduced = u64::from(height) * u64::from(width) / u64::from(from.max(1));
    (width, u32::try_from(reduced).unwrap_or(height).max(1))
}

#[cfg(test)]
mod tests;
