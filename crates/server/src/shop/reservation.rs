//! One reservation in each of its states, each with the one thing to do next.

use app::access::Holder;
use app::{App, cancel as cancelling, concerts, payments, reservations};
use askama::Template;
use axum::extract::{FromRequestParts, RawQuery, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::concert::{Concert, ConcertStatus};
use domain::id::ReservationId;
use domain::money::Currency;
use domain::payment::{PaymentState, RefundReason};
use domain::reservation::{Reservation, ReservationStatus};
use http::StatusCode;
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::request::Parts;
use jiff::Timestamp;
use store::payments::Stored;

use super::asked::Asked;
use super::keep::Keep;
use super::sign_in::sign_in_address;
use super::tickets::{Pass, Take, door_pages, issue, passes};
use super::visitor::Holdings;
use super::{moment, poster, price};
use crate::http::customer::{MaybeCustomer, find_holder};
use crate::http::page::Layout;
use crate::http::path::Segment;
use crate::http::problem::{Code, Problem};
use crate::http::web::Web;

/// The query of the page to which sending a mail again leads.
pub(super) const MAIL_SENT: &str = "mail=sent";

/// `GET /{lang}/r/{id}?t=`: the token moves into the cookie, out of the address and the history.
pub async fn show(
    State(web): State<Web>,
    Segment(id): Segment<ReservationId>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    let is_sent = query.as_deref() == Some(MAIL_SENT);
    let (app, mut parts) = (web.app.clone(), request.into_parts().0);
    let asked = Asked::from_request_parts(&mut parts, &web).await?;
    let Ok(mut holdings) = Holdings::from_request_parts(&mut parts, &web).await;
    if let Some(moved) = move_token(&app, &asked.layout, (&id, ""), &mut holdings, query) {
        return Ok(moved);
    }
    let holder = find_holder(&mut parts, &web, &id).await?;
    let Asked { layout, answer } = asked;
    let layout = Layout {
        query: String::new(),
        ..layout
    };
    let mut page = find_page(&app, layout, &holder).await?;
    page.said = is_sent.then(|| page.layout.t("resend-done"));
    let here = page.layout.here();
    let MaybeCustomer(customer) = MaybeCustomer::from_request_parts(&mut parts, &web).await?;
    page.sign_in = customer
        .is_none()
        .then(|| sign_in_address(&page.layout, &here));
    Ok(answer.private(StatusCode::OK, &page))
}

/// Moves a token that came in the address into the cookie, and leads to the same page without it.
pub(super) fn move_token(
    app: &App,
    layout: &Layout,
    (id, step): (&ReservationId, &str),
    holdings: &mut Holdings,
    query: Option<String>,
) -> Option<Response> {
    let query = query.unwrap_or_default();
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&query).ok()?;
    let (_, token) = pairs.iter().find(|(name, _)| name == "t")?;
    app.access_key().check(id, token)?;
    holdings.add(id, token);
    let target = layout.href(&format!("/r/{id}{step}"));
    Some(([(SET_COOKIE, holdings.to_cookie())], Redirect::to(&target)).into_response())
}

/// `POST /{lang}/r/{id}/cancel`
pub async fn cancel(State(app): State<App>, own: Own) -> Result<Response, Problem> {
    let outcome = cancelling::cancel(&app, own.holder.clone()).await;
    own.answer(&app, outcome, "cancel-not-possible").await
}

/// A reservation that the visitor wants to change, and has the token of, or is signed in for.
#[derive(Debug)]
pub struct Own {
    asked: Asked,
    pub holder: Holder,
}

impl Own {
    pub const fn layout(&self) -> &Layout {
        &self.asked.layout
    }

    /// The address of the reservation's page, or of a step below it.
    pub fn address(&self, step: &str) -> String {
        let id = self.holder.reservation_id();
        let slash = if step.is_empty() { "" } else { "/" };
        self.asked.layout.href(&format!("/r/{id}{slash}{step}"))
    }

    /// A page about the reservation, for nobody else's eyes.
    pub fn show(self, status: StatusCode, page: &impl Template) -> Response {
        self.asked.answer.private(status, page)
    }

    /// 303 back to the reservation, or its page with the sentence why not.
    pub async fn answer(
        self,
        app: &App,
        outcome: Result<Reservation, impl Into<Problem>>,
        why_not: &str,
    ) -> Result<Response, Problem> {
        match outcome {
            Ok(_) => Ok(Redirect::to(&self.asked.layout.here()).into_response()),
            Err(error) => self.refuse(app, error.into(), why_not).await,
        }
    }

