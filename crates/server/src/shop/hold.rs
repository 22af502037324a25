//! Booking tickets: the form comes in, and the reservation's page or the form with what is wrong
//! goes out.
//!
//! The form's key makes a double click, or a second try after an error, the same booking.

use std::net::IpAddr;

use app::App;
use app::concerts;
use app::customers::SignedIn;
use app::idempotency::{Caller, IdempotencyKey};
use app::reserve::{self, ReserveError, ReserveRequest, Reserved};
use axum::Extension;
use axum::extract::{Form, FromRequestParts, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::id::ConcertId;
use domain::reservation::Quantity;
use domain::text::{CustomerName, EmailAddress, TextError};
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::request::Parts;
use store::StoreError;
use uuid::Uuid;

use super::SaleState;
use super::asked::Asked;
use super::concert::ConcertPage;
use super::hold_form::{FIELDS, HoldForm, booking_text, line_text, quantity_text};
use super::visitor::Holdings;
use crate::http::client::ClientAddress;
use crate::http::customer::MaybeCustomer;
use crate::http::fields::{FieldError, FieldReason, Fields};
use crate::http::page::Layout;
use crate::http::path::Segment;
use crate::http::problem::{Code, Problem};
use crate::http::request::RequestId;
use crate::http::web::Web;
use crate::i18n::Lang;

/// `POST /{lang}/concerts/{id}/hold`: 303 to the reservation, or the form again.
pub async fn hold(
    State(app): State<App>,
    sender: Sender,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let typed = Typed::read(pairs);
    let wish = match typed.parse(app.settings().limits.per_buyer()) {
        Ok(wish) => wish,
        Err(errors) => return refused(&app, sender, &typed, Refused::Fields(errors)).await,
    };
    let key = typed.key.clone().unwrap_or_else(|| random_key(&app));
    let request = ReserveRequest {
        concert_id: sender.concert_id,
        quantity: wish.quantity,
        customer_name: wish.customer_name,
        customer_email: wish.customer_email,
        caller: caller_of(sender.customer.as_ref()),
        language: sender.asked.layout.lang.language(),
        key: IdempotencyKey::parse(&key).ok(),
        client_ip: sender.client_ip,
        request_id: sender.request_id,
    };
    match reserve::reserve(&app, request).await {
        Ok(reserved) => Ok(booked(&app, sender, &reserved)),
        Err(error) => refused(&app, sender, &typed, Refused::Booking(error)).await,
    }
}

/// Whose key the form's is.
fn caller_of(customer: Option<&SignedIn>) -> Caller {
    customer.map_or(Caller::Anonymous, SignedIn::caller)
}

/// Who sends the form, and for which concert.
#[derive(Debug)]
pub struct Sender {
    asked: Asked,
    concert_id: ConcertId,
    holdings: Holdings,
    customer: Option<SignedIn>,
    client_ip: Option<IpAddr>,
    request_id: Uuid,
}

impl FromRequestParts<Web> for Sender {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let mut asked = Asked::from_request_parts(parts, web).await?;
        let Segment(concert_id) = Segment::from_request_parts(parts, web).await?;
        // The form that comes back stands for the concert's page: that is what can be asked for
        // in the other language.
        asked.layout = Layout {
            path: format!("/concerts/{concert_id}"),
            ..asked.layout
        };
        let Ok(holdings) = Holdings::from_request_parts(parts, web).await;
        let Ok(ClientAddress(client_ip)) = ClientAddress::from_request_parts(parts, web).await;
        let MaybeCustomer(customer) = MaybeCustomer::from_request_parts(parts, web).await?;
        let Extension(RequestId(request_id)) = Extension::from_request_parts(parts, web)
            .await
            .map_err(|_| Problem::internal())?;
        Ok(Self {
            asked,
            concert_id,
            holdings,
            customer,
            client_ip,
            request_id,
        })
    }
}

/// The form as it was typed.
#[derive(Debug)]
struct Typed {
    pairs: Vec<(String, String)>,
    key: Option<String>,
}

/// The form as it was meant.
struct Wish {
    quantity: Quantity,
    customer_name: CustomerName,
    customer_email: EmailAddress,
}

impl Typed {
    fn read(pairs: Vec<(String, String)>) -> Self {
        let key = pairs
            .iter()
            .find(|(name, _)| name == "idempotency_key")
            .map(|(_, key)| key);
        let key = key
            .filter(|key| IdempotencyKey::parse(key).is_ok())
            .cloned();
        Self { pairs, key }
    }

