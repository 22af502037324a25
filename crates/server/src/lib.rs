//! The fronts of the product: command line, HTTP API and shop pages, and what runs them.
//!
//! Absent on purpose: rules about selling (`domain`, `app`) and SQL (`store`).

pub mod api;
pub mod cli;
pub mod config;
pub mod exports;
pub mod health;
pub mod http;
pub mod i18n;
pub mod load;
pub mod mail;
pub mod metrics;
pub mod posters;
pub mod sandbox;
pub mod serve;
pub mod setup;
pub mod shop;
pub mod staff;
pub mod takeaway;
pub mod telemetry;
pub mod webhooks;

/// Answering is a hundred small allocations, which the system's allocator made a quarter of the
/// server's time in a rush.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
