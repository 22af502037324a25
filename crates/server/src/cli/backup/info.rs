//! What the repositories hold, as `pgbackrest info` tells.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::pgbackrest::{Failure, PgBackRest};

/// A nearer repository is taken before one whose newest backup is no more than that younger: backups are
/// made every day, of one repository after the other, and the log between is in both.
const AS_GOOD_WITHIN: SignedDuration = SignedDuration::from_hours(26);

/// All that is read of its report on one stanza.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Info {
    #[serde(rename = "repo", default)]
    pub(super) repositories: Vec<Repository>,
    #[serde(rename = "backup", default)]
    pub(super) backups: Vec<Backup>,
    #[serde(rename = "archive", default)]
    pub(super) archives: Vec<Archive>,
    #[serde(rename = "db", default)]
    clusters: Vec<Known>,
}

/// A cluster that a repository knows.
#[derive(Debug, Deserialize)]
struct Known {
    #[serde(flatten)]
    database: Database,
    #[serde(rename = "system-id")]
    system_id: u64,
}

/// The cluster of a backup, as far as it was archived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cluster {
    /// `initdb` draws it.
    pub(super) system_id: u64,
    /// The newest whose log a repository has.
    pub(super) newest_timeline: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    pub(super) key: i32,
    #[serde(default)]
    pub(super) cipher: String,
    pub(super) status: Status,
}

#[derive(Debug, Deserialize)]
pub(super) struct Status {
    code: i32,
    pub(super) message: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Backup {
    pub(super) label: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    database: Database,
    timestamp: Span,
    info: Size,
    /// Pages whose checksum was wrong when it was made.
    #[serde(default)]
    pub(super) error: Option<bool>,
    pub(super) archive: Segments,
}

/// A cluster in one repository; an upgrade of PostgreSQL begins another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
struct Database {
    id: u32,
    #[serde(rename = "repo-key")]
    repo: i32,
}

#[derive(Clone, Debug, Deserialize)]
struct Span {
    start: i64,
    stop: i64,
}

#[derive(Clone, Debug, Deserialize)]
struct Size {
    size: u64,
    repository: RepositorySize,
}

#[derive(Clone, Debug, Deserialize)]
struct RepositorySize {
    delta: u64,
}

/// Names of files of the log that a backup can't be restored without.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Segments {
    pub(super) start: Option<String>,
    pub(super) stop: Option<String>,
}

/// The log of one cluster in one repository.
#[derive(Debug, Deserialize)]
pub(super) struct Archive {
    pub(super) id: String,
    database: Database,
    max: Option<String>,
}

impl Repository {
    /// 2 is one without backups yet.
    pub(super) fn is_ok(&self) -> bool {
        matches!(self.status.code, 0 | 2)
    }
}

impl Archive {
    pub(super) const fn repo(&self) -> i32 {
        self.database.repo
    }
}

impl Backup {
    pub(super) const fn repo(&self) -> i32 {
        self.database.repo
    }

    /// From when on the copy is whole: a restore to a time before it isn't possible.
    pub(super) fn finished_at(&self) -> Timestamp {
        Timestamp::from_second(self.timestamp.stop).unwrap_or_default()
    }

    pub(super) fn started_at(&self) -> Timestamp {
        Timestamp::from_second(self.timestamp.start).unwrap_or_default()
    }

    /// What was wrong in the database when it was made: pgBackRest warns, and calls it a backup.
    pub(super) fn damage(&self) -> Option<Failure> {
        let is_damaged = self.error == Some(true);
        is_damaged.then(|| Failure {
            what: format!("backup {} has pages whose checksum is wrong", self.label),
            mend: "the database's own disk is damaged: pgBackRest's log names the file; move to a \
                   standby, or restore from a backup before this one, and keep what there is of those"
                .to_owned(),
            said: Vec::new(),
        })
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.info.size
    }

    /// What it takes in the repository beside the backups that it builds on.
    pub(super) const fn repository_bytes(&self) -> u64 {
        self.info.repository.delta
    }
}

