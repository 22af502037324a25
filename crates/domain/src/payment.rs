//! Payments: what each thing that a provider tells means, whatever was told before it, and in
//! whatever order.
//!
//! Absent on purpose: how a provider is asked. Every fact may come late, twice or not at all, so a
//! rule looks at how things stand and never at how they came about.

use jiff::Timestamp;

use crate::id::{PaymentId, ReservationId};
use crate::money::{Currency, Money};
use crate::reservation::{InvalidStatus, Reservation, ReservationStatus};
use crate::word::words;

/// One attempt to pay for a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    pub id: PaymentId,
    pub reservation_id: ReservationId,
    pub amount: Money,
    pub currency: Currency,
    pub state: PaymentState,
    /// Why its money goes back.
    pub refund_reason: Option<RefundReason>,
    pub created_at: Timestamp,
}

/// `payments.status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaymentState {
    /// Nobody knows yet whether money moves.
    Pending,
    /// The money is here.
    Completed,
    /// It was declined or given up, and no money moved.
    Failed,
    /// The money is here and must go back.
    Refunding,
    Refunded,
}

impl PaymentState {
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Completed,
        Self::Failed,
        Self::Refunding,
        Self::Refunded,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
        }
    }

    /// Whether the buyer's money came, wherever it is now.
    pub const fn was_paid(self) -> bool {
        matches!(self, Self::Completed | Self::Refunding | Self::Refunded)
    }
}

/// Why money goes back: `payments.refund_reason`, and a sentence to the buyer each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundReason {
    /// It came when the hold was over, and the tickets were gone.
    Late,
    /// It came for a reservation that had been cancelled.
    Cancelled,
    /// The reservation was paid already.
    Twice,
    /// It isn't what was asked for.
    WrongAmount,
    /// The buyer gave the tickets back.
    ByCustomer,
    /// Staff gave it back.
    ByStaff,
    /// There is no concert any more.
    ConcertCancelled,
}

impl RefundReason {
    pub const ALL: [Self; 7] = [
        Self::Late,
        Self::Cancelled,
        Self::Twice,
        Self::WrongAmount,
        Self::ByCustomer,
        Self::ByStaff,
        Self::ConcertCancelled,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Cancelled => "cancelled",
            Self::Twice => "twice",
            Self::WrongAmount => "wrong_amount",
            Self::ByCustomer => "by_customer",
            Self::ByStaff => "by_staff",
            Self::ConcertCancelled => "concert_cancelled",
        }
    }
}

words! { InvalidStatus: PaymentState RefundReason }

/// What a provider says about a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// So much money came.
    Paid { amount: Money, currency: Currency },
    /// None came, and by this attempt none will.
    Failed,
    /// All of it went back.
    Refunded,
    /// Something became of a part of it that was sent back; how much is back must be asked.
    RefundMoved,
    /// It could not be sent back; somebody must look.
    RefundFailed,
}

/// How things stand behind the locks when a fact is told.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    pub payment: &'a Payment,
    /// `None` once staff have deleted it, which they may when nothing is held by it.
    pub reservation: Option<&'a Reservation>,
    /// Tickets that an expired reservation could take anew: none where the concert is over, deleted or
    /// archived.
    pub available: i32,
    /// Whether the concert was cancelled: who has no tickets yet gets none.
    pub is_concert_cancelled: bool,
    /// Whether its customer may have so many more tickets of the concert.
    pub is_within_limit: bool,
    /// Whether it was told before that the money could not be sent back, and the fact isn't an answer
    /// to a question: it may be older than what was told.
    pub is_refund_doubtful: bool,
}

/// What must be done about a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// It was known, or something later has overtaken it.
    Nothing,
    /// The tickets are the buyer's; so many must be taken anew.
    Confirm { take: i32 },
    /// The money came and must go back.
    GiveBack(RefundReason),
    /// The buyer may try another way.
    Fail,
    /// The money is back; with `cancel` the tickets are on sale again, which the buyer had until now.
    SettleRefund { cancel: bool },
    /// The refund stands open and is shown to staff.
    ReportRefund,
    /// The provider is asked how the money stands now.
    Ask,
    /// It was sent back after all, and staff had paid it back already: they are told.
    PaidTwice,
}

/// The rule for everything that a provider tells.
///
/// INVARIANT: whatever comes in whatever order, a buyer's money is either for tickets that the buyer
/// has or on its way back, and one reservation takes one payment; guarded by
/// `facts_in_any_order_leave_neither_money_nor_tickets_astray`.
pub fn decide(fact: Fact, standing: Standing<'_>) -> Consequence {
    let state = standing.payment.state;
    match fact {
        Fact::Paid { amount, currency } if !state.was_paid() => paid((amount, currency), standing),
        Fact::Failed if state == PaymentState::Pending => Consequence::Fail,
        // That it was sent back, told after that it came back from there, isn't news.
        Fact::Refunded if standing.is_refund_doubtful => Consequence::Ask,
        Fact::RefundMoved if state.was_paid() => Consequence::Ask,
        Fact::Refunded if state != PaymentState::Refunded => Consequence::SettleRefund {
            // Somebody sent it back at the provider's: who has no money of ours has no tickets.
            cancel: state == PaymentState::Completed
                && standing
                    .reservation
                    .is_some_and(|one| one.status == ReservationStatus::Confirmed),
        },
        // Banks send some of it back days after the provider called it done.
        Fact::RefundFailed if matches!(state, PaymentState::Refunding | PaymentState::Refunded) => {
            Consequence::ReportRefund
        }
        // It was known, or something that came before it came later.
        Fact::Paid { .. }
        | Fact::Failed
        | Fact::Refunded
        | Fact::RefundMoved
        | Fact::RefundFailed => Consequence::Nothing,
    }
}

/// The same for money that staff have paid back another way: the buyer has it, whatever becomes of what the
/// provider sends.
pub const fn decide_settled(fact: Fact) -> Consequence {
    match fact {
        Fact::Refunded => Consequence::PaidTwice,
        Fact::RefundMoved => Consequence::Ask,
        Fact::Paid { .. } | Fact::Failed | Fact::RefundFailed => Consequence::Nothing,
    }
}

fn paid(came: (Money, Currency), standing: Standing<'_>) -> Consequence {
    let Standing {
        payment,
        reservation,
        available,
        is_concert_cancelled,
        is_within_limit,
        is_refund_doubtful: _,
    } = standing;
    if came != (payment.amount, payment.currency) {
        return Consequence::GiveBack(RefundReason::WrongAmount);
    }
    let Some(reservation) = reservation else {
        return Consequence::GiveBack(RefundReason::Cancelled);
    };
    match reservation.status {
        ReservationStatus::Confirmed => Consequence::GiveBack(RefundReason::Twice),
        ReservationStatus::Cancelled => Consequence::GiveBack(RefundReason::Cancelled),
        ReservationStatus::Pending | ReservationStatus::Expired if is_concert_cancelled => {
            Consequence::GiveBack(RefundReason::ConcertCancelled)
        }
        // One that ran out and isn't swept yet still has its tickets.
        ReservationStatus::Pending => Consequence::Confirm { take: 0 },
        ReservationStatus::Expired if reservation.quantity <= available && is_within_limit => {
            Consequence::Confirm {
                take: reservation.quantity,
            }
        }
        ReservationStatus::Expired => Consequence::GiveBack(RefundReason::Late),
    }
}

#[cfg(test)]
mod tests;
