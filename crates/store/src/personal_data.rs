//! What is kept about one person, by their e-mail address: for a copy of it, and to see whether it may
//! be erased.

use domain::erasure::{Business, Money as Undecided};
use domain::id::{MailId, PaymentId, ReservationId};
use domain::language::Language;
use domain::mail::{MailKind, MailStatus};
use domain::money::Money;
use domain::payment::{PaymentState, RefundReason};
use domain::reservation::{PaymentStatus, ReservationStatus};
use domain::text::EmailAddress;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::personal_data as statements;
use crate::money;
use crate::time::from_column;

/// A reservation with all that is kept of it, deleted or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptReservation {
    pub id: ReservationId,
    /// `None` where the concert isn't known any more.
    pub concert: Option<KeptConcert>,
    pub customer_name: String,
    pub customer_email: String,
    pub quantity: i32,
    pub total_price: Money,
    pub status: ReservationStatus,
    pub payment_status: PaymentStatus,
    pub google_auth: bool,
    pub reserved_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    /// Where it was asked for from.
    pub client_ip: Option<String>,
}

/// What it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptConcert {
    pub name: String,
    pub artist: String,
    pub venue: String,
    pub date: Date,
}

/// A payment, without what only its provider and we may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPayment {
    pub id: PaymentId,
    pub reservation_id: ReservationId,
    pub provider: String,
    pub amount: Money,
    pub currency: String,
    pub state: PaymentState,
    pub refund_reason: Option<RefundReason>,
    /// What staff wrote of money that they sent back another way.
    pub refund_note: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A ticket without the code that lets its holder in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptTicket {
    pub reservation_id: ReservationId,
    pub number: i32,
    pub is_confirmed: bool,
    pub used_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// A mail; its words aren't kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMail {
    pub id: MailId,
    pub kind: MailKind,
    pub language: Language,
    pub recipient: String,
    pub reservation_id: Option<ReservationId>,
    pub status: MailStatus,
    pub sent_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// Where a customer signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAccount {
    pub name: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub identities: Vec<KeptIdentity>,
    pub sessions: Vec<KeptSession>,
}

