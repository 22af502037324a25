//! Sends a crowd of buyers at a server and tells what they met.
//!
//! All of it runs on one thread of its own, so that it never takes more than one core from what it
//! measures, and nothing is locked.

use std::rc::Rc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{oneshot, watch as channel};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

use super::line::Line;
use super::plan::Plan;
use super::story::{Contradiction, Fate, Story};
use super::tally::{Counts, Sample, Tally, Times};
use super::watch::{self, Watched};
use super::wish::{Manner, Wish};
use super::world::World;

/// How often a sample is taken, fine enough for a run of seconds.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);
/// So many samples make a chart; from then on they are taken half as often, and so on.
const SAMPLES_FINE: usize = 1_500;

/// How far a crowd is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    pub buyers: u32,
    pub elapsed: Duration,
    /// For how long there was no answer to anybody, while somebody waited for one.
    pub silence: Duration,
    pub latest: Sample,
}

/// What a crowd met.
#[derive(Clone, Debug)]
pub struct Report {
    pub counts: Counts,
    /// Tickets of all admitted buyers.
    pub tickets: u64,
    /// From the first buyer's coming to the last one's leaving.
    pub elapsed: Duration,
    /// When the last buyer was admitted.
    pub last_admitted_at: Duration,
    /// From a buyer's first click to the answer 201, retries included; of who asks twice on purpose
    /// both answers.
    pub admitted: Times,
    /// The same for final refusals.
    pub refused: Times,
    /// From a buyer's first click until that buyer knows, retries included: once for each buyer.
    pub waits: Times,
    /// Visits to the page that were answered.
    pub pages: Times,
    pub page_failures: u64,
    pub samples: Vec<Sample>,
    /// By the buyer's number.
    pub fates: Vec<Fate>,
    pub contradictions: Vec<Contradiction>,
    pub watched: Watched,
}

/// The crowd couldn't be sent out, or its thread ended early.
#[derive(Debug, thiserror::Error)]
pub enum CrowdError {
    #[error("no thread for the buyers")]
    Thread(#[from] std::io::Error),
    #[error("the buyers' thread ended early")]
    Ended,
}

/// A crowd at work. Dropped, it leaves at once.
#[derive(Debug)]
pub struct Crowd {
    progress: channel::Receiver<Progress>,
    report: oneshot::Receiver<Report>,
    /// Dropped, it tells the crowd to leave.
    leave: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    /// Sends the crowd out.
    pub fn send(plan: Plan) -> Result<Self, CrowdError> {
        let (tell, progress) = channel::channel(Progress::default());
        let (give, report) = oneshot::channel();
        let (leave, left) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = thread::Builder::new()
            .name("buyers".to_owned())
            .spawn(move || {
                let tasks = LocalSet::new();
                let work = tasks.run_until(async {
                    tokio::select! {
                        report = run(plan, tell) => drop(give.send(report)),
                        _ = left => {}
                    }
                });
                runtime.block_on(work);
            })?;
        Ok(Self {
            progress,
            report,
            leave: Some(leave),
            thread: Some(thread),
        })
    }

    /// How far it is, several times a second.
    pub fn progress(&self) -> channel::Receiver<Progress> {
        self.progress.clone()
    }

