//! In which folder a cluster lies: the one that is wanted, or for root, when the server's user can't
//! get there (as under /root), one in a system folder, named after a hash of the wanted path.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::{
    account::Account,
    error::ClusterError,
    files::{ALL, BUSY_LOCK, DATA, PASSWORD, Site},
    text::stable_hash,
};

/// Where root's clusters go that can't lie where they are wanted, in this order.
const SYSTEM_FOLDERS: [&str; 2] = ["/var/lib", "/var/tmp"];

/// Chooses the folder and makes it ours; the same wanted path gives the same folder again.
pub(crate) fn settle(wanted: &Path, account: &Account) -> Result<Site, ClusterError> {
    settle_among(wanted, account, &SYSTEM_FOLDERS.map(Path::new))
}

fn settle_among(wanted: &Path, account: &Account, systems: &[&Path]) -> Result<Site, ClusterError> {
    let (wanted, existing) = resolve(wanted)
        .map_err(|source| ClusterError::io(format!("find {}", wanted.display()), source))?;
    if wanted
        .to_string_lossy()
        .contains(['"', '$', '`', '\\', '\n'])
    {
        return Err(ClusterError::FolderName { folder: wanted });
    }
    if !account.switches() {
        make_parents(&wanted)?;
        return claim(&wanted, account, 0o700);
    }
    let name = format!(
        "postgres-local-{:016x}",
        stable_hash(wanted.as_os_str().as_encoded_bytes())
    );
    let elsewhere: Vec<PathBuf> = systems.iter().map(|folder| folder.join(&name)).collect();
    let holds_data = |folder: &PathBuf| {
        folder.join(DATA).exists() && owner_of(folder).is_some_and(|uid| uid == account.own_uid())
    };
    // Somebody else's folder is claimed too, which says so.
    let is_foreign = owner_of(&wanted).is_some_and(|uid| uid != account.own_uid());
    if is_foreign || holds_data(&wanted) {
        let site = claim(&wanted, account, 0o711)?;
        return if account.can_enter(&wanted) {
            Ok(site)
        } else {
            Err(ClusterError::Unreachable { folder: wanted })
        };
    }
    if let Some(folder) = elsewhere.iter().find(|folder| holds_data(folder)) {
        return claim(folder, account, 0o711);
    }
    if account.can_enter(&existing) {
        make_parents(&wanted)?;
        let site = claim(&wanted, account, 0o711)?;
        if account.can_enter(&wanted) {
            return Ok(site);
        }
        // Our umask hid a folder above it that was just made.
        let _ = fs::remove_dir(&wanted);
    }
    let mut refused = ClusterError::Unreachable { folder: existing };
    for folder in &elsewhere {
        match claim(folder, account, 0o711) {
            Ok(site) if account.can_enter(folder) => return Ok(site),
            Ok(_) => {}
            // A system folder may be read-only or absent; the next will do. Anything that lies in
            // our place there is another matter.
            Err(error @ ClusterError::Io { .. }) => refused = error,
            Err(error) => return Err(error),
        }
    }
    Err(refused)
}

