//! A TCP proxy before PostgreSQL that can hold a conversation at a chosen statement.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// Where the proxy stops a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The statement doesn't reach PostgreSQL until it is let go.
    Statement,
    /// PostgreSQL has it; its answer doesn't come back until it is let go.
    Answer,
}

#[derive(Debug)]
struct State {
    /// Statements counted since the proxy was armed.
    seen: AtomicUsize,
    armed: Mutex<Option<(usize, Hold)>>,
    is_held: AtomicBool,
    held: Notify,
    open: watch::Sender<bool>,
}

/// A proxy on a port of its own.
#[derive(Clone, Debug)]
pub(crate) struct FaultProxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

impl FaultProxy {
    pub(crate) async fn start(postgres_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State {
            seen: AtomicUsize::new(0),
            armed: Mutex::new(None),
            is_held: AtomicBool::new(false),
            held: Notify::new(),
            open: watch::channel(true).0,
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", postgres_port)).await else {
                    continue;
                };
                let (client_read, client_write) = client.into_split();
                let (server_read, server_write) = server.into_split();
                tokio::spawn(forward_statements(
                    client_read,
                    server_write,
                    Arc::clone(&shared),
                ));
                tokio::spawn(forward_answers(
                    server_read,
                    client_write,
                    shared.open.subscribe(),
                ));
            }
        });
        Self { port, state }
    }

    /// Holds the `n`th statement from now on, counted from 1.
    pub(crate) fn hold_at(&self, n: usize, hold: Hold) {
        self.state.seen.store(0, Ordering::SeqCst);
        self.state.is_held.store(false, Ordering::SeqCst);
        *self.state.armed.lock().expect("a lock") = Some((n, hold));
    }

    /// Waits until a statement is held.
    pub(crate) async fn held(&self) {
        while !self.state.is_held.load(Ordering::SeqCst) {
            self.state.held.notified().await;
        }
    }

    /// Lets everything through again.
    pub(crate) fn let_go(&self) {
        *self.state.armed.lock().expect("a lock") = None;
        self.state.open.send_replace(true);
    }
}

impl State {
    /// Counts a statement; closes the gate when it is the one.
    fn count(&self) -> Option<Hold> {
        let seen = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
        let mut armed = self.armed.lock().expect("a lock");
        let (n, hold) = (*armed)?;
        if seen != n {
            return None;
        }
        *armed = None;
        self.open.send_replace(false);
        self.is_held.store(true, Ordering::SeqCst);
        self.held.notify_waiters();
        self.held.notify_one();
        Some(hold)
    }
}

/// Forwards the client's messages one by one; `Query` and `Sync` end a statement.
async fn forward_statements(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    state: Arc<State>,
) {
    let mut is_startup = true;
    loop {
        let Some(message) = read_message(&mut client, is_startup).await else {
            return;
        };
        let ends_statement = !is_startup && matches!(message[0], b'Q' | b'S');
        is_startup = false;
        let hold = if ends_statement { state.count() } else { None };
        if hold == Some(Hold::Statement) {
            let _ = state.open.subscribe().wait_for(|open| *open).await;
        }
        if server.write_all(&message).await.is_err() {
            return;
        }
    }
}

async fn read_message(client: &mut OwnedReadHalf, is_startup: bool) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    if !is_startup {
        message.push(client.read_u8().await.ok()?);
    }
    let length = client.read_u32().await.ok()?;
    message.extend(length.to_be_bytes());
    let body = usize::try_from(length).ok()?.checked_sub(4)?;
    let start = message.len();
    message.resize(start + body, 0);
    client.read_exact(&mut message[start..]).await.ok()?;
    Some(message)
}

async fn forward_answers(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    mut open: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(read @ 1..) = server.read(&mut buffer).await else {
            return;
        };
        if open.wait_for(|open| *open).await.is_err() {
            return;
        }
        if client.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
