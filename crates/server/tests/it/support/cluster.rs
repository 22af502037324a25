//! The cluster that all tests share, and the databases on it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use postgres_local::{Cluster, ClusterSpec, Lifetime};
use store::bootstrap;
use store::migrate::{self, Login};
use tokio::sync::{Mutex, OnceCell};
use tokio_postgres::{Client, NoTls};

pub(crate) const OWNER: &str = "stagedoor_owner";
pub(crate) const APP: &str = "stagedoor_app";
/// Everybody's password on a cluster that lives as long as the tests.
pub(crate) const PASSWORD: &str = "only-for-tests";
const TEMPLATE: &str = "stagedoor_template";

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static TEMPLATE_MADE: OnceCell<()> = OnceCell::const_new();
/// Roles are the whole cluster's, and are changed by one at a time.
static PREPARING: Mutex<()> = Mutex::const_new(());
static NEXT: AtomicU32 = AtomicU32::new(1);

/// The cluster of this run. It ends with the process: nobody has to stop it.
pub(crate) fn cluster() -> &'static Cluster {
    CLUSTER.get_or_init(|| {
        // Made and removed by the cluster itself.
        let folder = std::env::temp_dir().join(format!("stagedoor-test-{}", std::process::id()));
        let settings = [
            ("fsync", "off"),
            ("max_connections", "500"),
            ("shared_buffers", "128MB"),
        ];
        Cluster::open(&ClusterSpec {
            folder,
            lifetime: Lifetime::Scratch,
            settings: settings
                .map(|(key, value)| (key.into(), value.into()))
                .to_vec(),
            programs: None,
        })
        .expect("a private PostgreSQL")
    })
}

pub(crate) fn logins() -> [Login; 2] {
    [OWNER, APP].map(|role| Login {
        role: role.to_owned(),
        password: Some(PASSWORD.to_owned()),
    })
}

async fn prepare(superuser: &str, database: &str) {
    let _alone = PREPARING.lock().await;
    bootstrap::prepare(superuser, database, &logins())
        .await
        .expect("roles");
}

/// A database of a test's own.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    pub(crate) name: String,
}

impl TestDatabase {
    /// A copy of the migrated template.
    pub(crate) async fn migrated() -> Self {
        TEMPLATE_MADE
            .get_or_init(|| async {
                let superuser = cluster().superuser_url("postgres");
                prepare(&superuser, TEMPLATE).await;
                let owner = cluster().url(OWNER, PASSWORD, TEMPLATE);
                migrate::migrate(&owner, &logins())
                    .await
                    .expect("a migrated template");
            })
            .await;
        let database = Self::create(&format!("OWNER {OWNER} TEMPLATE {TEMPLATE}")).await;
        // Who may come in is the only thing that a copy doesn't have.
        let name = &database.name;
        let doors = format!(
            "REVOKE ALL ON DATABASE {name} FROM PUBLIC;
             GRANT CONNECT ON DATABASE {name}
                 TO stagedoor_app, stagedoor_report, stagedoor_monitor, stagedoor_backup"
        );
        let client = connect(&cluster().superuser_url("postgres")).await;
        client.batch_execute(&doors).await.expect("open doors");
        database
    }

    /// A database that nobody migrated.
    pub(crate) async fn empty() -> Self {
        let superuser = cluster().superuser_url("postgres");
        prepare(&superuser, "postgres").await;
        Self::create(&format!("OWNER {OWNER}")).await
    }

    async fn create(options: &str) -> Self {
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let client = connect(&cluster().superuser_url("postgres")).await;
        let statement = format!("CREATE DATABASE {name} {options}");
        client
            .batch_execute(&statement)
            .await
            .expect("a test's database");
        Self { name }
    }

    pub(crate) fn url(&self, role: &str) -> String {
        cluster().url(role, PASSWORD, &self.name)
    }

    pub(crate) fn superuser_url(&self) -> String {
        cluster().superuser_url(&self.name)
    }

    /// A connection that may do everything, for looking and for planting.
    pub(crate) async fn superuser(&self) -> Client {
        connect(&self.superuser_url()).await
    }
}

pub(crate) async fn connect(url: &str) -> Client {
    let (client, socket) = tokio_postgres::connect(url, NoTls)
        .await
        .expect("a connection");
    tokio::spawn(socket);
    client
}

/// A concert on sale with ten tickets, for a server that has today's date; returns its number.
pub(crate) async fn plant_ten_tickets(postgres: &Client) -> i32 {
    let statement = "
        INSERT INTO concerts (name, artist, date, venue, total_tickets, available_tickets, price,
                              status)
        VALUES ('Night Ferry', 'The Lanterns', CURRENT_DATE + 30, 'Hall', 10, 10, 1, 'open')
        RETURNING id";
    let row = postgres.query_one(statement, &[]).await;
    row.expect("a concert").get(0)
}
