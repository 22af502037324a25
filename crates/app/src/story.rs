//! All that staff see of one reservation at once: payments with what their providers told, mails, tickets,
//! and, for those who may read the audit log, who of the staff did what.

use domain::concert::Concert;
use domain::id::ReservationId;
use domain::reservation::Reservation;
use domain::ticket::Ticket;
use jiff::Timestamp;
use store::audit_logs::{self, Entry, Filter};
use store::mails::{self, Mail};
use store::payments::{self, Stored, Told};
use store::{Acting, StoreError, Transaction, concerts, reservations, tickets};

use crate::App;

/// Mails whose writer is looked up, the newest: each is a look-up of its own.
const MAILS_MAX: usize = 20;
/// Changes of one record: more than anybody makes of one reservation.
const ENTRIES_MAX: i32 = 100;

/// What somebody of the staff did to a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    pub kind: DeedKind,
    pub username: String,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeedKind {
    Confirmed,
    Cancelled,
    Refunded,
    /// Money that couldn't go back was paid back another way.
    Settled,
    WroteAgain,
}

/// A reservation with its story.
#[derive(Clone, Debug)]
pub struct Story {
    /// Its status is that of now: a hold that ran out is already `expired`.
    pub reservation: Reservation,
    /// None where it was deleted.
    pub concert: Option<Concert>,
    /// All attempts to pay, the newest first.
    pub payments: Vec<Stored>,
    /// What providers told of them, the oldest first.
    pub told: Vec<Told>,
    /// Of the last 90 days, the newest first.
    pub mails: Vec<Mail>,
    /// Those that were made yet.
    pub tickets: Vec<Ticket>,
    /// What staff did, where whoever asks may read the audit log.
    pub deeds: Vec<Deed>,
}

/// A reservation's story for staff who may see it; with the audit log's part for those who may read that.
pub async fn tell(
    app: &App,
    id: &ReservationId,
    (by, reads_log): (&Acting, bool),
) -> Result<Option<Story>, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let told = tell_in(app, &transaction, (id, reads_log)).await;
    transaction.rollback().await;
    told
}

async fn tell_in(
    app: &App,
    transaction: &Transaction,
    (id, reads_log): (&ReservationId, bool),
) -> Result<Option<Story>, StoreError> {
    let Some(found) = reservations::find_in(transaction, id).await? else {
        return Ok(None);
    };
    let now = app.ctx().now();
    let reservation = Reservation {
        status: found.status_at(now),
        ..found
    };
    let payments = payments::list(transaction, id).await?;
    let mails = mails::list_of_reservation(transaction, id).await?;
    let deeds = if reads_log {
        let paid = payments.iter().map(|one| one.payment.id.to_string());
        let written = mails.iter().take(MAILS_MAX).map(|one| one.id.to_string());
        let rows = paid.map(|id| ("payments", id));
        let rows = rows.chain(written.map(|id| ("mails", id))).collect();
        list_deeds(transaction, id, rows).await?
    } else {
        Vec::new()
    };
    Ok(Some(Story {
        deeds,
        concert: concerts::find(transaction, reservation.concert_id).await?,
        payments,
        told: payments::list_events(transaction, id).await?,
        mails,
        tickets: tickets::list(transaction, id).await?,
        reservation,
    }))
}

/// What staff did to a reservation and to the rows about it, by the audit log.
async fn list_deeds(
    transaction: &Transaction,
    id: &ReservationId,
    about: Vec<(&'static str, String)>,
) -> Result<Vec<Deed>, StoreError> {
    let mut entries = list_entries(transaction, "reservations", id.to_string()).await?;
    for (table, record) in about {
        entries.extend(list_entries(transaction, table, record).await?);
    }
    Ok(deeds(&entries))
}

async fn list_entries(
    transaction: &Transaction,
    table: &str,
    record: String,
) -> Result<Vec<Entry>, StoreError> {
    let filter = Filter {
        table_name: Some(table.to_owned()),
        record_id: Some(record),
        ..Filter::default()
    };
    audit_logs::list(transaction, &filter, None, ENTRIES_MAX).await
}

/// A mail that was written with another act of the same request tells of that act.
fn deeds(entries: &[Entry]) -> Vec<Deed> {
    let kinds = |entry: &Entry| entry.username.as_ref().and(kind_of(entry));
    let acted: Vec<_> = entries
        .iter()
        .filter(|entry| kinds(entry).is_some_and(|kind| kind != DeedKind::WroteAgain))
        .map(|entry| entry.request_id)
        .collect();
    let mut deeds: Vec<Deed> = entries
        .iter()
        .filter_map(|entry| {
            let kind = kinds(entry)?;
            let is_told = kind == DeedKind::WroteAgain && acted.contains(&entry.request_id);
            (!is_told).then(|| Deed {
                kind,
                username: entry.username.clone().unwrap_or_default(),
                at: entry.created_at,
            })
        })
        .collect();
    deeds.sort_by_key(|deed| deed.at);
    // One refund may send several payments back.
    deeds.dedup();
    deeds
}

fn kind_of(entry: &Entry) -> Option<DeedKind> {
    let new: serde_json::Value = serde_json::from_str(entry.new_values.as_deref()?).ok()?;
    let status = new.get("status").and_then(serde_json::Value::as_str);
    match (&*entry.table_name, &*entry.action, status) {
        ("reservations", "UPDATE", Some("confirmed")) => Some(DeedKind::Confirmed),
        ("reservations", "UPDATE", Some("cancelled")) => Some(DeedKind::Cancelled),
        ("payments", "UPDATE", Some("refunded")) if new.get("refund_note").is_some() => {
            Some(DeedKind::Settled)
        }
        ("payments", "UPDATE", Some("refunding" | "refunded")) => Some(DeedKind::Refunded),
        ("mails", "CREATE", _) => Some(DeedKind::WroteAgain),
        _ => None,
    }
}
