//! The command line's shape: usage, exit codes, help, overrides, manual.

use clap::{CommandFactory as _, Parser as _};

use super::{Cli, CliError, config, man, overrides};
use crate::config::{Config, Inputs, KEYS, Overrides};

fn parsed(arguments: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once(&"stagedoor").chain(arguments))
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_a_long_help_with_an_example() {
    fn visit(command: &clap::Command) {
        for child in command.get_subcommands() {
            if child.has_subcommands() {
                visit(child);
                continue;
            }
            let name = child.get_name();
            assert!(child.get_about().is_some(), "{name} has no about");
            assert!(child.get_long_about().is_some(), "{name} has no long help");
            let after = child
                .get_after_long_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(after.starts_with("Example:"), "{name} has no example");
        }
    }
    visit(&Cli::command());
}

#[test]
fn every_command_of_the_contract_parses() {
    for line in [
        "serve",
        "serve --no-jobs --listen 0.0.0.0:1 --metrics-listen 0.0.0.0:2",
        "worker",
        "worker --metrics-listen 0.0.0.0:2",
        "demo --listen 0.0.0.0:1",
        "migrate",
        "migrate --check --json",
        "doctor --json",
        "admin create ada --email ada@example.org --role superadmin",
        "admin create ada --email ada@example.org --role admin --password-file pw --as bob --json",
        "admin list --json",
        "admin disable ada --as bob",
        "admin reset-password ada --password-file - --forget-totp",
        "admin unlock --username ada --json",
        "admin unlock --address 2001:db8::1",
        "admin unlock --all",
        "concert list --json",
        "concert import season.csv --json",
        "concert export --json",
        "concert export --format csv",
        "seed --concerts 5 --reservations 100 --json",
        "config print --json",
        "config check --json",
        "config template",
        "rush --buyers 9 --tickets 3 --concurrency 2 --json",
        "rush --url http://127.0.0.1:8080 --concert 3 --duration 30s --report rush.html",
        "rush --rate 500 --think 200ms --quantity 1-4 --abandon 5 --repeat 5% --watchers 9",
        "openapi",
        "completions bash",
        "man",
        "--config a.toml --set hold_ttl=5m serve",
        "serve --set hold_ttl=5m --set pool_max=3 --config a.toml",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(parsed(&words).is_ok(), "{line}");
    }
}

#[test]
fn wrong_usage_exits_with_two() {
    for line in [
        "",
        "sell",
        "serve --jobs",
        "worker --listen 0.0.0.0:1",
        "worker --no-jobs",
        "seed",
        "seed --concerts 5",
        "seed --concerts many --reservations 1",
        "seed --concerts -1 --reservations 1",
        "admin",
        "admin create ada",
        "admin create ada --email ada@example.org --role boss",
        "admin create ada --email ada@example.org --role admin --password secret",
        "admin reset-password ada hunter2hunter2",
        "config",
        "doctor --set hold_ttl",
        "rush --concert 3",
        "rush --url http://127.0.0.1:8080 --concert 3 --tickets 9",
        "rush --url https://tickets.example.org",
        "rush --url http://127.0.0.1:8080/en/",
        "rush --buyers 0",
        "rush --concurrency 0",
        "rush --duration 30",
        "rush --quantity 4-1",
        "rush --abandon 101",
        "completions dos",
    ] {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        assert_eq!(parsed(&words).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn errors_have_the_exit_codes_of_the_contract() {
    assert_eq!(CliError::CheckFailed.exit_code(), 1);
    assert_eq!(CliError::Failed(String::new()).exit_code(), 1);
    assert_eq!(CliError::Usage(String::new()).exit_code(), 2);
}

#[test]
fn a_failure_tells_its_causes_one_a_line() {
    let cause = std::io::Error::other("the wire is cut");
    let error = CliError::failed("can't reach the database", &cause);
    assert_eq!(
        error.to_string(),
        "can't reach the database\n  because: the wire is cut"
    );
}

#[test]
fn flags_win_over_set() {
    let cli = parsed(&[
        "serve",
        "--listen",
        "[::1]:2",
        "--set",
        "listen=127.0.0.1:1",
    ])
    .unwrap();
    let inputs = Inputs {
        overrides: overrides(&cli),
        environment: [("STAGEDOOR_LISTEN".into(), "127.0.0.1:3".into())].into(),
        folder: "/nonexistent".into(),
    };
    let config = Config::from_inputs(&inputs).unwrap();
    assert_eq!(config.web.listen.to_string(), "[::1]:2");
}

#[test]
fn the_template_comments_out_every_key_and_is_valid() {
    let text = config::template();
    assert!(text.parse::<toml::Table>().unwrap().is_empty());
    for key in KEYS {
        assert!(
            text.contains(&format!("\n#{} = ", key.name)),
            "{}",
            key.name
        );
    }
    assert_eq!(Overrides::default().set, Vec::new());
}

#[test]
fn the_manual_covers_every_command() {
    let text = String::from_utf8(man::manual().unwrap()).unwrap();
    for title in [
        "stagedoor ",
        "stagedoor-serve ",
        "stagedoor-worker ",
        "stagedoor-concert-import ",
        "stagedoor-man ",
    ] {
        assert!(text.contains(&format!(".TH {title}")), "{title} is missing");
    }
}
