//! `backup`: pgBackRest for an operator, on the database's machine, with what it leaves unsaid.
//!
//! Absent on purpose: choosing what is kept and where, which pgBackRest's own configuration says.

use std::fmt::Write as _;

use app::Ctx;
use jiff::Timestamp;
use rustix::process::geteuid;
use serde_json::{Value, json};
use store::backup_runs::{Kind, Run};

use super::{CliError, ReportArgs, print, print_json};
use crate::config::Config;
use args::{BackupCommand, CheckArgs, RunArgs};
use child::or_stopped;
use damage::Segment;
use info::{Backup, Info};
use pgbackrest::{Failure, PgBackRest};

pub mod args;
mod child;
mod copy;
mod damage;
mod folder;
mod info;
mod keeping;
mod pgbackrest;
mod record;
mod replay;
mod restore;
mod start;

pub(super) async fn run(config: Config, command: BackupCommand) -> Result<(), CliError> {
    refuse_root()?;
    match command {
        BackupCommand::Run(args) => make(&config, &args).await,
        BackupCommand::List(args) => list(&config, args).await,
        BackupCommand::Check(args) => check(&config, &args).await,
        BackupCommand::Restore(args) => Box::pin(restore::restore(&config, args)).await,
        BackupCommand::Drill(args) => Box::pin(restore::drill(&config, args)).await,
    }
}

/// Files of root's in a repository would keep PostgreSQL from archiving; and PostgreSQL itself refuses
/// to run as root.
fn refuse_root() -> Result<(), CliError> {
    if geteuid().is_root() {
        return Err(CliError::Usage(
            "run it as PostgreSQL's user: sudo -u postgres stagedoor backup …".to_owned(),
        ));
    }
    Ok(())
}

async fn make(config: &Config, args: &RunArgs) -> Result<(), CliError> {
    let program = PgBackRest::of(config);
    let mut made = Made::begin(args.kind.kind());
    match or_stopped(make_each(&program, args, &mut made)).await {
        Err(failure) if failure.is_misuse() => return Err(failure.into()),
        Err(failure) => made.fail(failure, None),
        Ok(()) => {}
    }
    let runs = [made.known.as_slice(), made.runs.as_slice()].concat();
    record::write(config, &runs).await;
    report_runs(&made.runs, args.report)?;
    if made.failures.is_empty() {
        Ok(())
    } else {
        Err(CliError::Failed(made.failures.join("\n")))
    }
}

/// What became of each repository so far.
#[derive(Debug)]
struct Made {
    kind: Kind,
    /// One for every repository that there is.
    known: Vec<Run>,
    runs: Vec<Run>,
    failures: Vec<String>,
    /// The one under way, `None` before the first, and since when.
    repo: Option<i32>,
    started_at: Timestamp,
}

impl Made {
    fn begin(kind: Kind) -> Self {
        Self {
            kind,
            known: Vec::new(),
            runs: Vec::new(),
            failures: Vec::new(),
            repo: None,
            started_at: Ctx::system().now(),
        }
    }

    fn go_on(&mut self, repo: i32) {
        self.repo = Some(repo);
        self.started_at = Ctx::system().now();
    }

    /// All with one instant, before anything is done with them.
    fn know(&mut self, info: &Info) {
        let of = |repo: i32| Run {
            repo: Some(repo),
            finished_at: self.started_at,
            ..self.run(Kind::Known, true, String::new())
        };
        let repositories = info.repositories.iter();
        let known: Vec<Run> = repositories.map(|it| of(it.key)).collect();
        self.known = known;
    }

    /// It is there, which doesn't say that it is good.
    fn end(&mut self, backup: &Backup) {
        if let Some(failure) = backup.damage() {
            return self.fail(failure, Some(backup));
        }
        let run = self.run(self.kind_of(Some(backup)), true, String::new());
        let label = Some(backup.label.clone());
        self.runs.push(Run { label, ..run });
    }

    fn fail(&mut self, failure: Failure, backup: Option<&Backup>) {
        let run = self.run(self.kind_of(backup), false, failure.with_advice());
        let label = backup.map(|backup| backup.label.clone());
        self.runs.push(Run { label, ..run });
        let place = self.repo.map(|repo| format!("repository {repo}: "));
        let error = CliError::from(failure);
        self.failures
            .push(format!("{}{error}", place.unwrap_or_default()));
    }

    /// Without one before it, a small one becomes a full one.
    fn kind_of(&self, backup: Option<&Backup>) -> Kind {
        let kind = backup.and_then(|backup| Kind::parse(&backup.kind));
        kind.unwrap_or(self.kind)
    }

