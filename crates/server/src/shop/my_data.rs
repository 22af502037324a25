//! What is kept about a customer: to take along, and to have erased, for whoever is signed in.

use app::App;
use app::personal_data::{self, EraseError};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use domain::erasure::Obstacle;
use http::StatusCode;
use http::header::SET_COOKIE;

use super::asked::Asked;
use super::sign_in::{NotePage, sign_in_address};
use super::visitor::Holdings;
use crate::api::personal_data as api;
use crate::http::customer::{Customer, MaybeCustomer};
use crate::http::headers::FORGET_COPIES;
use crate::http::page::Layout;
use crate::http::problem::{Code, Problem};

/// `GET /{lang}/me/export`: the file that the API gives.
pub async fn export(state: State<App>, customer: Customer) -> Result<Response, Problem> {
    api::export(state, customer).await
}

/// `GET /{lang}/me/erase`: says what an erasure means, and asks.
pub async fn show(
    Asked { layout, answer }: Asked,
    MaybeCustomer(customer): MaybeCustomer,
) -> Response {
    let Some(customer) = customer else {
        let here = layout.here();
        return Redirect::to(&sign_in_address(&layout, &here)).into_response();
    };
    let page = ErasePage::new(layout, customer.email().as_str(), &[]);
    answer.private(StatusCode::OK, &page)
}

/// `GET /{lang}/erased`: where an erasure leads, which knows nobody any more.
pub async fn erased(Asked { layout, answer }: Asked) -> Response {
    let title = layout.t("erased-title");
    let page = NotePage {
        heading: title.clone(),
        sentences: vec![layout.t("erased-sentence"), layout.t("erase-copies")],
        form: None,
        action: Some((layout.t("error-next-home"), layout.href("/"))),
        layout: layout.titled(&title),
    };
    answer.private(StatusCode::OK, &page)
}

/// `POST /{lang}/me/erase`: 303 as nobody, or the page with what stands in the way.
pub async fn erase(
    State(app): State<App>,
    Asked { layout, answer }: Asked,
    Customer(customer): Customer,
    holdings: Holdings,
) -> Result<Response, Problem> {
    let email = customer.email().clone();
    match personal_data::erase(&app, customer.acting(), email.clone()).await {
        Ok(_) => {
            let cookie = [(SET_COOKIE, holdings.to_no_cookie())];
            Ok((FORGET_COPIES, cookie, Redirect::to(&layout.href("/erased"))).into_response())
        }
        Err(EraseError::Living(obstacles)) => {
            let page = ErasePage::new(layout, email.as_str(), &obstacles);
            Ok(answer.private(Code::InvalidState.status(), &page))
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Debug, Template)]
#[template(path = "me_erase.html")]
struct ErasePage {
    layout: Layout,
    sentence: String,
    /// Reservations that must end first: what to do, with the way there.
    obstacles: Vec<(String, String)>,
    action: String,
    back: String,
}

impl ErasePage {
    fn new(layout: Layout, email: &str, obstacles: &[Obstacle]) -> Self {
        let line = |obstacle: &Obstacle| {
            let key = match obstacle {
                Obstacle::Hold(_) => "erase-hold",
                Obstacle::Tickets { .. } => "erase-tickets",
                Obstacle::Money(_) => "erase-money",
            };
            let id = obstacle.reservation_id();
            let sentence = layout.lang.text_with(key, &[("id", id.as_str())]);
            (sentence, layout.href(&format!("/r/{id}")))
        };
        let title = layout.t("erase-title");
        Self {
            sentence: layout.lang.text_with("erase-sentence", &[("email", email)]),
            obstacles: obstacles.iter().map(line).collect(),
            action: layout.href("/me/erase"),
            back: layout.href("/me"),
            layout: layout.titled(&title),
        }
    }
}
