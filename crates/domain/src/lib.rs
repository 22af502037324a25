//! The rules of selling concert tickets, and nothing else.
//!
//! Absent on purpose: async, serde, the clock, randomness, SQL and HTTP.
//! What a rule needs of the world (the time, random bits, capacity) comes in as an argument.

pub mod actor;
pub mod allotment;
pub mod concert;
pub mod customer;
pub mod erasure;
pub mod health;
pub mod id;
pub mod language;
pub mod mail;
pub mod money;
pub mod password;
pub mod payment;
pub mod report;
pub mod reservation;
pub mod role;
pub mod run;
pub mod sign_in;
pub mod text;
pub mod ticket;
mod word;
