//! Answers on a socket: how many connections there may be, in which protocols they speak, and when
//! a slow one is let go.
//!
//! Plain sockets speak HTTP/1.1, as proxies do to what is behind them; HTTP/2 comes with TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::graceful::GracefulConnection;
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower_service::Service as _;

use super::client::network;
use super::places::{Place, Places};
use super::tls::Tls;
use super::watched::{Activity, Judge, Patience, Pieces, Verdict, Watched, WatchedBody};

/// Two round trips on a bad mobile network, and the work of a signature on a busy server.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Four times what a request may bring: what is in between gets an answer that explains itself,
/// what is larger is cut off by 431 (RFC 6585).
const HEAD_BYTES_MAX: usize = 128 * 1024;
/// The same for HTTP/2, as it counts (RFC 9113, 6.5.2).
const HEADER_LIST_BYTES_MAX: u32 = 64 * 1024;
/// What RFC 9113 advises not to go below; a page of ours needs ten.
const STREAMS_MAX: u32 = 100;
/// What a stream may hold back for a client that doesn't take it: a page.
const SEND_BYTES_MAX: usize = 64 * 1024;
/// What a client may send on one stream before somebody reads it: the largest body.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// And on all of them together; bodies are read as they come, so that nobody waits for it.
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// Out of files, say: a pause, or the loop would only be busy.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// Who may come in at one time, and how long they may take.
#[derive(Clone, Debug)]
pub struct Door {
    /// The next ones wait outside, in the system's backlog, until a place is free.
    pub connections_max: usize,
    /// Connections of one client, unless it is a trusted proxy; `None` doesn't count them.
    pub each_max: Option<usize>,
    /// Their connections are those of many clients.
    pub trusted_proxies: Arc<[IpNet]>,
    pub patience: Patience,
    pub tls: Option<Tls>,
}

impl Default for Door {
    /// For a handful of known clients.
    fn default() -> Self {
        Self {
            connections_max: 64,
            each_max: None,
            trusted_proxies: Arc::new([]),
            patience: Patience::default(),
            tls: None,
        }
    }
}

/// What every connection shares.
struct House {
    router: Router,
    patience: Patience,
    tls: Option<Tls>,
    stopped: watch::Receiver<bool>,
}

/// A connection's right to be there.
struct Admission {
    _permit: OwnedSemaphorePermit,
    _place: Option<Place>,
}

/// Answers until it is told to stop, and then until the last request under way is answered.
pub fn answer(
    listener: TcpListener,
    router: Router,
    door: Door,
    stopped: watch::Receiver<bool>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let free = Arc::new(Semaphore::new(door.connections_max));
        let house = Arc::new(House {
            router,
            patience: door.patience,
            tls: door.tls.clone(),
            stopped: stopped.clone(),
        });
        let mut told = stopped;
        tokio::select! {
            () = let_in(&listener, &door, &house, &free) => {}
            _ = told.wait_for(|stopped| *stopped) => {}
        }
        // Nobody new can come; early visitors see at once that nobody listens.
        drop(listener);
        let all = u32::try_from(door.connections_max).unwrap_or(u32::MAX);
        // It is never closed.
        let _ = free.acquire_many(all).await;
    })
}

/// Lets clients in, for ever.
async fn let_in(listener: &TcpListener, door: &Door, house: &Arc<House>, free: &Arc<Semaphore>) {
    let places = door.each_max.map(Places::new);
    loop {
        let Ok(permit) = Arc::clone(free).acquire_owned().await else {
            return;
        };
        let (socket, peer) = accept(listener).await;
        let address = peer.ip().to_canonical();
        let is_proxy = door
            .trusted_proxies
            .iter()
            .any(|net| net.contains(&address));
        let place = match &places {
            Some(places) if !is_proxy => match places.take(network(address)) {
                None => continue,
                place => place,
            },
            _ => None,
        };
        let admission = Admission {
            _permit: permit,
            _place: place,
        };
        let house = Arc::clone(house);
        tokio::spawn(async move {
            converse(&house, socket, peer).await;
            drop(admission);
        });
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                // Answers are small; waiting to fill a packet only delays them.
                let _ = socket.set_nodelay(true);
                return (socket, peer);
            }
            // It left before it was let in.
            Err(error)
                if [ConnectionAborted, ConnectionRefused, ConnectionReset]
                    .contains(&error.kind()) => {}
            Err(error) => {
                tracing::error!(%error, "can't let anybody in");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}

async fn converse(house: &House, socket: TcpStream, peer: SocketAddr) {
    let activity = Arc::new(Activity::default());
    let socket = Watched::new(socket, Arc::clone(&activity));
    let service = |pieces| {
        let activity = &activity;
        service_fn(move |request: Request<Incoming>| {
            let under_way = activity.begin();
            let mut router = house.router.clone();
            let mut request = request;
            request.extensions_mut().insert(ConnectInfo(peer));
            let answering = router.call(request);
            async move {
                let answer: Response<_> = answering.await?;
                let watch = |body| WatchedBody::new(body, under_way, pieces);
                Ok::<_, std::convert::Infallible>(answer.map(watch))
            }
        })
    };
    let Some(tls) = &house.tls else {
        let connection = one().serve_connection(TokioIo::new(socket), service(Pieces::AsTheyCome));
        return drive(house, connection, &activity, true).await;
    };
    // On the heap, so that plain connections needn't have room for it.
    Box::pin(async {
        let mut stopped = house.stopped.clone();
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(HANDSHAKE_WITHIN, tls.acceptor().accept(socket)) => shaken,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        // Port scans and browsers that change their mind are no news.
        let Ok(Ok(socket)) = shaken else { return };
        activity.forget_read();
        let speaks_two = socket.get_ref().1.alpn_protocol() == Some(b"h2");
        let socket = TokioIo::new(socket);
        if speaks_two {
            let connection = two().serve_connection(socket, service(Pieces::UntilTaken));
            drive(house, connection, &activity, false).await;
        } else {
            let connection = one().serve_connection(socket, service(Pieces::AsTheyCome));
            drive(house, connection, &activity, true).await;
        }
    })
    .await;
}

fn one() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    builder
}

fn two() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .max_send_buf_size(SEND_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    builder
}

/// Lets a connection speak until it ends, is too slow, or the server stops.
async fn drive(
    house: &House,
    connection: impl GracefulConnection,
    activity: &Activity,
    has_heads: bool,
) {
    let mut connection = pin!(connection);
    let mut judge = Judge::new(house.patience, has_heads);
    let mut stopped = house.stopped.clone();
    let mut is_leaving = false;
    let look_every = house.patience.look_every;
    let mut looks = tokio::time::interval_at(Instant::now() + look_every, look_every);
    loop {
        tokio::select! {
            // What breaks a connection is the client's business.
            _ = connection.as_mut() => return,
            _ = stopped.wait_for(|stopped| *stopped), if !is_leaving => {
                is_leaving = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = looks.tick() => match judge.look(activity) {
                Verdict::Keep => {}
                Verdict::Close if !is_leaving => {
                    is_leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                Verdict::Close | Verdict::Cut => return,
            }
        }
    }
}
