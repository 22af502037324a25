//! The statements of one batch of admissions, pipelined on a connection that a lane owns.
//!
//! INVARIANT: every statement is prepared before it is pipelined (one that isn't would run after
//! the transaction's end), and COMMIT is sent only after the answer to the row lock was read.

use std::collections::HashMap;
use std::time::Duration;

use domain::id::{ConcertId, MailId};
use domain::language::Language;
use domain::reservation::{Reservation, ReservationStatus};
use domain::text::EmailAddress;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use rust_decimal::Decimal;
use tokio::time::timeout;
use uuid::Uuid;

use crate::concerts::LockedConcert;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::{admission, concerts as concert_statements};
use crate::pool::{Lease, Pool};
use crate::receipts::{Digest, Receipt};
use crate::time::{from_column, to_column};
use crate::{concerts, money, reservations};

/// How long the lock of a concert's row is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    /// As long as others that change stock may take.
    Full,
    /// Longer than another server's batch keeps it, and not much: it was not to be had a moment ago.
    Short,
}

impl LockWait {
    /// Milliseconds.
    const fn limit(self) -> &'static str {
        match self {
            Self::Full => "800",
            Self::Short => "100",
        }
    }
}

/// The most concerts that one batch may touch: their updates must all be sent before COMMIT is,
/// which `try_join_all` promises for up to 30 futures.
pub const CONCERTS_MAX: usize = 16;

/// Preparing is one round trip on a connection that was just lent.
const PREPARE_WITHIN: Duration = Duration::from_secs(1);

/// A connection with every statement of a batch prepared.
#[derive(Debug)]
pub struct Desk {
    lease: Lease,
}

/// What a batch asks about before it decides.
#[derive(Clone, Debug, Default)]
pub struct Questions {
    pub key_digests: Vec<Digest>,
    /// Customers with the concerts they want tickets for.
    pub customers: Vec<(EmailAddress, ConcertId)>,
}

/// A key's receipt with the reservation that it stands for.
#[derive(Clone, Debug)]
pub struct FoundReceipt {
    pub receipt: Receipt,
    pub written_at: Timestamp,
    pub reservation: Reservation,
}

/// The answers to [`Questions`].
#[derive(Clone, Debug, Default)]
pub struct Answers {
    pub receipts: HashMap<Digest, FoundReceipt>,
    /// Tickets held, of those who hold any.
    pub held: HashMap<(String, i32), i32>,
}

/// A reservation to be written, with what its row and its receipt need besides.
#[derive(Clone, Debug)]
pub struct Admission {
    pub reservation: Reservation,
    pub client_ip: Option<String>,
    pub request_id: Uuid,
    pub key: Option<Key>,
    /// Where it is confirmed at once.
    pub mail: Option<NewMail>,
}

/// The mail that says so. Its recipient is the reservation's.
#[derive(Clone, Debug)]
pub struct NewMail {
    pub id: MailId,
    pub language: Language,
    /// With its angle brackets.
    pub message_id: String,
}

/// The job that sends a mail.
#[derive(Clone, Copy, Debug)]
pub struct MailJob {
    pub task: &'static str,
    pub attempts_max: i32,
}

/// Under which key an admission is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub key_digest: Digest,
    pub values_digest: Digest,
}

/// Everything that one batch writes.
#[derive(Clone, Debug)]
pub struct Writes<'a> {
    pub admissions: &'a [Admission],
    /// Tickets taken of each concert.
    pub taken: &'a [(ConcertId, i32)],
    /// Keys whose receipts are too old to count.
    pub stale_keys: &'a [Digest],
    /// Receipts up to then don't count.
    pub stale_since: Timestamp,
    pub now: Timestamp,
    /// The end of the holds.
    pub expires_at: Timestamp,
    pub mail_job: MailJob,
}

/// What is there of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    All,
    None,
    /// What no commit of ours leaves behind.
    Some,
}

