//! `backup restore` and `backup drill`: a copy beside the running system, and what is found in it; or
//! the files of a new primary.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use store::backup_runs::{Kind, Run};
use tokio::time::Instant;

use super::args::{DrillArgs, Moment, RestoreArgs};
use super::child::or_stopped;
use super::copy::Copy;
use super::folder::{self, Allowed, Scratch};
use super::info::{Backup, Info};
use super::keeping::primary_folder;
use super::pgbackrest::{PgBackRest, joined};
use super::record::{self, first_line};
use super::replay::{self, Log};
use super::start::{self, Commands};
use crate::cli::doctor::{self, Finding, Severity};
use crate::cli::{CliError, print, print_json};
use crate::config::{Config, DatabaseUrl};
use crate::serve;

/// Where nothing says how the database is called.
const DATABASE: &str = "stagedoor";

/// Which backup, and how far its log is followed.
#[derive(Clone, Debug)]
struct Target {
    backup: Backup,
    /// `None`: as far as there is log.
    at: Option<Timestamp>,
    log: Log,
}

/// What came of it.
#[derive(Debug)]
struct Restored {
    target: Target,
    folder: PathBuf,
    /// Of the files.
    copied_in: Duration,
    /// Of the log.
    recovered_in: Duration,
    findings: Vec<Finding>,
    rest: Rest,
}

/// What is left of it, and what for.
#[derive(Debug)]
enum Rest {
    Copy(Commands),
    /// Files whose log isn't replayed yet.
    Primary,
    Nothing,
}

pub(super) async fn restore(config: &Config, args: RestoreArgs) -> Result<(), CliError> {
    let now = app::Ctx::system().now();
    if let Moment::At(at) = args.to
        && at > now
    {
        return Err(CliError::Usage(format!(
            "--to {at} is in the future; it is {now} now"
        )));
    }
    let folder = std::path::absolute(&args.into)
        .map_err(|error| CliError::failed("can't use that folder", &error))?;
    let restored = or_stopped(restore_to(config, &args, &folder)).await?;
    report(&restored, args.report.json)?;
    restored.verdict()
}

async fn restore_to(
    config: &Config,
    args: &RestoreArgs,
    folder: &Path,
) -> Result<Restored, CliError> {
    let program = PgBackRest::of(config);
    if args.as_primary {
        is_primary(&program, folder)?;
    } else {
        start::has_room_for_socket(folder)?;
    }
    let info = Info::ask(&program).await?;
    let target = choose(&program, &info, args.repo.repo, args.to.at())?;
    let allowed = Allowed {
        replace: args.replace,
        discard_newer_timeline: args.discard_newer_timeline,
    };
    let cluster = info.cluster(&target.backup).ok_or_else(|| {
        CliError::Failed(
            "pgBackRest doesn't tell whose backup it has: see `pgbackrest info`".to_owned(),
        )
    })?;
    let reusable = if args.replace {
        folder::size(folder)
    } else {
        0
    };
    folder::has_room(folder, target.backup.bytes(), reusable)?;
    let unfinished = folder::prepare(folder, allowed, cluster).await?;
    let restored = if args.as_primary {
        make_primary(&program, target, folder).await?
    } else {
        let copy = make_copy(config, &program, target, folder).await?;
        let commands = start::settle(folder, database(config)).await?;
        let rest = Rest::Copy(commands);
        Restored { rest, ..copy }
    };
    unfinished.keep();
    Ok(restored)
}

/// Elsewhere its log would not be archived: pgBackRest takes that of one folder.
fn is_primary(program: &PgBackRest, folder: &Path) -> Result<(), CliError> {
    match primary_folder(program) {
        Some(own) if own != folder => Err(CliError::Usage(format!(
            "--as-primary restores to PostgreSQL's own folder, and {} says pg1-path={}: give that one \
             to --into, or correct it",
            program.config().display(),
            own.display()
        ))),
        _ => Ok(()),
    }
}

pub(super) async fn drill(config: &Config, args: DrillArgs) -> Result<(), CliError> {
    let started_at = app::Ctx::system().now();
    let mut tried = None;
    let outcome = or_stopped(drill_once(config, &args, &mut tried)).await;
    if let Err(misuse @ CliError::Usage(_)) = outcome {
        return Err(misuse);
    }
    let is_ok = matches!(&outcome, Ok(restored) if restored.verdict().is_ok());
    let run = Run {
        kind: Kind::Drill,
        repo: tried.as_ref().map(Backup::repo),
        label: tried.map(|backup| backup.label),
        started_at,
        finished_at: app::Ctx::system().now(),
        is_ok,
        detail: match &outcome {
            Ok(restored) => restored.errors(),
            Err(error) => first_line(error),
        },
    };
    record::write(config, &[run]).await;
    let restored = outcome?;
    report(&restored, args.report.json)?;
    restored.verdict()
}

