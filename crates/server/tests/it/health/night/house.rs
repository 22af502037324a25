//! A whole system on this machine, and what breaks in it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use postgres_local::Cluster;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, block_in_place};
use tokio_postgres::Client as Postgres;

use super::list::Fault;
use crate::support::PASSWORD;
use crate::support::backup_lab::BackupLab;
use crate::support::own_cluster::app_url;
use crate::support::program::{Program, Started};
use crate::support::small_disk::SmallDisk;
use crate::support::wait::{LIMIT, eventually};

const NAME: &str = "night";
const KEY: &str = "a key that only the simulated night has";
const DISK_MB: u32 = 3_000;
/// 15 % of it: enough for the log of the rest of the night, a file of 16 MB each minute.
const LEFT: u64 = 450 * 1024 * 1024;
const BUYER_EVERY: Duration = Duration::from_millis(250);
const RUSH: &str = "rush --json --buyers 4000 --tickets 1500 --rate 120 --repeat 10 --watchers 20";

/// Dropped in this order: the disk, on which the database is, last.
#[derive(Debug)]
pub(super) struct House {
    pub(super) server: Started,
    pub(super) worker: Started,
    pub(super) evening: Evening,
    rush: Option<JoinHandle<Value>>,
    script: Option<JoinHandle<()>>,
    forgotten: Option<(Postgres, JoinHandle<()>)>,
    /// A concert that isn't on sale, which somebody corrects by hand.
    closed: i32,
    standby: Cluster,
    lab: BackupLab,
    disk: SmallDisk,
}

impl House {
    /// `None`, with a word about it, where it can't be set up.
    pub(super) async fn open() -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("stagedoor-{NAME}-{}", std::process::id()));
        let disk = SmallDisk::mount(&folder, DISK_MB)?;
        // So that the replica, which has no slot, catches up after its absence.
        let settings = [("archive_timeout", "60"), ("wal_keep_size", "512MB")];
        let lab = BackupLab::start_with(NAME, &settings).await?;
        let standby = lab.cluster.standby("night-standby", &[]);
        let postgres = lab.cluster.superuser().await;
        let monitor = format!("ALTER ROLE stagedoor_monitor PASSWORD '{PASSWORD}'");
        postgres.batch_execute(&monitor).await.unwrap();
        let concert = plant(&postgres, "open").await;
        let closed = plant(&postgres, "closed").await;
        // Statistics as the monthly job gathers them.
        postgres.batch_execute("ANALYZE").await.unwrap();
        lab.report(&["run", "--json"]).await;
        lab.report(&["check", "--json"]).await;
        lab.report(&["drill", "--json"]).await;
        let program = |arguments: &[&str]| {
            let monitor = lab
                .cluster
                .0
                .url("stagedoor_monitor", PASSWORD, "stagedoor");
            Program::new(arguments)
                .env("DATABASE_URL", &lab.cluster.url())
                .env("DATABASE_REPLICA_URLS", &app_url(&standby))
                .env("DATABASE_MONITOR_URL", &monitor)
                .env("STAGEDOOR_SECRET_KEY", KEY)
                .env("STAGEDOOR_RATE_LIMIT", "off")
        };
        let server = program(&["serve", "--no-jobs"]).serving().await;
        let worker = program(&["worker"])
            .env("STAGEDOOR_METRICS_LISTEN", "127.0.0.1:0")
            .start("stagedoor works on background jobs")
            .await;
        are_known(&server).await;
        are_known(&worker).await;
        Some(Self {
            evening: Evening::begin(&server, concert),
            server,
            worker,
            rush: None,
            script: None,
            forgotten: None,
            closed,
            standby,
            lab,
            disk,
        })
    }

    pub(super) async fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::Evening | Fault::Mended => {}
            Fault::Standby => block_in_place(|| self.standby.stop()).unwrap(),
            Fault::Script => {
                let session = self.lab.cluster.superuser().await;
                self.script = Some(tokio::spawn(lock_again_and_again(session)));
            }
            Fault::Psql => self.forget_psql().await,
            Fault::Disk => block_in_place(|| self.disk.fill_but(LEFT)),
            Fault::Backup => self.fail_backup().await,
            Fault::Rush => {
                let site = self.server.site();
                let words: Vec<&str> = RUSH.split(' ').chain(["--url", &site]).collect();
                let rush = Program::new(&words).env("DATABASE_URL", &self.lab.cluster.url());
                self.rush = Some(tokio::spawn(async { rush.run().await.json() }));
            }
        }
    }

    /// As the list says.
    pub(super) async fn mend(&mut self, fault: Fault) {
        match fault {
            Fault::Evening | Fault::Rush | Fault::Mended => {}
            Fault::Standby => block_in_place(|| self.standby.start()).unwrap(),
            Fault::Script => self.script.take().unwrap().abort(),
            Fault::Psql => {
                let (_, colleague) = self.forgotten.take().unwrap();
                let postgres = self.lab.cluster.superuser().await;
                let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                           WHERE state = 'idle in transaction' AND application_name = 'psql'";
                postgres.batch_execute(end).await.unwrap();
                colleague.await.unwrap();
            }
            Fault::Disk => self.disk.free(),
            Fault::Backup => {
                self.lab.report(&["run", "--json"]).await;
            }
        }
    }

    /// Somebody corrects a concert and goes home without COMMIT; a colleague wants to correct it too.
    async fn forget_psql(&mut self) {
        let correct = format!(
            "BEGIN; UPDATE concerts SET venue = 'Great Hall' WHERE id = {}",
            self.closed
        );
        let holder = self.lab.cluster.superuser().await;
        let psql = "SET application_name = 'psql'";
        holder.batch_execute(psql).await.unwrap();
        holder.batch_execute(&correct).await.unwrap();
        let colleague = self.lab.cluster.superuser().await;
        let waits = async move {
            let both = format!("{correct}; COMMIT");
            colleague.batch_execute(&both).await.unwrap();
        };
        self.forgotten = Some((holder, tokio::spawn(waits)));
    }

    /// The real command, whose repository isn't where its configuration says.
    async fn fail_backup(&self) {
        let good = fs::read_to_string(self.lab.config()).unwrap();
        let bad = self.lab.path("bad.conf");
        let elsewhere = self.lab.path("not-mounted");
        let line = format!("repo1-path={}", self.lab.path("repo1").display());
        let text = good.replace(&line, &format!("repo1-path={}", elsewhere.display()));
        assert_ne!(good, text);
        fs::write(&bad, text).unwrap();
        self.lab.give(&bad);
        let run = self.lab.program(&["run", "--json"]);
        let run = run.env("STAGEDOOR_BACKUP_CONFIG", &bad.display().to_string());
        let done = run.run().await;
        assert_eq!(done.code, 1, "{done:?}");
    }

    /// The rush's own report.
    pub(super) async fn rushed(&mut self) -> Value {
        self.rush.take().unwrap().await.unwrap()
    }

    /// What the database has of the evening's sales: rows, tickets left and taken.
    pub(super) async fn sold(&self) -> (i64, i64, i64) {
        let postgres = self.lab.cluster.superuser().await;
        let concert = self.evening.concert;
        let ask = "SELECT count(r.id),
                          (SELECT available_tickets::bigint FROM concerts WHERE id = $1),
                          coalesce(sum(r.quantity) FILTER (WHERE r.status IN ('pending', 'confirmed')), 0)::bigint
                   FROM reservations AS r WHERE r.concert_id = $1";
        let row = postgres.query_one(ask, &[&concert]).await.unwrap();
        (row.get(0), row.get(1), row.get(2))
    }
}

