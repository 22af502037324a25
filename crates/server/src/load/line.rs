//! A buyer's line to the shop: sends a request again, with the same key, until the answer is final.
//!
//! It survives a server or a database that is killed and started again: whatever breaks, the buyer
//! comes back, for as long as there is patience.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::connection::{Answer, Connection};
use super::story::{End, Heard};
use super::wish::Wish;
use super::world::World;

/// The server answers everything within 5 s; what takes twice as long is taken for lost.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The first pause after a broken connection, …
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// … which doubles up to this, so that a server that starts again isn't met by everybody at once
/// and still found soon.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// A longer `Retry-After` is a mistake of the server's; a load test doesn't sleep over it.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);
/// A 503 or 429 without `Retry-After`.
const RETRY_AFTER_UNSAID: Duration = Duration::from_secs(1);

/// What one request came to.
enum Reply {
    Final(End),
    /// Certainly not done: come again after this time.
    Later(Duration),
    /// Nobody knows whether it was done.
    Unknown,
    /// There was no connection, so that nothing left.
    NotSent,
}

/// The part of a reservation that must be what was asked for.
#[derive(Deserialize)]
struct Reserved<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    concert_id: i32,
    quantity: i32,
    #[serde(borrow)]
    customer_email: Cow<'a, str>,
}

/// The part of a problem (RFC 9457) that says what it is.
#[derive(Deserialize)]
struct Problem<'a> {
    #[serde(borrow)]
    code: Cow<'a, str>,
}

/// A connection that is opened when it is needed, and again after it broke.
#[derive(Debug, Default)]
pub(super) struct Line {
    connection: Option<Connection>,
}

impl Line {
    pub(super) fn hang_up(&mut self) {
        self.connection = None;
    }

    /// Asks until the answer is final or patience is over. The answer is timed from `clicked_at`,
    /// when the buyer first wanted it, however often it is asked for.
    pub(super) async fn ask(
        &mut self,
        world: &World,
        wish: &Wish,
        request: &[u8],
        clicked_at: Instant,
    ) -> Heard {
        let began = Instant::now();
        let mut pause = PAUSE_MIN;
        let mut was_unknown = false;
        let mut waiting = Some(world.wait_for_answer());
        loop {
            let wait = match self.send(world, wish, request, clicked_at).await {
                Reply::Final(end) => return Heard { end, was_unknown },
                Reply::Later(after) => {
                    // Told when to come back, a buyer waits for no answer until then.
                    waiting = None;
                    after.mul_f64(1.0 + wish.spread / 2.0)
                }
                reply => {
                    if matches!(reply, Reply::Unknown) {
                        was_unknown = true;
                        if !world.plan.keys {
                            let end = End::Unanswered;
                            return Heard { end, was_unknown };
                        }
                    }
                    let wait = pause.mul_f64(0.5 + wish.spread);
                    pause = (pause * 2).min(PAUSE_MAX);
                    wait
                }
            };
            if began.elapsed() + wait > world.plan.patience {
                let end = End::Unanswered;
                return Heard { end, was_unknown };
            }
            tokio::time::sleep(wait).await;
            waiting.get_or_insert_with(|| world.wait_for_answer());
        }
    }

    /// One request and its answer, timed from `clicked_at`.
    async fn send(
        &mut self,
        world: &World,
        wish: &Wish,
        request: &[u8],
        clicked_at: Instant,
    ) -> Reply {
        // Taken out, so that it is closed if this future is dropped in the middle.
        let opened = match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Connection::open(world.plan.address).await,
        };
        let Ok(mut connection) = opened else {
            world.tally.borrow_mut().counts.broken_connections += 1;
            return Reply::NotSent;
        };
        world.tally.borrow_mut().counts.requests += 1;
        let exchange = connection.exchange(request);
        let Ok(Ok(answer)) = tokio::time::timeout(ANSWER_WITHIN, exchange).await else {
            world.tally.borrow_mut().counts.broken_connections += 1;
            return Reply::Unknown;
        };
        world.heard();
        let reply = read(world, wish, &answer, clicked_at);
        if !answer.closes {
            self.connection = Some(connection);
        }
        reply
    }
}

/// What an answer means for the buyer.
fn read(world: &World, wish: &Wish, answer: &Answer<'_>, clicked_at: Instant) -> Reply {
    let mut tally = world.tally.borrow_mut();
    if answer.status == 201 {
        let Ok(reserved) = serde_json::from_slice::<Reserved<'_>>(answer.body) else {
            return Reply::Unknown;
        };
        tally.time_admitted(clicked_at.elapsed());
        tally.counts.replayed += u64::from(answer.replayed);
        let fits = reserved.concert_id == wish.concert
            && reserved.quantity == wish.quantity
            && reserved.customer_email == world.plan.email(wish.buyer);
        return Reply::Final(End::Admitted {
            id: reserved.id.into(),
            replayed: answer.replayed,
            fits,
        });
    }
    let code = serde_json::from_slice::<Problem<'_>>(answer.body)
        .map_or_else(|_| Cow::from(answer.status.to_string()), |body| body.code);
    let after = answer.retry_after.unwrap_or(RETRY_AFTER_UNSAID);
    match answer.status {
        429 => {
            tally.counts.overloaded += 1;
            Reply::Later(after.min(RETRY_AFTER_MAX))
        }
        503 if code == "overloaded" => {
            tally.counts.overloaded += 1;
            Reply::Later(after.min(RETRY_AFTER_MAX))
        }
        // The first of two may still be decided, or the server gave up on the request.
        408 | 425 => Reply::Unknown,
        409 if code == "request_in_flight" => Reply::Unknown,
        400..=499 => {
            tally.time_refused(clicked_at.elapsed());
            Reply::Final(End::Refused(code.into()))
        }
        _ => Reply::Unknown,
    }
}
