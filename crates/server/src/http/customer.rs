//! Which customer asks: whose session the browser's cookie carries.
//!
//! INVARIANT: the cookie that keeps what a browser holds also keeps its session, so that one
//! `Set-Cookie` never loses the other; guarded by `a_hold_survives_the_sign_in_and_is_then_the_customers`.

use app::access::Holder;
use app::customers::{self, SignedIn};
use axum::extract::FromRequestParts;
use domain::id::ReservationId;
use http::request::Parts;

use super::client::origin;
use super::problem::Problem;
use super::web::Web;
use crate::shop::visitor::Holdings;

/// A customer who is signed in; 401 for everybody else.
#[derive(Debug)]
pub struct Customer(pub SignedIn);

/// A customer, or somebody who isn't signed in.
#[derive(Debug)]
pub struct MaybeCustomer(pub Option<SignedIn>);

impl FromRequestParts<Web> for Customer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let MaybeCustomer(found) = MaybeCustomer::from_request_parts(parts, web).await?;
        found.map(Self).ok_or_else(Problem::not_signed_in)
    }
}

impl FromRequestParts<Web> for MaybeCustomer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let Ok(holdings) = Holdings::from_request_parts(parts, web).await;
        let Some(token) = holdings.session() else {
            return Ok(Self(None));
        };
        let found = customers::find(&web.app, token).await?;
        let origin = origin(parts, web).await;
        Ok(Self(found.map(|signed_in| signed_in.from(origin))))
    }
}

/// What opens a reservation to whoever asks: its token, which the browser holds, or a session, with which
/// the database finds it if it is theirs. To everybody else it doesn't exist.
pub async fn find_holder(
    parts: &mut Parts,
    web: &Web,
    id: &ReservationId,
) -> Result<Holder, Problem> {
    let Ok(holdings) = Holdings::from_request_parts(parts, web).await;
    if let Some(holder) = holdings.find(web.app.access_key(), id) {
        return Ok(holder.from(origin(parts, web).await));
    }
    let MaybeCustomer(found) = MaybeCustomer::from_request_parts(parts, web).await?;
    let customer = found.ok_or_else(Problem::not_found)?;
    Ok(customer.holder(id))
}