/// The absolute path without symbolic links, and the part of it that exists already.
fn resolve(wanted: &Path) -> io::Result<(PathBuf, PathBuf)> {
    let absolute = std::path::absolute(wanted)?;
    for ancestor in absolute.ancestors() {
        match ancestor.canonicalize() {
            Ok(existing) => {
                let rest = absolute.strip_prefix(ancestor).map_err(io::Error::other)?;
                let full = if rest == Path::new("") {
                    existing.clone()
                } else {
                    existing.join(rest)
                };
                return Ok((full, existing));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

fn make_parents(folder: &Path) -> Result<(), ClusterError> {
    let parent = folder.parent().unwrap_or(folder);
    fs::create_dir_all(parent)
        .map_err(|source| ClusterError::io(format!("create {}", parent.display()), source))
}

/// Creates the folder, or takes it over if it is a real folder of ours with nothing foreign in it.
fn claim(folder: &Path, account: &Account, mode: u32) -> Result<Site, ClusterError> {
    let failed =
        |action: &str, source| ClusterError::io(format!("{action} {}", folder.display()), source);
    match DirBuilder::new().mode(mode).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed("create", error));
        }
        _ => {}
    }
    let meta = fs::symlink_metadata(folder).map_err(|source| failed("look at", source))?;
    if !meta.is_dir() {
        return Err(ClusterError::NotAFolder {
            folder: folder.into(),
        });
    }
    if meta.uid() != account.own_uid() {
        let (owner, own) = (meta.uid(), account.own_uid());
        return Err(ClusterError::OtherOwner {
            folder: folder.into(),
            owner,
            own,
        });
    }
    if let Some(found) = foreign_entry(folder).map_err(|source| failed("read", source))? {
        return Err(ClusterError::NotOurs {
            folder: folder.into(),
            found,
        });
    }
    if meta.mode() & 0o7777 != mode {
        let permissions = Permissions::from_mode(mode);
        fs::set_permissions(folder, permissions).map_err(|source| failed("protect", source))?;
    }
    Ok(Site::new(folder.into()))
}

/// Something that no cluster of ours would have put there, unless one clearly lies beside it.
fn foreign_entry(folder: &Path) -> io::Result<Option<String>> {
    if folder.join(DATA).exists() && folder.join(PASSWORD).exists() {
        return Ok(None);
    }
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != BUSY_LOCK && !ALL.contains(&name.as_str()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn owner_of(folder: &Path) -> Option<u32> {
    fs::symlink_metadata(folder)
        .ok()
        .filter(fs::Metadata::is_dir)
        .map(|meta| meta.uid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::Scrap;
    use std::os::unix::fs::{chown, symlink};

    fn hide(folder: &Path) {
        fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn a_reachable_folder_is_used_as_wanted() {
        let (scrap, account) = (Scrap::new("place-plain"), Account::choose().unwrap());
        let wanted = scrap.path().join("a/b/postgres");
        let site = settle_among(&wanted, &account, &[]).unwrap();
        assert_eq!(site.folder(), wanted);
        let mode = fs::metadata(&wanted).unwrap().mode() & 0o777;
        assert_eq!(mode, if account.switches() { 0o711 } else { 0o700 });
    }

    #[test]
    fn symbolic_links_on_the_way_lead_to_the_same_folder() {
        let (scrap, account) = (Scrap::new("place-links"), Account::choose().unwrap());
        fs::create_dir(scrap.path().join("real")).unwrap();
        symlink(scrap.path().join("real"), scrap.path().join("link")).unwrap();
        let site = settle_among(&scrap.path().join("link/postgres"), &account, &[]).unwrap();
        assert_eq!(site.folder(), scrap.path().join("real/postgres"));
    }

    #[test]
    fn a_folder_with_something_foreign_is_refused_untouched() {
        let (scrap, account) = (Scrap::new("place-foreign"), Account::choose().unwrap());
        fs::write(scrap.path().join("thesis.txt"), "years of work").unwrap();
        let error = settle_among(scrap.path(), &account, &[]).unwrap_err();
        assert!(error.to_string().contains("thesis.txt"), "{error}");
        assert_eq!(fs::metadata(scrap.path()).unwrap().mode() & 0o777, 0o755);
    }

    #[test]
    fn a_path_that_a_shell_would_change_is_refused() {
        let (scrap, account) = (Scrap::new("place-shell"), Account::choose().unwrap());
        let error = settle_among(&scrap.path().join("a$HOME"), &account, &[]).unwrap_err();
        assert!(matches!(error, ClusterError::FolderName { .. }), "{error}");
    }

    #[test]
    fn an_unreachable_folder_is_replaced_by_a_system_folder_and_found_again() {
        let (scrap, account) = (Scrap::new("place-hidden"), Account::choose().unwrap());
        if !account.switches() {
            return;
        }
        let (home, system) = (scrap.path().join("home"), scrap.path().join("system"));
        fs::create_dir(&home).unwrap();
        fs::create_dir(&system).unwrap();
        hide(&home);
        let absent = scrap.path().join("absent");
        let settle = |name| settle_among(&home.join(name), &account, &[&absent, &system]).unwrap();

        let site = settle("one");
        assert_eq!(site.folder().parent(), Some(system.as_path()));
        assert!(!home.join("one").exists());
        assert_ne!(settle("two").folder(), site.folder());
        // Also when the wanted folder has become reachable: the data are where they were made.
        fs::create_dir(site.data()).unwrap();
        fs::set_permissions(&home, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(settle("one").folder(), site.folder());
    }

    #[test]
    fn a_stranger_in_the_system_folder_is_refused() {
        let (scrap, account) = (Scrap::new("place-stranger"), Account::choose().unwrap());
        if !account.switches() {
            return;
        }
        let (home, system) = (scrap.path().join("home"), scrap.path().join("system"));
        fs::create_dir(&home).unwrap();
        fs::create_dir(&system).unwrap();
        hide(&home);
        let settle = || settle_among(&home.join("x"), &account, &[&system]);
        let folder = settle().unwrap().folder().to_owned();

        chown(&folder, Some(65_534), None).unwrap();
        assert!(matches!(
            settle().unwrap_err(),
            ClusterError::OtherOwner { owner: 65_534, .. }
        ));
        fs::remove_dir(&folder).unwrap();
        symlink(&home, &folder).unwrap();
        assert!(matches!(
            settle().unwrap_err(),
            ClusterError::NotAFolder { .. }
        ));
    }
}