/// `tried` becomes the backup that was chosen, whatever comes of it.
async fn drill_once(
    config: &Config,
    args: &DrillArgs,
    tried: &mut Option<Backup>,
) -> Result<Restored, CliError> {
    let program = PgBackRest::of(config);
    let info = Info::ask(&program).await?;
    let target = choose(&program, &info, args.repo.repo, None)?;
    *tried = Some(target.backup.clone());
    let parent = args.scratch.clone().unwrap_or_else(std::env::temp_dir);
    Scratch::sweep(&parent, "drill");
    folder::has_room(&parent, target.backup.bytes(), 0)?;
    let scratch = Scratch::make(&parent, "drill")?;
    let data = scratch.path().join(folder::DATA);
    folder::make(&data)?;
    make_copy(config, &program, target, &data).await
}

/// The newest backup that was whole before `at`, in repositories that can be read.
fn choose(
    program: &PgBackRest,
    info: &Info,
    repo: Option<i32>,
    at: Option<Timestamp>,
) -> Result<Target, CliError> {
    let chosen = info.chosen(program, repo)?;
    let readable: Vec<i32> = chosen
        .iter()
        .filter(|repository| repository.is_ok())
        .map(|repository| repository.key)
        .collect();
    if readable.is_empty() {
        let mut troubles = chosen.iter().filter_map(|it| Info::trouble(program, it));
        if let Some(trouble) = troubles.next() {
            return Err(trouble.into());
        }
    }
    if let Some(backup) = info.newest(&readable, at).cloned() {
        let log = Log::of(info, &backup);
        return Ok(Target { backup, at, log });
    }
    let oldest = info
        .backups
        .iter()
        .filter(|it| readable.contains(&it.repo()));
    Err(CliError::Failed(
        match oldest.map(Backup::finished_at).min() {
            Some(oldest) => format!(
                "no backup is that old: the first one was whole at {oldest}, and only times after it \
                 can be restored"
            ),
            None => "there is no backup yet: make one with `stagedoor backup run`".to_owned(),
        },
    ))
}

/// Restores to an empty folder or over a stopped cluster's, recovers, looks, and stops.
async fn make_copy(
    config: &Config,
    program: &PgBackRest,
    target: Target,
    folder: &Path,
) -> Result<Restored, CliError> {
    let begun = Instant::now();
    let apart = apart(folder);
    let options = options(&target, folder).into_iter().chain(apart);
    program.call("restore", options).await?;
    let copied_in = begun.elapsed();
    let log = &target.log;
    let get = |private: &Path| replay::restore_command(program, log.repo, folder, private);
    let mut copy = Copy::start(folder, get).await?;
    copy.recover(log, target.at).await?;
    let recovered_in = begun.elapsed().saturating_sub(copied_in);
    let findings = examine(config, &copy).await;
    copy.stop().await?;
    Ok(Restored {
        target,
        folder: folder.to_owned(),
        copied_in,
        recovered_in,
        findings: findings?,
        rest: Rest::Nothing,
    })
}

/// PostgreSQL itself replays the log when it is started, and archives what it writes from then on: were
/// it started here without archiving, the beginning of the new timeline would be in no repository.
async fn make_primary(
    program: &PgBackRest,
    target: Target,
    folder: &Path,
) -> Result<Restored, CliError> {
    let begun = Instant::now();
    program.call("restore", options(&target, folder)).await?;
    Ok(Restored {
        target,
        folder: folder.to_owned(),
        copied_in: begun.elapsed(),
        recovered_in: Duration::ZERO,
        findings: Vec::new(),
        rest: Rest::Primary,
    })
}

/// What keeps a copy out of the running system's archive and tablespaces.
fn apart(folder: &Path) -> [OsString; 2] {
    let tablespaces = folder::tablespaces(folder);
    [
        "--archive-mode=off".into(),
        joined("--tablespace-map-all=", &tablespaces),
    ]
}

