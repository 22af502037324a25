//! One reservation: how it stands, its story, and what can be done to it.

use app::App;
use app::cancel::{CancelError, cancel_by_staff};
use app::confirm::{ConfirmError, confirm as confirm_by_hand};
use app::mails::{ResendError, resend as write_again};
use app::payments::{self, RefundError};
use app::story::{self, DeedKind, Story};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use domain::id::ReservationId;
use domain::mail::MailKind;
use domain::payment::PaymentState;
use domain::reservation::ReservationStatus;
use domain::role::Permission;
use http::StatusCode;
use jiff::Timestamp;

use super::page_of;
use super::words::{payment_key, reason_key, status_key, told_text, transition};
use crate::http::page::show;
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::staff::{
    CancelReservation, ConfirmReservation, ReadReservations, Refund, ResendTickets,
};
use crate::http::web::Web;
use crate::i18n::number;
use crate::shop::price;
use crate::staff::frame::{Frame, done, refused};
use crate::staff::mails;
use crate::staff::member::Member;
use crate::staff::refunds::case;

pub fn routes() -> Router<Web> {
    Router::new()
        .route("/staff/reservations/{id}", get(show_reservation))
        .route("/staff/reservations/{id}/confirm", post(confirm))
        .route("/staff/reservations/{id}/cancel", post(cancel))
        .route("/staff/reservations/{id}/refund", post(refund))
        .route("/staff/reservations/{id}/resend", post(resend))
}

/// `GET /staff/reservations/{id}`
async fn show_reservation(
    State(app): State<App>,
    member: Member<ReadReservations>,
    Segment(id): Segment<ReservationId>,
) -> Result<Response, Problem> {
    let reads_log = member.frame.may(Permission::ReadAuditLog);
    let found = story::tell(&app, &id, (&member.acting, reads_log)).await?;
    let story = found.ok_or_else(Problem::not_found)?;
    Ok(show(
        StatusCode::OK,
        &DetailPage::new(&app, member.frame, &story),
    ))
}

/// `POST /staff/reservations/{id}/confirm`
async fn confirm(
    State(app): State<App>,
    member: Member<ConfirmReservation>,
    Segment(id): Segment<ReservationId>,
) -> Result<Response, Problem> {
    let (page, frame) = (page_of(&id), member.frame);
    let sentence = match confirm_by_hand(&app, id, member.acting).await {
        Ok(_) => return Ok(done(&page, "reservation-confirmed")),
        Err(ConfirmError::ConcertDeleted) => frame.t("sr-refused-concert-deleted"),
        Err(ConfirmError::ConcertCancelled) => frame.t("sr-refused-concert-cancelled"),
        Err(ConfirmError::Transition(error)) => transition(frame.lang(), error),
        Err(error) => return Err(error.into()),
    };
    Ok(refused(frame, StatusCode::CONFLICT, sentence, page))
}

/// `POST /staff/reservations/{id}/cancel`
async fn cancel(
    State(app): State<App>,
    member: Member<CancelReservation>,
    Segment(id): Segment<ReservationId>,
) -> Result<Response, Problem> {
    let (page, frame) = (page_of(&id), member.frame);
    let sentence = match cancel_by_staff(&app, id, member.acting).await {
        Ok(_) => return Ok(done(&page, "reservation-cancelled")),
        Err(CancelError::Transition(error)) => transition(frame.lang(), error),
        Err(error) => return Err(error.into()),
    };
    Ok(refused(frame, StatusCode::CONFLICT, sentence, page))
}

/// `POST /staff/reservations/{id}/refund`
async fn refund(
    State(app): State<App>,
    member: Member<Refund>,
    Segment(id): Segment<ReservationId>,
) -> Result<Response, Problem> {
    let (page, frame) = (page_of(&id), member.frame);
    let sentence = match payments::refund(&app, id, member.acting).await {
        Ok(_) => return Ok(done(&page, "reservation-refunded")),
        Err(RefundError::NothingPaid) => frame.t("sr-refused-unpaid"),
        Err(error) => return Err(error.into()),
    };
    Ok(refused(frame, StatusCode::CONFLICT, sentence, page))
}