impl Answers {
    /// Takes the answers to more questions of the same transaction in.
    pub fn add(&mut self, more: Self) {
        self.receipts.extend(more.receipts);
        self.held.extend(more.held);
    }
}

impl Desk {
    /// Borrows a connection and prepares what it lacks.
    pub async fn open(pool: &Pool) -> Result<Self, StoreError> {
        let lease = pool.get().await?;
        let prepare = Box::pin(async {
            tokio::try_join!(
                admission::set_limits().prepare(&*lease),
                admission::lock_concerts().prepare(&*lease),
                admission::find_receipts().prepare(&*lease),
                admission::sum_held().prepare(&*lease),
                admission::insert_reservations().prepare(&*lease),
                admission::delete_receipts().prepare(&*lease),
                admission::insert_receipts().prepare(&*lease),
                admission::insert_mails().prepare(&*lease),
                admission::find_existing().prepare(&*lease),
                concert_statements::take_tickets().prepare(&*lease),
                lease.prepare_position(),
            )
            .map(drop)
        });
        // All in one round trip; on a connection that served a lane before, in none.
        timeout(PREPARE_WITHIN, prepare)
            .await
            .map_err(|_| StoreError::Unavailable("no answer to preparing".to_owned()))??;
        Ok(Self { lease })
    }

    /// Begins, locks the concerts' rows in id order, and looks up keys and customers, in one round
    /// trip; unknown and deleted concerts are missing.
    ///
    /// The look-ups are statements after the lock, so their snapshots see what the lock waited for.
    pub async fn lock(
        &self,
        concerts: &[ConcertId],
        lock_wait: LockWait,
        questions: &Questions,
    ) -> Result<(HashMap<ConcertId, LockedConcert>, Answers), StoreError> {
        self.lease.check_standby()?;
        // All are awaited even if the first fails, so that the connection owes no answer. What
        // fails after another is only that the transaction had failed.
        let (begun, limits, locked, receipts, held) = tokio::join!(
            biased;
            self.lease.begin(),
            self.set_limits(lock_wait),
            self.lock_concerts(concerts),
            find_receipts(&self.lease, &questions.key_digests),
            self.sum_held(&questions.customers),
        );
        begun?;
        limits?;
        let locked = locked?;
        let (receipts, held) = (receipts?, held?);
        Ok((locked, Answers { receipts, held }))
    }

    /// Looks up keys and customers behind a lock that is held, in one round trip.
    pub async fn look_up(&self, questions: &Questions) -> Result<Answers, StoreError> {
        let (receipts, held) = tokio::join!(
            biased;
            find_receipts(&self.lease, &questions.key_digests),
            self.sum_held(&questions.customers),
        );
        Ok(Answers {
            receipts: receipts?,
            held: held?,
        })
    }

    /// INVARIANT: a plan that was made while a table was small or unknown reads no other buyer's
    /// rows when it has grown; guarded by `a_first_rush_reads_no_other_buyers_rows`.
    async fn set_limits(&self, lock_wait: LockWait) -> Result<(), StoreError> {
        let lock_timeout = lock_wait.limit();
        let set_limits = admission::set_limits();
        set_limits.bind(&*self.lease, &lock_timeout).one().await?;
        Ok(())
    }

    async fn lock_concerts(
        &self,
        concerts: &[ConcertId],
    ) -> Result<HashMap<ConcertId, LockedConcert>, StoreError> {
        let mut ids: Vec<i32> = concerts.iter().map(|id| id.get()).collect();
        ids.sort_unstable();
        let lock_concerts = admission::lock_concerts();
        let rows = lock_concerts.bind(&*self.lease, &ids).all().await?;
        rows.into_iter()
            .map(|row| {
                let locked = LockedConcert {
                    available_tickets: row.available_tickets,
                    price: money::from_column("concerts", row.price)?,
                    status: concerts::read_status(&row.status)?,
                    date: row.date,
                };
                Ok((concerts::read_id(row.id)?, locked))
            })
            .collect()
    }

