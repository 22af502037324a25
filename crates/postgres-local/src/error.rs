//! What can go wrong with a cluster, each as a sentence that says what to do about it.

use std::{io, path::PathBuf};

use crate::find::FindError;

/// Why a cluster could not be opened, started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    #[error(transparent)]
    Programs(#[from] FindError),
    #[error(
        "PostgreSQL does not run as root, and /etc/passwd names neither `postgres` nor `nobody` to \
         run it: add a user `postgres`, or do not start as root"
    )]
    NoAccount,
    #[error(
        "the folder {} can't hold a database: its path has a quote, a dollar sign, a backquote, a \
         backslash or a line break; choose another", folder.display()
    )]
    FolderName { folder: PathBuf },
    #[error("{} is not a folder (symbolic links don't count here); remove it or choose another", folder.display())]
    NotAFolder { folder: PathBuf },
    #[error(
        "the folder {} belongs to user {owner}, and this process is user {own}: start as that user, \
         or choose another folder", folder.display()
    )]
    OtherOwner {
        folder: PathBuf,
        owner: u32,
        own: u32,
    },
    #[error(
        "the folder {} holds `{found}`, which is not part of a cluster made here: choose an empty \
         folder", folder.display()
    )]
    NotOurs { folder: PathBuf, found: String },
    #[error(
        "the user who runs PostgreSQL can't enter {}: allow it (chmod o+x on it and the folders \
         above), or choose another folder", folder.display()
    )]
    Unreachable { folder: PathBuf },
    #[error(
        "the folder {} is in use{}: stop that first, or choose another folder", folder.display(),
        process.map_or(" by a helper that is still stopping its server".to_owned(),
            |id| format!(" by process {id}"))
    )]
    InUse {
        folder: PathBuf,
        process: Option<u32>,
    },
    #[error(
        "the folder {} holds a cluster that is to be kept, so it can't be used for scratch data: \
         choose another", folder.display()
    )]
    KeptThere { folder: PathBuf },
    #[error(
        "the cluster in {} is damaged, {missing} is missing: restore it from a copy, or remove the \
         folder to begin anew", folder.display()
    )]
    Damaged {
        folder: PathBuf,
        missing: &'static str,
    },
    #[error(
        "the data in {} belong to PostgreSQL {data}, and the programs found are version {programs}: \
         install version {data} (or configure the folder of its programs), or move the data with \
         pg_dump or pg_upgrade", folder.display()
    )]
    OtherVersion {
        folder: PathBuf,
        data: u32,
        programs: String,
    },
    #[error("the setting `{name}` can't be set: {reason}")]
    Setting { name: String, reason: &'static str },
    #[error("{what} failed; it said:\n{said}")]
    Failed { what: String, said: String },
    #[error("could not {action}")]
    Io { action: String, source: io::Error },
}

impl ClusterError {
    pub(crate) fn io(action: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            action: action.into(),
            source,
        }
    }
}
