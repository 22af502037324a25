//! Generated from `queries/*.sql` by `make regenerate`. Not edited by hand.

#![allow(
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    unreachable_pub,
    missing_debug_implementations
)]
#![allow(dead_code, unused_imports, unused_variables)]

mod array_iterator;
mod domain;
pub mod queries;
mod type_traits;
mod utils;

pub use array_iterator::ArrayIterator;
pub use domain::{Domain, DomainArray};
pub use tokio_postgres::fallible_iterator;
pub use type_traits::{ArraySql, BytesSql, IterSql, StringSql};
