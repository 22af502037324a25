//! Every SQL statement of the product, the pools that run them, and the schema they run on.
//!
//! Absent on purpose: HTTP, and decisions about who gets what (those are `domain`'s and `app`'s).
//! The statements are in `queries/<noun>.sql`; `generated/` holds their typed functions.

pub mod acting;
pub mod admin_sessions;
pub mod admin_setup;
pub mod admin_totp;
pub mod admin_users;
pub mod admission;
pub mod audit_erasures;
pub mod audit_logs;
pub mod audit_seals;
pub mod backup_runs;
pub mod bootstrap;
pub mod client;
pub mod concerts;
pub mod connection;
pub mod customer_links;
pub mod customer_sessions;
pub mod customer_sign_ins;
pub mod customers;
pub mod database_url;
mod endpoint;
pub mod error;
mod generated;
pub mod health;
pub mod heartbeats;
pub mod jobs;
pub mod lag;
pub mod mails;
pub mod migrate;
mod money;
pub mod monitor;
pub mod payments;
pub mod personal_data;
pub mod pool;
pub mod proof;
pub mod receipts;
pub mod replicas;
pub mod replication;
pub mod reports;
pub mod reservations;
mod roles;
pub mod sandbox_orders;
pub mod seed;
pub mod shape;
mod shared;
pub mod sign_in_failures;
pub mod staff_runs;
pub mod stock;
pub mod tally;
mod text;
pub mod tickets;
mod time;
mod tls;
pub mod transaction;
pub mod write_probe;

/// The names under which statements are timed, logged and shown by PostgreSQL itself.
pub use generated::queries::NAMES as STATEMENTS;

pub use acting::{Acting, Authority};
pub use connection::Connection;
pub use endpoint::is_about_tls;
pub use error::StoreError;
pub use pool::{Pool, PoolSettings};
pub use replicas::{Replicas, Seen};
pub use transaction::Transaction;
