//! The folder that a copy is restored to, and what may never be overwritten.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use postgres_local::Programs;
use rustix::fs::{FlockOperation, flock};
use tokio::process::Command;

use super::info::Cluster;
use crate::cli::CliError;

/// `PostgreSQL`'s own default of `max_wal_size`.
const LOG_MAX: u64 = 1 << 30;

/// What an operator has said may be lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    pub(super) replace: bool,
    pub(super) discard_newer_timeline: bool,
}

/// What was there before a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    EmptyFolder,
    DataFolder,
}

/// A folder that is restored to. Dropped before it is kept, it is as it was, unless that was a data
/// folder, of which something may still be of use.
#[derive(Debug)]
pub(super) struct Unfinished {
    folder: PathBuf,
    before: Before,
    had_tablespaces: bool,
}

impl Unfinished {
    fn of(folder: &Path, before: Before) -> Self {
        Self {
            folder: folder.to_owned(),
            before,
            had_tablespaces: tablespaces(folder).exists(),
        }
    }

    pub(super) fn keep(mut self) {
        self.before = Before::DataFolder;
    }

    fn clear(&self) -> io::Result<()> {
        let tablespaces = tablespaces(&self.folder);
        if !self.had_tablespaces && tablespaces.exists() {
            fs::remove_dir_all(tablespaces)?;
        }
        if self.before == Before::Nothing {
            return fs::remove_dir_all(&self.folder);
        }
        // The folder itself may be a disk's, or in one that isn't ours.
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.before == Before::DataFolder {
            return;
        }
        if let Err(error) = self.clear() {
            let folder = self.folder.display();
            eprintln!("stagedoor: what is half restored stays in {folder}: {error}");
        }
    }
}

/// Beside a copy's folder, for those of the running system must stay its own.
pub(super) fn tablespaces(folder: &Path) -> PathBuf {
    let mut path = folder.as_os_str().to_owned();
    path.push("-tablespaces");
    path.into()
}

/// Makes the folder, or refuses it. `cluster` is the backup's.
///
/// INVARIANT: a data folder that a process may use, or another cluster's, is never touched, whatever was
/// allowed; `a_restore_overwrites_nothing_that_it_was_not_told_to`.
pub(super) async fn prepare(
    folder: &Path,
    allowed: Allowed,
    cluster: Cluster,
) -> Result<Unfinished, CliError> {
    let shown = folder.display();
    if let Some(around) = data_folder_around(folder) {
        return Err(CliError::Failed(format!(
            "{shown} is inside of {}, a data folder of PostgreSQL, whose backups would have it too: \
             restore to a folder elsewhere",
            around.display()
        )));
    }
    let unfinished = |before| Unfinished::of(folder, before);
    match is_empty(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return make(folder).map(|()| unfinished(Before::Nothing));
        }
        Err(error) => return Err(CliError::failed(format!("can't use {shown}"), &error)),
        Ok(true) => return Ok(unfinished(Before::EmptyFolder)),
        Ok(false) => {}
    }
    may_be_replaced(folder, allowed, cluster).await?;
    Ok(unfinished(Before::DataFolder))
}

fn data_folder_around(folder: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(folder).ok()?;
    let mut around = folder.ancestors().skip(1);
    let found = around.find(|place| place.join("PG_VERSION").is_file());
    found.map(Path::to_owned)
}

