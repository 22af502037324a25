//! A TCP proxy before PostgreSQL that can hold a conversation at a chosen statement, cut it,
//! and put other words into PostgreSQL's mouth.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Where the proxy stops a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The statement doesn't reach PostgreSQL until it is let go.
    Statement,
    /// PostgreSQL has run it; its answer doesn't come back until it is let go.
    Answer,
}

impl Hold {
    pub(crate) const ALL: [Self; 2] = [Self::Statement, Self::Answer];
}

/// Which statement is held.
#[derive(Clone, Copy, Debug)]
enum At {
    /// Counted from 1.
    Number(usize),
    /// The next that is this simple query, such as `COMMIT`.
    Command(&'static str),
}

#[derive(Debug)]
struct State {
    /// Statements counted since the proxy was armed.
    seen: AtomicUsize,
    armed: Mutex<Option<(At, Hold)>>,
    is_held: watch::Sender<bool>,
    /// While it is closed no conversation gets an answer.
    is_open: watch::Sender<bool>,
    /// Every change ends all conversations.
    cuts: watch::Sender<usize>,
    is_refusing: AtomicBool,
    /// What PostgreSQL says, and what arrives instead; both are of the same length.
    rewritten: Mutex<Option<(&'static [u8], &'static [u8])>>,
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
            is_held: watch::channel(false).0,
            is_open: watch::channel(true).0,
            cuts: watch::channel(0).0,
            is_refusing: AtomicBool::new(false),
            rewritten: Mutex::new(None),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if shared.is_refusing.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", postgres_port)).await else {
                    continue;
                };
                converse(&shared, client, server);
            }
        });
        Self { port, state }
    }

    /// Holds the `n`th statement from now on, counted from 1.
    pub(crate) fn hold_at(&self, n: usize, hold: Hold) {
        self.arm(At::Number(n), hold);
    }

    /// Holds the next `command`, such as `COMMIT`.
    pub(crate) fn hold_command(&self, command: &'static str, hold: Hold) {
        self.arm(At::Command(command), hold);
    }

    /// Statements since it was armed last, or since its start.
    pub(crate) fn statements(&self) -> usize {
        self.state.seen.load(Ordering::SeqCst)
    }

    fn arm(&self, at: At, hold: Hold) {
        self.state.seen.store(0, Ordering::SeqCst);
        self.state.is_held.send_replace(false);
        *self.state.armed.lock().expect("a lock") = Some((at, hold));
    }

    /// Waits until a statement, or the answer to one, is held.
    pub(crate) async fn held(&self) {
        let mut is_held = self.state.is_held.subscribe();
        is_held.wait_for(|held| *held).await.expect("a proxy");
    }

    /// Lets everything through again.
    pub(crate) fn let_go(&self) {
        *self.state.armed.lock().expect("a lock") = None;
        self.state.is_open.send_replace(true);
    }

    /// Whether new conversations end at once.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.state.is_refusing.store(refuses, Ordering::SeqCst);
    }

    /// From now on `said` arrives as `heard`, which must be as long: messages keep their lengths.
    pub(crate) fn rewrite(&self, said: &'static [u8], heard: &'static [u8]) {
        assert_eq!(said.len(), heard.len());
        *self.state.rewritten.lock().expect("a lock") = Some((said, heard));
    }

    /// Ends all conversations towards both sides; what is held is lost. New ones go through.
    pub(crate) fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
        self.let_go();
    }
}

impl State {
    /// Counts a statement; closes the gate when it is the one.
    fn count(&self, message: &[u8]) -> Option<Hold> {
        let seen = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
        let mut armed = self.armed.lock().expect("a lock");
        let (at, hold) = (*armed)?;
        let is_the_one = match at {
            At::Number(n) => seen == n,
            At::Command(command) => message[5..].strip_suffix(b"\0") == Some(command.as_bytes()),
        };
        if !is_the_one {
            return None;
        }
        *armed = None;
        self.is_open.send_replace(false);
        Some(hold)
    }

    /// Changes what is to arrive otherwise. What is looked for is short and comes in one piece.
    fn rewrite(&self, answer: &mut [u8]) {
        let Some((said, heard)) = *self.rewritten.lock().expect("a lock") else {
            return;
        };
        for start in 0..answer.len().saturating_sub(said.len() - 1) {
            let piece = &mut answer[start..start + said.len()];
            if piece == said {
                piece.copy_from_slice(heard);
            }
        }
    }
}

/// One client of the proxy, and what is known of it on both ways.
#[derive(Debug)]
struct Conversation {
    state: Arc<State>,
    /// How many cuts there had been when it began.
    begun_after: usize,
    awaits_held_answer: AtomicBool,
}

impl Conversation {
    /// Waits until the gate is open; `false` when it was opened by a cut.
    async fn pass_gate(&self) -> bool {
        let mut is_open = self.state.is_open.subscribe();
        is_open.wait_for(|open| *open).await.is_ok() && !self.is_cut()
    }

    fn is_cut(&self) -> bool {
        *self.state.cuts.borrow() != self.begun_after
    }

    async fn cut(&self) {
        let mut cuts = self.state.cuts.subscribe();
        let _ = cuts.wait_for(|cuts| *cuts != self.begun_after).await;
    }
}

/// Forwards in both directions until a side ends or the proxy cuts.
fn converse(state: &Arc<State>, client: TcpStream, server: TcpStream) {
    // Messages go one by one; waiting to fill a packet would delay each by 40 ms.
    for socket in [&client, &server] {
        socket.set_nodelay(true).expect("a socket");
    }
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let conversation = Arc::new(Conversation {
        state: Arc::clone(state),
        begun_after: *state.cuts.borrow(),
        awaits_held_answer: AtomicBool::new(false),
    });
    let same = Arc::clone(&conversation);
    tokio::spawn(async move {
        tokio::select! {
            () = same.cut() => {}
            () = forward_statements(client_read, server_write, &same) => {}
        }
    });
    tokio::spawn(async move {
        tokio::select! {
            () = conversation.cut() => {}
            () = forward_answers(server_read, client_write, &conversation) => {}
        }
    });
}

/// Forwards the client's messages one by one; `Query` and `Sync` end a statement.
async fn forward_statements(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    conversation: &Conversation,
) {
    let state = &conversation.state;
    let mut is_startup = true;
    while let Some(message) = read_message(&mut client, is_startup).await {
        let ends_statement = !is_startup && matches!(message[0], b'Q' | b'S');
        is_startup = false;
        let hold = if ends_statement {
            state.count(&message)
        } else {
            None
        };
        match hold {
            Some(Hold::Statement) => {
                state.is_held.send_replace(true);
                if !conversation.pass_gate().await {
                    return;
                }
            }
            Some(Hold::Answer) => {
                let awaits = &conversation.awaits_held_answer;
                awaits.store(true, Ordering::SeqCst);
            }
            None => {}
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
    conversation: &Conversation,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = server.read(&mut buffer).await {
        let awaits = &conversation.awaits_held_answer;
        if awaits.swap(false, Ordering::SeqCst) {
            conversation.state.is_held.send_replace(true);
        }
        if !conversation.pass_gate().await {
            return;
        }
        conversation.state.rewrite(&mut buffer[..read]);
        if client.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
