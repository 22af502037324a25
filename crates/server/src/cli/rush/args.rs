//! The options of `rush`, and what they mean together.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use domain::concert::Capacity;

use super::super::{CliError, ReportArgs};
use crate::config::parse_duration;
use crate::load::{BUYERS_MAX, Plan};

const BUYERS: u32 = 10_000;
const TICKETS: i32 = 4_000;
/// Files that a process has open beside the connections of a crowd: logs, the runtime, the pool.
const OTHER_FILES: u64 = 100;

#[derive(Debug, Args)]
pub struct RushArgs {
    /// How many buyers come [default: 10000, or without end when there is a --duration]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(BUYERS_MAX)))]
    pub buyers: Option<u32>,

    /// How many tickets each concert has [default: 4000]
    #[arg(long, value_name = "N", conflicts_with = "concert", value_parser = clap::value_parser!(i32).range(0..=i64::from(Capacity::MAX)))]
    pub tickets: Option<i32>,

    /// How many buyers are busy at once, each on a connection of its own
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = RangedU64ValueParser::<u32>::new().range(1..=100_000))]
    pub concurrency: u32,

    /// Sell this concert of the server at --url instead of one made for the run
    #[arg(long, value_name = "ID", requires = "url", value_parser = clap::value_parser!(i32).range(1..))]
    pub concert: Option<i32>,

    /// Sell so many concerts at once
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "concert", value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000))]
    pub concerts: u32,

    /// Rush at this server instead of at a private one
    #[arg(long, value_name = "http://HOST:PORT", value_parser = parse_url)]
    pub url: Option<Target>,

    /// Let no more buyers come after this time, such as 30s
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub duration: Option<Duration>,

    /// Write a report with charts to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// Let so many buyers come each second, whatever the answers (open loop)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,

    /// Let each buyer think for about this time before the request, such as 200ms
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = thinking)]
    pub think: Duration,

    /// How many tickets a buyer wants: a number, or a range such as 1-4
    #[arg(long, value_name = "N", default_value = "1", value_parser = quantity)]
    pub quantity: RangeInclusive<i32>,

    /// How many percent of the buyers hang up while they wait and never come back
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent)]
    pub abandon: f64,

    /// How many percent of the buyers send their request twice with the same key
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent)]
    pub repeat: f64,

    /// How many connections to the live feed are open meanwhile
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = RangedU64ValueParser::<u32>::new().range(0..=100_000))]
    pub watchers: u32,

    /// How long a buyer goes on asking for a final answer
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub patience: Duration,

    /// Makes the buyers behave as in another run with this number
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    #[command(flatten)]
    pub output: ReportArgs,
}

/// A server that is rushed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub host: String,
    pub port: u16,
}

impl Target {
    /// As it stands in a `Host` header; IPv6 addresses keep their brackets.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl RushArgs {
    /// Tickets of each concert that is made for the run.
    pub(super) fn tickets(&self) -> i32 {
        self.tickets.unwrap_or(TICKETS)
    }

    /// What one option can't say alone.
    pub(super) fn check(&self) -> Result<(), CliError> {
        if self.abandon + self.repeat > 1.0 {
            return Err(CliError::Usage(
                "--abandon and --repeat are shares of the same buyers: give at most 100 percent \
                 together"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// How many files this process and the server must be able to open.
    pub(super) fn files(&self) -> u64 {
        let lines = if self.repeat > 0.0 { 2 } else { 1 };
        u64::from(self.concurrency) * lines + u64::from(self.watchers) + OTHER_FILES
    }

    /// The crowd, except for where it goes.
    pub(super) fn plan(&self, place: super::Place, run: String) -> Plan {
        let buyers = match (self.buyers, self.duration) {
            (Some(buyers), _) => buyers,
            (None, Some(_)) => BUYERS_MAX,
            (None, None) => BUYERS,
        };
        Plan {
            host: place.host,
            concerts: place.concerts,
            duration: self.duration,
            concurrency: self.concurrency as usize,
            rate: self.rate.map(f64::from),
            think: self.think,
            quantity: self.quantity.clone(),
            abandon: self.abandon,
            repeat: self.repeat,
            patience: self.patience,
            watchers: self.watchers as usize,
            page: Some("/en/".to_owned()),
            seed: self.seed,
            ..Plan::new(place.address, 0, buyers, run)
        }
    }
}

fn parse_url(text: &str) -> Result<Target, String> {
    let wanted = "write http://HOST:PORT; the load generator speaks no TLS, so that a server behind \
                  a proxy is reached on its own address";
    let uri: http::Uri = text.parse().map_err(|_| wanted.to_owned())?;
    let is_plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/");
    match uri.host() {
        Some(host) if is_plain && uri.query().is_none() => Ok(Target {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(80),
        }),
        _ => Err(wanted.to_owned()),
    }
}

/// Seconds and more as everywhere in the configuration, and milliseconds.
fn time(text: &str) -> Option<Duration> {
    let Some(millis) = text.strip_suffix("ms") else {
        return parse_duration(text);
    };
    // More digits would be days, which have units of their own.
    let is_number = millis.len() <= 9 && millis.bytes().all(|byte| byte.is_ascii_digit());
    let millis = millis.parse().ok().filter(|_| is_number);
    millis.map(Duration::from_millis)
}

fn duration(text: &str) -> Result<Duration, String> {
    time(text)
        .filter(|duration| !duration.is_zero())
        .ok_or("write a number with its unit, such as 500ms, 30s or 10m".to_owned())
}

fn thinking(text: &str) -> Result<Duration, String> {
    time(text).ok_or("write a number with its unit, such as 200ms or 2s; 0s for none".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>();
    number
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .map(|percent| percent / 100.0)
        .ok_or("write a number from 0 to 100".to_owned())
}

fn quantity(text: &str) -> Result<RangeInclusive<i32>, String> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let bounds = (least.trim().parse::<i32>(), most.trim().parse::<i32>());
    match bounds {
        (Ok(least), Ok(most)) if 1 <= least && least <= most && most <= 10 => Ok(least..=most),
        _ => Err("write a number from 1 to 10, or a range such as 1-4".to_owned()),
    }
}