    fn run(&self, kind: Kind, is_ok: bool, detail: String) -> Run {
        Run {
            kind,
            repo: self.repo,
            label: None,
            started_at: self.started_at,
            finished_at: Ctx::system().now(),
            is_ok,
            detail,
        }
    }
}

/// One after the other, and each whatever became of the ones before.
async fn make_each(program: &PgBackRest, args: &RunArgs, made: &mut Made) -> Result<(), Failure> {
    let info = Info::ask(program).await?;
    made.know(&info);
    for repository in info.chosen(program, args.repo.repo)? {
        made.go_on(repository.key);
        match make_in(program, made.kind, repository.key).await {
            Ok(backup) => made.end(&backup),
            Err(failure) => made.fail(failure, None),
        }
    }
    Ok(())
}

/// Makes a backup, and finds it.
async fn make_in(program: &PgBackRest, kind: Kind, repo: i32) -> Result<Backup, Failure> {
    let in_repo = || format!("--repo={repo}");
    let options = [format!("--type={}", kind.as_str()), in_repo()];
    program.call("backup", options.map(Into::into)).await?;
    let info = Info::ask(program).await?;
    info.newest(&[repo], None).cloned().ok_or_else(|| Failure {
        what: format!("the backup isn't listed in repository {repo}"),
        mend: "see pgBackRest's log".to_owned(),
        said: Vec::new(),
    })
}

fn report_runs(runs: &[Run], args: ReportArgs) -> Result<(), CliError> {
    if args.json {
        let is_ok = runs.iter().all(|run| run.is_ok);
        let runs: Vec<Value> = runs.iter().map(run_to_json).collect();
        return print_json(&json!({ "ok": is_ok, "runs": runs }));
    }
    let mut text = String::new();
    for run in runs.iter().filter(|run| run.is_ok) {
        let took = run.finished_at.duration_since(run.started_at).as_secs_f64();
        let _ = writeln!(
            text,
            "{} backup {} in repository {}, in {took:.1} s",
            run.kind.as_str(),
            run.label.as_deref().unwrap_or_default(),
            run.repo.unwrap_or_default()
        );
    }
    print(text.as_bytes())
}

fn run_to_json(run: &Run) -> Value {
    json!({
        "ok": run.is_ok,
        "type": run.kind.as_str(),
        "repo": run.repo,
        "label": run.label,
        "started_at": run.started_at.to_string(),
        "finished_at": run.finished_at.to_string(),
        "detail": run.detail,
    })
}

async fn list(config: &Config, args: ReportArgs) -> Result<(), CliError> {
    let program = PgBackRest::of(config);
    let info = Info::ask(&program).await?;
    let troubles: Vec<Failure> = info
        .repositories
        .iter()
        .filter_map(|repository| Info::trouble(&program, repository))
        .collect();
    if args.json {
        print_json(&listed_as_json(&program, &info))?;
    } else {
        print(listed_as_text(&info).as_bytes())?;
    }
    troubles
        .into_iter()
        .next()
        .map_or(Ok(()), |trouble| Err(trouble.into()))
}

fn listed_as_json(program: &PgBackRest, info: &Info) -> Value {
    let repositories: Vec<Value> = info
        .repositories
        .iter()
        .map(|it| {
            let trouble = Info::trouble(program, it).map(|trouble| trouble.with_advice());
            json!({ "repo": it.key, "ok": it.is_ok(), "cipher": it.cipher, "detail": trouble })
        })
        .collect();
    let backups: Vec<Value> = info
        .backups
        .iter()
        .map(|it| {
            json!({
                "repo": it.repo(),
                "label": it.label,
                "type": it.kind,
                "started_at": it.started_at().to_string(),
                "finished_at": it.finished_at().to_string(),
                "bytes": it.bytes(),
                "repository_bytes": it.repository_bytes(),
                "has_damaged_pages": it.error,
            })
        })
        .collect();
    json!({ "stanza": program.stanza(), "repositories": repositories, "backups": backups })
}

fn listed_as_text(info: &Info) -> String {
    if info.backups.is_empty() {
        return "there is no backup yet\n".to_owned();
    }
    let mut text = format!(
        "{:>4}  {:33}  {:4}  {:20}  {:>15}  {:>15}\n",
        "repo", "label", "type", "finished", "bytes", "in repository"
    );
    for backup in &info.backups {
        let note = if backup.error == Some(true) {
            "  DAMAGED PAGES"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "{:>4}  {:33}  {:4}  {:20}  {:>15}  {:>15}{note}",
            backup.repo(),
            backup.label,
            backup.kind,
            backup.finished_at(),
            backup.bytes(),
            backup.repository_bytes()
        );
    }
    text
}

/// What was found in one repository.
#[derive(Debug)]
struct Checked {
    run: Run,
    damage: Vec<String>,
}

