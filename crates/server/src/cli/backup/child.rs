//! A program that we wait for: when we are asked to stop, it is asked too.

use std::future::pending;
use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use super::pgbackrest::Failure;
use crate::cli::serve as serve_command;

/// pgBackRest ends its own helpers and lets its locks go, which takes it less than a second.
const LOOKS: u32 = 100;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The names of the log's files are the most that one writes: 70 bytes for each, of a month with one a
/// second at most.
const WRITTEN_MAX: u64 = 256 << 20;

/// Dropped before its end, it is told to stop, waited for, and killed when it doesn't.
#[derive(Debug)]
struct Running(Child);

/// What it wrote and how it ended.
pub(super) async fn output(mut command: Command) -> io::Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = Running(command.spawn()?);
    let (stdout, stderr) = (running.0.stdout.take(), running.0.stderr.take());
    let (stdout, stderr) = tokio::try_join!(read(stdout), read(stderr))?;
    let status = running.0.wait().await?;
    Ok(Output {
        status,
        stdout,
        stderr,
    })
}

async fn read(from: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(WRITTEN_MAX + 1).read_to_end(&mut bytes).await?;
    }
    if bytes.len() as u64 > WRITTEN_MAX {
        return Err(io::Error::other("it writes more than can be read"));
    }
    Ok(bytes)
}

impl Drop for Running {
    fn drop(&mut self) {
        let id = self.0.id().and_then(|id| i32::try_from(id).ok());
        let Some(pid) = id.and_then(Pid::from_raw) else {
            return;
        };
        // One that is gone already needs none.
        let _ = kill_process(pid, Signal::TERM);
        for _ in 0..LOOKS {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let _ = kill_process(pid, Signal::KILL);
        let _ = self.0.try_wait();
    }
}

/// The work's outcome, or that somebody asked us to stop, which drops the work with its programs.
pub(super) async fn or_stopped<T, E: From<Failure>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let stopped = async {
        // Who can't be asked to stop isn't.
        if serve_command::wait_for_stop().await.is_err() {
            pending::<()>().await;
        }
    };
    tokio::select! {
        done = work => done,
        () = stopped => Err(Failure::stopped().into()),
    }
}
