//! Runs of staff over many reservations, and what became of each.

use std::net::IpAddr;

use domain::id::{AdminUserId, ConcertId, ReservationId, RunId};
use domain::role::Role;
use domain::run::{RunKind, RunRefusal};
use jiff::Timestamp;

use crate::acting::Acting;
use crate::client::Params as _;
use crate::concerts;
use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::staff_runs as statements;
use crate::time::{from_column, to_column};

/// A run to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewRun<'a> {
    pub kind: RunKind,
    /// The concert that is cancelled by it; none for every other kind.
    pub concert: Option<ConcertId>,
    pub started_by: AdminUserId,
    /// Of the form that was sent.
    pub key: &'a str,
    pub now: Timestamp,
}

/// A run, and how whoever started it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub id: RunId,
    pub kind: RunKind,
    pub concert: Option<ConcertId>,
    pub started_by: AdminUserId,
    pub username: String,
    /// `None`: the account is disabled or deleted.
    pub role: Option<Role>,
    /// As whom its rows are done.
    pub acting: Acting,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

/// A reservation whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRow {
    pub run: RunId,
    pub number: i32,
    pub reservation: ReservationId,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    Done,
    Refused(RunRefusal),
    Failed,
}

/// How far a run has come, and what followed from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub total: i64,
    pub done: i64,
    pub refused: i64,
    pub failed: i64,
    pub refunds_back: i64,
    pub refunds_under_way: i64,
    pub refunds_stuck: i64,
    pub mails_waiting: i64,
    pub mails_sent: i64,
    pub mails_dead: i64,
}

/// A reservation that was left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub reservation: ReservationId,
    pub refusal: RunRefusal,
}

/// A reservation of a run, and what became of it; `None` while it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    pub reservation: ReservationId,
    pub outcome: Option<RowOutcome>,
}

/// A run in a list of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentRun {
    pub id: RunId,
    pub kind: RunKind,
    pub concert: Option<ConcertId>,
    /// The concert's artist and name.
    pub title: Option<(String, String)>,
    pub username: String,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

/// What cancelling a concert does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    pub confirmed: i64,
    pub held: i64,
    pub tickets: i64,
    /// Payments whose provider sends the money back, and how much that is, in minor units.
    pub by_provider: i64,
    pub provider_minor: i64,
    /// Payments that staff had by hand and pay back by hand, and how much that is.
    pub by_hand: i64,
    pub hand_minor: i64,
}

/// `None` where the key's run is there already.
pub async fn insert(
    connection: &Connection,
    new: NewRun<'_>,
    by: &Acting,
) -> Result<Option<RunId>, StoreError> {
    let address = by.address.map(|address| address.to_string());
    let parameters = statements::InsertParams {
        kind: new.kind.as_str(),
        concert_id: new.concert.map(ConcertId::get),
        started_by: new.started_by.get(),
        key: new.key,
        address: address.as_deref(),
        request_id: by.request_id,
        now: to_column(new.now),
    };
    let inserted = statements::insert()
        .params(connection, &parameters)
        .opt()
        .await?;
    inserted.map(read_id).transpose()
}

/// The reservations that are there become the run's.
pub async fn insert_rows(
    connection: &Connection,
    run: RunId,
    reservations: &[ReservationId],
) -> Result<u64, StoreError> {
    let ids: Vec<&str> = reservations.iter().map(ReservationId::as_str).collect();
    let inserted = statements::insert_rows()
        .bind(connection, &run.get(), &ids)
        .await?;
    Ok(inserted)
}

/// Every reservation that has tickets of a concert becomes the run's; the concert's row is locked.
pub async fn insert_rows_of_concert(
    connection: &Connection,
    run: RunId,
    concert: ConcertId,
) -> Result<u64, StoreError> {
    let inserted = statements::insert_rows_of_concert()
        .bind(connection, &run.get(), &concert.get())
        .await?;
    Ok(inserted)
}

pub async fn find(connection: &Connection, id: RunId) -> Result<Option<Run>, StoreError> {
    let found = statements::find().bind(connection, &id.get()).opt().await?;
    found.map(read).transpose()
}