    fn value(&self, field: &str) -> &str {
        self.pairs
            .iter()
            .find(|(name, _)| name == field)
            .map_or("", |(_, value)| value)
    }

    /// Fields that nobody asked for don't matter in a form.
    fn parse(&self, per_buyer: i32) -> Result<Wish, Vec<FieldError>> {
        let mut fields = Fields::from_form(self.pairs.iter().cloned());
        let quantity = fields.quantity("quantity", per_buyer);
        let customer_name = fields.text("customer_name", CustomerName::parse);
        let customer_email = fields.text("customer_email", EmailAddress::parse);
        match (quantity, customer_name, customer_email) {
            (Some(quantity), Some(customer_name), Some(customer_email)) => Ok(Wish {
                quantity,
                customer_name,
                customer_email,
            }),
            _ => Err(fields.finish()),
        }
    }
}

/// Why the form comes back.
enum Refused {
    Fields(Vec<FieldError>),
    Booking(ReserveError),
}

fn booked(app: &App, sender: Sender, reserved: &Reserved) -> Response {
    let id = &reserved.reservation.id;
    let token = app.access_key().token(id);
    let mut holdings = sender.holdings;
    holdings.add(id, &token);
    let path = format!("/r/{id}?t={token}");
    let target = sender.asked.layout.href(&path);
    ([(SET_COOKIE, holdings.to_cookie())], Redirect::to(&target)).into_response()
}

/// The concert's page with the form as typed, each problem at its field, and the problem's status.
async fn refused(
    app: &App,
    sender: Sender,
    typed: &Typed,
    why: Refused,
) -> Result<Response, Problem> {
    let is_unknown = matches!(
        why,
        Refused::Booking(ReserveError::Store(StoreError::OutcomeUnknown(_)))
    );
    let (problem, said) = explain(app, sender.asked.layout.lang, why);
    // Without the database the page can't be shown, and asking again would only take time.
    let is_away = problem.code == Code::DatabaseUnavailable && !is_unknown;
    if problem.code == Code::NotFound || is_away {
        return Err(problem);
    }
    let found = concerts::show_current(app, sender.concert_id).await;
    // What is told about the booking itself counts more than that the page can't be shown.
    let concert = match found {
        Ok(found) => found.ok_or_else(Problem::not_found)?,
        Err(_) => return Err(problem),
    };
    let one = std::slice::from_ref(&concert);
    let cancelled = concerts::find_cancelled_current(app, one).await;
    let is_cancelled = cancelled.is_ok_and(|cancelled| !cancelled.is_empty());
    let state = SaleState::of(&concert, app.today(), is_cancelled);
    let is_signed_in = sender.customer.is_some();
    let Asked { layout, answer } = sender.asked;
    let (settings, fresh) = (app.settings(), problem.code == Code::IdempotencyKeyReused);
    // Whatever may still succeed keeps its key, so that it can't succeed twice.
    let key = typed
        .key
        .clone()
        .filter(|_| !fresh)
        .unwrap_or_else(|| random_key(app));
    let form = HoldForm::new(
        &layout,
        &concert,
        settings.currency,
        settings.limits.per_buyer(),
        key,
    )
    .filled(FIELDS.map(|field| typed.value(field)))
    .for_somebody(is_signed_in);
    let form = said
        .into_iter()
        .fold(form, |form, (field, text)| form.refused(field, text));
    let page = ConcertPage::new(layout, &concert, settings.currency, state, form);
    let mut response = answer.private(problem.code.status(), &page);
    if let Some(wait) = problem.retry_after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, wait.as_secs().max(1).into());
    }
    Ok(response)
}

/// The problem that decides the status, and a sentence for each field.
fn explain(app: &App, lang: Lang, why: Refused) -> (Problem, Vec<(&'static str, String)>) {
    match why {
        Refused::Booking(error) => {
            let text = booking_text(lang, &error);
            (error.into(), vec![("quantity", text)])
        }
        Refused::Fields(errors) => {
            let said = |field: &'static str| {
                let error = errors.iter().find(|error| error.field == field)?;
                let text = match error.reason {
                    _ if field == "quantity" => {
                        quantity_text(lang, app.settings().limits.per_buyer())
                    }
                    FieldReason::Text(error) => line_text(lang, field, error),
                    _ => line_text(lang, field, TextError::Empty),
                };
                Some((field, text))
            };
            let said = FIELDS.into_iter().filter_map(said).collect();
            (Problem::validation(errors), said)
        }
    }
}

fn random_key(app: &App) -> String {
    app.ctx().random_uuid().to_string()
}