/// Who a provider says they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptIdentity {
    pub issuer: String,
    pub subject: String,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSession {
    /// Whether it began at a provider, not by a mail.
    pub is_google: bool,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// The account of an address; none for who never signed in.
pub async fn find_account(
    connection: &Connection,
    email: &EmailAddress,
) -> Result<Option<KeptAccount>, StoreError> {
    let found = statements::find_account()
        .bind(connection, &email.as_str())
        .opt()
        .await?;
    let Some(account) = found else {
        return Ok(None);
    };
    let identities = statements::list_identities()
        .bind(connection, &account.id)
        .all()
        .await?;
    let sessions = statements::list_sessions()
        .bind(connection, &account.id)
        .all()
        .await?;
    let identities = identities.into_iter().map(|row| KeptIdentity {
        issuer: row.issuer,
        subject: row.subject,
        created_at: from_column(row.created_at),
    });
    let sessions = sessions.into_iter().map(|row| KeptSession {
        is_google: row.is_google,
        created_at: from_column(row.created_at),
        expires_at: from_column(row.expires_at),
    });
    Ok(Some(KeptAccount {
        name: account.name,
        created_at: from_column(account.created_at),
        updated_at: from_column(account.updated_at),
        identities: identities.collect(),
        sessions: sessions.collect(),
    }))
}

/// The newest so many reservations under an address.
pub async fn list_reservations(
    connection: &Connection,
    email: &EmailAddress,
    rows_max: i64,
) -> Result<Vec<KeptReservation>, StoreError> {
    let list = statements::list_reservations();
    let address = email.as_str();
    let rows = list.bind(connection, &address, &rows_max).all();
    rows.await?.into_iter().map(read_reservation).collect()
}

fn read_reservation(row: statements::Kept) -> Result<KeptReservation, StoreError> {
    let concert = match (row.concert_name, row.artist, row.venue, row.concert_on) {
        (Some(name), Some(artist), Some(venue), Some(date)) => Some(KeptConcert {
            name,
            artist,
            venue,
            date,
        }),
        _ => None,
    };
    Ok(KeptReservation {
        id: parse("reservations", &row.id)?,
        concert,
        customer_name: row.customer_name,
        customer_email: row.customer_email,
        quantity: row.quantity,
        total_price: money::from_column("reservations", row.total_price)?,
        status: parse("reservations", &row.status)?,
        payment_status: parse("reservations", &row.payment_status)?,
        google_auth: row.google_auth,
        reserved_at: from_column(row.reserved_at),
        expires_at: row.expires_at.map(from_column),
        created_at: from_column(row.created_at),
        updated_at: from_column(row.updated_at),
        deleted_at: row.deleted_at.map(from_column),
        client_ip: row.client_ip,
    })
}

pub async fn list_payments(
    connection: &Connection,
    reservations: &[&str],
) -> Result<Vec<KeptPayment>, StoreError> {
    let list = statements::list_payments();
    let rows = list.bind(connection, &reservations).all().await?;
    let rows = rows.into_iter().map(|row| {
        let reason = row.refund_reason.as_deref();
        Ok(KeptPayment {
            id: parse("payments", &row.id)?,
            reservation_id: parse("payments", &row.reservation_id)?,
            provider: row.provider,
            amount: money::from_column("payments", row.amount)?,
            currency: row.currency,
            state: parse("payments", &row.status)?,
            refund_reason: reason.map(|text| parse("payments", text)).transpose()?,
            refund_note: row.refund_note,
            created_at: from_column(row.created_at),
            updated_at: from_column(row.updated_at),
        })
    });
    rows.collect()
}

pub async fn list_tickets(
    connection: &Connection,
    reservations: &[&str],
) -> Result<Vec<KeptTicket>, StoreError> {
    let list = statements::list_tickets();
    let rows = list.bind(connection, &reservations).all().await?;
    let rows = rows.into_iter().map(|row| {
        let reservation: ReservationStatus = parse("reservations", &row.reservation_status)?;
        Ok(KeptTicket {
            reservation_id: parse("tickets", &row.reservation_id)?,
            number: row.number,
            is_confirmed: reservation == ReservationStatus::Confirmed,
            used_at: row.used_at.map(from_column),
            created_at: from_column(row.created_at),
        })
    });
    rows.collect()
}

/// The first so many mails about these reservations or to the address.
pub async fn list_mails(
    connection: &Connection,
    reservations: &[&str],
    email: &EmailAddress,
    rows_max: i64,
) -> Result<Vec<KeptMail>, StoreError> {
    let list = statements::list_mails();
    let address = email.as_str();
    let rows = list.bind(connection, &reservations, &address, &rows_max);
    let rows = rows.all().await?.into_iter().map(|row| {
        let reservation = row.reservation_id.as_deref();
        Ok(KeptMail {
            id: parse("mails", &row.id)?,
            kind: parse("mails", &row.kind)?,
            language: parse("mails", &row.language)?,
            recipient: row.recipient,
            reservation_id: reservation.map(|id| parse("mails", id)).transpose()?,
            status: parse("mails", &row.status)?,
            sent_at: row.sent_at.map(from_column),
            created_at: from_column(row.created_at),
        })
    });
    rows.collect()
}

/// Locks all reservations under an address, in the order of their ids, as whoever locks several does.
pub async fn lock_reservations(
    connection: &Connection,
    email: &EmailAddress,
) -> Result<Vec<Business>, StoreError> {
    let lock = statements::lock_reservations();
    let rows = lock.bind(connection, &email.as_str()).all().await?;
    let rows = rows.into_iter().map(|row| {
        Ok(Business {
            id: parse("reservations", &row.id)?,
            status: parse("reservations", &row.status)?,
            concert_on: row.concert_on,
        })
    });
    rows.collect()
}

/// Locks their payments behind them.
pub async fn lock_payments(
    connection: &Connection,
    reservations: &[&str],
) -> Result<Vec<Undecided>, StoreError> {
    let lock = statements::lock_payments();
    let rows = lock.bind(connection, &reservations).all().await?;
    let rows = rows.into_iter().map(|row| {
        Ok(Undecided {
            reservation_id: parse("payments", &row.reservation_id)?,
            state: parse("payments", &row.status)?,
            is_asked: row.is_asked,
        })
    });
    rows.collect()
}

fn parse<T: std::str::FromStr>(table: &'static str, value: &str) -> Result<T, StoreError> {
    value.parse().map_err(|_| StoreError::Unreadable {
        table,
        detail: format!("{value:?}"),
    })
}
