//! Tests of the whole product on a real PostgreSQL, over real HTTP.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod api_concerts;
mod api_reservations;
mod audit;
mod backups;
mod bad_input;
mod chaos;
mod commands;
mod customers;
mod database_tls;
mod disconnect;
mod doctor;
mod document;
mod engine;
mod expiry;
mod extension;
mod hardening;
mod health;
mod jobs;
mod kills;
mod lending;
mod live;
mod mails;
mod metrics;
mod outage;
mod overload;
mod payments;
mod personal_data;
mod pool;
mod probe;
mod race;
mod replicas;
mod request_ids;
mod rush;
mod schema;
mod simulation;
mod staff;
mod staff_api;
mod staff_pages;
mod stripe;
mod support;
mod tickets;
#[cfg(feature = "otel")]
mod traces;
