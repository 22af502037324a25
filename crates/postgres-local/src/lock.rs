//! Who may work in a cluster's folder. Two locks, both the kernel's, so that they end with their
//! holders whatever happens: `owner.lock` is held by the process that opened the cluster,
//! `busy.lock` by its watchdog, which outlives it for as long as it has to clean up.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    process,
    time::Duration,
};

use crate::{
    error::ClusterError,
    files::{BUSY_LOCK, OWNER_LOCK, Site},
    process::wait_until,
};

/// A watchdog gives the server 30 seconds for a fast stop, then 10 for an immediate one.
const WATCHDOG_MAX: Duration = Duration::from_secs(50);

/// Both locks, taken. `busy` goes to the watchdog.
#[derive(Debug)]
pub(crate) struct Locks {
    pub(crate) owner: OwnerLock,
    pub(crate) busy: File,
}

/// The owner's lock, given back when dropped.
///
/// Closing the file isn't enough: a child that another thread is just starting has a copy of it
/// until it runs its program, and would keep the lock for that moment (flock(2)).
#[derive(Debug)]
pub(crate) struct OwnerLock(File);

impl Drop for OwnerLock {
    fn drop(&mut self) {
        // Without success the lock ends with the last copy of the file.
        let _ = self.0.unlock();
    }
}

/// Takes both locks, waiting for the watchdog of a process that has ended. None means that the
/// folder was removed under our hands and has to be made again.
pub(crate) fn take(site: &Site) -> Result<Option<Locks>, ClusterError> {
    take_within(site, WATCHDOG_MAX)
}

fn take_within(site: &Site, limit: Duration) -> Result<Option<Locks>, ClusterError> {
    let failed = |source| ClusterError::io(format!("lock {}", site.folder().display()), source);
    let in_use = |process| ClusterError::InUse {
        folder: site.folder().into(),
        process,
    };

    let owner_path = site.at(OWNER_LOCK);
    let Some(mut owner) = open(&owner_path).map_err(failed)? else {
        return Ok(None);
    };
    if !try_lock(&owner).map_err(failed)? {
        let mut text = String::new();
        owner.read_to_string(&mut text).map_err(failed)?;
        return Err(in_use(text.trim().parse().ok()));
    }
    write_id(&mut owner).map_err(failed)?;
    let owner = OwnerLock(owner);

    let busy_path = site.at(BUSY_LOCK);
    let Some(busy) = open(&busy_path).map_err(failed)? else {
        return Ok(None);
    };
    if !wait_until(limit, || try_lock(&busy)).map_err(failed)? {
        return Err(in_use(None));
    }
    let current = is_at(&owner.0, &owner_path) && is_at(&busy, &busy_path);
    Ok(current.then_some(Locks { owner, busy }))
}

fn open(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    match options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
    {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn write_id(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", process::id())
}

/// The file is still the one that others find under its name.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::Scrap;

    #[test]
    fn a_second_owner_is_refused_and_told_who_the_first_is() {
        let scrap = Scrap::new("lock-owner");
        let site = Site::new(scrap.path().into());
        let locks = take(&site).unwrap().unwrap();
        let error = take(&site).unwrap_err().to_string();
        assert!(
            error.contains(&format!("process {}", process::id())),
            "{error}"
        );
        drop(locks);
        assert!(take(&site).unwrap().is_some());
    }

    #[test]
    fn a_new_owner_waits_for_the_watchdog_of_the_last() {
        let scrap = Scrap::new("lock-busy");
        let site = Site::new(scrap.path().into());
        let Locks { owner, busy } = take(&site).unwrap().unwrap();
        drop(owner);
        let error = take_within(&site, Duration::from_millis(50)).unwrap_err();
        assert!(
            matches!(error, ClusterError::InUse { process: None, .. }),
            "{error}"
        );
        let watchdog = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            drop(busy);
        });
        assert!(take(&site).unwrap().is_some());
        watchdog.join().unwrap();
    }

    #[test]
    fn locks_on_files_that_were_removed_meanwhile_do_not_count() {
        let scrap = Scrap::new("lock-removed");
        let site = Site::new(scrap.path().into());
        let Locks { owner, busy } = take(&site).unwrap().unwrap();
        drop(owner);
        let path = site.at(BUSY_LOCK);
        let watchdog = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            fs::remove_file(path).unwrap();
            drop(busy);
        });
        assert!(take(&site).unwrap().is_none());
        assert!(take(&site).unwrap().is_some());
        watchdog.join().unwrap();
        assert!(
            take(&Site::new(scrap.path().join("absent")))
                .unwrap()
                .is_none()
        );
    }
}
