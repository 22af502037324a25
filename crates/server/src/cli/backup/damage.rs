//! What is wrong in a repository: damaged and missing files, and gaps in the archived log.
//!
//! Version 2.45 of `pgbackrest verify` exits with 0 whatever it finds, and says nothing of a missing
//! file of the log; so its report is read here, and the log's names are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::info::Info;
use super::pgbackrest::{Failure, PgBackRest};

/// Files of the log are pushed side by side, so that one may be there before the one before it.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

const MEND_FILES: &str = "make a full backup now with `stagedoor backup run`, look at that disk, and \
                          remove what is damaged with `pgbackrest expire --set=LABEL`";
const MEND_LOG: &str = "make a full backup now with `stagedoor backup run`, from which on every time can \
                        be restored again; copy the file from another repository, or remove the backups \
                        before the gap with `pgbackrest expire --set=LABEL`";

/// A file's name of the log: timeline, and position in two parts, each of eight hexadecimal digits.
const SEGMENT_LENGTH: usize = 24;

/// Reads one repository through; a sentence for every backup and archive with a file that is wrong.
pub(super) async fn find_files(program: &PgBackRest, repo: i32) -> Result<Vec<String>, Failure> {
    let options = ["--output=text", "--verbose"].map(Into::into);
    let in_repo = [format!("--repo={repo}").into()];
    let report = program
        .call("verify", options.into_iter().chain(in_repo))
        .await?;
    let damage = read_report(&report).into_iter();
    Ok(damage.map(|it| format!("{it}: {MEND_FILES}")).collect())
}

/// Looks for files that the archived log lacks, by their names alone.
pub(super) async fn find_gaps(
    program: &PgBackRest,
    info: &Info,
    repo: i32,
) -> Result<Vec<String>, Failure> {
    let mut damage = Vec::new();
    let archives = info.archives.iter();
    for archive in archives.filter(|archive| archive.repo() == repo) {
        let mut missing = missing_segments(&list(program, &archive.id, repo).await?, info, repo);
        if !missing.is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
            missing = missing_segments(&list(program, &archive.id, repo).await?, info, repo);
        }
        damage.extend(missing);
    }
    Ok(damage
        .into_iter()
        .map(|it| format!("{it}: {MEND_LOG}"))
        .collect())
}

/// The names of the log's files in one archive.
async fn list(program: &PgBackRest, id: &str, repo: i32) -> Result<BTreeSet<String>, Failure> {
    let path = format!("archive/{}/{id}", program.stanza());
    let options = [format!("--repo={repo}"), "--recurse".to_owned()];
    let options = options.map(Into::into);
    let text = program
        .call_on("repo-ls", Some(path.as_ref()), options)
        .await?;
    let names = text.lines().filter_map(|line| {
        let name = line.rsplit('/').next()?;
        let (segment, _) = name.split_at_checked(SEGMENT_LENGTH)?;
        let is_whole = name.as_bytes().get(SEGMENT_LENGTH) == Some(&b'-');
        let is_hex = segment.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_whole && is_hex).then(|| segment.to_owned())
    });
    Ok(names.collect())
}

/// What `verify` calls wrong; empty when it calls the whole good.
fn read_report(report: &str) -> Vec<String> {
    let lines = || report.lines().map(str::trim);
    if lines().any(|line| line == "status: ok") {
        return Vec::new();
    }
    let mut damage = Vec::new();
    let mut is_bad = false;
    for line in lines() {
        let is_head = line.starts_with("backup: ") || line.starts_with("archiveId: ");
        if is_head {
            is_bad = !is_good(line);
        }
        if line.starts_with("No usable") || (is_head && is_bad) {
            damage.push(line.to_owned());
        } else if is_bad && let Some(last) = damage.last_mut() {
            last.push_str("; ");
            last.push_str(line);
        }
    }
    if damage.is_empty() {
        damage.push("pgBackRest calls the repository damaged and doesn't say where".to_owned());
    }
    damage
}

