//! `seed`: made-up concerts and reservations, for measuring; never in production.

use std::io::IsTerminal as _;
use std::time::Instant;

use app::seed::{self, Amounts};
use app::{App, health};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use store::migrate::SchemaState;

use super::{CliError, SeedArgs, login, migrate as migrate_command, print, print_json};
use crate::config::Config;
use crate::serve;

pub async fn run(config: Config, args: SeedArgs) -> Result<(), CliError> {
    if config.environment.is_production() {
        return Err(CliError::Usage(
            "seed makes up concerts and reservations, which nobody can take out of real ones \
             again; use a database of its own, without STAGEDOOR_ENV=production"
                .to_owned(),
        ));
    }
    let amounts = Amounts::new(args.concerts, args.reservations)
        .map_err(|error| CliError::Usage(format!("can't make up so much: {error}")))?;
    let url = config.require_owner_url()?;
    login::refuse_refused(&config, "DATABASE_OWNER_URL", url).await?;
    let app = serve::open_patient_app(&config, url.reveal())
        .map_err(|error| CliError::Usage(format!("DATABASE_OWNER_URL is {error}")))?;
    refuse_unfit(&app).await?;
    let (started, bar) = (Instant::now(), progress_bar(args.reservations));
    let seeded = seed::seed(&app, amounts, |done| bar.set_position(done)).await;
    bar.finish_and_clear();
    seeded.map_err(|error| CliError::failed("not everything was made up", &error))?;
    report(&args, started.elapsed().as_secs_f64())
}

/// Only the owner may make temporary tables and have the planner look at the result.
async fn refuse_unfit(app: &App) -> Result<(), CliError> {
    let unreachable = |error: &store::StoreError| {
        let what = "can't reach the database that DATABASE_OWNER_URL names";
        CliError::failed(what, error)
    };
    let state = health::schema_state(app)
        .await
        .map_err(|error| unreachable(&error))?;
    if !matches!(state, SchemaState::Current { .. }) {
        return Err(CliError::Usage(migrate_command::describe(&state)));
    }
    let login = health::login(app)
        .await
        .map_err(|error| unreachable(&error))?;
    if login.owns_tables {
        Ok(())
    } else {
        Err(CliError::Usage(format!(
            "the database login {} doesn't own the tables: let DATABASE_OWNER_URL log in as \
             stagedoor_owner",
            login.name
        )))
    }
}

/// On a terminal alone: in a log a bar is noise.
fn progress_bar(reservations: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(
        "{bar:40} {human_pos} of {human_len} reservations, {eta} to go",
    );
    ProgressBar::new(reservations)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn report(args: &SeedArgs, seconds: f64) -> Result<(), CliError> {
    let SeedArgs {
        concerts,
        reservations,
        ..
    } = args;
    if args.report.json {
        return print_json(&json!({
            "concerts": concerts,
            "reservations": reservations,
            "seconds": (seconds * 10.0).round() / 10.0,
        }));
    }
    let line =
        format!("made up {concerts} concerts and {reservations} reservations in {seconds:.1} s\n");
    print(line.as_bytes())
}
