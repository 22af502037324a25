//! HTTP/1.1 by hand: requests that no client library would send, and answers read byte for byte.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// No answer takes longer; the server's own limit is 5 seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A request as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    framing: Framing,
}

/// How the length of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    ContentLength,
    Chunked,
    /// The headers go alone; the body waits for `100 Continue`, which must not come.
    Expect,
    /// One byte more is announced than ever comes.
    Stalled,
}

impl Wire {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            framing: Framing::ContentLength,
        }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    pub(crate) fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    pub(crate) fn expecting_continue(mut self) -> Self {
        self.framing = Framing::Expect;
        self
    }

    pub(crate) fn stalling(mut self) -> Self {
        self.framing = Framing::Stalled;
        self
    }

    /// The path without its query, as a problem's `instance` names it.
    pub(crate) fn path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// Sends everything before it reads anything, as many simple clients do.
    pub(crate) async fn send(&self, address: SocketAddr) -> Answer {
        let exchange = async {
            let mut socket = TcpStream::connect(address).await.expect("a connection");
            let written = socket.write_all(&self.bytes(address)).await;
            assert!(written.is_ok(), "{} was cut off: {written:?}", self.shown());
            let mut bytes = Vec::new();
            loop {
                let read = socket.read_buf(&mut bytes).await;
                let answer = Answer::parse(&bytes);
                let is_over = !read.as_ref().is_ok_and(|&count| count > 0);
                match answer {
                    Some(answer) if answer.is_whole || is_over => return answer,
                    _ => assert!(!is_over, "no answer to {}: {read:?}", self.shown()),
                }
            }
        };
        tokio::time::timeout(ANSWER_WITHIN, exchange)
            .await
            .unwrap_or_else(|_| panic!("no answer in time to {}", self.shown()))
    }

    /// What a failed test says about it.
    fn shown(&self) -> String {
        let path: String = self.path.chars().take(80).collect();
        format!("{} {path} ({:?})", self.method, self.framing)
    }

    fn bytes(&self, address: SocketAddr) -> Vec<u8> {
        let (method, path) = (&self.method, &self.path);
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
        let length = self.body.len();
        match self.framing {
            Framing::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
            Framing::Expect => {
                let _ = write!(head, "content-length: {length}\r\nexpect: 100-continue\r\n");
            }
            Framing::Stalled => {
                let _ = write!(head, "content-length: {}\r\n", length + 1);
            }
            Framing::ContentLength if length == 0 && method == "GET" => {}
            Framing::ContentLength => {
                let _ = write!(head, "content-length: {length}\r\n");
            }
        }
        let mut bytes = head.into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        match self.framing {
            Framing::ContentLength | Framing::Stalled => bytes.extend_from_slice(&self.body),
            Framing::Chunked => {
                for chunk in self.body.chunks(16 * 1024) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
            Framing::Expect => {}
        }
        bytes
    }
}

/// An answer with everything it has.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether its length was announced and has arrived.
    is_whole: bool,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start: String = self.text().chars().take(400).collect();
        write!(f, "{} {:?} {start:?}", self.status, self.headers)
    }
}

impl Answer {
    /// What has arrived so far; `None` before the end of the header section.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        let mut answer = Self {
            status: status.and_then(|text| text.parse().ok()).expect("a status"),
            headers: headers.collect(),
            body: bytes[end + 4..].to_vec(),
            is_whole: false,
        };
        if answer.header("transfer-encoding") == Some("chunked") {
            if let Some(body) = join_chunks(&answer.body) {
                (answer.body, answer.is_whole) = (body, true);
            }
        } else if let Some(length) = answer.header("content-length") {
            answer.is_whole = length.parse() == Ok(answer.body.len());
        }
        Some(answer)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }
}

/// `None` while the last chunk hasn't come.
fn join_chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let length = std::str::from_utf8(&rest[..end]).ok()?;
        let length = usize::from_str_radix(length, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + length)?);
        rest = rest.get(end + 4 + length..)?;
    }
}