    async fn sum_held(
        &self,
        customers: &[(EmailAddress, ConcertId)],
    ) -> Result<HashMap<(String, i32), i32>, StoreError> {
        if customers.is_empty() {
            return Ok(HashMap::new());
        }
        let (emails, ids): (Vec<&str>, Vec<i32>) = customers
            .iter()
            .map(|(customer, concert)| (customer.as_str(), concert.get()))
            .unzip();
        let sum_held = admission::sum_held();
        let held = sum_held.bind(&*self.lease, &emails, &ids).all().await?;
        let held = held.into_iter().map(|row| {
            let tickets = i32::try_from(row.tickets).unwrap_or(i32::MAX);
            ((row.customer_email, row.concert_id), tickets)
        });
        Ok(held.collect())
    }

    /// Writes and commits in one round trip. `Ok` only when every statement changed what it must
    /// and the commit was answered.
    pub async fn commit(&self, writes: &Writes<'_>) -> Result<(), StoreError> {
        assert!(
            writes.taken.len() <= CONCERTS_MAX,
            "a batch touches too many concerts"
        );
        let take = async {
            let each = writes
                .taken
                .iter()
                .map(|(id, tickets)| self.take(*id, *tickets, writes));
            try_join_all(each).await.map(drop)
        };
        let (stale, taken, inserted, receipts, mails, committed) = tokio::join!(
            biased;
            self.delete_receipts(writes.stale_keys, writes.stale_since),
            take,
            self.insert_reservations(writes),
            self.insert_receipts(writes),
            self.insert_mails(writes),
            self.lease.commit(),
        );
        let written = stale.and(taken).and(inserted).and(receipts).and(mails);
        match (written, committed) {
            (Ok(()), committed) => committed,
            // PostgreSQL refused a statement, so the COMMIT behind it rolled back, which it
            // answers with success.
            (Err(error), _) if error.is_refusal() => Err(error),
            // Other rows were changed than must be, and that was committed.
            (Err(error @ StoreError::RowCount { .. }), Ok(())) => Err(error),
            // A statement was refused for want of room: the connection is good, and has answered.
            (Err(error @ StoreError::Unavailable(_)), Ok(())) if !self.is_broken() => Err(error),
            // Nothing else proves that nothing happened.
            (Err(error), _) => Err(StoreError::OutcomeUnknown(error.to_string())),
        }
    }

    /// Ends a transaction that has written nothing, and waits until what it has seen is durable.
    pub async fn commit_nothing(&self) -> Result<(), StoreError> {
        self.lease.commit().await
    }

    /// Undoes everything; nothing waits for a disk or a standby. A connection that can't is closed
    /// instead, with the same effect.
    pub async fn rollback(&self) {
        if !self.lease.is_broken()
            && let Err(error) = self.lease.end("ROLLBACK").await
        {
            tracing::debug!(%error, "rollback failed; the connection is closed instead");
        }
    }

    /// Which of a batch's reservations exist, seen from behind the lock on its concerts.
    pub async fn look_behind_lock(
        &self,
        concerts: &[ConcertId],
        ids: &[&str],
    ) -> Result<Existing, StoreError> {
        let nothing = Questions::default();
        self.lock(concerts, LockWait::Full, &nothing).await?;
        let found = admission::find_existing()
            .bind(&*self.lease, &ids)
            .all()
            .await?;
        self.lease.commit().await?;
        Ok(match found.len() {
            0 => Existing::None,
            all if all == ids.len() => Existing::All,
            _ => Existing::Some,
        })
    }

    /// Whether nothing more will come of the connection.
    pub fn is_broken(&self) -> bool {
        self.lease.is_broken()
    }

    /// Whether the connection can serve another batch.
    pub fn is_sound(&self) -> bool {
        self.lease.is_sound()
    }

