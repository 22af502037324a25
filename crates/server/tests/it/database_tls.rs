//! TLS to the database: who is believed, and what is refused, by the server and by the database.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::own_cluster::OwnCluster;
use crate::support::program::{Done, Program};

/// A database that takes the product's logins by TLS alone, and what it showed for it.
pub(crate) struct Encrypted {
    pub(crate) cluster: OwnCluster,
    folder: TempDir,
}

impl Encrypted {
    pub(crate) async fn start(name: &str) -> Self {
        let encrypted = Self {
            cluster: OwnCluster::start(name).await,
            folder: TempDir::new().unwrap(),
        };
        encrypted.show_certificate_for("localhost").await;
        let hba = "host all postgres all scram-sha-256\nhostssl all all all scram-sha-256\n";
        encrypted.put("pg_hba.conf", hba);
        encrypted.set("ssl = on").await;
        encrypted
    }

    fn put(&self, name: &str, text: &str) {
        let data = self.cluster.0.data_folder();
        let owner = std::fs::metadata(data).unwrap();
        let path = data.join(name);
        std::fs::write(&path, text).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    }

    async fn set(&self, setting: &str) {
        let superuser = self.cluster.superuser().await;
        let statement = format!("ALTER SYSTEM SET {setting}");
        superuser.batch_execute(&statement).await.unwrap();
        let reload = "SELECT pg_reload_conf(), pg_sleep(0.5)";
        superuser.batch_execute(reload).await.unwrap();
    }

    /// A new certificate, which signs itself and is its own authority.
    pub(crate) async fn show_certificate_for(&self, name: &str) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        self.put("server.crt", &made.cert.pem());
        self.put("server.key", &made.signing_key.serialize_pem());
        std::fs::write(self.root(), made.cert.pem()).unwrap();
        self.set("ssl_cert_file = 'server.crt'").await;
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root.crt")
    }

    /// The server's login, by name.
    pub(crate) fn url(&self, host: &str, rest: &str) -> String {
        let url = self.cluster.url().replace("127.0.0.1", host);
        let (mark, _) = url.split_once('?').map_or(("?", ""), |_| ("&", ""));
        format!("{url}{mark}{rest}")
    }

    pub(crate) fn verified(&self, host: &str, mode: &str, root: &Path) -> String {
        self.url(
            host,
            &format!("sslmode={mode}&sslrootcert={}", root.display()),
        )
    }
}

async fn list(url: &str) -> Done {
    let program = Program::new(&["concert", "list"]);
    program.env("DATABASE_URL", url).run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_believed_only_by_its_name_and_authority() {
    let database = Encrypted::start("tls-names").await;
    let root = database.root();
    for mode in ["verify-full", "verify-ca", "require"] {
        let done = list(&database.verified("localhost", mode, &root)).await;
        assert_eq!(done.code, 0, "{mode}: {}", done.stderr);
    }
    let anyone = list(&database.url("localhost", "sslmode=require")).await;
    assert_eq!(anyone.code, 0, "{}", anyone.stderr);
    let usual = list(&database.url("localhost", "")).await;
    assert_eq!(usual.code, 0, "prefer is libpq's own: {}", usual.stderr);

    // 127.0.0.1 is the same machine, and no name of the certificate.
    let other_name = list(&database.verified("127.0.0.1", "verify-full", &root)).await;
    assert_eq!(other_name.code, 1);
    let said = &other_name.stderr;
    assert!(
        said.contains("not valid for name") && said.contains("sslrootcert"),
        "{said}"
    );
    let any_name = list(&database.verified("127.0.0.1", "verify-ca", &root)).await;
    assert_eq!(any_name.code, 0, "{}", any_name.stderr);

    let stranger = database.folder.path().join("stranger.crt");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&stranger, made.cert.pem()).unwrap();
    for mode in ["verify-full", "verify-ca", "require"] {
        let done = list(&database.verified("localhost", mode, &stranger)).await;
        assert_eq!(done.code, 1, "{mode}");
        let said = &done.stderr;
        assert!(said.contains("no connection by TLS"), "{said}");
    }
    let nowhere = database.folder.path().join("nowhere.crt");
    let done = list(&database.verified("localhost", "verify-full", &nowhere)).await;
    assert_eq!(done.code, 2);
    assert!(
        done.stderr.contains("nowhere.crt can't be read"),
        "{}",
        done.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_in_plain_text_is_refused_by_server_and_database() {
    let database = Encrypted::start("tls-plain").await;
    let plain = database.url("localhost", "sslmode=disable");
    let done = list(&plain).await;
    assert_eq!(done.code, 1);
    let said = &done.stderr;
    assert!(
        said.contains("no encryption") && said.contains("sslmode=verify-full"),
        "{said}"
    );

    let in_production = |url: &str| {
        Program::new(&["serve"])
            .env("STAGEDOOR_ENV", "production")
            .env("STAGEDOOR_SECRET_KEY", "0123456789abcdef0123456789abcdef")
            .env("STAGEDOOR_ALLOW_SANDBOX", "true")
            .env("STAGEDOOR_SMTP_URL", "smtps://mail.example.org")
            .env("STAGEDOOR_BASE_URL", "https://tickets.example.org")
            .env("STAGEDOOR_TRUSTED_PROXIES", "10.0.0.1")
            .env("DATABASE_URL", url)
    };
    for url in [plain, database.url("localhost", "")] {
        let refused = in_production(&url).run().await;
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(
            refused.stderr.contains("without enforced TLS"),
            "{}",
            refused.stderr
        );
    }
    let verified = database.verified("localhost", "verify-full", &database.root());
    let mut server = in_production(&verified).serving().await;
    let ready = reqwest::get(format!("{}/readyz", server.site()))
        .await
        .unwrap();
    assert_eq!(ready.status(), 200);
    let superuser = database.cluster.superuser().await;
    let in_plain_text = "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
                         WHERE usename = 'stagedoor_app' AND NOT ssl";
    let row = superuser.query_one(in_plain_text, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
    server.signal("TERM");
    assert!(server.end(Duration::from_secs(15)).await.success());
}

/// An authority is renewed while the server runs: its file is read again at the next connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_authority_is_believed_without_a_restart() {
    let database = Encrypted::start("tls-renewed").await;
    let url = database.verified("localhost", "verify-full", &database.root());
    let server = Program::new(&["serve"])
        .env("DATABASE_URL", &url)
        .serving()
        .await;
    database.show_certificate_for("localhost").await;
    let superuser = database.cluster.superuser().await;
    let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
               WHERE usename = 'stagedoor_app'";
    superuser.batch_execute(end).await.unwrap();
    let ready = format!("{}/readyz", server.site());
    crate::support::wait::within_limit("a ready server", async {
        while reqwest::get(&ready).await.unwrap().status() != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}
