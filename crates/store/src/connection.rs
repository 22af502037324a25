//! One connection to PostgreSQL: statements prepared once, timed, and a memory of what went wrong.

mod link;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::error::{DbError, Severity, SqlState};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, CopyInSink, Error, Row, Statement};
use tracing::Span;
use tracing::field::Empty;
use uuid::Uuid;

use crate::client::GenericClient;
use crate::error::{self, StoreError};
use crate::generated::queries::replication;
use crate::replication::Position;
use crate::shared::Shared;
use link::Link;

/// A statement slower than this gets a line in the log and counts as slow.
pub const SLOW_QUERY: Duration = Duration::from_millis(100);

/// A connection with its statements.
///
/// INVARIANT: a connection inside a transaction, one that still owes an answer, or one that gave
/// an error of [`error::ends_connection`] never serves another borrower. Guarded by
/// `a_dropped_transaction_never_returns_to_the_pool`,
/// `an_abandoned_statement_does_not_hold_up_the_next_borrower` and
/// `a_connection_that_became_read_only_is_not_lent_again`.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
    is_broken: AtomicBool,
    in_transaction: AtomicBool,
    has_failed: AtomicBool,
    link: Arc<Link>,
    shared: Arc<Shared>,
    generation: u64,
    /// The statement that asks for the log's position is prepared.
    tells_position: AtomicBool,
    /// What is notified, until somebody listens.
    heard: Mutex<Option<mpsc::Receiver<String>>>,
    driver: JoinHandle<()>,
}

impl Connection {
    /// Takes a client, and drives its socket in a task.
    ///
    /// A server that owes an answer for longer than `silence_max` is given up: without that, a
    /// network that swallows everything would keep connections, and who waits on them, for ever.
    pub(crate) fn start<S, T>(
        client: Client,
        socket: tokio_postgres::Connection<S, T>,
        silence_max: Option<Duration>,
        shared: Arc<Shared>,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let link = Arc::new(Link::new());
        let (speaker, heard) = link::ear();
        let driver = tokio::spawn(link::drive(socket, Arc::clone(&link), speaker, silence_max));
        Self {
            client,
            statements: Mutex::default(),
            is_broken: AtomicBool::new(false),
            in_transaction: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            link,
            generation: shared.generation(),
            shared,
            tells_position: AtomicBool::new(false),
            heard: Mutex::new(Some(heard)),
            driver,
        }
    }

    /// Whether somebody else may use this connection next.
    pub(crate) fn is_sound(&self) -> bool {
        !self.client.is_closed()
            && !self.is_broken.load(Ordering::Acquire)
            && !self.in_transaction.load(Ordering::Acquire)
            && self.generation == self.shared.generation()
            && !self.owes_answers()
    }

    /// Whether nothing can be sent any more, not even ROLLBACK.
    pub(crate) fn is_broken(&self) -> bool {
        self.client.is_closed() || self.is_broken.load(Ordering::Acquire)
    }

    /// `BEGIN`: from now on the connection is unsound until [`Connection::end`] succeeds.
    pub(crate) async fn begin(&self) -> Result<(), Error> {
        self.begin_with("BEGIN").await
    }

    /// A command that begins a transaction, with settings that last as long as it.
    pub(crate) async fn begin_with(&self, command: &'static str) -> Result<(), Error> {
        self.in_transaction.store(true, Ordering::Release);
        self.has_failed.store(false, Ordering::Release);
        self.run(command).await
    }

    /// The same with the request that it is for in a comment, where PostgreSQL's log has it with
    /// `log_statement` on. `pg_stat_statements` takes a statement from its first word to its semicolon: the
    /// comment behind it makes no BEGIN another one. Guarded by
    /// `a_requests_id_is_in_postgresqls_log_and_makes_no_statement_another_one`.
    pub(crate) async fn begin_for(
        &self,
        command: &'static str,
        request: Option<Uuid>,
    ) -> Result<(), Error> {
        let Some(request) = request else {
            return self.begin_with(command).await;
        };
        self.in_transaction.store(true, Ordering::Release);
        self.has_failed.store(false, Ordering::Release);
        let told = format!("{command}; /* request_id={request} */");
        self.run_as(&told, command).await
    }

    /// `COMMIT` or `ROLLBACK`. After an error, or when its future is dropped, it stays unsound.
    pub(crate) async fn end(&self, command: &'static str) -> Result<(), Error> {
        self.run(command).await?;
        self.in_transaction.store(false, Ordering::Release);
        Ok(())
    }

