//! The real program, in a folder and an environment of its own.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use super::cluster::{APP, TestDatabase};

/// A command on a small database takes well under a second; a busy machine may be slow.
const DONE_WITHIN: Duration = Duration::from_mins(1);

/// A command that hasn't been started yet.
#[derive(Debug)]
pub(crate) struct Program {
    command: Command,
    folder: Option<TempDir>,
}

/// What a command has said and how it ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    /// The program with nothing but `PATH` in its environment, in an empty folder.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let program = Self::within(folder.path(), arguments);
        Self {
            folder: Some(folder),
            ..program
        }
    }

    /// The same in a given folder.
    pub(crate) fn within(folder: &Path, arguments: &[&str]) -> Self {
        Self::of(
            Path::new(env!("CARGO_BIN_EXE_stagedoor")),
            folder,
            arguments,
        )
    }

    fn of(binary: &Path, folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self {
            command,
            folder: None,
        }
    }

    /// Another file of the same program, as another user of the system: commands that root may not run.
    pub(crate) fn as_user(
        binary: &Path,
        folder: &Path,
        user: (u32, u32),
        arguments: &[&str],
    ) -> Self {
        let mut program = Self::of(binary, folder, arguments);
        program.command.uid(user.0).gid(user.1);
        program
    }

    /// The program as the server's login of a database.
    pub(crate) fn on(database: &TestDatabase, arguments: &[&str]) -> Self {
        Self::new(arguments).env("DATABASE_URL", &database.url(APP))
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it a text on stdin.
    pub(crate) fn fed(mut self, text: &str) -> Self {
        use std::io::{Seek as _, Write as _};
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("a full file");
        file.rewind().expect("its beginning");
        self.command.stdin(Stdio::from(file));
        self
    }

    /// Runs it to its end.
    pub(crate) async fn run(mut self) -> Done {
        let output = tokio::time::timeout(DONE_WITHIN, self.command.output())
            .await
            .unwrap_or_else(|_| panic!("{:?} doesn't end", self.command))
            .expect("the program");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let done = Done {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        let is_sound = !done.stderr.contains("panicked");
        assert!(is_sound, "{:?}: {}", self.command, done.stderr);
        done
    }

    /// Starts it and returns once it has said `sign` on stdout or stderr.
    pub(crate) async fn start(mut self, sign: &str) -> Started {
        let mut child = self.command.spawn().expect("the program");
        let said = Said::default();
        said.listen(child.stdout.take().expect("its stdout"));
        said.listen(child.stderr.take().expect("its stderr"));
        let mut started = Started {
            child,
            said,
            folder: self.folder,
        };
        started.wait_for(sign).await;
        started
    }

    /// Starts a worker, with its metrics on a free port.
    pub(crate) async fn worker(database: &TestDatabase) -> Started {
        Self::on(database, &["worker"])
            .env("STAGEDOOR_METRICS_LISTEN", "127.0.0.1:0")
            .start("stagedoor works on background jobs")
            .await
    }

    /// Starts the server on free ports.
    pub(crate) async fn serve(database: &TestDatabase) -> Started {
        Self::serve_with(database, &["serve"]).await
    }

    /// The same with flags.
    pub(crate) async fn serve_with(database: &TestDatabase, arguments: &[&str]) -> Started {
        Self::on(database, arguments).serving().await
    }

    /// The same, for a `serve` whose environment has been set.
    pub(crate) async fn serving(self) -> Started {
        self.env("STAGEDOOR_LISTEN", "127.0.0.1:0")
            .env("STAGEDOOR_METRICS_LISTEN", "127.0.0.1:0")
            .start("stagedoor listens on http://")
            .await
    }
}

impl Done {
    /// The report on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Everything that a program has written so far.
#[derive(Clone, Debug, Default)]
struct Said(Arc<Mutex<String>>);

impl Said {
    fn text(&self) -> String {
        self.0.lock().expect("the text").clone()
    }

    fn listen(&self, from: impl AsyncRead + Send + Unpin + 'static) {
        let said = self.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(from).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let mut text = said.0.lock().expect("the text");
                text.push_str(&line);
                text.push('\n');
            }
        });
    }
}

/// A program that runs; it is killed when dropped.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    said: Said,
    /// Deleted with it.
    #[expect(dead_code, reason = "lives as long as the program does")]
    folder: Option<TempDir>,
}

impl Started {
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("a running program")
    }

    pub(crate) fn said(&self) -> String {
        self.said.text()
    }

    pub(crate) async fn wait_for(&mut self, sign: &str) {
        let wait = async {
            while !self.said().contains(sign) {
                let ended = self.child.try_wait().expect("its state");
                if let Some(status) = ended {
                    // What it said last may still be under way.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    assert!(self.said().contains(sign), "{status}: {}", self.said());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(DONE_WITHIN, wait).await;
        assert!(waited.is_ok(), "{sign:?} wasn't said: {}", self.said());
    }

    /// What follows `mark`, up to the next white space.
    pub(crate) fn word_after(&self, mark: &str) -> String {
        let said = self.said();
        let (_, rest) = said.split_once(mark).unwrap_or_else(|| panic!("{said}"));
        rest.split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    }

    /// Where the shop of `serve` is, as `http://127.0.0.1:port`.
    pub(crate) fn site(&self) -> String {
        format!("http://{}", self.word_after("stagedoor listens on http://"))
    }

    /// Where the metrics of `serve` are.
    pub(crate) fn metrics(&self) -> String {
        format!("http://{}/metrics", self.word_after(" metrics="))
    }

    /// Memory of the program that is really there.
    pub(crate) fn resident_kib(&self) -> u64 {
        let id = self.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.expect("its memory").trim().trim_end_matches(" kB");
        kib.parse().expect("a number")
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = std::process::Command::new("/bin/sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &id])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{name}");
    }

    /// How it ended, which it must within `limit`.
    pub(crate) async fn end(&mut self, limit: Duration) -> ExitStatus {
        tokio::time::timeout(limit, self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("still there after {limit:?}: {}", self.said()))
            .expect("its end")
    }
}
