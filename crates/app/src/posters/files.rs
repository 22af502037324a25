//! The folder for files, and the one table at which pictures are drawn.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use tokio::sync::Semaphore;

use super::PosterError;
use super::picture::{Fault, draw};

/// A picture takes a second or two; whoever would wait for longer tries again.
const TURN_WITHIN: Duration = Duration::from_secs(10);
/// What is held of a file for somebody who fetches it: pictures have some hundred kilobytes, and a crowd
/// that asks for them and takes none must not fill the memory.
const PART_BYTES: u64 = 16 * 1024;

/// Where files are kept: a folder, which all servers of an installation share.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
    /// A large picture takes some hundred megabytes while it is drawn: one at a time.
    table: Arc<Semaphore>,
}

/// A file that is there. Its parts are read as they are taken, and it isn't open in between.
pub struct Found {
    pub bytes: u64,
    pub parts: BoxStream<'static, Result<Bytes, FilesError>>,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Found({} bytes)", self.bytes)
    }
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

    pub(super) async fn find(&self, name: &str) -> Result<Option<Found>, FilesError> {
        if !tokio::fs::try_exists(&self.folder).await.unwrap_or(true) {
            return Ok(None);
        }
        let (folder, path) = (self.open()?, path(name));
        let bytes = match folder.head(&path).await {
            Ok(found) => found.size,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let begin = (folder, path, 0..bytes);
        let parts = stream::try_unfold(begin, async |(folder, path, rest)| {
            if rest.is_empty() {
                return Ok(None);
            }
            let until = rest.end.min(rest.start + PART_BYTES);
            let part = folder.get_range(&path, rest.start..until).await?;
            Ok(Some((part, (folder, path, until..rest.end))))
        });
        Ok(Some(Found {
            bytes,
            parts: Box::pin(parts),
        }))
    }

    fn open(&self) -> Result<LocalFileSystem, FilesError> {
        Ok(LocalFileSystem::new_with_prefix(&self.folder)?.with_fsync(true))
    }
}

fn path(name: &str) -> Path {
    Path::from("posters").join(name)
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn a_file_is_read_as_it_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path());
        let content: Vec<u8> = (0..=u8::MAX).cycle().take(100_000).collect();
        files.put("a.jpg", content.clone()).await.unwrap();
        let found = files.find("a.jpg").await.unwrap().unwrap();
        assert_eq!(found.bytes, 100_000);
        let parts: Vec<_> = found.parts.map(Result::unwrap).collect().await;
        assert!(parts.iter().all(|part| part.len() as u64 <= PART_BYTES));
        assert_eq!(parts.concat(), content);

        let mut found = files.find("a.jpg").await.unwrap().unwrap();
        assert!(found.parts.next().await.unwrap().is_ok());
        std::fs::remove_file(folder.path().join("posters/a.jpg")).unwrap();
        let next = found.parts.next().await.unwrap();
        assert!(next.is_err(), "nothing was read ahead");
        assert!(files.find("a.jpg").await.unwrap().is_none());
    }
}
