//! Refunds that stand open until somebody helps.

pub(super) mod case;

use app::{App, payments};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use store::payments::Stored;

use super::frame::Frame;
use super::member::Member;
use crate::http::page::show;
use crate::http::problem::Problem;
use crate::http::staff::Refund;
use crate::http::web::Web;
use crate::shop::price;

pub const PATH: &str = "/staff/refunds";
/// More than anybody mends at one sitting; those behind them move up.
const SHOWN: i64 = 200;

pub fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, get(list))
        .route("/staff/refunds/{id}", get(case::show_case))
        .route("/staff/refunds/{id}/ask", post(case::ask))
        .route("/staff/refunds/{id}/settle", post(case::settle))
}

/// `GET /staff/refunds`
async fn list(State(app): State<App>, member: Member<Refund>) -> Result<Response, Problem> {
    let stuck = payments::list_stuck(&app, SHOWN, &member.acting).await?;
    let frame = member.frame;
    let title = frame.t("refunds-title");
    let page = RefundsPage {
        lines: stuck.iter().map(|one| Line::new(&frame, one)).collect(),
        frame: frame.titled(&title),
    };
    Ok(show(StatusCode::OK, &page))
}

#[derive(Debug, Template)]
#[template(path = "staff/refunds.html")]
struct RefundsPage {
    frame: Frame,
    lines: Vec<Line>,
}

/// A payment that can't go back.
#[derive(Debug)]
struct Line {
    href: String,
    reservation: String,
    provider: String,
    amount: String,
    /// In the words of whoever said so.
    why: String,
    paid: String,
}

impl Line {
    fn new(frame: &Frame, stuck: &Stored) -> Self {
        let payment = &stuck.payment;
        Self {
            href: case::address(&payment.id),
            reservation: payment.reservation_id.to_string(),
            provider: frame.provider(&stuck.provider),
            amount: price(frame.lang(), payment.amount, payment.currency),
            why: stuck.refund_error.clone().unwrap_or_default(),
            paid: frame.moment(payment.created_at),
        }
    }
}
