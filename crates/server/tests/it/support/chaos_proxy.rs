//! A TCP proxy before PostgreSQL that disturbs conversations at any byte, as networks do.
//!
//! Absent on purpose: any knowledge of PostgreSQL's protocol. Whoever needs a fault at a chosen
//! statement takes `fault_proxy`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::dice::Dice;

/// One direction of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Ask,
    Answer,
}

/// What happens to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// What comes next comes later.
    Delay(Duration),
    /// Both sides see the end, wherever a message is.
    Cut,
    /// Nothing arrives any more, on both ways, and nobody is told until the time is over.
    BlackHole(Duration),
    /// One side sees the end of the other, which doesn't know it.
    HalfClose,
}

impl Fault {
    pub(crate) fn random(dice: &Dice, black_hole_permille: usize) -> Self {
        if dice.below(1000) < black_hole_permille {
            return Self::BlackHole(dice.millis(500, 8000));
        }
        match dice.below(10) {
            0..4 => Self::Delay(dice.millis(1, 300)),
            4..8 => Self::Cut,
            _ => Self::HalfClose,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Delay(_) => "delays",
            Self::Cut => "cuts",
            Self::BlackHole(_) => "black holes",
            Self::HalfClose => "half closes",
        }
    }
}

/// A fault strikes after so many bytes at most: a login and the first batches.
const BYTES_MAX: usize = 8000;

/// A fault that waits for its byte.
#[derive(Clone, Copy, Debug)]
struct Planned {
    way: Way,
    after_bytes: usize,
    fault: Fault,
}

/// A proxy on a port of its own.
#[derive(Clone, Debug)]
pub(crate) struct ChaosProxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    conversations: Mutex<Vec<Arc<Conversation>>>,
    /// Faults that took effect, by their names.
    happened: Mutex<BTreeMap<&'static str, usize>>,
}

impl ChaosProxy {
    pub(crate) async fn start(postgres_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::<Shared>::default();
        let proxy = Self { port, shared };
        let shared = Arc::clone(&proxy.shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = TcpStream::connect(("127.0.0.1", postgres_port)).await {
                    converse(&shared, client, server);
                }
            }
        });
        proxy
    }

    /// Has a conversation go wrong soon; `false` if each is already disturbed.
    pub(crate) fn disturb(&self, dice: &Dice, fault: Fault) -> bool {
        let mut all = self.shared.conversations.lock().expect("a lock");
        all.retain(|conversation| !conversation.is_over.load(Ordering::SeqCst));
        let quiet: Vec<_> = all.iter().filter(|one| one.is_undisturbed()).collect();
        if quiet.is_empty() {
            return false;
        }
        let way = if dice.percent(50) {
            Way::Ask
        } else {
            Way::Answer
        };
        *dice.pick(&quiet).planned.lock().expect("a lock") = Some(Planned {
            way,
            after_bytes: dice.below(BYTES_MAX),
            fault,
        });
        true
    }

    /// What happened so far.
    pub(crate) fn happened(&self) -> BTreeMap<&'static str, usize> {
        self.shared.happened.lock().expect("a lock").clone()
    }

    /// Whatever is planned doesn't happen any more.
    pub(crate) fn calm(&self) {
        for conversation in &*self.shared.conversations.lock().expect("a lock") {
            *conversation.planned.lock().expect("a lock") = None;
        }
    }
}

#[derive(Debug)]
struct Conversation {
    shared: Arc<Shared>,
    planned: Mutex<Option<Planned>>,
    is_swallowed: AtomicBool,
    is_over: AtomicBool,
    over: Notify,
}

impl Conversation {
    fn is_undisturbed(&self) -> bool {
        self.planned.lock().expect("a lock").is_none() && !self.is_swallowed.load(Ordering::SeqCst)
    }

    /// The fault that strikes among the next `bytes` of a way, and before which of them.
    fn strike(&self, way: Way, bytes: usize) -> Option<(usize, Fault)> {
        let mut planned = self.planned.lock().expect("a lock");
        let next = planned.as_mut().filter(|next| next.way == way)?;
        if next.after_bytes >= bytes {
            next.after_bytes -= bytes;
            return None;
        }
        let (at, fault) = (next.after_bytes, next.fault);
        *planned = None;
        let mut happened = self.shared.happened.lock().expect("a lock");
        *happened.entry(fault.name()).or_default() += 1;
        Some((at, fault))
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        // One for each way; a way that isn't waiting yet finds it when it does.
        self.over.notify_one();
        self.over.notify_waiters();
    }
}

fn converse(shared: &Arc<Shared>, client: TcpStream, server: TcpStream) {
    for socket in [&client, &server] {
        socket.set_nodelay(true).expect("a socket");
    }
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let conversation = Arc::new(Conversation {
        shared: Arc::clone(shared),
        planned: Mutex::new(None),
        is_swallowed: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
        over: Notify::new(),
    });
    let mut all = shared.conversations.lock().expect("a lock");
    all.push(Arc::clone(&conversation));
    drop(all);
    tokio::spawn(async move {
        let both = async {
            tokio::join!(
                forward(client_read, server_write, (&conversation, Way::Ask)),
                forward(server_read, client_write, (&conversation, Way::Answer)),
            )
        };
        tokio::select! {
            _ = both => {}
            () = conversation.over.notified() => {}
        }
        conversation.is_over.store(true, Ordering::SeqCst);
    });
}

/// Forwards until its side ends, which the other side is told, or the whole conversation does.
async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    (conversation, way): (&Conversation, Way),
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if conversation.is_swallowed.load(Ordering::SeqCst) {
            continue;
        }
        match conversation.strike(way, read) {
            None => {}
            Some((_, Fault::Delay(time))) => sleep(time).await,
            Some((at, Fault::Cut)) => {
                let _ = to.write_all(&buffer[..at]).await;
                conversation.end();
                return;
            }
            Some((_, Fault::BlackHole(time))) => {
                conversation.is_swallowed.store(true, Ordering::SeqCst);
                swallow(from, conversation, time).await;
                return;
            }
            Some((_, Fault::HalfClose)) => {
                let _ = to.shutdown().await;
                // Whatever else is said this way is lost.
                while let Ok(1..) = from.read(&mut buffer).await {}
                return;
            }
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    if !conversation.is_swallowed.load(Ordering::SeqCst) {
        let _ = to.shutdown().await;
    }
}

/// Takes whatever comes and gives nothing on, not even the end, until the time is over.
async fn swallow(mut from: OwnedReadHalf, conversation: &Conversation, time: Duration) {
    let (end, mut buffer) = (Instant::now() + time, vec![0; 16 * 1024]);
    let takes = async { while let Ok(1..) = from.read(&mut buffer).await {} };
    tokio::select! {
        () = sleep_until(end) => {}
        () = takes => sleep_until(end).await,
    }
    conversation.end();
}