    async fn take(
        &self,
        id: ConcertId,
        tickets: i32,
        writes: &Writes<'_>,
    ) -> Result<(), StoreError> {
        let now = to_column(writes.now);
        let take_tickets = concert_statements::take_tickets();
        let changed = take_tickets
            .bind(&*self.lease, &tickets, &now, &id.get())
            .await?;
        expect_rows("concerts.take_tickets", changed, 1)
    }

    async fn insert_reservations(&self, writes: &Writes<'_>) -> Result<(), StoreError> {
        let rows = Rows::of(writes.admissions);
        let changed = admission::insert_reservations()
            .bind(
                &*self.lease,
                &to_column(writes.now),
                &to_column(writes.expires_at),
                &rows.ids,
                &rows.concert_ids,
                &rows.customer_names,
                &rows.customer_emails,
                &rows.quantities,
                &rows.total_prices,
                &rows.statuses,
                &rows.google_auths,
                &rows.payment_statuses,
                &rows.client_ips,
                &rows.request_ids,
            )
            .await?;
        expect_rows(
            "admission.insert_reservations",
            changed,
            writes.admissions.len() as u64,
        )
    }

    async fn insert_receipts(&self, writes: &Writes<'_>) -> Result<(), StoreError> {
        let mut keyed: Vec<(Key, &Admission)> = writes
            .admissions
            .iter()
            .filter_map(|admission| Some((admission.key?, admission)))
            .collect();
        if keyed.is_empty() {
            return Ok(());
        }
        keyed.sort_by_key(|(key, _)| key.key_digest);
        let digests: Vec<&[u8]> = keyed.iter().map(|(key, _)| &key.key_digest[..]).collect();
        let values: Vec<&[u8]> = keyed
            .iter()
            .map(|(key, _)| &key.values_digest[..])
            .collect();
        let ids: Vec<&str> = keyed
            .iter()
            .map(|(_, new)| new.reservation.id.as_str())
            .collect();
        let requests: Vec<Uuid> = keyed.iter().map(|(_, new)| new.request_id).collect();
        let held: Vec<bool> = keyed
            .iter()
            .map(|(_, new)| is_held(&new.reservation))
            .collect();
        let (expires_at, now) = (to_column(writes.expires_at), to_column(writes.now));
        let changed = admission::insert_receipts()
            .bind(
                &*self.lease,
                &expires_at,
                &now,
                &digests,
                &values,
                &ids,
                &requests,
                &held,
            )
            .await?;
        expect_rows("admission.insert_receipts", changed, keyed.len() as u64)
    }

    /// Where nothing is free, nothing is sent to the database.
    async fn insert_mails(&self, writes: &Writes<'_>) -> Result<(), StoreError> {
        let mails: Vec<(&NewMail, &Reservation)> = writes
            .admissions
            .iter()
            .filter_map(|admission| Some((admission.mail.as_ref()?, &admission.reservation)))
            .collect();
        if mails.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = mails.iter().map(|(mail, _)| mail.id.as_str()).collect();
        let languages: Vec<&str> = mails
            .iter()
            .map(|(mail, _)| mail.language.as_str())
            .collect();
        let recipients: Vec<&str> = mails
            .iter()
            .map(|(_, about)| about.customer_email.as_str())
            .collect();
        let reservations: Vec<&str> = mails.iter().map(|(_, about)| about.id.as_str()).collect();
        let message_ids: Vec<&str> = mails
            .iter()
            .map(|(mail, _)| mail.message_id.as_str())
            .collect();
        let changed = admission::insert_mails()
            .bind(
                &*self.lease,
                &to_column(writes.now),
                &ids,
                &languages,
                &recipients,
                &reservations,
                &message_ids,
                &writes.mail_job.task,
                &writes.mail_job.attempts_max,
            )
            .await?;
        expect_rows("admission.insert_mails", changed, mails.len() as u64)
    }

