//! A private cluster as its user sees it: open, connect, stop, start, kill.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use crate::{
    account::Account,
    error::ClusterError,
    files::{self, ALL, OWNER_LOCK, PASSWORD, PORT, SCRATCH, SETTINGS, Site},
    find::Programs,
    lock::{self, Locks, OwnerLock},
    make::{self, SUPERUSER},
    place,
    server::{Server, free_port, is_free},
    settings,
    text::percent_encode,
    watchdog::Watchdog,
};

/// How often the folder may vanish, or a port be snatched, between looking and taking.
const TRIES: usize = 10;

/// What happens to the data when the cluster's opener ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// They stay, and whatever was committed survives a power cut.
    Kept,
    /// They are removed; for tests. Until then `stop` and `start` keep them.
    Scratch,
}

/// Which cluster is wanted.
#[derive(Debug, Clone)]
pub struct ClusterSpec {
    /// The folder that it should lie in; for root it may lie elsewhere, see
    /// [`Cluster::data_folder`]. It is created with its parents, or must be empty or a cluster's.
    pub folder: PathBuf,
    pub lifetime: Lifetime,
    /// PostgreSQL's settings by name, applied anew at each opening. Durability can be lowered for
    /// scratch data only.
    pub settings: Vec<(String, String)>,
    /// The folder of PostgreSQL's programs, if they should not be searched for.
    pub programs: Option<PathBuf>,
}

/// Where a cluster that isn't there yet comes from.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'a> {
    New,
    Copy(&'a Cluster),
}

/// A running cluster that belongs to this process alone; it is stopped when dropped, and when the
/// process ends in any other way.
pub struct Cluster {
    server: Server,
    lifetime: Lifetime,
    settings: String,
    password: String,
    port: u16,
    /// Before `owner`: the folder is cleaned up before another may have it.
    watchdog: Watchdog,
    #[expect(dead_code, reason = "it is held, not used")]
    owner: OwnerLock,
}

impl Cluster {
    /// Opens the cluster, makes it first if there is none yet, starts it and waits until it answers.
    ///
    /// It takes about two seconds the first time and well under one later. While another process
    /// has it open, this fails and names that process.
    pub fn open(spec: &ClusterSpec) -> Result<Self, ClusterError> {
        Self::open_as(spec, Origin::New)
    }

    /// Opens a standby that streams from `primary`, where it is known by `name`: always a new copy,
    /// and never kept.
    pub fn open_standby(
        spec: &ClusterSpec,
        primary: &Self,
        name: &str,
    ) -> Result<Self, ClusterError> {
        let mut spec = ClusterSpec {
            lifetime: Lifetime::Scratch,
            ..spec.clone()
        };
        spec.settings.push(("cluster_name".into(), name.into()));
        Self::open_as(&spec, Origin::Copy(primary))
    }

    fn open_as(spec: &ClusterSpec, origin: Origin<'_>) -> Result<Self, ClusterError> {
        let settings = settings::render(spec.lifetime, &spec.settings)?;
        let programs = Programs::find(spec.programs.as_deref())?;
        let account = Account::choose()?;
        let (site, locks) = take_folder(&spec.folder, &account)?;

        let data = site.data().to_owned();
        let is_scratch = site.at(SCRATCH).exists();
        let is_made = data.exists();
        if spec.lifetime == Lifetime::Scratch && !is_scratch {
            if is_made {
                return Err(ClusterError::KeptThere {
                    folder: site.folder().into(),
                });
            }
            fs::write(site.at(SCRATCH), "")
                .map_err(|source| ClusterError::io("mark scratch data", source))?;
        }
        let reuse = is_made && !is_scratch;
        let account = if is_made {
            account
                .owning(&data)
                .map_err(|source| ClusterError::io("see whose data it is", source))?
        } else {
            account
        };
        let programs = if reuse {
            fitting(programs, spec, &data)?
        } else {
            programs
        };
        if !account.can_enter(programs.bin_dir()) {
            return Err(ClusterError::Unreachable {
                folder: programs.bin_dir().into(),
            });
        }

        let watchdog = Watchdog::start(&site, &account, &programs, &locks.busy)
            .map_err(|source| ClusterError::io("start the watchdog", source))?;
        let server = Server {
            site,
            account,
            programs,
        };
        if is_scratch {
            server.clear_way()?;
            make::discard_unfinished(&server)?;
            wipe(&server.site, spec.lifetime)?;
        }
        if !reuse {
            make::make(&server, spec.lifetime, &watchdog, origin)?;
        }
        let password = read_password(&server.site)?;
        let port = remembered_port(&server.site).map_or_else(free_port, Ok)?;
        let (lifetime, owner) = (spec.lifetime, locks.owner);
        let mut cluster = Self {
            server,
            lifetime,
            settings,
            password,
            port,
            watchdog,
            owner,
        };
        // Not `start`: a server that a dead process has left is stopped first, for it has old settings.
        cluster.launch()?;
        Ok(cluster)
    }

    /// Where the server's files lie.
    pub fn data_folder(&self) -> &Path {
        self.server.site.data()
    }

    /// What the server writes about itself; begun anew when it is over 10 MB at a start.
    pub fn log_file(&self) -> PathBuf {
        self.server.site.log_file()
    }