async fn may_be_replaced(
    folder: &Path,
    allowed: Allowed,
    cluster: Cluster,
) -> Result<(), CliError> {
    let shown = folder.display();
    let refused = |why: String| Err(CliError::Failed(format!("{shown} {why}")));
    // Whether that process lives says nothing: a PostgreSQL may start at any time, and pgBackRest goes by
    // the file, too.
    if folder.join("postmaster.pid").symlink_metadata().is_ok() {
        return refused(
            "has a postmaster.pid and may be in use: stop that PostgreSQL first, or restore to another \
             folder (a stale postmaster.pid, which nothing belongs to any more, is to be removed by \
             hand)"
                .to_owned(),
        );
    }
    if !allowed.replace {
        return refused(
            "isn't empty: restore to a new folder, or overwrite the data folder of a stopped \
             PostgreSQL with --replace"
                .to_owned(),
        );
    }
    if !folder.join("PG_VERSION").is_file() {
        return refused(
            "isn't a data folder of PostgreSQL, and is not overwritten: restore to a new folder"
                .to_owned(),
        );
    }
    if folder.join("pg_wal").is_symlink() {
        return refused(
            "has its pg_wal in another place, by a link, and is not overwritten: restore to a new \
             folder"
                .to_owned(),
        );
    }
    let control = Control::read(&programs(major(folder)?)?, folder).await?;
    if control.number("Database system identifier") != Some(cluster.system_id) {
        return refused(
            "is the data of another cluster than the backup's, and is never overwritten: restore to a \
             new folder"
                .to_owned(),
        );
    }
    match unarchived(folder, &control, cluster) {
        Some(what) if !allowed.discard_newer_timeline => refused(format!(
            "{what}: what was sold there since is in no backup. Restore to a new folder, or give it up \
             with --discard-newer-timeline"
        )),
        _ => Ok(()),
    }
}

/// What the folder has and no archive, if anything.
fn unarchived(folder: &Path, control: &Control, cluster: Cluster) -> Option<String> {
    let known = [
        control.number("Latest checkpoint's TimeLineID"),
        // A standby is told of a new one before its first checkpoint on it.
        control.number("Min recovery ending loc's timeline"),
    ];
    let archived = cluster.newest_timeline;
    match known.into_iter().flatten().max() {
        None => return Some("doesn't tell its timeline".to_owned()),
        Some(timeline) if timeline > u64::from(archived) => {
            return Some(format!(
                "is on timeline {timeline}, and the archive knows {archived} at most"
            ));
        }
        Some(_) => {}
    }
    let waiting = fs::read_dir(folder.join("pg_wal/archive_status"));
    let waiting = waiting.into_iter().flatten().flatten();
    let is_ready = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|it| it == "ready");
    match waiting.filter(is_ready).count() {
        // A clean stop archives what it began, and what was just restored has begun nothing.
        0 if !folder.join("backup_label").exists()
            && control.value("Database cluster state") == Some("in production") => Some(
            "was not stopped cleanly, and the end of its log was not archived (start and stop that \
             PostgreSQL to archive it)"
                .to_owned(),
        ),
        0 => None,
        files => Some(format!(
            "has {files} files of the log that were not archived (start that PostgreSQL to archive them)"
        )),
    }
}

/// Refuses what doesn't fit, before anything is copied. `reusable` is what the restore overwrites, and
/// nothing else that lies on the disk.
pub(super) fn has_room(folder: &Path, files: u64, reusable: u64) -> Result<(), CliError> {
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
    let log = room_for_log(files);
    if free.saturating_add(reusable) >= files.saturating_add(log) {
        return Ok(());
    }
    Err(CliError::Failed(format!(
        "{} has too little room: the restored files need {} and {} more for their log, and {} are free. \
         Take another disk",
        place.display(),
        in_words(files),
        in_words(log),
        in_words(free)
    )))
}

/// Replaying lets the files grow, by a tenth as we reckon, and keeps as much log as `max_wal_size` says,
/// 1 GiB unless somebody has set it; of a small database as much again as it has itself.
fn room_for_log(files: u64) -> u64 {
    (files / 10).saturating_add(files.min(LOG_MAX))
}