    /// `COMMIT`. Only `Ok` means that the changes are durable, on the standby too if there must be
    /// one; a refusal says that they never happened.
    ///
    /// INVARIANT: while no standby confirms, although one must, nothing is committed; guarded by
    /// `without_a_standby_nothing_is_sold_and_everybody_is_told_why`.
    pub(crate) async fn commit(&self) -> Result<(), StoreError> {
        if let Err(refusal) = self.check_standby() {
            // After an error it is closed instead, with the same effect.
            let _ = self.end("ROLLBACK").await;
            return Err(refusal);
        }
        self.link.take_warning();
        let position = replication::position();
        let follow = async {
            if self.tells_position.load(Ordering::Acquire) {
                position.bind(self).one().await.ok()
            } else {
                None
            }
        };
        self.link.commits(true);
        // In one round trip; on a connection that never did it before, in another one below.
        let (ended, passed) = tokio::join!(biased; self.end("COMMIT"), follow);
        self.link.commits(false);
        self.judge_commit(ended)?;
        if self.shared.are_followed() {
            let passed = match passed {
                Some(passed) => Some(passed),
                None => position.bind(self).one().await.ok(),
            };
            self.tells_position
                .store(passed.is_some(), Ordering::Release);
            // Without it only the primary is known to have what was written.
            self.shared
                .passed(passed.map_or(Position::MAX, Position::new));
        }
        Ok(())
    }

    /// Makes the position come with the first COMMIT, too.
    pub(crate) async fn prepare_position(&self) -> Result<replication::PositionStmt, Error> {
        let position = replication::position();
        if !self.shared.are_followed() {
            return Ok(position);
        }
        let prepared = position.prepare(self).await?;
        self.tells_position.store(true, Ordering::Release);
        Ok(prepared)
    }

    fn judge_commit(&self, ended: Result<(), Error>) -> Result<(), StoreError> {
        let Err(failure) = ended else {
            // The one warning that COMMIT gives for a transaction of ours is that its wait for the
            // standby was cut short (`syncrep.c`): it is on the primary, and on no other machine.
            if self.link.take_warning() {
                self.is_broken.store(true, Ordering::Release);
                let cause = "PostgreSQL warned that it may be on this machine alone";
                return Err(StoreError::OutcomeUnknown(cause.to_owned()));
            }
            return Ok(());
        };
        // Only a plain ERROR is a refusal; a PANIC or a broken connection says nothing.
        let severity = failure.as_db_error().and_then(DbError::parsed_severity);
        if severity == Some(Severity::Error) {
            Err(failure.into())
        } else {
            Err(StoreError::unknown(&failure))
        }
    }

    /// Runs a `LISTEN`, and gives everything that is heard from then on, until the connection
    /// ends. Only once; nobody else may use the connection any more.
    pub(crate) async fn listen(
        &self,
        command: &'static str,
    ) -> Result<Option<mpsc::Receiver<String>>, Error> {
        self.is_broken.store(true, Ordering::Release);
        self.run(command).await?;
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(heard.take())
    }

    /// An error while nothing is committed because no standby would confirm it.
    pub(crate) fn check_standby(&self) -> Result<(), StoreError> {
        self.shared.check_standby()
    }

    /// Waits longer than usual for the answers to `work`; for statements that read much of a table.
    pub(crate) async fn patiently<T>(&self, work: impl Future<Output = T>) -> T {
        self.link.waits_patiently(true);
        let outcome = work.await;
        self.link.waits_patiently(false);
        outcome
    }

    /// Whether a statement of the current transaction failed, so that COMMIT would roll back.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Whether a statement was sent and its answer never read.
    pub(crate) fn owes_answers(&self) -> bool {
        self.link.owes_answers()
    }

    /// `COPY … FROM STDIN`, for which there is no generated function.
    pub(crate) async fn copy_in(&self, query: &'static str) -> Result<CopyInSink<Bytes>, Error> {
        let statement = self.prepare(query).await?;
        self.link.answer(self.client.copy_in(&statement)).await
    }

    pub(crate) async fn run(&self, command: &'static str) -> Result<(), Error> {
        self.run_as(command, command).await
    }

    /// Runs a text that is counted as another one.
    async fn run_as(&self, text: &str, command: &'static str) -> Result<(), Error> {
        let timing = Timing::start(command);
        let outcome = self.link.answer(self.client.batch_execute(text)).await;
        self.note(command, timing, &outcome);
        outcome
    }

