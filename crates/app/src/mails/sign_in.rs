//! The mail with a link that signs its reader in. It is about no reservation, and of no use once its
//! link is over.

use jiff::Timestamp;
use store::mails::{Ended, Mail};
use store::{StoreError, Transaction};

use super::send::{ACTING, carry, end};
use super::{Invitation, Post};
use crate::jobs::Outcome;
use crate::{App, customers};

/// Sends it while its link can still be used.
pub(super) async fn send(
    app: &App,
    post: &Post,
    mail: &Mail,
    is_last: bool,
) -> Result<Outcome, StoreError> {
    let Some(carrier) = post.carrier.as_deref() else {
        end(app, &mail.id, Ended::Kept).await?;
        return Ok(Outcome::Done);
    };
    let invitation = match find(app, post, mail).await? {
        Found::Invitation(invitation, expires_at) if app.ctx().now() < expires_at => invitation,
        // Another process may have it, as while a key is changed.
        Found::OtherKey(expires_at) if app.ctx().now() < expires_at => {
            return Ok(Outcome::Retry("its link has another key".to_owned()));
        }
        Found::Invitation(..) | Found::OtherKey(_) | Found::Nothing => {
            let over = "its link is over";
            end(app, &mail.id, Ended::Dead(over)).await?;
            return Ok(Outcome::GiveUp(over.to_owned()));
        }
    };
    let letter = post.words.invite(&invitation);
    // Nobody has told a name that could be trusted.
    carry(app, carrier, (mail, String::new(), letter), is_last).await
}

/// The mail's link, as the database has it.
enum Found {
    Invitation(Invitation, Timestamp),
    /// It was made with a key that this process doesn't have.
    OtherKey(Timestamp),
    /// It is forgotten.
    Nothing,
}

/// What it tells, whether its link can still be used or not, to be looked at.
pub(super) async fn show(
    app: &App,
    post: &Post,
    mail: &Mail,
) -> Result<Option<Invitation>, StoreError> {
    Ok(match find(app, post, mail).await? {
        Found::Invitation(invitation, _) => Some(invitation),
        Found::OtherKey(_) | Found::Nothing => None,
    })
}

async fn find(app: &App, post: &Post, mail: &Mail) -> Result<Found, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), &ACTING).await?;
    let found = customers::find_invitation(app, &transaction, &mail.id).await;
    transaction.rollback().await;
    let Some(found) = found? else {
        return Ok(Found::Nothing);
    };
    let Some(token) = found.token else {
        return Ok(Found::OtherKey(found.expires_at));
    };
    let (language, base_url) = (mail.language, &post.base_url);
    let link = format!("{base_url}/{language}/sign-in/{token}");
    Ok(Found::Invitation(
        Invitation { language, link },
        found.expires_at,
    ))
}
