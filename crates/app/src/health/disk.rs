//! How much room the database's disk has, where that is on this machine.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use domain::health::Disk;
use store::health::DataDirectory;

/// `None` on another machine, and where the folder can't be looked at.
pub(super) fn measure(directory: &DataDirectory) -> Option<Disk> {
    if !directory.is_near {
        return None;
    }
    let path = Path::new(&directory.path);
    let measured = rustix::fs::statvfs(path).ok()?;
    // As `df` reckons: what is kept for root is neither used nor free.
    Some(Disk {
        mount: mount_of(path).display().to_string(),
        // What is left to the database's own user.
        free: measured.f_bavail.saturating_mul(measured.f_frsize),
        size: (measured.f_blocks - measured.f_bfree.min(measured.f_blocks))
            .saturating_add(measured.f_bavail)
            .saturating_mul(measured.f_frsize),
    })
}

/// The highest folder above that is on the same disk; the folder itself where that can't be told.
fn mount_of(path: &Path) -> PathBuf {
    let device = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).ok();
    let Some(own) = device(path) else {
        return path.to_owned();
    };
    let same = path.ancestors().take_while(|one| device(one) == Some(own));
    same.last().unwrap_or(path).to_owned()
}
