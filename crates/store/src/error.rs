//! What can go wrong between the product and PostgreSQL, sorted by what a caller can do about it.

use domain::role::Role;
use tokio_postgres::error::{Severity, SqlState};

/// A failed statement, transaction or acquisition of a connection.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection could be had, or it broke before a commit was sent: nothing happened.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Others had connections, but none was left for as long as a request may wait for one.
    #[error("no database connection became free in time")]
    PoolExhausted,
    /// Commits must wait for a standby, and none confirms them: nothing was committed.
    #[error(
        "no standby confirms what is written, so that nothing is; it goes on by itself as soon as a \
         synchronous standby streams again"
    )]
    NoStandby,
    /// A statement, or some together, took longer than whoever reads may, on a database that is well:
    /// another would take as long.
    #[error("reading took longer than it may")]
    TooSlow,
    /// A row stayed locked by somebody else for longer than a transaction may wait.
    #[error("a lock was not granted in time")]
    LockTimeout,
    /// PostgreSQL gave this transaction up for another's sake; it may be run again as it is.
    #[error("the transaction was rolled back in favour of another")]
    Conflict,
    /// The database's own rule refused a row; the name tells which.
    #[error("constraint {name} refused the row")]
    Constraint { name: String },
    /// The connection broke while COMMIT was under way: whether it happened is not known.
    #[error("the outcome of the commit is not known: {0}")]
    OutcomeUnknown(String),
    /// A statement changed another number of rows than it must.
    #[error("{statement} changed {actual} rows instead of {expected}")]
    RowCount {
        statement: &'static str,
        expected: u64,
        actual: u64,
    },
    /// A row holds what no code of ours would have written.
    #[error("a row of {table} can't be read: {detail}")]
    Unreadable { table: &'static str, detail: String },
    /// Whoever acts may do so no longer: this role isn't enough, or without one the session is over.
    #[error("whoever acts may not do this any more")]
    NotAllowed { role: Option<Role> },
    /// A commit was asked for after a statement had failed.
    #[error("the transaction had failed before its commit")]
    FailedTransaction,
    #[error("the database refused a statement")]
    Unexpected(#[source] tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            return Self::Unavailable(with_causes(&error));
        };
        let code = refusal.code();
        if *code == SqlState::LOCK_NOT_AVAILABLE {
            Self::LockTimeout
        } else if *code == SqlState::T_R_DEADLOCK_DETECTED
            || *code == SqlState::T_R_SERIALIZATION_FAILURE
        {
            Self::Conflict
        } else if let Some(name) = refusal.constraint() {
            Self::Constraint {
                name: name.to_owned(),
            }
        } else if ends_connection(&error) || code.code().starts_with("53") {
            // Class 53: disk, memory or connections have run out, which may pass.
            Self::Unavailable(with_causes(&error))
        } else {
            Self::Unexpected(error)
        }
    }
}

impl StoreError {
    /// Whether the fault may lie in one of the rows, so that others could do without it.
    pub fn is_about_rows(&self) -> bool {
        match self {
            Self::Constraint { .. } | Self::Unreadable { .. } => true,
            // Data (22), integrity (23) and check option (44) violations, and what a trigger
            // raises (P0): the classes that depend on values.
            Self::Unexpected(error) => error
                .code()
                .is_some_and(|code| ["22", "23", "44", "P0"].contains(&&code.code()[..2])),
            Self::Unavailable(_)
            | Self::PoolExhausted
            | Self::TooSlow
            | Self::NoStandby
            | Self::LockTimeout
            | Self::Conflict
            | Self::OutcomeUnknown(_)
            | Self::RowCount { .. }
            | Self::NotAllowed { .. }
            | Self::FailedTransaction => false,
        }
    }

    /// Whether PostgreSQL refused a statement, so that its transaction can only roll back.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::LockTimeout | Self::Conflict | Self::Constraint { .. } | Self::Unexpected(_)
        )
    }

    /// The error with everything below it, for the log.
    pub fn in_full(&self) -> String {
        with_causes(self)
    }

    /// A COMMIT that was sent and not answered.
    pub(crate) fn unknown(error: &tokio_postgres::Error) -> Self {
        Self::OutcomeUnknown(with_causes(error))
    }
}

/// Whether a connection that gave this error must not serve anybody else.
///
/// I/O errors, FATAL and PANIC, SQLSTATE class 08 (connection), 57P01–57P03 (shutdown, crash, starting up),
/// 25006 (the node became a read-only standby), 0A000 and 26000 (a cached statement went stale).
pub(crate) fn ends_connection(error: &tokio_postgres::Error) -> bool {
    let Some(refusal) = error.as_db_error() else {
        return true;
    };
    // After anything worse than an ERROR the session is over, whatever its code.
    if refusal.parsed_severity() != Some(Severity::Error) {
        return true;
    }
    let code = refusal.code();
    code.code().starts_with("08")
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::FEATURE_NOT_SUPPORTED,
            SqlState::INVALID_SQL_STATEMENT_NAME,
        ]
        .contains(code)
}

/// An error with everything below it, on one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// Turns a count of changed rows into an error unless it is the expected one.
pub(crate) fn expect_rows(
    statement: &'static str,
    actual: u64,
    expected: u64,
) -> Result<(), StoreError> {
    if actual == expected {
        Ok(())
    } else {
        Err(StoreError::RowCount {
            statement,
            expected,
            actual,
        })
    }
}
