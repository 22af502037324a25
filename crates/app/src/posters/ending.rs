//! Where a picture's file ends, by its own structure and before anything is decoded: what stands
//! behind that end is no picture, and a file without an end came only in part.

use image::ImageFormat;

use super::jpeg;
use super::picture::Fault;

/// Whether the file ends where the picture does.
pub(super) fn check(format: ImageFormat, file: &[u8]) -> Result<(), Fault> {
    let end = match format {
        ImageFormat::Jpeg => jpeg::end(file)?,
        ImageFormat::Png => png(file)?,
        _ => webp(file)?,
    };
    match end.cmp(&file.len()) {
        std::cmp::Ordering::Less => Err(Fault::MoreBehind),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(Fault::Truncated),
    }
}

/// Chunks with their lengths up to `IEND` (PNG, section 5.3).
fn png(file: &[u8]) -> Result<usize, Fault> {
    let mut at = 8;
    loop {
        let head = file.get(at..at + 8).ok_or(Fault::Truncated)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let length = usize::try_from(length).map_err(|_| Fault::Broken)?;
        // Length, name and checksum besides.
        at = at.checked_add(length + 12).ok_or(Fault::Broken)?;
        if &head[4..] == b"IEND" {
            return Ok(at);
        }
    }
}

/// One RIFF file, padded to an even length.
fn webp(file: &[u8]) -> Result<usize, Fault> {
    let length = file.get(4..8).ok_or(Fault::Truncated)?;
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
    let length = usize::try_from(length).map_err(|_| Fault::Broken)?;
    length
        .checked_next_multiple_of(2)
        .and_then(|length| length.checked_add(8))
        .ok_or(Fault::Broken)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{DynamicImage, RgbImage};
    use proptest::prelude::*;

    use super::*;

    const FORMATS: [ImageFormat; 3] = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP];

    fn file(format: ImageFormat) -> Vec<u8> {
        let picture = RgbImage::from_fn(33, 17, |x, y| {
            let (x, y) = (x.to_le_bytes()[0], y.to_le_bytes()[0]);
            image::Rgb([x.wrapping_mul(7), y.wrapping_mul(11), x ^ y])
        });
        let mut file = Cursor::new(Vec::new());
        DynamicImage::from(picture)
            .write_to(&mut file, format)
            .unwrap();
        file.into_inner()
    }

    #[test]
    fn a_file_that_is_one_picture_ends_where_it_does() {
        for format in FORMATS {
            let file = file(format);
            assert_eq!(check(format, &file), Ok(()), "{format:?}");
            let longer = [&*file, b"PK\x03\x04"].concat();
            let found = check(format, &longer);
            assert_eq!(found, Err(Fault::MoreBehind), "{format:?}");
        }
    }

    #[test]
    fn a_file_that_came_in_part_is_told_from_a_whole_one_wherever_it_was_cut() {
        for format in FORMATS {
            let file = file(format);
            for length in 12..file.len() {
                let found = check(format, &file[..length]);
                assert!(found.is_err(), "{format:?} cut at {length}");
                assert_ne!(found, Err(Fault::MoreBehind), "{format:?} cut at {length}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_stumble(bytes: Vec<u8>) {
            for format in FORMATS {
                let _ = check(format, &bytes);
            }
        }
    }
}
