//! What the demonstration keeps between starts, readable by its owner alone.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use app::Ctx;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use store::migrate::Login;

use super::CliError;
use crate::config::Secret;

/// Where they are kept.
pub(super) fn secrets_file(folder: &Path) -> PathBuf {
    folder.join("secrets.json")
}

/// Passwords and keys, made once.
#[derive(Deserialize, Serialize)]
pub(super) struct Secrets {
    owner_password: String,
    app_password: String,
    secret_key: String,
    pub(super) admin_password: String,
    /// Of this start alone: nobody else needs it.
    #[serde(skip, default = "password")]
    monitor_password: String,
    /// Whether this start made them.
    #[serde(skip)]
    is_new: bool,
}

impl Secrets {
    /// Those of an earlier start, or new ones.
    pub(super) fn load_or_make(folder: &Path) -> Result<Self, CliError> {
        let path = secrets_file(folder);
        match fs::read_to_string(&path) {
            Ok(text) => {
                return serde_json::from_str(&text).map_err(|error| {
                    let path = path.display();
                    let what = format!("{path} is damaged; delete it to get new passwords");
                    CliError::failed(what, &error)
                });
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(CliError::failed(
                    format!("can't read {}", path.display()),
                    &error,
                ));
            }
            Err(_) => {}
        }
        fs::DirBuilder::new()
            .recursive(true)
            // PostgreSQL runs as another user when root starts it, and must get through to its own
            // folder; the files here are for their owner alone.
            .mode(0o711)
            .create(folder)
            .map_err(|error| {
                CliError::failed(format!("can't make {}", folder.display()), &error)
            })?;
        let secrets = Self::make();
        let text = serde_json::to_string_pretty(&secrets)
            .map_err(|error| CliError::failed("can't write secrets", &error))?;
        write_private(&path, &text)?;
        Ok(secrets)
    }

    fn make() -> Self {
        Self {
            owner_password: password(),
            app_password: password(),
            secret_key: URL_SAFE_NO_PAD.encode(Ctx::system().random_bytes::<32>()),
            admin_password: password(),
            monitor_password: password(),
            is_new: true,
        }
    }

    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    pub(super) fn secret_key(&self) -> Secret {
        Secret::new(&self.secret_key)
    }

    /// The owner's login, the server's and the monitor's, in this order.
    pub(super) fn logins(&self) -> [Login; 3] {
        let login = |role: &str, password: &String| Login {
            role: role.to_owned(),
            password: Some(password.clone()),
        };
        [
            login("stagedoor_owner", &self.owner_password),
            login("stagedoor_app", &self.app_password),
            login("stagedoor_monitor", &self.monitor_password),
        ]
    }
}

fn password() -> String {
    URL_SAFE_NO_PAD.encode(Ctx::system().random_bytes::<18>())
}

/// Replaces a file in one step; only its owner may read it.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), CliError> {
    let fresh = path.with_extension("new");
    let write = || {
        // A file left by an interrupted start may have other permissions.
        let _ = fs::remove_file(&fresh);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().map_err(|error| CliError::failed(format!("can't write {}", path.display()), &error))
}
