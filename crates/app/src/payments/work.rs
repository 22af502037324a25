//! The jobs that speak with the provider. Each may run twice, on two machines, or after a crash in the
//! middle: what they ask for is named by the payment, so that a repetition is none.

use std::time::Duration;

use domain::id::{PaymentId, ReservationId};
use domain::payment::{Fact, PaymentState};
use domain::reservation::ReservationStatus;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;
use store::payments::{self as stored, NewEvent, Page, Stored};
use store::{Acting, StoreError, Transaction, concerts, reservations as reservation_rows};

use super::tell::{Told, shortened, tell};
use super::{Till, refund};
use crate::jobs::{Attempt, Outcome};
use crate::providers::{Event, News, Order, ProviderError};
use crate::{App, jobs, task};

/// Asks the provider for its page.
pub const OPEN: &str = "payment.open";
/// Asks the provider what became of a payment.
pub const ASK: &str = "payment.ask";
/// Asks the provider what became of money that goes back, of which there may be thousands for days.
pub const ASK_REFUND: &str = "payment.ask_refund";
/// Sends a payment's money back.
pub const REFUND: &str = "payment.refund";

const ACTING: Acting = Acting::new(domain::actor::Actor::Job("payments"));

/// The first pause between two questions, and the longest: what a bank takes days for is asked for
/// every hour.
const ASK_PAUSE_MIN: SignedDuration = SignedDuration::from_mins(2);
const ASK_PAUSE_MAX: SignedDuration = SignedDuration::from_hours(1);
/// Time for the question, and for the answer to become a confirmation.
const ASKED_BEFORE_END: SignedDuration = SignedDuration::from_secs(15);
/// Payments of each kind that one look enqueues.
const DUE_MAX: i64 = 50;

/// Which payment a job is about.
#[derive(Clone, Debug, Deserialize)]
pub struct Named {
    payment: String,
}

impl Named {
    fn id(&self) -> Result<PaymentId, Outcome> {
        let no_id = |_| Outcome::GiveUp("the payload names no payment".to_owned());
        self.payment.parse().map_err(no_id)
    }
}

/// Gets the provider's page for a payment that is still wanted.
pub async fn open(app: App, attempt: Attempt<Named>) -> Outcome {
    ended(open_in(&app, &attempt.payload).await)
}

async fn open_in(app: &App, named: &Named) -> Result<Outcome, Trouble> {
    let id = named.id()?;
    let Some((payment, order)) = find_order(app, &id).await? else {
        return Ok(Outcome::Done);
    };
    if payment.page.is_some() {
        return Ok(Outcome::Done);
    }
    let till = till_of(app, &payment)?;
    let opened = match till.provider.open(&order).await {
        Ok(opened) => opened,
        // The buyer is told that it failed and may try again; waiting would only waste the hold.
        Err(ProviderError::Refused(why)) => {
            let event = Event::failed(&id, "refused");
            tell(app, event).await?;
            return Ok(Outcome::GiveUp(why));
        }
        Err(error) => return Err(error.into()),
    };
    let page = Page {
        reference: opened.reference,
        url: opened.url,
    };
    let transaction = task::begin(app, &ACTING).await?;
    let written = stored::update_opened(&transaction, &id, &page, app.ctx().now()).await;
    task::end(transaction, written).await?;
    Ok(Outcome::Done)
}

/// The payment with what the provider is told about it; `None` when it is decided or can't be paid any
/// more.
async fn find_order(app: &App, id: &PaymentId) -> Result<Option<(Stored, Order)>, Trouble> {
    let transaction = Transaction::begin_reading(app.writer(), &ACTING).await?;
    let found = find_order_in(app, &transaction, id).await;
    transaction.rollback().await;
    found
}

