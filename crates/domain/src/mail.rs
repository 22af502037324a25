//! Mails to buyers: what each is about, and what became of it.
//!
//! Absent on purpose: their words, which the front has in both languages, and mail servers.

use crate::reservation::{PaymentStatus, Reservation, ReservationStatus};
use crate::word::words;

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// The tickets are the buyer's.
    Confirmed,
    /// The tickets are on sale again.
    Cancelled,
    /// What was paid has been sent back.
    Refunded,
    /// No money came, and the tickets are still held.
    PaymentFailed,
    /// A link that signs its reader in; about no reservation.
    SignIn,
}

impl MailKind {
    pub const ALL: [Self; 5] = [
        Self::Confirmed,
        Self::Cancelled,
        Self::Refunded,
        Self::PaymentFailed,
        Self::SignIn,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
            Self::Refunded => "refunded",
            Self::PaymentFailed => "payment_failed",
            Self::SignIn => "sign_in",
        }
    }

    /// The mail that tells how a reservation stands; `None` where none was ever written about that.
    pub fn about(reservation: &Reservation) -> Option<Self> {
        match (reservation.status, reservation.payment_status) {
            (ReservationStatus::Confirmed, _) => Some(Self::Confirmed),
            (
                ReservationStatus::Cancelled | ReservationStatus::Expired,
                PaymentStatus::Refunded,
            ) => Some(Self::Refunded),
            (ReservationStatus::Cancelled, _) => Some(Self::Cancelled),
            (ReservationStatus::Pending, PaymentStatus::Failed) => Some(Self::PaymentFailed),
            (ReservationStatus::Pending | ReservationStatus::Expired, _) => None,
        }
    }
}

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailStatus {
    Pending,
    /// A mail server has taken it.
    Sent,
    /// There is no mail server, so it is only to be looked at.
    Kept,
    /// It was given up.
    Dead,
}

impl MailStatus {
    pub const ALL: [Self; 4] = [Self::Pending, Self::Sent, Self::Kept, Self::Dead];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Kept => "kept",
            Self::Dead => "dead",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a word of mails")]
pub struct UnknownWord;

words! { UnknownWord: MailKind MailStatus }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_as_in_the_database() {
        for kind in MailKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        for status in MailStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert_eq!("".parse::<MailKind>(), Err(UnknownWord));
    }
}
