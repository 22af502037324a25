//! What is wrong in a repository: damaged and missing files, and gaps in the archived log.
//!
//! Version 2.45 of `pgbackrest verify` exits with 0 whatever it finds, and says nothing of a missing
//! file of the log; so its report is read here, and the log's names are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::info::{Archive, Backup, Info};
use super::pgbackrest::{Failure, PgBackRest};

/// Files of the log are pushed side by side, so that one may be there before the one before it. Where
/// another repository is dead, each waits for it first: four times `io-timeout`, which is 5 s; so it is
/// looked again until then, and every few seconds whether there is reason to.
const LOOKS: u32 = 6;
const LOOK_EVERY: Duration = Duration::from_secs(5);

const MEND_FILES: &str = "make a full backup now with `stagedoor backup run`, look at that disk, and \
                          remove what is damaged with `pgbackrest expire --set=LABEL`";
const MEND_LOG: &str = "make a full backup now with `stagedoor backup run`, from which on every time can \
                        be restored again; copy the file from another repository, or remove the backups \
                        before the gap with `pgbackrest expire --set=LABEL`";

/// What a file's name of the log has of digits.
const SEGMENT_LENGTH: usize = 24;

/// A file of the log: its timeline, and its position in two parts, of which the first counts 4 GB and
/// the second the files of 1 MB to 1 GB in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    timeline: u32,
    part: u32,
    file: u32,
}

impl Segment {
    /// Of a name of three times eight hexadecimal digits.
    fn parse(name: &str) -> Option<Self> {
        let is_one = name.len() == SEGMENT_LENGTH && name.bytes().all(|it| it.is_ascii_hexdigit());
        let number = |range| u32::from_str_radix(name.get(range)?, 16).ok();
        let whole = Self {
            timeline: number(0..8)?,
            part: number(8..16)?,
            file: number(16..24)?,
        };
        is_one.then_some(whole)
    }

    /// Whatever the timeline.
    const fn position(self) -> (u32, u32) {
        (self.part, self.file)
    }

    /// Whether no file is between the two; `last` is the highest second part that was seen anywhere.
    fn is_followed_by(self, next: Self, last: u32) -> bool {
        let is_end = self.file == last && (u64::from(last) + 1).is_power_of_two() && last >= 3;
        let next_part = (self.part.saturating_add(1), 0);
        next.position() == (self.part, self.file.saturating_add(1))
            || (is_end && next.position() == next_part)
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{:08X}{:08X}{:08X}",
            self.timeline, self.part, self.file
        )
    }
}

/// What an archive lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Missing {
    Between(Segment, Segment),
    NeededBy { label: String, segment: Segment },
}

impl Missing {
    /// Whether an earlier look missed it too: files that arrive make a gap smaller.
    fn is_part_of(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (Self::Between(from, to), Self::Between(earlier_from, earlier_to)) => {
                to.timeline == earlier_to.timeline
                    && earlier_from.position() <= from.position()
                    && to.position() <= earlier_to.position()
            }
            _ => self == earlier,
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(from, to) => write!(
                out,
                "the log has a gap between {from} and {to}: no restore crosses it"
            ),
            Self::NeededBy { label, segment } => write!(
                out,
                "backup {label} can't be restored: file {segment} of the log is missing"
            ),
        }
    }
}

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
        let missing = confirmed(program, info, archive).await?;
        damage.extend(missing.iter().map(Missing::to_string));
    }
    for backup in info.backups_without_log(repo) {
        let label = &backup.label;
        damage.push(format!(
            "backup {label} can't be restored: it has no archive"
        ));
    }
    Ok(damage
        .into_iter()
        .map(|it| format!("{it}: {MEND_LOG}"))
        .collect())
}

/// The newest file of the log that PostgreSQL has closed, where its folder is on this machine.
pub(super) fn newest_closed(program: &PgBackRest) -> Option<Segment> {
    let folder = program.option("pg1-path")?;
    let status = Path::new(&folder).join("pg_wal/archive_status");
    let names = fs::read_dir(status).ok()?.flatten();
    let segments = names.filter_map(|entry| {
        let name = entry.file_name();
        let (segment, _) = name.to_str()?.split_once('.')?;
        let is_log = Path::new(&name).file_stem()? == segment;
        Segment::parse(segment).filter(|_| is_log)
    });
    segments.max()
}

