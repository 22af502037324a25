//! What is foreseen: the two tables of the document, which are the only place where it is written.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::Regex;

/// Where the tables are, up to the log.
pub(super) const HEADING: &str = "### A bad night";
/// The heading of what the test writes, up to the next section.
pub(super) const LOG: &str = "#### The log of a bad night";

/// What happens, by the bold word of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    Evening,
    Standby,
    Script,
    Psql,
    Disk,
    Backup,
    Rush,
    Mended,
}

impl Fault {
    fn named(name: &str) -> Self {
        match name {
            "evening" => Self::Evening,
            "standby" => Self::Standby,
            "script" => Self::Script,
            "psql" => Self::Psql,
            "disk" => Self::Disk,
            "backup" => Self::Backup,
            "rush" => Self::Rush,
            "mended" => Self::Mended,
            _ => panic!("nobody knows how to do {name}"),
        }
    }
}

/// A row of the first table.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) at: Duration,
    pub(super) fault: Fault,
    pub(super) text: String,
}

/// A row of the second: an alert, in the order of work.
#[derive(Debug)]
pub(super) struct Foreseen {
    pub(super) alert: String,
    pub(super) urgency: u8,
    pub(super) of: Fault,
    /// After its fault began.
    pub(super) told: Duration,
    /// After its fault was mended, or began where it ends by itself.
    pub(super) ends: Duration,
    pub(super) ends_by_itself: bool,
}

#[derive(Debug)]
pub(super) struct List {
    pub(super) steps: Vec<Step>,
    pub(super) alerts: Vec<Foreseen>,
}

impl List {
    pub(super) fn read() -> Self {
        let text = fs::read_to_string(document()).unwrap();
        let (_, section) = text.split_once(HEADING).unwrap();
        let (section, _) = section.split_once(LOG).unwrap();
        let step = Regex::new(r"(?m)^\| (\d+:\d\d) \| \*\*(\w+)\*\*: (.+) \|$").unwrap();
        let steps = step.captures_iter(section).map(|row| Step {
            at: minutes(&row[1]),
            fault: Fault::named(&row[2]),
            text: row[3].to_owned(),
        });
        let alert =
            r"(?m)^\| \d+ \| `(\w+)` \((\d)\) \| (\w+) \| (\d+:\d\d) \| (\d+:\d\d)( by itself)? \|";
        let alert = Regex::new(alert).unwrap();
        let alerts = alert.captures_iter(section).map(|row| Foreseen {
            alert: row[1].to_owned(),
            urgency: row[2].parse().unwrap(),
            of: Fault::named(&row[3]),
            told: minutes(&row[4]),
            ends: minutes(&row[5]),
            ends_by_itself: row.get(6).is_some(),
        });
        Self {
            steps: steps.collect(),
            alerts: alerts.collect(),
        }
    }

    pub(super) fn begins(&self, fault: Fault) -> Duration {
        let found = self.steps.iter().find(|step| step.fault == fault);
        found
            .unwrap_or_else(|| panic!("{fault:?} never happens"))
            .at
    }

    pub(super) fn find(&self, alert: &str) -> Option<&Foreseen> {
        self.alerts.iter().find(|foreseen| foreseen.alert == alert)
    }

    /// What is to be mended, in the order of work.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for foreseen in &self.alerts {
            if !faults.contains(&foreseen.of) {
                faults.push(foreseen.of);
            }
        }
        faults
    }
}

pub(super) fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md")
}

fn minutes(text: &str) -> Duration {
    let (minutes, seconds) = text.split_once(':').unwrap();
    let parsed = |text: &str| text.parse::<u64>().unwrap();
    Duration::from_secs(parsed(minutes) * 60 + parsed(seconds))
}

/// `12:05`.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[test]
fn the_written_list_fits_itself_and_the_rules() {
    let list = List::read();
    let (steps, alerts) = (&list.steps, &list.alerts);
    assert!(steps.is_sorted_by_key(|step| step.at), "{steps:?}");
    assert_eq!(steps.first().map(|step| step.fault), Some(Fault::Evening));
    assert_eq!(steps.last().map(|step| step.fault), Some(Fault::Mended));
    assert!(alerts.len() > 5, "{alerts:?}");
    assert!(alerts.is_sorted_by_key(|foreseen| foreseen.urgency));
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/prometheus");
    let files = fs::read_dir(rules).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let rules = paths.filter(|path| path.to_string_lossy().ends_with(".rules.yml"));
    let rules: String = rules
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let mended = list.begins(Fault::Mended);
    for foreseen in alerts {
        let name = &foreseen.alert;
        let rule = rules.split_once(&format!("- alert: {name}\n"));
        let (_, rule) = rule.unwrap_or_else(|| panic!("there is no rule {name}"));
        let urgency = format!("urgency: \"{}\"", foreseen.urgency);
        assert!(
            rule.lines().take(12).any(|line| line.contains(&urgency)),
            "{name} isn't of {urgency}"
        );
        let told = list.begins(foreseen.of) + foreseen.told;
        assert!(told <= mended, "{name} is told when all is over");
    }
}
