//! The only place that knows status codes: every error of a use case as a problem (RFC 9457).
//!
//! A handler returns a [`Problem`]; `problem_render` shows it as JSON or as a page.

use std::time::Duration;

use app::cancel::CancelError;
use app::concerts::change::{ChangeError, Current};
use app::confirm::ConfirmError;
use app::extend::ExtendError;
use app::personal_data::EraseError;
use app::reservations::DeleteError;
use app::reserve::ReserveError;
use axum::response::{IntoResponse, Response};
use domain::allotment::Refusal;
use domain::reservation::{EXTENSIONS_MAX, TransitionError};
use domain::role::Role;
use http::StatusCode;
use store::StoreError;

use super::feed::WatchError;
use super::fields::{ERRORS_MAX, FieldError, FieldReason};

mod exports;
mod mails;
mod money;
mod posters;
mod runs;
mod staff;

/// How long a client should wait when the database is away or busy.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// The public codes of problems. They are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    MalformedRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
    IdempotencyKeyReused,
    SaleClosed,
    SoldOut,
    NotEnoughTickets,
    PurchaseLimit,
    ReservationExpired,
    InvalidState,
    RequestInFlight,
    PreconditionFailed,
    PreconditionRequired,
    RateLimited,
    Overloaded,
    DatabaseUnavailable,
    Internal,
}

impl Code {
    pub const fn as_str(self) -> &'static str {
        self.parts().0
    }

    pub const fn status(self) -> StatusCode {
        self.parts().1
    }

    pub const fn title(self) -> &'static str {
        self.parts().2
    }

    const fn parts(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::MalformedRequest => ("malformed_request", S::BAD_REQUEST, "Malformed request"),
            Self::Unauthenticated => ("unauthenticated", S::UNAUTHORIZED, "Unauthenticated"),
            Self::Forbidden => ("forbidden", S::FORBIDDEN, "Forbidden"),
            Self::NotFound => ("not_found", S::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                S::METHOD_NOT_ALLOWED,
                "Method not allowed",
            ),
            Self::PayloadTooLarge => (
                "payload_too_large",
                S::PAYLOAD_TOO_LARGE,
                "Payload too large",
            ),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                S::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
            ),
            Self::ValidationFailed => (
                "validation_failed",
                S::UNPROCESSABLE_ENTITY,
                "Validation failed",
            ),
            Self::IdempotencyKeyReused => (
                "idempotency_key_reused",
                S::UNPROCESSABLE_ENTITY,
                "Idempotency key reused",
            ),
            Self::SaleClosed => ("sale_closed", S::CONFLICT, "Sale closed"),
            Self::SoldOut => ("sold_out", S::CONFLICT, "Sold out"),
            Self::NotEnoughTickets => ("not_enough_tickets", S::CONFLICT, "Not enough tickets"),
            Self::PurchaseLimit => ("purchase_limit", S::CONFLICT, "Purchase limit"),
            Self::ReservationExpired => ("reservation_expired", S::CONFLICT, "Reservation expired"),
            Self::InvalidState => ("invalid_state", S::CONFLICT, "Invalid state"),
            Self::RequestInFlight => ("request_in_flight", S::CONFLICT, "Request in flight"),
            Self::PreconditionFailed => (
                "precondition_failed",
                S::PRECONDITION_FAILED,
                "Precondition failed",
            ),
            Self::PreconditionRequired => (
                "precondition_required",
                S::PRECONDITION_REQUIRED,
                "Precondition required",
            ),
            Self::RateLimited => ("rate_limited", S::TOO_MANY_REQUESTS, "Rate limited"),
            Self::Overloaded => ("overloaded", S::SERVICE_UNAVAILABLE, "Overloaded"),
            Self::DatabaseUnavailable => (
                "database_unavailable",
                S::SERVICE_UNAVAILABLE,
                "Database unavailable",
            ),
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, "Internal error"),
        }
    }
}

