//! Paying for a reservation: beginning it, and acting on whatever the provider tells.
//!
//! ```text
//! begin ──job──> provider opens its page ──> the buyer pays there
//!                                                  │ webhook, or we ask (settle)
//! mail, tickets <──job── confirmed or given back <─┘ tell: each event once
//! ```
//!
//! Absent on purpose: what an event means (`domain::payment`), and calls to the provider, which are
//! the jobs' in [`work`].

mod begin;
mod refund;
mod settle;
mod tell;
mod work;

use std::sync::Arc;

use domain::id::ReservationId;
use store::payments::Stored;
use store::{Acting, StoreError, Transaction};

use crate::App;
use crate::access::Holder;
use crate::providers::Provider;
use crate::providers::sandbox::Sandbox;

pub(crate) use begin::insert_by_hand;
pub use begin::{Begin, BeginError, begin};
pub(crate) use refund::{ByHand, give_back_all, refund_in};
pub use refund::{RefundError, refund};
pub use settle::{Case, SettleError, ask_again, find_case, settle};
pub use tell::{DeliverError, Told, deliver, tell};
pub(crate) use work::close_pages;
pub use work::{ASK, ASK_REFUND, OPEN, REFUND, ask, list_due, open, refund_at_provider};

/// The provider of what is paid to staff, and paid back by them.
pub const MANUAL: &str = "manual";

/// How many refunds stand open until somebody helps.
pub async fn count_stuck(app: &App) -> Result<i64, StoreError> {
    let acting = Acting::system("payments");
    let transaction = Transaction::begin_reading(app.writer(), &acting).await?;
    let counted = store::payments::count_stuck(&transaction).await;
    transaction.rollback().await;
    counted
}

/// Up to `limit` of them, for staff who may send money back; whoever waits longest first.
pub async fn list_stuck(app: &App, limit: i64, by: &Acting) -> Result<Vec<Stored>, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let listed = store::payments::list_stuck(&transaction, limit).await;
    transaction.rollback().await;
    listed
}

/// How the product takes money.
#[derive(Clone, Debug)]
pub struct Till {
    pub provider: Arc<dyn Provider>,
    /// The same where it is the make-believe one, for its pay page.
    pub sandbox: Option<Arc<Sandbox>>,
    /// Where the shop is for buyers, without a slash at its end.
    pub base_url: String,
}

/// All attempts to pay for a reservation, the newest first, for whoever may see them.
pub async fn list(app: &App, id: &ReservationId, by: &Acting) -> Result<Vec<Stored>, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let found = store::payments::list(&transaction, id).await;
    transaction.rollback().await;
    found
}

/// The same for whoever holds the reservation's token.
pub async fn list_own(app: &App, holder: &Holder) -> Result<Vec<Stored>, StoreError> {
    list(app, holder.reservation_id(), &holder.acting()).await
}