async fn find_order_in(
    app: &App,
    transaction: &Transaction,
    id: &PaymentId,
) -> Result<Option<(Stored, Order)>, Trouble> {
    let till = app.till().ok_or_else(no_provider)?;
    let Some(payment) = stored::find(transaction, id).await? else {
        return Ok(None);
    };
    let reservation_id = &payment.payment.reservation_id;
    let reservation = reservation_rows::find_in(transaction, reservation_id).await?;
    let now = app.ctx().now();
    let Some(reservation) = reservation.filter(|held| {
        payment.payment.state == PaymentState::Pending
            && held.status_at(now) == ReservationStatus::Pending
    }) else {
        return Ok(None);
    };
    let concert = concerts::find(transaction, reservation.concert_id).await?;
    let name = concert.map_or_else(String::new, |concert| {
        format!("{} – {}", concert.artist, concert.name)
    });
    let language = payment.language;
    let page = format!("{}/{language}/r/{reservation_id}", till.base_url);
    let order = Order {
        payment: id.clone(),
        reservation: reservation_id.clone(),
        amount: payment.payment.amount,
        currency: payment.payment.currency,
        title: format!("{} × {name}", reservation.quantity),
        customer_email: reservation.customer_email.clone(),
        language,
        return_url: format!("{page}/paid"),
        cancel_url: page,
        held_until: reservation.expires_at.unwrap_or(now),
    };
    Ok(Some((payment, order)))
}

/// Asks what became of a payment that nobody has decided, or of money that was sent back.
pub async fn ask(app: App, attempt: Attempt<Named>) -> Outcome {
    ended(ask_in(&app, &attempt.payload).await)
}

async fn ask_in(app: &App, named: &Named) -> Result<Outcome, Trouble> {
    let id = named.id()?;
    let Some((payment, held_until)) = find_with_hold(app, &id).await? else {
        return Ok(Outcome::Done);
    };
    let now = app.ctx().now();
    let event = match ask_provider(app, &payment, held_until.is_some()).await {
        Ok(event) => event,
        // Perhaps a key that somebody is about to mend: asked again as seldom as everything else.
        Err(Trouble::Ended(outcome)) => {
            ask_again(app, &payment, (now, held_until)).await?;
            return Err(Trouble::Ended(outcome));
        }
        Err(trouble) => return Err(trouble),
    };
    if let Some(event) = event {
        tell(app, event).await?;
        return stop_asking(app, &id).await;
    }
    match payment.payment.state {
        PaymentState::Pending => ask_again(app, &payment, (now, held_until)).await?,
        // The job that sends it may have been given up; it looks before it sends.
        PaymentState::Refunding => {
            ask_again(app, &payment, (now, None)).await?;
            refund::send_again(app, &id).await?;
        }
        _ => return stop_asking(app, &id).await,
    }
    Ok(Outcome::Done)
}

/// The payment, and until when its reservation is held; `None` there when it isn't any more.
async fn find_with_hold(
    app: &App,
    id: &PaymentId,
) -> Result<Option<(Stored, Option<Timestamp>)>, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), &ACTING).await?;
    let payment = stored::find(&transaction, id).await;
    let reservation = match &payment {
        Ok(Some(payment)) => {
            let id = &payment.payment.reservation_id;
            reservation_rows::find_in(&transaction, id).await
        }
        _ => Ok(None),
    };
    transaction.rollback().await;
    let now = app.ctx().now();
    let held = reservation?.filter(|held| held.status_at(now) == ReservationStatus::Pending);
    let held_until = held.map(|held| held.expires_at.unwrap_or(Timestamp::MAX));
    Ok(payment?.map(|payment| (payment, held_until)))
}

async fn ask_provider(
    app: &App,
    payment: &Stored,
    is_held: bool,
) -> Result<Option<Event>, Trouble> {
    let till = till_of(app, payment)?;
    let (id, provider) = (&payment.payment.id, &till.provider);
    let amount = (payment.payment.amount, payment.payment.currency);
    Ok(
        match (payment.payment.state, &payment.page, &payment.money) {
            (PaymentState::Pending, Some(page), _) => {
                let reference = page.reference.as_str();
                if !is_held {
                    provider.close(reference).await?;
                }
                provider.ask(id, reference).await?
            }
            // The provider never heard of it.
            (PaymentState::Pending, None, _) if !is_held => Some(Event::failed(id, "unopened")),
            (state, _, Some(money)) if state.was_paid() => {
                provider.ask_refund(id, money, amount).await?
            }
            _ => None,
        },
    )
}

/// The longer it has been undecided, the longer until the next question.
async fn ask_again(
    app: &App,
    payment: &Stored,
    (now, held_until): (Timestamp, Option<Timestamp>),
) -> Result<(), StoreError> {
    let age = now.duration_since(payment.payment.created_at);
    let pause = age.clamp(ASK_PAUSE_MIN, ASK_PAUSE_MAX);
    let at = next_asked_at(now, pause, held_until);
    let transaction = task::begin(app, &ACTING).await?;
    let written = stored::update_ask_at(&transaction, &payment.payment.id, Some(at), now).await;
    task::end(transaction, written).await
}

