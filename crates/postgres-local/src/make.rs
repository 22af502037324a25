//! Making a cluster's files with `initdb`, in a folder that gets its final name only when it is whole.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::{fs::DirBuilderExt, process::CommandExt},
    path::Path,
    time::Duration,
};

use crate::{
    cluster::{Cluster, Lifetime, Origin},
    error::ClusterError,
    files::{self, LOG, PASSWORD, SETTINGS, Site, UNFINISHED},
    process::run,
    server::{Server, kill_all},
    text::random_password,
    watchdog::Watchdog,
};

pub(crate) const SUPERUSER: &str = "postgres";

/// One to three seconds as a rule; a slow disk has to sync a thousand files.
const INITDB_MAX: Duration = Duration::from_mins(3);

/// Not every system has C.UTF-8; plain C sorts the same and only knows fewer letters.
const LOCALES: [&str; 2] = ["C.UTF-8", "C"];

/// Makes the data folder. What an interrupted attempt left is thrown away: no server has ever run
/// in it.
///
/// INVARIANT: `data` exists only whole, and is never removed from a cluster that is kept; guarded by
/// `a_half_made_cluster_is_made_again`.
pub(crate) fn make(
    server: &Server,
    lifetime: Lifetime,
    watchdog: &Watchdog,
    origin: Origin<'_>,
) -> Result<(), ClusterError> {
    let (site, account) = (&server.site, &server.account);
    let failed = |source| ClusterError::io(making(site), source);
    let password = match origin {
        Origin::New => random_password().map_err(failed)?,
        Origin::Copy(primary) => primary.superuser_password().to_owned(),
    };
    files::write_private(&site.at(PASSWORD), &password, account).map_err(failed)?;

    discard_unfinished(server)?;
    let unfinished = site.at(UNFINISHED);
    match origin {
        Origin::New => {
            initialise(server, lifetime, watchdog)?;
            include_settings(server, &unfinished).map_err(failed)?;
        }
        // Its postgresql.conf includes our settings already.
        Origin::Copy(primary) => copy(server, watchdog, primary)?,
    }
    fresh_folder(server, &site.at(LOG)).map_err(failed)?;
    fs::rename(&unfinished, site.data()).map_err(failed)?;
    files::sync(site.folder()).map_err(failed)
}

fn making(site: &Site) -> String {
    format!("make a cluster in {}", site.folder().display())
}

/// A base backup of a running cluster that follows it from then on.
fn copy(server: &Server, watchdog: &Watchdog, primary: &Cluster) -> Result<(), ClusterError> {
    let (site, account) = (&server.site, &server.account);
    let failed = |source| ClusterError::io(making(site), source);
    let unfinished = site.at(UNFINISHED);
    fresh_folder(server, &unfinished).map_err(failed)?;
    let mut backup = account.command(server.programs.path("pg_basebackup"));
    backup.arg("-D").arg(&unfinished);
    backup.arg("-p").arg(primary.port().to_string());
    backup.args(["-h", "127.0.0.1", "-U", SUPERUSER, "-R", "-X", "stream"]);
    backup.args(["--checkpoint=fast", "--no-sync", "--no-password"]);
    backup
        .env("PGPASSWORD", primary.superuser_password())
        .current_dir(&unfinished)
        .process_group(0)
        .stdin(watchdog.hold().map_err(failed)?);
    let finished = run(&mut backup, INITDB_MAX).map_err(failed)?;
    if finished.success {
        Ok(())
    } else {
        Err(ClusterError::Failed {
            what: "PostgreSQL's pg_basebackup".into(),
            said: finished.text,
        })
    }
}

/// Runs `initdb`.
fn initialise(
    server: &Server,
    lifetime: Lifetime,
    watchdog: &Watchdog,
) -> Result<(), ClusterError> {
    let (site, account) = (&server.site, &server.account);
    let failed = |source| ClusterError::io(making(site), source);
    let (password_file, unfinished) = (site.at(PASSWORD), site.at(UNFINISHED));
    let mut locales = LOCALES.into_iter();
    let mut said = String::new();
    loop {
        let Some(locale) = locales.next() else {
            return Err(ClusterError::Failed {
                what: "PostgreSQL's initdb".into(),
                said,
            });
        };
        fresh_folder(server, &unfinished).map_err(failed)?;
        let mut initdb = account.command(server.programs.path("initdb"));
        initdb
            .arg("-D")
            .arg(&unfinished)
            .arg("--pwfile")
            .arg(&password_file);
        initdb.args([
            "-U",
            SUPERUSER,
            "-E",
            "UTF8",
            "--auth=scram-sha-256",
            "--data-checksums",
        ]);
        initdb.arg(format!("--locale={locale}"));
        if lifetime == Lifetime::Scratch {
            initdb.arg("--no-sync");
        }
        // Its working folder is how an `initdb` that has lost everybody else is found again.
        initdb
            .current_dir(&unfinished)
            .process_group(0)
            .stdin(watchdog.hold().map_err(failed)?);
        let finished = run(&mut initdb, INITDB_MAX).map_err(failed)?;
        if finished.success {
            return Ok(());
        }
        // The first attempt's words count, unless it was only the locale that was missing.
        said = if said.is_empty() { finished.text } else { said };
    }
}

/// Removes what an interrupted attempt has left, and ends it if it is still at work.
pub(crate) fn discard_unfinished(server: &Server) -> Result<(), ClusterError> {
    let unfinished = server.site.at(UNFINISHED);
    kill_all(&server.account, &unfinished)
        .and_then(|()| files::remove(&unfinished))
        .map_err(|source| ClusterError::io(format!("remove {}", unfinished.display()), source))
}

fn fresh_folder(server: &Server, folder: &Path) -> io::Result<()> {
    files::remove(folder)?;
    DirBuilder::new().mode(0o700).create(folder)?;
    server.account.give(folder)
}

/// Appends to postgresql.conf, which belongs to the server's user, as that user.
fn include_settings(server: &Server, data: &Path) -> io::Result<()> {
    let conf = data.join("postgresql.conf");
    let mut append = server.account.script(r#"printf '%s\n' "$2" >> "$1""#);
    append.arg(&conf).arg(format!("include '../{SETTINGS}'"));
    let finished = run(&mut append, Duration::from_secs(10))?;
    if !finished.success {
        return Err(io::Error::other(finished.text));
    }
    files::sync(&conf)
}
