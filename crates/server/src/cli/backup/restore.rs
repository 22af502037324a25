//! `backup restore` and `backup drill`: a copy beside the running system, and what is found in it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use store::backup_runs::{Kind, Run};
use tokio::time::Instant;

use super::args::{DrillArgs, RestoreArgs};
use super::child::or_stopped;
use super::copy::Copy;
use super::folder::{self, Allowed, Scratch};
use super::info::{Backup, Info};
use super::pgbackrest::{PgBackRest, joined};
use super::record::{self, first_line};
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
}

pub(super) async fn restore(config: &Config, args: RestoreArgs) -> Result<(), CliError> {
    let now = app::Ctx::system().now();
    if args.to > now {
        return Err(CliError::Usage(format!(
            "--to {} is in the future; it is {now} now",
            args.to
        )));
    }
    let folder = std::path::absolute(&args.into)
        .map_err(|error| CliError::failed("can't use that folder", &error))?;
    let restored = or_stopped(restore_to(config, &args, &folder)).await?;
    report(&restored, args.report.json, Some(&how_to_start(&folder)?))?;
    restored.verdict()
}

async fn restore_to(
    config: &Config,
    args: &RestoreArgs,
    folder: &Path,
) -> Result<Restored, CliError> {
    let program = PgBackRest::of(config);
    let info = Info::ask(&program).await?;
    let target = choose(&program, &info, args.repo.repo, Some(args.to))?;
    let allowed = Allowed {
        replace: args.replace,
        discard_newer_timeline: args.discard_newer_timeline,
    };
    folder::has_room(folder, target.backup.bytes())?;
    folder::prepare(folder, allowed, info.newest_timeline()).await?;
    make_copy(config, &program, target, folder).await
}

pub(super) async fn drill(config: &Config, args: DrillArgs) -> Result<(), CliError> {
    let started_at = app::Ctx::system().now();
    let mut tried = None;
    let outcome = or_stopped(drill_once(config, &args, &mut tried)).await;
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
    report(&restored, args.report.json, None)?;
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
    folder::has_room(&parent, target.backup.bytes())?;
    let scratch = Scratch::make(&parent, "drill")?;
    let data = scratch.path().join("data");
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
        return Ok(Target { backup, at });
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
    program.call("restore", options(&target, folder)).await?;
    let copied_in = begun.elapsed();
    let mut copy = Copy::start(folder).await?;
    copy.recover().await?;
    let recovered_in = begun.elapsed().saturating_sub(copied_in);
    let findings = examine(config, &copy).await;
    copy.stop().await?;
    Ok(Restored {
        target,
        folder: folder.to_owned(),
        copied_in,
        recovered_in,
        findings: findings?,
    })
}

fn options(target: &Target, folder: &Path) -> Vec<OsString> {
    let backup = &target.backup;
    let mut tablespaces = folder.as_os_str().to_owned();
    tablespaces.push("-tablespaces");
    let mut options = vec![
        joined("--pg1-path=", folder),
        format!("--repo={}", backup.repo()).into(),
        format!("--set={}", backup.label).into(),
        "--archive-mode=off".into(),
        // Those of the running system must stay its own.
        joined("--tablespace-map-all=", tablespaces.as_ref()),
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
    let urls = [&config.database.backup_url, &config.database.url];
    let named = urls.into_iter().flatten().find_map(DatabaseUrl::database);
    let url = copy.url("stagedoor_app", named.unwrap_or(DATABASE));
    let app = serve::open_patient_app(config, &url)
        .map_err(|error| CliError::failed("can't connect to the copy", &error))?;
    Ok(doctor::database(&app).await)
}

/// The command for whoever wants to use it.
fn how_to_start(folder: &Path) -> Result<String, CliError> {
    let programs = folder::programs(folder::major(folder)?)?;
    let settings = if folder.join("postgresql.conf").is_file() {
        String::new()
    } else {
        " -c config_file=FILE".to_owned()
    };
    Ok(format!(
        "{} start -D {} -o \"-p 5433{settings}\"",
        programs.path("pg_ctl").display(),
        folder.display()
    ))
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

    fn to_json(&self, start: Option<&str>) -> Value {
        let target = &self.target;
        let findings: Vec<Value> = self.findings.iter().map(Finding::to_json).collect();
        json!({
            "ok": !self.has_errors(),
            "repo": target.backup.repo(),
            "label": target.backup.label,
            "to": target.at.map(|at| at.to_string()),
            "folder": start.is_some().then(|| self.folder.display().to_string()),
            "copied_seconds": seconds(self.copied_in),
            "recovered_seconds": seconds(self.recovered_in),
            "seconds": seconds(self.copied_in + self.recovered_in),
            "findings": findings,
            "start": start,
        })
    }

    fn to_text(&self, start: Option<&str>) -> String {
        let target = &self.target;
        let until = target
            .at
            .map_or("the end of the archived log".to_owned(), |at| {
                at.to_string()
            });
        let findings: String = self.findings.iter().map(Finding::to_line).collect();
        let copied = self.copied_in.as_secs_f64();
        let recovered = self.recovered_in.as_secs_f64();
        let total = copied + recovered;
        let label = &target.backup.label;
        let repo = target.backup.repo();
        let end = start.map_or_else(
            || "the scratch folder is removed\n".to_owned(),
            |start| {
                format!(
                    "the copy is in {}, stopped, and archives nothing; start it with\n  {start}\n",
                    self.folder.display()
                )
            },
        );
        format!(
            "{findings}restored to {until} from backup {label} of repository {repo} in {total:.1} s: \
             files in {copied:.1} s, log in {recovered:.1} s\n{end}"
        )
    }
}

/// Rounded to a millisecond.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

fn report(restored: &Restored, as_json: bool, start: Option<&str>) -> Result<(), CliError> {
    if as_json {
        print_json(&restored.to_json(start))
    } else {
        print(restored.to_text(start).as_bytes())
    }
}
