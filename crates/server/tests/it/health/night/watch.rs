//! The real Prometheus with the example and the rules as they are shipped, and what it tells when.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::list::clock;
use crate::support::program::Started;
use crate::support::wait::{LIMIT, eventually};

/// Figures are asked for, and rules evaluated, this often; the example's own is a quarter of a minute.
pub(super) const EVERY_S: u32 = 5;
/// Labels that say which of several things an alert tells of, without names of this machine.
const TELLING: [&str; 4] = ["statement", "repo", "task", "pool"];

/// Ends when dropped.
#[derive(Debug)]
pub(super) struct Prometheus {
    url: String,
    #[expect(dead_code, reason = "runs as long as it is there")]
    child: Child,
    #[expect(dead_code, reason = "deleted with it")]
    folder: TempDir,
}

/// One alert, as Prometheus has it now.
#[derive(Debug)]
struct Alert {
    name: String,
    urgency: u8,
    severity: String,
    is_firing: bool,
    of: String,
}

impl Prometheus {
    pub(super) async fn start(server: &Started, worker: &Started) -> Self {
        let folder = TempDir::with_prefix("stagedoor-night-").unwrap();
        let ops = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/prometheus");
        for file in fs::read_dir(&ops).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            if name.ends_with(".rules.yml") {
                fs::copy(file.path(), folder.path().join(name)).unwrap();
            }
        }
        let example = fs::read_to_string(ops.join("prometheus.example.yml")).unwrap();
        let config = folder.path().join("prometheus.yml");
        fs::write(&config, configuration(&example, server, worker)).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .args(["--log.level=warn"])
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus (scripts/install-packages.sh test)");
        let prometheus = Self {
            url: format!("http://{address}"),
            child,
            folder,
        };
        eventually("both are asked", LIMIT, async || {
            prometheus.asked().await == Some(2)
        })
        .await;
        prometheus
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let answer = reqwest::get(format!("{}{path}", self.url)).await.ok()?;
        answer.json().await.ok()
    }

    /// How many targets answer.
    async fn asked(&self) -> Option<usize> {
        let answer = self
            .get("/api/v1/query?query=up%7Bjob%3D%22stagedoor%22%7D%3D%3D1")
            .await?;
        Some(answer["data"]["result"].as_array()?.len())
    }

    async fn alerts(&self) -> Vec<Alert> {
        let answer = self.get("/api/v1/alerts").await.expect("Prometheus");
        let alerts = answer["data"]["alerts"].as_array().unwrap();
        alerts.iter().map(Alert::of).collect()
    }
}

/// The example as it is, but for the targets, a haste that a test wants, and nobody to be told.
fn configuration(example: &str, server: &Started, worker: &Started) -> String {
    let (before, rest) = example.split_once("# See alertmanager").unwrap();
    let (_, behind) = rest.split_once("scrape_configs:").unwrap();
    let host = |of: &Started| {
        let url = of.metrics();
        url.trim_start_matches("http://")
            .trim_end_matches("/metrics")
            .to_owned()
    };
    format!("{before}scrape_configs:{behind}")
        .replace("127.0.0.1:9464", &host(server))
        .replace("127.0.0.1:9465", &host(worker))
        .replace(": 15s", &format!(": {EVERY_S}s"))
        .replace(": 10s", &format!(": {EVERY_S}s"))
}

impl Alert {
    fn of(alert: &Value) -> Self {
        let label = |name: &str| alert["labels"][name].as_str().unwrap_or_default();
        let telling = TELLING.iter().map(|name| label(name));
        Self {
            name: label("alertname").to_owned(),
            urgency: label("urgency").parse().unwrap_or_default(),
            severity: label("severity").to_owned(),
            is_firing: alert["state"] == "firing",
            of: telling.collect::<Vec<_>>().concat(),
        }
    }
}

/// What was told of one alert, offsets from the beginning.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) urgency: u8,
    pub(super) severity: String,
    pub(super) pending: Option<Duration>,
    pub(super) fired: Option<Duration>,
    pub(super) ended: Option<Duration>,
    /// How often it began to fire.
    pub(super) times: u32,
    /// Of what: statements, repositories.
    pub(super) of: BTreeSet<String>,
    is_firing: bool,
}

#[derive(Debug)]
pub(super) struct Log {
    begun: Instant,
    pub(super) told: BTreeMap<String, Told>,
    /// What happened, in order.
    pub(super) lines: Vec<(Duration, String)>,
}

impl Log {
    pub(super) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            told: BTreeMap::new(),
            lines: Vec::new(),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(super) fn note(&mut self, what: String) {
        let now = self.now();
        println!("{} {what}", clock(now));
        self.lines.push((now, what));
    }

    /// Asks Prometheus, and notes what has changed.
    pub(super) async fn look(&mut self, prometheus: &Prometheus) {
        let alerts = prometheus.alerts().await;
        let now = self.now();
        let mut news = Vec::new();
        for alert in &alerts {
            let told = self.told.entry(alert.name.clone()).or_default();
            told.urgency = alert.urgency;
            told.severity.clone_from(&alert.severity);
            told.pending.get_or_insert(now);
            if alert.is_firing {
                if !alert.of.is_empty() {
                    told.of.insert(alert.of.clone());
                }
                if !told.is_firing {
                    let (name, urgency) = (&alert.name, alert.urgency);
                    news.push(format!("`{name}` ({urgency}, {}) fires", alert.severity));
                    told.is_firing = true;
                    told.times += 1;
                    told.fired.get_or_insert(now);
                    told.ended = None;
                }
            }
        }
        for (name, told) in &mut self.told {
            let still = alerts
                .iter()
                .any(|alert| alert.is_firing && alert.name == *name);
            if told.is_firing && !still {
                told.is_firing = false;
                told.ended = Some(now);
                news.push(format!("`{name}` has ended"));
            }
        }
        for what in news {
            self.note(what);
        }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.told.values().all(|told| !told.is_firing)
    }

    /// Alerts that fired, the most urgent first and then as they came.
    pub(super) fn fired(&self) -> Vec<(&str, &Told)> {
        let fired = self.told.iter().filter(|(_, told)| told.fired.is_some());
        let mut fired: Vec<_> = fired.map(|(name, told)| (name.as_str(), told)).collect();
        fired.sort_by_key(|(_, told)| (told.urgency, told.fired));
        fired
    }
}
