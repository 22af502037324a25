//! Who of the staff asks, and whether their role may: `Authorization: Bearer <token>`.
//!
//! INVARIANT: a handler gets an [`Acting`] for staff only by naming a permission in its signature,
//! or by saying that every role may; guarded by `every_route_answers_each_caller_as_the_table_says`.

use std::marker::PhantomData;

use app::sessions::{self, SignedIn};
use axum::extract::FromRequestParts;
use domain::actor::Actor;
use domain::role::Permission;
use http::request::Parts;
use store::Acting;

use super::client::ClientAddress;
use super::headers::bearer;
use super::problem::Problem;
use super::request::RequestId;
use super::web::Web;

/// A member of staff who may do what `P` names.
#[derive(Debug)]
pub struct Staff<P> {
    pub signed_in: SignedIn,
    pub acting: Acting,
    permission: PhantomData<P>,
}

/// A permission as a type, so that a handler's signature tells it.
pub trait Needs {
    /// `None`: whoever is signed in.
    const PERMISSION: Option<Permission>;
}

/// What concerns one's own account alone.
#[derive(Debug)]
pub enum Anybody {}

impl Needs for Anybody {
    const PERMISSION: Option<Permission> = None;
}

macro_rules! permissions {
    ($($name:ident)*) => {$(
        #[derive(Debug)]
        pub enum $name {}

        impl Needs for $name {
            const PERMISSION: Option<Permission> = Some(Permission::$name);
        }
    )*};
}

// Those that a route asks for.
permissions! {
    ReadConcerts EditConcerts OpenConcerts CancelConcert UploadPoster DeleteConcert
    ReadReservations ConfirmReservation CancelReservation DeleteReservation
    Refund ResendTickets CheckTickets ReadUsers ManageUsers ReadAuditLog ReadMails RetryMails
    ReadReports Export ReadHealth
}

impl<P: Needs + Send> FromRequestParts<Web> for Staff<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or_else(Problem::unauthenticated)?;
        let found = sessions::find(&web.app, token).await?;
        let signed_in = found.ok_or_else(Problem::unauthenticated)?;
        let role = signed_in.member().role;
        if !P::PERMISSION.is_none_or(|wanted| role.may(wanted)) {
            return Err(Problem::not_allowed(role));
        }
        Ok(Self {
            acting: acting_as(parts, web, &signed_in, P::PERMISSION).await,
            signed_in,
            permission: PhantomData,
        })
    }
}

/// Somebody who isn't signed in yet, as the audit log shall know them.
#[derive(Debug)]
pub struct SigningIn(pub Acting);

impl FromRequestParts<Web> for SigningIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        Ok(Self(acting(parts, web, Actor::System("sign_in")).await))
    }
}

/// What somebody who is signed in does, by a permission that is asked again in the transaction that
/// changes something.
pub(crate) async fn acting_as(
    parts: &mut Parts,
    web: &Web,
    signed_in: &SignedIn,
    permission: Option<Permission>,
) -> Acting {
    let actor = Actor::Staff(signed_in.member().id);
    Acting {
        authority: Some(signed_in.authority(permission)),
        ..acting(parts, web, actor).await
    }
}

async fn acting(parts: &mut Parts, web: &Web, actor: Actor) -> Acting {
    let Ok(ClientAddress(address)) = ClientAddress::from_request_parts(parts, web).await;
    Acting {
        actor,
        address,
        request_id: parts.extensions.get::<RequestId>().map(|id| id.0),
        authority: None,
    }
}
