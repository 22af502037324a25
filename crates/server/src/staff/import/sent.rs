//! What a form of the import brings: a file, a text that was pasted, or what was previewed, which comes
//! back byte by byte as it was.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::http::problem::Problem;
use crate::http::upload::Upload;

/// A file of ten thousand concerts has some 1.5 MB.
pub const BYTES_MAX: usize = 2 * 1024 * 1024;

/// The fields of the form.
#[derive(Debug, Default)]
pub(super) struct Sent {
    file: Bytes,
    text: Bytes,
    /// What was previewed, as [`carry`] writes it.
    previewed: Bytes,
    /// That what the preview asks once more is meant.
    confirmed: Bytes,
}

/// A file that can be looked at.
#[derive(Debug)]
pub(super) struct File {
    pub content: String,
    /// Whether it was shown before, and shall be imported now.
    pub is_previewed: bool,
    pub is_confirmed: bool,
}

/// Why there is nothing to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Nothing,
    Both,
    TooManyBytes,
    NotUtf8,
    Broken,
    Done,
}

impl Fault {
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Nothing => "si-nothing",
            Self::Both => "si-both",
            Self::TooManyBytes => "si-bytes",
            Self::NotUtf8 => "si-encoding",
            Self::Broken => "si-broken",
            Self::Done => "si-all-exist",
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Problem;

    /// Whatever isn't such a form brings nothing.
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let mut sent = Self::default();
        let Upload::Form(fields) = Upload::from_request(request, state).await? else {
            return Ok(sent);
        };
        for (name, value) in fields {
            match &*name {
                "file" => sent.file = value,
                "text" => sent.text = value,
                "previewed" => sent.previewed = value,
                "confirmed" => sent.confirmed = value,
                _ => {}
            }
        }
        Ok(sent)
    }
}

impl Sent {
    pub(super) fn read(self) -> Result<File, Fault> {
        let is_previewed = !self.previewed.is_empty();
        let is_pasted = !self.text.trim_ascii().is_empty();
        let content = match (is_previewed, self.file.is_empty(), is_pasted) {
            (true, ..) => STANDARD
                .decode(&self.previewed)
                .map_err(|_| Fault::Broken)?,
            (false, false, true) => return Err(Fault::Both),
            (false, false, false) => self.file.into(),
            (false, true, true) => self.text.into(),
            (false, true, false) => return Err(Fault::Nothing),
        };
        if content.len() > BYTES_MAX {
            return Err(Fault::TooManyBytes);
        }
        let content = String::from_utf8(content).map_err(|_| Fault::NotUtf8)?;
        Ok(File {
            content,
            is_previewed,
            is_confirmed: !self.confirmed.is_empty(),
        })
    }
}

/// A content as a form brings it back unchanged: of a text it changes the ends of lines.
pub(super) fn carry(content: &str) -> String {
    STANDARD.encode(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &[u8], text: &str, previewed: &str) -> Result<(String, bool), Fault> {
        let sent = Sent {
            file: Bytes::copy_from_slice(file),
            text: Bytes::copy_from_slice(text.as_bytes()),
            previewed: Bytes::copy_from_slice(previewed.as_bytes()),
            confirmed: Bytes::new(),
        };
        sent.read().map(|file| (file.content, file.is_previewed))
    }

    #[test]
    fn one_thing_is_taken_and_what_was_previewed_is_as_it_was() {
        assert_eq!(read(b"a,b", " \r\n", ""), Ok(("a,b".to_owned(), false)));
        assert_eq!(read(b"", "a,b", ""), Ok(("a,b".to_owned(), false)));
        let content = "a\n\"b\r\nc\",é\n";
        assert_eq!(
            read(b"", "", &carry(content)),
            Ok((content.to_owned(), true))
        );
        assert_eq!(read(b"", " ", ""), Err(Fault::Nothing));
        assert_eq!(read(b"a", "b", ""), Err(Fault::Both));
        assert_eq!(read(b"", "", "no base64"), Err(Fault::Broken));
        assert_eq!(read(b"\xff\xfea\0", "", ""), Err(Fault::NotUtf8));
        let large = vec![b'a'; BYTES_MAX + 1];
        assert_eq!(read(&large, "", ""), Err(Fault::TooManyBytes));
    }
}
