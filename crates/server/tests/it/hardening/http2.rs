//! HTTP/2: how many streams there are, and clients that open no window for what they asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use stagedoor::http::listener::{self, Door};
use stagedoor::http::tls::Tls;
use stagedoor::http::watched::Patience;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::rustls::version::TLS13;

use crate::support::tls::{Offer, files, shake_hands, write_pair};

const LOOK: Duration = Duration::from_millis(50);
/// A body that waits is found between one and two of these.
const EPOCH: Duration = Duration::from_millis(600);
const PAGE_BYTES: usize = 400 * 1024;

/// One connection to a site with little patience: `/` is empty, `/page` is large, `/slow` takes a
/// moment and counts how many are slow at the same time.
struct Visit {
    sender: SendRequest<Body>,
    slow_max: Arc<AtomicUsize>,
    _stop: watch::Sender<bool>,
}

impl Visit {
    /// With so large a window for each stream.
    async fn start(window_bytes: u32) -> Self {
        let folder = TempDir::new().unwrap();
        let certificate = write_pair(&files(folder.path()));
        let door = Door {
            tls: Some(Tls::load(&files(folder.path())).unwrap()),
            patience: Patience {
                look_every: LOOK,
                ..Patience::default()
            },
            ..Door::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let slow_max = Arc::new(AtomicUsize::new(0));
        listener::answer(listener, site(&slow_max), door, stopped);
        let offer = Offer {
            versions: &[&TLS13],
            protocols: &["h2"],
        };
        let stream = shake_hands(address, &certificate, offer).await.unwrap();
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .initial_stream_window_size(window_bytes)
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Self {
            sender,
            slow_max,
            _stop: stop,
        }
    }

    async fn get(&self, path: &str) -> hyper::Result<Response<hyper::body::Incoming>> {
        let request = Request::get(format!("https://localhost{path}"));
        let request = request.body(Body::empty()).unwrap();
        self.sender.clone().send_request(request).await
    }
}

fn site(slow_max: &Arc<AtomicUsize>) -> Router {
    let (slow_now, slow_max) = (Arc::new(AtomicUsize::new(0)), Arc::clone(slow_max));
    let slow = move || {
        let (slow_now, slow_max) = (Arc::clone(&slow_now), Arc::clone(&slow_max));
        async move {
            let now = slow_now.fetch_add(1, Ordering::SeqCst) + 1;
            slow_max.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(LOOK * 4).await;
            slow_now.fetch_sub(1, Ordering::SeqCst);
        }
    };
    Router::new()
        .route("/", get(async || ()))
        .route("/page", get(async || "x".repeat(PAGE_BYTES)))
        .route("/slow", get(slow))
}

#[tokio::test]
async fn a_client_with_tiny_windows_is_cut_off_however_busy_it_keeps_its_connection() {
    for window_bytes in [0, 1, 1_000] {
        let visit = Visit::start(window_bytes).await;
        let pages = join_all((0..20).map(|_| visit.get("/page"))).await;
        let pages: Vec<_> = pages.into_iter().map(Result::unwrap).collect();
        let begun = Instant::now();
        while visit.get("/").await.is_ok() {
            assert!(begun.elapsed() < EPOCH * 5, "it goes on for ever");
            tokio::time::sleep(LOOK).await;
        }
        assert!(begun.elapsed() > EPOCH / 2, "{:?}", begun.elapsed());
        drop(pages);
    }
}

#[tokio::test]
async fn a_client_that_takes_its_page_slowly_gets_all_of_it() {
    let visit = Visit::start(64 * 1024).await;
    let page = visit.get("/page").await.unwrap();
    let mut pieces = Body::new(page.into_body()).into_data_stream();
    let (begun, mut bytes) = (Instant::now(), 0);
    while let Some(piece) = pieces.next().await {
        bytes += piece.unwrap().len();
        tokio::time::sleep(LOOK * 2).await;
    }
    assert_eq!(bytes, PAGE_BYTES);
    assert!(begun.elapsed() > EPOCH * 3, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn no_more_than_a_hundred_requests_of_a_connection_are_under_way() {
    let visit = Visit::start(64 * 1024).await;
    // The first answer brings the server's limits.
    visit.get("/").await.unwrap();
    let answers = join_all((0..150).map(|_| visit.get("/slow"))).await;
    assert!(answers.into_iter().all(|answer| answer.is_ok()));
    assert_eq!(visit.slow_max.load(Ordering::SeqCst), 100);
}
