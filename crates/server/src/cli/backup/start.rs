//! How a restored copy is started by whoever wants it: by settings of its own, for those of the primary
//! may lie elsewhere (Debian's do), and would lead to the primary's folder, socket and archive.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::copy::{AS_ON_THE_PRIMARY, SETTINGS};
use super::folder::{self, Control};
use crate::cli::CliError;

/// A socket's path has 107 bytes at most, of which its name takes 14; the rest is for links.
const FOLDER_LENGTH_MAX: usize = 90;
/// Its socket is in its own folder, which nobody else enters, so that no port is taken.
const PORT: &str = "5432";
const SETTINGS_FILE: &str = "stagedoor-copy.conf";
const LOGINS_FILE: &str = "stagedoor-copy.hba";
const USERS_FILE: &str = "stagedoor-copy.ident";
const LOG_FILE: &str = "stagedoor-copy.log";

/// Commands for a shell.
#[derive(Clone, Debug)]
pub(super) struct Commands {
    pub(super) start: String,
    pub(super) connect: String,
}

/// Refuses a folder in which no socket can be.
pub(super) fn has_room_for_socket(folder: &Path) -> Result<(), CliError> {
    if folder.as_os_str().len() <= FOLDER_LENGTH_MAX {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "{} is too long a name for a socket in it: take a folder of at most {FOLDER_LENGTH_MAX} bytes",
        folder.display()
    )))
}

/// Leaves a copy that is stopped with settings under which it harms nothing.
pub(super) async fn settle(folder: &Path, database: &str) -> Result<Commands, CliError> {
    let programs = folder::programs(folder::major(folder)?)?;
    let control = Control::read(&programs, folder).await?;
    write_settings(folder, &control)
        .map_err(|error| CliError::failed("can't write the copy's settings", &error))?;
    let of_copy = |name: &str| quoted(&folder.join(name).display().to_string());
    let data = quoted(&folder.display().to_string());
    let option = format!("-c config_file={}", of_copy(SETTINGS_FILE));
    Ok(Commands {
        start: format!(
            "{} start -w -D {data} -l {} -o {}",
            quoted(&programs.path("pg_ctl").display().to_string()),
            of_copy(LOG_FILE),
            quoted(&option)
        ),
        connect: format!(
            "psql -h {data} -p {PORT} -U stagedoor_owner -d {}",
            quoted(database)
        ),
    })
}

fn write_settings(folder: &Path, control: &Control) -> io::Result<()> {
    let in_folder = |name: &str| folder.join(name).display().to_string();
    let paths = [
        ("hba_file", in_folder(LOGINS_FILE)),
        ("ident_file", in_folder(USERS_FILE)),
        ("unix_socket_directories", folder.display().to_string()),
    ];
    let fixed = SETTINGS.map(|(name, value)| (name, value.to_owned()));
    let room = AS_ON_THE_PRIMARY
        .into_iter()
        .filter_map(|(name, shown)| Some((name, control.value(shown)?.to_owned())));
    let mut text = "# A restored copy's, by stagedoor backup restore.\n".to_owned();
    for (name, value) in paths.into_iter().chain(fixed).chain(room) {
        let value = value.replace('\\', "\\\\").replace('\'', "''");
        let _ = writeln!(text, "{name} = '{value}'");
    }
    fs::remove_file(folder.join(LOG_FILE)).or_else(none_is_well)?;
    write(folder, SETTINGS_FILE, &text)?;
    write(folder, LOGINS_FILE, "local all all trust\n")?;
    write(folder, USERS_FILE, "")?;
    // What ALTER SYSTEM has set on the primary counts more than any file but this one's end.
    let automatic = folder.join("postgresql.auto.conf");
    let mut file = File::options().append(true).create(true).open(automatic)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn none_is_well(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound {
        return Ok(());
    }
    Err(error)
}

fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let mut options = File::options();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    options.open(folder.join(name))?.write_all(text.as_bytes())
}

/// A word for a shell, as it is where that is plain.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_where_they_must() {
        for (word, written) in [
            ("/var/lib/copy-1", "/var/lib/copy-1"),
            ("/a b", "'/a b'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), written);
        }
    }
}
