//! Tasks: what a worker can do, by the name that a job has.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{App, mails, payments, runs};

/// What became of an attempt. Reasons are kept with the job and shown to operators: words that
/// name the trouble, without payloads and secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// A part of it is done; the rest is a new job, after a pause and with all its attempts.
    Again(Duration),
    /// It may work later.
    Retry(String),
    /// It will never work: the job is dead and stays visible.
    GiveUp(String),
}

/// One attempt at a job.
#[derive(Clone, Debug)]
pub struct Attempt<P> {
    /// The same in every attempt: what a payment provider is given to tell a retry from a second
    /// wish.
    pub job_id: i64,
    /// From 1.
    pub number: i32,
    pub payload: P,
}

type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;
type Run = Arc<dyn Fn(App, Attempt<Value>) -> Running + Send + Sync>;

/// The tasks that a worker knows. Jobs of other tasks are left to other workers.
#[derive(Clone, Default)]
pub struct Tasks {
    runs: BTreeMap<&'static str, Run>,
    /// In the order in which they are taken.
    bulk: Vec<&'static str>,
    /// In the order in which they are taken.
    patient: Vec<&'static str>,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.runs.keys()).finish()
    }
}

impl Tasks {
    /// Every task of the product.
    pub fn of_product() -> Self {
        Self::default()
            .with(payments::OPEN, payments::open)
            .with(payments::ASK, payments::ask)
            .with(runs::RUN, runs::work)
            .in_bulk(runs::RUN)
            .with(payments::REFUND, payments::refund_at_provider)
            .in_bulk(payments::REFUND)
            .with(payments::ASK_REFUND, payments::ask)
            .in_bulk(payments::ASK_REFUND)
            .with(mails::SEND_SIGN_IN, mails::send)
            .patiently(mails::SEND_SIGN_IN)
            .with(mails::SEND, mails::send)
            .patiently(mails::SEND)
            .with(mails::SEND_IN_BULK, mails::send)
            .patiently(mails::SEND_IN_BULK)
    }

    /// Adds a task. A job runs at least once, so a second run must change nothing.
    #[must_use]
    pub fn with<P, F>(
        mut self,
        name: &'static str,
        run: impl Fn(App, Attempt<P>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        P: DeserializeOwned,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let run = move |app, attempt: Attempt<Value>| -> Running {
            // What serde says could quote the payload.
            let Ok(payload) = serde_json::from_value(attempt.payload) else {
                let unread = "this version can't read the payload; a newer worker may";
                return Box::pin(async { Outcome::Retry(unread.to_owned()) });
            };
            Box::pin(run(
                app,
                Attempt {
                    job_id: attempt.job_id,
                    number: attempt.number,
                    payload,
                },
            ))
        };
        self.runs.insert(name, Arc::new(run));
        self
    }

    /// Lets few jobs of a task run at one time, of which there may be thousands at once and for none of
    /// which anybody waits before a page. Of several such tasks each has a place before any has a second,
    /// and the one that was added first comes first.
    #[must_use]
    pub fn in_bulk(mut self, name: &'static str) -> Self {
        self.bulk.push(name);
        self
    }

    /// Lets few jobs of a task run at one time, so that others needn't wait for them; of several such
    /// tasks the one that was added first comes first.
    #[must_use]
    pub fn patiently(mut self, name: &'static str) -> Self {
        self.patient.push(name);
        self
    }

    pub(super) fn patient(&self) -> Vec<&'static str> {
        self.patient.clone()
    }

    pub(super) fn bulk(&self) -> &[&'static str] {
        &self.bulk
    }

    pub(super) fn urgent(&self) -> Vec<&'static str> {
        let is_urgent = |name: &&&str| !self.patient.contains(name) && !self.bulk.contains(name);
        self.runs.keys().filter(is_urgent).copied().collect()
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.runs.keys().copied().collect()
    }

    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// `None` for a task that nobody added.
    pub(super) fn begin(&self, task: &str, app: App, attempt: Attempt<Value>) -> Option<Running> {
        Some(self.runs.get(task)?(app, attempt))
    }
}
