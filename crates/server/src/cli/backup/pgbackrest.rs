//! The program `pgbackrest`: how it is called, and what its failures mean.
//!
//! Its exit codes are its error codes (`src/build/error/error.yaml` there); what it says names files
//! and hosts, never keys or passphrases.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;

use tokio::process::Command;

use super::child;
use crate::cli::CliError;
use crate::config::{Config, KEYS};

/// A failure's text is for a screen; a file that can't be decrypted has lines of any length.
const LINES_MAX: usize = 8;
const LINE_LENGTH_MAX: usize = 300;

/// How `pgbackrest` is called for this installation.
#[derive(Clone, Debug)]
pub(super) struct PgBackRest {
    config: OsString,
    stanza: String,
}

/// It didn't do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) what: String,
    pub(super) mend: String,
    /// Its own words.
    pub(super) said: Vec<String>,
}

impl Failure {
    /// Somebody asked us to stop.
    pub(super) fn stopped() -> Self {
        Self {
            what: "stopped before it was done".to_owned(),
            mend: "run it again".to_owned(),
            said: Vec::new(),
        }
    }

    /// Whoever called us asked for what isn't there, which says nothing of the backups.
    pub(super) fn is_misuse(&self) -> bool {
        self.what == UNKNOWN_REPOSITORY
    }

    /// In one line with what to do, for the record.
    pub(super) fn with_advice(&self) -> String {
        let said = self.said.first().map(|said| format!(" ({said})"));
        format!("{}: {}{}", self.what, self.mend, said.unwrap_or_default())
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        if failure.is_misuse() {
            return Self::Usage(format!("{}: {}", failure.what, failure.mend));
        }
        let said = because(failure.said.iter().map(String::as_str));
        Self::Failed(format!("{}: {}{said}", failure.what, failure.mend))
    }
}