pub async fn find_by_key(connection: &Connection, key: &str) -> Result<Option<RunId>, StoreError> {
    let found = statements::find_by_key()
        .bind(connection, &key)
        .opt()
        .await?;
    found.map(read_id).transpose()
}

/// The newest cancellation of a concert; whoever has one is never sold again.
pub async fn find_of_concert(
    connection: &Connection,
    concert: ConcertId,
) -> Result<Option<RunId>, StoreError> {
    let found = statements::find_of_concert()
        .bind(connection, &concert.get())
        .opt()
        .await?;
    found.map(read_id).transpose()
}

/// Whether a reservation was cancelled because its concert was.
pub async fn has_ended_reservation(
    connection: &Connection,
    reservation: &ReservationId,
) -> Result<bool, StoreError> {
    let ended = statements::has_ended_reservation()
        .bind(connection, &reservation.as_str())
        .one()
        .await?;
    Ok(ended)
}

/// Up to `limit` rows that wait for their turn, in order.
pub async fn list_open(
    connection: &Connection,
    run: RunId,
    limit: i64,
) -> Result<Vec<OpenRow>, StoreError> {
    let rows = statements::list_open()
        .bind(connection, &run.get(), &limit)
        .all()
        .await?;
    let open = |row: statements::ListOpen| {
        Ok(OpenRow {
            run,
            number: row.number,
            reservation: read_reservation(&row.reservation_id)?,
        })
    };
    rows.into_iter().map(open).collect()
}

/// `false` where somebody else has settled the row.
pub async fn settle(
    connection: &Connection,
    row: &OpenRow,
    outcome: RowOutcome,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (outcome, refusal) = match outcome {
        RowOutcome::Done => ("done", None),
        RowOutcome::Refused(refusal) => ("refused", Some(refusal)),
        RowOutcome::Failed => ("failed", Some(RunRefusal::Broken)),
    };
    let parameters = statements::SettleParams {
        outcome,
        reason: refusal.map(RunRefusal::as_str),
        now: to_column(now),
        run_id: row.run.get(),
        number: row.number,
    };
    Ok(statements::settle().params(connection, &parameters).await? == 1)
}

/// Refuses every row that waits.
pub async fn refuse_rest(
    connection: &Connection,
    run: RunId,
    refusal: RunRefusal,
    now: Timestamp,
) -> Result<(), StoreError> {
    statements::refuse_rest()
        .bind(connection, &refusal.as_str(), &to_column(now), &run.get())
        .await?;
    Ok(())
}

/// `true` once: when the last row was settled.
pub async fn finish(
    connection: &Connection,
    run: RunId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let finished = statements::finish()
        .bind(connection, &to_column(now), &run.get())
        .await?;
    Ok(finished == 1)
}

pub async fn count(connection: &Connection, run: &Run) -> Result<Counts, StoreError> {
    let id = run.id.get();
    let rows = statements::count_rows().bind(connection, &id).one().await?;
    let since = to_column(run.created_at);
    let mails = statements::count_mails()
        .bind(connection, &since, &id)
        .one()
        .await?;
    let counts = Counts {
        total: rows.total,
        done: rows.done,
        refused: rows.refused,
        failed: rows.failed,
        mails_waiting: mails.waiting,
        mails_sent: mails.sent,
        mails_dead: mails.dead,
        ..Counts::default()
    };
    if !run.kind.gives_back() {
        return Ok(counts);
    }
    let refunds = statements::count_refunds()
        .bind(connection, &since, &id)
        .one()
        .await?;
    Ok(Counts {
        refunds_back: refunds.back,
        refunds_under_way: refunds.under_way,
        refunds_stuck: refunds.stuck,
        ..counts
    })
}

