use super::*;

fn plan() -> Plan {
    let address = "127.0.0.1:80".parse().unwrap();
    Plan::new(address, 7, 3, "abc")
}

fn row(plan: &Plan, buyer: u32, id: &str) -> StoredReservation {
    StoredReservation {
        id: id.to_owned(),
        concert_id: 7,
        customer_email: plan.email(buyer),
        quantity: 1,
        is_live: true,
        is_deleted: false,
    }
}

fn admitted(id: &str) -> Fate {
    Fate::Admitted(id.into())
}

/// The verdict on three buyers with these fates and rows.
fn judged(fates: &[Fate], stored: &[StoredReservation]) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.judge_buyers(&plan(), 0, fates, stored);
    verdict
}

#[test]
fn answers_that_the_database_bears_out_are_good() {
    let plan = plan();
    let gone = StoredReservation {
        is_live: false,
        ..row(&plan, 1, "OLD")
    };
    let verdict = judged(
        &[admitted("A"), Fate::Refused, Fate::Unknown],
        &[row(&plan, 0, "A"), gone, row(&plan, 2, "C")],
    );
    assert!(verdict.is_ok(), "{verdict:?}");
    assert_eq!((verdict.compared, verdict.tickets), (3, 2));
}

#[test]
fn a_reservation_that_is_missing_or_another_is_lost() {
    let plan = plan();
    let good = row(&plan, 0, "A");
    let cases = [
        vec![],
        vec![row(&plan, 0, "B")],
        vec![row(&plan, 1, "A")],
        vec![StoredReservation {
            quantity: 2,
            ..good.clone()
        }],
        vec![StoredReservation {
            concert_id: 8,
            ..good.clone()
        }],
        vec![StoredReservation {
            is_deleted: true,
            ..good
        }],
    ];
    for stored in cases {
        let verdict = judged(&[admitted("A")], &stored);
        assert_eq!(verdict.lost, 1, "{stored:?}");
        assert!(!verdict.is_ok());
        assert!(verdict.faults[0].contains('A'), "{verdict:?}");
    }
}

#[test]
fn a_buyer_who_was_refused_must_hold_nothing() {
    let plan = plan();
    let verdict = judged(&[Fate::Refused], &[row(&plan, 0, "A")]);
    assert_eq!(verdict.lost, 1);
    assert!(verdict.faults[0].contains("was refused"), "{verdict:?}");
}

#[test]
fn a_buyer_with_two_reservations_is_doubled_whatever_was_answered() {
    let plan = plan();
    for fate in [admitted("A"), Fate::Unknown] {
        let verdict = judged(&[fate], &[row(&plan, 0, "A"), row(&plan, 0, "B")]);
        assert_eq!((verdict.doubled, verdict.lost), (1, 0));
        assert!(!verdict.is_ok());
    }
}

#[test]
fn answers_that_contradict_each_other_are_counted_by_what_they_mean() {
    let kinds = [
        ContradictionKind::TwoReservations,
        ContradictionKind::TakenBack,
        ContradictionKind::NotAsAsked,
        ContradictionKind::Unmarked,
    ];
    let found = kinds.map(|kind| Contradiction {
        buyer: 1,
        kind,
        detail: "A and B".to_owned(),
    });
    let mut verdict = Verdict::default();
    verdict.hear(&plan(), &Counts::default(), &found);
    assert_eq!((verdict.doubled, verdict.lost, verdict.unmarked), (1, 2, 1));
    assert_eq!(verdict.faults.len(), 4);
    assert!(verdict.faults[0].contains("rush-abc-1"));
}

#[test]
fn a_stock_must_neither_be_exceeded_nor_miscounted() {
    let stock = |total_tickets, available_tickets, held| {
        let mut verdict = Verdict::default();
        verdict.judge_stock(
            7,
            Some(Stock {
                total_tickets,
                available_tickets,
                held,
            }),
        );
        (verdict.oversold, verdict.inventory_errors, verdict.is_ok())
    };
    assert_eq!(stock(100, 0, 100), (0, 0, true));
    assert_eq!(stock(100, 40, 60), (0, 0, true));
    assert_eq!(stock(100, 50, 60), (0, 1, false));
    assert_eq!(stock(100, 0, 103), (3, 1, false));
    let mut missing = Verdict::default();
    missing.judge_stock(7, None);
    assert!(!missing.is_ok());
}

#[test]
fn a_run_with_open_questions_or_odd_refusals_is_not_ok() {
    let unanswered = Counts {
        unanswered: 1,
        ..Counts::default()
    };
    let odd = Counts {
        refused_by: [("not_found".to_owned(), 9), ("sold_out".to_owned(), 1)].into(),
        ..Counts::default()
    };
    for (counts, said) in [(unanswered, "no final answer"), (odd, "9 buyers")] {
        let mut verdict = Verdict::default();
        verdict.hear(&plan(), &counts, &[]);
        assert!(!verdict.is_ok());
        assert!(verdict.faults[0].contains(said), "{verdict:?}");
    }
}
