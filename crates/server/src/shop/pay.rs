//! The way to the payment provider and back: a page of ours with a link there, and one that waits for
//! what became of it.
//!
//! Both wait a moment before they answer, then look again by themselves every few seconds, also without
//! JavaScript. The provider is asked by jobs alone.

use std::time::Duration;

use app::payments::{self, Begin};
use app::{App, reservations};
use askama::Template;
use axum::extract::{FromRequestParts as _, RawQuery, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::id::ReservationId;
use domain::payment::{Payment, PaymentState};
use domain::reservation::ReservationStatus;
use http::header::REFRESH;
use http::{HeaderValue, StatusCode};
use store::payments::Stored;

use super::asked::Asked;
use super::price;
use super::reservation::{Own, move_token};
use super::visitor::Holdings;
use crate::http::page::Layout;
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::web::Web;

/// Most providers answer within a second.
const WAIT_MAX: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Seconds until the page is asked for again.
const AGAIN: HeaderValue = HeaderValue::from_static("3");

/// `POST /{lang}/r/{id}/pay`
pub async fn begin(State(app): State<App>, own: Own) -> Result<Response, Problem> {
    let wish = Begin {
        holder: own.holder.clone(),
        language: own.layout().lang.language(),
    };
    match payments::begin(&app, wish).await {
        Ok(_) => Ok(Redirect::to(&own.address("pay")).into_response()),
        Err(error) => own.refuse(&app, error.into(), "pay-not-possible").await,
    }
}

/// `GET /{lang}/r/{id}/pay`: the link to the provider, as soon as there is one. With `t` the token moves
/// into the cookie first, for buyers whom another program sends.
pub async fn show(
    State(web): State<Web>,
    Segment(id): Segment<ReservationId>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    let (app, mut parts) = (web.app.clone(), request.into_parts().0);
    let asked = Asked::from_request_parts(&mut parts, &web).await?;
    let Ok(mut holdings) = Holdings::from_request_parts(&mut parts, &web).await;
    let place = (&id, "/pay");
    if let Some(moved) = move_token(&app, &asked.layout, place, &mut holdings, query) {
        return Ok(moved);
    }
    let own = Own::from_request_parts(&mut parts, &web).await?;
    let has_page = |newest: &Stored| newest.page.is_some();
    let Some(attempt) = wait(&app, &own, has_page).await? else {
        return Ok(Redirect::to(&own.address("")).into_response());
    };
    let layout = own.layout().clone();
    let keys = ("pay-title", "pay-sentence", "pay-opening");
    let page = PayPage::new(layout, &own, keys, attempt);
    Ok(answer(own, &page))
}

/// `GET /{lang}/r/{id}/paid`: where the provider sends the buyer back to.
pub async fn paid(State(app): State<App>, own: Own) -> Result<Response, Problem> {
    let Some(attempt) = wait(&app, &own, |_| false).await? else {
        return Ok(Redirect::to(&own.address("")).into_response());
    };
    // Nobody who has paid shall be led to pay once more.
    let attempt = Stored {
        page: None,
        ..attempt
    };
    let layout = own.layout().clone();
    let keys = ("paid-title", "paid-sentence", "paid-waiting");
    let page = PayPage::new(layout, &own, keys, attempt);
    Ok(answer(own, &page))
}

fn answer(own: Own, page: &PayPage) -> Response {
    let is_waiting = page.url.is_none();
    let mut response = own.show(StatusCode::OK, page);
    if is_waiting {
        response.headers_mut().insert(REFRESH, AGAIN);
    }
    response
}

/// The newest payment once it is as wanted, or still undecided after a while; `None` when there is
/// nothing undecided, or nothing held that could be paid: what becomes of money that comes all the same
/// stands on the reservation's page.
async fn wait(
    app: &App,
    own: &Own,
    is_wanted: impl Fn(&Stored) -> bool,
) -> Result<Option<Stored>, Problem> {
    let reservation = reservations::show(app, &own.holder).await?;
    if reservation.is_none_or(|one| one.status != ReservationStatus::Pending) {
        return Ok(None);
    }
    let began = tokio::time::Instant::now();
    loop {
        let attempts = payments::list_own(app, &own.holder).await?;
        let newest = attempts.into_iter().next();
        let Some(newest) = newest.filter(|one| one.payment.state == PaymentState::Pending) else {
            return Ok(None);
        };
        if is_wanted(&newest) || began.elapsed() > WAIT_MAX {
            return Ok(Some(newest));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[derive(Debug, Template)]
#[template(path = "pay.html")]
struct PayPage {
    layout: Layout,
    heading: String,
    total: String,
    sentence: String,
    /// What is shown while there is no link.
    waiting: String,
    url: Option<String>,
    again: String,
    back: String,
}

impl PayPage {
    fn new(
        layout: Layout,
        own: &Own,
        (heading, sentence, waiting): (&str, &str, &str),
        attempt: Stored,
    ) -> Self {
        let Payment {
            amount, currency, ..
        } = attempt.payment;
        Self {
            total: price(layout.lang, amount, currency),
            heading: layout.t(heading),
            sentence: layout.t(sentence),
            waiting: layout.t(waiting),
            url: attempt.page.map(|page| page.url),
            again: own.address(if heading == "pay-title" {
                "pay"
            } else {
                "paid"
            }),
            back: own.address(""),
            layout: {
                let title = layout.t(heading);
                layout.titled(&title)
            },
        }
    }
}
