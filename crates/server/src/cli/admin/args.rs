//! What `admin` takes. A password is never an argument: others could read it in the list of
//! processes, and the shell keeps it.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use domain::role::Role;

use crate::cli::ReportArgs;

#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Make a staff account
    #[command(
        long_about = "Make a staff account; the first one is a superadmin.\n\n\
            The password is asked for on a terminal, else read from stdin, or from a file. It has \
            at least 8 characters and at most 72 bytes, and isn't easy to guess.",
        after_long_help = "Example:\n  stagedoor admin create ada --email ada@example.org --role superadmin"
    )]
    Create(CreateArgs),

    /// List staff accounts
    #[command(
        long_about = "List staff accounts, disabled ones included and deleted ones not.",
        after_long_help = "Example:\n  stagedoor admin list --json"
    )]
    List(ReportArgs),

    /// Disable a staff account
    #[command(
        long_about = "Disable a staff account: nobody can sign in with it, and its sessions end at \
            once. The last active superadmin can't be disabled.",
        after_long_help = "Example:\n  stagedoor admin disable bob --as ada"
    )]
    Disable(ActiveArgs),

    /// Enable a staff account that is disabled
    #[command(
        long_about = "Enable a staff account that is disabled: its owner can sign in again, with the \
            password and the second factor that it has.",
        after_long_help = "Example:\n  stagedoor admin enable bob --as ada"
    )]
    Enable(ActiveArgs),

    /// Give a staff account another password
    #[command(
        long_about = "Give a staff account another password; its sessions end. Failed sign-ins of \
            its name are forgotten, those of addresses aren't: who shares one with somebody that \
            guesses may still have to wait, until `stagedoor admin unlock`.\n\n\
            With --forget-totp its second factor is taken away too, for who has lost it.",
        after_long_help = "Example:\n  stagedoor admin reset-password ada --forget-totp"
    )]
    ResetPassword(ResetPasswordArgs),

    /// Let people sign in at once whom failed sign-ins keep waiting
    #[command(
        long_about = "Forget failed sign-ins, so that nobody has to wait because of them: of a name, \
            of an address, or all.\n\n\
            Where somebody signed in within the last 30 days, only failures of their own name from \
            that address keep them waiting. Everywhere else failures of the name and of the address \
            do, for a quarter of an hour at most.",
        after_long_help = "Example:\n  stagedoor admin unlock --username ada\n  \
            stagedoor admin unlock --address 192.0.2.7"
    )]
    Unlock(UnlockArgs),
}

#[derive(Debug, Args)]
pub struct CreateArgs {
    /// What they sign in with: letters, digits, dots, hyphens and underscores
    pub username: String,

    /// Their e-mail address
    #[arg(long, value_name = "ADDRESS")]
    pub email: String,

    /// What they may do
    #[arg(long)]
    pub role: RoleArg,

    #[command(flatten)]
    pub password: PasswordArgs,

    #[command(flatten)]
    pub by: ByArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, Args)]
pub struct ActiveArgs {
    /// Whose account
    pub username: String,

    #[command(flatten)]
    pub by: ByArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, Args)]
pub struct ResetPasswordArgs {
    /// Whose account
    pub username: String,

    /// Take the second factor away as well
    #[arg(long)]
    pub forget_totp: bool,

    #[command(flatten)]
    pub password: PasswordArgs,

    #[command(flatten)]
    pub by: ByArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, Args)]
pub struct UnlockArgs {
    #[command(flatten)]
    pub whose: WhoseArgs,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WhoseArgs {
    /// Failures of this name
    #[arg(long)]
    pub username: Option<String>,

    /// Failures from this address; of IPv6 from its network of 64 bits
    #[arg(long)]
    pub address: Option<IpAddr>,

    /// All failures
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// Read the password from the first line of this file, or - for stdin
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ByArgs {
    /// Which member of staff you are, for the audit log
    #[arg(long = "as", value_name = "USERNAME")]
    pub actor: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    Superadmin,
    Admin,
    Moderator,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Superadmin => Self::Superadmin,
            RoleArg::Admin => Self::Admin,
            RoleArg::Moderator => Self::Moderator,
        }
    }
}