    /// Waits until the last buyer has gone.
    pub async fn report(mut self) -> Result<Report, CrowdError> {
        (&mut self.report).await.map_err(|_| CrowdError::Ended)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop(self.leave.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to finish, so this takes no time.
            let _ = thread.join();
        }
    }
}

async fn run(plan: Plan, tell: channel::Sender<Progress>) -> Report {
    let world = Rc::new(World::new(plan));
    watch::gather(&world).await;
    world.started.set(Instant::now());
    let mut seats = JoinSet::new();
    for _ in 0..world.plan.concurrency {
        let seat = Seat::new(Rc::clone(&world));
        seats.spawn_local(seat.work());
    }
    let visitor = async {
        match &world.plan.page {
            Some(page) => watch::visit(&world, page).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = async { while seats.join_next().await.is_some() {} } => {}
        () = visitor => {}
        () = sample(&world, &tell) => {}
    }
    let elapsed = world.started.get().elapsed();
    let mut tally = world.tally.take();
    tally.sample(elapsed);
    finish(&world, tally, elapsed)
}

fn finish(world: &World, tally: Tally, elapsed: Duration) -> Report {
    Report {
        counts: tally.counts,
        tickets: tally.tickets,
        elapsed,
        last_admitted_at: tally.last_admitted_at,
        admitted: tally.admitted,
        refused: tally.refused,
        waits: tally.waits,
        pages: tally.pages,
        page_failures: tally.page_failures,
        samples: tally.samples,
        fates: world.fates.take(),
        contradictions: world.contradictions.take(),
        watched: world.watched.take(),
    }
}

/// Takes samples as long as it is polled.
async fn sample(world: &World, tell: &channel::Sender<Progress>) {
    let mut every = SAMPLE_EVERY;
    let mut coarser_at = SAMPLES_FINE;
    loop {
        tokio::time::sleep(every).await;
        let elapsed = world.started.get().elapsed();
        let mut tally = world.tally.borrow_mut();
        tally.sample(elapsed);
        let latest = tally.samples.last().copied().unwrap_or_default();
        let _ = tell.send(Progress {
            buyers: world.started_buyers(),
            elapsed,
            silence: world.silence(),
            latest,
        });
        if tally.samples.len() >= coarser_at {
            every *= 2;
            coarser_at += SAMPLES_FINE / 2;
        }
    }
}

/// Serves one buyer after the other, with a connection for them and one for those who ask twice at
/// the same time.
struct Seat {
    world: Rc<World>,
    line: Line,
    second: Line,
    request: Vec<u8>,
}

impl Seat {
    fn new(world: Rc<World>) -> Self {
        Self {
            world,
            line: Line::default(),
            second: Line::default(),
            request: Vec::new(),
        }
    }

    async fn work(mut self) {
        while let Some((buyer, come_at)) = self.world.next_buyer() {
            let wish = Wish::of(&self.world.plan, buyer);
            // A buyer who finds every seat taken has waited since coming; one who was waited for
            // comes at the timer's next tick, which isn't the server's fault.
            let due = come_at.filter(|come_at| *come_at <= Instant::now());
            if let (Some(come_at), None) = (come_at, due) {
                tokio::time::sleep_until(come_at).await;
            }
            if !wish.think.is_zero() {
                tokio::time::sleep(wish.think).await;
            }
            let due = due.filter(|_| wish.think.is_zero());
            self.serve(&wish, due).await;
        }
    }

    async fn serve(&mut self, wish: &Wish, due: Option<Instant>) {
        let Self {
            world,
            line,
            second,
            request,
        } = self;
        wish.write(&world.plan, request);
        let began = due.unwrap_or_else(Instant::now);
        let mut story = Story::default();
        let count_repeat = || world.tally.borrow_mut().counts.repeated += 1;
        match wish.manner {
            Manner::Plain | Manner::RepeatsAfter => {
                story.hear(line.ask(world, wish, request, began).await, false);
            }
            Manner::RepeatsAtOnce => {
                count_repeat();
                let (first, other) = tokio::join!(
                    line.ask(world, wish, request, began),
                    second.ask(world, wish, request, began)
                );
                story.hear(first, false);
                story.hear(other, false);
            }
            Manner::Abandons(after) | Manner::HangsUp(after) => {
                let asking = line.ask(world, wish, request, began);
                if let Ok(heard) = tokio::time::timeout(after, asking).await {
                    story.hear(heard, false);
                } else {
                    line.hang_up();
                    if !matches!(wish.manner, Manner::Abandons(_)) {
                        count_repeat();
                        story.was_unknown = true;
                        story.hear(line.ask(world, wish, request, began).await, false);
                    }
                }
            }
        }
        if story.id.is_some() || story.refusal.is_some() {
            world.tally.borrow_mut().waits.record(began.elapsed());
        }
        if wish.manner == Manner::RepeatsAfter && !story.unanswered {
            count_repeat();
            let again_at = Instant::now();
            story.hear(line.ask(world, wish, request, again_at).await, true);
        }
        world.close(wish.buyer, wish.quantity, story);
    }
}

#[cfg(test)]
mod tests;