impl PgBackRest {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            config: config.backup.config.clone().into_os_string(),
            stanza: config.backup.stanza.clone(),
        }
    }

    pub(super) fn config(&self) -> &Path {
        self.config.as_ref()
    }

    pub(super) fn stanza(&self) -> &str {
        &self.stanza
    }

    /// What its configuration says of an option, for this stanza or for all.
    pub(super) fn option(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.config()).ok()?;
        option(&text, &self.stanza, name)
    }

    /// Runs one of its commands to its end; what it wrote to stdout.
    pub(super) async fn call(
        &self,
        command: &str,
        options: impl IntoIterator<Item = OsString>,
    ) -> Result<String, Failure> {
        self.call_on(command, None, options).await
    }

    /// The same of a command with an argument.
    pub(super) async fn call_on(
        &self,
        command: &str,
        argument: Option<&OsStr>,
        options: impl IntoIterator<Item = OsString>,
    ) -> Result<String, Failure> {
        let mut call = Command::new("pgbackrest");
        forget_secrets(&mut call);
        call.arg(joined("--config=", self.config.as_ref()))
            .arg(format!("--stanza={}", self.stanza))
            // Warnings and errors, and nothing else, on stderr; its own log is as configured.
            .args(["--log-level-console=off", "--log-level-stderr=warn"])
            .args(options)
            .arg(command)
            .args(argument);
        let output = child::output(call).await.map_err(|error| Failure {
            what: "pgbackrest can't be started".to_owned(),
            mend: "install pgBackRest 2.45 or newer on this machine (Debian and Ubuntu: apt-get \
                   install pgbackrest)"
                .to_owned(),
            said: vec![error.to_string()],
        })?;
        if output.status.success() {
            warn(command, &String::from_utf8_lossy(&output.stderr));
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(self.explain(output.status.code(), &said))
    }

    /// What an exit code and its text mean here.
    pub(super) fn explain(&self, code: Option<i32>, text: &str) -> Failure {
        let (what, mend) = self.meaning(code, text);
        Failure {
            what: what.to_owned(),
            mend,
            said: readable(text),
        }
    }

    fn meaning(&self, code: Option<i32>, text: &str) -> (&'static str, String) {
        let file = self.config.to_string_lossy();
        let stanza = &self.stanza;
        let has = |part: &str| text.contains(part);
        // What names its cause in words comes before codes, which many causes share.
        if has("No space left on device") {
            let mend = "free or grow that disk; an old backup goes with `pgbackrest expire`";
            return ("a disk is full", mend.to_owned());
        }
        // Of a repository's disk that is full it doesn't tell the system's word.
        if has("FileWriteError") || has("unable to write '") {
            let mend = "free or grow its disk, which is full most likely; an old backup goes with \
                        `pgbackrest expire`";
            return ("a file can't be written", mend.to_owned());
        }
        if code == Some(95) || has("CryptoError") || has(NOT_DECRYPTED) {
            let mend = format!("correct the repository's cipher-pass in {file}");
            return ("a repository can't be read with this passphrase", mend);
        }
        if has("unable to open missing file '") && has(&format!("'{file}'")) {
            let mend = "write it (ops/pgbackrest has a template), or set STAGEDOOR_BACKUP_CONFIG";
            return ("pgBackRest's configuration isn't there", mend.to_owned());
        }
        if has("stanza-create") || has("does this stanza exist") {
            let mend = format!(
                "name it as in {file} (STAGEDOOR_BACKUP_STANZA), and make it once with `pgbackrest \
                 --config={file} --stanza={stanza} stanza-create`"
            );
            return ("pgBackRest doesn't know this stanza", mend);
        }
        match code {
            Some(26) => (
                "a file in a repository is damaged",
                "make a full backup now, see with `stagedoor backup check` which backups are \
                 damaged, and look at that disk"
                    .to_owned(),
            ),
            Some(32) if has("'repo' option") => (
                UNKNOWN_REPOSITORY,
                format!("take one that {file} has"),
            ),
            Some(50) => (
                "another backup is running",
                "wait for its end; it is listed by `ps -C pgbackrest`".to_owned(),
            ),
            Some(82) => (
                "PostgreSQL's log doesn't reach the repository in time",
                "see archive_command's errors in PostgreSQL's log and pgBackRest's; a repository that \
                 is full or away is the usual cause"
                    .to_owned(),
            ),
            Some(68 | 87) => (
                "PostgreSQL doesn't archive its log with pgBackRest",
                format!(
                    "set archive_mode = on and archive_command = 'pgbackrest --config={file} \
                     --stanza={stanza} archive-push %p', and restart PostgreSQL"
                ),
            ),
            Some(56 | 57 | 58 | 27) if has("unable to connect") || has("no database found") => (
                "pgBackRest doesn't reach PostgreSQL",
                format!(
                    "start PostgreSQL, and correct pg1-path, pg1-port and pg1-socket-path in {file}"
                ),
            ),
            Some(56) if has("unable to find primary") => (
                "this node isn't the primary",
                "run it on the primary's machine, and move the timers there".to_owned(),
            ),
            _ => (
                "pgBackRest failed",
                format!("see its log, whose folder {file} names"),
            ),
        }
    }
}

fn option(text: &str, stanza: &str, name: &str) -> Option<String> {
    let mut section = "";
    let mut of_all = None;
    for line in text.lines().map(str::trim) {
        if let Some(head) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            section = head;
        }
        let (option, value) = line.split_once('=').unwrap_or_default();
        if option.trim() != name {
            continue;
        }
        let value = value.trim().to_owned();
        if section == stanza {
            return Some(value);
        }
        if section == "global" {
            of_all = Some(value);
        }
    }
    of_all
}

/// What it warns of where it did what it was asked for.
fn warn(command: &str, text: &str) {
    for line in readable(text) {
        eprintln!("pgbackrest {command}: {line}");
    }
}

/// Causes, as errors of commands are shown.
pub(super) fn because<'a>(causes: impl Iterator<Item = &'a str>) -> String {
    causes.fold(String::new(), |mut text, cause| {
        text.push_str("\n  because: ");
        text.push_str(cause);
        text
    })
}

