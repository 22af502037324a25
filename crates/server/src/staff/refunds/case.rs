//! One refund that stands open: what was paid, why it is stuck, and the two ways on. Its provider is asked once
//! more, or staff say how they paid it back, and press twice.

use app::App;
use app::payments::{self, Case, SettleError};
use askama::Template;
use axum::extract::{Form, State};
use axum::response::Response;
use domain::id::PaymentId;
use domain::text::{REFUND_NOTE_MAX, RefundNote, TextError};
use http::StatusCode;
use store::payments::Told;

use super::PATH;
use crate::http::page::show;
use crate::http::pairs::{Pairs, value};
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::staff::Refund;
use crate::shop::price;
use crate::staff::form::{Field, summary};
use crate::staff::frame::{Frame, done, refused};
use crate::staff::member::Member;
use crate::staff::reservations::page_of;
use crate::staff::reservations::words::{payment_key, reason_key, told_text};

/// What the form has besides.
const NOTE: &str = "note";
const CONFIRMED: &str = "confirmed";
const CHANGE: &str = "change";

/// The address of one payment's page.
pub(in crate::staff) fn address(id: &PaymentId) -> String {
    format!("{PATH}/{id}")
}

/// `GET /staff/refunds/{id}`
pub(super) async fn show_case(
    State(app): State<App>,
    member: Member<Refund>,
    Segment(id): Segment<PaymentId>,
) -> Result<Response, Problem> {
    let case = find(&app, &member, &id).await?;
    let note = note_field(&member.frame, "", None);
    Ok(show(
        StatusCode::OK,
        &CasePage::new(member.frame, &case, note),
    ))
}

/// `POST /staff/refunds/{id}/ask`
pub(super) async fn ask(
    State(app): State<App>,
    member: Member<Refund>,
    Segment(id): Segment<PaymentId>,
) -> Result<Response, Problem> {
    match payments::ask_again(&app, id.clone(), member.acting).await {
        Ok(()) => Ok(done(&address(&id), "refund-asked")),
        Err(error) => refusal(member.frame, &id, error),
    }
}

/// `POST /staff/refunds/{id}/settle`: first a question, with the note as it was read, then the act.
pub(super) async fn settle(
    State(app): State<App>,
    member: Member<Refund>,
    Segment(id): Segment<PaymentId>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let case = find(&app, &member, &id).await?;
    if !case.is_stuck() {
        return refusal(member.frame, &id, SettleError::NotStuck);
    }
    let typed = value(&pairs, NOTE);
    if !value(&pairs, CHANGE).is_empty() {
        let note = note_field(&member.frame, typed, None);
        let page = CasePage::new(member.frame, &case, note);
        return Ok(show(StatusCode::OK, &page));
    }
    let note = match RefundNote::parse(typed) {
        Ok(note) => note,
        Err(error) => {
            let note = note_field(&member.frame, typed, Some(error));
            let page = CasePage::new(member.frame, &case, note);
            return Ok(show(StatusCode::UNPROCESSABLE_ENTITY, &page));
        }
    };
    if value(&pairs, CONFIRMED).is_empty() {
        let page = ConfirmPage::new(member.frame, &case, &note);
        return Ok(show(StatusCode::OK, &page));
    }
    match payments::settle(&app, id.clone(), note, member.acting).await {
        Ok(()) => Ok(done(&address(&id), "refund-settled")),
        Err(error) => refusal(member.frame, &id, error),
    }
}

async fn find(app: &App, member: &Member<Refund>, id: &PaymentId) -> Result<Case, Problem> {
    let found = payments::find_case(app, id, &member.acting).await?;
    found.ok_or_else(Problem::not_found)
}

/// A refusal as a page; whatever isn't about the refund is the problem's own.
fn refusal(frame: Frame, id: &PaymentId, error: SettleError) -> Result<Response, Problem> {
    let sentence = match error {
        SettleError::NotStuck => frame.t("refund-not-stuck"),
        SettleError::ByHand => frame.t("refund-by-hand"),
        SettleError::BeingSent => frame.t("refund-being-sent"),
        error => return Err(error.into()),
    };
    Ok(refused(frame, StatusCode::CONFLICT, sentence, address(id)))
}

/// The note as it was typed, with what is wrong with it.
fn note_field(frame: &Frame, typed: &str, wrong: Option<TextError>) -> Field {
    let error = wrong.map(|error| match error {
        TextError::Empty => frame.t("refund-note-empty"),
        TextError::TooLong { .. } => {
            let typed = typed.replace("\r\n", "\n").trim().chars().count();
            let over = i64::try_from(typed - REFUND_NOTE_MAX).unwrap_or(i64::MAX);
            frame.lang().count("refund-note-long", over)
        }
        _ => frame.t("field-characters"),
    });
    let field = Field::new(NOTE, "", frame.t("refund-note"));
    Field {
        value: typed.to_owned(),
        error,
        ..field.with_hint(frame.t("refund-note-hint"))
    }
}

