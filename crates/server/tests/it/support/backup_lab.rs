//! A private PostgreSQL that archives its log, with a pgBackRest repository beside it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::cluster::PASSWORD;
use super::own_cluster::OwnCluster;
use super::program::{Done, Program};
use super::wait::eventually;

const CONFIG: &str = "pgbackrest.conf";
const PASSPHRASE: &str = "a-passphrase-for-tests";
pub(crate) const STANZA: &str = "stagedoor";

/// Everything in one folder of PostgreSQL's user, for whom the commands run.
#[derive(Debug)]
pub(crate) struct BackupLab {
    pub(crate) cluster: OwnCluster,
    folder: TempDir,
    user: (u32, u32),
}

impl BackupLab {
    /// `None`, with a word about it, where pgBackRest isn't installed.
    pub(crate) async fn start(name: &str) -> Option<Self> {
        Self::start_with(name, &[("fsync", "off")]).await
    }

    /// The same with settings of its own.
    pub(crate) async fn start_with(name: &str, more: &[(&str, &str)]) -> Option<Self> {
        if Command::new("pgbackrest").arg("version").output().is_err() {
            eprintln!("SKIPPED: pgbackrest isn't installed (scripts/install-packages.sh test)");
            return None;
        }
        let folder = TempDir::with_prefix("stagedoor-backups-").expect("a folder");
        let config = folder.path().join(CONFIG);
        let archive = format!(
            "pgbackrest --config={} --stanza={STANZA} archive-push %p",
            config.display()
        );
        let archiving = [
            ("archive_mode", "on"),
            ("archive_command", archive.as_str()),
        ];
        let cluster = OwnCluster::start_with(name, &[&archiving, more].concat()).await;
        let meta = fs::metadata(cluster.0.data_folder()).expect("the data folder");
        let lab = Self {
            cluster,
            folder,
            user: (meta.uid(), meta.gid()),
        };
        lab.give(lab.folder.path());
        // PostgreSQL's user may not reach the folder that Cargo builds in.
        fs::copy(env!("CARGO_BIN_EXE_stagedoor"), lab.binary()).expect("the program");
        lab.give(&lab.binary());
        lab.write_config(PASSPHRASE);
        lab.prepare().await;
        Some(lab)
    }

    /// The login of ops/pgbackrest, and the repository.
    async fn prepare(&self) {
        let role = include_str!("../../../../../ops/pgbackrest/role.sql");
        let postgres = super::connect(&self.cluster.0.superuser_url("postgres")).await;
        postgres.batch_execute(role).await.expect("the role");
        for role in ["pgbackrest", "stagedoor_backup"] {
            let password = format!("ALTER ROLE {role} PASSWORD '{PASSWORD}'");
            postgres.batch_execute(&password).await.expect("a password");
        }
        self.create_stanza();
    }

    /// In every repository that has none yet.
    pub(crate) fn create_stanza(&self) {
        let mut command = self.as_owner("pgbackrest");
        command.args([
            &format!("--config={}", self.config().display()),
            &format!("--stanza={STANZA}"),
            "stanza-create",
        ]);
        let made = command.output().expect("pgbackrest");
        assert!(made.status.success(), "{made:?}");
    }

    pub(crate) fn write_config(&self, passphrase: &str) {
        self.write_config_with(passphrase, "repo1-retention-full=9");
    }

    /// The same configuration as at the start, but for what is said otherwise.
    pub(crate) fn restore_config(&self) {
        self.write_config(PASSPHRASE);
    }

    /// With lines of its own, which say what is kept.
    pub(crate) fn configure(&self, lines: &str) {
        self.write_config_with(PASSPHRASE, lines);
    }

    fn write_config_with(&self, passphrase: &str, lines: &str) {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let text = format!(
            "[global]\nlog-path={}\nlock-path={}\nspool-path={}\nlog-level-file=off\nstart-fast=y\n\
             archive-timeout=30\nrepo1-path={}\nrepo1-cipher-type=aes-256-cbc\n\
             repo1-cipher-pass={passphrase}\n{lines}\n[{STANZA}]\npg1-path={}\n\
             pg1-port={}\npg1-user=pgbackrest\n",
            at("log"),
            at("lock"),
            at("spool"),
            at("repo1"),
            self.cluster.0.data_folder().display(),
            self.cluster.0.port()
        );
        fs::write(self.config(), text).expect("the configuration");
        self.give(&self.config());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path(CONFIG)
    }

    fn binary(&self) -> PathBuf {
        self.path("stagedoor")
    }

    pub(crate) fn give(&self, path: &Path) {
        // Not allowed to who isn't root, and then not needed.
        let _ = chown(path, Some(self.user.0), Some(self.user.1));
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).expect("its mode");
    }

    /// A command of PostgreSQL's user.
    pub(crate) fn as_owner(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new(program);
        command.current_dir(self.folder.path());
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPASSWORD", PASSWORD);
        command.uid(self.user.0).gid(self.user.1);
        command
    }

    /// `stagedoor backup …`, before it is run.
    pub(crate) fn program(&self, arguments: &[&str]) -> Program {
        let arguments: Vec<&str> = ["backup"].iter().chain(arguments).copied().collect();
        let url = self
            .cluster
            .0
            .url("stagedoor_backup", PASSWORD, "stagedoor");
        Program::as_user(&self.binary(), self.folder.path(), self.user, &arguments)
            .env(
                "STAGEDOOR_BACKUP_CONFIG",
                &self.config().display().to_string(),
            )
            .env("DATABASE_BACKUP_URL", &url)
            // pgBackRest takes them from libpq; a real one has a Unix socket.
            .env("PGHOST", "127.0.0.1")
            .env("PGPASSWORD", PASSWORD)
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Done {
        self.program(arguments).run().await
    }

    /// The report of one that must go well.
    pub(crate) async fn report(&self, arguments: &[&str]) -> Value {
        let done = self.run(arguments).await;
        assert_eq!(done.code, 0, "{arguments:?}: {done:?}");
        done.json()
    }

    /// What `doctor` finds of backups, as in production.
    pub(crate) async fn doctor(&self) -> String {
        let done = Program::new(&["doctor", "--json"])
            .env("STAGEDOOR_ENV", "production")
            .env("DATABASE_URL", &self.cluster.url())
            .run()
            .await;
        let report = done.json();
        let findings = report["findings"].as_array().expect("findings").iter();
        let of_backups = findings.filter(|finding| finding["id"] == "backups");
        let lines =
            of_backups.map(|it| format!("{} {} {}\n", it["severity"], it["detail"], it["mend"]));
        lines.collect()
    }

    /// Closes the file of the log under way; its name.
    pub(crate) async fn close_log(&self) -> String {
        let postgres = self.cluster.superuser().await;
        let row = postgres
            .query_one("SELECT pg_walfile_name(pg_switch_wal())", &[])
            .await
            .expect("a switch");
        row.get(0)
    }

    /// Waits until everything that was written so far is in the repository.
    pub(crate) async fn archive(&self) {
        let name = self.close_log().await;
        let postgres = self.cluster.superuser().await;
        eventually("the log is archived", Duration::from_secs(30), async || {
            let last = "SELECT coalesce(last_archived_wal, '') >= $1 FROM pg_stat_archiver";
            postgres
                .query_one(last, &[&name])
                .await
                .expect("figures")
                .get(0)
        })
        .await;
    }
}
