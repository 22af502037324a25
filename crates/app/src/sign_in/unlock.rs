//! Letting people sign in again at once, whom failures keep waiting.

use std::net::IpAddr;

use domain::text::Username;
use store::{Acting, StoreError, admin_users, sign_in_failures};

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

/// Forgets failures; returns how many counters there were.
pub async fn unlock(app: &App, whose: Locked, by: Acting) -> Result<u64, StoreError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = task::begin(&app, &by).await?;
        let forgotten = match whose {
            Locked::Username(username) => {
                let member = admin_users::find_by_username(&transaction, &username).await?;
                let whose = (member.map(|member| member.id), app.ctx().now());
                attempts::forget(&transaction, username.as_str(), whose).await
            }
            Locked::Address(address) => {
                let subject = attempts::address_digest(Some(address));
                sign_in_failures::delete(&transaction, &[subject]).await
            }
            Locked::All => sign_in_failures::delete_all(&transaction).await,
        };
        task::end(transaction, forgotten).await
    })
    .await
}
