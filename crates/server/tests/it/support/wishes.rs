//! Buyers' wishes, put to the use case itself: a crowd of hundreds in the time of one HTTP request.
//!
//! Absent on purpose: HTTP, which the tests of the API and of the pages go through.

use app::App;
use app::idempotency::{Caller, IdempotencyKey};
use app::reserve::{ReserveError, ReserveRequest, Reserved, reserve};
use domain::id::ConcertId;
use domain::language::Language;
use domain::reservation::Quantity;
use domain::text::{CustomerName, EmailAddress};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_postgres::Client as Postgres;
use uuid::Uuid;

use super::wait::{LIMIT, eventually, within_limit};
use super::{TestApp, TestDatabase};

pub(crate) type Outcome = Result<Reserved, ReserveError>;

/// What somebody wants; `buyer` is the name and the beginning of the e-mail address.
pub(crate) fn wish(concert: i32, quantity: i32, buyer: &str) -> ReserveRequest {
    let email = format!("{buyer}@example.com");
    ReserveRequest {
        concert_id: ConcertId::new(concert).expect("an id"),
        quantity: Quantity::new(quantity).expect("a quantity"),
        customer_name: CustomerName::parse(buyer).expect("a name"),
        customer_email: EmailAddress::parse(&email).expect("an address"),
        caller: Caller::Anonymous,
        language: Language::default(),
        key: None,
        client_ip: None,
        request_id: Uuid::nil(),
    }
}

/// The same with an `Idempotency-Key`.
pub(crate) fn keyed(key: &str, wish: ReserveRequest) -> ReserveRequest {
    ReserveRequest {
        key: Some(IdempotencyKey::parse(key).expect("a key")),
        ..wish
    }
}

/// Puts a wish in a task of its own.
pub(crate) fn put(app: &App, wish: ReserveRequest) -> JoinHandle<Outcome> {
    let app = app.clone();
    tokio::spawn(async move { reserve(&app, wish).await })
}

/// A wish that waits in its lane's queue; those that are queued one after the other wait in this
/// order. It must not be one that is answered at once.
pub(crate) fn queue(app: &App, wish: ReserveRequest) -> BoxFuture<'static, Outcome> {
    let app = app.clone();
    let mut waiting = async move { reserve(&app, wish).await }.boxed();
    let answered = (&mut waiting).now_or_never();
    assert!(answered.is_none(), "answered at once: {answered:?}");
    waiting
}

/// The answers to all, in their order.
pub(crate) async fn answers(
    waiting: impl IntoIterator<Item = BoxFuture<'static, Outcome>>,
) -> Vec<Outcome> {
    within_limit("all answers", futures_util::future::join_all(waiting)).await
}

/// A concert's row in somebody else's hands.
pub(crate) struct RowLock(Postgres);

impl RowLock {
    pub(crate) async fn take(database: &TestDatabase, concert: i32) -> Self {
        let somebody = database.superuser().await;
        let lock = format!("BEGIN; SELECT 1 FROM concerts WHERE id = {concert} FOR UPDATE");
        somebody.batch_execute(&lock).await.expect("the row");
        Self(somebody)
    }

    pub(crate) async fn release(self) {
        self.0.batch_execute("ROLLBACK").await.expect("an end");
    }
}

/// Has a lane wait for the row that somebody else holds, so that what comes next gathers behind;
/// the answer to the request that it waits with.
pub(crate) async fn occupy(app: &TestApp, concert: i32) -> JoinHandle<Outcome> {
    let first = put(&app.app, wish(concert, 1, "first-of-all"));
    lane_waits(app).await;
    first
}

/// Returns once a lane waits for a lock that somebody else holds.
pub(crate) async fn lane_waits(app: &TestApp) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("a lane waits for a lock", LIMIT, async || {
        app.count(waiting).await == 1
    })
    .await;
}