    /// The programs that it runs with.
    pub fn programs(&self) -> &Programs {
        &self.server.programs
    }

    /// The TCP port on 127.0.0.1; it may be another after a start, if the old one was taken.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name of the role that may do everything.
    pub fn superuser(&self) -> &str {
        SUPERUSER
    }

    pub fn superuser_password(&self) -> &str {
        &self.password
    }

    /// A libpq connection URI.
    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        let [user, password, database] = [user, password, database].map(percent_encode);
        format!(
            "postgresql://{user}:{password}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// A libpq connection URI for the superuser.
    pub fn superuser_url(&self, database: &str) -> String {
        self.url(SUPERUSER, &self.password, database)
    }

    /// The process id of the server, if it runs.
    pub fn postmaster(&self) -> Result<Option<u32>, ClusterError> {
        self.server.postmaster()
    }

    /// Ends all sessions and stops the server; 30 seconds for a clean end, then without. No error if
    /// it does not run. Also scratch data stay until the cluster is dropped.
    pub fn stop(&mut self) -> Result<(), ClusterError> {
        self.server.stop()
    }

    /// Starts the server after `stop`, `kill` or a crash, and waits until it answers, 60 seconds at
    /// most. No error if it runs.
    pub fn start(&mut self) -> Result<(), ClusterError> {
        if self.server.postmaster()?.is_some() {
            return Ok(());
        }
        self.launch()
    }

    fn launch(&mut self) -> Result<(), ClusterError> {
        self.server.clear_way()?;
        let site = &self.server.site;
        files::write_readable(&site.at(SETTINGS), &self.settings)
            .map_err(|source| ClusterError::io("write the server's settings", source))?;
        let mut tries = 0;
        loop {
            tries += 1;
            if !is_free(self.port) {
                self.port = free_port()?;
            }
            let hold = self.watchdog.hold();
            let hold = hold.map_err(|source| ClusterError::io("reach the watchdog", source))?;
            match self.server.start(self.port, hold) {
                Ok(()) => break,
                // Somebody took the port after we had looked; or a server that was being started when
                // everybody around it was killed had not shown itself yet.
                Err(_) if tries < TRIES && (!is_free(self.port) || self.server.is_there()?) => {
                    self.server.clear_way()?;
                }
                Err(error) => return Err(error),
            }
        }
        if self.lifetime == Lifetime::Kept && remembered_port(site) != Some(self.port) {
            files::write_readable(&site.at(PORT), &format!("{}\n", self.port))
                .map_err(|source| ClusterError::io("remember the server's port", source))?;
        }
        Ok(())
    }

    /// Kills all of the server's processes at once, as a power cut would; for tests of faults.
    pub fn kill(&mut self) -> Result<(), ClusterError> {
        self.server.kill()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // If this fails, the watchdog tries again.
        let _ = self.server.stop();
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("folder", &self.server.site.folder())
            .field("lifetime", &self.lifetime)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Finds the folder and takes its locks, again if a watchdog has just removed it.
fn take_folder(wanted: &Path, account: &Account) -> Result<(Site, Locks), ClusterError> {
    for _ in 0..TRIES {
        let site = place::settle(wanted, account)?;
        if let Some(locks) = lock::take(&site)? {
            return Ok((site, locks));
        }
    }
    Err(ClusterError::InUse {
        folder: wanted.into(),
        process: None,
    })
}

/// The programs found, or others of the data's major version if those don't fit.
fn fitting(found: Programs, spec: &ClusterSpec, data: &Path) -> Result<Programs, ClusterError> {
    let text = fs::read_to_string(data.join("PG_VERSION")).unwrap_or_default();
    let Ok(major) = text.trim().parse() else {
        return Err(ClusterError::Damaged {
            folder: data.into(),
            missing: "data/PG_VERSION",
        });
    };
    if found.major() == major {
        return Ok(found);
    }
    let programs = Programs::find_major(spec.programs.as_deref(), major)?;
    if programs.major() == major {
        return Ok(programs);
    }
    let programs = programs.version().to_owned();
    Err(ClusterError::OtherVersion {
        folder: data.into(),
        data: major,
        programs,
    })
}

/// Removes scratch data that were left behind.
fn wipe(site: &Site, lifetime: Lifetime) -> Result<(), ClusterError> {
    let spared =
        |name: &str| name == OWNER_LOCK || (name == SCRATCH && lifetime == Lifetime::Scratch);
    for name in ALL.into_iter().filter(|name| !spared(name)) {
        let path = site.at(name);
        files::remove(&path)
            .map_err(|source| ClusterError::io(format!("remove {}", path.display()), source))?;
    }
    Ok(())
}

fn read_password(site: &Site) -> Result<String, ClusterError> {
    fs::read_to_string(site.at(PASSWORD)).map_err(|_| ClusterError::Damaged {
        folder: site.folder().into(),
        missing: "superuser-password",
    })
}

fn remembered_port(site: &Site) -> Option<u16> {
    fs::read_to_string(site.at(PORT))
        .ok()?
        .trim()
        .parse()
        .ok()
        .filter(|&port| port >= 1024)
}
