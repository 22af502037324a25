//! Signing in at a provider (OpenID Connect, authorization code flow with PKCE): Google, or any issuer
//! that tells about itself by discovery.
//!
//! What counts is the address that the provider says it has verified; issuer and subject tell that it is
//! the same person as before. Talking to the provider is `provider`'s.

mod exchange;
mod provider;

use domain::customer::{PROVIDER_LIFETIME, ReturnPath};
use domain::language::Language;
use domain::text::CustomerName;
use store::customer_sign_ins::{self as stored, Pending};
use store::{StoreError, customers};

use super::{Begun, begin_session, digest, new_token, signing_in};
use crate::access::Origin;
use crate::{App, task};

pub use provider::{Oidc, OidcSettings, SettingsError};
use provider::{Person, Trouble};

/// Somebody wants to sign in at the provider.
#[derive(Clone, Debug)]
pub struct Start {
    pub language: Language,
    pub return_to: ReturnPath,
    pub origin: Origin,
}

/// The way there.
#[derive(Clone)]
pub struct Started {
    /// The provider's page.
    pub location: String,
    /// What the browser keeps, so that no other one can end what it began.
    pub browser: String,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Started(…)")
    }
}

/// Why nobody is signed in. What is in `Refused` and `Away` is for the log.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    #[error("there is no provider")]
    NotConfigured,
    #[error("no such sign-in was begun in this browser lately")]
    Unknown,
    #[error("it was cancelled at the provider")]
    Cancelled,
    #[error("the provider's answer is refused: {0}")]
    Refused(String),
    #[error("the provider hasn't verified the e-mail address")]
    Unverified,
    #[error("the provider doesn't answer: {0}")]
    Away(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The same, with what is known of whom it happened to.
#[derive(Debug)]
pub struct Failed {
    pub error: OidcError,
    /// In which language, and for which page, where this browser had begun.
    pub began: Option<(Language, ReturnPath)>,
}

/// Remembers that this browser wants to sign in, and says where that is done.
pub async fn begin_oidc(app: &App, start: Start) -> Result<Started, OidcError> {
    let oidc = app.oidc().ok_or(OidcError::NotConfigured)?;
    let (state, state_digest) = new_token(app);
    let (browser, browser_digest) = new_token(app);
    let (nonce, _) = new_token(app);
    let (verifier, _) = new_token(app);
    let now = app.ctx().now();
    let ask = provider::Ask {
        state,
        nonce: nonce.clone(),
        verifier: verifier.clone(),
        language: start.language,
    };
    let location = oidc.location(ask).await?;
    let pending = Pending {
        nonce,
        pkce_verifier: verifier,
        return_to: start.return_to,
        language: start.language,
    };
    let transaction = task::begin(app, &signing_in(start.origin)).await?;
    let times = (now, now + PROVIDER_LIFETIME);
    let digests = (&state_digest, &browser_digest);
    let kept = stored::insert(&transaction, digests, &pending, times).await;
    task::end(transaction, kept).await?;
    Ok(Started { location, browser })
}

/// What the browser brings back from the provider.
#[derive(Clone, Default)]
pub struct Answer {
    pub code: Option<String>,
    pub state: Option<String>,
    pub error: Option<String>,
    /// Who answers (RFC 9207).
    pub issuer: Option<String>,
    /// What the browser kept.
    pub browser: Option<String>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer(…)")
    }
}

/// Signs in by the provider's answer. `before`: the token of the session that the browser had.
pub async fn finish_oidc(
    app: &App,
    answer: Answer,
    before: Option<String>,
    origin: Origin,
) -> Result<Begun, Failed> {
    let app = app.clone();
    task::uninterrupted(async move {
        let pending = take(&app, &answer, origin)
            .await
            .map_err(|error| Failed { error, began: None })?;
        let began = (pending.language, pending.return_to.clone());
        finish(&app, answer, pending, (before, origin))
            .await
            .map_err(|error| Failed {
                error,
                began: Some(began),
            })
    })
    .await
}

/// What this browser began; each counts once, whatever comes of it.
async fn take(app: &App, answer: &Answer, origin: Origin) -> Result<Pending, OidcError> {
    if app.oidc().is_none() {
        return Err(OidcError::NotConfigured);
    }
    let of = |token: &Option<String>| token.as_deref().and_then(digest);
    let digests = of(&answer.state).zip(of(&answer.browser));
    let (state, browser) = digests.ok_or(OidcError::Unknown)?;
    let now = app.ctx().now();
    let transaction = task::begin(app, &signing_in(origin)).await?;
    let taken = stored::take(&transaction, (&state, &browser), now).await;
    task::end(transaction, taken)
        .await?
        .ok_or(OidcError::Unknown)
}

async fn finish(
    app: &App,
    answer: Answer,
    pending: Pending,
    (before, origin): (Option<String>, Origin),
) -> Result<Begun, OidcError> {
    let oidc = app.oidc().ok_or(OidcError::NotConfigured)?;
    if answer.issuer.is_some_and(|issuer| issuer != oidc.issuer()) {
        return Err(OidcError::Refused("another issuer answers".to_owned()));
    }
    match answer.error.as_deref() {
        Some("access_denied") => return Err(OidcError::Cancelled),
        Some(error) => return Err(OidcError::Refused(word(error))),
        None => {}
    }
    let no_code = || OidcError::Refused("no code".to_owned());
    let code = answer.code.ok_or_else(no_code)?;
    let return_to = pending.return_to.clone();
    let person = oidc.identify(code, pending).await?;
    let transaction = task::begin(app, &signing_in(origin)).await?;
    let begun = begin_as(app, &transaction, oidc.issuer(), &person, before).await;
    let token = task::end(transaction, begun).await?;
    Ok(Begun { token, return_to })
}

async fn begin_as(
    app: &App,
    transaction: &store::Transaction,
    issuer: &str,
    person: &Person,
    before: Option<String>,
) -> Result<String, StoreError> {
    let now = app.ctx().now();
    let id = customers::upsert(transaction, &person.email, now).await?;
    let identity = (issuer, person.subject.as_str());
    customers::upsert_identity(transaction, id, identity, now).await?;
    let name = person.name.as_deref();
    match name.and_then(|name| CustomerName::parse(name).ok()) {
        Some(name) => customers::update_name(transaction, id, name.as_str(), now).await?,
        None => customers::update_name_from_booking(transaction, id, now).await?,
    }
    begin_session(app, transaction, (id, true), before.as_deref()).await
}

impl From<Trouble> for OidcError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Away(why) => Self::Away(why),
            Trouble::Refused(why) => Self::Refused(why),
            Trouble::Unverified => Self::Unverified,
        }
    }
}

/// A word of the protocol, or nothing: what a browser brings must not carry anything else into a log.
fn word(text: &str) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if text.len() <= 64 && text.bytes().all(is_word) {
        text.to_owned()
    } else {
        "an error".to_owned()
    }
}
