//! Which user of the operating system runs PostgreSQL: we ourselves, unless we are root, for whom
//! PostgreSQL refuses to run; then the user `postgres`, else `nobody`.

use std::{
    env,
    ffi::OsStr,
    fs, io,
    os::unix::{fs as unix_fs, fs::MetadataExt, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use crate::error::ClusterError;

/// `_postgres` is macOS's name for it.
const CANDIDATES: [&str; 3] = ["postgres", "_postgres", "nobody"];

/// All that the programs are told of our environment; secrets in the rest are none of their business.
const ENVIRONMENT: [&str; 3] = ["PATH", "LD_LIBRARY_PATH", "LOCALE_ARCHIVE"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct User {
    uid: u32,
    gid: u32,
}

/// Who we are, and who runs the server when that is somebody else.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    own_uid: u32,
    server: Option<User>,
}

impl Account {
    pub(crate) fn choose() -> Result<Self, ClusterError> {
        let own_uid = own_uid()?;
        if own_uid != 0 {
            return Ok(Self {
                own_uid,
                server: None,
            });
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let server = CANDIDATES.iter().find_map(|name| user_in(&passwd, name));
        Ok(Self {
            own_uid,
            server: Some(server.ok_or(ClusterError::NoAccount)?),
        })
    }

    /// The account whose data these are: another may have been chosen in the meantime.
    pub(crate) fn owning(&self, data: &Path) -> io::Result<Self> {
        let meta = fs::metadata(data)?;
        let server = self.server.map(|_| User {
            uid: meta.uid(),
            gid: meta.gid(),
        });
        Ok(Self {
            own_uid: self.own_uid,
            server,
        })
    }

    pub(crate) fn own_uid(&self) -> u32 {
        self.own_uid
    }

    /// The server runs as somebody else than we.
    pub(crate) fn switches(&self) -> bool {
        self.server.is_some()
    }

    /// A command that runs as the server's user, in `/`, without input or output.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = plain_command(program);
        if let Some(user) = self.server {
            // The standard library drops root's supplementary groups along with it.
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    /// A shell script that runs as the server's user.
    pub(crate) fn script(&self, script: &str) -> Command {
        let mut command = self.command("/bin/sh");
        command.args(["-c", script, "sh"]);
        command
    }

    /// Makes the server's user the owner of a file or folder.
    pub(crate) fn give(&self, path: &Path) -> io::Result<()> {
        match self.server {
            Some(user) => unix_fs::lchown(path, Some(user.uid), Some(user.gid)),
            None => Ok(()),
        }
    }

    /// The server's user can go into this folder. It is tried, since mode bits are not the whole
    /// story (access lists, security modules, read-only mounts).
    pub(crate) fn can_enter(&self, folder: &Path) -> bool {
        let mut command = self.script("cd \"$1\"");
        command
            .arg(folder)
            .status()
            .is_ok_and(|status| status.success())
    }
}

/// A command that runs as we do, in `/`, without input or output.
pub(crate) fn plain_command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(
        ENVIRONMENT
            .iter()
            .filter_map(|name| Some((name, env::var_os(name)?))),
    );
    if env::var_os("PATH").is_none() {
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
    }
    command.env("HOME", "/").env("LC_ALL", "C").current_dir("/");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn own_uid() -> Result<u32, ClusterError> {
    let output = plain_command("id")
        .arg("-u")
        .stdout(Stdio::piped())
        .output();
    let output = output.map_err(|source| ClusterError::io("run `id -u`", source))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .map_err(|_| ClusterError::io("run `id -u`", io::Error::other(format!("it said {text:?}"))))
}

/// One line of `/etc/passwd`; macOS writes nobody's ids as -2.
fn user_in(passwd: &str, name: &str) -> Option<User> {
    let id = |text: &str| {
        let number: i64 = text.parse().ok()?;
        u32::try_from(number)
            .ok()
            .or_else(|| i32::try_from(number).ok().map(i32::cast_unsigned))
    };
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let named = fields.next() == Some(name);
        let (uid, gid) = (id(fields.nth(1)?)?, id(fields.next()?)?);
        // A "postgres" that is root by another name would be refused by PostgreSQL as well.
        (named && uid != 0).then_some(User { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n# comment\npostgresql:x:7:7::/:\n\
                      postgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\n\
                      nobody:*:-2:-2:Nobody:/var/empty:/usr/bin/false\nfake:x:0:0::/:\n";
        assert_eq!(
            user_in(passwd, "postgres"),
            Some(User { uid: 101, gid: 104 })
        );
        assert_eq!(
            user_in(passwd, "nobody"),
            Some(User {
                uid: 4_294_967_294,
                gid: 4_294_967_294
            })
        );
        assert_eq!(user_in(passwd, "absent"), None);
        assert_eq!(user_in(passwd, "fake"), None, "root under another name");
    }

    #[test]
    fn programs_see_none_of_our_other_environment() {
        let command = plain_command("true");
        let names: Vec<_> = command
            .get_envs()
            .filter_map(|(name, _)| name.to_str())
            .collect();
        assert!(
            names
                .iter()
                .all(|n| ENVIRONMENT.contains(n) || ["HOME", "LC_ALL"].contains(n))
        );
    }
}
