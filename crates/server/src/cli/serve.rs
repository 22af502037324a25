//! `serve`: shop and API until SIGTERM or SIGINT.

use app::{App, health, sample};
use store::migrate::{self, SchemaState};
use tokio::signal::unix::{SignalKind, signal};

use super::demo::SAMPLES;
use super::{CliError, ServeArgs, admin, login, migrate as migrate_command};
use crate::config::{self, Config, Severity};
use crate::serve::{self, Jobs, Listeners, StartError};

pub async fn run(config: Config, args: ServeArgs) -> Result<(), CliError> {
    let app = open_fit(&config).await?;
    admin::provide_first(&config, &app).await?;
    let jobs = if args.no_jobs {
        Jobs::Elsewhere
    } else {
        Jobs::Here
    };
    let running = serve::start(&config, app, listen(&config).await?, jobs);
    tracing::info!(address = %running.address, metrics = %running.metrics_address, "listening");
    let scheme = config.web.scheme();
    eprintln!("stagedoor listens on {scheme}://{}", running.address);
    wait_for_stop().await?;
    running.stop().await;
    Ok(())
}

/// The product for a process that stays: refuses what is unsafe, migrates where that is wished,
/// and refuses an unfit database.
pub(crate) async fn open_fit(config: &Config) -> Result<App, CliError> {
    refuse_unsafe(config)?;
    config.require_database_url()?;
    warn_of_missing_key(config);
    if config.database.run_migrations
        && let Some(owner) = &config.database.owner_url
    {
        login::refuse_refused(config, "DATABASE_OWNER_URL", owner).await?;
        migrate::migrate(owner.reveal(), &migrate_command::logins(config))
            .await
            .map_err(|error| CliError::failed("can't migrate the database", &error))?;
    }
    let app = login::open_reading_app(config).await?;
    refuse_unfit(&app).await?;
    if config.environment.is_production() {
        refuse_samples(&app).await?;
    }
    Ok(app)
}

/// Said once, for nothing looks wrong until the next start. Production refuses it.
fn warn_of_missing_key(config: &Config) {
    if config.secret_key.is_none() {
        tracing::warn!(
            "STAGEDOOR_SECRET_KEY is not set: rows of the audit log stay without a seal, and links to \
             reservations end with this process; make a key with `openssl rand -hex 32`"
        );
    }
}

/// Takes both addresses, or says which one can't be had.
pub(crate) async fn listen(config: &Config) -> Result<Listeners, CliError> {
    Listeners::bind(config).await.map_err(start_error)
}

/// What to do when a server can't start.
pub(crate) fn start_error(error: StartError) -> CliError {
    match error {
        StartError::Address { address, error } => CliError::failed(
            format!(
                "can't listen on {address}; stop what does, or choose another with --listen or \
                 --metrics-listen"
            ),
            &error,
        ),
        StartError::Tls(error) => CliError::Usage(error.to_string()),
    }
}

/// Returns at SIGINT (Ctrl-C) or SIGTERM.
pub(crate) async fn wait_for_stop() -> Result<(), CliError> {
    let listen =
        |kind| signal(kind).map_err(|error| CliError::failed("can't take signals", &error));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    tracing::info!("stopping");
    Ok(())
}

fn refuse_unsafe(config: &Config) -> Result<(), CliError> {
    let (refused, warned): (Vec<_>, Vec<_>) = config::findings(config)
        .into_iter()
        .partition(|finding| finding.severity == Severity::Error);
    for finding in warned {
        tracing::warn!(mend = finding.mend, "{}", finding.detail);
    }
    if refused.is_empty() {
        return Ok(());
    }
    let each = refused
        .iter()
        .map(|finding| format!("\n  {}: {}", finding.detail, finding.mend));
    let each: String = each.collect();
    Err(CliError::Usage(format!(
        "this configuration is refused:{each}"
    )))
}

/// Nobody buys a ticket for a concert that was made up.
async fn refuse_samples(app: &App) -> Result<(), CliError> {
    let found = sample::find_shown(app, SAMPLES)
        .await
        .map_err(|error| CliError::failed("can't look for sample concerts", &error))?;
    match found {
        None => Ok(()),
        Some(id) => Err(CliError::Usage(format!(
            "concert {id} is one of the sample concerts, which production doesn't sell: give \
             production a database of its own, or archive or delete what `stagedoor demo` loaded"
        ))),
    }
}

/// INVARIANT: the server never runs with more rights than it needs, nor on a schema that it
/// doesn't know; guarded by `serve_refuses_a_login_that_owns_tables`.
pub(crate) async fn refuse_unfit(app: &App) -> Result<(), CliError> {
    let unreachable = |error: &store::StoreError| {
        CliError::failed("can't reach the database that DATABASE_URL names", error)
    };
    let login = health::login(app)
        .await
        .map_err(|error| unreachable(&error))?;
    if login.is_superuser || login.owns_tables {
        let what = if login.is_superuser {
            "is a superuser"
        } else {
            "owns tables"
        };
        return Err(CliError::Usage(format!(
            "the database login {} {what}, which a server must not: let DATABASE_URL log in as \
             stagedoor_app, and keep the owner in DATABASE_OWNER_URL for `stagedoor migrate`",
            login.name
        )));
    }
    match health::schema_state(app)
        .await
        .map_err(|error| unreachable(&error))?
    {
        SchemaState::Current { .. } => Ok(()),
        state => Err(CliError::Usage(migrate_command::describe(&state))),
    }
}
