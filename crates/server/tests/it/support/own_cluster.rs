//! A PostgreSQL that one test has for itself, to stop, kill or set up otherwise.

use postgres_local::{Cluster, ClusterSpec, Lifetime};
use store::{bootstrap, migrate};
use tokio::task::block_in_place;
use tokio_postgres::Client;

use super::cluster::{APP, OWNER, PASSWORD, TestDatabase, connect, logins};
use super::{Options, TestApp};

const DATABASE: &str = "stagedoor";

/// The server's login to a standby of such a cluster.
pub(crate) fn app_url(standby: &Cluster) -> String {
    standby.url(APP, PASSWORD, DATABASE)
}

/// A cluster of its own with one migrated database, as durable as PostgreSQL is by itself.
#[derive(Debug)]
pub(crate) struct OwnCluster(pub(crate) Cluster);

impl OwnCluster {
    /// `name` tells the clusters of parallel tests apart.
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_with(name, &[]).await
    }

    /// The same with settings that count from the start.
    pub(crate) async fn start_with(name: &str, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter();
        let folder = format!("stagedoor-{name}-{}", std::process::id());
        let spec = ClusterSpec {
            folder: std::env::temp_dir().join(folder),
            lifetime: Lifetime::Scratch,
            settings: settings
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            programs: None,
        };
        let cluster = block_in_place(|| Cluster::open(&spec)).expect("a private PostgreSQL");
        let superuser = cluster.superuser_url("postgres");
        bootstrap::prepare(&superuser, DATABASE, &logins())
            .await
            .expect("roles");
        migrate::migrate(&cluster.url(OWNER, PASSWORD, DATABASE), &logins())
            .await
            .expect("a migrated database");
        Self(cluster)
    }

    /// The server's login.
    pub(crate) fn url(&self) -> String {
        self.0.url(APP, PASSWORD, DATABASE)
    }

    pub(crate) fn superuser_url(&self) -> String {
        self.0.superuser_url(DATABASE)
    }

    pub(crate) async fn superuser(&self) -> Client {
        connect(&self.superuser_url()).await
    }

    /// A standby that streams from it and is known to it by `name`.
    pub(crate) fn standby(&self, name: &str, settings: &[(&str, &str)]) -> Cluster {
        let folder = format!("stagedoor-{name}-{}", std::process::id());
        let settings = settings.iter();
        let spec = ClusterSpec {
            folder: std::env::temp_dir().join(folder),
            lifetime: Lifetime::Scratch,
            settings: settings
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            programs: None,
        };
        block_in_place(|| Cluster::open_standby(&spec, &self.0, name)).expect("a standby")
    }

    /// The product on it; the database of the shared cluster that comes with it stays unused.
    pub(crate) async fn app(&self, options: Options) -> TestApp {
        let options = Options {
            database_url: Some(options.database_url.unwrap_or_else(|| self.url())),
            ..options
        };
        let mut app = TestApp::start(TestDatabase::migrated().await, options).await;
        app.postgres = self.superuser().await;
        app
    }
}
