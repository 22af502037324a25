//! `doctor` on a good system in production, and on one with a fault planted: each is named, with the
//! command that mends it, and is gone once that command was run.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::database_tls::Encrypted;
use crate::support::program::{Done, Program};
use crate::support::{OWNER, PASSWORD, connect, plant_ten_tickets};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A production with a concert, a sale, seals, a backup, a check and a drill.
struct Production {
    database: Encrypted,
    /// Where nobody answers, so that no other server's queues are seen.
    metrics: String,
}

impl Production {
    async fn start(name: &str) -> Self {
        let production = Self {
            database: Encrypted::start(name).await,
            metrics: "127.0.0.1:1".to_owned(),
        };
        let postgres = production.database.cluster.superuser().await;
        // As the documents have it made.
        let owner = "ALTER ROLE stagedoor_owner CREATEROLE";
        postgres.batch_execute(owner).await.unwrap();
        let concert = plant_ten_tickets(&postgres).await;
        let rows = format!(
            "SET stagedoor.actor_kind = 'system';
             INSERT INTO reservations (id, concert_id, customer_name, customer_email, quantity,
                                       total_price, status, payment_status)
             VALUES ('01890000-0000-7000-8000-000000000001', {concert}, 'Som', 'som@example.com', 2, 2,
                     'confirmed', 'completed');
             UPDATE concerts SET available_tickets = available_tickets - 2 WHERE id > 0;
             INSERT INTO backup_runs (kind, repo, is_ok, started_at, finished_at, detail)
             SELECT kind, 1, true, at, at, ''
             FROM unnest(ARRAY['full', 'check', 'drill']) AS kind,
                  LATERAL (SELECT now() AT TIME ZONE 'utc' - interval '1 h' AS at) AS made"
        );
        postgres.batch_execute(&rows).await.unwrap();
        production.seal().await;
        production
    }

    /// A worker seals what was written.
    async fn seal(&self) {
        let worker = self
            .program(&["worker"])
            .env("STAGEDOOR_METRICS_LISTEN", "127.0.0.1:0");
        let mut worker = worker.start("audit rows sealed").await;
        worker.signal("TERM");
        worker.end(std::time::Duration::from_secs(15)).await;
    }

    fn url(&self) -> String {
        let root = self.database.root();
        self.database.verified("localhost", "verify-full", &root)
    }

    fn owner_url(&self) -> String {
        let url = self.database.cluster.0.url(OWNER, PASSWORD, "stagedoor");
        format!("{url}?sslmode=require")
    }

    fn verified_owner_url(&self) -> String {
        let host = self.owner_url().replace("127.0.0.1", "localhost");
        let root = format!(
            "sslmode=verify-full&sslrootcert={}",
            self.database.root().display()
        );
        host.replace("sslmode=require", &root)
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("STAGEDOOR_ENV", "production".to_owned()),
            ("STAGEDOOR_SECRET_KEY", SECRET.to_owned()),
            ("STAGEDOOR_ALLOW_SANDBOX", "true".to_owned()),
            ("STAGEDOOR_SMTP_URL", "smtps://mail.example.org".to_owned()),
            (
                "STAGEDOOR_BASE_URL",
                "https://tickets.example.org".to_owned(),
            ),
            ("STAGEDOOR_TRUSTED_PROXIES", "10.0.0.1".to_owned()),
            ("STAGEDOOR_METRICS_LISTEN", self.metrics.clone()),
            ("DATABASE_URL", self.url()),
        ]
    }

    fn program(&self, arguments: &[&str]) -> Program {
        let set = |program: Program, (name, value): (&str, String)| program.env(name, &value);
        self.environment()
            .into_iter()
            .fold(Program::new(arguments), set)
    }

    async fn doctor(&self, changed: &[(&str, &str)]) -> Done {
        let program = self.program(&["doctor", "--json"]);
        let change = |program: Program, (name, value): &(&str, &str)| program.env(name, value);
        changed.iter().fold(program, change).run().await
    }

    async fn assert_good(&self, when: &str) {
        let done = self.doctor(&[]).await;
        assert_eq!(done.code, 0, "{when}: {done:?}");
        assert_eq!(errors(&done).len(), 0, "{when}: {done:?}");
    }

    /// Runs what a finding says, as an operator would who reads it.
    async fn obey(&self, mend: &str) {
        if mend == "stagedoor migrate" {
            let migrate = Program::new(&["migrate"]).env("DATABASE_OWNER_URL", &self.owner_url());
            let done = migrate.run().await;
            assert_eq!(done.code, 0, "{done:?}");
            return;
        }
        let postgres = self.database.cluster.superuser().await;
        let statements = if let Some(statements) = mend.strip_prefix("as a superuser: ") {
            statements
        } else {
            let (_, statements) = mend.split_once("and there: ").expect("a command");
            postgres
                .batch_execute("SET ROLE stagedoor_owner")
                .await
                .unwrap();
            statements
        };
        for statement in statements.split_inclusive(';') {
            if !statement.trim_start().starts_with('(') {
                let done = postgres.batch_execute(statement).await;
                assert!(done.is_ok(), "{statement}: {done:?}");
            }
        }
    }
}