/// Looks for one file, which may be on its way.
pub(super) async fn find_missing(
    program: &PgBackRest,
    info: &Info,
    repo: i32,
    newest: Segment,
) -> Result<Option<String>, Failure> {
    for look in 0..=LOOKS {
        if look > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let archives = info.archives.iter();
        for archive in archives.filter(|archive| archive.repo() == repo) {
            if list(program, archive).await?.contains(&newest) {
                return Ok(None);
            }
        }
    }
    Ok(Some(format!(
        "the log doesn't arrive: file {newest}, which PostgreSQL has closed, isn't there: see \
         archive_command's errors in PostgreSQL's log and pgBackRest's"
    )))
}

/// What every look misses.
async fn confirmed(
    program: &PgBackRest,
    info: &Info,
    archive: &Archive,
) -> Result<Vec<Missing>, Failure> {
    let backups: Vec<&Backup> = info.backups_on(archive).collect();
    let mut missing = missing_segments(&list(program, archive).await?, &backups);
    for _ in 0..LOOKS {
        if missing.is_empty() {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        let now = missing_segments(&list(program, archive).await?, &backups);
        missing = still_missing(&missing, now);
    }
    Ok(missing)
}

fn still_missing(before: &[Missing], mut now: Vec<Missing>) -> Vec<Missing> {
    now.retain(|it| before.iter().any(|earlier| it.is_part_of(earlier)));
    now
}

/// The log's files in one archive.
async fn list(program: &PgBackRest, archive: &Archive) -> Result<BTreeSet<Segment>, Failure> {
    let path = format!("archive/{}/{}", program.stanza(), archive.id);
    let options = [format!("--repo={}", archive.repo()), "--recurse".to_owned()];
    let options = options.map(Into::into);
    let text = program
        .call_on("repo-ls", Some(path.as_ref()), options)
        .await?;
    let names = text.lines().filter_map(|line| {
        let (segment, _) = line.rsplit('/').next()?.split_once('-')?;
        Segment::parse(segment)
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

/// Gaps between files of one timeline, between a timeline and those before it, and files that a backup
/// needs. What comes before the oldest backup serves no restore.
///
/// A timeline begins at most one file after the end of those before it, or what was between went down
/// with the old primary: a promoted standby archives no file that it was sent whole. Which of several
/// timelines is the parent isn't read, so the longest one counts.
fn missing_segments(there: &BTreeSet<Segment>, backups: &[&Backup]) -> Vec<Missing> {
    let needed = |backup: &&Backup| {
        let names = [&backup.archive.start, &backup.archive.stop];
        let names = names.into_iter().flatten();
        names.filter_map(|name| Segment::parse(name)).collect()
    };
    let needed: Vec<(&str, BTreeSet<Segment>)> = backups
        .iter()
        .map(|backup| (backup.label.as_str(), needed(backup)))
        .collect();
    let starts = needed.iter().flat_map(|(_, segments)| segments);
    let oldest = starts.map(|it| it.position()).min().unwrap_or_default();
    let last = there.iter().map(|it| it.file).max().unwrap_or_default();

    let mut timelines: BTreeMap<u32, Vec<Segment>> = BTreeMap::new();
    for segment in there.iter().filter(|it| it.position() >= oldest) {
        timelines
            .entry(segment.timeline)
            .or_default()
            .push(*segment);
    }
    let mut missing = Vec::new();
    let mut end: Option<Segment> = None;
    for segments in timelines.values() {
        let (first, newest) = (segments[0], segments[segments.len() - 1]);
        if let Some(end) = end
            && end.position() < first.position()
            && !end.is_followed_by(first, last)
        {
            missing.push(Missing::Between(end, first));
        }
        for pair in segments.windows(2) {
            if !pair[0].is_followed_by(pair[1], last) {
                missing.push(Missing::Between(pair[0], pair[1]));
            }
        }
        end = end
            .into_iter()
            .chain([newest])
            .max_by_key(|it| it.position());
    }
    for (label, segments) in needed {
        let lacking = segments.into_iter().filter(|it| !there.contains(it));
        missing.extend(lacking.map(|segment| Missing::NeededBy {
            label: label.to_owned(),
            segment,
        }));
    }
    missing
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

    fn segment(timeline: u32, part: u32, file: u32) -> Segment {
        Segment {
            timeline,
            part,
            file,
        }
    }

    fn gaps(there: &[(u32, u32, u32)]) -> Vec<String> {
        let there = there.iter().map(|it| segment(it.0, it.1, it.2)).collect();
        let missing = missing_segments(&there, &[]);
        missing.iter().map(Missing::to_string).collect()
    }

    #[test]
    fn gaps_are_found_and_ends_of_parts_are_none() {
        for (there, count) in [
            (&[(1, 0, 0xFE), (1, 0, 0xFF), (1, 1, 0)][..], 0),
            (&[(1, 0, 1), (1, 0, 3)], 1),
            (&[(1, 0, 0xFD), (1, 1, 0)], 1),
            // Of 16 MB each a part has 256, of which one was seen.
            (&[(1, 0, 0x0F), (1, 1, 0), (1, 1, 0xFF), (1, 2, 0)], 2),
        ] {
            assert_eq!(gaps(there).len(), count, "{there:?}");
        }
    }

    #[test]
    fn a_timeline_begins_where_those_before_it_end() {
        for (there, count) in [
            (&[(1, 0, 7), (2, 0, 5), (2, 0, 6)][..], 0),
            (&[(1, 0, 7), (2, 0, 7)], 0),
            (&[(1, 0, 7), (2, 0, 8)], 0),
            (&[(1, 0, 0xFF), (2, 1, 0)], 0),
            (&[(1, 0, 7), (2, 0, 9)], 1),
            (&[(1, 0, 7), (2, 0, 6), (3, 0, 8)], 0),
            (&[(1, 0, 7), (2, 0, 6), (4, 0, 9)], 1),
            (&[(2, 0, 9), (3, 0, 10)], 0),
        ] {
            assert_eq!(gaps(there).len(), count, "{there:?}");
        }
        let told = gaps(&[(1, 0, 7), (2, 0, 9)]);
        let wanted = "between 000000010000000000000007 and 000000020000000000000009";
        assert!(told[0].contains(wanted), "{told:?}");
    }

    #[test]
    fn what_a_backlog_has_not_yet_sent_is_no_gap() {
        let between = |from, to| Missing::Between(segment(1, 0, from), segment(1, 0, to));
        let first = [between(5, 9), between(12, 14)];
        // 7 came and 13; 16 is there before 15.
        let second = vec![between(5, 7), between(7, 9), between(14, 16)];
        let kept = still_missing(&first, second);
        assert_eq!(kept, [between(5, 7), between(7, 9)]);
    }

    /// Of two clusters, the second after an upgrade of PostgreSQL.
    const UPGRADED: &str = r#"{"archive":[
        {"database":{"id":1,"repo-key":1},"id":"15-1","max":null},
        {"database":{"id":2,"repo-key":1},"id":"16-2","max":null}],
        "backup":[
        {"archive":{"start":"000000010000000000000005","stop":"000000010000000000000006"},
         "database":{"id":1,"repo-key":1},"info":{"size":1,"repository":{"delta":1}},
         "label":"old","timestamp":{"start":1,"stop":2},"type":"full"},
        {"archive":{"start":"000000010000000000000002","stop":"000000010000000000000002"},
         "database":{"id":2,"repo-key":1},"info":{"size":1,"repository":{"delta":1}},
         "label":"new","timestamp":{"start":3,"stop":4},"type":"full"},
        {"archive":{"start":"000000010000000000000009","stop":"000000010000000000000009"},
         "database":{"id":3,"repo-key":1},"info":{"size":1,"repository":{"delta":1}},
         "label":"lost","timestamp":{"start":3,"stop":4},"type":"full"}]}"#;

    #[test]
    fn a_backup_needs_the_log_of_its_own_cluster_from_its_start_on() {
        let info: Info = serde_json::from_str(UPGRADED).unwrap();
        let of = |archive: usize, files: &[u32]| {
            let backups: Vec<&Backup> = info.backups_on(&info.archives[archive]).collect();
            let there = files.iter().map(|file| segment(1, 0, *file)).collect();
            let missing = missing_segments(&there, &backups);
            missing.iter().map(Missing::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of(0, &[5, 6, 7]), [""; 0]);
        assert_eq!(of(1, &[2, 3]), [""; 0]);
        assert_eq!(of(0, &[1, 3, 5, 6]), [""; 0], "before the oldest backup");
        assert_eq!(of(0, &[5, 6, 8]).len(), 1);
        let told = of(0, &[6, 7]);
        assert!(
            told[0].starts_with("backup old can't be restored"),
            "{told:?}"
        );
        assert_eq!(of(1, &[]).len(), 1, "an archive without any file");
        let lost: Vec<_> = info.backups_without_log(1).map(|it| &it.label).collect();
        assert_eq!(lost, ["lost"]);
    }
}
