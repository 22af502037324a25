//! Tickets of confirmed reservations: making them when they are first asked for, and letting their
//! holders in.
//!
//! Absent on purpose: how they look (`documents`), and a status of their own: a ticket is good while its
//! reservation is confirmed.

use domain::id::{AdminUserId, ConcertId, ReservationId, TicketId};
use domain::reservation::{Reservation, ReservationStatus, TransitionError};
use domain::ticket::{AdmissionRefusal, PayloadError, Ticket, TicketCode};
use store::{
    Acting, StoreError, Transaction, concerts as concert_rows, reservations as reservation_rows,
    tickets as stored,
};

use crate::access::Holder;
use crate::ticket_key::TicketFault;
use crate::{App, task};

/// A confirmed reservation with its tickets.
#[derive(Clone, Debug)]
pub struct Issued {
    pub reservation: Reservation,
    pub tickets: Vec<Issue>,
}

/// A ticket with what its QR code says.
#[derive(Clone, Debug)]
pub struct Issue {
    pub ticket: Ticket,
    pub payload: String,
}

/// Why there are no tickets.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error("there is no such reservation")]
    NotFound,
    #[error(transparent)]
    Transition(#[from] TransitionError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The tickets of what `holder` holds.
pub async fn issue(app: &App, holder: &Holder) -> Result<Issued, IssueError> {
    issue_as(app, holder.reservation_id().clone(), holder.acting()).await
}

/// The same for staff and jobs.
pub async fn issue_as(app: &App, id: ReservationId, by: Acting) -> Result<Issued, IssueError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = task::begin(&app, &by).await?;
        let issued = issue_in(&app, &transaction, &id).await;
        task::end(transaction, issued).await
    })
    .await
}

async fn issue_in(
    app: &App,
    transaction: &Transaction,
    id: &ReservationId,
) -> Result<Issued, IssueError> {
    let reservation = reservation_rows::find_in(transaction, id).await?;
    let reservation = reservation.ok_or(IssueError::NotFound)?;
    if reservation.status != ReservationStatus::Confirmed {
        let status = reservation.status_at(app.ctx().now());
        return Err(TransitionError::InvalidState { status }.into());
    }
    let mut tickets = stored::list(transaction, id).await?;
    if tickets.is_empty() {
        // Inserting locks the reservation's row and the concert's; whoever cancels has the concert first.
        concert_rows::lock_key(transaction, reservation.concert_id).await?;
        let codes = (0..reservation.quantity).map(|_| TicketCode::new(app.ctx().random_u64()));
        let codes: Vec<TicketCode> = codes.collect();
        let of = (id, reservation.concert_id);
        stored::insert(transaction, of, &codes, app.ctx().now()).await?;
        // Read again: another request may have made them first.
        tickets = stored::list(transaction, id).await?;
    }
    let tickets = tickets.into_iter().map(|ticket| Issue {
        payload: app.ticket_key().sign(ticket.claims()),
        ticket,
    });
    Ok(Issued {
        tickets: tickets.collect(),
        reservation,
    })
}

/// Why somebody isn't let in.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Nobody with our key made it, or it was altered; or no ticket has this code.
    #[error("this is no ticket of ours")]
    Forged,
    #[error(transparent)]
    Refused(#[from] AdmissionRefusal),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lets the holder of a ticket in, once. `code`: what a scanner read or somebody typed. `at`: which
/// concert is played; without it every ticket's own.
pub async fn check(
    app: &App,
    code: &str,
    at: Option<ConcertId>,
    by: Acting,
) -> Result<Ticket, CheckError> {
    let (app, code) = (app.clone(), code.to_owned());
    task::uninterrupted(async move {
        let transaction = task::begin(&app, &by).await?;
        let staff = by.actor.staff_id();
        let checked = check_in(&app, &transaction, &code, (at, staff)).await;
        task::end(transaction, checked).await
    })
    .await
}

/// INVARIANT: of two doors that read one ticket at once, one lets somebody in; guarded by
/// `a_ticket_lets_one_person_in_at_whichever_door`.
async fn check_in(
    app: &App,
    transaction: &Transaction,
    code: &str,
    (at, staff): (Option<ConcertId>, Option<AdminUserId>),
) -> Result<Ticket, CheckError> {
    let id = find(app, transaction, code).await?;
    let reservation = stored::find_reservation(transaction, id).await?;
    let reservation = reservation.ok_or(CheckError::Forged)?;
    // Whoever cancels has it locked: then the ticket is looked at when that is over.
    reservation_rows::lock(transaction, &reservation).await?;
    let ticket = stored::lock(transaction, id).await?;
    let ticket = ticket.ok_or(CheckError::Forged)?;
    ticket.check_admission(at.unwrap_or(ticket.concert_id))?;
    let now = app.ctx().now();
    stored::update_used(transaction, id, staff, now).await?;
    Ok(Ticket {
        status: domain::ticket::TicketStatus::Used,
        used_at: Some(now),
        ..ticket
    })
}

/// The ticket that a scanner's payload claims to be, when it is signed, or that a typed code names.
async fn find(app: &App, transaction: &Transaction, code: &str) -> Result<TicketId, CheckError> {
    match app.ticket_key().verify(code) {
        Ok(claims) => return Ok(claims.ticket_id),
        // It may be one that somebody typed.
        Err(TicketFault::Payload(PayloadError::NotOurs)) => {}
        Err(_) => return Err(CheckError::Forged),
    }
    let typed: TicketCode = code.parse().map_err(|_| CheckError::Forged)?;
    let found = stored::find_id_by_code(transaction, &typed).await?;
    found.ok_or(CheckError::Forged)
}
