//! The HTTP API, `/api/v1`. A handler parses, calls one use case and answers.
//!
//! Errors are [`crate::http::problem::Problem`]s; shapes that leave are in `model`.

pub mod admin;
pub mod body;
pub mod concerts;
pub mod cursor;
pub mod document;
pub mod live;
pub mod me;
pub mod model;
pub mod personal_data;
pub mod query;
pub mod reservations;
pub mod shape;
pub mod tickets;
