//! Posters: what is refused and why, what is kept of the rest, and how it is shown.

use std::fs;
use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageEncoder as _, ImageFormat, Rgb, RgbImage};
use reqwest::{Method, Response};
use serde_json::Value;

use crate::support::{NewConcert, TestApp};

/// Red on its left half and blue on its right.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let shade = u8::try_from(y % 32).unwrap();
        if x < width / 2 {
            Rgb([220, shade, shade])
        } else {
            Rgb([shade, shade, 220])
        }
    })
}

fn file(picture: RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    DynamicImage::from(picture)
        .write_to(&mut file, format)
        .unwrap();
    file.into_inner()
}

/// A photograph whose camera was turned by a quarter, with the place where it was taken.
fn photograph() -> Vec<u8> {
    let mut exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    exif.extend(b"GPS 13.7563 N 100.5018 E");
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 90);
    encoder.set_exif_metadata(exif).unwrap();
    encoder.encode_image(&picture(1000, 600)).unwrap();
    file
}

/// The first bytes of a PNG that says it has so many pixels on each side.
fn huge_png() -> Vec<u8> {
    let mut file = file(picture(400, 400), ImageFormat::Png);
    let side = 30_000_u32.to_be_bytes();
    file[16..20].copy_from_slice(&side);
    file[20..24].copy_from_slice(&side);
    let checksum = crc32(&file[12..29]).to_be_bytes();
    file[29..33].copy_from_slice(&checksum);
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

async fn upload(app: &TestApp, token: &str, concert: i32, file: Vec<u8>) -> Response {
    app.as_staff(token, Method::POST, &format!("/concerts/{concert}/image"))
        .header("content-type", "image/jpeg")
        .body(file)
        .send()
        .await
        .unwrap()
}

fn kept(app: &TestApp) -> usize {
    fs::read_dir(app.files.path().join("posters")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_plain_picture_is_refused_with_its_reason_and_nothing_is_kept() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("nok", "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let good = |format| file(picture(400, 500), format);
        let (jpeg, png, webp) = (
            good(ImageFormat::Jpeg),
            good(ImageFormat::Png),
            good(ImageFormat::WebP),
        );
        let half = |file: &[u8]| file[..file.len() / 2].to_vec();
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
        let mut broken = png.clone();
        let middle = broken.len() / 2;
        broken[middle] ^= 0xff;
        let cases = [
            ("nothing", Vec::new(), "empty"),
            ("a text", b"I am a picture".to_vec(), "by its content"),
            ("SVG", svg.to_vec(), "by its content"),
            (
                "GIF",
                b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(),
                "by its content",
            ),
            ("half a JPEG", half(&jpeg), "only a part"),
            (
                "half a JPEG with its end",
                [&*half(&jpeg), b"\xff\xd9"].concat(),
                "can be read",
            ),
            ("half a PNG", half(&png), "only a part"),
            ("half a WebP", half(&webp), "only a part"),
            (
                "JPEG and ZIP",
                [&*jpeg, b"PK\x03\x04"].concat(),
                "nothing else",
            ),
            (
                "PNG and HTML",
                [&*png, b"<script>"].concat(),
                "nothing else",
            ),
            ("WebP and more", [&*webp, b"more"].concat(), "nothing else"),
            ("a bomb", huge_png(), "at most 12000 pixels"),
            (
                "a stamp",
                file(picture(100, 100), ImageFormat::Png),
                "at least 360",
            ),
            ("a broken PNG", broken, "can be read"),
        ];
        for (name, file, reason) in cases {
            let refused = upload(app, &token, concert, file).await;
            assert_eq!(refused.status(), 422, "{name}");
            let problem: Value = refused.json().await.unwrap();
            assert_eq!(problem["errors"][0]["pointer"], "/image", "{name}");
            let detail = problem["errors"][0]["detail"].as_str().unwrap();
            assert!(detail.contains(reason), "{name}: {detail}");
        }
        assert_eq!(kept(app), 0);
        let pictures = "SELECT count(*) FROM concerts WHERE image_url IS NOT NULL";
        assert_eq!(app.count(pictures).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_taken_where_they_belong_alone() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("nok", "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let large = vec![0xff; 8 * 1024 * 1024 + 1];
        for file in [large.clone(), [large, vec![0; 8 * 1024]].concat()] {
            let refused = upload(app, &token, concert, file).await;
            assert_eq!(refused.status(), 413);
        }
        // Three hundred kilobytes are more than any other address takes.
        let noise = RgbImage::from_fn(400, 400, |x, y| {
            let mixed = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).to_be_bytes();
            Rgb([mixed[0], mixed[1], mixed[2]])
        });
        let noise = file(noise, ImageFormat::Png);
        assert!(noise.len() > 70_000, "{}", noise.len());
        let cookie = format!("stagedoor-staff={token}");
        let elsewhere = [
            format!("/staff/concerts/{concert}/edit"),
            "/staff/concerts/new".to_owned(),
            "/api/v1/admin/concerts".to_owned(),
        ];
        for path in elsewhere {
            let request = app.as_browser(&cookie, Method::POST, &path);
            let answer = request.body(noise.clone()).send().await.unwrap();
            assert_eq!(answer.status(), 413, "{path}");
        }
        assert_eq!(upload(app, &token, concert, noise).await.status(), 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photograph_is_turned_upright_and_tells_nothing_of_its_place() {
    TestApp::run(async |app| {
        let token = app.plant_signed_in("nok", "admin").await;
        let concert = app.plant(NewConcert::default()).await;
        let original = photograph();
        assert!(original.windows(3).any(|part| part == b"GPS"));
        let answer = upload(app, &token, concert, original.clone()).await;
        assert_eq!(answer.status(), 200);
        let shown: Value = answer.json().await.unwrap();
        let address = shown["image_url"].as_str().unwrap().to_owned();
        assert!(address.ends_with("-720.jpg"), "{address}");
        assert_eq!(kept(app), 3);
        for (wanted, width) in [("360", 360), ("720", 600), ("1200", 600)] {
            let one = app
                .get(&address.replace("720.jpg", &format!("{wanted}.jpg")))
                .await;
            assert_eq!(one.status(), 200);
            assert_eq!(one.headers()["content-type"], "image/jpeg");
            let caching = one.headers()["cache-control"].to_str().unwrap();
            assert_eq!(caching, "public, max-age=31536000, immutable");
            let length = one.content_length();
            let bytes = one.bytes().await.unwrap();
            assert_eq!(length, Some(bytes.len() as u64));
            assert!(!bytes.windows(3).any(|part| part == b"GPS"));
            assert!(!bytes.windows(4).any(|part| part == b"Exif"));
            let drawn = image::load_from_memory(&bytes).unwrap().into_rgb8();
            assert_eq!(drawn.dimensions(), (width, width * 5 / 3), "{wanted}");
            // What was left is above once it was turned by a quarter to the right.
            let (above, below) = (
                drawn.get_pixel(width / 2, 50),
                drawn.get_pixel(width / 2, width),
            );
            assert!(above.0[0] > above.0[2], "{above:?}");
            assert!(below.0[2] > below.0[0], "{below:?}");
        }
        let again = upload(app, &token, concert, original).await;
        let again: Value = again.json().await.unwrap();
        assert_eq!(again["image_url"], address.as_str());
        assert_eq!(kept(app), 3);
        let list = app.get("/en/").await.text().await.unwrap();
        let page = app.get(&format!("/en/concerts/{concert}")).await;
        for shown in [list, page.text().await.unwrap()] {
            assert!(shown.contains(&format!("{address} 720w")), "{shown}");
        }
        for other in [
            "/posters/..%2f..%2fetc%2fpasswd",
            "/posters/x.jpg",
            "/posters/",
        ] {
            assert_eq!(app.get(other).await.status(), 404, "{other}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_takes_a_file_and_says_why_it_takes_another_not() {
    TestApp::run(async |app| {
        let cookie = format!("{}; lang=en", app.as_member("admin").await);
        let concert = app.plant(NewConcert::default()).await;
        let path = format!("/staff/concerts/{concert}/poster");
        let send = async |file: &[u8]| {
            let head = "--x\r\ncontent-disposition: form-data; name=\"image\"; \
                        filename=\"a.png\"\r\ncontent-type: image/png\r\n\r\n";
            let body = [head.as_bytes(), file, b"\r\n--x--\r\n"].concat();
            app.as_browser(&cookie, Method::POST, &path)
                .header("content-type", "multipart/form-data; boundary=x")
                .body(body)
                .send()
                .await
                .unwrap()
        };
        let refused = send(b"no picture").await;
        assert_eq!(refused.status(), 422);
        let refused = refused.text().await.unwrap();
        assert!(
            refused.contains("This is no JPEG, PNG or WebP"),
            "{refused}"
        );
        let taken = send(&file(picture(1500, 2000), ImageFormat::WebP)).await;
        assert_eq!(taken.status(), 303);
        assert_eq!(kept(app), 3);
        let shown = app
            .get_as(&cookie, &format!("/staff/concerts/{concert}"))
            .await;
        assert!(shown.text().await.unwrap().contains("-1200.jpg"));
    })
    .await;
}