    /// The reservation's page with the sentence why something isn't possible.
    pub async fn refuse(
        self,
        app: &App,
        problem: Problem,
        why_not: &str,
    ) -> Result<Response, Problem> {
        if !matches!(problem.code, Code::InvalidState | Code::ReservationExpired) {
            return Err(problem);
        }
        self.explain(app, problem, why_not).await
    }

    /// The same for a problem that the sentence is about, whatever it is.
    pub async fn explain(
        self,
        app: &App,
        problem: Problem,
        why_not: &str,
    ) -> Result<Response, Problem> {
        let Asked { layout, answer } = self.asked;
        let mut page = find_page(app, layout, &self.holder).await?;
        page.notice = Some(page.layout.t(why_not));
        let mut response = answer.private(problem.code.status(), &page);
        if let Some(wait) = problem.retry_after {
            let seconds = wait.as_secs().max(1);
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        Ok(response)
    }
}

impl FromRequestParts<Web> for Own {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let mut asked = Asked::from_request_parts(parts, web).await?;
        let Segment(id) = Segment::<ReservationId>::from_request_parts(parts, web).await?;
        let holder = find_holder(parts, web, &id).await?;
        // Whatever is answered stands for the reservation's page, also in the other language.
        asked.layout.path = format!("/r/{id}");
        Ok(Self { asked, holder })
    }
}

/// The reservation's page as it stands now.
async fn find_page(app: &App, layout: Layout, holder: &Holder) -> Result<ReservationPage, Problem> {
    let found = reservations::show(app, holder).await?;
    let reservation = found.ok_or_else(Problem::not_found)?;
    let attempts = payments::list_own(app, holder).await?;
    let issued = if reservation.status == ReservationStatus::Confirmed {
        issue(app, holder).await?
    } else {
        None
    };
    // An archived concert is shown nowhere, but its reservations are.
    let concert = concerts::show_current(app, reservation.concert_id).await?;
    // None that was cancelled is open, so that pages during a sale needn't ask.
    let is_open = |concert: &Concert| concert.status == ConcertStatus::Open;
    let is_concert_cancelled = !concert.as_ref().is_some_and(is_open)
        && concerts::was_cancelled_ever(app, reservation.concert_id).await?;
    let now = app.ctx().now();
    let last_at = concert
        .as_ref()
        .map(|concert| cancelling::last_own_cancel_at(app.settings(), concert.date));
    let standing = Standing {
        reservation: &reservation,
        concert: concert.as_ref(),
        is_concert_cancelled,
        attempts: &attempts,
        can_pay: app.till().is_some(),
        last_cancelled_at: last_at.unwrap_or(Timestamp::MAX),
        currency: app.settings().currency,
        now,
    };
    let mut page = ReservationPage::new(layout, &standing);
    if let Some(issued) = issued.filter(|_| !is_concert_cancelled) {
        page.passes = passes(&page.layout, &issued)?;
        if issued
            .tickets
            .iter()
            .any(|one| one.ticket.used_at.is_some())
        {
            page.cancel = None;
        }
        page.take = Some(Take::new(&page.layout, &issued.reservation.id));
    }
    Ok(page)
}

#[derive(Debug, Template)]
#[template(path = "reservation.html")]
pub struct ReservationPage {
    pub layout: Layout,
    /// The value of `data-state`: `held`, `confirmed`, `cancelled` or `expired`.
    pub state: &'static str,
    pub label: String,
    pub heading: String,
    pub sentence: String,
    /// A second sentence, about what to do.
    pub hint: Option<String>,
    /// What just failed, when the page answers a request that couldn't be met.
    pub notice: Option<String>,
    /// What was just done.
    pub said: Option<String>,
    /// The tickets themselves, once they are the buyer's.
    pub passes: Vec<Pass>,
    pub take: Option<Take>,
    /// The pages of the tickets in every language, for the worker that keeps copies.
    pub pages: String,
    /// While the tickets are held.
    pub keep: Option<Keep>,
    pub id: String,
    pub customer_name: String,
    pub customer_email: String,
    pub concert: Option<ConcertLine>,
    pub tickets: String,
    pub total: String,
    /// What is to be said about money.
    pub money: Option<String>,
    /// The action of the form that begins to pay.
    pub pay: Option<Action>,
    pub action: Option<Action>,
    pub cancel: Option<Cancel>,
    /// Where those sign in who aren't, and come back from.
    pub sign_in: Option<String>,
}

/// How a reservation stands, with all that its page tells.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    pub reservation: &'a Reservation,
    pub concert: Option<&'a Concert>,
    /// Whether there is no concert any more; whoever still has tickets is about to lose them.
    pub is_concert_cancelled: bool,
    /// All attempts to pay, the newest first.
    pub attempts: &'a [Stored],
    pub can_pay: bool,
    /// Until when its customer may cancel what is confirmed.
    pub last_cancelled_at: Timestamp,
    pub currency: Currency,
    pub now: Timestamp,
}

