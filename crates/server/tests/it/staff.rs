//! Staff: who is let in, who may do what, and whom nobody can shut out.

mod accounts;
mod authority;
mod commands;
mod crowd;
mod lock_order;
mod lockout;
mod password;
mod second_factor;
mod secrets;
mod sessions;
mod setup;
mod told;
