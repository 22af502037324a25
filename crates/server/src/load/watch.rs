//! Those who only look: open connections to the live feed, and a page that is asked for steadily.

use std::rc::Rc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior};

use super::connection::Connection;
use super::world::World;

/// So many connections are opened at once: fewer than fit into a listener's backlog.
const OPENING_MAX: usize = 64;
/// The crowd begins when all watchers have been answered, or after this time.
const GATHER_WITHIN: Duration = Duration::from_secs(30);
/// A feed answers at once; the server gives up on a request after 5 s.
const FEED_ANSWER_WITHIN: Duration = Duration::from_secs(10);
const REOPEN_AFTER: Duration = Duration::from_secs(1);
/// Seldom enough to cost nothing, often enough for a p99 of a minute's run.
const PAGE_EVERY: Duration = Duration::from_millis(100);
const PAGE_WITHIN: Duration = Duration::from_secs(10);
/// A line of the feed has some 60 bytes.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// What the watchers of the live feed saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// How many feeds were open together at most.
    pub open_max: u64,
    open: u64,
    pub events: u64,
    /// Events that aren't readable or have fewer than no tickets.
    pub wrong_events: u64,
    /// Feeds that ended or could not be had, each time.
    pub broken: u64,
    /// A status other than 200 that a feed was answered with.
    pub refused_with: Option<u16>,
    answered: usize,
}

#[derive(Deserialize)]
struct Availability {
    available_tickets: i64,
}

/// Sends out the watchers and waits until each has had an answer.
pub(super) async fn gather(world: &Rc<World>) {
    let gate = Rc::new(Semaphore::new(OPENING_MAX));
    for number in 0..world.plan.watchers {
        let (world, gate) = (Rc::clone(world), Rc::clone(&gate));
        tokio::task::spawn_local(async move { watch(&world, &gate, number).await });
    }
    let limit = Instant::now() + GATHER_WITHIN;
    while world.watched.borrow().answered < world.plan.watchers && Instant::now() < limit {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Looks at one concert until the crowd is gone.
async fn watch(world: &World, gate: &Semaphore, number: usize) {
    let concert = world
        .plan
        .concert(u32::try_from(number).unwrap_or_default());
    let request = format!(
        "GET /api/v1/concerts/{concert}/live HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\n\r\n",
        world.plan.host
    );
    let mut was_answered = false;
    loop {
        let opened = {
            let _turn = gate.acquire().await;
            tokio::time::timeout(FEED_ANSWER_WITHIN, open(world, request.as_bytes())).await
        };
        if !std::mem::replace(&mut was_answered, true) {
            world.watched.borrow_mut().answered += 1;
        }
        if let Ok(Some(feed)) = opened {
            follow(world, feed).await;
        }
        world.watched.borrow_mut().broken += 1;
        tokio::time::sleep(REOPEN_AFTER).await;
    }
}

async fn open(world: &World, request: &[u8]) -> Option<Connection> {
    let mut connection = Connection::open(world.plan.address).await.ok()?;
    let status = connection.subscribe(request).await.ok()?;
    if status != 200 {
        world.watched.borrow_mut().refused_with = Some(status);
        return None;
    }
    Some(connection)
}

async fn follow(world: &World, mut feed: Connection) {
    {
        let mut watched = world.watched.borrow_mut();
        watched.open += 1;
        watched.open_max = watched.open_max.max(watched.open);
    }
    let mut line = Vec::new();
    while let Ok(Some(part)) = feed.next_part().await {
        for &byte in part {
            if byte == b'\n' {
                take_line(world, &line);
                line.clear();
            } else if line.len() < LINE_BYTES_MAX {
                line.push(byte);
            }
        }
    }
    world.watched.borrow_mut().open -= 1;
}

fn take_line(world: &World, line: &[u8]) {
    let Some(data) = line.strip_prefix(b"data:") else {
        return;
    };
    let seen = serde_json::from_slice::<Availability>(data.trim_ascii());
    let mut watched = world.watched.borrow_mut();
    watched.events += 1;
    if seen.is_err() || seen.is_ok_and(|seen| seen.available_tickets < 0) {
        watched.wrong_events += 1;
    }
}

/// Asks for a page ten times a second, as a visitor who doesn't buy.
pub(super) async fn visit(world: &World, page: &str) {
    let request = format!(
        "GET {page} HTTP/1.1\r\nhost: {}\r\naccept: text/html\r\n\r\n",
        world.plan.host
    );
    let mut connection = None;
    let mut tick = tokio::time::interval(PAGE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let asked_at = Instant::now();
        let visit = ask_page(world, connection.take(), request.as_bytes());
        let visited = tokio::time::timeout(PAGE_WITHIN, visit).await;
        let mut tally = world.tally.borrow_mut();
        // A page that doesn't come has no latency: a refused connection would make it a short one.
        match visited {
            Ok(Some(kept)) => {
                tally.time_page(asked_at.elapsed());
                connection = kept;
            }
            _ => tally.page_failures += 1,
        }
    }
}

/// The connection for the next time, if it stays open; `None` when the page didn't come.
async fn ask_page(
    world: &World,
    connection: Option<Connection>,
    request: &[u8],
) -> Option<Option<Connection>> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => Connection::open(world.plan.address).await.ok()?,
    };
    let answer = connection.exchange(request).await.ok()?;
    let (status, closes) = (answer.status, answer.closes);
    (status == 200).then(|| (!closes).then_some(connection))
}
