//! What keeps the product standing among strangers: encryption, limits, headers, secrets.

mod firewall;
mod forms;
mod headers;
mod http2;
mod https;
mod rates;
mod refusals;
mod secrets;
mod slow;
