//! Where PostgreSQL's programs are: the configured folder, else `PATH`, `pg_config`, else the folders
//! in which the usual packages put them, newest version first.
//!
//! A folder counts when it holds `initdb`, `postgres` and `pg_ctl`; packages that bring only the
//! client (`psql`) are passed over.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The oldest major version that is accepted.
pub const OLDEST_MAJOR: u32 = 15;

const NEEDED: [&str; 3] = ["initdb", "postgres", "pg_ctl"];

/// PostgreSQL's server programs of one version, in one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    bin_dir: PathBuf,
    version: String,
    major: u32,
}

/// Why no usable PostgreSQL was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    #[error(
        "PostgreSQL's server programs were not found: install them (Debian and Ubuntu: `apt-get \
         install postgresql`, Fedora: `dnf install postgresql-server`, macOS: `brew install \
         postgresql@17`) or configure the folder that holds initdb, postgres and pg_ctl"
    )]
    Missing,
    #[error(
        "the configured folder {} does not hold PostgreSQL's server programs: no executable \
         `{program}` is there", folder.display()
    )]
    NotThere {
        folder: PathBuf,
        program: &'static str,
    },
    #[error(
        "PostgreSQL {version} in {} is too old: install version {OLDEST_MAJOR} or newer, or \
         configure the folder of a newer one", folder.display()
    )]
    TooOld { folder: PathBuf, version: String },
    #[error("the version of {} is unknown: `--version` said {said:?}", program.display())]
    UnknownVersion { program: PathBuf, said: String },
}

impl Programs {
    /// The programs in `configured` (or its `bin`), and without it the first ones found.
    pub fn find(configured: Option<&Path>) -> Result<Self, FindError> {
        Search::of_this_machine().find(configured, None)
    }

    /// As [`Programs::find`], preferring those of one major version, for data that need just it.
    pub fn find_major(configured: Option<&Path>, major: u32) -> Result<Self, FindError> {
        Search::of_this_machine().find(configured, Some(major))
    }

    /// The folder the programs lie in.
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// The whole version, such as `15.18`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The version that decides which data folders can be read, such as 15.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The path of one program, such as `psql`; it may be absent unless it is one of the server's.
    pub fn path(&self, program: &str) -> PathBuf {
        self.bin_dir.join(program)
    }

    fn in_folder(folder: &Path) -> Result<Self, FindError> {
        if let Some(program) = lacking(folder) {
            return Err(FindError::NotThere {
                folder: folder.into(),
                program,
            });
        }
        // Links to the programs don't bring the others along that lie beside them, such as `psql`.
        let real = folder.join("postgres").canonicalize().ok();
        let real = real
            .as_deref()
            .and_then(Path::parent)
            .filter(|real| lacking(real).is_none());
        let folder = real.unwrap_or(folder);
        let program = folder.join("postgres");
        let said = said_by(&program, "--version").unwrap_or_default();
        let Some((version, major)) = parse_version(&said) else {
            return Err(FindError::UnknownVersion { program, said });
        };
        if major < OLDEST_MAJOR {
            return Err(FindError::TooOld {
                folder: folder.into(),
                version,
            });
        }
        Ok(Self {
            bin_dir: folder.into(),
            version,
            major,
        })
    }
}

/// A folder in which each version has a folder of its own, named `prefix` and a version.
#[derive(Debug)]
struct Shelf {
    folder: PathBuf,
    prefix: &'static str,
}

#[derive(Debug)]
struct Search {
    path: Vec<PathBuf>,
    shelves: Vec<Shelf>,
}

impl Search {
    fn of_this_machine() -> Self {
        let shelf = |folder: &str, prefix| Shelf {
            folder: folder.into(),
            prefix,
        };
        Self {
            path: env::var_os("PATH")
                .map(|path| env::split_paths(&path).collect())
                .unwrap_or_default(),
            shelves: vec![
                shelf("/usr/lib/postgresql", ""),
                shelf("/usr", "pgsql-"),
                shelf("/opt/homebrew/opt", "postgresql"),
                shelf("/usr/local/opt", "postgresql"),
                shelf("/Applications/Postgres.app/Contents/Versions", ""),
            ],
        }
    }