/// `POST /staff/reservations/{id}/resend`
async fn resend(
    State(app): State<App>,
    member: Member<ResendTickets>,
    Segment(id): Segment<ReservationId>,
) -> Result<Response, Problem> {
    let (page, frame) = (page_of(&id), member.frame);
    let sentence = match write_again(&app, id, member.acting).await {
        Ok(_) => return Ok(done(&page, "mail-written")),
        Err(ResendError::NothingToTell) => frame.t("sr-refused-mail"),
        Err(error) => return Err(error.into()),
    };
    Ok(refused(frame, StatusCode::CONFLICT, sentence, page))
}

#[derive(Debug, Template)]
#[template(path = "staff/reservation.html")]
struct DetailPage {
    frame: Frame,
    id: String,
    name: String,
    state: &'static str,
    status: String,
    facts: Vec<(String, String)>,
    concert: Option<(String, String)>,
    acts: Vec<Act>,
    payments: Vec<PaymentLine>,
    tickets: Vec<(String, String)>,
    mails: Vec<MailLine>,
    events: Vec<Event>,
}

/// Something that can be done now, with what it does.
#[derive(Debug)]
struct Act {
    address: String,
    label: String,
    sentence: String,
    is_dangerous: bool,
}

#[derive(Debug)]
struct PaymentLine {
    id: String,
    provider: String,
    amount: String,
    state: String,
    reason: Option<String>,
    /// Why the money couldn't go back, in the words of whoever said so.
    error: Option<String>,
    /// How staff paid it back another way.
    note: Option<String>,
    /// Where somebody who may can help.
    href: Option<String>,
}

#[derive(Debug)]
struct MailLine {
    kind: String,
    status: String,
    at: String,
    recipient: String,
    error: Option<String>,
}

/// Something that happened.
#[derive(Debug)]
struct Event {
    at: Timestamp,
    when: String,
    text: String,
}

impl DetailPage {
    fn new(app: &App, frame: Frame, story: &Story) -> Self {
        let lang = frame.lang();
        let reservation = &story.reservation;
        let concert = story.concert.as_ref().map(|one| {
            let label = format!("{} – {}", one.artist, one.name);
            (label, lang.date_long(one.date))
        });
        let payments = story.payments.iter().map(|one| PaymentLine {
            id: one.payment.id.to_string(),
            provider: frame.provider(&one.provider),
            amount: price(lang, one.payment.amount, one.payment.currency),
            state: frame.t(payment_key(one.payment.state)),
            reason: one
                .payment
                .refund_reason
                .map(|reason| frame.t(reason_key(reason))),
            error: one.refund_error.clone(),
            note: one.refund_note.clone(),
            href: (one.refund_error.is_some() && frame.may(Permission::Refund))
                .then(|| case::address(&one.payment.id)),
        });
        let tickets = story.tickets.iter().map(|one| {
            let unused = if reservation.status == ReservationStatus::Confirmed {
                "sr-ticket-unused"
            } else {
                "sr-ticket-void"
            };
            let used = one.used_at.map_or_else(
                || frame.t(unused),
                |at| lang.text_with("sr-ticket-used-at", &[("time", &frame.moment(at))]),
            );
            (number(i64::from(one.number)), used)
        });
        let mails = story.mails.iter().map(|one| MailLine {
            kind: frame.t(mails::kind_key(one.kind)),
            status: frame.t(mails::status_key(one.status)),
            at: frame.moment(one.created_at),
            recipient: one.recipient.clone(),
            error: one.last_error.clone(),
        });
        Self {
            id: reservation.id.to_string(),
            name: reservation.customer_name.clone(),
            state: reservation.status.as_str(),
            status: frame.t(status_key(reservation.status)),
            facts: facts(app, &frame, story),
            concert,
            acts: acts(&frame, story),
            payments: payments.collect(),
            tickets: tickets.collect(),
            mails: mails.collect(),
            events: events(&frame, story),
            frame: frame.titled(reservation.id.as_str()),
        }
    }
}

fn facts(app: &App, frame: &Frame, story: &Story) -> Vec<(String, String)> {
    let (lang, settings, one) = (frame.lang(), app.settings(), &story.reservation);
    let mut facts = vec![
        (frame.t("sr-email"), one.customer_email.clone()),
        (
            frame.t("reservation-tickets"),
            number(i64::from(one.quantity)),
        ),
        (
            frame.t("reservation-total"),
            price(lang, one.total_price, settings.currency),
        ),
        (frame.t("sr-made"), frame.moment(one.created_at)),
        (frame.t("sr-changed"), frame.moment(one.updated_at)),
    ];
    let is_held = matches!(
        one.status,
        ReservationStatus::Pending | ReservationStatus::Expired
    );
    if let Some(end) = one.expires_at.filter(|_| is_held) {
        facts.push((frame.t("sr-held-until"), frame.moment(end)));
    }
    facts
}

