//! The server's settings: ours, the caller's after them, and those that nobody may change.

use std::fmt::Write as _;

use crate::{cluster::Lifetime, error::ClusterError};

const DEFAULTS: [(&str, &str); 3] = [
    ("max_connections", "100"),
    ("TimeZone", "UTC"),
    ("log_timezone", "UTC"),
];

/// What makes a committed transaction survive a power cut.
const DURABLE: [&str; 3] = ["fsync", "synchronous_commit", "full_page_writes"];

/// These decide where the server is found; they are given on its command line instead.
const FIXED: [&str; 9] = [
    "port",
    "listen_addresses",
    "unix_socket_directories",
    "data_directory",
    "config_file",
    "hba_file",
    "ident_file",
    "external_pid_file",
    "logging_collector",
];

/// The text of the file that postgresql.conf includes.
pub(crate) fn render(
    lifetime: Lifetime,
    wanted: &[(String, String)],
) -> Result<String, ClusterError> {
    let mut text = String::from("# Written anew at each start; changes here are lost.\n");
    for (name, value) in DEFAULTS {
        push(&mut text, name, value);
    }
    for (name, value) in wanted {
        if let Some(reason) = refusal(lifetime, name, value) {
            return Err(ClusterError::Setting {
                name: name.clone(),
                reason,
            });
        }
        push(&mut text, name, value);
    }
    if lifetime == Lifetime::Kept {
        for name in DURABLE {
            push(&mut text, name, "on");
        }
    }
    Ok(text)
}

fn refusal(lifetime: Lifetime, name: &str, value: &str) -> Option<&'static str> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    let well_formed = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    if !well_formed || name.to_ascii_lowercase().starts_with("include") {
        Some("that is not the name of a setting")
    } else if value.contains(['\n', '\r', '\0']) {
        Some("its value has a line break or a zero byte")
    } else if FIXED.iter().any(|known| is(known)) {
        Some("it is fixed for a local cluster")
    } else if lifetime == Lifetime::Kept && DURABLE.iter().any(|known| is(known)) {
        Some("it stays on for a cluster whose data are kept")
    } else {
        None
    }
}

/// One line; in a quoted value a quote is doubled and a backslash escapes.
fn push(text: &mut String, name: &str, value: &str) {
    let quoted = value.replace('\\', "\\\\").replace('\'', "''");
    let _ = writeln!(text, "{name} = '{quoted}'");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render_one(lifetime: Lifetime, name: &str, value: &str) -> Result<String, ClusterError> {
        render(lifetime, &[(name.into(), value.into())])
    }

    #[test]
    fn the_callers_settings_come_after_the_defaults() {
        let text = render_one(Lifetime::Scratch, "max_connections", "7").unwrap();
        let (ours, theirs) = (
            text.find("max_connections = '100'").unwrap(),
            text.find("max_connections = '7'").unwrap(),
        );
        assert!(ours < theirs);
        assert!(!text.contains("fsync"));
    }

    #[test]
    fn values_are_quoted() {
        let text = render_one(Lifetime::Kept, "log_line_prefix", r"it's %m \ ").unwrap();
        assert!(text.contains(r"log_line_prefix = 'it''s %m \\ '"), "{text}");
    }

    #[test]
    fn kept_data_stay_durable_and_scratch_data_need_not() {
        assert!(
            render(Lifetime::Kept, &[])
                .unwrap()
                .contains("fsync = 'on'")
        );
        assert!(render_one(Lifetime::Kept, "FSYNC", "off").is_err());
        assert!(
            render_one(Lifetime::Scratch, "fsync", "off")
                .unwrap()
                .contains("fsync = 'off'")
        );
    }

    #[test]
    fn fixed_and_malformed_settings_are_refused() {
        for name in [
            "port",
            "Listen_Addresses",
            "a b",
            "",
            "include",
            "x=1\ny",
            "1a",
        ] {
            assert!(render_one(Lifetime::Scratch, name, "1").is_err(), "{name}");
        }
        assert!(render_one(Lifetime::Scratch, "work_mem", "1\nport = 5").is_err());
    }
}