fn options(target: &Target, folder: &Path) -> Vec<OsString> {
    let backup = &target.backup;
    let mut options = vec![
        joined("--pg1-path=", folder),
        format!("--repo={}", backup.repo()).into(),
        format!("--set={}", backup.label).into(),
        // What is there is overwritten; `folder::prepare` has decided what may be.
        "--delta".into(),
    ];
    if let Some(at) = target.at {
        let at = at
            .to_zoned(TimeZone::UTC)
            .strftime("%Y-%m-%d %H:%M:%S%.6f+00");
        options.push("--type=time".into());
        options.push(format!("--target={at}").into());
        options.push("--target-action=promote".into());
    }
    options
}

/// What `doctor` finds in the copy, as the server's own login.
async fn examine(config: &Config, copy: &Copy) -> Result<Vec<Finding>, CliError> {
    let url = copy.url("stagedoor_app", database(config));
    let app = serve::open_patient_app(config, &url)
        .map_err(|error| CliError::failed("can't connect to the copy", &error))?;
    Ok(doctor::copy(&app).await)
}

fn database(config: &Config) -> &str {
    let urls = [&config.database.backup_url, &config.database.url];
    let named = urls.into_iter().flatten().find_map(DatabaseUrl::database);
    named.unwrap_or(DATABASE)
}

impl Restored {
    fn has_errors(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }

    fn verdict(&self) -> Result<(), CliError> {
        if self.has_errors() {
            Err(CliError::CheckFailed)
        } else {
            Ok(())
        }
    }

    fn errors(&self) -> String {
        let errors = self.findings.iter();
        let errors = errors.filter(|finding| finding.severity == Severity::Error);
        let lines: Vec<String> = errors.map(Finding::to_line).collect();
        lines.concat().trim().to_owned()
    }

    fn to_json(&self) -> Value {
        let target = &self.target;
        let findings: Vec<Value> = self.findings.iter().map(Finding::to_json).collect();
        let (folder, commands) = match &self.rest {
            Rest::Copy(commands) => (Some(&self.folder), Some(commands)),
            Rest::Primary => (Some(&self.folder), None),
            Rest::Nothing => (None, None),
        };
        json!({
            "ok": !self.has_errors(),
            "repo": target.backup.repo(),
            "label": target.backup.label,
            "to": target.at.map_or("latest".to_owned(), |at| at.to_string()),
            "folder": folder.map(|folder| folder.display().to_string()),
            "copied_seconds": seconds(self.copied_in),
            "recovered_seconds": seconds(self.recovered_in),
            "seconds": seconds(self.copied_in + self.recovered_in),
            "findings": findings,
            "start": commands.map(|it| &it.start),
            "connect": commands.map(|it| &it.connect),
        })
    }

    fn to_text(&self) -> String {
        let target = &self.target;
        let until = target.at.map(|at| at.to_string());
        let until = until.unwrap_or("the end of the archived log".to_owned());
        let copied = self.copied_in.as_secs_f64();
        let recovered = self.recovered_in.as_secs_f64();
        let label = &target.backup.label;
        let repo = target.backup.repo();
        if matches!(self.rest, Rest::Primary) {
            return format!(
                "the files of backup {label} of repository {repo} were restored in {copied:.1} s, and \
                 lead to {until}\n{}",
                self.what_to_do()
            );
        }
        let findings: String = self.findings.iter().map(Finding::to_line).collect();
        format!(
            "{findings}restored to {until} from backup {label} of repository {repo} in {:.1} s: files \
             in {copied:.1} s, log in {recovered:.1} s\n{}",
            copied + recovered,
            self.what_to_do()
        )
    }

    fn what_to_do(&self) -> String {
        let folder = self.folder.display();
        match &self.rest {
            Rest::Copy(Commands { start, connect }) => format!(
                "the copy in {folder} is stopped; it is for looking and for copying rows out of it, \
                 archives nothing and takes no port\n  {start}\n  {connect}\n(a new primary is \
                 restored by --as-primary)\n"
            ),
            Rest::Primary => format!(
                "nothing is replayed yet: start PostgreSQL on {folder} as you always do; it replays the \
                 log, begins a new timeline and archives it. When it is up, run `stagedoor doctor`, and \
                 `stagedoor backup run` at once\n"
            ),
            Rest::Nothing => "the scratch folder is removed\n".to_owned(),
        }
    }
}

/// Rounded to a millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

fn report(restored: &Restored, as_json: bool) -> Result<(), CliError> {
    if as_json {
        print_json(&restored.to_json())
    } else {
        print(restored.to_text().as_bytes())
    }
}