#[derive(Debug, Template)]
#[template(path = "staff/refund.html")]
struct CasePage {
    frame: Frame,
    errors: Vec<(&'static str, String)>,
    title: String,
    facts: Vec<Fact>,
    /// Why it is stuck, in the words of whoever said so.
    why: Option<String>,
    /// How it was paid back another way.
    note: Option<String>,
    is_paid_twice: bool,
    tries: Vec<Try>,
    address: String,
    can_be_asked: bool,
    is_stuck: bool,
    field: Field,
}

#[derive(Debug)]
struct Fact {
    label: String,
    value: String,
    href: Option<String>,
}

/// Something that was told of the payment.
#[derive(Debug)]
struct Try {
    at: String,
    when: String,
    text: String,
    words: Option<String>,
}

impl CasePage {
    fn new(frame: Frame, case: &Case, field: Field) -> Self {
        let fields = [field];
        let errors = summary(&fields);
        let [field] = fields;
        let stored = &case.payment;
        let title = frame.t("refund-title");
        Self {
            errors,
            facts: facts(&frame, case),
            why: stored.refund_error.clone(),
            note: stored.refund_note.clone(),
            is_paid_twice: case.told.iter().any(|one| one.consequence == "paid_twice"),
            tries: case.told.iter().map(|one| tried(&frame, one)).collect(),
            address: address(&stored.payment.id),
            can_be_asked: case.can_be_asked(),
            is_stuck: case.is_stuck(),
            field,
            frame: frame.titled(&title),
            title,
        }
    }
}

fn tried(frame: &Frame, told: &Told) -> Try {
    let is_note = told.news == "settled";
    Try {
        at: told.received_at.to_string(),
        when: frame.exact_moment(told.received_at),
        text: told_text(frame, told, None),
        // The note stands above already.
        words: told.words.clone().filter(|_| !is_note),
    }
}

fn facts(frame: &Frame, case: &Case) -> Vec<Fact> {
    let (stored, reservation) = (&case.payment, &case.reservation);
    let payment = &stored.payment;
    let fact = |label: &str, value: String| Fact {
        label: frame.t(label),
        value,
        href: None,
    };
    let number = reservation.id.to_string();
    let mut facts = vec![
        fact("sr-amount", amount(frame, case)),
        fact("sr-status", frame.t(payment_key(payment.state))),
        fact("sr-way", frame.provider(&stored.provider)),
    ];
    let paid = case.told.iter().find(|one| one.news == "paid");
    facts.push(match paid {
        Some(paid) => fact("refund-paid-at", frame.moment(paid.received_at)),
        None => fact("refunds-paid", frame.moment(payment.created_at)),
    });
    facts.push(fact("sr-buyer", reservation.customer_name.clone()));
    facts.push(fact("sr-email", reservation.customer_email.clone()));
    facts.push(Fact {
        href: (!case.is_deleted).then(|| page_of(&reservation.id)),
        ..fact("reservation-number", number)
    });
    if let Some(concert) = &case.concert {
        let name = format!("{} – {}", concert.artist, concert.name);
        let date = frame.lang().date_long(concert.date);
        facts.push(fact("staff-concert", format!("{name}, {date}")));
    }
    if let Some(reason) = payment.refund_reason {
        facts.push(fact("refund-reason", frame.t(reason_key(reason))));
    }
    facts.push(fact("sr-payment", payment.id.to_string()));
    if let Some(money) = &stored.money {
        facts.push(fact("refund-money", money.clone()));
    }
    facts
}

fn amount(frame: &Frame, case: &Case) -> String {
    let payment = &case.payment.payment;
    price(frame.lang(), payment.amount, payment.currency)
}

/// What was typed, before it counts.
#[derive(Debug, Template)]
#[template(path = "staff/refund_confirm.html")]
struct ConfirmPage {
    frame: Frame,
    title: String,
    question: String,
    note: String,
    address: String,
}

impl ConfirmPage {
    fn new(frame: Frame, case: &Case, note: &RefundNote) -> Self {
        let (name, amount) = (&case.reservation.customer_name, amount(&frame, case));
        let values = [("name", name.as_str()), ("amount", &amount)];
        let title = frame.t("refund-confirm-title");
        Self {
            question: frame.lang().text_with("refund-confirm-sentence", &values),
            note: note.as_str().to_owned(),
            address: address(&case.payment.payment.id),
            frame: frame.titled(&title),
            title,
        }
    }
}