pub(super) const TICKETS: i32 = 20_000;

async fn plant(postgres: &Postgres, status: &str) -> i32 {
    let insert = format!(
        "INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets, price, status)
         VALUES ('Night Ferry', 'The Lanterns', CURRENT_DATE + 30, 'Hall', {TICKETS}, {TICKETS}, 1, '{status}')
         RETURNING id"
    );
    postgres.query_one(&insert, &[]).await.unwrap().get(0)
}

/// Waits until everything was looked at once.
async fn are_known(of: &Started) {
    eventually("everything is known", LIMIT, async || {
        let Ok(answer) = reqwest::get(of.metrics()).await else {
            return false;
        };
        let shown = answer.text().await.unwrap_or_default();
        let has = |begin: &str, end: &str| {
            let mut lines = shown.lines();
            lines.any(|line| line.starts_with(begin) && line.ends_with(end))
        };
        has("stagedoor_replica_up", " 1")
            && has("stagedoor_standbys", " 1")
            && has("stagedoor_disk_free_bytes", "")
            && has("stagedoor_backup_last_success_timestamp_seconds", "")
            && !has("stagedoor_wal_archive_age_seconds", "Inf")
    })
    .await;
}

/// A report that somebody wrote: it locks every concert on sale, a third of a second at a time.
async fn lock_again_and_again(session: Postgres) {
    let lock =
        "BEGIN; SELECT id FROM concerts WHERE status = 'open' AND id > 0 ORDER BY id FOR UPDATE;
                SELECT pg_sleep(0.3); COMMIT";
    while session.batch_execute(lock).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Buyers who come all night, four each second.
#[derive(Debug)]
pub(super) struct Evening {
    concert: i32,
    task: JoinHandle<()>,
    sold: Arc<AtomicU32>,
    failed: Arc<AtomicU32>,
}

impl Evening {
    fn begin(server: &Started, concert: i32) -> Self {
        let (sold, failed) = (Arc::default(), Arc::default());
        let url = format!("{}/api/v1/reservations", server.site());
        let buyers = come(url, concert, Arc::clone(&sold), Arc::clone(&failed));
        Self {
            concert,
            task: tokio::spawn(buyers),
            sold,
            failed,
        }
    }

    /// Nobody comes any more: how many were told yes, and how many something else.
    pub(super) async fn end(&self) -> (u32, u32) {
        self.task.abort();
        // Who is served now still gets an answer.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let count = |of: &AtomicU32| of.load(Ordering::Relaxed);
        (count(&self.sold), count(&self.failed))
    }
}

async fn come(url: String, concert: i32, sold: Arc<AtomicU32>, failed: Arc<AtomicU32>) {
    let client = Client::new();
    let mut tick = tokio::time::interval(BUYER_EVERY);
    for number in 0_u32.. {
        tick.tick().await;
        let wish = json!({
            "concert_id": concert,
            "quantity": 1,
            "customer_name": "Ada",
            "customer_email": format!("ada{number}@example.com"),
        });
        let request = client.post(&url).json(&wish);
        let request = request.header("idempotency-key", format!("night-{number}"));
        let (sold, failed) = (Arc::clone(&sold), Arc::clone(&failed));
        tokio::spawn(async move {
            let answer = request.send().await;
            let is_sold = answer.is_ok_and(|answer| answer.status() == StatusCode::CREATED);
            let counted = if is_sold { sold } else { failed };
            counted.fetch_add(1, Ordering::Relaxed);
        });
    }
}