    /// Times a statement and remembers what its error means for the connection.
    fn note<T>(&self, query: &'static str, timing: Timing, outcome: &Result<T, Error>) {
        let (name, took) = (statement_name(query), timing.started.elapsed());
        if let Err(failure) = outcome {
            timing.failed(failure);
        }
        drop(timing);
        metrics::histogram!("stagedoor_query_duration_seconds", "statement" => name).record(took);
        let is_slow = took > SLOW_QUERY;
        self.shared.counting.note_statement(name, took, is_slow);
        if is_slow {
            metrics::counter!("stagedoor_slow_queries_total", "statement" => name).increment(1);
            tracing::warn!(
                statement = name,
                duration_ms = took.as_millis(),
                "slow query"
            );
        } else {
            tracing::debug!(statement = name, duration_us = took.as_micros(), "query");
        }
        if let Err(failure) = outcome {
            self.has_failed.store(true, Ordering::Release);
            if error::ends_connection(failure) {
                self.is_broken.store(true, Ordering::Release);
            }
        } else {
            self.shared.counting.note_answer();
        }
    }

    fn prepared(&self, query: &'static str) -> Option<Statement> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(query)
            .cloned()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A statement under way.
#[derive(Debug)]
struct Timing {
    started: Instant,
    /// For whoever follows traces, who sees it from its making to its end; nothing is ever entered, so
    /// that it costs the future no more than its own size.
    span: Span,
}

impl Timing {
    fn start(query: &'static str) -> Self {
        let name = statement_name(query);
        Self {
            started: Instant::now(),
            // In the words of OpenTelemetry's semantic conventions for databases.
            span: tracing::debug_span!(
                "statement",
                otel.name = name,
                otel.kind = "client",
                otel.status_code = Empty,
                db.system.name = "postgresql",
                db.query.summary = name,
                db.response.status_code = Empty,
                error.type = Empty,
            ),
        }
    }

    fn failed(&self, failure: &Error) {
        let code = failure.code().map(SqlState::code);
        self.span.record("otel.status_code", "ERROR");
        self.span.record("db.response.status_code", code);
        self.span.record("error.type", code.unwrap_or("_OTHER"));
    }
}

/// The name that the generator puts in front of each statement: `/* noun.name */ …`.
fn statement_name(query: &'static str) -> &'static str {
    let named = query
        .strip_prefix("/* ")
        .and_then(|rest| rest.split_once(" */"));
    named.map_or_else(
        || query.split(';').next().unwrap_or(query),
        |(name, _)| name,
    )
}

impl GenericClient for Connection {
    async fn prepare(&self, query: &'static str) -> Result<Statement, Error> {
        if let Some(statement) = self.prepared(query) {
            return Ok(statement);
        }
        let outcome = self.link.answer(self.client.prepare(query)).await;
        if let Err(failure) = &outcome {
            self.has_failed.store(true, Ordering::Release);
            if error::ends_connection(failure) {
                self.is_broken.store(true, Ordering::Release);
            }
        }
        let statement = outcome?;
        let mut statements = self
            .statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        statements.insert(query, statement.clone());
        Ok(statement)
    }

    async fn execute(
        &self,
        query: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Error> {
        let statement = self.prepare(query).await?;
        let timing = Timing::start(query);
        let outcome = self
            .link
            .answer(self.client.execute(&statement, parameters))
            .await;
        self.note(query, timing, &outcome);
        outcome
    }

    async fn query_one(
        &self,
        query: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Error> {
        let statement = self.prepare(query).await?;
        let timing = Timing::start(query);
        let outcome = self
            .link
            .answer(self.client.query_one(&statement, parameters))
            .await;
        self.note(query, timing, &outcome);
        outcome
    }

    async fn query_opt(
        &self,
        query: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Error> {
        let statement = self.prepare(query).await?;
        let timing = Timing::start(query);
        let outcome = self
            .link
            .answer(self.client.query_opt(&statement, parameters))
            .await;
        self.note(query, timing, &outcome);
        outcome
    }

    async fn query(
        &self,
        query: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let statement = self.prepare(query).await?;
        let timing = Timing::start(query);
        let outcome = self
            .link
            .answer(self.client.query(&statement, parameters))
            .await;
        self.note(query, timing, &outcome);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_timed_under_their_names() {
        assert_eq!(
            statement_name("/* concerts.find */ SELECT 1"),
            "concerts.find"
        );
        assert_eq!(statement_name("COMMIT"), "COMMIT");
    }
}