async fn check(config: &Config, args: &CheckArgs) -> Result<(), CliError> {
    let program = PgBackRest::of(config);
    let started_at = Ctx::system().now();
    let mut warnings = Vec::new();
    let checked = match or_stopped(check_each(&program, args, &mut warnings)).await {
        Ok(checked) => checked,
        Err(failure) if failure.is_misuse() => return Err(failure.into()),
        Err(failure) => vec![judge(args, None, started_at, vec![failure.with_advice()])],
    };
    let runs: Vec<Run> = checked.iter().map(|it| it.run.clone()).collect();
    record::write(config, &runs).await;
    report_checked(&checked, &warnings, args)?;
    if checked.iter().all(|it| it.run.is_ok) {
        Ok(())
    } else {
        Err(CliError::CheckFailed)
    }
}

async fn check_each(
    program: &PgBackRest,
    args: &CheckArgs,
    warnings: &mut Vec<String>,
) -> Result<Vec<Checked>, Failure> {
    let info = Info::ask(program).await?;
    *warnings = keeping::warnings(program, &info);
    let chosen = info.chosen(program, args.repo.repo)?;
    let has_trouble = info.repositories.iter().any(|it| !it.is_ok());
    let started_at = Ctx::system().now();
    // Of all repositories at once, whichever are chosen. Where one can't be read it fails for that; the
    // one is told below, more exactly, and each of the others is asked for the newest file by its name.
    let archive = program.call("check", []).await.err();
    let newest = archive.as_ref().filter(|_| has_trouble);
    let newest = newest.and_then(|_| damage::newest_closed(program));
    let archive = archive.filter(|_| !has_trouble);
    // What the check has sent is in there now.
    let info = Info::ask(program).await?;
    let mut checked = Vec::new();
    for repository in chosen {
        let mut damage = Vec::new();
        damage.extend(archive.as_ref().map(Failure::with_advice));
        match Info::trouble(program, repository) {
            Some(trouble) => damage.push(trouble.with_advice()),
            None => match find_damage(program, &info, repository.key, newest, args.log).await {
                Ok(found) => damage.extend(found),
                Err(failure) => damage.push(failure.with_advice()),
            },
        }
        checked.push(judge(args, Some(repository.key), started_at, damage));
    }
    Ok(checked)
}

/// `newest` is a file of the log that must be there.
async fn find_damage(
    program: &PgBackRest,
    info: &Info,
    repo: i32,
    newest: Option<Segment>,
    of_log_alone: bool,
) -> Result<Vec<String>, Failure> {
    let mut damage = Vec::new();
    if !of_log_alone {
        damage.extend(damage::find_files(program, repo).await?);
        let backups = info.backups.iter().filter(|it| it.repo() == repo);
        damage.extend(
            backups
                .filter_map(Backup::damage)
                .map(|it| it.with_advice()),
        );
    }
    if let Some(newest) = newest {
        damage.extend(damage::find_missing(program, info, repo, newest).await?);
    }
    damage.extend(damage::find_gaps(program, info, repo).await?);
    Ok(damage)
}

fn judge(
    args: &CheckArgs,
    repo: Option<i32>,
    started_at: Timestamp,
    damage: Vec<String>,
) -> Checked {
    let run = Run {
        // What the log's state is makes nothing good or bad that a whole check has found.
        kind: if args.log { Kind::Log } else { Kind::Check },
        repo,
        label: None,
        started_at,
        finished_at: Ctx::system().now(),
        is_ok: damage.is_empty(),
        detail: damage.first().cloned().unwrap_or_default(),
    };
    Checked { run, damage }
}

fn report_checked(
    checked: &[Checked],
    warnings: &[String],
    args: &CheckArgs,
) -> Result<(), CliError> {
    if args.report.json {
        let is_ok = checked.iter().all(|it| it.run.is_ok);
        let each = checked
            .iter()
            .map(|it| json!({ "repo": it.run.repo, "ok": it.run.is_ok, "damage": it.damage }));
        let each: Vec<Value> = each.collect();
        return print_json(&json!({ "ok": is_ok, "repositories": each, "warnings": warnings }));
    }
    let files = if args.log {
        ""
    } else {
        "every file is as it was written, and "
    };
    let mut text = String::new();
    for Checked { run, damage } in checked {
        let name = run.repo.map_or("no repository".to_owned(), |repo| {
            format!("repository {repo}")
        });
        if damage.is_empty() {
            let _ = writeln!(text, "{name}: {files}the log has no gap");
        }
        for line in damage {
            let _ = writeln!(text, "{name}: NOT ok: {line}");
        }
    }
    for warning in warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    print(text.as_bytes())
}
