//! How a copy gets its log, and whether it got all of it: `PostgreSQL` takes whatever keeps a file of the
//! log away, be it a gap or a repository that is out of reach, for the end of the log.

use std::fs;
use std::path::Path;

use super::folder::Control;
use super::info::{Backup, Info};
use super::pgbackrest::PgBackRest;

/// The log that a backup is followed with.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) repo: i32,
    /// The last file that the repository had before the restore, by its timeline and number.
    last: Option<String>,
}

impl Log {
    pub(super) fn of(info: &Info, backup: &Backup) -> Self {
        Self {
            repo: backup.repo(),
            last: info.last_log(backup).map(str::to_owned),
        }
    }

    /// Says so if a copy that took all that it got lacks what the repository had.
    pub(super) fn is_cut_short(&self, data: &Path, control: &Control) -> Option<String> {
        let (timeline, end) = promotion(data)?;
        self.lacks(&segment(timeline, end.checked_sub(1)?, control)?)
    }

    /// The same of one that didn't reach its target, by what its server said.
    pub(super) fn is_missed(&self, said: &str, control: &Control) -> Option<String> {
        let mark = "redo done at ";
        let (_, rest) = said.lines().rev().find_map(|line| line.split_once(mark))?;
        let at = position(rest.split_whitespace().next()?)?;
        let last = self.last.as_ref()?;
        let timeline = u32::from_str_radix(last.get(..8)?, 16).ok()?;
        self.lacks(&segment(timeline, at, control)?)
    }

    fn lacks(&self, reached: &str) -> Option<String> {
        let last = self.last.as_ref().filter(|last| reached < last.as_str())?;
        let repo = self.repo;
        Some(format!(
            "the copy ends with file {reached} of the log, and repository {repo} goes on to {last}: one \
             between them is missing or could not be read. See with `stagedoor backup check --repo \
             {repo}` which, and restore from another repository with --repo"
        ))
    }
}

/// What `PostgreSQL` calls to get a file of the log. Those of the running system wait for each other by a
/// lock and share a spool, which this one must stay out of.
pub(super) fn restore_command(
    program: &PgBackRest,
    repo: i32,
    data: &Path,
    private: &Path,
) -> String {
    let option = |name: &str, path: &Path| quoted(&format!("--{name}={}", path.display()));
    format!(
        "pgbackrest {} {} {} {} --repo={repo} --no-archive-async --log-level-console=off \
         archive-get %f \"%p\"",
        option("config", program.config()),
        quoted(&format!("--stanza={}", program.stanza())),
        option("pg1-path", data),
        option("lock-path", &private.join("lock")),
    )
}

/// For a shell, which `PostgreSQL` calls after it has replaced `%p` and the like.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''").replace('%', "%%"))
}

/// The newest timeline that a server began, by the last line of its history: the one before it, and where
/// that ended.
fn promotion(data: &Path) -> Option<(u32, u64)> {
    let files = fs::read_dir(data.join("pg_wal")).ok()?.flatten();
    let histories = files.filter(|it| it.path().extension().is_some_and(|it| it == "history"));
    let newest = histories.map(|it| it.path()).max()?;
    let text = fs::read_to_string(newest).ok()?;
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let mut parts = lines.next_back()?.split_whitespace();
    Some((parts.next()?.parse().ok()?, position(parts.next()?)?))
}

/// A position in the log, such as `1/9F000028`.
fn position(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let part = |text| u64::from_str_radix(text, 16).ok();
    Some((part(high)? << 32) | part(low)?)
}

/// The name of the file in which a position lies.
fn segment(timeline: u32, position: u64, control: &Control) -> Option<String> {
    let bytes = control.number("Bytes per WAL segment")?;
    let number = position.checked_div(bytes)?;
    let per_name = (1_u64 << 32).checked_div(bytes)?;
    Some(format!(
        "{:08X}{:08X}{:08X}",
        timeline,
        number.checked_div(per_name)?,
        number.checked_rem(per_name)?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(last: &str) -> Log {
        Log {
            repo: 2,
            last: Some(last.to_owned()),
        }
    }

    #[test]
    fn a_copy_without_the_end_of_the_archive_is_told_from_a_whole_one() {
        let control = Control::for_tests("Bytes per WAL segment:             16777216\n");
        let data = tempfile::TempDir::new().unwrap();
        fs::create_dir(data.path().join("pg_wal")).unwrap();
        let history = data.path().join("pg_wal/00000003.history");
        let text = "1\t0/3000000\tno recovery target specified\n\n\
                    2\t1/5000000\tno recovery target specified\n";
        fs::write(history, text).unwrap();
        let whole = log("000000020000000100000004").is_cut_short(data.path(), &control);
        assert_eq!(whole, None);
        let cut = log("000000020000000100000005").is_cut_short(data.path(), &control);
        let cut = cut.unwrap();
        for part in [
            "000000020000000100000004",
            "000000020000000100000005",
            "backup check --repo 2",
        ] {
            assert!(cut.contains(part), "{cut}");
        }
        let said = "LOG:  redo done at 1/4FFFFF8 system usage: CPU: 0.00 s\nFATAL:  no";
        let of = |last| log(last).is_missed(said, &control);
        assert_eq!(of("000000020000000100000004"), None);
        assert!(of("000000020000000100000007").is_some());
    }

    #[test]
    fn a_path_is_one_word_of_the_command() {
        assert_eq!(quoted("a 100% 'b'"), r"'a 100%% '\''b'\'''");
    }
}
