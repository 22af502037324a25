//! The server as a child process: this same program, told `serve`. It ends with this process,
//! however that ends.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::super::CliError;
use super::private::READY_WITHIN;
use crate::load::Connection;

/// A shell between us and the server: it tells the server's process id, and tells the server to
/// stop when we close the pipe, or when the kernel closes it for us. Line by line: start the server;
/// tell its id; wait for the pipe's end beside it; end as it ends.
const KEEPER: &str = r#"exec 3<&0
"$@" 3<&- </dev/null &
server=$!
echo "$server"
{ read -r _ <&3; kill -TERM "$server"; } &
reader=$!
wait "$server"; code=$?
kill "$reader"
exit "$code""#;

/// The server finishes requests under way within 10 s; a little more, then it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(12);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The last lines of a log say why a server failed.
const SAID_BYTES_MAX: usize = 8 * 1024;

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    keeper: Child,
    pid: u32,
    /// The end of what it has written to stderr.
    said: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    /// Starts it with nothing but these variables and waits until it is ready.
    pub(super) async fn start(
        environment: &[(&str, String)],
        address: SocketAddr,
    ) -> Result<Self, CliError> {
        let mut server = Self::spawn(environment)
            .map_err(|error| CliError::failed("can't start the server", &error))?;
        let limit = Instant::now() + READY_WITHIN;
        while !is_ready(address).await {
            let ended = server.keeper.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() > limit {
                let said = server.said();
                return Err(CliError::Failed(format!(
                    "the private server didn't start; it said:\n{said}"
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(server)
    }

    fn spawn(environment: &[(&str, String)]) -> io::Result<Self> {
        let mut keeper = Command::new("/bin/sh")
            .args(["-c", KEEPER, "sh"])
            .arg(std::env::current_exe()?)
            .arg("serve")
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(std::env::temp_dir())
            // Its own group: an interrupt at the terminal is ours to pass on, after the buyers left.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = keeper.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let said = Arc::new(Mutex::new(Vec::new()));
        if let Some(stderr) = keeper.stderr.take() {
            let said = Arc::clone(&said);
            // Ends with the server, whose side of the pipe then closes.
            thread::Builder::new()
                .name("server's log".to_owned())
                .spawn(move || keep_end(stderr, &said))?;
        }
        let pid = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self { keeper, pid, said })
    }

    /// The last that it wrote to its log.
    pub(super) fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    /// The memory that it has in RAM; `None` where there is no /proc, or it has ended.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes * 1024)
    }

    /// Stops it and waits for its end, so that no request is under way any more.
    pub(super) fn stop(&mut self) {
        drop(self.keeper.stdin.take());
        let limit = Instant::now() + STOP_WITHIN;
        while Instant::now() < limit {
            if !matches!(self.keeper.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(LOOK_EVERY);
        }
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn is_ready(address: SocketAddr) -> bool {
    let Ok(mut connection) = Connection::open(address).await else {
        return false;
    };
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let asking = connection.exchange(request.as_bytes());
    let answer = tokio::time::timeout(READY_WITHIN, asking).await;
    matches!(answer, Ok(Ok(answer)) if answer.status == 200)
}

fn keep_end(mut from: impl io::Read, said: &Mutex<Vec<u8>>) {
    let mut piece = [0; 1024];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(piece.get(..length).unwrap_or_default());
        let surplus = said.len().saturating_sub(SAID_BYTES_MAX);
        said.drain(..surplus);
    }
}