/// An error on its way to a client: what happened and what to do, nothing from inside.
#[derive(Clone, Debug)]
pub struct Problem {
    pub code: Code,
    pub detail: String,
    pub errors: Vec<FieldError>,
    /// With `not_enough_tickets`: how many could still be had.
    pub available: Option<i32>,
    /// With `purchase_limit`: the limit.
    pub limit: Option<i32>,
    /// With `invalid_state` of a ticket: why nobody is let in.
    pub reason: Option<&'static str>,
    pub retry_after: Option<Duration>,
    /// With `precondition_failed`: the concert as it is now.
    pub current: Option<Box<Current>>,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            available: None,
            limit: None,
            reason: None,
            retry_after: None,
            current: None,
        }
    }

    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "There is nothing here. Check the address.")
    }

    pub fn internal() -> Self {
        let detail =
            "Something went wrong on our side. Quote the request id when you ask about it.";
        Self::new(Code::Internal, detail)
    }

    /// Nobody is signed in, or no longer.
    pub fn unauthenticated() -> Self {
        let detail = "Sign in, and send the session's token as `Authorization: Bearer …`. A \
                      session ends 30 minutes after its last use and 12 hours after its beginning.";
        Self::new(Code::Unauthenticated, detail)
    }

    /// No customer is signed in, or no longer.
    pub fn not_signed_in() -> Self {
        let detail = "Sign in on the page `/en/sign-in`, or by the link that `POST /sessions/email` \
                      sends; the browser's cookie then carries the session.";
        Self::new(Code::Unauthenticated, detail)
    }

    /// Signed in, but the role isn't enough.
    pub fn not_allowed(role: Role) -> Self {
        let detail = format!("The role {role} may not do this. Ask a superadmin.");
        Self::new(Code::Forbidden, detail)
    }

    /// Tells [`ERRORS_MAX`] of the errors, and that there are more.
    pub fn validation(mut errors: Vec<FieldError>) -> Self {
        let mut detail = "Some fields are missing or wrong; `errors` names each.".to_owned();
        if errors.len() > ERRORS_MAX {
            errors.truncate(ERRORS_MAX);
            detail = format!("Fields are wrong; `errors` names {ERRORS_MAX}, and there are more.");
        }
        Self {
            errors,
            ..Self::new(Code::ValidationFailed, detail)
        }
    }

    /// One field is wrong.
    fn wrong_field(field: &str, reason: FieldReason) -> Self {
        let field = field.to_owned();
        Self::validation(vec![FieldError { field, reason }])
    }

    fn must_be(field: &str, wanted: &'static str) -> Self {
        Self::wrong_field(field, FieldReason::Invalid { wanted })
    }

    /// A change that doesn't say which version it is of.
    pub fn precondition_required() -> Self {
        let detail = "Send the `ETag` that the concert had when you read it as `If-Match`, so that \
                      nobody's change is lost.";
        Self::new(Code::PreconditionRequired, detail)
    }

    /// `wait`: after how long one more request is taken.
    pub fn rate_limited(wait: Duration) -> Self {
        let detail = "Too many requests from your address. Try again after the time given.";
        Self {
            // Whole seconds go into the header, and one too few would only be refused again.
            retry_after: Some(Duration::from_secs(wait.as_secs() + 1)),
            ..Self::new(Code::RateLimited, detail)
        }
    }

    pub fn overloaded() -> Self {
        let detail = "More requests than can be answered in time. Try again after the time given.";
        Self {
            retry_after: Some(RETRY_SOON),
            ..Self::new(Code::Overloaded, detail)
        }
    }

    pub fn database_unavailable() -> Self {
        let detail = "The database can't be reached right now. Try again after the time given, \
                      with the same Idempotency-Key if there was one.";
        Self {
            retry_after: Some(RETRY_SOON),
            ..Self::new(Code::DatabaseUnavailable, detail)
        }
    }

    pub fn no_standby() -> Self {
        let detail = "A sale couldn't be kept safe on a second machine right now, so nothing is sold. \
                      Try again after the time given, with the same Idempotency-Key if there was one.";
        Self {
            detail: detail.to_owned(),
            ..Self::database_unavailable()
        }
    }

    /// A problem for a status that a layer below answered without one.
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found(),
            StatusCode::FORBIDDEN => Self::new(
                Code::Forbidden,
                "This request came from another site's page.",
            ),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                Code::MethodNotAllowed,
                "This address doesn't take this method; `Allow` lists those it takes.",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(
                Code::PayloadTooLarge,
                "The body is larger than this address takes.",
            ),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::new(
                Code::UnsupportedMediaType,
                "Send the body in the documented media type.",
            ),
            StatusCode::UNPROCESSABLE_ENTITY => Self::validation(Vec::new()),
            StatusCode::REQUEST_TIMEOUT => Self::overloaded(),
            // Cut off by the limit of a request: what became of it isn't known.
            StatusCode::SERVICE_UNAVAILABLE => Self::database_unavailable(),
            status if status.is_client_error() => {
                Self::new(Code::MalformedRequest, "The request can't be understood.")
            }
            _ => Self::internal(),
        }
    }
}

