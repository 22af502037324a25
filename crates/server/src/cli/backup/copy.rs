//! A restored copy while it runs: on a socket in a folder that nobody else enters, and by settings that
//! keep it from everything that the running system has.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use postgres_local::{Programs, percent_encode};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::folder::{Control, Scratch, major, programs};
use super::pgbackrest::{because, forget_secrets};
use super::replay::Log;
use crate::cli::CliError;

/// Replaying a day of a busy log takes hours; whoever waits longer has a broken archive.
const RECOVERED_WITHIN: Duration = Duration::from_hours(24);
/// A last checkpoint writes everything that is in memory.
const STOPPED_WITHIN: Duration = Duration::from_mins(10);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Processes that are told to quit at once do so within a second, unless they wait for a disk.
const KILLED_LOOKS: u32 = 100;
const KILLED_LOOK_EVERY: Duration = Duration::from_millis(50);
/// Lines of its log that are shown when it fails.
const LOG_LINES: usize = 6;
const TOO_EARLY: &str = "recovery ended before configured recovery target";

/// What overrules the settings that came with the backup: no connections but ours, nothing written
/// outside its folder, no waiting for standbys, and little memory beside the running system.
pub(super) const SETTINGS: [(&str, &str); 22] = [
    ("listen_addresses", ""),
    ("port", "5432"),
    ("unix_socket_permissions", "0700"),
    ("ssl", "off"),
    ("archive_mode", "off"),
    // Else it would call itself ready before its recovery is over.
    ("hot_standby", "off"),
    ("primary_conninfo", ""),
    ("primary_slot_name", ""),
    ("synchronous_standby_names", ""),
    ("shared_preload_libraries", ""),
    ("session_preload_libraries", ""),
    ("local_preload_libraries", ""),
    ("external_pid_file", ""),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    // Its log is read below.
    ("log_min_messages", "warning"),
    ("log_timezone", "UTC"),
    ("timezone", "UTC"),
    ("lc_messages", "C"),
    ("shared_buffers", "128MB"),
    ("huge_pages", "off"),
    ("cluster_name", "stagedoor copy"),
];

/// Recovery needs as much room as the primary had.
pub(super) const AS_ON_THE_PRIMARY: [(&str, &str); 5] = [
    ("max_connections", "max_connections setting"),
    ("max_worker_processes", "max_worker_processes setting"),
    ("max_wal_senders", "max_wal_senders setting"),
    ("max_prepared_transactions", "max_prepared_xacts setting"),
    ("max_locks_per_transaction", "max_locks_per_xact setting"),
];

/// A PostgreSQL on the copy; it is stopped hard when dropped.
#[derive(Debug)]
pub(super) struct Copy {
    server: Child,
    data: PathBuf,
    programs: Programs,
    /// Socket, settings and log; removed after the server is gone.
    private: Scratch,
}

