//! Other people's programs, and what tests hand to them.

use std::path::{Path, PathBuf};
use std::process::Command;

use documents::{TicketPage, TicketSheet, tickets_pdf};
use domain::id::{ConcertId, ReservationId, TicketId};
use domain::language::Language;
use domain::ticket::{SignedClaims, TicketClaims, TicketCode};
use tempfile::TempDir;

/// Runs a program and returns what it says on its standard output.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| {
            panic!("{program} can't be run ({error}); scripts/install-packages.sh test installs it")
        });
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?} failed with {}: {said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

/// What a scanner reads in pictures, one text for each, in their order.
pub(crate) fn scan(pictures: &[PathBuf]) -> Vec<String> {
    let mut arguments = vec!["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable"];
    arguments.extend(pictures.iter().map(|path| text(path)));
    run("zbarimg", &arguments)
        .lines()
        .map(str::to_owned)
        .collect()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is UTF-8")
}

/// Random bits that are the same in every run (`SplitMix64`).
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A payload of the right form. Its signature is noise, which is what one looks like.
    pub(crate) fn payload(&mut self) -> String {
        let mut signature = [0; 64];
        for chunk in signature.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes());
        }
        let ticket = i64::try_from(self.next() >> 24).unwrap().max(1);
        let concert = i32::try_from(self.next() >> 33).unwrap().max(1);
        let claims = TicketClaims {
            ticket_id: TicketId::new(ticket).unwrap(),
            concert_id: ConcertId::new(concert).unwrap(),
        };
        SignedClaims { claims, signature }.to_text()
    }
}

/// Tickets with random codes.
pub(crate) struct Tickets(Vec<(TicketCode, String)>);

impl Tickets {
    pub(crate) fn new(count: usize, seed: u64) -> Self {
        let mut noise = Noise(seed);
        let mut one = || (TicketCode::new(noise.next()), noise.payload());
        Self((0..count).map(|_| one()).collect())
    }

    pub(crate) fn payloads(&self) -> Vec<&str> {
        self.0.iter().map(|(_, payload)| payload.as_str()).collect()
    }

    pub(crate) fn code(&self, index: usize) -> String {
        self.0[index].0.to_string()
    }

    /// The PDF of all of them.
    pub(crate) fn pdf(&self, texts: &Texts<'_>) -> Vec<u8> {
        let reservation_id: ReservationId = "RES1764000000123-0A1B2C3D".parse().unwrap();
        let pages: Vec<_> = (self.0.iter().enumerate())
            .map(|(index, (code, payload))| TicketPage {
                number: index + 1,
                code,
                payload,
            })
            .collect();
        let sheet = TicketSheet {
            language: texts.language,
            concert: texts.concert,
            artist: texts.artist,
            venue: texts.venue,
            date: texts.date,
            holder: texts.holder,
            price: texts.price,
            reservation_id: &reservation_id,
            count: texts.count.unwrap_or(pages.len()),
            pages: &pages,
        };
        tickets_pdf(&sheet).unwrap()
    }
}

/// What a sheet says.
#[derive(Clone, Copy)]
pub(crate) struct Texts<'a> {
    pub(crate) language: Language,
    pub(crate) concert: &'a str,
    pub(crate) artist: &'a str,
    pub(crate) venue: &'a str,
    pub(crate) date: &'a str,
    pub(crate) holder: &'a str,
    pub(crate) price: &'a str,
    /// As many as there are pages, unless it is said.
    pub(crate) count: Option<usize>,
}

pub(crate) const ENGLISH: Texts<'_> = Texts {
    language: Language::En,
    concert: "Lantern Season",
    artist: "Paper Tigers",
    venue: "Riverside Hall, Bangkok",
    date: "Saturday 12 December 2026",
    holder: "Ada Lovelace",
    price: "฿1,250",
    count: None,
};

pub(crate) const THAI: Texts<'_> = Texts {
    language: Language::Th,
    concert: "ค่ำคืนที่หิ่งห้อยร้องเพลง",
    artist: "วงน้ำปิง",
    venue: "หอประชุมริมน้ำ กรุงเทพฯ",
    date: "วันเสาร์ที่ 12 ธันวาคม 2569",
    holder: "สุชาติ น้ำเพชร",
    ..ENGLISH
};

/// A PDF in a folder of its own, which goes with it.
pub(crate) struct Written {
    folder: TempDir,
}

impl Written {
    pub(crate) fn new(pdf: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tickets.pdf"), pdf).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("tickets.pdf")
    }

    /// Runs a program on it.
    pub(crate) fn ask(&self, program: &str, before: &[&str], after: &[&str]) -> String {
        let path = self.path();
        run(program, &[before, &[text(&path)], after].concat())
    }

    /// Its pages as pictures.
    pub(crate) fn pictures(&self, dots_per_inch: &str) -> Vec<PathBuf> {
        let prefix = self.folder.path().join("page");
        self.ask("pdftoppm", &["-r", dots_per_inch, "-png"], &[text(&prefix)]);
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut pictures: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "png"))
            .collect();
        pictures.sort();
        pictures
    }
}