/// Carries the problem to the layer that renders it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NoStandby => {
                tracing::debug!(%error, "database unavailable");
                Self::no_standby()
            }
            StoreError::Unavailable(_) | StoreError::OutcomeUnknown(_) => {
                tracing::warn!(%error, "database unavailable");
                Self::database_unavailable()
            }
            StoreError::PoolExhausted
            | StoreError::TooSlow
            | StoreError::LockTimeout
            | StoreError::Conflict => {
                tracing::warn!(%error, "overloaded");
                Self::overloaded()
            }
            StoreError::NotAllowed { role } => {
                role.map_or_else(Self::unauthenticated, Self::not_allowed)
            }
            _ => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "internal error");
                Self::internal()
            }
        }
    }
}

impl From<EraseError> for Problem {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::Living(_) => Self::new(
                Code::InvalidState,
                format!("What is kept about you can't be erased yet: {error}."),
            ),
            EraseError::NoKey => {
                tracing::error!(%error, "nobody can be erased; set STAGEDOOR_SECRET_KEY");
                Self::internal()
            }
            EraseError::Store(error) => error.into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::SoldOut => Self::new(
                Code::SoldOut,
                "No tickets are left. Held ones come back when their time is over; try again later.",
            ),
            Refusal::NotEnoughTickets { available } => Self {
                available: Some(available),
                ..Self::new(
                    Code::NotEnoughTickets,
                    format!("Only {available} tickets are left. Ask for at most as many."),
                )
            },
            Refusal::OverOrderLimit { limit } => Self {
                limit: Some(limit),
                ..Self::new(
                    Code::PurchaseLimit,
                    format!("At most {limit} tickets can be reserved at once."),
                )
            },
            Refusal::OverCustomerLimit { limit, held } => Self {
                limit: Some(limit),
                ..Self::new(
                    Code::PurchaseLimit,
                    format!(
                        "At most {limit} tickets for one customer; this e-mail address has {held}."
                    ),
                )
            },
        }
    }
}

impl From<ReserveError> for Problem {
    fn from(error: ReserveError) -> Self {
        match error {
            ReserveError::UnknownConcert => Self::new(Code::NotFound, "There is no such concert."),
            ReserveError::SaleClosed => Self::new(
                Code::SaleClosed,
                "Tickets for this concert are not on sale.",
            ),
            ReserveError::Refused(refusal) => refusal.into(),
            ReserveError::TotalTooLarge => Self::new(
                Code::PurchaseLimit,
                "One order can't cost that much; ask for fewer.",
            ),
            ReserveError::KeyReused => Self::new(
                Code::IdempotencyKeyReused,
                "This Idempotency-Key was used for a request with other values. Use a new one.",
            ),
            ReserveError::KeyOrphaned => Self::new(
                Code::IdempotencyKeyReused,
                "This Idempotency-Key was used for a reservation that is no longer there. Use a \
                 new one to reserve anew.",
            ),
            ReserveError::InFlight => Self::new(
                Code::RequestInFlight,
                "A request with this Idempotency-Key is still under way. Repeat this one soon.",
            ),
            ReserveError::Overloaded => Self::overloaded(),
            ReserveError::Store(error) => error.into(),
        }
    }
}

