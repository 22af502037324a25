//! A transaction on a pooled connection.
//!
//! It ends by `commit` or `rollback`; one that is dropped takes its connection with it.

use std::ops::Deref;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::acting::Acting;
use crate::connection::Connection;
use crate::error::StoreError;
use crate::pool::{Lease, Pool};

/// An open transaction; statements run on it through [`Deref`].
///
/// Use cases that write run in a task of their own, so that it isn't dropped when a client
/// disconnects. If it is dropped all the same, the pool closes the connection instead of lending
/// it again, and PostgreSQL rolls back.
#[derive(Debug)]
pub struct Transaction {
    lease: Lease,
}

impl Transaction {
    /// Staff who may not act any more are refused here.
    pub async fn begin(pool: &Pool, acting: &Acting) -> Result<Self, StoreError> {
        Self::begin_with(pool, acting, "BEGIN")
            .await?
            .confirmed(acting)
            .await
    }

    /// The same for what only reads: it keeps nobody from taking away the right to it meanwhile, and
    /// the database gives it up when whoever asked has had another answer long ago.
    pub async fn begin_reading(pool: &Pool, acting: &Acting) -> Result<Self, StoreError> {
        let begun = Self::begin_with(
            pool,
            acting,
            "BEGIN READ ONLY; SET LOCAL statement_timeout = 5000",
        )
        .await?;
        let checked = acting.check(&begun).await;
        begun.unless_denied(checked).await
    }

    /// The same for what locks accounts: it says [`Acting::confirm`] itself, behind those locks.
    pub async fn begin_unconfirmed(pool: &Pool, acting: &Acting) -> Result<Self, StoreError> {
        Self::begin_with(pool, acting, "BEGIN").await
    }

    /// The same for changes that buyers wait behind and that lock a concert: they give a locked one
    /// up as soon as the engine does, so that a crowd of them can't keep every connection waiting.
    pub async fn begin_hurried(pool: &Pool, acting: &Acting) -> Result<Self, StoreError> {
        let begun = Self::begin_with(pool, acting, "BEGIN; SET LOCAL lock_timeout = 800");
        begun.await?.confirmed(acting).await
    }

    async fn confirmed(self, acting: &Acting) -> Result<Self, StoreError> {
        let confirmed = acting.confirm(&self).await;
        self.unless_denied(confirmed).await
    }

    async fn unless_denied(self, verdict: Result<(), StoreError>) -> Result<Self, StoreError> {
        match verdict {
            Ok(()) => Ok(self),
            Err(denial) => {
                self.rollback().await;
                Err(denial)
            }
        }
    }

    async fn begin_with(
        pool: &Pool,
        acting: &Acting,
        command: &'static str,
    ) -> Result<Self, StoreError> {
        let lease = pool.get().await?;
        // In one round trip; on a connection that never did it before, in two.
        Acting::prepare(&lease).await?;
        let (begun, declared) = tokio::join!(
            biased;
            lease.begin_for(command, acting.request_id),
            acting.declare(&lease),
        );
        begun?;
        declared?;
        Ok(Self { lease })
    }

    /// Makes the changes durable. Only `Ok` means that they are.
    ///
    /// A transaction in which a statement failed is rolled back here and gives an error, because
    /// PostgreSQL answers its COMMIT with success.
    pub async fn commit(self) -> Result<(), StoreError> {
        if self.lease.has_failed() || self.lease.owes_answers() {
            self.rollback().await;
            return Err(StoreError::FailedTransaction);
        }
        self.lease.commit().await
    }

    /// Undoes everything. An error here needs no answer: the connection is closed, with the
    /// same effect.
    pub async fn rollback(self) {
        if let Err(error) = self.lease.end("ROLLBACK").await {
            tracing::debug!(%error, "rollback failed; the connection is closed instead");
        }
    }
}

/// Reads on behalf of somebody on a connection that was lent to read, in a transaction around `work`
/// alone. Whether whoever acts still may isn't asked: a replica may not know their session yet.
pub async fn read_as<T>(
    connection: &Connection,
    acting: &Acting,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    Acting::prepare(connection).await?;
    let (begun, declared) = tokio::join!(
        biased;
        connection.begin_for(READING_SLOWLY, acting.request_id),
        acting.declare(connection),
    );
    begun?;
    declared?;
    // One that is waited for no longer may run on, and keeps its connection from being lent again.
    let found = tokio::time::timeout(READING_WITHIN, work).await;
    let found = found.map_err(|_| StoreError::TooSlow)?;
    connection.end("ROLLBACK").await?;
    found.map_err(|error| match error {
        StoreError::Unexpected(refusal) if refusal.code() == Some(&SqlState::QUERY_CANCELED) => {
            StoreError::TooSlow
        }
        other => other,
    })
}

/// Replicas give statements up after less; whoever sums reservations up has most of what a request has.
/// It ends before whoever asked takes the database for one that doesn't answer.
const READING_SLOWLY: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout = 4000";
/// All statements together, so that several aren't added up; a little more than one may take.
const READING_WITHIN: Duration = Duration::from_millis(4200);

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.lease
    }
}
