//! Finds PostgreSQL's programs and runs a private cluster with them, for a demonstration and for tests.
//!
//! A cluster listens on 127.0.0.1 alone, asks for a password, and stops with the process that opened
//! it, even when that process is killed: see `watchdog`.
//! It works for root too, for whom PostgreSQL itself refuses to run: see `account` and `place`.
//! Deliberately absent: SQL, a client, an async runtime, and any knowledge of what the data mean.
//!
//! ```no_run
//! use postgres_local::{Cluster, ClusterSpec, Lifetime};
//!
//! let cluster = Cluster::open(&ClusterSpec {
//!     folder: ".local/postgres".into(),
//!     lifetime: Lifetime::Kept,
//!     settings: vec![("shared_buffers".into(), "256MB".into())],
//!     programs: None,
//! })?;
//! println!("{}", cluster.superuser_url("postgres"));
//! # Ok::<(), postgres_local::ClusterError>(())
//! ```

#![allow(
    clippy::doc_markdown,
    reason = "PostgreSQL is a name in prose, not code"
)]

mod account;
mod cluster;
mod error;
mod files;
mod find;
mod lock;
mod make;
mod memory;
mod place;
mod process;
mod server;
mod settings;
mod text;
mod watchdog;

pub use cluster::{Cluster, ClusterSpec, Lifetime};
pub use error::ClusterError;
pub use find::{FindError, OLDEST_MAJOR, Programs};
pub use text::percent_encode;