/// Bytes in all files of a folder; 0 where there is none.
pub(super) fn size(folder: &Path) -> u64 {
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

/// A folder that is removed with everything in it, and whose lock is held until then.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf, #[expect(dead_code, reason = "held")] File);

/// What a drill's has beside its lock.
pub(super) const DATA: &str = "data";
const LOCK: &str = "stagedoor.lock";

impl Scratch {
    /// One of this process alone, in `parent`.
    pub(super) fn make(parent: &Path, purpose: &str) -> Result<Self, CliError> {
        let name = format!("stagedoor-{purpose}-{}", std::process::id());
        let parent = std::path::absolute(parent)
            .map_err(|error| CliError::failed("can't use that folder", &error))?;
        let folder = parent.join(name);
        make(&folder)?;
        let lock = lock(&folder)
            .map_err(|error| CliError::failed(format!("can't use {}", folder.display()), &error))?;
        Ok(Self(folder, lock))
    }

    /// Removes what processes left in `parent` that were killed: their locks are free.
    pub(super) fn sweep(parent: &Path, purpose: &str) {
        let prefix = format!("stagedoor-{purpose}-");
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let is_ours = entry.file_name().to_string_lossy().starts_with(&prefix)
                && entry.file_type().is_ok_and(|kind| kind.is_dir());
            let folder = entry.path();
            if !is_ours || !is_left(&folder) {
                continue;
            }
            // The lock last, so that what is swept in part is swept again.
            let _ = fs::remove_dir_all(folder.join(DATA));
            if let Err(error) = fs::remove_dir_all(&folder) {
                eprintln!("stagedoor: {} stays there: {error}", folder.display());
            }
        }
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

/// Held before it has its name, so that nobody takes the folder for one that was left.
fn lock(folder: &Path) -> io::Result<File> {
    let new = folder.join("new.lock");
    let file = File::create_new(&new)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    fs::rename(new, folder.join(LOCK))?;
    Ok(file)
}

/// A folder of ours that no process has any more; one without a lock may be somebody else's.
fn is_left(folder: &Path) -> bool {
    let lock = File::options().write(true).open(folder.join(LOCK));
    lock.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok())
}

fn is_empty(folder: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(folder)?.next().is_none())
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

    #[cfg(test)]
    pub(super) fn for_tests(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.0.lines().filter_map(|line| line.split_once(':'));
        let found = values.find(|(key, _)| *key == name);
        found.map(|(_, value)| value.trim())
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.value(name)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_is_no_room_and_what_is_overwritten_is() {
        let folder = tempfile::TempDir::new().unwrap();
        let beside = fs::File::create(folder.path().join("beside")).unwrap();
        beside.set_len(1 << 40).unwrap();
        let too_much = 1 << 50;
        assert!(has_room(folder.path(), 1, 0).is_ok());
        assert!(has_room(folder.path(), too_much, size(folder.path())).is_err());
        assert!(has_room(folder.path(), too_much, 2 * too_much).is_ok());
        let just_so = has_room(folder.path(), too_much, too_much);
        assert!(just_so.is_err(), "the log needs room, too");
    }

    #[test]
    fn log_takes_a_tenth_and_a_gibibyte_or_less() {
        assert_eq!(room_for_log(100), 110);
        assert_eq!(room_for_log(100 << 30), 11 << 30);
    }

    #[test]
    fn what_a_killed_drill_left_is_swept_and_nothing_else() {
        let parent = tempfile::TempDir::new().unwrap();
        let at = |name: &str| parent.path().join(name);
        for name in ["stagedoor-drill-x", "stagedoor-drill-y", "stagedoor-copy-x"] {
            fs::create_dir_all(at(name).join(DATA)).unwrap();
        }
        // A killed process holds no lock; the one without a file for it isn't ours.
        for name in ["stagedoor-drill-x", "stagedoor-copy-x"] {
            fs::write(at(name).join(LOCK), "").unwrap();
        }
        let living = Scratch::make(parent.path(), "drill").unwrap();
        Scratch::sweep(parent.path(), "drill");
        assert!(!at("stagedoor-drill-x").exists());
        assert!(at("stagedoor-drill-y").exists());
        assert!(at("stagedoor-copy-x").exists());
        assert!(living.path().exists());
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
    }
}
