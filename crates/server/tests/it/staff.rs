//! Staff: who is let in, who may do what, and whom nobody can shut out.

mod accounts;
mod commands;
mod lockout;
mod second_factor;
mod secrets;
mod sessions;