impl Info {
    /// Asks all repositories; one that can't be read has a status that says so.
    pub(super) async fn ask(program: &PgBackRest) -> Result<Self, Failure> {
        let text = program.call("info", ["--output=json".into()]).await?;
        let unreadable = || Failure {
            what: "pgBackRest's report can't be read".to_owned(),
            mend: "install pgBackRest 2.45 or newer".to_owned(),
            said: Vec::new(),
        };
        // What a wrong passphrase made of a file is quoted with its control characters.
        let text: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let all: Vec<Self> = serde_json::from_str(&text).map_err(|_| unreadable())?;
        // Of the one stanza that was asked for.
        all.into_iter().next().ok_or_else(unreadable)
    }

    /// The repositories that were meant: one, or all of them.
    pub(super) fn chosen(
        &self,
        program: &PgBackRest,
        repo: Option<i32>,
    ) -> Result<Vec<&Repository>, Failure> {
        let chosen: Vec<_> = self
            .repositories
            .iter()
            .filter(|known| repo.is_none_or(|repo| repo == known.key))
            .collect();
        if chosen.is_empty() {
            let text = format!("key '{}' is not valid for 'repo' option", repo.unwrap_or(1));
            return Err(program.explain(Some(32), &text));
        }
        Ok(chosen)
    }

    /// What keeps a repository from being read.
    pub(super) fn trouble(program: &PgBackRest, repository: &Repository) -> Option<Failure> {
        if repository.is_ok() {
            return None;
        }
        let status = &repository.status;
        // 1 and 3: it has no such stanza.
        let is_unknown = matches!(status.code, 1 | 3);
        let hint = if is_unknown { "\nstanza-create" } else { "" };
        let mut failure = program.explain(None, &format!("{}{hint}", status.message));
        failure.said.retain(|line| line != "stanza-create");
        failure.what = format!("repository {}: {}", repository.key, failure.what);
        Some(failure)
    }

    /// The backups whose log is in this archive.
    pub(super) fn backups_on(&self, archive: &Archive) -> impl Iterator<Item = &Backup> {
        let database = archive.database;
        self.backups
            .iter()
            .filter(move |it| it.database == database)
    }

    /// The backups of a repository whose log is in no archive.
    pub(super) fn backups_without_log(&self, repo: i32) -> impl Iterator<Item = &Backup> {
        let has_log = |backup: &Backup| {
            self.archives
                .iter()
                .any(|it| it.database == backup.database)
        };
        let of_repo = self.backups.iter().filter(move |it| it.repo() == repo);
        of_repo.filter(move |backup| !has_log(backup))
    }

    /// The newest backup that was whole before `at`, where one is given, in the first of these
    /// repositories whose newest is about as new as any: the first is the nearest, and the last one
    /// makes its backups last.
    pub(super) fn newest(&self, repos: &[i32], at: Option<Timestamp>) -> Option<&Backup> {
        let fits = |backup: &&Backup| {
            repos.contains(&backup.repo()) && at.is_none_or(|at| backup.finished_at() < at)
        };
        let fitting = || self.backups.iter().filter(fits);
        let newest = fitting().map(Backup::finished_at).max()?;
        let is_as_good = |it: &&Backup| newest.duration_since(it.finished_at()) <= AS_GOOD_WITHIN;
        let as_good = fitting().filter(is_as_good);
        as_good.max_by_key(|backup| (-backup.repo(), backup.finished_at()))
    }

    /// The last file of the log that a backup's repository has of its cluster.
    pub(super) fn last_log(&self, backup: &Backup) -> Option<&str> {
        let mut archives = self.archives.iter();
        let of_backup = archives.find(|archive| archive.database == backup.database);
        of_backup?.max.as_deref()
    }

