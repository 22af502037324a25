//! The books of the make-believe card network.

use domain::id::PaymentId;
use domain::money::{Currency, Money};
use jiff::Timestamp;

use crate::client::Params as _;
use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::payments as statements;
use crate::money;
use crate::time::{from_column, to_column};

/// What somebody is asked to pay there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub payment: PaymentId,
    pub amount: Money,
    pub currency: Currency,
    pub title: String,
    pub return_url: String,
    pub cancel_url: String,
    /// When the hold ended as the order was made.
    pub held_until: Timestamp,
    /// What was chosen on the pay page.
    pub outcome: Option<String>,
    /// From when on it tells what became of the order.
    pub told_at: Option<Timestamp>,
    pub is_closed: bool,
    pub refunded_at: Option<Timestamp>,
}

/// Writes an order; one of the same payment stays as it is.
pub async fn insert(
    connection: &Connection,
    order: &Order,
    now: Timestamp,
) -> Result<(), StoreError> {
    let parameters = statements::InsertOrderParams {
        payment_id: order.payment.as_str(),
        amount: money::to_column(order.amount),
        currency: order.currency.as_str(),
        title: order.title.as_str(),
        return_url: order.return_url.as_str(),
        cancel_url: order.cancel_url.as_str(),
        held_until: to_column(order.held_until),
        now: to_column(now),
    };
    statements::insert_order()
        .params(connection, &parameters)
        .await?;
    Ok(())
}

pub async fn find(connection: &Connection, id: &PaymentId) -> Result<Option<Order>, StoreError> {
    let found = statements::find_order()
        .bind(connection, &id.as_str())
        .opt()
        .await?;
    let unreadable = |detail: &str| StoreError::Unreadable {
        table: "sandbox_orders",
        detail: detail.to_owned(),
    };
    found
        .map(|row| {
            Ok(Order {
                payment: row
                    .payment_id
                    .parse()
                    .map_err(|_| unreadable("payment_id"))?,
                amount: money::from_column("sandbox_orders", row.amount)?,
                currency: row.currency.parse().map_err(|_| unreadable("currency"))?,
                title: row.title,
                return_url: row.return_url,
                cancel_url: row.cancel_url,
                held_until: from_column(row.held_until),
                outcome: row.outcome,
                told_at: row.told_at.map(from_column),
                is_closed: row.is_closed,
                refunded_at: row.refunded_at.map(from_column),
            })
        })
        .transpose()
}

/// Notes what was chosen; `false` when the order is closed or was paid before.
pub async fn update_outcome(
    connection: &Connection,
    id: &PaymentId,
    outcome: &str,
    told_at: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let told_at = told_at.map(to_column);
    let changed = statements::update_order_outcome()
        .bind(connection, &outcome, &told_at, &id.as_str())
        .await?;
    Ok(changed == 1)
}

/// Takes no more money for it.
pub async fn close(connection: &Connection, id: &PaymentId) -> Result<(), StoreError> {
    let close = statements::close_order();
    close.bind(connection, &id.as_str()).await?;
    Ok(())
}

pub async fn refund(
    connection: &Connection,
    id: &PaymentId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let refund = statements::refund_order();
    refund
        .bind(connection, &to_column(now), &id.as_str())
        .await?;
    Ok(())
}