/// After that pause. Before a hold's end once more, so that whoever has paid keeps the tickets; and at
/// its end, for then the page must be closed.
pub(super) fn next_asked_at(
    now: Timestamp,
    pause: SignedDuration,
    held_until: Option<Timestamp>,
) -> Timestamp {
    let next = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
    let Some(end) = held_until else {
        return next;
    };
    let last = end.saturating_sub(ASKED_BEFORE_END).unwrap_or(end);
    next.min(if now < last { last } else { end })
}

/// Once there is nothing undecided. What was decided meanwhile and is open again keeps its time.
async fn stop_asking(app: &App, id: &PaymentId) -> Result<Outcome, Trouble> {
    let now = app.ctx().now();
    let transaction = task::begin(app, &ACTING).await?;
    let written = stop_asking_in(&transaction, id, now).await;
    task::end(transaction, written).await?;
    Ok(Outcome::Done)
}

async fn stop_asking_in(
    transaction: &Transaction,
    id: &PaymentId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(payment) = stored::lock(transaction, id).await? else {
        return Ok(());
    };
    let is_open = match payment.payment.state {
        PaymentState::Pending => true,
        // What couldn't go back is for people.
        PaymentState::Refunding => payment.refund_error.is_none(),
        PaymentState::Completed | PaymentState::Failed | PaymentState::Refunded => false,
    };
    if is_open {
        return Ok(());
    }
    stored::update_ask_at(transaction, id, None, now).await
}

/// Has the provider asked at once about what is undecided of a reservation that isn't held any more: its
/// page must take no more money. The reservation's row is locked.
pub(crate) async fn close_pages(
    transaction: &Transaction,
    reservation: &ReservationId,
    now: Timestamp,
) -> Result<(), StoreError> {
    for attempt in stored::list(transaction, reservation).await? {
        if attempt.payment.state != PaymentState::Pending {
            continue;
        }
        let names = json!({ "payment": attempt.payment.id.as_str() });
        // Without a key: a question that is under way may have been put before this.
        jobs::enqueue(transaction, &jobs::new(ASK, &names, now)).await?;
    }
    Ok(())
}

/// The till, where it is the one that took the payment.
fn till_of<'a>(app: &'a App, payment: &Stored) -> Result<&'a Till, Trouble> {
    let till = app.till().ok_or_else(no_provider)?;
    if till.provider.name() == payment.provider {
        return Ok(till);
    }
    let why = format!("another provider took it: {}", payment.provider);
    Err(Trouble::Ended(Outcome::GiveUp(why)))
}

/// Sends a payment's money back.
pub async fn refund_at_provider(app: App, attempt: Attempt<Named>) -> Outcome {
    ended(refund_in(&app, &attempt.payload).await)
}

async fn refund_in(app: &App, named: &Named) -> Result<Outcome, Trouble> {
    let id = named.id()?;
    // Behind the lock: whoever settles it by hand meanwhile has done so, or sees that this job runs.
    let transaction = task::begin(app, &ACTING).await?;
    let found = stored::lock(&transaction, &id).await;
    let found = task::end(transaction, found).await?;
    let Some(payment) = found.filter(|one| one.payment.state == PaymentState::Refunding) else {
        return Ok(Outcome::Done);
    };
    let till = match till_of(app, &payment) {
        Ok(till) => till,
        Err(Trouble::Ended(Outcome::GiveUp(why))) => return refuse(app, &payment, &why).await,
        Err(trouble) => return Err(trouble),
    };
    let Some(money) = &payment.money else {
        return refuse(app, &payment, "the provider never named the money").await;
    };
    let amount = (payment.payment.amount, payment.payment.currency);
    match till.provider.refund(&id, money, amount).await {
        Ok(Some(event)) => {
            let told = tell(app, event.clone()).await?;
            if told == Told::Known && has_failed(&event) {
                note_try(app, &payment, event.words.as_deref()).await?;
            }
        }
        // On its way: it is asked about later.
        Ok(None) => {}
        Err(ProviderError::Refused(why)) => return refuse(app, &payment, &why).await,
        Err(error) => return Err(error.into()),
    }
    Ok(Outcome::Done)
}

fn has_failed(event: &Event) -> bool {
    let News::Told { fact, .. } = event.news else {
        return false;
    };
    fact == Fact::RefundFailed
}

