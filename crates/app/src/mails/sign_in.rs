//! The mail with a link that signs its reader in. It is about no reservation, and of no use once its
//! link is over.

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
    let Some(invitation) = find(app, post, mail, true).await? else {
        let over = "its link is over";
        end(app, &mail.id, Ended::Dead(over)).await?;
        return Ok(Outcome::GiveUp(over.to_owned()));
    };
    let Some(carrier) = post.carrier.as_deref() else {
        end(app, &mail.id, Ended::Kept).await?;
        return Ok(Outcome::Done);
    };
    let letter = post.words.invite(&invitation);
    // Nobody has told a name that could be trusted.
    carry(app, carrier, (mail, String::new(), letter), is_last).await
}

/// What it tells; `None` where its link is forgotten, or over and `must_work`.
pub(super) async fn find(
    app: &App,
    post: &Post,
    mail: &Mail,
    must_work: bool,
) -> Result<Option<Invitation>, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), &ACTING).await?;
    let found = customers::find_invitation(app, &transaction, mail).await;
    transaction.rollback().await;
    let now = app.ctx().now();
    let found = found?.filter(|found| !must_work || now < found.link.expires_at);
    Ok(found.map(|found| Invitation {
        language: mail.language,
        link: format!("{}/{}/sign-in/{}", post.base_url, mail.language, found.token),
    }))
}
