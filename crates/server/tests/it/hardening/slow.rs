//! Clients that take their time on purpose, or come in too great numbers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures_util::stream;
use stagedoor::http::listener::{self, Door};
use stagedoor::http::watched::Patience;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::wait::within_limit;

const LOOK: Duration = Duration::from_millis(50);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";

struct Site {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    answering: JoinHandle<()>,
}

/// A site with little patience: `/` is small, `/large` is 64 MB, `/events` says something every
/// second, `/slow` takes one second.
async fn start(door: Door) -> Site {
    let large = async || {
        let piece = Bytes::from(vec![b'x'; 64 * 1024]);
        Body::from_stream(stream::iter(
            std::iter::repeat_n(piece, 1024).map(Ok::<_, std::io::Error>),
        ))
    };
    let events = async || {
        Body::from_stream(stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b":\n\n")), ()))
        }))
    };
    let slow = async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        "done"
    };
    let router = Router::new()
        .route("/", get(async || "hello"))
        .route("/large", get(large))
        .route("/events", get(events))
        .route("/slow", get(slow));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let answering = listener::answer(listener, router, door, stopped);
    Site {
        address,
        stop,
        answering,
    }
}

fn impatient() -> Door {
    Door {
        patience: Patience {
            look_every: LOOK,
            head: LOOK * 4,
            idle: LOOK * 20,
            stall: LOOK * 6,
        },
        ..Door::default()
    }
}

async fn connect(site: &Site) -> TcpStream {
    TcpStream::connect(site.address).await.unwrap()
}

/// Reads until the server closes; what came.
async fn until_closed(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let reading = async {
        // A reset is a close as well.
        let _ = socket.read_to_end(&mut bytes).await;
    };
    within_limit("the server's closing", reading).await;
    bytes
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off_however_it_trickles() {
    let site = start(impatient()).await;
    let socket = connect(&site).await;
    let begun = Instant::now();
    let (mut read, mut write) = socket.into_split();
    let trickling = tokio::spawn(async move {
        for byte in b"GET / HTTP/1.1\r\nx: "
            .iter()
            .chain(std::iter::repeat(&b'y'))
        {
            if write.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut answer = Vec::new();
    let _ = read.read_to_end(&mut answer).await;
    let took = begun.elapsed();
    assert!(answer.is_empty(), "{answer:?}");
    assert!(took >= LOOK * 4 && took < LOOK * 15, "{took:?}");
    trickling.abort();
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_and_one_with_pauses_is_kept() {
    let site = start(impatient()).await;
    let mut socket = connect(&site).await;
    for _ in 0..4 {
        socket.write_all(GET).await.unwrap();
        let mut bytes = [0; 1024];
        assert!(socket.read(&mut bytes).await.unwrap() > 0);
        tokio::time::sleep(LOOK * 12).await;
    }
    let begun = Instant::now();
    assert!(until_closed(&mut socket).await.is_empty());
    assert!(begun.elapsed() < LOOK * 40, "{:?}", begun.elapsed());
    let mut silent = connect(&site).await;
    assert!(until_closed(&mut silent).await.is_empty());
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_cut_off_and_a_stream_of_events_is_not() {
    let site = start(impatient()).await;
    let mut greedy = connect(&site).await;
    greedy
        .write_all(b"GET /large HTTP/1.1\r\nhost: here\r\n\r\n")
        .await
        .unwrap();
    let mut watching = connect(&site).await;
    watching
        .write_all(b"GET /events HTTP/1.1\r\nhost: here\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(LOOK * 40).await;
    let taken = until_closed(&mut greedy).await.len();
    assert!(taken < 64 * 1024 * 1024, "{taken} bytes came after all");
    let mut events = 0;
    while events < 3 {
        let mut bytes = [0; 1024];
        let read = within_limit("an event", watching.read(&mut bytes)).await;
        let text = String::from_utf8_lossy(&bytes[..read.unwrap()]).into_owned();
        assert!(!text.is_empty(), "the stream was closed");
        events += text.matches(":\n\n").count();
    }
}

#[tokio::test]
async fn who_is_one_too_many_waits_outside_until_somebody_leaves() {
    let site = start(Door {
        connections_max: 2,
        ..Door::default()
    })
    .await;
    let mut inside = [connect(&site).await, connect(&site).await];
    for socket in &mut inside {
        socket.write_all(GET).await.unwrap();
        assert!(socket.read(&mut [0; 1024]).await.unwrap() > 0);
    }
    let mut outside = connect(&site).await;
    outside.write_all(GET).await.unwrap();
    let mut bytes = [0; 1024];
    let waiting = tokio::time::timeout(LOOK * 4, outside.read(&mut bytes)).await;
    assert!(waiting.is_err(), "nobody has left");
    drop(inside);
    let read = within_limit("an answer", outside.read(&mut bytes)).await;
    assert!(bytes[..read.unwrap()].starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn one_client_can_t_take_all_connections_unless_it_is_a_trusted_proxy() {
    let limited = Door {
        each_max: Some(2),
        ..Door::default()
    };
    let proxy = Door {
        trusted_proxies: ["127.0.0.0/8".parse().unwrap()].into(),
        ..limited.clone()
    };
    for (door, third_is_let_in) in [(limited, false), (proxy, true)] {
        let site = start(door).await;
        let mut sockets = Vec::new();
        for _ in 0..2 {
            let mut socket = connect(&site).await;
            socket.write_all(GET).await.unwrap();
            assert!(socket.read(&mut [0; 1024]).await.unwrap() > 0);
            sockets.push(socket);
        }
        let mut third = connect(&site).await;
        let _ = third.write_all(GET).await;
        let mut bytes = [0; 1024];
        let read = within_limit("an end", third.read(&mut bytes)).await;
        assert_eq!(read.unwrap_or(0) > 0, third_is_let_in);
    }
}

#[tokio::test]
async fn a_server_that_stops_finishes_what_is_under_way_and_closes_what_is_idle() {
    let site = start(Door::default()).await;
    let mut idle = connect(&site).await;
    idle.write_all(GET).await.unwrap();
    assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0);
    let mut busy = connect(&site).await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: here\r\n\r\n")
        .await
        .unwrap();
    tokio::time::sleep(LOOK * 2).await;
    site.stop.send(true).unwrap();
    let answer = until_closed(&mut busy).await;
    assert!(answer.ends_with(b"done"), "{answer:?}");
    assert!(until_closed(&mut idle).await.is_empty());
    within_limit("the end", site.answering).await.unwrap();
    assert!(TcpStream::connect(site.address).await.is_err());
}

#[tokio::test]
async fn a_head_without_end_that_comes_fast_is_refused() {
    let site = start(Door::default()).await;
    let mut socket = connect(&site).await;
    let mut head = b"GET / HTTP/1.1\r\nhost: here\r\nx: ".to_vec();
    head.resize(512 * 1024, b'y');
    let _ = socket.write_all(&head).await;
    let mut bytes = [0; 64];
    let read = within_limit("an answer", socket.read(&mut bytes)).await;
    // Closing while the rest is on its way may reset the connection before the answer is read.
    if let Ok(read) = read {
        let answer = String::from_utf8_lossy(&bytes[..read]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let mut many = b"GET / HTTP/1.1\r\nhost: here\r\n".to_vec();
    many.extend(b"a: b\r\n".repeat(101));
    many.extend(b"\r\n");
    let mut socket = connect(&site).await;
    socket.write_all(&many).await.unwrap();
    let answer = until_closed(&mut socket).await;
    assert!(answer.starts_with(b"HTTP/1.1 431"), "{answer:?}");
}
