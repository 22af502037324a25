//! A collector of traces for tests: takes OTLP over HTTP (opentelemetry.io/docs/specs/otlp) and reads as
//! much of its messages as the tests ask for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use tokio::net::TcpListener;

/// How the collector behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Taking,
    /// Takes a batch and never answers.
    Hanging,
}

/// A collector that runs until the test is over.
#[derive(Debug)]
pub(super) struct Collector {
    pub(super) address: String,
    taken: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    pub(super) async fn start(mood: Mood) -> Self {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&taken);
        let take = async move |batch: Bytes| {
            keeps.lock().unwrap().push(batch);
            if mood == Mood::Hanging {
                std::future::pending::<()>().await;
            }
        };
        let router = Router::new().route("/v1/traces", post(take));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, taken }
    }

    pub(super) fn taken(&self) -> Vec<Bytes> {
        self.taken.lock().unwrap().clone()
    }

    /// Every span that was taken.
    pub(super) fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for batch in self.taken() {
            for of_resource in messages(&batch, 1) {
                let resource = messages(of_resource, 1).concat();
                for of_scope in messages(of_resource, 2) {
                    let read = messages(of_scope, 2);
                    spans.extend(read.iter().map(|span| Span::read(span, &resource)));
                }
            }
        }
        spans
    }
}

/// What the tests want to know of a `Span` of opentelemetry/proto/trace/v1/trace.proto.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) trace: Vec<u8>,
    pub(super) id: Vec<u8>,
    pub(super) parent: Vec<u8>,
    pub(super) name: String,
    pub(super) kind: u64,
    pub(super) status: u64,
    pub(super) attributes: HashMap<String, String>,
    pub(super) resource: HashMap<String, String>,
}

/// `SPAN_KIND_SERVER`, `SPAN_KIND_CLIENT` and `STATUS_CODE_ERROR`.
pub(super) const SERVER: u64 = 2;
pub(super) const CLIENT: u64 = 3;
pub(super) const ERROR: u64 = 2;

impl Span {
    fn read(span: &[u8], resource: &[u8]) -> Self {
        let bytes = |field| messages(span, field).concat();
        Self {
            trace: bytes(1),
            id: bytes(2),
            parent: bytes(4),
            name: text(&bytes(5)),
            kind: number(span, 6),
            status: number(&bytes(15), 3),
            attributes: attributes(span, 9),
            resource: attributes(resource, 1),
        }
    }

    pub(super) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// The texts and whole numbers among the `KeyValue`s of a field.
fn attributes(message: &[u8], field: u64) -> HashMap<String, String> {
    let read = |pair: &&[u8]| {
        let value = messages(pair, 2).concat();
        let words = text(&messages(&value, 1).concat());
        let shown = if words.is_empty() {
            number(&value, 3).to_string()
        } else {
            words
        };
        (text(&messages(pair, 1).concat()), shown)
    };
    messages(message, field).iter().map(read).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn messages(message: &[u8], field: u64) -> Vec<&[u8]> {
    let of_field = |(number, part)| match part {
        Part::Bytes(bytes) if number == field => Some(bytes),
        _ => None,
    };
    parts(message).into_iter().filter_map(of_field).collect()
}

fn number(message: &[u8], field: u64) -> u64 {
    let of_field = |(number, part)| match part {
        Part::Number(value) if number == field => Some(value),
        _ => None,
    };
    let found = parts(message).into_iter().find_map(of_field);
    found.unwrap_or_default()
}

enum Part<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Times and the like, which no test looks at.
    Fixed,
}

/// A message of Protocol Buffers, field by field (protobuf.dev/programming-guides/encoding).
fn parts(mut message: &[u8]) -> Vec<(u64, Part<'_>)> {
    let mut parts = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        let part = match tag & 7 {
            0 => Part::Number(varint(&mut message)),
            1 => fixed(&mut message, 8),
            2 => {
                let length = usize::try_from(varint(&mut message)).unwrap();
                Part::Bytes(message.split_off(..length).unwrap())
            }
            5 => fixed(&mut message, 4),
            other => panic!("a wire type {other}"),
        };
        parts.push((tag >> 3, part));
    }
    parts
}

fn fixed<'a>(message: &mut &'a [u8], length: usize) -> Part<'a> {
    message.split_off(..length).unwrap();
    Part::Fixed
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = *message.split_off_first().unwrap();
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}
