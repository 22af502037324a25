//! The private, durable PostgreSQL that everything is measured on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use domain::id::ConcertId;
use postgres_local::{Cluster, ClusterSpec, Lifetime, Programs};
use stagedoor::cli::{ReportArgs, SeedArgs, seed};
use store::migrate::{self, Login};
use store::{Acting, Pool, PoolSettings, Transaction, bootstrap};
use tokio::process::Command;
use tokio_postgres::{Client, NoTls};

use crate::{machine, server};

/// The database in whose table nothing was sold before.
const DATABASE: &str = "stagedoor";
const OWNER: &str = "stagedoor_owner";
const APP: &str = "stagedoor_app";
/// Everybody's password on a cluster that only this process's machine can reach for minutes.
const PASSWORD: &str = "only-for-the-benchmark";

/// Durable as in production. The rest is what anybody would raise from PostgreSQL's defaults, so
/// that no checkpoint falls into one round and not into another.
const SETTINGS: [(&str, &str); 7] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "30min"),
    ("max_connections", "100"),
];

/// More tickets than any case sells.
pub(crate) const PLENTY: i32 = 100_000_000;

/// A migrated database of a cluster, which is stopped and removed with the last of them.
#[derive(Debug)]
pub(crate) struct Ground {
    /// Before `cluster`: a primary that stops waits for its standbys.
    standbys: Vec<Cluster>,
    cluster: Arc<Cluster>,
    database: &'static str,
    superuser: Client,
    facts: String,
}

impl Ground {
    /// On a cluster of its own; `name` tells it from the others.
    pub(crate) async fn prepare(name: &str) -> Result<Self> {
        let cluster = Cluster::open(&spec(name))?;
        Self::migrated(Arc::new(cluster), DATABASE).await
    }

    /// Another database on the same cluster.
    pub(crate) async fn beside(&self, database: &'static str) -> Result<Self> {
        Self::migrated(Arc::clone(&self.cluster), database).await
    }

    async fn migrated(cluster: Arc<Cluster>, database: &'static str) -> Result<Self> {
        let logins = [OWNER, APP].map(|role| Login {
            role: role.to_owned(),
            password: Some(PASSWORD.to_owned()),
        });
        bootstrap::prepare(&cluster.superuser_url("postgres"), database, &logins).await?;
        migrate::migrate(&cluster.url(OWNER, PASSWORD, database), &logins).await?;
        let superuser = connect(&cluster.superuser_url(database)).await?;
        let facts = facts(&cluster, &superuser).await?;
        Ok(Self {
            standbys: Vec::new(),
            cluster,
            database,
            superuser,
            facts,
        })
    }

    /// A standby of this cluster that streams from it, and that it knows by `name`.
    pub(crate) fn add_standby(&mut self, name: &str) -> Result<&Cluster> {
        let standby = Cluster::open_standby(&spec(name), &self.cluster, name)?;
        self.standbys.push(standby);
        self.standbys.last().context("the standby just added")
    }

    pub(crate) fn standbys(&self) -> &[Cluster] {
        &self.standbys
    }

    /// The server's login to each standby.
    pub(crate) fn standby_urls(&self) -> Vec<String> {
        let standbys = self.standbys.iter();
        standbys
            .map(|standby| standby.url(APP, PASSWORD, self.database))
            .collect()
    }

    pub(crate) fn database(&self) -> &'static str {
        self.database
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(crate) fn superuser(&self) -> &Client {
        &self.superuser
    }

    /// Turns the audit log off, to see what it costs.
    pub(crate) async fn stop_audit(&self) -> Result<()> {
        let stop = "ALTER TABLE concerts DISABLE TRIGGER USER;
                    ALTER TABLE reservations DISABLE TRIGGER USER";
        Ok(self.superuser.batch_execute(stop).await?)
    }

    /// Machine, PostgreSQL and its settings, one a line.
    pub(crate) fn describe(&self) -> &str {
        &self.facts
    }

    /// As the server's login.
    pub(crate) fn url(&self) -> String {
        self.cluster.url(APP, PASSWORD, self.database)
    }