    fn find(&self, configured: Option<&Path>, major: Option<u32>) -> Result<Programs, FindError> {
        if let Some(folder) = configured {
            let inner = folder.join("bin");
            let holds_inner = is_program(&inner.join("initdb"));
            return Programs::in_folder(if holds_inner { &inner } else { folder });
        }
        let mut first = None;
        let mut first_error = None;
        for folder in self.folders() {
            match Programs::in_folder(&folder) {
                Ok(found) if major.is_none_or(|major| major == found.major) => return Ok(found),
                Ok(found) => first = first.or(Some(found)),
                Err(FindError::NotThere { .. }) => {}
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first.ok_or(first_error.unwrap_or(FindError::Missing))
    }

    /// Every folder worth a look, best first.
    fn folders(&self) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = self
            .path
            .iter()
            .filter(|p| p.is_absolute())
            .cloned()
            .collect();
        let pg_config = folders
            .iter()
            .map(|folder| folder.join("pg_config"))
            .find(|p| is_program(p));
        folders.extend(
            pg_config
                .and_then(|program| said_by(&program, "--bindir"))
                .map(PathBuf::from),
        );
        folders.extend(self.shelves.iter().flat_map(Shelf::folders));
        folders
    }
}

impl Shelf {
    /// The `bin` folders on this shelf, newest version first (9.6 before 9.5, 15 before 9).
    fn folders(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let mut versions: Vec<(Vec<u32>, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                let version = name.to_str()?.strip_prefix(self.prefix)?;
                Some((version_numbers(version), entry.path().join("bin")))
            })
            .collect();
        versions.sort_unstable_by(|a, b| b.cmp(a));
        versions.into_iter().map(|(_, folder)| folder).collect()
    }
}

