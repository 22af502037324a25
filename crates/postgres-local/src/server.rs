//! The server process of one data folder: starting, stopping and killing it, and clearing away what
//! an unclean end has left.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    account::Account,
    error::ClusterError,
    files::{self, NEW_PID_FILE, Site},
    find::Programs,
    memory::SharedMemory,
    process::{kill_hard, run, server_processes, wait_until},
};

const START_MAX_S: u64 = 60;
const FAST_STOP_MAX_S: u64 = 30;
const IMMEDIATE_STOP_MAX_S: u64 = 10;
/// After `pg_ctl` should have given up by itself.
const MARGIN_S: u64 = 5;
/// Killed processes go at once, unless they wait for a disk.
const KILLED_MAX: Duration = Duration::from_secs(10);
/// Backends notice within milliseconds that their postmaster is gone, unless they are computing.
const ORPHANS_MAX: Duration = Duration::from_secs(3);
const LOG_MAX_BYTES: u64 = 10 << 20;

/// A process id that no system gives out (Linux ends at 4194304, the others earlier).
const NO_PROCESS: &str = "2147483646";

/// The port that PostgreSQL has by default, and that somebody may be expecting another server on.
const STANDARD_PORT: u16 = 5432;

/// What is needed to work on a cluster's server process.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) site: Site,
    pub(crate) account: Account,
    pub(crate) programs: Programs,
}

impl Server {
    /// The postmaster's process id, if it runs; a recorded id that now belongs to another process
    /// does not count.
    pub(crate) fn postmaster(&self) -> Result<Option<u32>, ClusterError> {
        let Some(pid) = recorded_pid(self.site.data()) else {
            return Ok(None);
        };
        Ok(self.processes()?.contains(&pid).then_some(pid))
    }

    /// Any of its processes runs, be it without a postmaster.
    pub(crate) fn is_there(&self) -> Result<bool, ClusterError> {
        Ok(!self.processes()?.is_empty())
    }

