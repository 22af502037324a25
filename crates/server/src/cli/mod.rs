//! The command line: what can be asked for, and how every answer leaves.
//!
//! Each command lives in a file of its own; only this one knows exit codes and how errors are shown.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use crate::config::{Config, ConfigError, ConfigErrors, Overrides};
use crate::telemetry::{self, Verbosity};
use admin::args::AdminCommand;
use backup::args::BackupCommand;
use rush::RushArgs;

pub mod admin;
mod audit;
pub mod backup;
mod completions;
pub mod concert;
mod config;
pub mod customer;
pub mod demo;
pub mod doctor;
mod login;
mod man;
pub mod migrate;
pub mod openapi;
pub mod rush;
pub mod seed;
pub mod serve;
pub mod worker;

/// Sell concert tickets without ever selling a seat twice.
#[derive(Debug, Parser)]
#[command(name = "stagedoor", version, propagate_version = true, long_about = LONG_ABOUT)]
#[command(after_long_help = EXIT_CODES)]
pub struct Cli {
    /// Read this configuration file instead of stagedoor.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Set one configuration key over file and environment; repeatable
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub set: Vec<(String, String)>,

    #[command(subcommand)]
    pub command: Command,
}

const LONG_ABOUT: &str = "\
Sell concert tickets without ever selling a seat twice.

One program is the shop, the HTTP API and the tools to run them; its data is in PostgreSQL.
`stagedoor demo` starts everything, a private PostgreSQL included, with sample concerts.";

const EXIT_CODES: &str = "\
Exit codes: 0 fine, 1 a check or the work failed, 2 wrong usage or configuration.

