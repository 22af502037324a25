//! The reservation engine's promises, one by one, where a batch is made, decided, split and written.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

mod bad_rows;
mod commits;
mod counts;
mod ended_sessions;
mod keys;
mod locked_rows;
mod lost_commits;
mod panics;
mod sold_out;
mod turns;
