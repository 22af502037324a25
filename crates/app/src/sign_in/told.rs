//! What the log says of sign-ins that failed or were refused: outcome, client and account. Never the
//! name as it was typed, for people type passwords there.
//!
//! A flood of them is no flood of lines: beyond some a second only their number is told.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::{Acting, admin_users};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::attempts::Subjects;
use super::{Begun, SignInError, outcome_name};
use crate::App;

/// Enough to see each one of a box office that opens, and an afternoon of it is a small file.
const LINES_EACH_SECOND: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);

/// The lines of the present second, and how many were left out since that was last told.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<Written>);

#[derive(Debug, Default)]
struct Written {
    second_began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

/// Whether there is room for a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Line,
    /// It is the first that is left out: their number must be told.
    NoneSince,
    None,
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, now: Instant) -> Room {
        let mut written = self.lock();
        if written
            .second_began
            .is_none_or(|began| now >= began + SECOND)
        {
            written.second_began = Some(now);
            written.lines = 0;
        }
        if written.lines < LINES_EACH_SECOND {
            written.lines += 1;
            return Room::Line;
        }
        written.left_out += 1;
        match written.left_out {
            1 => Room::NoneSince,
            _ => Room::None,
        }
    }

    fn take_left_out(&self) -> u64 {
        std::mem::take(&mut self.lock().left_out)
    }
}

/// Tells of a sign-in that failed. What is locked or crowded out is a warning; a wrong password or a
/// missing code alone is daily life.
pub(super) async fn tell(
    app: &App,
    outcome: &Result<Begun, SignInError>,
    (subjects, by): (&Subjects, &Acting),
) {
    let Err(error) = outcome else { return };
    match app.sign_in_lines().take(Instant::now()) {
        Room::Line => {}
        Room::NoneSince => return count_left_out(app),
        Room::None => return,
    }
    // A database that is away isn't asked again.
    let account = match error {
        SignInError::Store(_) => None,
        _ => find_account(app, subjects).await,
    };
    let address = by.address.map(tracing::field::display);
    let outcome = outcome_name(outcome);
    match error {
        SignInError::Wrong | SignInError::CodeMissing => {
            tracing::info!(outcome, account, address, "a sign-in failed");
        }
        SignInError::Locked { .. } | SignInError::Crowded(_) | SignInError::Store(_) => {
            tracing::warn!(outcome, account, address, "a sign-in was refused");
        }
    }
}

/// The number of the account that has the name, if there is one.
async fn find_account(app: &App, subjects: &Subjects) -> Option<i32> {
    let username = subjects.username.as_ref()?;
    let connection = app.writer().get().await.ok()?;
    let member = admin_users::find_by_username(&connection, username).await;
    Some(member.ok()??.id.get())
}

/// Once for all that are left out within a second.
fn count_left_out(app: &App) {
    let app = app.clone();
    let counted = async move {
        tokio::time::sleep(SECOND).await;
        let left_out = app.sign_in_lines().take_left_out();
        tracing::warn!(left_out, "more sign-ins failed or were refused");
    };
    // Many requests' number, and so in the span of none.
    tokio::spawn(counted.instrument(tracing::Span::none()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_second_have_a_line_and_the_others_are_counted() {
        let (lines, start) = (Lines::default(), Instant::now());
        for _ in 0..LINES_EACH_SECOND {
            assert_eq!(lines.take(start), Room::Line);
        }
        assert_eq!(lines.take(start), Room::NoneSince);
        for _ in 0..1_000 {
            assert_eq!(lines.take(start + SECOND / 2), Room::None);
        }
        assert_eq!(lines.take(start + SECOND), Room::Line);
        assert_eq!(lines.take_left_out(), 1_001);
        assert_eq!(lines.take_left_out(), 0);
        for _ in 1..LINES_EACH_SECOND {
            assert_eq!(lines.take(start + SECOND), Room::Line);
        }
        assert_eq!(lines.take(start + SECOND), Room::NoneSince);
    }
}
