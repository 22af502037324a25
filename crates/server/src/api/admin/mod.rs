//! The API of staff, `/api/v1/admin`. Each handler names the permission that it needs in its
//! signature, as [`crate::http::staff::Staff`].

pub mod audit_logs;
pub mod concerts;
pub mod exports;
pub mod health;
pub mod image;
pub mod mails;
pub mod model;
pub mod password;
pub mod reports;
pub mod reservations;
pub mod sessions;
pub mod tickets;
pub mod totp;
pub mod users;
