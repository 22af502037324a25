//! What keeps the product standing among strangers: encryption, limits, headers, secrets.

mod https;
mod rates;
mod slow;
