//! Everything between a socket and a handler, shared by the fronts.

pub mod client;
pub mod etag;
pub mod feed;
pub mod fields;
pub mod headers;
pub mod health;
pub mod limits;
pub mod page;
pub mod path;
pub mod problem;
pub mod problem_render;
pub mod request;
pub mod router;
pub mod staff;
pub mod web;
