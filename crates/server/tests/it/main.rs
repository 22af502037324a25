//! Tests of the whole product on a real PostgreSQL, over real HTTP.

mod api_concerts;
mod api_reservations;
mod support;
