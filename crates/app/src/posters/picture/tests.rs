//! Pictures that came only in part, mended so that their structure is whole, and good ones beside them.

use super::*;

/// Drawn for this test, in the ways that the encoders of `image` don't know.
const PROGRESSIVE: &[u8] = include_bytes!("../samples/progressive.jpg");
const LOSSY: &[u8] = include_bytes!("../samples/lossy.webp");

fn file(format: ImageFormat) -> Vec<u8> {
    let picture = RgbImage::from_fn(361, 377, |x, y| {
        let [x, y] = [x, y].map(|place| place.to_le_bytes()[0]);
        image::Rgb([x, y, x ^ y])
    });
    let mut file = Cursor::new(Vec::new());
    DynamicImage::from(picture)
        .write_to(&mut file, format)
        .unwrap();
    file.into_inner()
}

/// The marker of the end follows wherever the data end.
fn mended_jpeg(part: &[u8]) -> Vec<u8> {
    [part, &[0xff, 0xd9]].concat()
}

/// The chunk that was cut has the length and the checksum of what is left, and the last one follows.
fn mended_png(part: &[u8]) -> Vec<u8> {
    let mut at = 8;
    let mut mended = part[..at].to_vec();
    while let Some(head) = part.get(at..at + 8) {
        let length = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        let content = &part[at + 8..part.len().min(at + 8 + length)];
        let named = [&head[4..], content].concat();
        mended.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        mended.extend(&named);
        mended.extend(checksum(&named).to_be_bytes());
        at += length + 12;
    }
    mended.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
    mended
}

fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

/// File and picture have the lengths of what is left; both samples are one chunk.
fn mended_webp(part: &[u8]) -> Vec<u8> {
    let mut mended = part[..part.len() & !1].to_vec();
    let length = u32::try_from(mended.len()).unwrap();
    mended[4..8].copy_from_slice(&(length - 8).to_le_bytes());
    mended[16..20].copy_from_slice(&(length - 20).to_le_bytes());
    mended
}

type Mend = fn(&[u8]) -> Vec<u8>;

#[test]
fn a_picture_that_was_cut_is_none_even_with_its_end_put_back() {
    let [jpeg, png, webp] = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP].map(file);
    let all: [(&str, &[u8], Mend); 5] = [
        ("JPEG", &jpeg, mended_jpeg),
        ("progressive JPEG", PROGRESSIVE, mended_jpeg),
        ("PNG", &png, mended_png),
        ("WebP", &webp, mended_webp),
        ("lossy WebP", LOSSY, mended_webp),
    ];
    for (name, whole, mend) in all {
        let decoded = decode(whole);
        assert!(decoded.is_ok(), "{name}: {decoded:?}");
        // Behind that some kinds have nothing that could be seen.
        let last = whole.len() - 24;
        for part in 1..=40 {
            let length = 60 + (last - 60) * part / 40;
            let found = decode(&mend(&whole[..length]));
            let refused = [Err(Fault::Broken), Err(Fault::Truncated)];
            assert!(refused.contains(&found), "{name} cut at {length}");
        }
    }
}

#[test]
fn what_is_decoded_strictly_looks_as_it_did() {
    for whole in [PROGRESSIVE, &file(ImageFormat::Jpeg)] {
        let kind = image::load_from_memory(whole).unwrap().into_rgb8();
        assert!(jpeg::decode(whole).unwrap() == kind);
    }
}
