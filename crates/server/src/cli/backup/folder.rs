//! The folder that a copy is restored to, and what may never be overwritten.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use postgres_local::Programs;
use rustix::process::{Pid, test_kill_process};
use tokio::process::Command;

use crate::cli::CliError;

/// What an operator has said may be lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    pub(super) replace: bool,
    pub(super) discard_newer_timeline: bool,
}

/// Makes the folder, or refuses it. `newest_timeline` is the archive's.
///
/// INVARIANT: a data folder that a process may use is never touched, whatever was allowed;
/// `a_restore_overwrites_nothing_that_it_was_not_told_to`.
pub(super) async fn prepare(
    folder: &Path,
    allowed: Allowed,
    newest_timeline: u32,
) -> Result<(), CliError> {
    let shown = folder.display();
    match is_empty(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return make(folder),
        Err(error) => return Err(CliError::failed(format!("can't use {shown}"), &error)),
        Ok(true) => return Ok(()),
        Ok(false) => {}
    }
    let postmaster = folder.join("postmaster.pid");
    if let Some(pid) = recorded_process(&postmaster) {
        return Err(CliError::Failed(format!(
            "{shown} is in use by process {pid}: restore to another folder, or stop that PostgreSQL \
             first (a postmaster.pid that nothing belongs to any more must be removed by hand)"
        )));
    }
    if !allowed.replace {
        return Err(CliError::Failed(format!(
            "{shown} isn't empty: restore to a new folder, or overwrite the data folder of a stopped \
             PostgreSQL with --replace"
        )));
    }
    if !folder.join("PG_VERSION").is_file() {
        return Err(CliError::Failed(format!(
            "{shown} isn't a data folder of PostgreSQL, and is not overwritten: restore to a new \
             folder"
        )));
    }
    let timeline = timeline(folder).await?;
    if timeline > newest_timeline && !allowed.discard_newer_timeline {
        return Err(CliError::Failed(format!(
            "{shown} is on timeline {timeline}, and the archive knows {newest_timeline} at most: what \
             was sold there since is in no backup. Restore to a new folder, or give it up with \
             --discard-newer-timeline"
        )));
    }
    // Nothing uses it, as was seen above; pgBackRest goes by the file alone.
    match fs::remove_file(&postmaster) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(CliError::failed("can't remove postmaster.pid", &error))
        }
        _ => Ok(()),
    }
}

/// Refuses what doesn't fit, before anything is copied. What is there already counts as room: a restore
/// overwrites it.
pub(super) fn has_room(folder: &Path, needed: u64) -> Result<(), CliError> {
    let folder = &std::path::absolute(folder)
        .map_err(|error| CliError::failed("can't use that folder", &error))?;
    let nearest = folder.ancestors().find(|path| path.exists());
    let place = nearest.unwrap_or(folder);
    let room = rustix::fs::statvfs(place).map_err(|error| {
        CliError::failed(
            format!("can't tell the room in {}", place.display()),
            &error,
        )
    })?;
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    if free >= needed || free.saturating_add(size(folder)) >= needed {
        return Ok(());
    }
    Err(CliError::Failed(format!(
        "{} has too little room: the restored files need {}, and {} are free. Take another disk",
        place.display(),
        in_words(needed),
        in_words(free)
    )))
}

/// In all files of a folder; 0 where there is none.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn in_words(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

/// As `PostgreSQL` demands it: for its user alone.
pub(super) fn make(folder: &Path) -> Result<(), CliError> {
    let made = DirBuilder::new()
        .mode(0o700)
        .recursive(false)
        .create(folder);
    made.map_err(|error| {
        CliError::failed(
            format!(
                "can't make {} (its parent must be there, and be writable for PostgreSQL's user)",
                folder.display()
            ),
            &error,
        )
    })
}

