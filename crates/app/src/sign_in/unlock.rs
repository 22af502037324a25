//! Letting people sign in again at once, whom failures keep waiting.

use std::net::IpAddr;

use domain::text::Username;
use serde_json::json;
use store::{Acting, StoreError, Transaction, admin_users, audit_logs, sign_in_failures};

use super::attempts;
use crate::{App, task};

/// Whose failures are forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locked {
    /// Of a name, whether there is such an account or not: everywhere, and where its owner signed in
    /// lately. Those of addresses stay.
    Username(Username),
    /// Of an address, or of the network of 64 bits that an IPv6 address is in.
    Address(IpAddr),
    All,
}

/// Forgets failures, which the audit log tells; returns how many counters there were.
pub async fn unlock(app: &App, whose: Locked, by: Acting) -> Result<u64, StoreError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = task::begin(&app, &by).await?;
        let forgotten = forget(&app, &transaction, whose).await;
        task::end(transaction, forgotten).await
    })
    .await
}

async fn forget(app: &App, transaction: &Transaction, whose: Locked) -> Result<u64, StoreError> {
    let (mut asked, forgotten) = match whose {
        Locked::Username(username) => {
            let member = admin_users::find_by_username(transaction, &username).await?;
            let of = (member.map(|member| member.id), app.ctx().now());
            let forgotten = attempts::forget(transaction, username.as_str(), of).await?;
            (json!({ "username": username.as_str() }), forgotten)
        }
        Locked::Address(address) => {
            let subject = attempts::address_digest(Some(address));
            let forgotten = sign_in_failures::delete(transaction, &[subject]).await?;
            (json!({ "address": address.to_string() }), forgotten)
        }
        Locked::All => {
            let forgotten = sign_in_failures::delete_all(transaction).await?;
            (json!({ "all": true }), forgotten)
        }
    };
    asked["forgotten"] = json!(forgotten);
    audit_logs::log_unlock(transaction, &asked.to_string()).await?;
    Ok(forgotten)
}
