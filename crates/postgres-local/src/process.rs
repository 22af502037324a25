//! Running a program with a limit on its time, and seeing which server processes a data folder has.

use std::{
    io::{self, Read},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::account::Account;

/// More than any of the programs says; what goes beyond is dropped.
const OUTPUT_MAX: u64 = 1 << 20;

/// Looking through /proc or running `kill` takes milliseconds; a machine that swaps may need more.
const QUICK: Duration = Duration::from_secs(10);

/// How a program ended, with what it wrote to both of its outputs.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) success: bool,
    pub(crate) text: String,
}

/// Runs a command to its end, or kills it when the limit is over (an error of kind `TimedOut`).
pub(crate) fn run(command: &mut Command, limit: Duration) -> io::Result<Finished> {
    let deadline = Instant::now() + limit;
    let (reader, writer) = io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let spawned = command.spawn();
    // The command keeps its ends of the pipe otherwise, and the reader would never see its end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = spawned?;

    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = reader.take(OUTPUT_MAX).read_to_end(&mut bytes);
        let _ = send.send(bytes);
    });
    let bytes = receive.recv_timeout(limit);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            child.wait()?;
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it did not end within {} seconds", limit.as_secs()),
            ));
        }
        thread::sleep(Duration::from_millis(1));
    };
    let text = String::from_utf8_lossy(&bytes.unwrap_or_default())
        .trim()
        .to_owned();
    Ok(Finished {
        success: status.success(),
        text,
    })
}

/// The ids of all server processes whose working folder is `data`: the postmaster and its children,
/// also children that have outlived it; or `initdb` and its.
///
/// Linux tells by /proc; asked as the server's user, since root in a container may not look there.
/// Elsewhere `ps` tells the postmaster by its arguments and its children by their parent.
pub(crate) fn server_processes(account: &Account, data: &Path) -> io::Result<Vec<u32>> {
    if Path::new("/proc/self/cwd").exists() {
        let script = r#"for p in /proc/[0-9]*; do
            name=; read -r name < "$p/comm"
            case $name in postgres|initdb) [ "$p/cwd" -ef "$1" ] && echo "pid ${p#/proc/}";; esac
        done 2>/dev/null"#;
        let found = run(account.script(script).arg(data), QUICK)?;
        return Ok(found
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("pid ")?.parse().ok())
            .collect());
    }
    let mut ps = account.command("ps");
    let listed = run(
        ps.args(["-A", "-o", "pid=", "-o", "ppid=", "-o", "command="]),
        QUICK,
    )?;
    Ok(family_in(&listed.text, data))
}

/// Picks the postmaster that was started with `-D data`, and its children, from `ps`'s lines.
fn family_in(listed: &str, data: &Path) -> Vec<u32> {
    let argument = format!(" -D {}", data.display());
    let rows: Vec<(u32, u32, &str)> = listed
        .lines()
        .filter_map(|line| {
            let (pid, rest) = line.trim_start().split_once(char::is_whitespace)?;
            let (parent, command) = rest.trim_start().split_once(char::is_whitespace)?;
            Some((pid.parse().ok()?, parent.parse().ok()?, command))
        })
        .collect();
    let is_postmaster = |command: &str| {
        command
            .split_once(&argument)
            .is_some_and(|(program, rest)| {
                program.ends_with("/postgres") && (rest.is_empty() || rest.starts_with(' '))
            })
    };
    let postmasters: Vec<u32> = rows
        .iter()
        .filter(|row| is_postmaster(row.2))
        .map(|row| row.0)
        .collect();
    rows.iter()
        .filter(|row| postmasters.contains(&row.0) || postmasters.contains(&row.1))
        .map(|row| row.0)
        .collect()
}

/// Sends SIGKILL, as the server's user, so that the kernel spares whatever is not the server's.
pub(crate) fn kill_hard(account: &Account, pids: &[u32]) -> io::Result<()> {
    if pids.is_empty() {
        return Ok(());
    }
    let mut command = account.script("kill -9 \"$@\"");
    run(command.args(pids.iter().map(u32::to_string)), QUICK).map(drop)
}

/// Tries until it is so or the limit is over, and tells which.
pub(crate) fn wait_until(
    limit: Duration,
    mut so: impl FnMut() -> io::Result<bool>,
) -> io::Result<bool> {
    let deadline = Instant::now() + limit;
    loop {
        if so()? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::plain_command;

    #[test]
    fn output_and_success_are_told() {
        let run_script =
            |script| run(plain_command("/bin/sh").args(["-c", script]), QUICK).unwrap();
        let finished = run_script("echo out; echo err >&2; exit 3");
        assert!(!finished.success);
        assert_eq!(finished.text, "out\nerr");
        assert!(run_script("exit 0").success);
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let begun = Instant::now();
        let error = run(plain_command("sleep").arg("30"), Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_postmaster_and_its_children_are_picked_from_ps() {
        let listed = "    1     0 /sbin/launchd\n  501     1 /opt/pg/bin/postgres -D /a/data -p 1\n  \
                      502   501 postgres: checkpointer\n  601     1 /opt/pg/bin/postgres -D /a/data2\n  \
                      602   601 postgres: checkpointer\n  701     1 vi -D /a/data\n";
        assert_eq!(family_in(listed, Path::new("/a/data")), [501, 502]);
        assert_eq!(family_in(listed, Path::new("/a")), [0; 0]);
    }
}
