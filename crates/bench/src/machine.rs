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
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in parentheses and may hold anything.
    let (_, fields) = text.rsplit_once(')').context("a process's times")?;
    let mut times = fields.split_whitespace().skip(11).take(2);
    let mut next = || -> Result<f64> { Ok(times.next().context("a process's time")?.parse()?) };
    Ok((next()? + next()?) * TICK_US)
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
