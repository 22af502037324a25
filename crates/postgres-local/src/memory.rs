//! Shared memory that a killed server leaves behind, which a power cut would have emptied.
//!
//! The next start of the same data folder clears it away as well; after the last one nobody would.
//! Only Linux shows which POSIX segments a process has; elsewhere those stay until the next boot.

use std::{fs, io, path::Path, time::Duration};

use crate::{account::Account, process::run};

const QUICK: Duration = Duration::from_secs(10);

/// What one server's processes have: a System V segment and files in /dev/shm.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SharedMemory {
    system_v: Option<u32>,
    posix: Vec<String>,
}

impl SharedMemory {
    /// Looked up while they live; asked as their user, since root may not look in a container.
    pub(crate) fn of(account: &Account, pids: &[u32], pid_file: &Path) -> io::Result<Self> {
        let mut grep = account.command("grep");
        grep.args(["-h", "/dev/shm/PostgreSQL"]);
        let maps = run(
            grep.args(pids.iter().map(|pid| format!("/proc/{pid}/maps"))),
            QUICK,
        )?;
        Ok(Self {
            system_v: system_v_in(&fs::read_to_string(pid_file).unwrap_or_default()),
            posix: posix_in(&maps.text),
        })
    }

    /// Frees it, as the server's user, so that nothing else can be hit; `ipcrm` may be absent.
    pub(crate) fn release(&self, account: &Account) -> io::Result<()> {
        let mut script = account.script(
            r#"[ -z "$1" ] || ipcrm -m "$1"
            shift; rm -f -- "$@""#,
        );
        script
            .arg(self.system_v.map(|id| id.to_string()).unwrap_or_default())
            .args(&self.posix);
        run(&mut script, QUICK).map(drop)
    }
}

/// Line 7 of postmaster.pid is the segment's key and id.
fn system_v_in(pid_file: &str) -> Option<u32> {
    pid_file
        .lines()
        .nth(6)?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

fn posix_in(maps: &str) -> Vec<String> {
    let mut files: Vec<String> = maps
        .lines()
        .filter_map(|line| {
            let path = &line[line.find("/dev/shm/PostgreSQL.")?..];
            let number = path.rsplit_once('.')?.1;
            number
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| path.to_owned())
        })
        .collect();
    files.sort_unstable();
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_read_from_the_pid_file_and_the_maps() {
        let pid_file =
            "123\n/data\n1700000000\n40000\n\n127.0.0.1\n  10043609    131073\nready   \n";
        assert_eq!(system_v_in(pid_file), Some(131_073));
        assert_eq!(system_v_in("123\n/data\n"), None);
        let maps = "7f1 rw-s 00 00:1a 2 /dev/shm/PostgreSQL.182573722\n\
                    7f1 rw-s 00 00:1a 2 /dev/shm/PostgreSQL.77\n\
                    7f1 rw-s 00 00:1a 2 /dev/shm/PostgreSQL.182573722\n\
                    7f2 rw-s 00 00:1a 3 /dev/shm/PostgreSQL.5 (deleted)\n\
                    7f3 rw-s 00 00:01 4 /dev/zero (deleted)\n";
        assert_eq!(
            posix_in(maps),
            ["/dev/shm/PostgreSQL.182573722", "/dev/shm/PostgreSQL.77"]
        );
    }
}
