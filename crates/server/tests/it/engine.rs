//! The reservation engine's promises, one by one, where a batch is made, decided, split and written.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

mod bad_rows;
mod keys;
mod locked_rows;
mod lost_commits;
mod sold_out;
mod turns;
