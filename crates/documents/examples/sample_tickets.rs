//! Writes made-up tickets in both languages into a folder: `sample_tickets FOLDER`.
//!
//! The pictures in `docs/screenshots` are theirs: `pdftoppm -r 100 -png -f 1 -l 1`.

use std::path::PathBuf;

use documents::{TicketPage, TicketSheet, tickets_pdf};
use domain::id::{ConcertId, TicketId};
use domain::language::Language;
use domain::ticket::{SignedClaims, TicketClaims, TicketCode};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("which folder?")?);
    let claims = TicketClaims {
        ticket_id: TicketId::new(1).ok_or("no ticket")?,
        concert_id: ConcertId::new(1).ok_or("no concert")?,
    };
    // Signed by nobody: no door takes it.
    let signature = [0xA5; 64];
    let payload = SignedClaims { claims, signature }.to_text();
    let code = TicketCode::new(0x0123_4567_89AB_CDEF);
    let pages = [1, 2].map(|number| TicketPage {
        number,
        code: &code,
        payload: &payload,
    });
    let english = TicketSheet {
        language: Language::En,
        concert: "Lantern Season",
        artist: "Paper Tigers",
        venue: "Riverside Hall, Bangkok",
        date: "Saturday 12 December 2026",
        holder: "Ada Lovelace",
        price: "฿1,250",
        reservation_id: &"RES1764000000123-0A1B2C3D".parse()?,
        count: pages.len(),
        pages: &pages,
    };
    let thai = TicketSheet {
        language: Language::Th,
        concert: "ค่ำคืนที่หิ่งห้อยร้องเพลง",
        artist: "วงน้ำปิง",
        venue: "หอประชุมริมน้ำ กรุงเทพฯ",
        date: "วันเสาร์ที่ 12 ธันวาคม 2569",
        holder: "สุชาติ น้ำเพชร",
        ..english
    };
    for sheet in [english, thai] {
        let path = folder.join(format!("ticket-{}.pdf", sheet.language));
        std::fs::write(path, tickets_pdf(&sheet)?)?;
    }
    Ok(())
}
