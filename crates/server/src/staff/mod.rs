//! The pages for staff, at `/staff`. As in the shop a handler translates between a request and a use
//! case, and a view struct holds what its template shows, ready to print.
//!
//! Every page works as plain HTML with forms; what scripts add is comfort. Nothing about rights is
//! decided here: a handler names its permission in its signature.

pub mod account;
pub mod audit;
pub mod cancel_concert;
mod chart;
pub mod choice;
pub mod concerts;
pub mod exports;
pub mod form;
pub mod frame;
pub mod health;
pub mod home;
pub mod import;
pub mod live;
pub mod mails;
pub mod member;
pub mod refunds;
pub mod reports;
pub mod reservations;
pub mod runs;
pub mod sign_in;
pub mod users;

use axum::{Router, middleware};

use crate::http::web::Web;

pub use frame::{error_page, frame_of_error, show_error};
pub use sign_in::PATH as SIGN_IN;

/// All pages of the area.
pub fn routes(web: &Web) -> Router<Web> {
    Router::new()
        .merge(sign_in::routes())
        .merge(home::routes())
        .merge(concerts::routes())
        .merge(live::routes())
        .merge(import::routes())
        .merge(mails::routes())
        .merge(users::routes())
        .merge(audit::routes())
        .merge(account::routes())
        .merge(cancel_concert::routes())
        .merge(refunds::routes())
        .merge(reservations::routes())
        .merge(reports::routes())
        .merge(health::routes())
        .merge(exports::routes())
        .merge(runs::routes())
        .method_not_allowed_fallback(frame::show_where_form_stood)
        .layer(middleware::from_fn_with_state(
            web.clone(),
            frame::remember_language,
        ))
}

/// Whether an address is one of the area's pages, which have a frame of their own.
pub fn has_page(path: &str) -> bool {
    path == frame::HOME || path.starts_with("/staff/")
}
