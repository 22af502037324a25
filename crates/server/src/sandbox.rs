//! The pay page of the make-believe card network, for development and trials. A real provider's page is
//! elsewhere; this one stands on the same server and shares nothing with the shop but its look.

use app::App;
use app::payments;
use app::providers::sandbox::{self, Choice, Sandbox};
use askama::Template;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::id::PaymentId;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use store::sandbox_orders::Order;

use crate::http::page::{self, Layout};
use crate::http::path::Segment;
use crate::http::problem::{Code, Problem};
use crate::http::web::Web;
use crate::shop::price;
use crate::shop::visitor::Visitor;

/// What the form sends.
#[derive(Debug, Deserialize)]
pub struct Chosen {
    outcome: String,
}

/// `GET /sandbox/pay/{payment_id}`
pub async fn show(
    State(web): State<Web>,
    Segment(id): Segment<PaymentId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order = find(&web.app, &id).await?;
    Ok(page_of(&web, &headers, order, StatusCode::OK))
}

fn page_of(web: &Web, headers: &HeaderMap, order: Order, status: StatusCode) -> Response {
    let visitor = Visitor::of("/sandbox/pay", headers);
    let path = format!("/sandbox/pay/{}", order.payment);
    let over = if is_paid(&order) {
        Some("sandbox-paid")
    } else {
        order.is_closed.then_some("sandbox-closed")
    };
    let layout = Layout::new(&web.site, visitor.lang, visitor.theme, &path);
    let layout = layout.without_lang_path();
    let title = layout.t("sandbox-title");
    let page = SandboxPage {
        choices: Choice::ALL.map(|choice| Offer {
            value: choice.as_str(),
            label: layout.t(label(choice)),
        }),
        total: price(visitor.lang, order.amount, order.currency),
        action: path,
        over: over.map(|key| layout.t(key)),
        cancel_url: order.cancel_url,
        title: order.title,
        layout: layout.titled(&title),
    };
    page::show(status, &page)
}

/// Whether its money has come, or is on its way.
fn is_paid(order: &Order) -> bool {
    let outcome = order.outcome.as_deref().and_then(Choice::read);
    outcome.is_some_and(Choice::pays)
}

/// `POST /sandbox/pay/{payment_id}` with `outcome`: what is chosen is told to the webhook, and the buyer
/// goes back to the shop.
pub async fn choose(
    State(web): State<Web>,
    Segment(id): Segment<PaymentId>,
    headers: HeaderMap,
    Form(chosen): Form<Chosen>,
) -> Result<Response, Problem> {
    let app = &web.app;
    let order = find(app, &id).await?;
    let choice = Choice::read(&chosen.outcome).ok_or_else(|| {
        let all = Choice::ALL.map(Choice::as_str).join(", ");
        Problem::new(
            Code::ValidationFailed,
            format!("`outcome` is one of {all}."),
        )
    })?;
    let Some(letters) = network(app)?.choose(&id, choice).await? else {
        let order = find(app, &id).await?;
        // Pressed twice: the first press counts, and the buyer sees what became of it.
        if is_paid(&order) && choice.pays() {
            return Ok(Redirect::to(&order.return_url).into_response());
        }
        return Ok(page_of(&web, &headers, order, StatusCode::CONFLICT));
    };
    for letter in letters {
        let mut headers = HeaderMap::new();
        if let Ok(signature) = HeaderValue::from_str(&letter.signature) {
            headers.insert(sandbox::SIGNATURE_HEADER, signature);
        }
        let delivered =
            payments::deliver(app, sandbox::NAME, &headers, letter.body.as_bytes()).await;
        // As on the way from a real one: what doesn't arrive is asked about later.
        if let Err(error) = delivered {
            tracing::warn!(%error, "the sandbox couldn't tell what became of an order");
        }
    }
    Ok(Redirect::to(&order.return_url).into_response())
}

async fn find(app: &App, id: &PaymentId) -> Result<Order, Problem> {
    let found = network(app)?.find(id).await?;
    found.ok_or_else(Problem::not_found)
}

fn network(app: &App) -> Result<&Sandbox, Problem> {
    let till = app.till().and_then(|till| till.sandbox.as_deref());
    till.ok_or_else(Problem::not_found)
}

const fn label(choice: Choice) -> &'static str {
    match choice {
        Choice::Pay => "sandbox-pay",
        Choice::Decline => "sandbox-decline",
        Choice::Late => "sandbox-late",
        Choice::Twice => "sandbox-twice",
        Choice::Never => "sandbox-never",
        Choice::RefundFails => "sandbox-refund-fails",
    }
}

#[derive(Debug, Template)]
#[template(path = "sandbox.html")]
struct SandboxPage {
    layout: Layout,
    title: String,
    total: String,
    action: String,
    /// Why nothing can be chosen any more.
    over: Option<String>,
    cancel_url: String,
    choices: [Offer; 6],
}

#[derive(Debug)]
struct Offer {
    value: &'static str,
    label: String,
}