    /// Starts the server on this port and waits until it answers. If that fails, nothing is left
    /// running. `hold` comes from the watchdog.
    pub(crate) fn start(&self, port: u16, hold: Stdio) -> Result<(), ClusterError> {
        let log = self.site.log_file();
        let failed = |source| self.io("start", source);
        let log_length = fs::symlink_metadata(&log).map_or(0, |meta| meta.len());
        let log_begins = if log_length > LOG_MAX_BYTES {
            fs::rename(&log, log.with_added_extension("1")).map_err(failed)?;
            0
        } else {
            log_length
        };

        let mut pg_ctl = self.pg_ctl("start");
        pg_ctl
            .args(["-w", "-t", &START_MAX_S.to_string(), "-l"])
            .arg(&log);
        pg_ctl.arg("-o").arg(format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' \
             -c logging_collector=off"
        ));
        // Its own group: an interrupt at the terminal must not leave the server half started.
        pg_ctl.process_group(0).stdin(hold);
        let finished = run(&mut pg_ctl, Duration::from_secs(START_MAX_S + MARGIN_S));
        let said = match finished {
            Ok(finished) if finished.success => return Ok(()),
            Ok(finished) => finished.text,
            Err(error) => error.to_string(),
        };
        let said = format!("{said}\n{}", self.log_since(log_begins));
        self.stop_by(&[("immediate", IMMEDIATE_STOP_MAX_S)])?;
        let what = format!("starting PostgreSQL (its log is {})", log.display());
        Err(ClusterError::Failed {
            what,
            said: said.trim().to_owned(),
        })
    }

    /// Stops the server, first with time to end cleanly, then without. No error if there is none.
    pub(crate) fn stop(&self) -> Result<(), ClusterError> {
        self.stop_by(&[
            ("fast", FAST_STOP_MAX_S),
            ("immediate", IMMEDIATE_STOP_MAX_S),
        ])
    }

    fn stop_by(&self, modes: &[(&str, u64)]) -> Result<(), ClusterError> {
        for (mode, limit_s) in modes {
            if self.postmaster()?.is_none() {
                return Ok(());
            }
            let mut pg_ctl = self.pg_ctl("stop");
            pg_ctl.args(["-m", mode, "-w", "-t", &limit_s.to_string()]);
            // Whether it has worked is seen by the processes.
            let _ = run(&mut pg_ctl, Duration::from_secs(limit_s + MARGIN_S));
        }
        if self.postmaster()?.is_some() {
            self.kill()
        } else {
            Ok(())
        }
    }

    /// Ends all processes of the server at once, as a power cut would.
    pub(crate) fn kill(&self) -> Result<(), ClusterError> {
        kill_all(&self.account, self.site.data()).map_err(|source| self.io("kill", source))
    }

    /// Makes the way free for a start, whatever has happened before: a server that still runs is
    /// stopped, left-over children are waited for or killed, and a record of a server that is gone
    /// can't be taken for another process.
    pub(crate) fn clear_way(&self) -> Result<(), ClusterError> {
        self.stop()?;
        if !self.wait_for_no_processes(ORPHANS_MAX)? {
            self.kill()?;
        }
        self.disarm_pid_file()
            .map_err(|source| self.io("clear away the last run of", source))
    }

    /// PostgreSQL refuses to start when the process id recorded in postmaster.pid is alive, even if
    /// it is another program's by now, and when the file is empty, as after a power cut.
    /// The rest of the file stays: by it PostgreSQL sees whether old shared memory is still in use.
    fn disarm_pid_file(&self) -> io::Result<()> {
        let path = pid_file(self.site.data());
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            text => text.unwrap_or_default(),
        };
        match text.split_once('\n') {
            Some((pid, rest)) if pid.trim().parse::<i64>().is_ok() => {
                let new = self.site.at(NEW_PID_FILE);
                files::write_private(&new, &format!("{NO_PROCESS}\n{rest}"), &self.account)?;
                fs::rename(&new, &path)
            }
            _ => files::remove(&path),
        }
    }

    fn processes(&self) -> Result<Vec<u32>, ClusterError> {
        server_processes(&self.account, self.site.data())
            .map_err(|source| self.io("look for the processes of", source))
    }

    fn wait_for_no_processes(&self, limit: Duration) -> Result<bool, ClusterError> {
        let gone = || server_processes(&self.account, self.site.data()).map(|pids| pids.is_empty());
        wait_until(limit, gone).map_err(|source| self.io("wait for the end of", source))
    }

    fn pg_ctl(&self, action: &str) -> Command {
        let mut command = self.account.command(self.programs.path("pg_ctl"));
        command.arg(action).arg("-D").arg(self.site.data());
        command
    }

    /// The last lines that the server wrote after this byte; read as its user, to whom the file
    /// belongs.
    fn log_since(&self, byte: u64) -> String {
        let mut tail = self.account.script(r#"tail -c +"$2" -- "$1" | tail -n 20"#);
        tail.arg(self.site.log_file()).arg((byte + 1).to_string());
        run(&mut tail, Duration::from_secs(MARGIN_S)).map_or(String::new(), |tail| tail.text)
    }

    fn io(&self, action: &str, source: io::Error) -> ClusterError {
        let folder = self.site.folder().display();
        ClusterError::io(format!("{action} the server in {folder}"), source)
    }
}

/// Kills all processes that have this data folder, also those of an `initdb`, and frees their memory.
pub(crate) fn kill_all(account: &Account, data: &Path) -> io::Result<()> {
    let mut pids = server_processes(account, data)?;
    if pids.is_empty() {
        return Ok(());
    }
    // The postmaster first, or it would see its children die and begin to recover.
    let postmaster = recorded_pid(data);
    pids.sort_by_key(|&pid| Some(pid) != postmaster);
    let memory = SharedMemory::of(account, &pids, &pid_file(data))?;
    kill_hard(account, &pids)?;
    if wait_until(KILLED_MAX, || {
        Ok(server_processes(account, data)?.is_empty())
    })? {
        return memory.release(account);
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "its processes do not end",
    ))
}

fn pid_file(data: &Path) -> PathBuf {
    data.join("postmaster.pid")
}

fn recorded_pid(data: &Path) -> Option<u32> {
    let text = fs::read_to_string(pid_file(data)).ok()?;
    text.lines().next()?.trim().parse().ok()
}

/// Nobody listens on this port.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A free port of the system's choice.
pub(crate) fn free_port() -> Result<u16, ClusterError> {
    loop {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
        let port = bound
            .map_err(|source| ClusterError::io("find a free port", source))?
            .port();
        if port != STANDARD_PORT {
            return Ok(port);
        }
    }
}
