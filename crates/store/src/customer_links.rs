//! Links by mail that sign somebody in once, found by the digest of their token.

use domain::customer::ReturnPath;
use domain::id::MailId;
use domain::text::EmailAddress;
use jiff::Timestamp;

use crate::connection::Connection;
use crate::customers::{read_email, unreadable};
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::customer_links as statements;
use crate::sign_in_failures::Digest;
use crate::time::{from_column, to_column};

/// A link, and where it leads whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub token_digest: Digest,
    pub email: EmailAddress,
    pub return_to: ReturnPath,
    pub expires_at: Timestamp,
}

/// Makes whoever else asks for a link to this address wait until the transaction ends.
pub async fn lock_email(connection: &Connection, email: &EmailAddress) -> Result<(), StoreError> {
    statements::lock_email()
        .bind(connection, &email.as_str())
        .one()
        .await?;
    Ok(())
}

/// How many an address got after `since`.
pub async fn count_since(
    connection: &Connection,
    email: &EmailAddress,
    since: Timestamp,
) -> Result<i64, StoreError> {
    Ok(statements::count_since()
        .bind(connection, &email.as_str(), &to_column(since))
        .one()
        .await?)
}

/// Writes the link that a mail brings.
pub async fn insert(
    connection: &Connection,
    mail: &MailId,
    link: &Link,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::insert()
        .bind(
            connection,
            &mail.as_str(),
            &link.token_digest.as_slice(),
            &link.email.as_str(),
            &link.return_to.as_str(),
            &to_column(now),
            &to_column(link.expires_at),
        )
        .await?;
    expect_rows("customer_links.insert", changed, 1)
}

/// The link that a mail brings.
pub async fn find_by_mail(
    connection: &Connection,
    mail: &MailId,
) -> Result<Option<Link>, StoreError> {
    let found = statements::find_by_mail()
        .bind(connection, &mail.as_str())
        .opt()
        .await?;
    found.as_ref().map(read).transpose()
}

/// One that can still be used.
pub async fn find(
    connection: &Connection,
    token_digest: &Digest,
    now: Timestamp,
) -> Result<Option<Link>, StoreError> {
    let found = statements::find()
        .bind(connection, &token_digest.as_slice(), &to_column(now))
        .opt()
        .await?;
    found.as_ref().map(read).transpose()
}

/// Uses one up, if it still can be.
pub async fn take(
    connection: &Connection,
    token_digest: &Digest,
    now: Timestamp,
) -> Result<Option<Link>, StoreError> {
    let taken = statements::take()
        .bind(connection, &to_column(now), &token_digest.as_slice())
        .opt()
        .await?;
    taken.as_ref().map(read).transpose()
}

/// Deletes up to `limit` that were made before; returns how many.
pub async fn delete_old(
    connection: &Connection,
    before: Timestamp,
    limit: i64,
) -> Result<u64, StoreError> {
    Ok(statements::delete_old()
        .bind(connection, &to_column(before), &limit)
        .await?)
}

fn read(row: &statements::Link) -> Result<Link, StoreError> {
    let table = "customer_links";
    Ok(Link {
        token_digest: Digest::try_from(row.token_digest.as_slice())
            .map_err(|_| unreadable(table, "token_digest", "…"))?,
        email: read_email(table, &row.email)?,
        return_to: ReturnPath::parse(&row.return_to)
            .ok_or_else(|| unreadable(table, "return_to", &row.return_to))?,
        expires_at: from_column(row.expires_at),
    })
}
