//! One keep-alive HTTP/1.1 connection with as little work for each request as can be.
//!
//! It runs beside the server that it measures, so what it costs is missing there.
//! Absent on purpose: TLS, redirects, pipelining, compression, HTTP/2.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use httparse::Status;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A server on the same network accepts within a millisecond; a stopped one never does.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// The largest answer that is read: many times the largest page of ours.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Our server sends some fifteen headers.
const HEADERS_MAX: usize = 64;
/// An answer to a reservation has about 1 KB, and mostly arrives in one piece.
const READ_BYTES: usize = 4 * 1024;

/// A connection that takes one request after the other.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// What was read of the answer.
    read: Vec<u8>,
    /// The body of an answer that came in chunks, put together.
    body: Vec<u8>,
}

/// What a server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    pub status: u16,
    /// `Retry-After` in seconds; dates aren't read.
    pub retry_after: Option<Duration>,
    /// `Idempotent-Replayed: true`.
    pub replayed: bool,
    /// The server closes the connection after this answer.
    pub closes: bool,
    pub body: &'a [u8],
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let connecting = TcpStream::connect(address);
        let stream = tokio::time::timeout(CONNECT_WITHIN, connecting).await??;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: Vec::with_capacity(READ_BYTES),
            body: Vec::new(),
        })
    }

    /// Sends a whole request and reads its answer.
    ///
    /// After an error, or when this is dropped before its end, the connection is of no more use.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        let head = self.begin(request).await?;
        match head.framing {
            Framing::Length(length) => self.read_length(head, length).await,
            Framing::Chunked => {
                self.body.clear();
                self.read.drain(..head.bytes);
                while !self.take_chunks()? {
                    self.fill().await?;
                }
                Ok(head.answer(&self.body))
            }
            Framing::UntilClose => {
                while self.stream.read_buf(&mut self.read).await? > 0 {
                    self.refuse_too_long()?;
                }
                Ok(head.answer(self.read.get(head.bytes..).unwrap_or_default()))
            }
        }
    }

    /// Sends a request whose answer never ends; returns its status once the answer has begun.
    pub async fn subscribe(&mut self, request: &[u8]) -> io::Result<u16> {
        let head = self.begin(request).await?;
        if head.status == 200 && head.framing != Framing::Chunked {
            return Err(broken("an endless answer must come in chunks"));
        }
        self.body.clear();
        self.read.drain(..head.bytes);
        Ok(head.status)
    }

    /// The next bytes of an answer that [`Self::subscribe`] has begun; `None` at its end.
    pub async fn next_part(&mut self) -> io::Result<Option<&[u8]>> {
        self.body.clear();
        loop {
            let ended = self.take_chunks()?;
            if !self.body.is_empty() {
                return Ok(Some(&self.body));
            }
            if ended {
                return Ok(None);
            }
            self.fill().await?;
        }
    }

    async fn begin(&mut self, request: &[u8]) -> io::Result<Head> {
        self.read.clear();
        self.stream.write_all(request).await?;
        loop {
            self.fill().await?;
            if let Some(head) = Head::parse(&self.read)? {
                return Ok(head);
            }
        }
    }

    async fn read_length(&mut self, head: Head, length: usize) -> io::Result<Answer<'_>> {
        let end = head.bytes.saturating_add(length);
        if end > ANSWER_BYTES_MAX {
            return Err(broken("the answer is too long"));
        }
        while self.read.len() < end {
            self.fill().await?;
        }
        Ok(head.answer(self.read.get(head.bytes..end).unwrap_or_default()))
    }

    /// Reads some more; the end of the stream is an error here.
    async fn fill(&mut self) -> io::Result<()> {
        self.read.reserve(READ_BYTES);
        if self.stream.read_buf(&mut self.read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.refuse_too_long()
    }

    fn refuse_too_long(&self) -> io::Result<()> {
        if self.read.len() + self.body.len() > ANSWER_BYTES_MAX {
            return Err(broken("the answer is too long"));
        }
        Ok(())
    }

    /// Moves whole chunks (RFC 9112, 7.1) from what was read into the body; whether that was all.
    fn take_chunks(&mut self) -> io::Result<bool> {
        let (taken, ended) = take_chunks(&self.read, &mut self.body)?;
        self.read.drain(..taken);
        Ok(ended)
    }
}

/// How many bytes were taken, and whether the last chunk was among them.
fn take_chunks(read: &[u8], body: &mut Vec<u8>) -> io::Result<(usize, bool)> {
    const LINE_END: usize = 2;
    let mut taken = 0;
    loop {
        let rest = read.get(taken..).unwrap_or_default();
        let Ok(parsed) = httparse::parse_chunk_size(rest) else {
            return Err(broken("a chunk without a size"));
        };
        let Status::Complete((line, size)) = parsed else {
            return Ok((taken, false));
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size == 0 {
            // Trailers would follow; ours has none, so that an empty line ends it.
            let ended = rest.len() >= line + LINE_END;
            return Ok((
                if ended {
                    taken + line + LINE_END
                } else {
                    taken
                },
                ended,
            ));
        }
        let end = line.saturating_add(size);
        if rest.len() < end.saturating_add(LINE_END) {
            return Ok((taken, false));
        }
        body.extend_from_slice(rest.get(line..end).unwrap_or_default());
        taken += end + LINE_END;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// What an answer's head says about the rest.
#[derive(Clone, Copy, Debug)]
struct Head {
    status: u16,
    bytes: usize,
    framing: Framing,
    retry_after: Option<Duration>,
    replayed: bool,
    closes: bool,
}

impl Head {
    /// `None` until it is there as a whole.
    fn parse(read: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(read);
        let Ok(parsed) = parsed else {
            return Err(broken("not an HTTP answer"));
        };
        let Status::Complete(bytes) = parsed else {
            return Ok(None);
        };
        let status = response.code.unwrap_or_default();
        let mut head = Self {
            status,
            bytes,
            framing: match status {
                204 | 304 => Framing::Length(0),
                _ => Framing::UntilClose,
            },
            retry_after: None,
            replayed: false,
            closes: response.version == Some(0),
        };
        for header in response.headers.iter() {
            head.learn(header.name, header.value)?;
        }
        Ok(Some(head))
    }

    fn learn(&mut self, name: &str, value: &[u8]) -> io::Result<()> {
        let number = || std::str::from_utf8(value).ok()?.trim().parse::<u64>().ok();
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("content-length") {
            let length = number().and_then(|length| usize::try_from(length).ok());
            let length = length.ok_or_else(|| broken("a length that is no number"))?;
            if self.framing != Framing::Chunked {
                self.framing = Framing::Length(length);
            }
        } else if is("transfer-encoding") {
            self.framing = Framing::Chunked;
        } else if is("retry-after") {
            self.retry_after = number().map(Duration::from_secs);
        } else if is("idempotent-replayed") {
            self.replayed = value.eq_ignore_ascii_case(b"true");
        } else if is("connection") {
            self.closes = value.eq_ignore_ascii_case(b"close");
        }
        Ok(())
    }

    fn answer(self, body: &[u8]) -> Answer<'_> {
        Answer {
            status: self.status,
            retry_after: self.retry_after,
            replayed: self.replayed,
            closes: self.closes || self.framing == Framing::UntilClose,
            body,
        }
    }
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