    async fn delete_receipts(
        &self,
        digests: &[Digest],
        since: Timestamp,
    ) -> Result<(), StoreError> {
        if digests.is_empty() {
            return Ok(());
        }
        let digests: Vec<&[u8]> = digests.iter().map(|digest| &digest[..]).collect();
        admission::delete_receipts()
            .bind(&*self.lease, &digests, &to_column(since))
            .await?;
        Ok(())
    }
}

/// The receipts of keys, with their reservations.
pub async fn find_receipts(
    connection: &crate::Connection,
    digests: &[Digest],
) -> Result<HashMap<Digest, FoundReceipt>, StoreError> {
    if digests.is_empty() {
        return Ok(HashMap::new());
    }
    let digests: Vec<&[u8]> = digests.iter().map(|digest| &digest[..]).collect();
    let rows = admission::find_receipts()
        .bind(connection, &digests)
        .all()
        .await?;
    rows.into_iter().map(read_found).collect()
}

fn read_found(row: admission::Found) -> Result<(Digest, FoundReceipt), StoreError> {
    let digest = |bytes: &[u8], column: &str| {
        Digest::try_from(bytes).map_err(|_| StoreError::Unreadable {
            table: "admission_receipts",
            detail: column.to_owned(),
        })
    };
    let key_digest = digest(&row.key_digest, "key_digest")?;
    let values_digest = digest(&row.values_digest, "values_digest")?;
    let first_expires_at = row.first_expires_at.map(from_column);
    let written_at = from_column(row.receipt_at);
    let reservation = reservations::read_row(reservations::Row {
        id: row.id,
        concert_id: row.concert_id,
        customer_name: row.customer_name,
        customer_email: row.customer_email,
        quantity: row.quantity,
        total_price: row.total_price,
        status: row.status,
        google_auth: row.google_auth,
        payment_status: row.payment_status,
        reserved_at: row.reserved_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
        expires_at: row.expires_at,
        // A first answer shows none.
        extensions: None,
    })?;
    let receipt = Receipt {
        values_digest,
        reservation_id: reservation.id.clone(),
        expires_at: first_expires_at,
    };
    Ok((
        key_digest,
        FoundReceipt {
            receipt,
            written_at,
            reservation,
        },
    ))
}

fn is_held(reservation: &Reservation) -> bool {
    reservation.status == ReservationStatus::Pending
}

/// The columns of a multi-row insert.
#[derive(Default)]
struct Rows<'a> {
    ids: Vec<&'a str>,
    concert_ids: Vec<i32>,
    customer_names: Vec<&'a str>,
    customer_emails: Vec<&'a str>,
    quantities: Vec<i32>,
    total_prices: Vec<Decimal>,
    statuses: Vec<&'static str>,
    google_auths: Vec<bool>,
    payment_statuses: Vec<&'static str>,
    client_ips: Vec<&'a str>,
    request_ids: Vec<Uuid>,
}

impl<'a> Rows<'a> {
    fn of(admissions: &'a [Admission]) -> Self {
        let mut rows = Self::default();
        for Admission {
            reservation,
            client_ip,
            request_id,
            ..
        } in admissions
        {
            rows.ids.push(reservation.id.as_str());
            rows.concert_ids.push(reservation.concert_id.get());
            rows.customer_names.push(&reservation.customer_name);
            rows.customer_emails.push(&reservation.customer_email);
            rows.quantities.push(reservation.quantity);
            rows.total_prices
                .push(money::to_column(reservation.total_price));
            rows.statuses.push(reservation.status.as_str());
            rows.google_auths.push(reservation.google_auth);
            rows.payment_statuses
                .push(reservation.payment_status.as_str());
            rows.client_ips
                .push(client_ip.as_deref().unwrap_or_default());
            rows.request_ids.push(*request_id);
        }
        rows
    }
}