Configuration: `stagedoor config template` explains every key, `stagedoor config print` shows
every value and who set it.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run shop, API and background jobs
    #[command(
        long_about = "Run shop, API and background jobs in one process until it gets SIGTERM or \
            SIGINT.\n\n\
            Refuses to start when the database's schema is not current, when its login owns \
            tables or is a superuser, and, in production, when the configuration is unsafe.",
        after_long_help = "Example:\n  stagedoor serve --listen 0.0.0.0:8080"
    )]
    Serve(ServeArgs),

    /// Run background jobs only
    #[command(
        long_about = "Run background jobs only, until it gets SIGTERM or SIGINT: mail and other \
            effects, holds that ran out, and what is too old to keep.\n\n\
            For servers that run with `serve --no-jobs`; any number of workers may run. It \
            refuses to start for the same reasons as `serve`, and answers only /metrics.",
        after_long_help = "Example:\n  stagedoor worker --metrics-listen 127.0.0.1:9465"
    )]
    Worker(WorkerArgs),

    #[command(
        about = "Try everything: private PostgreSQL, sample concerts, shop and API",
        long_about = "Try everything: starts a private PostgreSQL, migrates it, loads sample \
            concerts, then serves and prints the addresses.\n\n\
            A DATABASE_URL that is set is used instead, as it is: it is migrated and gets the \
            samples only when DATABASE_OWNER_URL is set, too.\n\n\
            Otherwise its data stays in .stagedoor in the current folder, so a second start finds \
            it again. The same folder's demo.json holds addresses and passwords for other programs.",
        after_long_help = "Example:\n  stagedoor demo --listen 127.0.0.1:8081"
    )]
    Demo(DemoArgs),

    /// Create roles and grants and bring the schema up to date
    #[command(
        long_about = "Create roles and grants and bring the schema up to date, as the owner that \
            DATABASE_OWNER_URL names, under an advisory lock.\n\n\
            With --check nothing is changed: it exits 1 when the schema is not current.",
        after_long_help = "Example:\n  stagedoor migrate --check && echo current"
    )]
    Migrate(MigrateArgs),

    /// Check configuration, database, roles, schema and invariants
    #[command(
        long_about = "Check configuration, database, roles, schema and invariants.\n\n\
            Every finding has a severity and says what mends it; only errors make it exit 1.",
        after_long_help = "Example:\n  stagedoor doctor --json | jq '.findings[] | select(.severity == \"error\")'"
    )]
    Doctor(ReportArgs),

    /// Make, list, disable or let back in staff accounts
    #[command(subcommand)]
    Admin(AdminCommand),

    /// List, import or export concerts
    #[command(subcommand)]
    Concert(ConcertCommand),

    /// Copy or erase what is kept about a customer
    #[command(subcommand)]
    Customer(customer::CustomerCommand),

    /// Check the audit log
    #[command(subcommand)]
    Audit(AuditCommand),

    /// Make, list, check and restore backups, with pgBackRest
    #[command(subcommand)]
    Backup(BackupCommand),

    /// Make up concerts and reservations, for measuring
    #[command(
        long_about = "Make up concerts and reservations, for measuring: a year of sales, as the \
            owner that DATABASE_OWNER_URL names, in one transaction.\n\n\
            They look like real ones and stay until the database is dropped; production refuses.",
        after_long_help = "Example:\n  stagedoor seed --concerts 500 --reservations 5000000"
    )]
    Seed(SeedArgs),

    /// Show, check or explain the configuration
    #[command(subcommand)]
    Config(ConfigCommand),

    #[command(
        about = "Rush at a server with a crowd of buyers, and prove every answer in the database",
        long_about = "Rush at a server with a crowd of buyers, then read the database back: was \
            anything oversold, lost or doubled?\n\n\
            By default all of it is private: PostgreSQL, as durable as in production, and a server \
            of its own, on this machine; nothing of it stays. With --url another server is rushed \
            at, whose database DATABASE_URL names.\n\n\
            A buyer who doesn't know what became of a request asks again with the same key. Exits \
            1 when an answer wasn't true or a buyer got none.",
        after_long_help = "Example:\n  stagedoor rush --buyers 20000 --tickets 8000 --report rush.html"
    )]
    Rush(Box<RushArgs>),

    #[command(
        about = "Print the API's OpenAPI document",
        long_about = "Print the API's OpenAPI 3.1 document: the same that the server answers under \
            /api/v1/openapi.json.",
        after_long_help = "Example:\n  stagedoor openapi > openapi.json"
    )]
    Openapi,

    /// Print a completion script for a shell
    #[command(
        long_about = "Print a completion script for a shell.",
        after_long_help = "Example:\n  stagedoor completions bash > ~/.local/share/bash-completion/completions/stagedoor"
    )]
    Completions {
        /// The shell that the script is for
        shell: clap_complete::Shell,
    },

    /// Print the manual
    #[command(
        long_about = "Print the manual of all commands as roff.",
        after_long_help = "Example:\n  stagedoor man | man -l -"
    )]
    Man,
}

#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub addresses: AddressArgs,

    /// Web only: leave background jobs to other processes
    #[arg(long)]
    pub no_jobs: bool,
}

#[derive(Debug, Args)]
pub struct WorkerArgs {
    #[command(flatten)]
    pub metrics: MetricsAddressArgs,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    #[command(flatten)]
    pub addresses: AddressArgs,
}

/// Flags for the two addresses that are changed most often.
#[derive(Debug, Args)]
pub struct AddressArgs {
    /// Where shop and API listen, such as 0.0.0.0:8080
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,

    #[command(flatten)]
    pub metrics: MetricsAddressArgs,
}

/// The flag of every command that serves metrics.
#[derive(Debug, Args)]
pub struct MetricsAddressArgs {
    /// Where the metrics are read, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS")]
    pub metrics_listen: Option<String>,
}

#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Only say whether the schema is current
    #[arg(long)]
    pub check: bool,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, Args)]
pub struct SeedArgs {
    /// How many concerts, 1 to 100,000
    #[arg(long, value_name = "N")]
    pub concerts: u32,

    /// How many reservations, at most 100,000 for each concert
    #[arg(long, value_name = "N")]
    pub reservations: u64,

    #[command(flatten)]
    pub report: ReportArgs,
}