/// What its state and the role allow. Whoever sends the form is asked again.
fn acts(frame: &Frame, story: &Story) -> Vec<Act> {
    let (lang, one) = (frame.lang(), &story.reservation);
    let page = page_of(&one.id);
    let act = |rest: &str, label: &str, sentence: String, is_dangerous| Act {
        address: format!("{page}/{rest}"),
        label: frame.t(label),
        sentence,
        is_dangerous,
    };
    let is_open = one.status.holds_tickets();
    let was_held = matches!(
        one.status,
        ReservationStatus::Pending | ReservationStatus::Expired
    );
    let mut acts = Vec::new();
    if was_held && frame.may(Permission::ConfirmReservation) {
        let sentence = match one.status {
            ReservationStatus::Expired => lang.count("sr-confirm-anew", i64::from(one.quantity)),
            _ => frame.t("sr-confirm-sentence"),
        };
        acts.push(act("confirm", "sr-confirm", sentence, false));
    }
    if MailKind::about(one).is_some() && frame.may(Permission::ResendTickets) {
        acts.push(act(
            "resend",
            "sr-resend",
            frame.t("sr-resend-sentence"),
            false,
        ));
    }
    if is_open && frame.may(Permission::CancelReservation) {
        let sentence = frame.t("sr-cancel-one-sentence");
        acts.push(act("cancel", "sr-cancel", sentence, true));
    }
    let can_go_back = story.payments.iter().any(|paid| match paid.payment.state {
        PaymentState::Completed => true,
        PaymentState::Refunding => paid.refund_error.is_some(),
        _ => false,
    });
    if can_go_back && frame.may(Permission::Refund) {
        let sentence = frame.t("sr-refund-sentence");
        acts.push(act("refund", "sr-refund", sentence, true));
    }
    acts
}

const fn deed_key(kind: DeedKind) -> &'static str {
    match kind {
        DeedKind::Confirmed => "sr-deed-confirmed",
        DeedKind::Cancelled => "sr-deed-cancelled",
        DeedKind::Refunded => "sr-deed-refunded",
        DeedKind::Settled => "sr-deed-settled",
        DeedKind::WroteAgain => "sr-deed-resent",
    }
}

/// Everything of which there is a moment, the oldest first.
fn events(frame: &Frame, story: &Story) -> Vec<Event> {
    let (lang, one) = (frame.lang(), &story.reservation);
    let event = |at: Timestamp, text: String| Event {
        when: frame.exact_moment(at),
        at,
        text,
    };
    let mut events = vec![event(
        one.created_at,
        lang.count("sr-event-made", i64::from(one.quantity)),
    )];
    for deed in &story.deeds {
        let values = [("name", &*deed.username)];
        events.push(event(deed.at, lang.text_with(deed_key(deed.kind), &values)));
    }
    let names_hand = story
        .deeds
        .iter()
        .any(|deed| deed.kind == DeedKind::Confirmed);
    for paid in &story.payments {
        // By whose hand it was is told already.
        if names_hand && paid.provider == payments::MANUAL {
            continue;
        }
        let key = if paid.provider == payments::MANUAL {
            "sr-event-by-hand"
        } else {
            "sr-event-payment"
        };
        let text = lang.text_with(key, &[("name", &frame.provider(&paid.provider))]);
        events.push(event(paid.payment.created_at, text));
    }
    for told in &story.told {
        let note = told.words.as_deref();
        events.push(event(told.received_at, told_text(frame, told, note)));
    }
    for mail in &story.mails {
        let kind = frame.t(mails::kind_key(mail.kind));
        let values = [("title", &*kind)];
        let written = lang.text_with("sr-event-mail", &values);
        events.push(event(mail.created_at, written));
        if let Some(at) = mail.sent_at {
            events.push(event(at, lang.text_with("sr-event-mail-left", &values)));
        }
    }
    for ticket in &story.tickets {
        if let Some(at) = ticket.used_at {
            let which = number(i64::from(ticket.number));
            let text = lang.text_with("sr-event-ticket", &[("number", &which)]);
            events.push(event(at, text));
        }
    }
    if let (ReservationStatus::Expired, Some(end)) = (one.status, one.expires_at) {
        events.push(event(end, frame.t("sr-event-expired")));
    }
    events.sort_by_key(|event| event.at);
    events
}
