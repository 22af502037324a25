//! Whether the product can do its work, for readiness checks and `doctor`, and how well it does, for
//! staff and alerts.

use domain::health::Figure;
use jiff::{SignedDuration, Timestamp};
use store::migrate::{self, SchemaState};
use store::monitor::{self, BrokenInventory, Login};
use store::shape::{self, Difference, Durability};
use store::{Acting, Seen, StoreError, Transaction, replication};

use crate::{App, Ctx, probe};

mod analyzing;
mod disk;
mod gauges;
pub mod history;
mod invariants;
pub(crate) mod watch;

pub use analyzing::analyze_when_due;

/// A reading that is older is made anew for whoever asks.
const FRESH_FOR: SignedDuration = SignedDuration::from_secs(60);

/// The figures of one look, judged.
#[derive(Clone, Debug)]
pub struct Report {
    pub at: Timestamp,
    pub figures: Vec<Figure>,
}

/// Looks for ever.
pub async fn keep_up(app: App) {
    gauges::register();
    let mut tick = tokio::time::interval(watch::LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        watch::look(&app).await;
    }
}

/// Looks once, now.
pub async fn look(app: &App) {
    watch::look(app).await;
}

/// The figures of the last look.
pub async fn report(app: &App) -> Report {
    let now = app.ctx().now();
    watch::look_unless_seen(app, now - FRESH_FOR).await;
    Report {
        at: app.watch().last_at().unwrap_or(now),
        figures: app.watch().figures(),
    }
}

/// Why the product is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    #[error("the database does not answer")]
    Database(#[from] StoreError),
    #[error("the database schema is not the one this program needs")]
    Schema(SchemaState),
    #[error("the database is a read-only standby")]
    ReadOnly,
    #[error(
        "no synchronous standby streams, so that a sale would be lost with the primary; selling goes \
         on by itself once one does"
    )]
    NoStandby,
    #[error(
        "for {} s nobody could reserve a ticket, neither a buyer nor the write probe; the log says why",
        .0.as_secs()
    )]
    Unproven(SignedDuration),
}

/// Ready when a database answers, the primary or a replica, and its schema is current.
pub async fn check_ready(app: &App) -> Result<(), NotReady> {
    let state = app.read(Seen::default(), |connection| {
        Box::pin(migrate::find_state(connection))
    });
    match state.await? {
        // A replica may not have heard of the last migration yet.
        SchemaState::Behind { .. } if app.replicas().is_some() => fit(schema_state(app).await?),
        state => fit(state),
    }
}

fn fit(state: SchemaState) -> Result<(), NotReady> {
    match state {
        // A newer program has migrated it while this one runs, which every migration allows for: else
        // no server could be replaced while others go on. None starts on it.
        SchemaState::Current { .. } | SchemaState::Newer { .. } => Ok(()),
        state @ SchemaState::Behind { .. } => Err(NotReady::Schema(state)),
    }
}

/// Ready, the primary takes writes that will last, and somebody could buy lately.
pub async fn check_ready_to_sell(app: &App) -> Result<(), NotReady> {
    fit(schema_state(app).await?)?;
    let connection = app.writer().get().await?;
    if monitor::is_read_only(&connection).await? {
        return Err(NotReady::ReadOnly);
    }
    match replication::look_at_primary(&connection).await? {
        Some(primary) if primary.lacks_standby() => return Err(NotReady::NoStandby),
        Some(_) => {}
        None => return Err(NotReady::ReadOnly),
    }
    match probe::unproven_for(app, &connection).await? {
        Some(time) => Err(NotReady::Unproven(time)),
        None => Ok(()),
    }
}

/// What the schema is, without judging it.
pub async fn schema_state(app: &App) -> Result<SchemaState, StoreError> {
    migrate::check_with(app.writer()).await
}

/// Who the server is to the database.
pub async fn login(app: &App) -> Result<Login, StoreError> {
    let connection = app.writer().get().await?;
    monitor::find_login(&connection).await
}

/// Concerts whose stock doesn't add up; at most a hundred. Empty is good.
pub async fn broken_inventory(app: &App) -> Result<Vec<BrokenInventory>, StoreError> {
    let transaction = Transaction::begin(app.writer(), &Acting::system("health")).await?;
    let broken = monitor::list_broken_inventory(&transaction, 100).await;
    transaction.rollback().await;
    broken
}

/// Where indexes, constraints, triggers, policies, functions and rights aren't as `migrate` makes them.
pub async fn shape_differences(app: &App) -> Result<Vec<Difference>, StoreError> {
    let connection = app.writer().get().await?;
    shape::differences(&connection).await
}

/// What a commit of this login is worth.
pub async fn durability(app: &App) -> Result<Durability, StoreError> {
    let connection = app.writer().get().await?;
    shape::durability(&connection).await
}

/// How far this machine's clock is from the primary's; positive when it is ahead.
pub async fn clock_offset(app: &App) -> Result<SignedDuration, StoreError> {
    let connection = app.writer().get().await?;
    let primary = monitor::primary_clock(&connection).await?;
    // A context without connections shows this machine's own clock.
    Ok(Ctx::system().now().duration_since(primary))
}
