//! The bridge between `DECIMAL(10,2)` columns and exact money.

use domain::money::Money;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::error::StoreError;

pub(crate) fn from_column(table: &'static str, amount: Decimal) -> Result<Money, StoreError> {
    (amount * Decimal::ONE_HUNDRED)
        .to_i64()
        .and_then(Money::from_minor)
        .ok_or_else(|| StoreError::Unreadable {
            table,
            detail: format!("amount {amount}"),
        })
}

pub(crate) fn to_column(money: Money) -> Decimal {
    Decimal::new(money.minor(), 2)
}
