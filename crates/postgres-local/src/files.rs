//! Writing files so that they are whole and private, and the names of everything in a cluster's folder.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::account::Account;

/// The server's files.
pub(crate) const DATA: &str = "data";
/// Where `initdb` works; renamed to `data` when it has ended, so `data` is always whole.
pub(crate) const UNFINISHED: &str = "data.unfinished";
pub(crate) const LOG: &str = "log";
pub(crate) const PASSWORD: &str = "superuser-password";
pub(crate) const PORT: &str = "port";
pub(crate) const SETTINGS: &str = "settings.conf";
/// Its presence says that nothing in the folder is worth keeping.
pub(crate) const SCRATCH: &str = "scratch";
pub(crate) const OWNER_LOCK: &str = "owner.lock";
pub(crate) const BUSY_LOCK: &str = "busy.lock";
pub(crate) const NEW_PID_FILE: &str = "postmaster.pid.new";

/// What a scratch cluster consists of, in the order of its removal; `busy.lock` and the folder
/// itself come after these, see `watchdog`.
pub(crate) const ALL: [&str; 11] = [
    DATA,
    UNFINISHED,
    LOG,
    PASSWORD,
    PORT,
    "port.new",
    SETTINGS,
    "settings.conf.new",
    NEW_PID_FILE,
    SCRATCH,
    OWNER_LOCK,
];

/// The folder of one cluster. It belongs to us and only we write into it; `data` and `log` in it
/// belong to whoever runs the server, who thus can't make us follow a symbolic link.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    folder: PathBuf,
    data: PathBuf,
}

impl Site {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            data: folder.join(DATA),
            folder,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.at(LOG).join("server.log")
    }
}

/// Replaces a file by one with these contents that only its owner, the server's user, can read;
/// it is on disk when this returns.
pub(crate) fn write_private(path: &Path, contents: &str, account: &Account) -> io::Result<()> {
    remove(path)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(contents.as_bytes())?;
    file.sync_all()?;
    account.give(path)
}

/// Replaces a file by one that all who can enter the folder can read; never half written.
pub(crate) fn write_readable(path: &Path, contents: &str) -> io::Result<()> {
    let new = path.with_added_extension("new");
    remove(&new)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&new)?;
    file.write_all(contents.as_bytes())?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.sync_all()?;
    fs::rename(&new, path)
}

/// Removes a file or a whole folder, if it is there; symbolic links are not followed.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the folder's entries, such as a rename in it, survive a power cut.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::{env, process};

    /// A folder for one test that everybody can enter and that goes with the test.
    #[derive(Debug)]
    pub(crate) struct Scrap(PathBuf);

    impl Scrap {
        pub(crate) fn new(name: &str) -> Self {
            let folder = env::temp_dir().join(format!("postgres-local-{name}-{}", process::id()));
            remove(&folder).unwrap();
            fs::create_dir_all(&folder).unwrap();
            fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
            Self(folder.canonicalize().unwrap())
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Scrap {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_symbolic_link_is_removed_and_not_what_it_points_to() {
        let scrap = Scrap::new("files-link");
        let (target, link) = (scrap.path().join("target"), scrap.path().join("link"));
        fs::create_dir(&target).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        remove(&link).unwrap();
        remove(&link).unwrap();
        assert!(target.exists() && fs::symlink_metadata(&link).is_err());
    }
}
