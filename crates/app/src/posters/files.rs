//! The folder for files, and the one table at which pictures are drawn.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use tokio::sync::Semaphore;

use super::PosterError;
use super::picture::{Fault, draw};

/// A picture takes a second or two; whoever would wait for longer tries again.
const TURN_WITHIN: Duration = Duration::from_secs(10);

/// Where files are kept: a folder, which all servers of an installation share.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
    /// A large picture takes some hundred megabytes while it is drawn: one at a time.
    table: Arc<Semaphore>,
}

/// Why a file couldn't be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error("this process keeps no files")]
    None,
    #[error("the folder for files can't be made")]
    Folder(#[source] std::io::Error),
    #[error("the folder for files doesn't work")]
    Folders(#[source] Box<object_store::Error>),
}

impl From<object_store::Error> for FilesError {
    fn from(error: object_store::Error) -> Self {
        Self::Folders(Box::new(error))
    }
}

impl Files {
    /// The folder is made when something is first put into it.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            table: Arc::new(Semaphore::new(1)),
        }
    }

    /// Draws what was uploaded in each width; see [`draw`].
    pub(super) async fn draw(&self, uploaded: Bytes) -> Result<[Vec<u8>; 3], PosterError> {
        let turn = Arc::clone(&self.table).acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(TURN_WITHIN, turn).await else {
            return Err(PosterError::Crowded);
        };
        let drawing = tokio::task::spawn_blocking(move || {
            let drawn = draw(&uploaded);
            // Kept until the end even when nobody waits for it any more.
            drop(turn);
            drawn
        });
        match drawing.await {
            Ok(drawn) => Ok(drawn?),
            Err(error) => {
                tracing::warn!(%error, "a decoder fell over a picture");
                Err(Fault::Broken.into())
            }
        }
    }

    /// Keeps a file for good: it is on the disk before anybody hears of it, whole or not at all.
    pub(super) async fn put(&self, name: &str, content: Vec<u8>) -> Result<(), FilesError> {
        let made = tokio::fs::create_dir_all(&self.folder).await;
        made.map_err(FilesError::Folder)?;
        let payload = PutPayload::from(content);
        self.open()?.put(&path(name), payload).await?;
        Ok(())
    }

    pub(super) async fn find(&self, name: &str) -> Result<Option<Bytes>, FilesError> {
        if !tokio::fs::try_exists(&self.folder).await.unwrap_or(true) {
            return Ok(None);
        }
        match self.open()?.get(&path(name)).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn open(&self) -> Result<LocalFileSystem, FilesError> {
        Ok(LocalFileSystem::new_with_prefix(&self.folder)?.with_fsync(true))
    }
}

fn path(name: &str) -> Path {
    Path::from("posters").join(name)
}
