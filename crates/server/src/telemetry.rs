//! Log output: what is shown and in which form. It goes to stderr; stdout belongs to reports.
//!
//! Absent on purpose: metrics, which have a module of their own.

#[cfg(feature = "otel")]
mod traces;

use std::io::IsTerminal as _;

use tracing::Span;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat};

/// Our crates, which a bare `debug` or `trace` is about; what others say at that level is noise.
const OUR_CRATES: [&str; 5] = ["stagedoor", "app", "store", "domain", "postgres_local"];

/// A line for each embedded file at every start tells nobody anything.
const ASSETS: &str = "memory_serve=warn";

/// Short commands say only what goes wrong, unless somebody chose a filter.
const QUIET: &str = "warn";
const SILENT: &str = "error";

/// How much a command tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// As configured: for servers.
    Configured,
    /// Warnings and errors unless a filter was chosen: for commands that report on stdout.
    Quiet,
    /// Errors alone unless a filter was chosen: for commands whose statements are slow on purpose.
    Silent,
}

/// Starts logging for this process, and sends traces of a server to an OTLP endpoint where one is
/// named and the program was built for it.
///
/// # Errors
/// When traces can't be sent there, in words.
pub fn init_traced(log: &Log, endpoint: Option<&str>, verbosity: Verbosity) -> Result<(), String> {
    #[cfg(feature = "otel")]
    if let (Some(endpoint), Verbosity::Configured) = (endpoint, verbosity) {
        return traces::init(log, endpoint, chosen(log, verbosity));
    }
    // Without the feature `doctor` and `config check` warn of an endpoint.
    let _ = endpoint;
    init(log, verbosity);
    Ok(())
}

/// Tells a request's trace how it ended.
pub fn answered(span: &Span, status: u16) {
    #[cfg(feature = "otel")]
    traces::answered(span, status);
    let _ = (span, status);
}

/// Sends the traces that are still here, before the program ends.
#[cfg_attr(
    not(feature = "otel"),
    expect(clippy::unused_async, reason = "waits only where there are traces")
)]
pub async fn finish() {
    #[cfg(feature = "otel")]
    traces::finish().await;
}

/// What is shown.
fn chosen(log: &Log, verbosity: Verbosity) -> EnvFilter {
    let directives = match verbosity {
        Verbosity::Quiet if !log.chosen => QUIET,
        Verbosity::Silent if !log.chosen => SILENT,
        _ => &log.filter,
    };
    // The configuration has parsed the filter already, so the fallback is never needed.
    filter(directives).unwrap_or_else(|_| EnvFilter::new("info"))
}

/// Starts logging for this process. A second call changes nothing.
pub fn init(log: &Log, verbosity: Verbosity) {
    let filter = chosen(log, verbosity);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Pretty => builder
            .with_ansi(std::io::stderr().is_terminal())
            .finish()
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    // An error means that a subscriber is there already, as in tests.
    drop(started);
}

/// A filter from a level (`debug`) or from directives (`info,store=debug`).
///
/// # Errors
/// When it is neither; a bare word that is no level would otherwise pass as a target's name.
pub fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    let directives = match text {
        "debug" | "trace" => {
            let ours: Vec<String> = OUR_CRATES
                .iter()
                .map(|name| format!("{name}={text}"))
                .collect();
            format!("info,{ASSETS},{}", ours.join(","))
        }
        _ => {
            let chosen = text.split(',').map(named_level).collect::<Vec<_>>();
            format!("{ASSETS},{}", chosen.join(","))
        }
    };
    EnvFilter::builder().parse(directives)
}

/// Turns a bare word into something that parses only when it is a level.
fn named_level(directive: &str) -> String {
    let directive = directive.trim();
    let is_level = ["trace", "debug", "info", "warn", "error", "off"].contains(&directive);
    if is_level || directive.contains(['=', '[']) {
        directive.to_owned()
    } else {
        format!("{directive}=not-a-level")
    }
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn a_level_or_directives_make_a_filter() {
        for good in [
            "trace",
            "debug",
            "info",
            "warn",
            "error",
            "off",
            "info,store=debug",
        ] {
            assert!(filter(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_word_that_is_no_level_makes_none() {
        for bad in ["verbose", "info,loud", "store=loud", "a=b=c"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_is_about_our_crates_only() {
        let shown = filter("debug").unwrap().to_string();
        assert!(shown.contains("store=debug"), "{shown}");
        assert!(shown.contains("info"), "{shown}");
        assert!(!shown.contains("hyper"), "{shown}");
    }
}