/// The numbers in a folder's name: `@17` is [17], `9.6` is [9, 6], `latest` is [].
fn version_numbers(name: &str) -> Vec<u32> {
    name.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian …)`, also `17beta1` and `18devel`.
fn parse_version(said: &str) -> Option<(String, u32)> {
    let version = said
        .split_once("(PostgreSQL) ")?
        .1
        .split_whitespace()
        .next()?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((version.to_owned(), digits.parse().ok()?))
}

fn said_by(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program)
        .arg(OsStr::new(argument))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The first of the server's programs that is not in this folder.
fn lacking(folder: &Path) -> Option<&'static str> {
    NEEDED
        .into_iter()
        .find(|name| !is_program(&folder.join(name)))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::Scrap;

    /// Programs that only say which version they are.
    fn install(folder: &Path, version: &str) {
        fs::create_dir_all(folder).unwrap();
        for name in NEEDED {
            script(
                &folder.join(name),
                &format!("echo '{name} (PostgreSQL) {version} (Test)'"),
            );
        }
    }

    fn script(path: &Path, body: &str) {
        fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn search(path: &[&Path], shelves: &[(&Path, &'static str)]) -> Search {
        Search {
            path: path.iter().map(|p| p.to_path_buf()).collect(),
            shelves: shelves
                .iter()
                .map(|&(folder, prefix)| Shelf {
                    folder: folder.into(),
                    prefix,
                })
                .collect(),
        }
    }

    #[test]
    fn a_configured_folder_comes_before_path_and_path_before_pg_config_and_shelves() {
        let scrap = Scrap::new("find-order");
        let at = |name: &str| scrap.path().join(name);
        install(&at("mine/bin"), "16.1");
        install(&at("path"), "15.2");
        install(&at("told"), "17.3");
        install(&at("shelf/18/bin"), "18.4");
        fs::create_dir_all(at("tools")).unwrap();
        script(
            &at("tools/pg_config"),
            &format!("echo {}", at("told").display()),
        );

        let all = search(&[&at("tools"), &at("path")], &[(&at("shelf"), "")]);
        assert_eq!(
            all.find(Some(&at("mine")), None).unwrap().bin_dir(),
            at("mine/bin")
        );
        assert_eq!(
            all.find(Some(&at("mine/bin")), None).unwrap().version(),
            "16.1"
        );
        assert_eq!(all.find(None, None).unwrap().bin_dir(), at("path"));

        let no_path = search(&[&at("tools")], &[(&at("shelf"), "")]);
        assert_eq!(no_path.find(None, None).unwrap().version(), "17.3");

        let only_shelf = search(&[], &[(&at("shelf"), "")]);
        assert_eq!(
            only_shelf.find(None, None).unwrap().path("psql"),
            at("shelf/18/bin/psql")
        );
    }

    #[test]
    fn shelves_are_read_newest_first_by_number() {
        let scrap = Scrap::new("find-shelves");
        let (debian, homebrew) = (scrap.path().join("debian"), scrap.path().join("homebrew"));
        for version in ["9.6", "15", "16"] {
            install(&debian.join(version).join("bin"), &format!("{version}.1"));
        }
        install(&homebrew.join("postgresql@17/bin"), "17.1");
        install(&homebrew.join("mysql@99/bin"), "99.1");

        assert_eq!(
            search(&[], &[(&debian, "")])
                .find(None, None)
                .unwrap()
                .version(),
            "16.1"
        );
        assert_eq!(
            search(&[], &[(&homebrew, "postgresql")])
                .find(None, None)
                .unwrap()
                .version(),
            "17.1"
        );
        let both = search(&[], &[(&debian, ""), (&homebrew, "postgresql")]);
        assert_eq!(both.find(None, Some(15)).unwrap().version(), "15.1");
        assert_eq!(
            both.find(None, Some(18)).unwrap().version(),
            "16.1",
            "the best, if none fits"
        );
    }

    #[test]
    fn a_folder_without_all_server_programs_does_not_count() {
        let scrap = Scrap::new("find-client-only");
        let (client, server) = (scrap.path().join("client"), scrap.path().join("server"));
        install(&client, "17.1");
        fs::remove_file(client.join("pg_ctl")).unwrap();
        install(&server, "15.1");

        assert_eq!(
            search(&[&client, &server], &[])
                .find(None, None)
                .unwrap()
                .version(),
            "15.1"
        );
        let error = search(&[&server], &[])
            .find(Some(&client), None)
            .unwrap_err();
        assert!(
            matches!(
                error,
                FindError::NotThere {
                    program: "pg_ctl",
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn links_to_the_programs_lead_to_their_folder() {
        let scrap = Scrap::new("find-links");
        let (real, links) = (scrap.path().join("real"), scrap.path().join("links"));
        install(&real, "15.1");
        fs::create_dir(&links).unwrap();
        for name in NEEDED {
            std::os::unix::fs::symlink(real.join(name), links.join(name)).unwrap();
        }
        assert_eq!(
            search(&[&links], &[]).find(None, None).unwrap().bin_dir(),
            real
        );
    }

    #[test]
    fn an_old_version_is_named_unless_a_newer_one_is_there() {
        let scrap = Scrap::new("find-old");
        let (old, new) = (scrap.path().join("old"), scrap.path().join("new"));
        install(&old, "14.22");
        install(&new, "15.0");

        assert_eq!(
            search(&[&old, &new], &[])
                .find(None, None)
                .unwrap()
                .version(),
            "15.0"
        );
        let error = search(&[&old], &[])
            .find(None, None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("14.22") && error.contains("15 or newer"),
            "{error}"
        );
    }

    #[test]
    fn nothing_found_says_what_to_install() {
        let error = search(&[], &[]).find(None, None).unwrap_err().to_string();
        for part in [
            "apt-get install postgresql",
            "dnf install postgresql-server",
            "brew install postgresql@17",
            "configure the folder",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn versions_are_read_from_what_postgres_says() {
        let read = parse_version;
        assert_eq!(
            read("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"),
            Some(("15.18".into(), 15))
        );
        assert_eq!(
            read("postgres (PostgreSQL) 18beta2"),
            Some(("18beta2".into(), 18))
        );
        assert_eq!(read("nonsense"), None);
    }
}