fn errors(done: &Done) -> Vec<Value> {
    let findings = done.json()["findings"].as_array().unwrap().clone();
    let is_error = |finding: &Value| finding["severity"] == "error";
    findings.into_iter().filter(is_error).collect()
}

/// That exactly one thing is wrong, what it is, and what is said of it; returns what mends it.
fn assert_one(done: &Done, id: &str, said: &str) -> String {
    assert_eq!(done.code, 1, "{id}: {done:?}");
    let errors = errors(done);
    assert!(
        errors.len() == 1 && errors[0]["id"] == id,
        "{id}: {errors:?}"
    );
    let detail = errors[0]["detail"].as_str().unwrap();
    assert!(detail.contains(said), "{id}: {detail}");
    let mend = errors[0]["mend"].as_str().unwrap().to_owned();
    assert!(!mend.is_empty(), "{id}");
    mend
}

/// Faults that the command in their finding mends: what plants each, its finding and what it says.
const MENDED_AS_TOLD: &[(&str, &str, &str)] = &[
    (
        "DROP INDEX payments_by_hand_idx",
        "index",
        "payments_by_hand_idx is missing",
    ),
    (
        "DROP INDEX idx_concerts_date; CREATE INDEX idx_concerts_date ON concerts (date)",
        "index",
        "idx_concerts_date is not as",
    ),
    (
        "ALTER POLICY mails_owner ON mails USING (false)",
        "policy",
        "mails_owner is not as",
    ),
    (
        "CREATE POLICY \"to All\" ON mails USING (true)",
        "policy",
        "was not made",
    ),
    (
        "GRANT DELETE ON audit_logs TO stagedoor_app",
        "right",
        "stagedoor_app table audit_logs",
    ),
    (
        "GRANT SELECT ON reservations TO PUBLIC",
        "right",
        "PUBLIC table reservations",
    ),
    (
        "REVOKE SELECT ON payments FROM stagedoor_report",
        "right",
        "stagedoor_report table payments",
    ),
    (
        "GRANT SELECT (password) ON admin_users TO stagedoor_app",
        "right",
        "admin_users.password",
    ),
    (
        "GRANT stagedoor_report TO stagedoor_app",
        "right",
        "member of stagedoor_report",
    ),
    ("ALTER ROLE stagedoor_app BYPASSRLS", "power", "BYPASSRLS"),
    (
        "DROP INDEX idx_concerts_date",
        "index",
        "idx_concerts_date is missing",
    ),
    (
        "UPDATE pg_index SET indisvalid = false
         WHERE indexrelid = 'idx_concerts_date'::regclass",
        "index",
        "idx_concerts_date is missing",
    ),
    (
        "ALTER TABLE concerts DROP CONSTRAINT concerts_price_check",
        "constraint",
        "concerts_price_check is missing",
    ),
    (
        "ALTER TABLE reservations NO FORCE ROW LEVEL SECURITY",
        "row_security",
        "row-level security of reservations",
    ),
    (
        "CREATE POLICY open_to_all ON reservations TO stagedoor_app USING (true)",
        "policy",
        "open_to_all was not made",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_in_a_database_is_mended_by_the_command_that_is_told() {
    let production = Production::start("doctor-told").await;
    production.assert_good("at first").await;
    let postgres = production.database.cluster.superuser().await;
    let policy = "SELECT format('DROP POLICY %I ON mails', policyname) FROM pg_policies
                  WHERE tablename = 'mails' ORDER BY 1 LIMIT 1";
    let drop_policy: String = postgres.query_one(policy, &[]).await.unwrap().get(0);
    let trigger = "SELECT format('ALTER TABLE reservations DISABLE TRIGGER %I', tgname) FROM pg_trigger
                   WHERE tgrelid = 'reservations'::regclass AND NOT tgisinternal ORDER BY 1 LIMIT 1";
    let disable: String = postgres.query_one(trigger, &[]).await.unwrap().get(0);
    let own = [
        (drop_policy.as_str(), "policy", "is missing"),
        (disable.as_str(), "trigger_state", "DISABLE"),
    ];
    for (plant, id, said) in MENDED_AS_TOLD.iter().chain(&own) {
        let planted = postgres.batch_execute(plant).await;
        assert!(planted.is_ok(), "{plant}: {planted:?}");
        let mend = assert_one(&production.doctor(&[]).await, id, said);
        production.obey(&mend).await;
        production.assert_good(plant).await;
    }
}

/// Faults whose mending takes thought: what plants each, its finding, what it says, and what mends it.
const FAULTS: &[(&str, &str, &str, &str)] = &[
    (
        "UPDATE concerts SET available_tickets = available_tickets - 3 WHERE id > 0",
        "inventory",
        "5 of 10 available, 2 held or sold",
        "UPDATE concerts SET available_tickets = available_tickets + 3 WHERE id > 0",
    ),
    (
        "UPDATE audit_logs SET actor = 'nobody' WHERE id = 1",
        "audit",
        "row 1 was changed",
        "UPDATE audit_logs SET actor = former.actor FROM former WHERE audit_logs.id = 1",
    ),
    (
        "INSERT INTO jobs (task, payload, run_at, attempts_max, status, finished_at)
         VALUES ('mail.send', '{}', now(), 1, 'dead', now())",
        "jobs",
        "given up",
        "DELETE FROM jobs WHERE status = 'dead'",
    ),
    (
        "UPDATE backup_runs SET finished_at = finished_at - interval '30 h',
                                started_at = started_at - interval '30 h' WHERE kind = 'full'",
        "backups",
        "the last backup is of",
        "UPDATE backup_runs SET finished_at = finished_at + interval '30 h',
                                started_at = started_at + interval '30 h' WHERE kind = 'full'",
    ),
    (
        "ALTER ROLE stagedoor_app SET synchronous_commit = off",
        "durability",
        "synchronous_commit is off",
        "ALTER ROLE stagedoor_app RESET synchronous_commit",
    ),
    (
        "UPDATE refinery_schema_history SET version = -version WHERE version = (SELECT max(version)
         FROM refinery_schema_history)",
        "schema",
        "version",
        "UPDATE refinery_schema_history SET version = -version WHERE version < 0",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_a_database_is_named_until_it_is_mended() {
    let production = Production::start("doctor-faults").await;
    let postgres = production.database.cluster.superuser().await;
    let keep = "CREATE TEMP TABLE former AS SELECT actor FROM audit_logs WHERE id = 1;
                SET stagedoor.actor_kind = 'system'; SET session_replication_role = replica";
    postgres.batch_execute(keep).await.unwrap();
    for (plant, id, said, mend) in FAULTS {
        production.assert_good(plant).await;
        let planted = postgres.batch_execute(plant).await;
        assert!(planted.is_ok(), "{plant}: {planted:?}");
        let done = production.doctor(&[]).await;
        if *id == "inventory" {
            // The audit log's entries tell it too.
            assert!(done.stdout.contains(said), "{done:?}");
            assert_eq!(done.code, 1);
        } else {
            assert_one(&done, id, said);
        }
        postgres.batch_execute(mend).await.unwrap();
    }
    production.assert_good("at last").await;
    // Written with nobody to seal it.
    let unsealed = "SET session_replication_role = DEFAULT;
                    UPDATE concerts SET venue = 'Elsewhere' WHERE id > 0;
                    SET session_replication_role = replica;
                    UPDATE audit_logs SET created_at = created_at - interval '5 min'
                    WHERE id = (SELECT max(id) FROM audit_logs)";
    postgres.batch_execute(unsealed).await.unwrap();
    let mend = assert_one(
        &production.doctor(&[]).await,
        "audit_unsealed",
        "wait for their seal",
    );
    assert!(mend.contains("stagedoor worker"), "{mend}");
    production.seal().await;
    production.assert_good("sealed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_a_configuration_is_named() {
    let production = Production::start("doctor-settings").await;
    let root = production.database.root();
    let plain = production.database.url("localhost", "sslmode=disable");
    let other_name = production
        .database
        .verified("127.0.0.1", "verify-full", &root);
    let owner = production.verified_owner_url();
    let no_monitor = production
        .url()
        .replace("stagedoor_app", "stagedoor_monitor2");
    for (changed, id, mend) in [
        (
            ("DATABASE_URL", plain.as_str()),
            "database_tls",
            "sslmode=verify-full",
        ),
        (
            ("DATABASE_URL", &other_name),
            "database",
            "a name that the server's certificate has",
        ),
        (("DATABASE_URL", &owner), "login", "stagedoor_app"),
        (
            ("DATABASE_MONITOR_URL", &no_monitor),
            "login",
            "DATABASE_MONITOR_URL",
        ),
        (
            (
                "STAGEDOOR_SECRET_KEY",
                "change-me-change-me-change-me-change-me",
            ),
            "secret_key_default",
            "openssl rand -hex 32",
        ),
        (
            ("STAGEDOOR_SECRET_KEY", "short"),
            "secret_key_short",
            "openssl rand -hex 32",
        ),
        (
            ("STAGEDOOR_ALLOW_SANDBOX", "false"),
            "sandbox_provider",
            "stripe",
        ),
        (
            ("STAGEDOOR_BASE_URL", "http://tickets.example.org"),
            "base_url_http",
            "https URL",
        ),
        (
            ("STAGEDOOR_SMTP_URL", ""),
            "smtp_url_missing",
            "STAGEDOOR_SMTP_URL_FILE",
        ),
    ] {
        let done = production.doctor(&[changed]).await;
        assert_eq!(done.code, 1, "{changed:?}: {done:?}");
        let errors = errors(&done);
        let found = errors.iter().find(|finding| finding["id"] == id);
        let found = found.unwrap_or_else(|| panic!("{id}: {done:?}"));
        assert!(found["mend"].as_str().unwrap().contains(mend), "{found}");
        assert!(!done.stdout.contains(PASSWORD), "{done:?}");
    }
}

/// libfaketime moves this program's clock alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_a_minute_off_is_named() {
    let production = Production::start("doctor-clock").await;
    for (shift, said) in [
        ("+60s", "away from the database's"),
        ("-60s", "away from the database's"),
    ] {
        let mut command = tokio::process::Command::new("faketime");
        command
            .args([
                "-f",
                shift,
                env!("CARGO_BIN_EXE_stagedoor"),
                "doctor",
                "--json",
            ])
            .envs(production.environment())
            .stdin(Stdio::null());
        let output = command
            .output()
            .await
            .expect("scripts/install-packages.sh test installs it");
        let done = Done {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        let mend = assert_one(&done, "clock", said);
        assert!(mend.contains("timedatectl set-ntp true"), "{mend}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_stays_full_is_named_and_a_short_one_is_not() {
    let mut production = Production::start("doctor-queues").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    production.metrics = listener.local_addr().unwrap().to_string();
    let (depths, mut asked) = (tokio::sync::watch::channel((0, 0)), 0);
    let (told, depth) = depths;
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            asked += 1;
            let (first, later) = *depth.borrow();
            let waiting = if asked % 2 == 1 { first } else { later };
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let answer = format!(
                "HTTP/1.0 200 OK\r\n\r\n# metrics\nstagedoor_pool_waiting{{pool=\"writer\"}} 0\n\
                 stagedoor_admission_queue_depth {waiting}\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    told.send((12_000, 11_000)).unwrap();
    let mend = assert_one(&production.doctor(&[]).await, "queues", "11000 requests");
    assert!(mend.contains("pg_blocking_pids"), "{mend}");
    told.send((12_000, 10)).unwrap();
    production.assert_good("worked off").await;
}

/// The same of a real server: a row that stays locked, and all connections taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_whose_pool_is_taken_is_named() {
    let mut production = Production::start("doctor-pool").await;
    let server = production
        .program(&["serve"])
        .env("STAGEDOOR_METRICS_LISTEN", "127.0.0.1:0")
        .env("STAGEDOOR_RATE_LIMIT", "off");
    let server = server.serving().await;
    // Production logs in JSON.
    let rest = server.word_after("\"metrics\":\"");
    rest.split('"')
        .next()
        .unwrap()
        .clone_into(&mut production.metrics);
    production.assert_good("at rest").await;
    let locker = connect(&production.database.cluster.superuser_url()).await;
    let lock = "BEGIN; LOCK TABLE concerts IN ACCESS EXCLUSIVE MODE";
    locker.batch_execute(lock).await.unwrap();
    let url = format!("{}/api/v1/concerts/1", server.site());
    let crowd = tokio::spawn(async move {
        let client = reqwest::Client::new();
        let ask = async || {
            loop {
                let _ = client.get(&url).send().await;
            }
        };
        futures_util::future::join_all((0..60).map(|_| ask())).await
    });
    let is_named = async || {
        let done = production.doctor(&[]).await;
        done.code == 1
            && errors(&done)
                .iter()
                .any(|finding| finding["id"] == "queues")
    };
    crate::support::wait::eventually("a full pool", crate::support::wait::LIMIT, is_named).await;
    crowd.abort();
    locker.batch_execute("ROLLBACK").await.unwrap();
}