/// The concert that the tickets are for.
#[derive(Debug)]
pub struct ConcertLine {
    pub artist: String,
    pub name: String,
    pub venue: String,
    pub date: String,
    pub date_iso: String,
    pub poster: String,
}

/// A link to the next step.
#[derive(Debug)]
pub struct Action {
    pub label: String,
    pub href: String,
}

/// The way to give the tickets back: a question first, then the form.
#[derive(Debug)]
pub struct Cancel {
    pub label: String,
    /// Until when it is possible, where that is later than a hold's end.
    pub until: Option<String>,
    pub action: String,
}

impl ReservationPage {
    pub fn new(layout: Layout, standing: &Standing<'_>) -> Self {
        let Standing {
            reservation,
            concert,
            is_concert_cancelled,
            currency,
            now,
            ..
        } = *standing;
        let may_cancel = reservation.check_own_cancel(now, standing.last_cancelled_at);
        let may_cancel = may_cancel.is_ok() && !is_concert_cancelled;
        let lang = layout.lang;
        let status = reservation.status_at(now);
        let until = reservation
            .expires_at
            .map(|at| lang.time(at, &layout.site.time_zone));
        let mut words = Words::new(&layout, status, until.as_deref().unwrap_or_default());
        if is_concert_cancelled {
            words = Words::of_cancelled_concert(&layout, status);
        } else if status == ReservationStatus::Expired && standing.has_money() {
            let until = until.as_deref().unwrap_or_default();
            words.sentence = lang.text_with("expired-sentence-money", &[("time", until)]);
        }
        let title = layout.t("reservation-title");
        let held = status == ReservationStatus::Pending && !is_concert_cancelled;
        Self {
            state: words.state,
            label: words.label,
            heading: words.heading,
            sentence: words.sentence,
            hint: until
                .as_deref()
                .filter(|_| held)
                .map(|time| lang.text_with("held-next", &[("time", time)])),
            notice: None,
            said: None,
            passes: Vec::new(),
            take: None,
            pages: door_pages(&reservation.id),
            keep: Keep::new(&layout, reservation, now).filter(|_| held),
            id: reservation.id.to_string(),
            customer_name: reservation.customer_name.clone(),
            customer_email: reservation.customer_email.clone(),
            concert: concert.map(|concert| ConcertLine::new(&layout, concert)),
            tickets: lang.count("tickets", i64::from(reservation.quantity)),
            total: price(lang, reservation.total_price, currency),
            money: standing.money().map(|key| layout.t(key)),
            pay: (held && standing.can_pay).then(|| Action {
                label: layout.t(if standing.is_undecided() {
                    "pay-on"
                } else {
                    "pay-begin"
                }),
                href: layout.href(&format!("/r/{}/pay", reservation.id)),
            }),
            action: action(&layout, status, standing),
            cancel: may_cancel.then(|| give_back(&layout, standing)),
            sign_in: None,
            layout: layout.titled(&title),
        }
    }
}

impl Standing<'_> {
    /// Whether a page to pay at may be open.
    fn is_undecided(&self) -> bool {
        let newest = self.attempts.first();
        newest.is_some_and(|one| one.payment.state == PaymentState::Pending)
    }

    /// Whether money came, or may come yet.
    fn has_money(&self) -> bool {
        let mut attempts = self.attempts.iter();
        attempts.any(|one| one.payment.state != PaymentState::Failed)
    }

    /// The sentence about the money that matters most: what is open, then what went wrong, then what
    /// is over.
    fn money(&self) -> Option<&'static str> {
        let attempts = || self.attempts.iter();
        let is = |state: PaymentState| move |one: &&Stored| one.payment.state == state;
        if let Some(open) = attempts().find(is(PaymentState::Refunding)) {
            return Some(match open.refund_error {
                Some(_) => "money-refund-stuck",
                None => reason_sentence(open.payment.refund_reason, false),
            });
        }
        if let Some(back) = attempts().find(is(PaymentState::Refunded)) {
            return Some(back_sentence(back));
        }
        let newest = self.attempts.first()?;
        let status = self.reservation.status_at(self.now);
        match newest.payment.state {
            PaymentState::Pending if self.is_concert_cancelled => Some("money-undecided-concert"),
            PaymentState::Pending => Some(match status {
                ReservationStatus::Expired => "money-undecided-late",
                ReservationStatus::Cancelled => "money-undecided-cancelled",
                ReservationStatus::Pending | ReservationStatus::Confirmed => "money-undecided",
            }),
            PaymentState::Failed
                if status == ReservationStatus::Pending && !self.is_concert_cancelled =>
            {
                Some("money-failed")
            }
            _ => None,
        }
    }
}