/// The flag of every command that reports.
#[derive(Debug, Clone, Copy, Args)]
pub struct ReportArgs {
    /// Report as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum ConcertCommand {
    /// List concerts by date
    #[command(
        long_about = "List concerts by date, past and closed ones included.",
        after_long_help = "Example:\n  stagedoor concert list --status open --json"
    )]
    List(ConcertListArgs),

    /// Add concerts from a CSV or JSON file
    #[command(
        long_about = "Add concerts from a CSV or JSON file.\n\n\
            Every wrong cell is named by row and column, and nothing changes unless all rows are \
            good. `stagedoor concert export` shows the columns.",
        after_long_help = "Example:\n  stagedoor concert import season.csv"
    )]
    Import(ConcertImportArgs),

    /// Write all concerts as CSV or JSON
    #[command(
        long_about = "Write all concerts as CSV or JSON to stdout, in the form that import reads.",
        after_long_help = "Example:\n  stagedoor concert export --format json > concerts.json"
    )]
    Export(ConcertExportArgs),
}

#[derive(Debug, Args)]
pub struct ConcertListArgs {
    /// Only concerts in this state
    #[arg(long)]
    pub status: Option<ConcertStatusArg>,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConcertStatusArg {
    Open,
    Closed,
    Archived,
}

#[derive(Debug, Args)]
pub struct ConcertImportArgs {
    /// The file to read, or - for stdin
    pub file: PathBuf,

    /// The file's format; by default its ending decides, and CSV on stdin
    #[arg(long)]
    pub format: Option<FileFormat>,

    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, Args)]
pub struct ConcertExportArgs {
    /// The format to write
    #[arg(long, default_value = "csv", conflicts_with = "json")]
    pub format: FileFormat,

    /// The same as --format json
    #[arg(long)]
    pub json: bool,
}

impl ConcertExportArgs {
    /// The format that both flags together ask for.
    pub fn chosen_format(&self) -> FileFormat {
        if self.json {
            FileFormat::Json
        } else {
            self.format
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    Csv,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Prove that nobody changed, removed or added a row
    #[command(
        long_about = "Prove that nobody changed, removed or added a row of the audit log, with the \
            seals that the server makes and the secret key they are made with.\n\n\
            Exits 1 and names the first row that doesn't fit.",
        after_long_help = "Example:\n  stagedoor audit verify --json | jq .first_bad_id"
    )]
    Verify(AuditVerifyArgs),
}

#[derive(Debug, Args)]
pub struct AuditVerifyArgs {
    /// A head from the server's log (`audit rows sealed`): one of the seals must have it, else the end
    /// of the log was cut off; may be given several times
    #[arg(long = "head", value_name = "BASE64")]
    heads: Vec<app::audit::SealHead>,

    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show every value and who set it
    #[command(
        long_about = "Show every value and who set it: default, file, environment or command line. \
            Secrets are masked.",
        after_long_help = "Example:\n  stagedoor config print | grep -v default"
    )]
    Print(ReportArgs),

    /// Say whether the configuration is good
    #[command(
        long_about = "Say whether the configuration is good, by the rules of its environment.\n\n\
            Exits 2 when it can't be read, 1 when production would refuse it.",
        after_long_help = "Example:\n  STAGEDOOR_ENV=production stagedoor config check"
    )]
    Check(ReportArgs),

    /// Print a configuration file with every key, default and explanation
    #[command(
        long_about = "Print a configuration file with every key, default and explanation. \
            All keys are commented out, so that later defaults still arrive.",
        after_long_help = "Example:\n  stagedoor config template > stagedoor.toml"
    )]
    Template,
}

/// How a command fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CliError {
    /// A check said no; its report is printed already. Exits 1.
    CheckFailed,
    /// Wrong usage or configuration: one sentence that says what to do. Exits 2.
    Usage(String),
    /// The work failed: a sentence, then its causes, one a line. Exits 1.
    Failed(String),
}

