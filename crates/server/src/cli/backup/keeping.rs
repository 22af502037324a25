//! What pgBackRest's configuration says: what it keeps, where that is less than it should be, and whose
//! backups they are.
//!
//! Absent on purpose: other ways to configure it (its environment, `conf.d`), which nothing here needs.

use std::fs;
use std::path::PathBuf;

use super::info::Info;
use super::pgbackrest::PgBackRest;

/// A mistake may be found as late as that.
const DAYS_MIN: u32 = 30;

/// A sentence for everything that is unwise; none of it is damage.
pub(super) fn warnings(program: &PgBackRest, info: &Info) -> Vec<String> {
    let text = fs::read_to_string(program.config()).unwrap_or_default();
    let mut warnings = Vec::new();
    if info.repositories.len() == 1 {
        warnings.push("there is only one repository; add one in another place".to_owned());
    }
    for repository in &info.repositories {
        let key = repository.key;
        if repository.cipher == "none" {
            warnings.push(format!(
                "repository {key} isn't encrypted; set repo{key}-cipher-type and -pass"
            ));
        }
        if !keeps_long(&text, key) {
            warnings.push(format!(
                "repository {key} isn't said to keep {DAYS_MIN} days; set \
                 repo{key}-retention-full-type=time and repo{key}-retention-full={DAYS_MIN}"
            ));
        }
    }
    warnings
}

/// PostgreSQL's own data folder, where this configuration says it.
pub(super) fn primary_folder(program: &PgBackRest) -> Option<PathBuf> {
    let text = fs::read_to_string(program.config()).unwrap_or_default();
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    let found = lines.find(|(name, _)| name.trim() == "pg1-path");
    found.map(|(_, path)| PathBuf::from(path.trim()))
}

fn keeps_long(text: &str, repo: i32) -> bool {
    let value = |option: &str| {
        let wanted = format!("repo{repo}-{option}");
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        let found = lines.find(|(name, _)| name.trim() == wanted);
        found.map(|(_, value)| value.trim())
    };
    let days = value("retention-full").and_then(|days| days.parse().ok());
    value("retention-full-type") == Some("time") && days.is_some_and(|days: u32| days >= DAYS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_days_are_told_from_less_and_from_counts() {
        for (text, is_long) in [
            (
                "repo1-retention-full-type=time\nrepo1-retention-full=30",
                true,
            ),
            (
                "repo1-retention-full-type = time\nrepo1-retention-full = 31",
                true,
            ),
            (
                "repo1-retention-full-type=time\nrepo1-retention-full=29",
                false,
            ),
            ("repo1-retention-full=30", false),
            (
                "#repo1-retention-full-type=time\nrepo1-retention-full=30",
                false,
            ),
            (
                "repo2-retention-full-type=time\nrepo2-retention-full=30",
                false,
            ),
        ] {
            assert_eq!(keeps_long(text, 1), is_long, "{text}");
        }
    }
}