impl From<TransitionError> for Problem {
    fn from(error: TransitionError) -> Self {
        match error {
            TransitionError::Expired => Self::new(
                Code::ReservationExpired,
                "The hold has run out and its tickets are on sale again. Reserve anew.",
            ),
            TransitionError::NoMoreExtensions => Self::new(
                Code::InvalidState,
                format!(
                    "This hold was extended {EXTENSIONS_MAX} times, which is the most. It stays \
                     until its `expires_at`."
                ),
            ),
            TransitionError::TicketsGone { available } => Self {
                available: Some(available),
                ..Self::new(
                    Code::InvalidState,
                    format!(
                        "It has expired, and only {available} tickets are left, fewer than it had. \
                         Raise the concert's capacity, or refund what was paid."
                    ),
                )
            },
            TransitionError::NotSwept => Self::new(
                Code::InvalidState,
                "Its hold has just run out, and its tickets aren't back yet. Try again in two \
                 seconds.",
            ),
            TransitionError::TooLate { last_at } => Self::new(
                Code::InvalidState,
                format!("It could be cancelled until {last_at}. Ask the organiser."),
            ),
            TransitionError::Used => Self::new(
                Code::InvalidState,
                "Somebody was let in on one of its tickets. Ask the organiser.",
            ),
            TransitionError::InvalidState { status } => Self::new(
                Code::InvalidState,
                format!("This isn't possible, because the reservation is {status}."),
            ),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotFound => Self::new(Code::NotFound, "There is no such concert."),
            ChangeError::Archived => Self::new(
                Code::InvalidState,
                "The concert is archived, which is final. Make a new one instead.",
            ),
            ChangeError::Cancelled => Self::new(
                Code::InvalidState,
                "The concert was cancelled, which is final. Make a new one instead.",
            ),
            ChangeError::DayOver => Self::new(
                Code::SaleClosed,
                "The concert's day is over, so nothing of it can be sold. Change its date first.",
            ),
            ChangeError::BelowTaken { sold, held } => {
                Self::wrong_field("total_tickets", FieldReason::BelowTaken { sold, held })
            }
            ChangeError::HasReservations { reservations } => Self::new(
                Code::InvalidState,
                format!(
                    "{reservations} reservations have tickets of this concert. Cancel them first, \
                     or archive the concert."
                ),
            ),
            ChangeError::KeptForRefunds => Self::new(
                Code::InvalidState,
                "The concert was cancelled, and its buyers' refunds must stay to be found. Archive \
                 it instead.",
            ),
            ChangeError::MoneyOpen => Self::new(
                Code::InvalidState,
                "A payment or refund of this concert is still under way. Wait for its end, or \
                 archive the concert.",
            ),
            ChangeError::Edited(current) => Self {
                current: Some(current),
                ..Self::new(
                    Code::PreconditionFailed,
                    "Somebody has edited the concert since you read it. Compare with `current`, \
                     and send your change with `current_etag` as `If-Match`.",
                )
            },
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl From<ConfirmError> for Problem {
    fn from(error: ConfirmError) -> Self {
        match error {
            ConfirmError::NotFound => Self::not_found(),
            ConfirmError::ConcertDeleted => Self::new(
                Code::InvalidState,
                "Its concert was deleted, so there is nothing to confirm. Refund what was paid.",
            ),
            ConfirmError::ConcertCancelled => Self::new(
                Code::InvalidState,
                "Its concert was cancelled, so there is nothing to confirm. Refund what was paid.",
            ),
            ConfirmError::Transition(error) => error.into(),
            ConfirmError::Store(error) => error.into(),
        }
    }
}

impl From<DeleteError> for Problem {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::NotFound => Self::not_found(),
            DeleteError::Transition(error) => error.into(),
            DeleteError::Store(error) => error.into(),
        }
    }
}

impl From<WatchError> for Problem {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::UnknownConcert => Self::not_found(),
            WatchError::Full => Self::overloaded(),
            WatchError::Store(error) => error.into(),
        }
    }
}

impl From<ExtendError> for Problem {
    fn from(error: ExtendError) -> Self {
        match error {
            ExtendError::NotFound => Self::not_found(),
            ExtendError::Transition(error) => error.into(),
            ExtendError::ConcertCancelled => Self::new(
                Code::InvalidState,
                "The concert was cancelled, so its tickets can't be kept any longer.",
            ),
            ExtendError::Store(error) => error.into(),
        }
    }
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::NotFound => Self::not_found(),
            CancelError::Transition(error) => error.into(),
            CancelError::Store(error) => error.into(),
        }
    }
}
