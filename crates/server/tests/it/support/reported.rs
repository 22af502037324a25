//! What a product reports of itself, in metrics and log, in a test whose runtime has one thread:
//! both are collected where the thread is, so parallel tests don't mix.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use metrics::LocalRecorderGuard;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tracing::subscriber::DefaultGuard;

/// Collects until it is dropped.
pub(crate) struct Reported {
    metrics: PrometheusHandle,
    log: Log,
    _guards: (LocalRecorderGuard<'static>, DefaultGuard),
}

impl Reported {
    /// To be called first, by a test that isn't `multi_thread`.
    pub(crate) fn collect() -> Self {
        let flavor = tokio::runtime::Handle::current().runtime_flavor();
        assert_eq!(flavor, tokio::runtime::RuntimeFlavor::CurrentThread);
        // Small, and as often as there are such tests: the guard borrows it for longer than it lives.
        let recorder: &'static PrometheusRecorder =
            Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer({
                let log = log.clone();
                move || log.clone()
            })
            .finish();
        Self {
            metrics: recorder.handle(),
            log,
            _guards: (
                metrics::set_default_local_recorder(recorder),
                tracing::subscriber::set_default(subscriber),
            ),
        }
    }

    /// The value of one series, such as `name{label="value"}`; 0 while it isn't there.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = self.metrics.render();
        let value = text.lines().find_map(|line| line.strip_prefix(series));
        value.map_or(0, |value| value.trim().parse().expect("a whole number"))
    }

    /// How many requests to reserve were counted under each outcome that has any.
    pub(crate) fn outcomes(&self) -> Vec<(&'static str, u64)> {
        let count = |outcome: &'static str| {
            let series = format!("stagedoor_reservations_total{{outcome=\"{outcome}\"}}");
            (outcome, self.metric(&series))
        };
        let all = app::reserve::OUTCOMES.map(count).into_iter();
        all.filter(|(_, count)| *count > 0).collect()
    }

    /// How often the engine looked up what became of a commit.
    pub(crate) fn look_ups(&self) -> usize {
        self.log().matches("its outcome was looked up").count()
    }

    /// Everything from the level `INFO` on.
    pub(crate) fn log(&self) -> String {
        let bytes = self.log.0.lock().expect("the log");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("the log").extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
