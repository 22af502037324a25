//! Documents as other programs read them: scanners, PDF checkers, text extractors.

#![allow(
    clippy::unwrap_used,
    reason = "also outside the test functions, this is a test"
)]

mod fonts;
mod pages;
mod scans;
mod tools;
