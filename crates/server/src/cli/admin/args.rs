//! What `admin` takes. A password is never an argument: others could read it in the list of
//! processes, and the shell keeps it.

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
            at least 8 characters and at most 72 bytes.",
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
    Disable(DisableArgs),

    /// Give a staff account another password
    #[command(
        long_about = "Give a staff account another password, and let its owner in however often \
            somebody failed to sign in. Its sessions end.\n\n\
            With --forget-totp its second factor is taken away too, for who has lost it.",
        after_long_help = "Example:\n  stagedoor admin reset-password ada --forget-totp"
    )]
    ResetPassword(ResetPasswordArgs),
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
pub struct DisableArgs {
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
