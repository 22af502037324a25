//! A TCP proxy before PostgreSQL that is a distance away: all that is said arrives later, in order.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Pieces under way; a conversation has at most a few.
const UNDER_WAY_MAX: usize = 1024;

/// Starts a proxy on a port of its own, which it returns. Each way takes `delay`.
pub(crate) async fn start(postgres_port: u16, delay: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(("127.0.0.1", postgres_port)).await else {
                continue;
            };
            for socket in [&client, &server] {
                socket.set_nodelay(true).expect("a socket");
            }
            let (client_read, client_write) = client.into_split();
            let (server_read, server_write) = server.into_split();
            forward(client_read, server_write, delay);
            forward(server_read, client_write, delay);
        }
    });
    port
}

fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (departs, mut arrives) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY_MAX);
    tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let piece = (Instant::now() + delay, buffer[..read].to_vec());
            if departs.send(piece).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((due, piece)) = arrives.recv().await {
            sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    });
}