/// Up to `limit` of a run's reservations that were left as they are.
pub async fn list_troubles(
    connection: &Connection,
    run: RunId,
    limit: i64,
) -> Result<Vec<Trouble>, StoreError> {
    let rows = statements::list_troubles()
        .bind(connection, &run.get(), &limit)
        .all()
        .await?;
    let trouble = |row: statements::Trouble| {
        let reason = row.reason.unwrap_or_default();
        Ok(Trouble {
            reservation: read_reservation(&row.reservation_id)?,
            refusal: reason.parse().map_err(|_| unreadable("reason", &reason))?,
        })
    };
    rows.into_iter().map(trouble).collect()
}

/// The first `limit` rows of a run, in order.
pub async fn list_rows(
    connection: &Connection,
    run: RunId,
    limit: i64,
) -> Result<Vec<RunRow>, StoreError> {
    let rows = statements::list_rows()
        .bind(connection, &run.get(), &limit)
        .all()
        .await?;
    let read = |row: statements::Row| {
        let refusal = row.reason.as_deref().and_then(|word| word.parse().ok());
        let outcome = match row.outcome.as_deref() {
            None => None,
            Some("done") => Some(RowOutcome::Done),
            Some("refused") => Some(RowOutcome::Refused(refusal.unwrap_or(RunRefusal::Broken))),
            Some(_) => Some(RowOutcome::Failed),
        };
        Ok(RunRow {
            reservation: read_reservation(&row.reservation_id)?,
            outcome,
        })
    };
    rows.into_iter().map(read).collect()
}

/// The newest runs of all.
pub async fn list_newest(
    connection: &Connection,
    limit: i64,
) -> Result<Vec<RecentRun>, StoreError> {
    let rows = statements::list_newest()
        .bind(connection, &limit)
        .all()
        .await?;
    let read = |row: statements::Recent| {
        Ok(RecentRun {
            id: read_id(row.id)?,
            kind: row
                .kind
                .parse()
                .map_err(|_| unreadable("kind", &row.kind))?,
            concert: row.concert_id.map(concerts::read_id).transpose()?,
            title: row.artist.zip(row.name),
            username: row.username,
            created_at: from_column(row.created_at),
            finished_at: row.finished_at.map(from_column),
        })
    };
    rows.into_iter().map(read).collect()
}

/// What cancelling a concert would do.
pub async fn count_of_concert(
    connection: &Connection,
    concert: ConcertId,
) -> Result<Extent, StoreError> {
    let row = statements::count_of_concert()
        .bind(connection, &concert.get())
        .one()
        .await?;
    Ok(Extent {
        confirmed: row.confirmed,
        held: row.held,
        tickets: row.tickets,
        by_provider: row.by_provider,
        provider_minor: row.provider_minor,
        by_hand: row.by_hand,
        hand_minor: row.hand_minor,
    })
}

fn read(row: statements::Run) -> Result<Run, StoreError> {
    let started_by = AdminUserId::new(row.started_by)
        .ok_or_else(|| unreadable("started_by", &row.started_by.to_string()))?;
    let role: Role = row
        .role
        .parse()
        .map_err(|_| unreadable("role", &row.role))?;
    let address = row.address.and_then(|text| text.parse::<IpAddr>().ok());
    Ok(Run {
        id: read_id(row.id)?,
        kind: row
            .kind
            .parse()
            .map_err(|_| unreadable("kind", &row.kind))?,
        concert: row.concert_id.map(concerts::read_id).transpose()?,
        started_by,
        username: row.username,
        role: row.is_active.then_some(role),
        acting: Acting {
            address,
            request_id: row.request_id,
            ..Acting::new(domain::actor::Actor::Staff(started_by))
        },
        created_at: from_column(row.created_at),
        finished_at: row.finished_at.map(from_column),
    })
}

fn read_id(number: i64) -> Result<RunId, StoreError> {
    RunId::new(number).ok_or_else(|| unreadable("id", &number.to_string()))
}

fn read_reservation(id: &str) -> Result<ReservationId, StoreError> {
    id.parse().map_err(|_| unreadable("reservation_id", id))
}

fn unreadable(column: &str, value: &str) -> StoreError {
    StoreError::Unreadable {
        table: "staff_runs",
        detail: format!("{column} {value:?}"),
    }
}
