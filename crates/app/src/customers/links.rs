//! Links by mail: whoever can read an address's mails may sign in with it, once for each link.
//!
//! Everybody gets the same answer, whether anything was ever booked with the address or not. A link's
//! token is an HMAC of its mail's id, so that the mail can be written when it is sent and no token lies
//! in the database.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::customer::{LINK_LIFETIME, LINKS_COUNTED_FOR, LINKS_MAX, ReturnPath};
use domain::id::MailId;
use domain::language::Language;
use domain::mail::MailKind;
use domain::text::EmailAddress;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use store::customer_links::{self as stored, Link};
use store::{Acting, StoreError, Transaction, customers};

use super::{Begun, begin_session, digest, signing_in};
use crate::access::{AccessKey, Origin};
use crate::{App, jobs, mails, task};

/// Keeps this use of the secret key apart from every other.
const PURPOSE: &[u8] = b"stagedoor sign-in link v1\0";

/// Somebody wants to sign in with an address.
#[derive(Clone, Debug)]
pub struct Wish {
    pub email: EmailAddress,
    pub language: Language,
    pub return_to: ReturnPath,
    pub origin: Origin,
}

/// Sends a link to the address, unless it has had enough of them lately; the answer doesn't tell.
pub async fn ask_for_link(app: &App, wish: Wish) -> Result<(), StoreError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = task::begin(&app, &signing_in(wish.origin)).await?;
        let asked = ask_in(&app, &transaction, wish).await;
        task::end(transaction, asked).await?;
        jobs::wake(&app);
        Ok(())
    })
    .await
}

async fn ask_in(app: &App, transaction: &Transaction, wish: Wish) -> Result<(), StoreError> {
    let now = app.ctx().now();
    stored::lock_email(transaction, &wish.email).await?;
    let since = now - LINKS_COUNTED_FOR;
    if stored::count_since(transaction, &wish.email, since).await? >= LINKS_MAX {
        tracing::info!("an address has had its links for this hour");
        return Ok(());
    }
    let mail = mails::enqueue_to(
        app,
        transaction,
        (MailKind::SignIn, wish.language),
        &wish.email,
    );
    let mail = mail.await?;
    let link = Link {
        token_digest: Sha256::digest(token_bytes(&current_key(app), &mail)).into(),
        email: wish.email,
        return_to: wish.return_to,
        expires_at: now + LINK_LIFETIME,
    };
    stored::insert(transaction, &mail, &link, now).await
}

/// Whose link this is, while it can still be used. Looking doesn't use it up, for programs that check
/// mails follow links.
pub async fn look_at_link(app: &App, token: &str) -> Result<Option<EmailAddress>, StoreError> {
    let Some(token_digest) = digest(token) else {
        return Ok(None);
    };
    let by = Acting::system("sign_in");
    let transaction = Transaction::begin_reading(app.writer(), &by).await?;
    let found = stored::find(&transaction, &token_digest, app.ctx().now()).await;
    transaction.rollback().await;
    Ok(found?.map(|link| link.email))
}

/// Why a link signs nobody in.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("the link was used, is over, or never was")]
    Over,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Signs in by a link. `before`: the token of the session that the browser had.
///
/// INVARIANT: a link signs in once, however many use it at once; guarded by
/// `of_twenty_who_use_one_link_at_once_one_is_signed_in`.
pub async fn use_link(
    app: &App,
    token: &str,
    before: Option<String>,
    origin: Origin,
) -> Result<Begun, LinkError> {
    let token_digest = digest(token).ok_or(LinkError::Over)?;
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = task::begin(&app, &signing_in(origin)).await?;
        let used = async {
            let now = app.ctx().now();
            let link = stored::take(&transaction, &token_digest, now).await?;
            let link = link.ok_or(LinkError::Over)?;
            let id = customers::upsert(&transaction, &link.email, now).await?;
            customers::update_name_from_booking(&transaction, id, now).await?;
            let token = begin_session(&app, &transaction, (id, false), before.as_deref()).await?;
            Ok(Begun {
                token,
                return_to: link.return_to,
            })
        };
        let used = used.await;
        task::end(transaction, used).await
    })
    .await
}

/// What a mail with a link brings.
#[derive(Clone)]
pub(crate) struct Invitation {
    /// `None` where it was made with a key that isn't here.
    pub(crate) token: Option<String>,
    pub(crate) expires_at: Timestamp,
}

/// What a mail brings; `None` where its link is forgotten.
pub(crate) async fn find_invitation(
    app: &App,
    transaction: &Transaction,
    mail: &MailId,
) -> Result<Option<Invitation>, StoreError> {
    let Some(link) = stored::find_by_mail(transaction, mail).await? else {
        return Ok(None);
    };
    let access = app.access_key();
    let keys = std::iter::once(current_key(app)).chain(access.derive_previous(PURPOSE));
    let mut tokens = keys.map(|key| token_bytes(&key, mail));
    let token = tokens.find(|token| <[u8; 32]>::from(Sha256::digest(token)) == link.token_digest);
    Ok(Some(Invitation {
        token: token.map(|token| URL_SAFE_NO_PAD.encode(token)),
        expires_at: link.expires_at,
    }))
}

fn current_key(app: &App) -> [u8; 32] {
    app.access_key().derive(PURPOSE)
}

fn token_bytes(key: &[u8; 32], mail: &MailId) -> [u8; 32] {
    AccessKey::new(key).derive(mail.as_str().as_bytes())
}
