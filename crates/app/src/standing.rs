//! How the databases stand: each process looks once a second at the primary and its replicas. What it
//! sees decides whether anything is committed, and which replicas serve.

use std::time::Duration;

use futures_util::future::join_all;
use store::replicas::{Report, Standing};
use store::replication::{self, Primary, Standby, Watch};
use store::{Replicas, StoreError};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::App;

/// Selling goes on so soon after a standby is back, and stops so soon after the last one went: until
/// then commits that nobody confirms are answered as unknown.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A primary that takes longer to answer stands as it did.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// Looks for ever. A replica that doesn't answer keeps nobody from hearing of the others.
pub async fn keep_up(app: App) {
    let count = app.replicas().map_or(0, Replicas::count);
    let replicas = join_all((0..count).map(|index| keep_up_with_replica(&app, index)));
    let ((), _) = tokio::join!(keep_up_with_primary(&app), replicas);
}

async fn keep_up_with_primary(app: &App) {
    let (mut watch, mut was_standby) = (Watch::default(), false);
    let mut tick = every_second();
    loop {
        tick.tick().await;
        let looked = timeout(LOOK_WITHIN, watch.look(app.writer())).await;
        let is_standby = matches!(looked, Ok(Ok(None)));
        if is_standby && !was_standby {
            // The node that took our connections can only refuse what we write.
            app.writer().retire();
        }
        was_standby = is_standby;
        learn(app, looked.unwrap_or_else(|_| Err(late())));
    }
}

async fn keep_up_with_replica(app: &App, index: usize) {
    let mut tick = every_second();
    while let Some(replicas) = app.replicas() {
        tick.tick().await;
        replicas.look_at(index).await;
        measure(&replicas.reports());
    }
}

/// A first look, before a command changes anything: without a standby it is refused instead of waiting.
pub async fn look_once(app: &App) {
    let mut watch = Watch::default();
    let looked = timeout(LOOK_WITHIN, watch.look(app.writer())).await;
    learn(app, looked.unwrap_or_else(|_| Err(late())));
}

fn learn(app: &App, looked: Result<Option<Primary>, StoreError>) {
    let primary = match looked {
        Ok(primary) => primary,
        Err(error) => {
            tracing::debug!(error = error.in_full(), "the primary was not looked at");
            None
        }
    };
    match &primary {
        Some(primary) => app.writer().learn(primary),
        None => app.writer().learn_silence(),
    }
    if let Some(replicas) = app.replicas() {
        replicas.learn(primary.map(|primary| primary.position));
    }
}

fn late() -> StoreError {
    StoreError::Unavailable("the primary did not say in time how it stands".to_owned())
}

fn every_second() -> Interval {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

/// What the primary says of itself, and of every standby that is connected to it; `None` of a
/// standby.
pub async fn ask_primary(app: &App) -> Result<Option<(Primary, Vec<Standby>)>, StoreError> {
    let connection = app.writer().get().await?;
    let Some(primary) = replication::look_at_primary(&connection).await? else {
        return Ok(None);
    };
    let standbys = replication::list_standbys(&connection).await?;
    Ok(Some((primary, standbys)))
}

#[expect(clippy::cast_precision_loss, reason = "nobody is 9 petabytes behind")]
fn measure(reports: &[Report]) {
    for Report {
        name,
        standing,
        lag,
    } in reports
    {
        let name = || name.clone();
        let is_up = f64::from(u8::from(*standing != Standing::Away));
        metrics::gauge!("stagedoor_replica_up", "replica" => name()).set(is_up);
        metrics::gauge!("stagedoor_replica_lag_seconds", "replica" => name())
            .set(lag.time.as_secs_f64());
        metrics::gauge!("stagedoor_replica_lag_bytes", "replica" => name()).set(lag.bytes as f64);
    }
}
