//! `worker`: background jobs until SIGTERM or SIGINT.
//!
//! Absent on purpose: shop and API, which `serve` runs, beside any number of workers.

use super::CliError;
use super::serve::{open_fit, start_error, wait_for_stop};
use crate::config::Config;
use crate::serve;

pub async fn run(config: Config) -> Result<(), CliError> {
    let app = open_fit(&config).await?;
    let running = serve::start_worker(&config, &app)
        .await
        .map_err(start_error)?;
    tracing::info!(metrics = %running.metrics_address, "working");
    let metrics = running.metrics_address;
    eprintln!("stagedoor works on background jobs; metrics on http://{metrics}/metrics");
    wait_for_stop().await?;
    running.stop().await;
    Ok(())
}
