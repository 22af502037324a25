//! JPEG, read so that a file that came only in part is told from a whole one even where somebody put
//! the marker of its end back: decoders are kind, and paint what is missing grey.

use image::RgbImage;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::picture::{Fault, SIDE_MAX};

/// A progressive picture has some ten; thousands are a way to keep a decoder busy for hours.
const SCANS_MAX: usize = 64;
const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
/// No Huffman code is all ones (ITU-T T.81, annex C), so whoever reads on stumbles over them; these
/// outlast the longest run of blocks without a code, 32,767 with 63 bits each.
const STUMBLING_BYTES: usize = 32_767 * 63 / 8 + 16;

/// Where the picture ends: marker segments with their lengths, and coded data up to the next marker
/// (ITU-T T.81, annex B). What some scan should have brought and none did is missing.
pub(super) fn end(file: &[u8]) -> Result<usize, Fault> {
    let (mut at, mut scans) = (0, 0);
    let mut frame = Frame::default();
    loop {
        let marker = match file.get(at..) {
            Some([0xff, 0xff, ..]) => {
                at += 1;
                continue;
            }
            Some([0xff, marker, ..]) => *marker,
            Some([] | [0xff]) | None => return Err(Fault::Truncated),
            Some(_) => return Err(Fault::Broken),
        };
        at += 2;
        match marker {
            END if frame.is_whole() => return Ok(at),
            END => return Err(Fault::Truncated),
            START | 0x01 | 0xd0..=0xd7 => continue,
            _ => {}
        }
        let length = file.get(at..at + 2).ok_or(Fault::Truncated)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let segment = file.get(at..at + length).ok_or(Fault::Truncated)?;
        let content = segment.get(2..).ok_or(Fault::Broken)?;
        at += length;
        match marker {
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                frame = Frame::read(marker, content).ok_or(Fault::Broken)?;
            }
            SCAN => {
                scans += 1;
                if scans > SCANS_MAX {
                    return Err(Fault::TooLarge);
                }
                frame.add_scan(content).ok_or(Fault::Broken)?;
                at = behind_coded_data(file, at).ok_or(Fault::Truncated)?;
            }
            _ => {}
        }
    }
}

/// The place of the next marker that is none of coded data's own.
fn behind_coded_data(file: &[u8], from: usize) -> Option<usize> {
    let coded = file.get(from..)?;
    let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
    coded
        .windows(2)
        .position(is_marker)
        .map(|length| from + length)
}

/// What scans still owe of a picture.
#[derive(Debug, Default)]
struct Frame {
    is_progressive: bool,
    /// Each component's name, and a bit for each of its 64 coefficients that hasn't come to its last
    /// digit.
    owed: Vec<(u8, u64)>,
}

impl Frame {
    /// A frame's header (section B.2.2).
    fn read(marker: u8, header: &[u8]) -> Option<Self> {
        let components = header.get(6..)?.chunks_exact(3);
        Some(Self {
            is_progressive: matches!(marker, 0xc2 | 0xca),
            owed: components.map(|one| (one[0], u64::MAX)).collect(),
        })
    }

    /// A scan's header (section B.2.3): whose coefficients come, which, and to which digit.
    fn add_scan(&mut self, header: &[u8]) -> Option<()> {
        let (count, rest) = header.split_first()?;
        let (components, rest) = rest.split_at_checked(2 * usize::from(*count))?;
        let &[first, last, digits] = rest else {
            return None;
        };
        // The digit before, and the one that this scan comes to.
        let is_to_the_last = digits.trailing_zeros() >= 4;
        let brought = if !self.is_progressive {
            u64::MAX
        } else if is_to_the_last && first <= last && last < 64 {
            (u64::MAX >> (63 - last)) & (u64::MAX << first)
        } else {
            0
        };
        for component in components.chunks_exact(2) {
            for (name, owed) in &mut self.owed {
                if *name == component[0] {
                    *owed &= !brought;
                }
            }
        }
        Some(())
    }

    fn is_whole(&self) -> bool {
        self.owed.iter().all(|(_, owed)| *owed == 0)
    }
}

/// The pixels of a file that ends where its picture does.
pub(super) fn decode(file: &[u8]) -> Result<RgbImage, Fault> {
    let (coded, end) = file.split_at_checked(file.len() - 2).ok_or(Fault::Broken)?;
    let mut stumbling = Vec::with_capacity(file.len() + 2 * STUMBLING_BYTES);
    stumbling.extend_from_slice(coded);
    // A zero says of the byte before that it is no marker.
    stumbling.extend([0xff, 0].repeat(STUMBLING_BYTES));
    stumbling.extend_from_slice(end);
    let side_max = usize::try_from(SIDE_MAX).map_err(|_| Fault::Broken)?;
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(side_max)
        .set_max_height(side_max)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&*stumbling), options);
    let pixels = decoder.decode().map_err(|error| {
        tracing::debug!(%error, "a JPEG can't be read");
        Fault::Broken
    })?;
    let (width, height) = decoder.dimensions().ok_or(Fault::Broken)?;
    let (width, height) = (u32::try_from(width), u32::try_from(height));
    let (Ok(width), Ok(height)) = (width, height) else {
        return Err(Fault::Broken);
    };
    RgbImage::from_raw(width, height, pixels).ok_or(Fault::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jpeg_of_endless_scans_is_refused() {
        let mut file = vec![0xff, START];
        for _ in 0..=SCANS_MAX {
            file.extend([0xff, SCAN, 0, 8, 1, 1, 0, 0, 63, 0, 1, 2, 3]);
        }
        file.extend([0xff, END]);
        assert_eq!(end(&file), Err(Fault::TooLarge));
    }

    #[test]
    fn a_progressive_jpeg_that_lacks_its_last_scans_is_a_part() {
        let head = [0xff, START, 0xff, 0xc2, 0, 11, 8, 1, 0, 1, 0, 1, 7, 0x11, 0];
        let scan =
            |first, last, digits| [0xff, SCAN, 0, 8, 1, 7, 0, first, last, digits, 1].to_vec();
        let scans = [
            scan(0, 0, 1),
            scan(1, 63, 2),
            scan(0, 0, 0x10),
            scan(1, 63, 0x21),
        ];
        let file = |scans: &[Vec<u8>]| [&head[..], &scans.concat(), &[0xff, END]].concat();
        assert_eq!(end(&file(&scans)), Err(Fault::Truncated));
        let whole = file(&[&scans[..], &[scan(1, 63, 0x10)]].concat());
        assert_eq!(end(&whole), Ok(whole.len()));
    }
}
