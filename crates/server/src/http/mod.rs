//! Everything between a socket and a handler, shared by the fronts.

pub mod client;
pub mod customer;
pub mod etag;
pub mod feed;
pub mod fields;
pub mod headers;
pub mod health;
pub mod limits;
pub mod listener;
pub mod page;
pub mod pairs;
pub mod path;
pub mod places;
pub mod problem;
pub mod problem_render;
pub mod rate;
pub mod request;
pub mod router;
pub mod seen;
pub mod staff;
pub mod tls;
pub mod upload;
pub mod watched;
pub mod web;
