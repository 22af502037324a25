//! What keeps the product standing among strangers: encryption, limits, headers, secrets.

mod forms;
mod headers;
mod https;
mod rates;
mod secrets;
mod slow;