/// Why money went back, and how, where that is another way than it came.
pub const fn back_sentence(back: &Stored) -> &'static str {
    if back.refund_note.is_some() {
        "money-settled"
    } else {
        reason_sentence(back.payment.refund_reason, true)
    }
}

/// Why money is on its way back, or has come there.
const fn reason_sentence(reason: Option<RefundReason>, is_back: bool) -> &'static str {
    match (reason, is_back) {
        (Some(RefundReason::Late), false) => "money-late",
        (Some(RefundReason::Late), true) => "money-late-back",
        (Some(RefundReason::Twice), false) => "money-twice",
        (Some(RefundReason::Twice), true) => "money-twice-back",
        (Some(RefundReason::WrongAmount), false) => "money-wrong",
        (Some(RefundReason::WrongAmount), true) => "money-wrong-back",
        (Some(RefundReason::ConcertCancelled), false) => "money-concert",
        (Some(RefundReason::ConcertCancelled), true) => "money-concert-back",
        (_, false) => "money-going-back",
        (_, true) => "money-back",
    }
}

impl ConcertLine {
    pub(super) fn new(layout: &Layout, concert: &Concert) -> Self {
        Self {
            artist: concert.artist.clone(),
            name: concert.name.clone(),
            venue: concert.venue.clone(),
            date: layout.lang.date_long(concert.date),
            date_iso: concert.date.to_string(),
            poster: poster(concert),
        }
    }
}

struct Words {
    state: &'static str,
    label: String,
    heading: String,
    sentence: String,
}

impl Words {
    fn new(layout: &Layout, status: ReservationStatus, until: &str) -> Self {
        let (state, label, heading, sentence) = match status {
            ReservationStatus::Pending => ("held", "held-label", "held-title", "held-sentence"),
            ReservationStatus::Confirmed => (
                "confirmed",
                "confirmed-label",
                "confirmed-title",
                "confirmed-sentence",
            ),
            ReservationStatus::Cancelled => (
                "cancelled",
                "cancelled-label",
                "cancelled-title",
                "cancelled-sentence",
            ),
            ReservationStatus::Expired => (
                "expired",
                "expired-label",
                "expired-title",
                "expired-sentence",
            ),
        };
        let say = |key| layout.lang.text_with(key, &[("time", until)]);
        Self {
            state,
            label: say(label),
            heading: say(heading),
            sentence: say(sentence),
        }
    }
}

impl Words {
    /// Whatever became of the reservation, its tickets are good for nothing.
    fn of_cancelled_concert(layout: &Layout, status: ReservationStatus) -> Self {
        let sentence = if status.holds_tickets() {
            "concert-off-soon"
        } else {
            "concert-off-sentence"
        };
        Self {
            state: "cancelled",
            label: layout.t("cancelled-label"),
            heading: layout.t("concert-cancelled-title"),
            sentence: layout.t(sentence),
        }
    }
}

fn action(layout: &Layout, status: ReservationStatus, standing: &Standing<'_>) -> Option<Action> {
    let link = |key: &str, path: &str| {
        Some(Action {
            label: layout.t(key),
            href: layout.href(path),
        })
    };
    if status == ReservationStatus::Expired && standing.is_undecided() {
        // Whoever has paid must not book again before the provider has spoken.
        return link("pay-again", &format!("/r/{}", standing.reservation.id));
    }
    if standing.is_concert_cancelled {
        return link("other-concerts-action", "/");
    }
    let key = match status {
        ReservationStatus::Pending => return None,
        ReservationStatus::Confirmed => "concert-action",
        ReservationStatus::Cancelled | ReservationStatus::Expired => "again-action",
    };
    match standing.concert {
        Some(concert) => link(key, &format!("/concerts/{}", concert.id)),
        None => link("error-next-home", "/"),
    }
}

fn give_back(layout: &Layout, standing: &Standing<'_>) -> Cancel {
    let is_confirmed = standing.reservation.status == ReservationStatus::Confirmed;
    let label = if is_confirmed {
        "cancel-confirmed"
    } else {
        "cancel-held"
    };
    let until = (standing.last_cancelled_at, &layout.site.time_zone);
    Cancel {
        label: layout.t(label),
        until: is_confirmed.then(|| moment(layout.lang, "cancel-until", until)),
        action: layout.href(&format!("/r/{}/cancel", standing.reservation.id)),
    }
}
