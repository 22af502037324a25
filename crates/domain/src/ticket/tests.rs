//! Codes survive fingers, payloads survive nothing.

use proptest::prelude::*;

use super::payload::SIGNATURE_BYTES;
use super::*;

fn signed(ticket: i64, concert: i32, signature: [u8; SIGNATURE_BYTES]) -> SignedClaims {
    SignedClaims {
        claims: TicketClaims {
            ticket_id: TicketId::new(ticket).unwrap(),
            concert_id: ConcertId::new(concert).unwrap(),
        },
        signature,
    }
}

fn any_signed() -> impl Strategy<Value = SignedClaims> {
    let halves = any::<([u8; 32], [u8; 32])>();
    (1..=TicketId::MAX, 1..=i32::MAX, halves).prop_map(|(ticket, concert, (first, second))| {
        let mut signature = [0; SIGNATURE_BYTES];
        signature[..32].copy_from_slice(&first);
        signature[32..].copy_from_slice(&second);
        signed(ticket, concert, signature)
    })
}

fn ticket(status: TicketStatus) -> Ticket {
    Ticket {
        id: TicketId::new(7).unwrap(),
        reservation_id: "RES1-00000001".parse().unwrap(),
        concert_id: ConcertId::new(3).unwrap(),
        number: 1,
        code: TicketCode::new(1),
        status,
        used_at: None,
    }
}

#[test]
fn a_valid_ticket_opens_the_door_of_its_concert_alone() {
    let here = ConcertId::new(3).unwrap();
    let elsewhere = ConcertId::new(4).unwrap();
    assert_eq!(ticket(TicketStatus::Valid).check_admission(here), Ok(()));
    for status in TicketStatus::ALL {
        let refusal = AdmissionRefusal::OtherConcert { concert_id: here };
        assert_eq!(ticket(status).check_admission(elsewhere), Err(refusal));
    }
    assert_eq!(
        ticket(TicketStatus::Cancelled).check_admission(here),
        Err(AdmissionRefusal::Cancelled)
    );
    let used = Ticket {
        used_at: Some(Timestamp::UNIX_EPOCH),
        ..ticket(TicketStatus::Used)
    };
    let refusal = AdmissionRefusal::Used {
        used_at: Some(Timestamp::UNIX_EPOCH),
    };
    assert_eq!(used.check_admission(here), Err(refusal));
}

#[test]
fn statuses_are_the_columns_words() {
    for status in TicketStatus::ALL {
        assert_eq!(status.as_str().parse(), Ok(status));
    }
    assert_eq!("VALID".parse::<TicketStatus>(), Err(InvalidTicketStatus));
}

#[test]
fn a_code_is_printed_in_groups_and_kept_without() {
    let code = TicketCode::new(u64::MAX);
    assert_eq!(code.to_string(), "ZZZZ-ZZZZ-ZZZZ");
    assert_eq!(code.as_str(), "ZZZZZZZZZZZZ");
    assert_eq!(TicketCode::new(1 << 55).as_str(), "100000000000");
    assert_eq!(TicketCode::new(32).to_string(), "0000-0000-0010");
    assert_eq!(format!("{code:?}"), "TicketCode(…)");
}

#[test]
fn codes_are_read_as_people_type_them() {
    let code = TicketCode::new(0x0123_4567_89AB_CDEF);
    let plain: TicketCode = "001110KQ8XYZ".parse().unwrap();
    for typed in [
        "OO1I-LOkq-8xyz",
        " o o 1 1 i 0 K Q 8 X Y Z ",
        "oo1l\u{2013}i0kq\u{a0}8xyz",
    ] {
        assert_eq!(typed.parse().as_ref(), Ok(&plain), "{typed}");
    }
    assert_eq!(code.to_string().to_lowercase().parse(), Ok(code));
    for wrong in [
        "",
        "001110KQ8XY",
        "001110KQ8XYZ0",
        "001110KQ8XYU",
        "001110KQ8XY!",
        "๐๐1110KQ8XYZ",
        &format!("001110KQ8XYZ{}", " ".repeat(29)),
        "SD1:00000000",
    ] {
        assert_eq!(
            wrong.parse::<TicketCode>(),
            Err(InvalidTicketCode),
            "{wrong}"
        );
    }
}

#[test]
fn the_payload_has_the_form_that_is_printed_on_tickets() {
    let text = signed(1, 2, [0xFF; SIGNATURE_BYTES]).to_text();
    assert_eq!(text.len(), 121);
    // 00 00 00 00 01 | 00 00 00 02 | FF …: 40 bits, 32 bits, 512 bits, one spare.
    assert!(text.starts_with("SD1:00000001000000QZZZ"), "{text}");
    assert!(text.ends_with("ZZZY"), "{text}");
}

#[test]
fn texts_that_are_no_payloads_say_why() {
    let good = signed(1, 2, [9; SIGNATURE_BYTES]).to_text();
    let cases = [
        ("", PayloadError::NotOurs),
        ("https://example.com/SD1:", PayloadError::NotOurs),
        ("SD:0", PayloadError::NotOurs),
        ("SDX:0", PayloadError::NotOurs),
        ("SD2:0", PayloadError::UnknownVersion),
        ("SD1:", PayloadError::Malformed),
        (&good[..120], PayloadError::Malformed),
        (&format!("{good}0"), PayloadError::Malformed),
        (&good.to_lowercase(), PayloadError::NotOurs),
        (
            &good.replace("SD1:", "SD1:U")[..121],
            PayloadError::Malformed,
        ),
        // Ticket 0 doesn't exist.
        (&format!("SD1:{}", "0".repeat(117)), PayloadError::Malformed),
        // The spare bit is set.
        (&format!("{}1", &good[..120]), PayloadError::Malformed),
    ];
    for (text, error) in cases {
        assert_eq!(SignedClaims::parse(text), Err(error), "{text}");
    }
    assert!(SignedClaims::parse(&format!(" {good}\r\n")).is_ok());
}

proptest! {
    #[test]
    fn every_code_round_trips_as_printed_and_as_kept(random: u64) {
        let code = TicketCode::new(random);
        prop_assert_eq!(&code, &code.to_string().parse().unwrap());
        prop_assert_eq!(&code, &code.as_str().to_lowercase().parse().unwrap());
        prop_assert_eq!(code.as_str().len(), 12);
        let differs = TicketCode::new(random ^ (1 << (random % 60)));
        prop_assert_ne!(code, differs);
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text: String) {
        let _ = text.parse::<TicketCode>();
        let _ = SignedClaims::parse(&text);
        let _ = SignedClaims::parse(&format!("SD1:{text}"));
    }

    #[test]
    fn every_payload_round_trips_and_needs_no_byte_mode(wanted in any_signed()) {
        let text = wanted.to_text();
        prop_assert_eq!(text.len(), 121);
        prop_assert!(text.bytes().all(|byte| byte == b':' || CROCKFORD.contains(&byte)));
        prop_assert_eq!(SignedClaims::parse(&text), Ok(wanted));
    }

    #[test]
    fn a_changed_character_is_another_payload_or_none(
        wanted in any_signed(), position in 0_usize..121, replacement: char,
    ) {
        let text = wanted.to_text();
        prop_assume!(!text[position..].starts_with(replacement));
        let mut changed = text.clone();
        changed.replace_range(position..=position, &replacement.to_string());
        prop_assert_ne!(SignedClaims::parse(&changed), Ok(wanted));
    }
}
