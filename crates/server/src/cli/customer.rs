//! `customer`: what operators do who are asked by letter for a copy of what is kept about somebody, or
//! to erase it.

use std::io::{self, BufRead as _, IsTerminal as _};

use app::App;
use app::personal_data::{self, EraseError};
use clap::{Args, Subcommand};
use domain::text::EmailAddress;
use serde_json::json;

use super::admin::args::ByArgs;
use super::audit::how_to_give_the_key;
use super::{CliError, ReportArgs, admin, login, print, print_json};
use crate::api::personal_data::document;
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub enum CustomerCommand {
    /// Write all that is kept about a customer as JSON
    #[command(
        long_about = "Write all that is kept under an e-mail address as JSON to stdout: \
            reservations, payments, tickets and mails. That it left goes to the audit log.",
        after_long_help = "Example:\n  stagedoor customer export som@example.com --as ada > som.json"
    )]
    Export(ExportArgs),

    /// Erase a customer: a pseudonym takes the place of name and address
    #[command(
        long_about = "Erase a customer for good: name, e-mail address and network addresses give \
            way to a pseudonym, inside the audit log too. What the books need stays: amounts, \
            numbers, states and times.\n\n\
            Nobody is erased who holds tickets, has some for a concert to come, or whose money is \
            under way: exits 1 and says what to do first. Backups keep the data until they expire: \
            erase again after a restore.",
        after_long_help = "Example:\n  stagedoor customer erase som@example.com --as ada --yes"
    )]
    Erase(EraseArgs),
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The customer's e-mail address
    #[arg(value_name = "EMAIL")]
    pub email: String,

    #[command(flatten)]
    pub by: ByArgs,

    /// JSON is what is written in any case
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct EraseArgs {
    /// The customer's e-mail address
    #[arg(value_name = "EMAIL")]
    pub email: String,

    /// Which member of staff you are, for the audit log
    #[arg(long = "as", value_name = "USERNAME")]
    pub actor: String,

    /// Don't ask; for scripts
    #[arg(long)]
    pub yes: bool,

    #[command(flatten)]
    pub report: ReportArgs,
}

pub(super) async fn run(config: Config, command: CustomerCommand) -> Result<(), CliError> {
    let app = login::open_app(&config).await?;
    match command {
        CustomerCommand::Export(args) => export(&app, args).await,
        CustomerCommand::Erase(args) => erase(&app, args).await,
    }
}

async fn export(app: &App, args: ExportArgs) -> Result<(), CliError> {
    let email = admin::parse("the e-mail address", EmailAddress::parse(&args.email))?;
    let by = admin::acting(app, &args.by).await?;
    let copy = personal_data::export(app, by, email).await;
    let copy = copy.map_err(|error| CliError::failed("can't read what is kept", &error))?;
    print_json(&document(&copy, app.settings().currency))
}

async fn erase(app: &App, args: EraseArgs) -> Result<(), CliError> {
    let email = admin::parse("the e-mail address", EmailAddress::parse(&args.email))?;
    let by = ByArgs {
        actor: Some(args.actor),
    };
    let by = admin::acting(app, &by).await?;
    if !args.yes {
        confirm(&email)?;
    }
    let erased = match personal_data::erase(app, by, email).await {
        Ok(erased) => erased,
        Err(error @ EraseError::Living(_)) => {
            return Err(CliError::Failed(format!("nothing was erased: {error}")));
        }
        Err(EraseError::NoKey) => {
            return Err(CliError::Usage(format!(
                "the audit log is blanked with the key of its seals alone: {}",
                how_to_give_the_key()
            )));
        }
        Err(EraseError::Store(error)) => return Err(CliError::failed("can't erase", &error)),
    };
    if args.report.json {
        return print_json(&json!({
            "erasure": erased.erasure,
            "reservations": erased.reservations,
            "audit_rows": erased.audit_rows,
        }));
    }
    let text = erased.erasure.map_or_else(
        || "nothing is kept under this address\n".to_owned(),
        |erasure| {
            format!(
                "erasure {erasure}: {} reservations are nobody's any more, {} rows of the audit log \
                 are blanked; backups keep the data until they expire\n",
                erased.reservations, erased.audit_rows
            )
        },
    );
    print(text.as_bytes())
}

/// Whoever types the address again means it.
fn confirm(email: &EmailAddress) -> Result<(), CliError> {
    let refused = |what: &str| Err(CliError::Usage(format!("{what}; nothing was erased")));
    if !io::stdin().is_terminal() {
        return refused("say --yes where nobody can be asked");
    }
    eprint!("This can't be undone. Type the address again to erase it: ");
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|error| CliError::failed("can't ask", &error))?;
    if EmailAddress::parse(&line).is_ok_and(|typed| typed == *email) {
        Ok(())
    } else {
        refused("that is another address")
    }
}
