//! `demo`: everything on one machine, a private PostgreSQL included, with sample concerts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use app::staff::{self, Change, NewStaffMember};
use app::{App, sample};
use domain::password::Password;
use domain::role::Role;
use domain::text::{EmailAddress, Username};
use postgres_local::{Cluster, ClusterSpec, Lifetime};
use serde_json::json;
use store::Acting;
use store::bootstrap;
use store::migrate::{self, Login};

use super::doctor::{self, Finding, Severity};
use super::{CliError, DemoArgs, login, print, serve as serve_command};
use crate::config::{BaseUrl, Config, DatabaseUrl, Source};
use crate::serve::{self, Jobs};

mod files;

use files::Secrets;

/// Everything that the demonstration keeps, in the current folder.
const FOLDER: &str = ".stagedoor";
const DATABASE: &str = "stagedoor";
pub(super) const SAMPLES: &str = include_str!("../../sample/concerts.json");
const ADMIN_USERNAME: &str = "admin";
/// Whoever exported it for another command must learn that this one follows it, too.
const NOT_PRIVATE: &str = "DATABASE_URL is set: this uses that database, as it is unless \
                           DATABASE_OWNER_URL is set, too. Unset DATABASE_URL, and the \
                           demonstration brings a PostgreSQL of its own.";
const ADMIN_EMAIL: &str = "admin@example.com";

/// What a private PostgreSQL runs with beside the defaults: slow statements and waits are logged,
/// values never are.
const POSTGRES_SETTINGS: [(&str, &str); 5] = [
    ("log_min_duration_statement", "100ms"),
    ("log_parameter_max_length", "0"),
    ("log_lock_waits", "on"),
    ("deadlock_timeout", "200ms"),
    ("track_io_timing", "on"),
];

pub async fn run(mut config: Config, _args: DemoArgs) -> Result<(), CliError> {
    if config.environment.is_production() {
        return Err(CliError::Usage(
            "demo is for development; in production run `stagedoor migrate`, then `stagedoor serve`"
                .to_owned(),
        ));
    }
    // First of all, so that a taken address is told before anything is made.
    let listeners = serve_command::listen(&config).await?;
    name_base_url(&mut config, listeners.address)?;
    let folder = Path::new(FOLDER);
    let secrets = Secrets::load_or_make(folder)?;
    let private = if let Some(url) = &config.database.url {
        eprintln!("{NOT_PRIVATE}");
        login::refuse_refused(&config, "DATABASE_URL", url).await?;
        None
    } else {
        // Only here: what it sealed and encrypted in somebody else's database could be read by
        // nobody who doesn't have this folder.
        config
            .secret_key
            .get_or_insert_with(|| secrets.secret_key());
        Some(Private::start(&mut config, folder, &secrets).await?)
    };
    let has_password = prepare(&config, &secrets, private.is_some()).await?;
    let url = config.require_database_url()?.reveal().to_owned();
    let app = serve::open_reading_app(&config, &url)
        .map_err(|error| CliError::failed("can't use the database", &error))?;
    serve_command::refuse_unfit(&app).await?;
    let examined = tokio::spawn(examine(app.clone()));
    let running = serve::start(&config, app, listeners, Jobs::Here);
    if let Some(private) = &private {
        private.write_description(&config, &secrets, running.metrics_address)?;
    }
    let secrets = has_password.then_some(&secrets);
    print(greeting(&config.web.base_url, private.is_some(), secrets).as_bytes())?;
    serve_command::wait_for_stop().await?;
    examined.abort();
    running.stop().await;
    if let Some(mut private) = private {
        private
            .cluster
            .stop()
            .map_err(|error| CliError::failed("can't stop PostgreSQL", &error))?;
    }
    Ok(())
}

/// Says what `doctor` finds wrong in the database, for in a demonstration nobody asks it.
async fn examine(app: App) {
    let findings = doctor::copy(&app).await;
    let wrong = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    let wrong: Vec<String> = wrong.map(Finding::to_line).collect();
    if wrong.is_empty() {
        tracing::info!("doctor finds nothing wrong in the database");
    } else {
        tracing::warn!("doctor finds something to mend:\n{}", wrong.concat());
    }
}

/// The file with the demonstration's `secret_key`, where the current folder has one.
pub(super) fn secrets_file() -> Option<PathBuf> {
    let file = files::secrets_file(Path::new(FOLDER));
    file.is_file().then_some(file)
}

/// A private cluster with its addresses.
struct Private {
    cluster: Cluster,
    owner_url: String,
    app_url: String,
}

impl Private {
    async fn start(
        config: &mut Config,
        folder: &Path,
        secrets: &Secrets,
    ) -> Result<Self, CliError> {
        let spec = ClusterSpec {
            folder: folder.join("postgres"),
            lifetime: Lifetime::Kept,
            settings: POSTGRES_SETTINGS
                .map(|(key, value)| (key.into(), value.into()))
                .to_vec(),
            programs: None,
        };
        let opening = tokio::task::spawn_blocking(move || Cluster::open(&spec)).await;
        let cluster = opening
            .map_err(|error| CliError::failed("starting PostgreSQL broke off", &error))?
            .map_err(|error| CliError::failed("can't start a private PostgreSQL", &error))?;
        let logins = secrets.logins();
        bootstrap::prepare(&cluster.superuser_url("postgres"), DATABASE, &logins)
            .await
            .map_err(|error| CliError::failed("can't prepare the private PostgreSQL", &error))?;
        let url = |login: &Login| {
            cluster.url(
                &login.role,
                login.password.as_deref().unwrap_or_default(),
                DATABASE,
            )
        };
        let (owner_url, app_url) = (url(&logins[0]), url(&logins[1]));
        config.database.owner_url = Some(parse_url(&owner_url)?);
        config.database.url = Some(parse_url(&app_url)?);
        config.database.monitor_url = Some(parse_url(&url(&logins[2]))?);
        Ok(Self {
            cluster,
            owner_url,
            app_url,
        })
    }

