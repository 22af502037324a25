//! What stops the server when the process that opened the cluster ends, however it ends.
//!
//! Two small shells, out of reach of the terminal's signals, wait for the end of a pipe.
//! The kernel closes it with the last holder of its other side: the opening process, and any program
//! that it has just started to make or start the cluster, so the shells never act too early.
//! The keeper, as the server's user, stops the server. The remover, as we, then removes scratch data.
//! Both hold `busy.lock` meanwhile, so nobody opens the folder under their hands.

use std::{
    fs::File,
    io::{self, PipeWriter},
    os::unix::process::CommandExt,
    process::{Child, Stdio},
    time::Duration,
};

use crate::{
    account::{Account, plain_command},
    files::{ALL, BUSY_LOCK, SCRATCH, Site},
    find::Programs,
    process::wait_until,
};

/// `$1` is `pg_ctl`, `$2` the data folder. Where there is a /proc, a process id that belongs to
/// something else by now is left alone. Line by line: wait; is there a server; stop it.
const KEEPER: &str = r#"trap '' HUP INT QUIT TERM
while read -r _; do :; done
is_up() {
    read -r pid _ < "$2/postmaster.pid" || return 1
    [ ! -e /proc/self/cwd ] || [ "/proc/$pid/cwd" -ef "$2" ]
} 2>/dev/null
stop() { "$1" stop -D "$2" -m "$3" -w -t "$4"; } >/dev/null 2>&1
if is_up "$@"; then stop "$1" "$2" fast 30 || stop "$1" "$2" immediate 10; fi
echo stopped"#;

/// `$1` is the cluster's folder, `$2` the file that says it is scratch, `$3` the lock; the rest is
/// what to remove. The lock goes last: whoever finds none makes the folder anew.
const REMOVER: &str = r#"trap '' HUP INT QUIT TERM
read -r _ || exit 0
cd "$1" && [ -e "$2" ] || exit 0
lock=$3; folder=$1; shift 3
rm -rf -- "$@" || { sleep 1; rm -rf -- "$@"; }
rm -f -- "$lock"; cd / && rmdir -- "$folder""#;

/// What the keeper needs at most, with a margin for removing the data.
const END_MAX: Duration = Duration::from_secs(70);

#[derive(Debug)]
pub(crate) struct Watchdog {
    pipe: Option<PipeWriter>,
    shells: Vec<Child>,
}

impl Watchdog {
    pub(crate) fn start(
        site: &Site,
        account: &Account,
        programs: &Programs,
        busy: &File,
    ) -> io::Result<Self> {
        let (awaited, pipe) = io::pipe()?;
        let (stopped, tell) = io::pipe()?;

        let mut keeper = account.script(KEEPER);
        keeper.arg(programs.path("pg_ctl")).arg(site.data());
        keeper
            .stdin(awaited)
            .stdout(tell)
            .stderr(busy.try_clone()?)
            .process_group(0);

        let mut remover = plain_command("/bin/sh");
        remover
            .args(["-c", REMOVER, "sh"])
            .arg(site.folder())
            .args([SCRATCH, BUSY_LOCK]);
        remover.args(ALL);
        remover
            .stdin(stopped)
            .stderr(busy.try_clone()?)
            .process_group(0);

        let keeper = keeper.spawn()?;
        let mut watchdog = Self {
            pipe: Some(pipe),
            shells: vec![keeper],
        };
        watchdog.shells.push(remover.spawn()?);
        Ok(watchdog)
    }

    /// An input for a program without which it can't be told whether there is a server: the watchdog
    /// waits for it as it does for us. Nothing can be read from it.
    pub(crate) fn hold(&self) -> io::Result<Stdio> {
        match &self.pipe {
            Some(pipe) => Ok(pipe.try_clone()?.into()),
            None => Ok(Stdio::null()),
        }
    }
}

impl Drop for Watchdog {
    /// Lets the shells do their work and reaps them.
    fn drop(&mut self) {
        self.pipe = None;
        let shells = &mut self.shells;
        // One that takes longer goes on alone; the next to open the folder waits for it.
        let _ = wait_until(END_MAX, || {
            Ok(shells
                .iter_mut()
                .all(|shell| !matches!(shell.try_wait(), Ok(None))))
        });
    }
}
