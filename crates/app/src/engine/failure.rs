//! What to try next with requests whose transaction failed. Nothing of it happened.

use domain::id::ConcertId;
use store::StoreError;

use super::lane::{Batch, Try};
use super::{WAIT_MAX, Waiting};
use crate::reserve::ReserveError;

/// How it goes on after a failure.
pub(super) enum Next {
    /// These, the last one first.
    Try(Vec<Batch>),
    /// The concert's row is locked by somebody else.
    Park(ConcertId, Vec<Waiting>),
    /// Not at all: everybody has an answer.
    Answered,
}

/// Decides how it goes on.
pub(super) fn next_step(waiting: Vec<Waiting>, tried: Try, failure: StoreError) -> Next {
    match failure {
        StoreError::LockTimeout => park_or_split(waiting),
        // Somebody else was faster with a key or an id, or the connection was gone: the second
        // try sees what the first could not.
        StoreError::Conflict | StoreError::Unavailable(_) if tried != Try::Second => {
            once_more(waiting, &failure)
        }
        StoreError::Constraint { ref name } if name.ends_with("_pkey") && tried != Try::Second => {
            once_more(waiting, &failure)
        }
        failure if failure.is_about_rows() => halve(waiting, failure),
        failure => {
            let requests = waiting.len();
            tracing::error!(
                error = failure.in_full(),
                requests,
                "a batch was not decided"
            );
            for waiting in waiting {
                waiting.answer(Err(same(&failure)));
            }
            Next::Answered
        }
    }
}

/// Several concerts are tried one by one; a single one rests until its row may be free.
fn park_or_split(waiting: Vec<Waiting>) -> Next {
    let mut by_concert: Vec<(ConcertId, Vec<Waiting>)> = Vec::new();
    for waiting in waiting {
        let id = waiting.request.concert_id;
        match by_concert.iter_mut().find(|(concert, _)| *concert == id) {
            Some((_, together)) => together.push(waiting),
            None => by_concert.push((id, vec![waiting])),
        }
    }
    if by_concert.len() == 1
        && let Some((id, waiting)) = by_concert.pop()
    {
        let concert_id = id.get();
        tracing::warn!(
            concert_id,
            "the concert's row stays locked by somebody else"
        );
        return Next::Park(id, waiting);
    }
    let one_by_one = by_concert.into_iter().rev().map(|(_, waiting)| Batch {
        waiting,
        attempt: Try::Parked,
    });
    Next::Try(one_by_one.collect())
}

/// One bad row must not spoil its batch: halves are tried until the culprit is alone.
fn halve(mut waiting: Vec<Waiting>, failure: StoreError) -> Next {
    if waiting.len() == 1 {
        tracing::error!(error = failure.in_full(), "a request can't be written");
        if let Some(culprit) = waiting.pop() {
            culprit.answer(Err(ReserveError::Store(failure)));
        }
        return Next::Answered;
    }
    let second = waiting.split_off(waiting.len() / 2);
    let halves = [second, waiting].map(|waiting| Batch {
        waiting,
        attempt: Try::First,
    });
    Next::Try(halves.into())
}

/// The same requests, tried for the second and last time; who has waited too long for that goes.
fn once_more(waiting: Vec<Waiting>, failure: &StoreError) -> Next {
    let (in_time, late): (Vec<_>, Vec<_>) = waiting
        .into_iter()
        .partition(|waiting| waiting.since.elapsed() < WAIT_MAX);
    for waiting in late {
        waiting.answer(Err(same(failure)));
    }
    Next::Try(vec![Batch {
        waiting: in_time,
        attempt: Try::Second,
    }])
}

/// A failure that is everybody's, for one request of the batch.
pub(super) fn same(failure: &StoreError) -> ReserveError {
    match failure {
        StoreError::PoolExhausted => ReserveError::Overloaded,
        StoreError::NoStandby => StoreError::NoStandby.into(),
        StoreError::Unavailable(text) => StoreError::Unavailable(text.clone()).into(),
        StoreError::Conflict => StoreError::Conflict.into(),
        _ => StoreError::FailedTransaction.into(),
    }
}
