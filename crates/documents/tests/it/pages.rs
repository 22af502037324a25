//! The PDF: sound, deterministic, tagged, selectable, and whole whatever people are called.

use documents::{TicketPage, TicketSheet, tickets_pdf};
use domain::language::Language;
use domain::ticket::TicketCode;
use proptest::prelude::*;

use crate::tools::{ENGLISH, THAI, Texts, Tickets, Written, scan};

/// Text without the line breaks and spaces of the layout.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn the_pdf_is_sound_and_the_same_every_time() {
    let tickets = Tickets::new(3, 1);
    for texts in [ENGLISH, THAI] {
        let pdf = tickets.pdf(&texts);
        assert_eq!(pdf, tickets.pdf(&texts));
        let said = Written::new(&pdf).ask("qpdf", &["--check"], &[]);
        assert!(
            said.contains("No syntax or stream encoding errors"),
            "{said}"
        );
        // A mail may carry it.
        assert!(pdf.len() < 120_000, "{} bytes", pdf.len());
    }
}

#[test]
fn the_pdf_says_what_it_is_and_in_which_language() {
    let tickets = Tickets::new(2, 2);
    let written = Written::new(&tickets.pdf(&THAI));
    let info = written.ask("pdfinfo", &[], &[]);
    let has = |label: &str, value: &str| {
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        lines.any(|(found, said)| found == label && said.trim().starts_with(value))
    };
    assert!(has("Title", "ค่ำคืนที่หิ่งห้อยร้องเพลง – บัตรคอนเสิร์ต"), "{info}");
    assert!(has("Pages", "2") && has("Tagged", "yes"), "{info}");
    assert!(has("Page size", "297.64 x 419.53 pts"), "{info}");
    assert!(
        !info.contains("CreationDate") && !info.contains("Author"),
        "{info}"
    );
    let plain = written.ask("qpdf", &["--qdf", "--object-streams=disable"], &["-"]);
    assert!(
        plain.contains("/Lang (th)"),
        "the catalogue names no language"
    );
}

#[test]
fn only_the_glyphs_that_are_shown_are_embedded() {
    let fonts = Written::new(&Tickets::new(1, 3).pdf(&THAI)).ask("pdffonts", &[], &[]);
    let rows: Vec<_> = fonts.lines().skip(2).collect();
    assert_eq!(rows.len(), 4, "{fonts}");
    for row in rows {
        // Embedded, a subset, and with a way back to Unicode.
        assert!(
            row.contains("+NotoSans") && row.contains("yes yes yes"),
            "{fonts}"
        );
    }
}

#[test]
fn texts_can_be_selected_and_are_in_reading_order() {
    let tickets = Tickets::new(2, 4);
    for texts in [ENGLISH, THAI] {
        let title = match texts.language {
            Language::En => ["Ticket", "1 of 2"],
            Language::Th => ["บัตรคอนเสิร์ต", "ใบที่ 1 จาก 2"],
        };
        let facts = [texts.concert, texts.artist, texts.date];
        let written = Written::new(&tickets.pdf(&texts));
        let first = squeezed(&written.ask("pdftotext", &["-raw", "-l", "1"], &["-"]));
        let mut rest = first.as_str();
        for text in title.iter().chain(&facts) {
            let found = rest.find(&squeezed(text));
            rest = &rest[found.unwrap_or_else(|| panic!("{text} isn't next in {rest}"))..];
        }
        for text in [&tickets.code(0), "RES1764000000123-0A1B2C3D", "฿1,250"] {
            assert!(rest.contains(text), "{text}: {rest}");
        }
        assert!(
            !first.contains('@') && !first.contains(&tickets.code(1)),
            "{first}"
        );
    }
}

#[test]
fn any_name_makes_one_page_that_can_be_scanned() {
    let long_thai = "มหกรรมดนตรีเพื่อการกุศลเฉลิมฉลองครบรอบเจ็ดสิบห้าปีแห่งความร่วมมือ".repeat(4);
    let long_latin = "The Very Long and Winding Name of a Festival ".repeat(6);
    let names = [
        long_thai.as_str(),
        &long_latin,
        &"W".repeat(255),
        &"🎸👨‍👩‍👧‍👦".repeat(20),
        "张伟 🎤 Ωμέγα नमस्ते Việt อำนวย ก่ำปู๊ญฺ",
        "a\u{0}\u{202E}b\r\nc\u{301}\u{301}\u{301} ่้๊",
        "",
        " ",
    ];
    let tickets = Tickets::new(1, 5);
    for (language, name) in [Language::En, Language::Th]
        .into_iter()
        .flat_map(|language| names.iter().map(move |name| (language, *name)))
    {
        let pdf = tickets.pdf(&Texts {
            language,
            concert: name,
            artist: name,
            venue: name,
            date: name,
            holder: name,
            price: name,
            count: None,
        });
        let written = Written::new(&pdf);
        written.ask("qpdf", &["--check"], &[]);
        assert_eq!(scan(&written.pictures("100")), tickets.payloads(), "{name}");
    }
}

#[test]
fn a_sheet_has_a_limit_and_may_leave_cancelled_tickets_out() {
    let tickets = Tickets::new(1, 6);
    let texts = Texts {
        count: Some(4),
        ..ENGLISH
    };
    let written = Written::new(&tickets.pdf(&texts));
    assert!(
        written
            .ask("pdftotext", &["-raw"], &["-"])
            .contains("1 of 4")
    );
    let code = TicketCode::new(1);
    let page = TicketPage {
        number: 1,
        code: &code,
        payload: "SD1:",
    };
    let reservation_id = "RES1-00000001".parse().unwrap();
    let sheet = TicketSheet {
        language: Language::En,
        concert: "",
        artist: "",
        venue: "",
        date: "",
        holder: "",
        price: "",
        reservation_id: &reservation_id,
        count: 101,
        pages: &[page; 101],
    };
    let written = tickets_pdf(&sheet).unwrap();
    assert!(written.starts_with(b"%PDF-"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_text_keeps_a_ticket_from_being_written(text: String, thai in "[ก-๛ \u{200b}-\u{200f}]{0,60}") {
        for name in [text.as_str(), &thai] {
            // `pdf` fails on whatever the strictest of readers would.
            Tickets::new(1, 8).pdf(&Texts {
                concert: name,
                artist: name,
                venue: name,
                date: name,
                holder: name,
                price: name,
                ..ENGLISH
            });
        }
    }
}
