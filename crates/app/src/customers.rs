//! Customers who sign in: by a link that they get by mail, or at a provider (OpenID Connect).
//!
//! Whatever way, it proves one thing: an e-mail address. What is under the address is theirs, and the
//! database's row-level security shows them nothing else.
//!
//! Absent on purpose: passwords, and cookies, which the front has.

mod links;
mod oidc;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::actor::Actor;
use domain::customer::{LINKS_KEPT_FOR, SESSION_LIFETIME};
use domain::id::{CustomerId, ReservationId};
use domain::text::EmailAddress;
use sha2::{Digest as _, Sha256};
use store::customer_sessions::{self as sessions, NewSession};
use store::customers::Booking;
use store::reservations::{Filter, Position};
use store::sign_in_failures::Digest;
use store::{
    Acting, StoreError, Transaction, customer_links, customer_sign_ins, customers as stored,
};

use crate::access::{Holder, Origin};
use crate::idempotency::Caller;
use crate::reservations::{self, ListRequest};
use crate::{App, task};

pub(crate) use links::find_invitation;
pub use links::{LinkError, Wish, ask_for_link, look_at_link, use_link};
pub use oidc::{
    Answer, Failed, Oidc, OidcError, OidcSettings, SettingsError, Start, Started, begin_oidc,
    finish_oidc,
};

const TOKEN_BYTES: usize = 32;
/// Reservations on one page of a customer's own.
pub const BOOKINGS_A_PAGE: u16 = 20;
/// Nobody turns so many pages; and rows before a page are read for it.
pub const BOOKING_PAGES_MAX: u16 = 100;

/// A customer with a living session; only [`find`] makes one.
#[derive(Clone)]
pub struct SignedIn {
    pub id: CustomerId,
    email: EmailAddress,
    name: Option<String>,
    is_google: bool,
    token_digest: Digest,
    origin: Origin,
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl SignedIn {
    /// What they have proven to be theirs.
    pub const fn email(&self) -> &EmailAddress {
        &self.email
    }

    /// As the provider tells it, or as they last booked.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether they signed in at the provider.
    pub const fn is_google(&self) -> bool {
        self.is_google
    }

    /// The same, in a request from there.
    #[must_use]
    pub fn from(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// On whose behalf the database works for them.
    pub fn acting(&self) -> Acting {
        Acting {
            actor: Actor::Customer(self.email.clone()),
            address: self.origin.address,
            request_id: self.origin.request_id,
            authority: None,
        }
    }

    /// What opens a reservation, if it is theirs; that it is the database decides.
    pub fn holder(&self, id: &ReservationId) -> Holder {
        Holder::of_customer(id.clone(), self.email.clone(), self.origin)
    }

    /// Whose their keys are.
    pub fn caller(&self) -> Caller {
        Caller::Customer {
            email: self.email.clone(),
            is_google: self.is_google,
        }
    }
}

/// Who shows this token; `None` when its session is over or never was.
pub async fn find(app: &App, token: &str) -> Result<Option<SignedIn>, StoreError> {
    let Some(token_digest) = digest(token) else {
        return Ok(None);
    };
    let now = app.ctx().now();
    let by = Acting::system("sign_in");
    let found = sessions::find(app.writer(), &by, &token_digest, now).await?;
    Ok(found.map(|session| SignedIn {
        id: session.customer_id,
        email: session.email,
        name: session.name,
        is_google: session.is_google,
        token_digest,
        origin: Origin::default(),
    }))
}

/// Ends this session and no other.
pub async fn sign_out(app: &App, signed_in: &SignedIn) -> Result<(), StoreError> {
    let (app, by, digest) = (app.clone(), signed_in.acting(), signed_in.token_digest);
    task::uninterrupted(async move {
        let transaction = task::begin(&app, &by).await?;
        let ended = sessions::delete(&transaction, &digest).await;
        task::end(transaction, ended).await
    })
    .await
}

/// A page of a customer's own reservations, newest first.
pub async fn list_reservations(
    app: &App,
    signed_in: &SignedIn,
    (after, limit): (Option<Position>, u16),
) -> Result<reservations::Page, StoreError> {
    let request = ListRequest {
        filter: Filter {
            email: Some(signed_in.email.clone()),
            ..Filter::default()
        },
        text: None,
        after,
        limit,
    };
    reservations::list(app, request, &signed_in.acting()).await
}

/// A page of a customer's own reservations with their concerts: what is to come first.
#[derive(Clone, Debug)]
pub struct Bookings {
    pub items: Vec<Booking>,
    pub has_more: bool,
}

/// `page`: from 1.
pub async fn list_bookings(
    app: &App,
    signed_in: &SignedIn,
    page: u16,
) -> Result<Bookings, StoreError> {
    let limit = i64::from(BOOKINGS_A_PAGE);
    let rows_before = i64::from(page.clamp(1, BOOKING_PAGES_MAX) - 1) * limit;
    let transaction = Transaction::begin_reading(app.writer(), &signed_in.acting()).await?;
    let when = (app.today(), app.ctx().now());
    // One more than a page has tells whether there is a next one.
    let rows = (rows_before, limit + 1);
    let items = stored::list_bookings(&transaction, &signed_in.email, when, rows).await;
    transaction.rollback().await;
    let mut items = items?;
    let has_more = items.len() > usize::from(BOOKINGS_A_PAGE);
    items.truncate(usize::from(BOOKINGS_A_PAGE));
    Ok(Bookings { items, has_more })
}

/// A session that has begun.
#[derive(Clone)]
pub struct Begun {
    /// For the browser, once.
    pub token: String,
    /// Where they wanted to go.
    pub return_to: domain::customer::ReturnPath,
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Begun(…)")
    }
}

/// Begins a session of an account in place of the one that the browser had: a token that somebody may
/// have put there before counts no more.
async fn begin_session(
    app: &App,
    transaction: &Transaction,
    (id, is_google): (CustomerId, bool),
    before: Option<&str>,
) -> Result<String, StoreError> {
    if let Some(before) = before.and_then(digest) {
        sessions::delete(transaction, &before).await?;
    }
    let (token, token_digest) = new_token(app);
    let now = app.ctx().now();
    let session = NewSession {
        token_digest: &token_digest,
        customer_id: id,
        is_google,
        now,
        expires_at: now + SESSION_LIFETIME,
    };
    sessions::insert(transaction, &session).await?;
    Ok(token)
}

/// Whoever signs in isn't anybody yet, and the product itself looks for them.
fn signing_in(origin: Origin) -> Acting {
    Acting {
        address: origin.address,
        request_id: origin.request_id,
        ..Acting::system("sign_in")
    }
}

/// Forgets up to `limit` of each kind that are over; returns how many.
pub(crate) async fn forget_old(
    app: &App,
    transaction: &Transaction,
    limit: i64,
) -> Result<u64, StoreError> {
    let now = app.ctx().now();
    let ended = sessions::delete_old(transaction, now, limit).await?;
    let links = customer_links::delete_old(transaction, now - LINKS_KEPT_FOR, limit).await?;
    let pending = customer_sign_ins::delete_old(transaction, now, limit).await?;
    Ok(ended + links + pending)
}

/// A new token and what is kept of it.
fn new_token(app: &App) -> (String, Digest) {
    let token: [u8; TOKEN_BYTES] = app.ctx().random_bytes();
    (URL_SAFE_NO_PAD.encode(token), Sha256::digest(token).into())
}

/// What is kept of a token; `None` for what can't be one.
fn digest(token: &str) -> Option<Digest> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    (bytes.len() == TOKEN_BYTES).then(|| Sha256::digest(bytes).into())
}
