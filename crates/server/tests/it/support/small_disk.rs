//! A disk that a test can fill: a file system in memory, which only root may mount.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Unmounted when dropped.
#[derive(Debug)]
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, with a word about it, where it may not be mounted. `folder` is an empty one of the test's.
    pub(crate) fn mount(folder: &Path, megabytes: u32) -> Option<Self> {
        fs::create_dir_all(folder).expect("a folder");
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={megabytes}m,mode=0777"),
                "tmpfs",
            ])
            .arg(folder)
            .output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(folder.to_owned()));
        }
        eprintln!("SKIPPED: a small disk can't be mounted (only root may)");
        None
    }

    /// Leaves so many bytes.
    pub(crate) fn fill_but(&self, bytes: u64) {
        let mut ballast = File::create(self.ballast()).expect("a file");
        let block = [1; 4096];
        while ballast.write_all(&block).is_ok() {}
        let length = ballast.metadata().expect("its length").len();
        ballast.set_len(length - bytes).expect("a shorter file");
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.ballast()).expect("the ballast");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Also while a process still has a file open there.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}