    /// The same for PostgreSQL's own programs, as variables: arguments are seen by everybody.
    pub(crate) fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", self.cluster.port().to_string()),
            ("PGUSER", APP.to_owned()),
            ("PGPASSWORD", PASSWORD.to_owned()),
            ("PGDATABASE", self.database.to_owned()),
        ]
    }

    pub(crate) fn programs(&self) -> &Programs {
        self.cluster.programs()
    }

    /// A pool as the server has it, for what is measured without one.
    pub(crate) fn pool(&self) -> Result<Pool> {
        let settings = PoolSettings {
            name: "writer",
            max: 2,
            min: 1,
            idle_timeout: Duration::from_mins(10),
            connect_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_mins(2),
            silence_max: None,
        };
        Ok(Pool::open(&self.url(), settings, Arc::new(|_| {}))?)
    }

    /// A concert of its own, so that no case finds what another left in its row.
    pub(crate) async fn plant(&self, tickets: i32) -> Result<ConcertId> {
        let statement = "INSERT INTO concerts (name, artist, date, venue, total_tickets,
                                               available_tickets, price, status)
                         VALUES ('Measured', 'Nobody', CURRENT_DATE + 30, 'Nowhere', $1, $1,
                                 1250.00, 'open')
                         RETURNING id";
        let row = self.superuser.query_one(statement, &[&tickets]).await?;
        ConcertId::new(row.get(0)).context("a concert's number")
    }

    /// How many of a concert's buyers one transaction admitted, on average.
    pub(crate) async fn buyers_per_batch(&self, concert: ConcertId) -> Result<f64> {
        let statement = "SELECT count(*)::float8 / greatest(count(DISTINCT xmin::text), 1)
                         FROM reservations WHERE concert_id = $1";
        Ok(self
            .superuser
            .query_one(statement, &[&concert.get()])
            .await?
            .get(0))
    }

    /// What autovacuum would do at some time in the middle of a case is done now.
    pub(crate) async fn analyze(&self) -> Result<()> {
        Ok(self.superuser.batch_execute("ANALYZE").await?)
    }

    /// What was written is on the disk, in all databases; what is changed next is written whole.
    pub(crate) async fn checkpoint(&self) -> Result<()> {
        Ok(self.superuser.batch_execute("CHECKPOINT").await?)
    }

    /// A benchmark that oversells measures nothing.
    pub(crate) async fn check_inventory(&self) -> Result<()> {
        let pool = self.pool()?;
        let transaction = Transaction::begin(&pool, &Acting::cli(None)).await?;
        let broken = store::monitor::list_broken_inventory(&transaction, 10).await?;
        transaction.rollback().await;
        // What pgbench sold is in the table like everything else.
        ensure!(broken.is_empty(), "the inventory is broken: {broken:?}");
        Ok(())
    }

    /// Fills the table as `stagedoor seed` does; how long it took.
    pub(crate) async fn seed(&self, concerts: u32, reservations: u64) -> Result<Duration> {
        let owner = self.cluster.url(OWNER, PASSWORD, self.database);
        let config = server::configuration(&[("database_owner_url", &owner)])?;
        let args = SeedArgs {
            concerts,
            reservations,
            report: ReportArgs { json: false },
        };
        let started = Instant::now();
        seed::run(config, args).await?;
        let took = started.elapsed();
        // Or PostgreSQL would begin to by itself, in the middle of a case.
        self.superuser.batch_execute("VACUUM reservations").await?;
        Ok(took)
    }
}

/// What a cluster of this process is like, primary or standby.
fn spec(name: &str) -> ClusterSpec {
    // On the temporary folder's disk; for root it may lie elsewhere. Removed by the cluster.
    let folder = format!("stagedoor-bench-{}-{name}", std::process::id());
    let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    ClusterSpec {
        folder: std::env::temp_dir().join(folder),
        // Removed at the end; durable all the same, because nothing above is lowered.
        lifetime: Lifetime::Scratch,
        settings: settings.to_vec(),
        programs: None,
    }
}

pub(crate) async fn connect(url: &str) -> Result<Client> {
    let (client, socket) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(socket);
    Ok(client)
}

async fn facts(cluster: &Cluster, superuser: &Client) -> Result<String> {
    let show = async |name: &str| -> Result<String> {
        let row = superuser.query_one(&format!("SHOW {name}"), &[]).await?;
        Ok(row.get(0))
    };
    let mut settings = Vec::new();
    for (name, _) in SETTINGS {
        settings.push(format!("{name} = {}", show(name).await?));
    }
    let disk = Command::new("stat")
        .args(["--file-system", "--format", "%T"])
        .arg(cluster.data_folder())
        .output()
        .await?;
    Ok(format!(
        "- Machine: {}; the database's file system is {}.\n- PostgreSQL {}: {}.",
        machine::describe(),
        String::from_utf8_lossy(&disk.stdout).trim(),
        show("server_version").await?,
        settings.join(", "),
    ))
}
