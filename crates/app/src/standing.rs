//! How the databases stand: each process looks once a second at the primary and its replicas. What it
//! sees decides whether anything is committed, and which replicas serve.

use std::time::Duration;

use store::replicas::{Report, Standing};
use store::replication::{self, Primary, Standby};
use store::{Pool, StoreError};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::App;

/// Selling goes on so soon after a standby is back, and stops so soon after the last one went: until
/// then commits that nobody confirms are answered as unknown.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A primary that takes longer to answer stands as it did.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// Looks for ever. A replica that doesn't answer keeps nobody from hearing of the primary.
pub async fn keep_up(app: App) {
    let primary = async {
        let mut tick = every_second();
        loop {
            tick.tick().await;
            watch_primary(&app).await;
        }
    };
    let replicas = async {
        let mut tick = every_second();
        loop {
            tick.tick().await;
            watch_replicas(&app).await;
        }
    };
    let ((), ()) = tokio::join!(primary, replicas);
}

fn every_second() -> Interval {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

async fn watch_primary(app: &App) {
    match timeout(LOOK_WITHIN, look_at_primary(app.writer())).await {
        Ok(Ok(Some(primary))) => {
            app.writer().learn(&primary);
            if let Some(replicas) = app.replicas() {
                replicas.learn(primary.position);
            }
        }
        // The node that took our connections is a standby now, and can only refuse what we write.
        Ok(Ok(None)) => app.writer().retire(),
        Ok(Err(error)) => tracing::debug!(error = error.in_full(), "the primary was not looked at"),
        Err(_) => tracing::debug!("the primary did not say in time how it stands"),
    }
}

async fn watch_replicas(app: &App) {
    if let Some(replicas) = app.replicas() {
        replicas.look().await;
        measure(&replicas.reports());
    }
}

async fn look_at_primary(writer: &Pool) -> Result<Option<Primary>, StoreError> {
    replication::look_at_primary(&*writer.get().await?).await
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
