//! A scanner reads every QR code, from a screen and from paper.

use std::fs;
use std::path::PathBuf;

use documents::qr_svg;

use crate::tools::{ENGLISH, Noise, Tickets, Written, run, scan, text};

#[test]
fn a_scanner_reads_200_codes_from_svg() {
    let mut noise = Noise(20_261_212);
    let payloads: Vec<String> = (0..200).map(|_| noise.payload()).collect();
    let folder = tempfile::tempdir().unwrap();
    let mut pictures: Vec<PathBuf> = Vec::new();
    for (index, payload) in payloads.iter().enumerate() {
        let svg = folder.path().join(format!("{index}.svg"));
        let picture = svg.with_extension("png");
        fs::write(&svg, qr_svg(payload, "Ticket").unwrap()).unwrap();
        // 45 modules in 180 dots: a code that is small on a small screen.
        run(
            "rsvg-convert",
            &["-w", "180", "-o", text(&picture), text(&svg)],
        );
        pictures.push(picture);
    }
    assert_eq!(scan(&pictures), payloads);
}

#[test]
fn a_dark_page_leaves_a_code_legible() {
    let folder = tempfile::tempdir().unwrap();
    let (svg, picture) = (folder.path().join("qr.svg"), folder.path().join("qr.png"));
    let payload = Noise(1).payload();
    fs::write(&svg, qr_svg(&payload, "บัตร <1> & 2").unwrap()).unwrap();
    let arguments = ["-w", "180", "-b", "black", "-o", text(&picture), text(&svg)];
    run("rsvg-convert", &arguments);
    assert_eq!(scan(&[picture]), [payload]);
}

#[test]
fn a_scanner_reads_100_codes_from_pdf() {
    let tickets = Tickets::new(100, 7);
    let written = Written::new(&tickets.pdf(&ENGLISH));
    assert_eq!(scan(&written.pictures("100")), tickets.payloads());
}
