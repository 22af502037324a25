//! The words for what reservations, payments, mails and runs are.

use domain::payment::{PaymentState, RefundReason};
use domain::reservation::{ReservationStatus, TransitionError};
use domain::run::{RunKind, RunRefusal};
use store::payments::Told;

use crate::i18n::Lang;
use crate::staff::frame::Frame;

pub const fn status_key(status: ReservationStatus) -> &'static str {
    match status {
        ReservationStatus::Pending => "sr-status-pending",
        ReservationStatus::Confirmed => "sr-status-confirmed",
        ReservationStatus::Cancelled => "sr-status-cancelled",
        ReservationStatus::Expired => "sr-status-expired",
    }
}

pub const fn payment_key(state: PaymentState) -> &'static str {
    match state {
        PaymentState::Pending => "sr-payment-pending",
        PaymentState::Completed => "sr-payment-completed",
        PaymentState::Failed => "sr-payment-failed",
        PaymentState::Refunding => "sr-payment-refunding",
        PaymentState::Refunded => "sr-payment-refunded",
    }
}

pub const fn reason_key(reason: RefundReason) -> &'static str {
    match reason {
        RefundReason::Late => "sr-reason-late",
        RefundReason::Cancelled => "sr-reason-cancelled",
        RefundReason::Twice => "sr-reason-twice",
        RefundReason::WrongAmount => "sr-reason-wrong-amount",
        RefundReason::ByCustomer => "sr-reason-by-customer",
        RefundReason::ByStaff => "sr-reason-by-staff",
        RefundReason::ConcertCancelled => "sr-reason-concert-cancelled",
    }
}

/// What a provider told, by the word of `payment_events.news`.
fn news_key(news: &str) -> &'static str {
    match news {
        "paid" => "sr-told-paid",
        "failed" => "sr-told-failed",
        "refunded" => "sr-told-refunded",
        "refund_failed" => "sr-told-refund-failed",
        "refund_refused" => "sr-told-refund-refused",
        "disputed" => "sr-told-disputed",
        _ => "sr-told-refund-moved",
    }
}

/// What was told of a payment, as a sentence; of what staff noted with the note.
pub fn told_text(frame: &Frame, told: &Told, note: Option<&str>) -> String {
    match (told.news.as_str(), note) {
        ("settled", Some(note)) => frame
            .lang()
            .text_with("sr-told-settled-so", &[("note", note)]),
        ("settled", None) => frame.t("sr-told-settled"),
        _ if told.consequence == "paid_twice" => frame.t("sr-told-refunded-too"),
        (news, _) => frame.t(news_key(news)),
    }
}

/// A run as a heading.
pub const fn act_key(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Cancel => "sr-run-cancel",
        RunKind::Refund => "sr-run-refund",
        RunKind::Resend => "sr-run-resend",
        RunKind::CancelConcert => "sr-run-concert",
    }
}

/// The button that leads to a run's preview.
pub const fn choose_key(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Cancel => "sr-choose-cancel",
        RunKind::Refund => "sr-choose-refund",
        RunKind::Resend => "sr-choose-resend",
        RunKind::CancelConcert => "sr-run-concert",
    }
}

pub const fn refusal_key(refusal: RunRefusal) -> &'static str {
    match refusal {
        RunRefusal::Gone => "sr-refused-gone",
        RunRefusal::Cancelled => "sr-refused-cancelled",
        RunRefusal::Expired => "sr-refused-expired",
        RunRefusal::NothingPaid => "sr-refused-unpaid",
        RunRefusal::OwedByHand => "sr-refused-owed",
        RunRefusal::NothingToTell => "sr-refused-mail",
        RunRefusal::NotAllowed => "sr-refused-role",
        RunRefusal::Broken => "sr-refused-broken",
    }
}

/// Why a reservation can't change as asked.
pub fn transition(lang: Lang, error: TransitionError) -> String {
    match error {
        TransitionError::Expired | TransitionError::NotSwept => lang.text("sr-refused-expired"),
        TransitionError::TicketsGone { available } => {
            lang.count("sr-refused-tickets", i64::from(available))
        }
        TransitionError::InvalidState {
            status: ReservationStatus::Cancelled,
        } => lang.text("sr-refused-cancelled"),
        TransitionError::InvalidState { .. }
        | TransitionError::NoMoreExtensions
        | TransitionError::TooLate { .. }
        | TransitionError::Used => lang.text("sr-refused-state"),
    }
}