    /// `.stagedoor/demo.json`: where everything is, for other programs.
    fn write_description(
        &self,
        config: &Config,
        secrets: &Secrets,
        metrics_address: SocketAddr,
    ) -> Result<(), CliError> {
        let description = json!({
            "base_url": config.web.base_url.to_string().trim_end_matches('/'),
            "metrics_url": format!("http://{metrics_address}/metrics"),
            "database_url": self.cluster.superuser_url(DATABASE),
            "owner_database_url": self.owner_url,
            "app_database_url": self.app_url,
            "data_folder": self.cluster.data_folder(),
            "admin": { "username": ADMIN_USERNAME, "password": secrets.admin_password },
        });
        files::write_private(
            &Path::new(FOLDER).join("demo.json"),
            &format!("{description:#}\n"),
        )
    }
}

/// Migrates, and loads samples and the first superadmin into a database that has neither; whether
/// the superadmin has the password that is kept here.
async fn prepare(config: &Config, secrets: &Secrets, is_private: bool) -> Result<bool, CliError> {
    let Some(owner_url) = &config.database.owner_url else {
        // Somebody else's database, without its owner: it is used as it is.
        return Ok(false);
    };
    migrate::migrate(owner_url.reveal(), &super::migrate::logins(config))
        .await
        .map_err(|error| CliError::failed("can't migrate the database", &error))?;
    let owner = open(config, owner_url.reveal())?;
    let loaded = sample::load(&owner, SAMPLES)
        .await
        .map_err(|error| CliError::failed("can't load the sample concerts", &error))?;
    if loaded > 0 {
        tracing::info!(concerts = loaded, "sample concerts loaded");
    }
    provide_admin(&owner, secrets, is_private)
        .await
        .map_err(|error| CliError::failed("can't make the first superadmin", &error))
}

/// A private database may outlive the folder that keeps its passwords: its superadmin then gets the
/// new one.
async fn provide_admin(
    owner: &App,
    secrets: &Secrets,
    is_private: bool,
) -> Result<bool, staff::StaffError> {
    let parsed = (
        Username::parse(ADMIN_USERNAME),
        EmailAddress::parse(ADMIN_EMAIL),
        Password::parse(&secrets.admin_password),
    );
    let (Ok(username), Ok(email), Ok(password)) = parsed else {
        unreachable!("two are written above, the third is made of 24 letters")
    };
    let by = Acting::system("demo");
    let admin = NewStaffMember {
        username: username.clone(),
        email,
        role: Role::Superadmin,
        password: password.clone(),
    };
    let created = staff::create_first(owner, admin, by.clone()).await?;
    if created.is_some() || (is_private && !secrets.is_new()) {
        return Ok(true);
    }
    let known = staff::find_by_username(owner, &username).await;
    let Some(known) = known
        .map_err(staff::StaffError::Store)?
        .filter(|_| is_private)
    else {
        return Ok(false);
    };
    let change = Change {
        password: Some(password),
        ..Change::default()
    };
    staff::change(owner, known.id, change, by)
        .await
        .map(|_| true)
}

fn open(config: &Config, url: &str) -> Result<App, CliError> {
    serve::open_app(config, url).map_err(|error| CliError::failed("can't use the database", &error))
}

fn parse_url(url: &str) -> Result<DatabaseUrl, CliError> {
    url.parse()
        .map_err(|error| CliError::failed("PostgreSQL's address is damaged", &error))
}

/// Links follow the listening address unless somebody chose where they lead.
fn name_base_url(config: &mut Config, address: SocketAddr) -> Result<(), CliError> {
    let is_default = config
        .settings
        .get("base_url")
        .is_none_or(|setting| setting.source == Source::Default);
    if is_default {
        let url = format!("{}://localhost:{}", config.web.scheme(), address.port());
        config.web.base_url = BaseUrl::parse(&url)
            .ok_or_else(|| CliError::Failed(format!("{url} can't be a base URL")))?;
    }
    Ok(())
}

fn greeting(base_url: &BaseUrl, is_private: bool, secrets: Option<&Secrets>) -> String {
    let staff = secrets.map_or_else(String::new, |secrets| {
        format!(
            "  Staff  {base_url}/staff ({ADMIN_USERNAME}, password {})\n",
            secrets.admin_password
        )
    });
    let end = if is_private {
        format!(
            "Addresses and passwords for other programs: {FOLDER}/demo.json
Stop with Ctrl-C; the data stays in {FOLDER}."
        )
    } else {
        "Stop with Ctrl-C.".to_owned()
    };
    format!(
        "
stagedoor is open.

  Shop   {base_url}/
  API    {base_url}/api/v1/concerts
{staff}
{end}

"
    )
}