/// A folder that is removed with everything in it.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// One of this process alone, in `parent`.
    pub(super) fn make(parent: &Path, purpose: &str) -> Result<Self, CliError> {
        let name = format!("stagedoor-{purpose}-{}", std::process::id());
        let parent = std::path::absolute(parent)
            .map_err(|error| CliError::failed("can't use that folder", &error))?;
        let folder = parent.join(name);
        make(&folder)?;
        Ok(Self(folder))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("stagedoor: {} stays there: {error}", self.0.display());
        }
    }
}

fn is_empty(folder: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(folder)?.next().is_none())
}

/// The process that a `postmaster.pid` names, if it lives. One that can't be read counts as living.
fn recorded_process(file: &Path) -> Option<String> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(format!("of unknown number ({error})")),
        Ok(text) => text,
    };
    let first = text.lines().next().unwrap_or_default().trim();
    // A standalone server's number has a minus sign.
    let number = first.trim_start_matches('-').parse().ok();
    let Some(pid) = number.and_then(Pid::from_raw) else {
        return Some(format!("of unknown number ({first:?})"));
    };
    match test_kill_process(pid) {
        Err(rustix::io::Errno::SRCH) => None,
        // Somebody else's process lives, too.
        _ => Some(first.to_owned()),
    }
}

/// PostgreSQL's programs of one major version.
pub(super) fn programs(major: u32) -> Result<Programs, CliError> {
    let found = Programs::find_major(None, major)
        .map_err(|error| CliError::failed("can't find PostgreSQL", &error))?;
    if found.major() == major {
        return Ok(found);
    }
    Err(CliError::Failed(format!(
        "this needs the server programs of PostgreSQL {major}, and found are those of {}: install \
         them",
        found.version()
    )))
}

/// The major version whose data a folder has.
pub(super) fn major(folder: &Path) -> Result<u32, CliError> {
    let unreadable = |error: &(dyn std::error::Error + 'static)| {
        CliError::failed(
            format!("can't read PG_VERSION in {}", folder.display()),
            error,
        )
    };
    let text = fs::read_to_string(folder.join("PG_VERSION")).map_err(|error| unreadable(&error))?;
    text.trim().parse().map_err(|error| unreadable(&error))
}

async fn timeline(folder: &Path) -> Result<u32, CliError> {
    let control = Control::read(&programs(major(folder)?)?, folder).await?;
    let of = |name| control.value(name).and_then(|text| text.parse().ok());
    let known: [Option<u32>; 2] = [
        of("Latest checkpoint's TimeLineID"),
        // A standby is told of a new one before its first checkpoint on it.
        of("Min recovery ending loc's timeline"),
    ];
    known.into_iter().flatten().max().ok_or_else(|| {
        CliError::Failed(format!(
            "can't tell the timeline of {}, which therefore is not overwritten",
            folder.display()
        ))
    })
}

/// What `pg_controldata` says of a data folder.
#[derive(Debug)]
pub(super) struct Control(String);

impl Control {
    pub(super) async fn read(programs: &Programs, folder: &Path) -> Result<Self, CliError> {
        let what = || format!("can't read what {} is", folder.display());
        let output = Command::new(programs.path("pg_controldata"))
            .arg("-D")
            .arg(folder)
            .env("LC_ALL", "C")
            .output()
            .await;
        let output = output.map_err(|error| CliError::failed(what(), &error))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(CliError::Failed(format!(
                "{}\n  because: {}",
                what(),
                said.trim()
            )));
        }
        Ok(Self(String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.0.lines().filter_map(|line| line.split_once(':'));
        let found = values.find(|(key, _)| *key == name);
        found.map(|(_, value)| value.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_cannot_be_read_counts_as_a_living_process() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("postmaster.pid");
        assert_eq!(recorded_process(&file), None);
        let own = std::process::id().to_string();
        for (text, lives) in [
            (own.as_str(), true),
            ("", true),
            ("nonsense\n", true),
            // No system gives it out.
            ("2147483646\n/data\n", false),
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(recorded_process(&file).is_some(), lives, "{text:?}");
        }
    }
}
