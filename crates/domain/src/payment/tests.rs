use proptest::prelude::*;

use super::*;
use crate::id::ConcertId;
use crate::reservation::PaymentStatus;

const PRICE: Money = match Money::from_minor(250_000) {
    Some(money) => money,
    None => Money::ZERO,
};

fn payment(number: u64, state: PaymentState) -> Payment {
    Payment {
        id: PaymentId::new(Timestamp::UNIX_EPOCH, number),
        reservation_id: ReservationId::new(Timestamp::UNIX_EPOCH, 1),
        amount: PRICE,
        currency: Currency::THB,
        state,
        refund_reason: None,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

fn reservation(status: ReservationStatus) -> Reservation {
    Reservation {
        id: ReservationId::new(Timestamp::UNIX_EPOCH, 1),
        concert_id: ConcertId::new(1).unwrap(),
        customer_name: "Som".into(),
        customer_email: "som@example.com".into(),
        quantity: 2,
        total_price: PRICE,
        status,
        payment_status: PaymentStatus::Pending,
        google_auth: false,
        reserved_at: Timestamp::UNIX_EPOCH,
        expires_at: Some(Timestamp::UNIX_EPOCH),
        extensions: 0,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

fn told(fact: Fact, state: PaymentState, status: ReservationStatus, left: i32) -> Consequence {
    decide(
        fact,
        Standing {
            payment: &payment(1, state),
            reservation: Some(&reservation(status)),
            available: left,
            is_concert_cancelled: false,
            is_within_limit: true,
            is_refund_doubtful: false,
        },
    )
}

const PAID: Fact = Fact::Paid {
    amount: PRICE,
    currency: Currency::THB,
};

#[test]
fn money_of_what_staff_have_deleted_goes_back_and_is_settled_once() {
    use PaymentState::{Completed, Failed, Pending, Refunded, Refunding};
    let settle = Consequence::SettleRefund { cancel: false };
    let give_back = Consequence::GiveBack(RefundReason::Cancelled);
    for (fact, state, expected) in [
        (PAID, Pending, give_back),
        (PAID, Failed, give_back),
        (PAID, Completed, Consequence::Nothing),
        (Fact::Failed, Pending, Consequence::Fail),
        (Fact::Refunded, Refunding, settle),
        (Fact::Refunded, Refunded, Consequence::Nothing),
        (Fact::RefundFailed, Refunding, Consequence::ReportRefund),
        (Fact::RefundFailed, Completed, Consequence::Nothing),
    ] {
        let standing = Standing {
            payment: &payment(1, state),
            reservation: None,
            available: 9,
            is_concert_cancelled: false,
            is_within_limit: true,
            is_refund_doubtful: false,
        };
        assert_eq!(decide(fact, standing), expected, "{fact:?} {state}");
    }
}

#[test]
fn money_finds_its_tickets_or_goes_back() {
    use PaymentState::{Failed, Pending};
    use ReservationStatus::{Cancelled, Confirmed, Expired};
    for state in [Pending, Failed] {
        for (status, left, expected) in [
            (
                ReservationStatus::Pending,
                0,
                Consequence::Confirm { take: 0 },
            ),
            (Expired, 2, Consequence::Confirm { take: 2 }),
            (Expired, 1, Consequence::GiveBack(RefundReason::Late)),
            (Cancelled, 9, Consequence::GiveBack(RefundReason::Cancelled)),
            (Confirmed, 9, Consequence::GiveBack(RefundReason::Twice)),
        ] {
            assert_eq!(
                told(PAID, state, status, left),
                expected,
                "{state} {status}"
            );
        }
    }
}

#[test]
fn late_money_takes_no_more_tickets_than_a_customer_may_have() {
    let standing = Standing {
        payment: &payment(1, PaymentState::Pending),
        reservation: Some(&reservation(ReservationStatus::Expired)),
        available: 9,
        is_concert_cancelled: false,
        is_within_limit: false,
        is_refund_doubtful: false,
    };
    assert_eq!(
        decide(PAID, standing),
        Consequence::GiveBack(RefundReason::Late)
    );
}

#[test]
fn money_for_a_cancelled_concert_goes_back_whatever_is_held() {
    use ReservationStatus::{Cancelled, Confirmed, Expired, Pending};
    for (status, reason) in [
        (Pending, RefundReason::ConcertCancelled),
        (Expired, RefundReason::ConcertCancelled),
        (Cancelled, RefundReason::Cancelled),
        (Confirmed, RefundReason::Twice),
    ] {
        let standing = Standing {
            payment: &payment(1, PaymentState::Pending),
            reservation: Some(&reservation(status)),
            available: 9,
            is_concert_cancelled: true,
            is_within_limit: true,
            is_refund_doubtful: false,
        };
        let back = Consequence::GiveBack(reason);
        assert_eq!(decide(PAID, standing), back, "{status}");
    }
}

#[test]
fn other_money_than_was_asked_for_goes_back() {
    let less = Money::from_minor(1).unwrap();
    let euros: Currency = "EUR".parse().unwrap();
    for (amount, currency) in [(less, Currency::THB), (PRICE, euros)] {
        let fact = Fact::Paid { amount, currency };
        let back = Consequence::GiveBack(RefundReason::WrongAmount);
        for status in ReservationStatus::ALL {
            assert_eq!(
                told(fact, PaymentState::Pending, status, 9),
                back,
                "{status}"
            );
        }
    }
}

#[test]
fn a_refund_that_a_bank_returns_is_reported() {
    for state in [PaymentState::Refunding, PaymentState::Refunded] {
        let told = told(Fact::RefundFailed, state, ReservationStatus::Cancelled, 0);
        assert_eq!(told, Consequence::ReportRefund, "{state}");
    }
}

#[test]
fn that_money_went_back_is_asked_for_when_it_is_said_to_have_come_back_from_there() {
    let refunding = payment(1, PaymentState::Refunding);
    for (is_refund_doubtful, expected) in [
        (false, Consequence::SettleRefund { cancel: false }),
        (true, Consequence::Ask),
    ] {
        let standing = Standing {
            payment: &refunding,
            reservation: Some(&reservation(ReservationStatus::Cancelled)),
            available: 0,
            is_concert_cancelled: false,
            is_within_limit: true,
            is_refund_doubtful,
        };
        assert_eq!(decide(Fact::Refunded, standing), expected);
    }
}

#[test]
fn a_part_that_moved_is_asked_about_where_money_came() {
    for state in PaymentState::ALL {
        let expected = if state.was_paid() {
            Consequence::Ask
        } else {
            Consequence::Nothing
        };
        let told = told(Fact::RefundMoved, state, ReservationStatus::Confirmed, 0);
        assert_eq!(told, expected, "{state}");
    }
}

#[test]
fn what_was_told_before_changes_nothing() {
    use PaymentState::{Completed, Failed, Refunded, Refunding};
    for (fact, state) in [
        (PAID, Completed),
        (PAID, Refunding),
        (PAID, Refunded),
        (Fact::Failed, Completed),
        (Fact::Failed, Failed),
        (Fact::Failed, Refunding),
        (Fact::Refunded, Refunded),
        (Fact::RefundFailed, Completed),
    ] {
        let known = told(fact, state, ReservationStatus::Confirmed, 9);
        assert_eq!(known, Consequence::Nothing, "{fact:?} {state}");
    }
}

#[test]
fn money_that_was_sent_back_elsewhere_takes_the_tickets_along() {
    let confirmed = ReservationStatus::Confirmed;
    let elsewhere = told(Fact::Refunded, PaymentState::Completed, confirmed, 0);
    assert_eq!(elsewhere, Consequence::SettleRefund { cancel: true });
    // A second payment of a reservation that stays.
    let second = told(Fact::Refunded, PaymentState::Refunding, confirmed, 0);
    assert_eq!(second, Consequence::SettleRefund { cancel: false });
}

#[test]
fn what_staff_paid_back_stays_so_whatever_the_provider_says_later() {
    for (fact, expected) in [
        (Fact::Refunded, Consequence::PaidTwice),
        (Fact::RefundFailed, Consequence::Nothing),
        (Fact::RefundMoved, Consequence::Ask),
        (Fact::Failed, Consequence::Nothing),
        (PAID, Consequence::Nothing),
    ] {
        assert_eq!(decide_settled(fact), expected, "{fact:?}");
    }
}

/// A reservation with two payments, and what is done about facts as a use case does it.
struct World {
    reservation: Reservation,
    payments: [Payment; 2],
    available: i32,
    is_concert_cancelled: bool,
    /// What really happened to the money, by the providers' books.
    came: [bool; 2],
    went_back: [bool; 2],
    is_reported: [bool; 2],
}

impl World {
    fn tell(&mut self, which: usize, fact: Fact) {
        match fact {
            Fact::Paid { .. } => self.came[which] = true,
            Fact::Refunded => self.went_back[which] = true,
            Fact::RefundFailed => self.went_back[which] = false,
            Fact::Failed | Fact::RefundMoved => {}
        }
        self.hear(which, fact, false);
    }

    /// Also what is told long after it was true.
    fn hear(&mut self, which: usize, fact: Fact, is_answer: bool) {
        let consequence = decide(
            fact,
            Standing {
                payment: &self.payments[which],
                reservation: Some(&self.reservation),
                available: self.available,
                is_concert_cancelled: self.is_concert_cancelled,
                is_within_limit: true,
                is_refund_doubtful: self.is_reported[which] && !is_answer,
            },
        );
        let payment = &mut self.payments[which];
        match consequence {
            Consequence::ReportRefund => {
                payment.state = PaymentState::Refunding;
                self.is_reported[which] = true;
            }
            Consequence::Ask if self.went_back[which] => {
                self.hear(which, Fact::Refunded, true);
            }
            // Asked about money that nobody wanted to send back, a provider has nothing to say.
            Consequence::Ask if payment.state == PaymentState::Completed => {}
            Consequence::Ask if self.is_reported[which] => {
                self.hear(which, Fact::RefundFailed, true);
            }
            Consequence::Ask | Consequence::Nothing | Consequence::PaidTwice => {}
            Consequence::Confirm { take } => {
                self.available -= take;
                payment.state = PaymentState::Completed;
                self.reservation.status = ReservationStatus::Confirmed;
            }
            Consequence::GiveBack(_) => payment.state = PaymentState::Refunding,
            Consequence::Fail => payment.state = PaymentState::Failed,
            Consequence::SettleRefund { cancel } => {
                payment.state = PaymentState::Refunded;
                self.is_reported[which] = false;
                if cancel {
                    self.reservation.status = ReservationStatus::Cancelled;
                    self.available += self.reservation.quantity;
                }
            }
        }
    }

    fn expire(&mut self) {
        if self.reservation.status == ReservationStatus::Pending {
            self.reservation.status = ReservationStatus::Expired;
            self.available += self.reservation.quantity;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn facts_in_any_order_leave_neither_money_nor_tickets_astray(
        left in 0..3i32,
        steps in prop::collection::vec((0..2usize, 0..9u8), 0..30),
    ) {
        let mut world = World {
            reservation: reservation(ReservationStatus::Pending),
            payments: [payment(1, PaymentState::Pending), payment(2, PaymentState::Pending)],
            available: left,
            is_concert_cancelled: false,
            came: [false; 2],
            went_back: [false; 2],
            is_reported: [false; 2],
        };
        for (which, step) in steps {
            let before = world.reservation.status;
            match step {
                0 | 1 => world.tell(which, PAID),
                2 => world.tell(which, Fact::Failed),
                // A provider sends back only what came.
                3 if world.came[which] => world.tell(which, Fact::Refunded),
                4 if world.came[which] => world.tell(which, Fact::RefundFailed),
                5 => world.expire(),
                // That it went back, told after that it came back from there.
                6 if world.is_reported[which] => world.hear(which, Fact::Refunded, false),
                7 => world.tell(which, Fact::RefundMoved),
                8 => world.is_concert_cancelled = true,
                _ => {}
            }
            prop_assert!(world.available >= 0);
            let tickets = world.reservation.status.holds_tickets();
            let held = if tickets { world.reservation.quantity } else { 0 };
            prop_assert_eq!(world.available + held, left + world.reservation.quantity);
            let kept = world.payments.iter().filter(|p| p.state == PaymentState::Completed);
            let kept = kept.count();
            let confirmed = world.reservation.status == ReservationStatus::Confirmed;
            prop_assert_eq!(kept, usize::from(confirmed));
            let is_bought = confirmed && before != ReservationStatus::Confirmed;
            prop_assert!(!(is_bought && world.is_concert_cancelled));
            for n in 0..2 {
                let state = world.payments[n].state;
                prop_assert_eq!(state == PaymentState::Refunded, world.went_back[n]);
                prop_assert_eq!(state.was_paid(), world.came[n]);
            }
        }
    }
}
