//! The database alone: the engine's batches, statement for statement, on one connection, without
//! HTTP, queue and decision.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use app::Ctx;
use domain::id::{ConcertId, ReservationId};
use domain::money::Money;
use domain::reservation::{Reservation, initial_status};
use domain::text::EmailAddress;
use jiff::Timestamp;
use store::admission::{Admission, Desk, Key, LockWait, MailJob, Questions, Writes};
use store::receipts::Digest;

use crate::cluster::Ground;
use crate::figures::Figures;

/// As many as the engine decides together at most.
const BATCH: usize = 512;
/// Twice what PostgreSQL was ever seen to write on such a machine, so that no round runs dry.
const PER_SECOND_MAX: usize = 80_000;
const HOLD: Duration = Duration::from_hours(24);

/// Everything that one batch sends, made before the clock starts.
struct Batch {
    questions: Questions,
    admissions: Vec<Admission>,
}

/// One batch after the other on one connection, for so long.
pub(crate) async fn run(
    ground: &Ground,
    concert: ConcertId,
    duration: Duration,
) -> Result<Figures> {
    let ctx = Ctx::system();
    let wanted = (duration.as_secs_f64().ceil() * count(PER_SECOND_MAX)) / count(BATCH);
    let batches: Vec<Batch> = (0..whole(wanted)).map(|_| batch(&ctx, concert)).collect();
    let pool = ground.pool()?;
    let desk = Desk::open(&pool).await?;
    let (started, mut written) = (Instant::now(), 0);
    for batch in &batches {
        if started.elapsed() >= duration {
            break;
        }
        let (locked, answers) = desk
            .lock(&[concert], LockWait::Full, &batch.questions)
            .await?;
        ensure!(locked.len() == 1, "no such concert");
        ensure!(answers.receipts.is_empty(), "a key came twice");
        let now = ctx.now();
        let writes = Writes {
            mail_job: MailJob {
                task: "mail.send",
                attempts_max: 25,
            },
            admissions: &batch.admissions,
            taken: &[(concert, i32::try_from(BATCH)?)],
            stale_keys: &[],
            stale_since: now,
            now,
            expires_at: now + HOLD,
        };
        desk.commit(&writes).await?;
        written += BATCH;
    }
    Ok(Figures {
        per_second: count(written) / started.elapsed().as_secs_f64(),
        ..Figures::default()
    })
}

fn batch(ctx: &Ctx, concert: ConcertId) -> Batch {
    let now = ctx.now();
    let admissions: Vec<Admission> = (0..BATCH).map(|_| admission(ctx, concert, now)).collect();
    let mut customers: Vec<_> = admissions
        .iter()
        .filter_map(|new| {
            let email = EmailAddress::parse(&new.reservation.customer_email).ok()?;
            Some((email, concert))
        })
        .collect();
    customers.sort_unstable();
    let keys = admissions
        .iter()
        .filter_map(|new| Some(new.key?.key_digest));
    let mut key_digests: Vec<Digest> = keys.collect();
    key_digests.sort_unstable();
    Batch {
        questions: Questions {
            key_digests,
            customers,
        },
        admissions,
    }
}

fn admission(ctx: &Ctx, concert_id: ConcertId, now: Timestamp) -> Admission {
    let total_price = Money::from_minor(125_000).unwrap_or(Money::MAX);
    let (status, payment_status) = initial_status(total_price);
    let buyer = ctx.random_u64();
    Admission {
        reservation: Reservation {
            id: ReservationId::new(now, ctx.random_u64()),
            concert_id,
            customer_name: "Rush buyer".to_owned(),
            customer_email: format!("batch-{buyer}@example.com"),
            quantity: 1,
            total_price,
            status,
            payment_status,
            google_auth: false,
            reserved_at: now,
            expires_at: Some(now + HOLD),
            extensions: 0,
            created_at: now,
            updated_at: now,
        },
        client_ip: Some("127.0.0.1".to_owned()),
        request_id: ctx.random_uuid(),
        key: Some(Key {
            key_digest: ctx.random_bytes(),
            values_digest: ctx.random_bytes(),
        }),
        mail: None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "some hundred batches"
)]
fn whole(number: f64) -> usize {
    number.ceil() as usize
}
