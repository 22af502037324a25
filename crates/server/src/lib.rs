//! The fronts of the product: command line, HTTP API and shop pages, and what runs them.
//!
//! Absent on purpose: rules about selling (`domain`, `app`) and SQL (`store`).

pub mod api;
pub mod cli;
pub mod config;
pub mod http;
pub mod i18n;
pub mod load;
pub mod metrics;
pub mod serve;
pub mod shop;
pub mod telemetry;
