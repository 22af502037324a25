//! Writing down how a run ended. That it can't be written is a warning: the backup is there.

use app::backups;
use store::backup_runs::Run;

use crate::cli::CliError;
use crate::config::Config;
use crate::serve;

pub(super) async fn write(config: &Config, runs: &[Run]) {
    if let Err(why) = try_write(config, runs).await {
        eprintln!("stagedoor: metrics and doctor won't hear of this: {why}");
    }
}

async fn try_write(config: &Config, runs: &[Run]) -> Result<(), String> {
    let Some(url) = &config.database.backup_url else {
        return Err("set DATABASE_BACKUP_URL to a login as stagedoor_backup".to_owned());
    };
    let app = serve::open_app(config, url.reveal())
        .map_err(|error| format!("DATABASE_BACKUP_URL is {error}"))?;
    for run in runs {
        let written = backups::record(&app, run).await;
        written.map_err(|error| format!("DATABASE_BACKUP_URL ({url}): {}", error.in_full()))?;
    }
    Ok(())
}

/// What a failure is in one line.
pub(super) fn first_line(error: &CliError) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}
