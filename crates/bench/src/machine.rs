//! What is known of this machine and of a process, read from Linux's `/proc`; no names, no paths.

use std::fs;

use anyhow::{Context as _, Result};

/// Processor time in `/proc` is counted in hundredths of a second on every Linux.
const TICK_US: f64 = 10_000.0;

/// Cores, model, memory and kernel.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = line_after("/proc/cpuinfo", "model name").unwrap_or_default();
    let memory_kb: u64 = line_after("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .unwrap_or_default();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // Behind the hyphen stands who built it.
    let kernel = release.trim().split('-').next().unwrap_or_default();
    format!(
        "{cores} cores ({}), {} GB of memory, Linux {kernel}",
        model.trim(),
        memory_kb.div_ceil(1024 * 1024),
    )
}

/// How much the machine had to do besides, as the mean of the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().and_then(|load| load.parse().ok());
    first.unwrap_or_default()
}

/// The text after `name:` in a file of such lines.
fn line_after(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Memory of a process that is really there, in MB.
pub(crate) fn resident_mb(pid: u32) -> Result<f64> {
    let text = line_after(&format!("/proc/{pid}/status"), "VmRSS").context("a process's memory")?;
    let kb: f64 = text.trim_end_matches("kB").trim().parse()?;
    Ok(kb / 1024.0)
}

/// Processor time that a process has used so far, in microseconds.
pub(crate) fn processor_us(pid: u32) -> Result<f64> {
    let stat = Stat::read(&pid.to_string())?;
    Ok(stat.own_us)
}

/// Processor time of a PostgreSQL so far, in microseconds, by what it was used for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PostgresTime {
    /// Sending the log to standbys, receiving it and replaying it.
    pub(crate) replication_us: f64,
    /// Sessions, and everything else.
    pub(crate) sessions_us: f64,
}

/// The processes that move the log, in the titles that PostgreSQL gives them.
const REPLICATION: [&str; 3] = ["walsender", "walreceiver", "startup"];

/// Of the server with this process id and all of its children, the ended ones included.
pub(crate) fn postgres_time(postmaster: u32) -> Result<PostgresTime> {
    let own = Stat::read(&postmaster.to_string())?;
    let mut time = PostgresTime {
        sessions_us: own.own_us + own.ended_children_us,
        ..PostgresTime::default()
    };
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let pid = name.to_string_lossy();
        // One that ended meanwhile is counted with its parent the next time.
        let Ok(stat) = Stat::read(&pid) else { continue };
        if stat.parent != postmaster {
            continue;
        }
        let title = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if REPLICATION.iter().any(|process| title.contains(process)) {
            time.replication_us += stat.own_us;
        } else {
            time.sessions_us += stat.own_us;
        }
    }
    Ok(time)
}

/// What `/proc` tells of a process.
struct Stat {
    parent: u32,
    own_us: f64,
    ended_children_us: f64,
}

impl Stat {
    fn read(pid: &str) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The second field is the program's name in parentheses and may hold anything.
        let (_, fields) = text.rsplit_once(')').context("a process's times")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let field = |place: usize| fields.get(place).context("a process's time");
        let us = |place: usize| -> Result<f64> { Ok(field(place)?.parse::<f64>()? * TICK_US) };
        Ok(Self {
            parent: field(1)?.parse()?,
            own_us: us(11)? + us(12)?,
            ended_children_us: us(13)? + us(14)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_used_some_time() {
        let own = std::process::id();
        assert!(resident_mb(own).unwrap() > 1.0);
        assert!(processor_us(own).unwrap() >= 0.0);
    }
}