impl CliError {
    /// A failure with the chain of its causes.
    pub fn failed(what: impl Into<String>, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut text = what.into();
        let mut cause = Some(error);
        while let Some(error) = cause {
            text.push_str("\n  because: ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        Self::Failed(text)
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::CheckFailed | Self::Failed(_) => 1,
            Self::Usage(_) => 2,
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CheckFailed => f.write_str("a check failed"),
            Self::Usage(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for CliError {}

impl From<ConfigErrors> for CliError {
    fn from(errors: ConfigErrors) -> Self {
        Self::Usage(errors.to_string())
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Parses the arguments; clap itself answers `--help` and wrong usage (exit code 2).
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Cli {
    Cli::parse_from(arguments)
}

/// Runs one command to its end.
pub async fn run(cli: Cli) -> ExitCode {
    keep_memory_to_itself();
    let done = Box::pin(dispatch(cli)).await;
    telemetry::finish().await;
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if error != CliError::CheckFailed {
                eprintln!("stagedoor: {error}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// A core file would have every secret in it, and so has what a debugger of the same user reads;
/// `PR_SET_DUMPABLE` of prctl(2). PostgreSQL and the like, which are started from here, are as ever.
fn keep_memory_to_itself() {
    #[cfg(target_os = "linux")]
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        eprintln!("stagedoor: a crash may leave a core file with secrets in it: {error}");
    }
}

async fn dispatch(cli: Cli) -> Result<(), CliError> {
    let overrides = overrides(&cli);
    match cli.command {
        Command::Serve(args) => serve::run(load(&overrides, Verbosity::Configured)?, args).await,
        Command::Worker(_) => worker::run(load(&overrides, Verbosity::Configured)?).await,
        Command::Demo(args) => demo::run(load(&overrides, Verbosity::Configured)?, args).await,
        Command::Migrate(args) => migrate::run(load(&overrides, Verbosity::Quiet)?, args).await,
        Command::Doctor(args) => doctor::run(load(&overrides, Verbosity::Quiet)?, args).await,
        Command::Admin(command) => admin::run(load(&overrides, Verbosity::Quiet)?, command).await,
        Command::Concert(command) => {
            concert::run(load(&overrides, Verbosity::Quiet)?, command).await
        }
        Command::Customer(command) => {
            customer::run(load(&overrides, Verbosity::Quiet)?, command).await
        }
        Command::Audit(command) => audit::run(load(&overrides, Verbosity::Quiet)?, command).await,
        Command::Backup(command) => backup::run(load(&overrides, Verbosity::Quiet)?, command).await,
        Command::Rush(args) => rush::run(load(&overrides, Verbosity::Quiet)?, *args).await,
        Command::Seed(args) => seed::run(load(&overrides, Verbosity::Silent)?, args).await,
        Command::Openapi => openapi::run(),
        Command::Config(command) => config::run(&overrides, &command),
        Command::Completions { shell } => completions::run(shell),
        Command::Man => man::run(),
    }
}

fn load(overrides: &Overrides, verbosity: Verbosity) -> Result<Config, CliError> {
    let config = Config::load(overrides)?;
    telemetry::init_traced(&config.log, config.otel_endpoint.as_deref(), verbosity)
        .map_err(CliError::Usage)?;
    Ok(config)
}

fn overrides(cli: &Cli) -> Overrides {
    let mut set = cli.set.clone();
    let (listen, metrics_listen) = match &cli.command {
        Command::Serve(ServeArgs { addresses, .. }) | Command::Demo(DemoArgs { addresses }) => {
            (&addresses.listen, &addresses.metrics.metrics_listen)
        }
        Command::Worker(args) => (&None, &args.metrics.metrics_listen),
        _ => (&None, &None),
    };
    for (key, flag) in [("listen", listen), ("metrics_listen", metrics_listen)] {
        set.extend(flag.clone().map(|value| (key.to_owned(), value)));
    }
    Overrides {
        file: cli.config.clone(),
        set,
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("write KEY=VALUE, such as hold_ttl=5m".to_owned())?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// Writes a report to stdout; a reader that left early, such as `head`, is no failure.
pub(crate) fn print(bytes: &[u8]) -> Result<(), CliError> {
    use std::io::Write as _;
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::failed("can't write to stdout", &error))
        }
        _ => Ok(()),
    }
}

/// Writes a report as indented JSON to stdout.
pub(crate) fn print_json(report: &serde_json::Value) -> Result<(), CliError> {
    print(format!("{report:#}\n").as_bytes())
}

#[cfg(test)]
mod tests;