/// Of one backup or archive, by its first line.
fn is_good(line: &str) -> bool {
    let number_after = |mark: &str| {
        let (_, rest) = line.split_once(mark)?;
        rest.split(',').next()?.trim().parse::<u64>().ok()
    };
    if line.starts_with("backup: ") {
        line.contains("status: valid") || line.contains("status: in-progress")
    } else {
        number_after("total WAL checked: ") == number_after("total valid WAL: ")
    }
}

/// Gaps between files of one timeline, and files that a backup needs.
fn missing_segments(there: &BTreeSet<String>, info: &Info, repo: i32) -> Vec<String> {
    let mut timelines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in there {
        timelines.entry(&name[..8]).or_default().push(name);
    }
    let mut missing = Vec::new();
    for names in timelines.values() {
        for pair in names.windows(2) {
            if !follows(pair[0], pair[1]) {
                missing.push(format!(
                    "the log has a gap between {} and {}: no restore crosses it",
                    pair[0], pair[1]
                ));
            }
        }
    }
    for backup in info.backups.iter().filter(|backup| backup.repo() == repo) {
        let needed = [&backup.archive.start, &backup.archive.stop];
        for name in needed.into_iter().flatten() {
            if timelines.contains_key(&name[..8]) && !there.contains(name) {
                let label = &backup.label;
                missing.push(format!(
                    "backup {label} can't be restored: file {name} of the log is missing"
                ));
            }
        }
    }
    missing
}

/// Whether nothing is between two names of one timeline. The first part counts 4 GB, the second the
/// files of 1 MB to 1 GB in them, so that it ends below a power of two.
fn follows(before: &str, after: &str) -> bool {
    let parts = |name: &str| {
        let part = |range| u64::from_str_radix(name.get(range)?, 16).ok();
        Some((part(8..16)?, part(16..24)?))
    };
    let (Some(before), Some(after)) = (parts(before), parts(after)) else {
        return false;
    };
    let is_next = after == (before.0, before.1 + 1);
    let files = before.1 + 1;
    let is_next_part = after == (before.0 + 1, 0) && files.is_power_of_two() && files >= 4;
    is_next || is_next_part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_verify_calls_wrong_is_kept_and_the_rest_is_not() {
        let good = "stanza: main\nstatus: ok\n  archiveId: 15-1, total WAL checked: 5, total valid \
                    WAL: 5\n    missing: 0\n";
        assert!(read_report(good).is_empty());
        let bad = "stanza: main\nstatus: error\n  archiveId: 15-1, total WAL checked: 5, total valid \
                   WAL: 4\n    missing: 0, checksum invalid: 0, size invalid: 0, other: 1\n  \
                   backup: A, status: invalid, total files checked: 9, total valid files: 8\n    \
                   missing: 1\n  backup: B, status: valid, total files checked: 9, total valid \
                   files: 9\n    missing: 0\n";
        let damage = read_report(bad);
        assert_eq!(damage.len(), 2, "{damage:?}");
        assert!(
            damage[0].contains("15-1") && damage[0].ends_with("other: 1"),
            "{damage:?}"
        );
        assert!(damage[1].contains("backup: A") && damage[1].ends_with("missing: 1"));
        let unusable = "stanza: main\nstatus: error\n  No usable backup.info file\n";
        assert_eq!(read_report(unusable), ["No usable backup.info file"]);
        assert_eq!(read_report("").len(), 1, "silence is no success");
    }

    #[test]
    fn gaps_are_found_and_ends_of_parts_are_none() {
        let name =
            |timeline: u32, high: u32, low: u32| format!("{timeline:08X}{high:08X}{low:08X}");
        let of = |names: &[String]| {
            let names: BTreeSet<String> = names.iter().cloned().collect();
            missing_segments(&names, &Info::default(), 1).len()
        };
        assert_eq!(of(&[name(1, 0, 0xFE), name(1, 0, 0xFF), name(1, 1, 0)]), 0);
        assert_eq!(of(&[name(1, 0, 1), name(1, 0, 3)]), 1);
        assert_eq!(of(&[name(1, 0, 0xFD), name(1, 1, 0)]), 1);
        assert_eq!(of(&[name(1, 0, 7), name(2, 0, 5), name(2, 0, 6)]), 0);
    }
}