    /// Whose backup it is; `None` where the repository doesn't say.
    pub(super) fn cluster(&self, backup: &Backup) -> Option<Cluster> {
        let of_backup = |it: &&Known| it.database == backup.database;
        let system_id = self.clusters.iter().find(of_backup)?.system_id;
        // Each repository numbers them for itself.
        let is_same = |it: &Known| it.system_id == system_id;
        let same = self.clusters.iter().filter(|it| is_same(it));
        let same: Vec<Database> = same.map(|it| it.database).collect();
        let archives = self.archives.iter();
        let archives = archives.filter(|archive| same.contains(&archive.database));
        let timelines = archives.filter_map(|archive| {
            let name = archive.max.as_ref()?.get(..8)?;
            u32::from_str_radix(name, 16).ok()
        });
        Some(Cluster {
            system_id,
            newest_timeline: timelines.max().unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As version 2.45 writes it.
    const REPORT: &str = r#"{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1",
        "max":"00000002000000000000000A","min":"000000010000000000000001"}],
        "backup":[{"archive":{"start":"000000010000000000000002","stop":"000000010000000000000003"},
        "backrest":{"format":5,"version":"2.45"},"database":{"id":1,"repo-key":1},"error":false,
        "info":{"delta":22992559,"repository":{"delta":2833728,"size":2833728},"size":22992559},
        "label":"20261128-173428F","lsn":{"start":"0/2000028","stop":"0/3000088"},"prior":null,
        "reference":null,"timestamp":{"start":1795887268,"stop":1795887272},"type":"full"}],
        "cipher":"aes-256-cbc","db":[{"id":1,"repo-key":1,"system-id":7713276941046265150,
        "version":"15"}],"name":"main","repo":[{"cipher":"aes-256-cbc","key":1,
        "status":{"code":0,"message":"ok"}}],"status":{"code":0,"lock":{"backup":{"held":false}},
        "message":"ok"}}"#;

    #[test]
    fn a_backup_serves_times_after_its_end_alone() {
        let info: Info = serde_json::from_str(REPORT).unwrap();
        let backup = &info.backups[0];
        let end = backup.finished_at();
        assert_eq!(end.as_second(), 1_795_887_272);
        assert!(info.newest(&[1], Some(end)).is_none());
        let later = end + jiff::SignedDuration::from_secs(1);
        assert!(info.newest(&[1], Some(later)).is_some());
        assert!(info.newest(&[2], Some(later)).is_none());
    }

    #[test]
    fn the_log_of_a_former_cluster_says_nothing_of_the_timeline() {
        let mut info: Info = serde_json::from_str(REPORT).unwrap();
        let former = r#"{"database":{"id":7,"repo-key":1},"id":"13-7",
            "max":"00000009000000000000000A"}"#;
        info.archives.push(serde_json::from_str(former).unwrap());
        let former = r#"{"id":7,"repo-key":1,"system-id":1,"version":"13"}"#;
        info.clusters.push(serde_json::from_str(former).unwrap());
        // A repository of its own numbers.
        let second = r#"{"database":{"id":3,"repo-key":2},"id":"15-3",
            "max":"00000003000000000000000A"}"#;
        info.archives.push(serde_json::from_str(second).unwrap());
        let second = r#"{"id":3,"repo-key":2,"system-id":7713276941046265150,"version":"15"}"#;
        info.clusters.push(serde_json::from_str(second).unwrap());
        let cluster = info.cluster(&info.backups[0]).unwrap();
        assert_eq!(cluster.newest_timeline, 3);
        assert_eq!(cluster.system_id, 7_713_276_941_046_265_150);
    }

    #[test]
    fn the_nearest_repository_that_is_about_as_new_is_taken() {
        let mut info: Info = serde_json::from_str(REPORT).unwrap();
        let near = info.backups[0].clone();
        let later = |repo: i32, hours: i64| {
            let mut backup = near.clone();
            backup.database.repo = repo;
            backup.timestamp.stop += hours * 3600;
            backup
        };
        info.backups
            .extend([later(1, 24), later(2, 1), later(2, 25)]);
        let taken = |info: &Info, at: Option<Timestamp>| {
            let backup = info.newest(&[1, 2], at).unwrap();
            let after = backup.timestamp.stop - near.timestamp.stop;
            (backup.repo(), after / 3600)
        };
        assert_eq!(taken(&info, None), (1, 24));
        let early = near.finished_at() + SignedDuration::from_hours(2);
        assert_eq!(taken(&info, Some(early)), (1, 0));
        info.backups.push(later(2, 51));
        assert_eq!(
            taken(&info, None),
            (2, 51),
            "the near one has none of that day"
        );
    }
}