/// What the provider told before it told once more: that it was asked again is part of the story.
async fn note_try(app: &App, payment: &Stored, words: Option<&str>) -> Result<(), StoreError> {
    let transaction = task::begin(app, &ACTING).await?;
    let of = (payment, "refund_failed", "nothing");
    let noted = insert_try(app, &transaction, of, words).await;
    task::end(transaction, noted).await
}

/// A try has no name of the provider's.
async fn insert_try(
    app: &App,
    transaction: &Transaction,
    (payment, news, consequence): (&Stored, &'static str, &'static str),
    words: Option<&str>,
) -> Result<(), StoreError> {
    let id = &payment.payment.id;
    let words = words.map(shortened);
    let event = NewEvent {
        provider: &payment.provider,
        id: &format!("tried-{id}-{:016x}", app.ctx().random_u64()),
        payment: Some(id),
        news,
        consequence,
        words: words.as_deref(),
        now: app.ctx().now(),
    };
    stored::insert_event(transaction, &event).await.map(drop)
}

/// A refund that will never work by itself: somebody must see it.
async fn refuse(app: &App, payment: &Stored, why: &str) -> Result<Outcome, Trouble> {
    let transaction = task::begin(app, &ACTING).await?;
    let written = refuse_in(app, &transaction, &payment.payment.id, why).await;
    task::end(transaction, written).await?;
    Ok(Outcome::GiveUp(why.to_owned()))
}

/// Unless the provider has told meanwhile that the money is back.
async fn refuse_in(
    app: &App,
    transaction: &Transaction,
    id: &PaymentId,
    why: &str,
) -> Result<(), StoreError> {
    let Some(payment) = stored::lock(transaction, id).await? else {
        return Ok(());
    };
    let is_open = payment.payment.state == PaymentState::Refunding;
    let consequence = if is_open { "reported" } else { "nothing" };
    let of = (&payment, "refund_refused", consequence);
    insert_try(app, transaction, of, Some(why)).await?;
    if !is_open {
        return Ok(());
    }
    refund::report(transaction, &payment, why, app.ctx().now()).await
}

/// Enqueues a question for each payment that is due for one, and says how long to rest.
pub async fn list_due(app: &App) -> Result<Duration, StoreError> {
    /// A hold's page is closed within this of its end.
    const REST: Duration = Duration::from_secs(5);
    if app.till().is_none() {
        return Ok(Duration::from_hours(1));
    }
    let now = app.ctx().now();
    let transaction = task::begin(app, &ACTING).await?;
    let enqueued = enqueue_due(&transaction, now).await;
    task::end(transaction, enqueued).await?;
    jobs::wake(app);
    Ok(REST)
}

/// Each kind for itself: whoever has paid doesn't wait behind what thousands get back.
async fn enqueue_due(transaction: &Transaction, now: Timestamp) -> Result<(), StoreError> {
    let pending = stored::list_due(transaction, now, DUE_MAX).await?;
    let refunding = stored::list_due_refunds(transaction, REFUND, now, DUE_MAX).await?;
    for (task, due) in [(ASK, pending), (ASK_REFUND, refunding)] {
        for id in &due {
            let names = json!({ "payment": id.as_str() });
            let job = jobs::NewJob {
                dedup_key: Some(id.as_str()),
                ..jobs::new(task, &names, now)
            };
            jobs::enqueue(transaction, &job).await?;
            // Not again before the job had its time.
            let later = now + ASK_PAUSE_MIN;
            stored::update_ask_at(transaction, id, Some(later), now).await?;
        }
    }
    Ok(())
}

/// What kept a job from its end.
#[derive(Debug)]
enum Trouble {
    /// It may be over the next time.
    Passing(String),
    Ended(Outcome),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Passing(error.to_string())
    }
}

impl From<ProviderError> for Trouble {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Unavailable(_) => Self::Passing(error.to_string()),
            ProviderError::Refused(_) => Self::Ended(Outcome::GiveUp(error.to_string())),
        }
    }
}

impl From<Outcome> for Trouble {
    fn from(outcome: Outcome) -> Self {
        Self::Ended(outcome)
    }
}

fn no_provider() -> Trouble {
    Trouble::Passing("this process takes no money".to_owned())
}

fn ended(outcome: Result<Outcome, Trouble>) -> Outcome {
    match outcome {
        Ok(outcome) | Err(Trouble::Ended(outcome)) => outcome,
        Err(Trouble::Passing(why)) => Outcome::Retry(why),
    }
}