const UNKNOWN_REPOSITORY: &str = "pgBackRest has no repository of this number";

/// What it says of a file that it decrypted with another passphrase.
const NOT_DECRYPTED: &str = "key/value found outside of section";

/// The secrets of our environment are none of its business; its own (`PGBACKREST_…`) are.
pub(super) fn forget_secrets(command: &mut Command) {
    for key in KEYS {
        command.env_remove(key.environment);
        command.env_remove(format!("{}_FILE", key.environment));
    }
}

/// `--option=` before a path, which needn't be UTF-8.
pub(super) fn joined(option: &str, path: &Path) -> OsString {
    let mut joined = OsString::from(option);
    joined.push(path);
    joined
}

/// Its words without what isn't text, and without what a wrong passphrase made of a file.
fn readable(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.contains(NOT_DECRYPTED));
    let clean = |line: &str| {
        let shown = line
            .trim()
            .chars()
            .filter(|c| !c.is_control() && *c != '\u{fffd}');
        shown.take(LINE_LENGTH_MAX).collect::<String>()
    };
    let lines = lines.map(clean).filter(|line| !line.is_empty());
    lines.take(LINES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(code: i32, text: &str) -> &'static str {
        let program = PgBackRest {
            config: "/etc/x.conf".into(),
            stanza: "main".to_owned(),
        };
        program.meaning(Some(code), text).0
    }

    #[test]
    fn every_known_failure_is_told_apart() {
        for (code, text, what) in [
            (
                29,
                "ERROR: [029]: unable to load info file\nFormatError: key/value found outside of \
                 section at line 1: x\nHINT: has a stanza-create been performed?",
                "passphrase",
            ),
            (
                55,
                "ERROR: [055]: unable to open missing file '/etc/x.conf' for read",
                "configuration",
            ),
            (
                55,
                "ERROR: [055]: unable to load info file\nHINT: has a stanza-create been performed?",
                "stanza",
            ),
            (37, "HINT: does this stanza exist?", "stanza"),
            (50, "ERROR: [050]: unable to acquire lock", "another backup"),
            (82, "ERROR: [082]: WAL segment was not archived", "in time"),
            (
                68,
                "archive_command must contain pgbackrest",
                "doesn't archive",
            ),
            (41, "unable to write: [28] No space left on device", "full"),
            (64, "ERROR: [064]: unable to write '/r/x.gz'", "be written"),
            (26, "ERROR: [026]: checksum", "damaged"),
            (32, "key '7' is not valid for 'repo' option", "this number"),
            (27, "ERROR: [027]: no database found", "doesn't reach"),
            (
                56,
                "ERROR: [056]: unable to find primary cluster - cannot proceed",
                "isn't the primary",
            ),
            (
                56,
                "WARN: unable to check pg1: [DbConnectError] unable to connect to 'port=5432'\n\
                 ERROR: [056]: unable to find primary cluster - cannot proceed",
                "doesn't reach",
            ),
            (25, "ERROR: [025]: assertion", "failed"),
        ] {
            assert!(meaning(code, text).contains(what), "{code} {text}");
        }
    }

    #[test]
    fn what_was_not_decrypted_is_not_shown() {
        let text = "ERROR: [029]: unable to load\nFormatError: key/value found outside of section at \
                    line 1: \u{fffd}\u{1}m,\nHINT: x\u{7}y";
        assert_eq!(
            readable(text),
            ["ERROR: [029]: unable to load", "HINT: xy"].map(str::to_owned)
        );
    }

    #[test]
    fn an_option_is_read_of_its_own_stanza() {
        let text = "[global]\nprocess-max=2\nx=1\n[other]\npg1-path=/a\n[main]\n#pg1-path=/b\n\
                    pg1-path = /c\nx=2\n";
        let read = |name| option(text, "main", name);
        assert_eq!(read("pg1-path").as_deref(), Some("/c"));
        assert_eq!(read("x").as_deref(), Some("2"));
        assert_eq!(read("process-max").as_deref(), Some("2"));
        assert_eq!(read("pg2-path"), None);
    }
}