impl Copy {
    /// `get` makes the command that gets its log from its private folder.
    pub(super) async fn start(
        data: &Path,
        get: impl FnOnce(&Path) -> String,
    ) -> Result<Self, CliError> {
        // The system's folder, for a socket's path has room for some hundred bytes.
        let private = Scratch::make(&std::env::temp_dir(), "copy")?;
        let programs = programs(major(data)?)?;
        let control = Control::read(&programs, data).await?;
        let own = |name: &str| private.path().join(name);
        let written = write(&own("postgresql.conf"), "")
            .and_then(|_| write(&own("pg_hba.conf"), "local all all trust\n"))
            .and_then(|_| write(&own("pg_ident.conf"), ""))
            .and_then(|_| write(&own("log"), ""));
        let failed = |error| CliError::failed("can't start the copy", &error);
        let log = written.map_err(failed)?;
        let errors = log.try_clone().map_err(failed)?;
        let mut command = Command::new(programs.path("postgres"));
        forget_secrets(&mut command);
        command.arg("-D").arg(data);
        for (name, file) in [
            ("config_file", "postgresql.conf"),
            ("hba_file", "pg_hba.conf"),
            ("ident_file", "pg_ident.conf"),
            ("unix_socket_directories", ""),
        ] {
            let path = if file.is_empty() {
                private.path().to_owned()
            } else {
                own(file)
            };
            command.arg("-c").arg(format!("{name}={}", path.display()));
        }
        command
            .arg("-c")
            .arg(format!("restore_command={}", get(private.path())));
        for (name, value) in SETTINGS {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        for (name, shown) in AS_ON_THE_PRIMARY {
            if let Some(value) = control.value(shown) {
                command.arg("-c").arg(format!("{name}={value}"));
            }
        }
        let server = command
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(failed)?;
        Ok(Self {
            server,
            data: data.to_owned(),
            programs,
            private,
        })
    }

    /// Waits until all log up to `at`, or to its end, is replayed and the copy takes writes.
    pub(super) async fn recover(
        &mut self,
        log: &Log,
        at: Option<Timestamp>,
    ) -> Result<(), CliError> {
        let control = Control::read(&self.programs, &self.data).await?;
        if let Err(error) = self.wait_for_recovery().await {
            let said = self.log();
            let missed = (said.contains(TOO_EARLY)).then(|| log.is_missed(&said, &control));
            return Err(missed.flatten().map_or(error, CliError::Failed));
        }
        match at {
            None => match log.is_cut_short(&self.data, &control) {
                Some(what) => Err(CliError::Failed(format!("{what}{}", self.last_lines()))),
                None => Ok(()),
            },
            Some(_) => Ok(()),
        }
    }

    async fn wait_for_recovery(&mut self) -> Result<(), CliError> {
        let since = Instant::now();
        loop {
            let ended = self.server.try_wait();
            let ended = ended.map_err(|error| CliError::failed("lost the copy", &error))?;
            if ended.is_some() {
                return Err(self.explain_end());
            }
            if is_ready(&self.data) {
                return Ok(());
            }
            if since.elapsed() > RECOVERED_WITHIN {
                return Err(CliError::Failed(format!(
                    "the copy still recovers after {RECOVERED_WITHIN:?}{}",
                    self.last_lines()
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The connection string of a role, which no password is asked for.
    pub(super) fn url(&self, role: &str, database: &str) -> String {
        url(role, database, self.private.path())
    }

    /// Stops it cleanly, so that it can be started as it is.
    pub(super) async fn stop(mut self) -> Result<(), CliError> {
        self.signal(Signal::INT);
        match tokio::time::timeout(STOPPED_WITHIN, self.server.wait()).await {
            Ok(Ok(status)) if status.success() => self.is_recovered().await,
            _ => Err(CliError::Failed(format!(
                "the copy didn't stop cleanly{}",
                self.last_lines()
            ))),
        }
    }

    /// By what it has written itself, so that nobody relies on a copy that lacks the end of its log.
    async fn is_recovered(&self) -> Result<(), CliError> {
        let control = Control::read(&self.programs, &self.data).await?;
        match control.value("Database cluster state") {
            Some("shut down") => Ok(()),
            state => Err(CliError::Failed(format!(
                "the copy isn't recovered, but {}{}",
                state.unwrap_or("in an unknown state"),
                self.last_lines()
            ))),
        }
    }

    fn signal(&self, signal: Signal) {
        let id = self.server.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = id.and_then(Pid::from_raw) {
            // One that is gone already needs none.
            let _ = kill_process(pid, signal);
        }
    }

    fn explain_end(&self) -> CliError {
        let log = self.log();
        let what = if log.contains(TOO_EARLY) {
            return CliError::Failed(ends_before_target(&log));
        } else if log.contains("No space left on device") {
            "the disk of the copy is full: restore to another one"
        } else if log.contains("could not find") || log.contains("could not locate") {
            "a file of the log is missing in the repository: see with `stagedoor backup check`, or \
             restore from another one with --repo"
        } else {
            "the copy can't be started"
        };
        CliError::Failed(format!("{what}{}", self.last_lines()))
    }

    fn log(&self) -> String {
        let bytes = fs::read(self.private.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn last_lines(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
        because(last.iter().copied())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if !matches!(self.server.try_wait(), Ok(Some(_))) {
            // At once and without a checkpoint; its children go with it.
            self.signal(Signal::QUIT);
            // Its folder may be removed next.
            for _ in 0..KILLED_LOOKS {
                if matches!(self.server.try_wait(), Ok(Some(_))) {
                    break;
                }
                std::thread::sleep(KILLED_LOOK_EVERY);
            }
        }
    }
}

fn url(role: &str, database: &str, socket: &Path) -> String {
    let [role, database] = [role, database].map(percent_encode);
    let folder = percent_encode(&socket.to_string_lossy());
    format!("postgresql://{role}@/{database}?host={folder}&port=5432")
}

fn write(path: &Path, text: &str) -> std::io::Result<File> {
    use std::io::Write as _;
    let mut options = File::options();
    let mut file = options
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

/// `PostgreSQL` stops at the first commit after the time that was asked for, and can't tell an archive
/// that lacks it from a database in which there was none.
fn ends_before_target(log: &str) -> String {
    let mark = "last completed transaction was at log time ";
    let last = log.lines().rev().find_map(|line| line.split_once(mark));
    let last = last.map_or("has no commit since this backup".to_owned(), |(_, at)| {
        format!("ends with the commit of {}", at.trim())
    });
    format!(
        "the archived log {last}, and none after the time that was asked for. Archive what is open \
         now, with `stagedoor backup check --log` on the running system, and restore again: if the same \
         is said, nothing was committed in between, and `--to latest` restores exactly that time. Where \
         that system is gone, `--to latest` restores all that there is"
    )
}

/// The eighth line of `postmaster.pid` is `ready` once recovery is over, and `standby` before.
fn is_ready(data: &Path) -> bool {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    text.lines()
        .nth(7)
        .is_some_and(|line| line.trim() == "ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_without_a_later_commit_is_told_with_its_last_one() {
        let log = "LOG:  redo done at 0/5000100\nLOG:  last completed transaction was at log time \
                   2026-11-22 12:59:01.5+00\nFATAL:  recovery ended before configured recovery target \
                   was reached";
        let said = ends_before_target(log);
        assert!(
            said.contains("the commit of 2026-11-22 12:59:01.5+00,"),
            "{said}"
        );
        assert!(ends_before_target("").contains("no commit since this backup"));
    }
}

#[cfg(test)]
mod url_tests {
    use super::*;

    #[test]
    fn a_folder_of_any_name_is_one_part_of_the_url() {
        let url = url("stagedoor_app", "a/b", Path::new("/tmp/100% sure?&x"));
        let parsed: tokio_postgres::Config = url.parse().unwrap();
        assert_eq!(parsed.get_dbname(), Some("a/b"));
        let host = tokio_postgres::config::Host::Unix("/tmp/100% sure?&x".into());
        assert_eq!(parsed.get_hosts(), [host]);
    }
}
