//! A provider of OpenID Connect: what it tells about itself, the way to its page, and who came back.
//!
//! What it tells is kept for an hour, and asked for again when a token is signed with a key that isn't
//! known yet. All checks of a token are the library's: signature, issuer, audience, time and nonce.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::language::Language;
use domain::text::EmailAddress;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreIdTokenClaims, CoreProviderMetadata, CoreTokenResponse,
    CoreUserInfoClaims,
};
use openidconnect::{
    AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, LanguageTag, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError,
    Scope, SignatureVerificationError, TokenResponse as _,
};
use store::customer_sign_ins::Pending;
use tokio::time::Instant;

use super::exchange::{self, Exchange};
use crate::Ctx;

/// Providers change their keys every few days and tell the new ones before.
const KNOWN_FOR: Duration = Duration::from_hours(1);
/// However many tokens with unknown keys come, the provider is asked for keys only so often.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What a provider must be told and asked by.
#[derive(Clone)]
pub struct OidcSettings {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: String,
    /// Where the provider sends browsers back to.
    pub redirect_url: String,
    /// How long it may take to answer all that is asked for one sign-in.
    pub patience: Duration,
}

impl fmt::Debug for OidcSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcSettings")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl OidcSettings {
    /// A request is answered within five seconds, our own work included.
    pub const PATIENCE: Duration = Duration::from_secs(4);
}

/// Why the settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("the issuer is no https address, nor one of this machine")]
    Issuer,
    #[error("the way back is no address")]
    RedirectUrl,
    #[error("this system has no certificates of authorities")]
    NoRoots,
}

/// A provider at which customers sign in.
#[derive(Debug)]
pub struct Oidc {
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: ClientSecret,
    redirect_url: RedirectUrl,
    patience: Duration,
    exchange: Exchange,
    ctx: Ctx,
    known: Mutex<Option<Known>>,
}

/// What the provider told about itself, its keys included.
#[derive(Clone, Debug)]
struct Known {
    metadata: Arc<CoreProviderMetadata>,
    at: Instant,
}

/// What its page is asked with.
pub(super) struct Ask {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    pub(super) language: Language,
}

/// Whom the provider vouches for.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) subject: String,
    /// That the provider has verified.
    pub(super) email: EmailAddress,
    pub(super) name: Option<String>,
}

/// Why there is nobody.
#[derive(Debug)]
pub(super) enum Trouble {
    Away(String),
    Refused(String),
    Unverified,
}

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

impl Oidc {
    /// # Errors
    /// When the settings can't be used. Whether the provider answers is seen when somebody signs in.
    pub fn new(settings: OidcSettings, ctx: Ctx) -> Result<Self, SettingsError> {
        let is_plain = exchange::is_plain(&settings.issuer).ok_or(SettingsError::Issuer)?;
        let issuer = IssuerUrl::new(settings.issuer).map_err(|_| SettingsError::Issuer)?;
        let redirect_url = RedirectUrl::new(settings.redirect_url);
        Ok(Self {
            exchange: Exchange::new(is_plain).ok_or(SettingsError::NoRoots)?,
            issuer,
            client_id: ClientId::new(settings.client_id),
            client_secret: ClientSecret::new(settings.client_secret),
            redirect_url: redirect_url.map_err(|_| SettingsError::RedirectUrl)?,
            patience: settings.patience,
            ctx,
            known: Mutex::new(None),
        })
    }

    /// As the provider names itself.
    pub fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// Whether it is Google, whose name people know.
    pub fn is_google(&self) -> bool {
        self.issuer() == "https://accounts.google.com"
    }

    /// The provider's page for one sign-in.
    pub(super) async fn location(&self, ask: Ask) -> Result<String, Trouble> {
        let known = self.within(self.known(None)).await?;
        let verifier = PkceCodeVerifier::new(ask.verifier);
        let client = self.client(&known);
        let (url, _, _) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(ask.state),
                move || Nonce::new(ask.nonce),
            )
            .add_scope(Scope::new("email".to_owned()))
            .add_scope(Scope::new("profile".to_owned()))
            .add_ui_locale(LanguageTag::new(ask.language.as_str().to_owned()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        if !self.exchange.may_lead_to(url.as_str()) {
            return Err(Trouble::Refused("its page has no https".to_owned()));
        }
        Ok(url.into())
    }

    /// Who came back with this code.
    pub(super) async fn identify(&self, code: String, pending: Pending) -> Result<Person, Trouble> {
        self.within(self.identify_in(code, pending)).await
    }

    async fn identify_in(&self, code: String, pending: Pending) -> Result<Person, Trouble> {
        let known = self.known(None).await?;
        let tokens = self.redeem(&known, code, pending.pkce_verifier).await?;
        let nonce = Nonce::new(pending.nonce);
        let claims = match self.check(&known, &tokens, &nonce) {
            Err(error) if is_unknown_key(&error) => {
                let fresh = self.known(Some(known.at)).await?;
                self.check(&fresh, &tokens, &nonce)
            }
            checked => checked,
        };
        let claims = claims.map_err(|error| Trouble::Refused(describe(&error)))?;
        let subject = claims.subject().as_str().to_owned();
        if claims.email().is_some() {
            let email = claims.email().map(|email| email.as_str());
            let name = claims.name().and_then(|name| name.get(None));
            let name = name.map(|name| name.as_str().to_owned());
            return person(subject, email, claims.email_verified(), name);
        }
        // Some providers tell the address at a place of its own alone.
        let told = self.ask_about(&known, &tokens, &claims).await?;
        let name = told.name().and_then(|name| name.get(None));
        let name = name.map(|name| name.as_str().to_owned());
        let email = told.email().map(|email| email.as_str());
        person(subject, email, told.email_verified(), name)
    }

    /// Gives the code for tokens.
    async fn redeem(
        &self,
        known: &Known,
        code: String,
        verifier: String,
    ) -> Result<CoreTokenResponse, Trouble> {
        let client = self.client(known);
        let request = client.exchange_code(AuthorizationCode::new(code));
        let request = request.map_err(|_| Trouble::Refused("it gives no tokens".to_owned()))?;
        let answer = request
            .set_pkce_verifier(PkceCodeVerifier::new(verifier))
            .request_async(&self.exchange)
            .await;
        answer.map_err(|error| match error {
            RequestTokenError::ServerResponse(told) => Trouble::Refused(format!(
                "it refuses the code: {}",
                super::word(told.error().as_ref())
            )),
            RequestTokenError::Request(error) => Trouble::Away(error.to_string()),
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                Trouble::Away("its answer to the code can't be read".to_owned())
            }
        })
    }

    fn check(
        &self,
        known: &Known,
        tokens: &CoreTokenResponse,
        nonce: &Nonce,
    ) -> Result<CoreIdTokenClaims, ClaimsVerificationError> {
        let missing = || ClaimsVerificationError::Other("there is no ID token".to_owned());
        let token = tokens.id_token().ok_or_else(missing)?;
        let now = self.ctx.now();
        let now = DateTime::<Utc>::from_timestamp_micros(now.as_microsecond()).unwrap_or_default();
        let client = self.client(known);
        let verifier = client.id_token_verifier().set_time_fn(move || now);
        token.claims(&verifier, nonce).cloned()
    }

    async fn ask_about(
        &self,
        known: &Known,
        tokens: &CoreTokenResponse,
        claims: &CoreIdTokenClaims,
    ) -> Result<CoreUserInfoClaims, Trouble> {
        let (token, subject) = (tokens.access_token().clone(), claims.subject().clone());
        let client = self.client(known);
        let request = client.user_info(token, Some(subject));
        let request = request.map_err(|_| Trouble::Unverified)?;
        let told = request.request_async(&self.exchange).await;
        told.map_err(|error| Trouble::Refused(format!("what it tells of the person: {error}")))
    }

    /// What is known of the provider, or what it says now; newer than `before`, where that isn't enough.
    async fn known(&self, before: Option<Instant>) -> Result<Known, Trouble> {
        let is_enough = |known: &Known| match before {
            None => known.at.elapsed() < KNOWN_FOR,
            Some(before) => known.at > before || known.at.elapsed() < ASKED_AGAIN_AFTER,
        };
        if let Some(kept) = self.kept().filter(is_enough) {
            return Ok(kept);
        }
        let told = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.exchange).await;
        let metadata = told.map_err(|error| match error {
            openidconnect::DiscoveryError::Validation(why) => Trouble::Refused(why),
            error => Trouble::Away(format!("discovery: {error}")),
        })?;
        let known = Known {
            metadata: Arc::new(metadata),
            at: Instant::now(),
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(known)
    }

    fn kept(&self) -> Option<Known> {
        let known = self.known.lock();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn client(&self, known: &Known) -> Client {
        CoreClient::from_provider_metadata(
            (*known.metadata).clone(),
            self.client_id.clone(),
            Some(self.client_secret.clone()),
        )
        .set_redirect_uri(self.redirect_url.clone())
    }

    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let done = tokio::time::timeout(self.patience, work).await;
        done.unwrap_or_else(|_| {
            Err(Trouble::Away(format!(
                "no answer within {:?}",
                self.patience
            )))
        })
    }
}

/// Somebody with an address that the provider says it has verified.
fn person(
    subject: String,
    email: Option<&str>,
    is_verified: Option<bool>,
    name: Option<String>,
) -> Result<Person, Trouble> {
    let email = email.and_then(|email| EmailAddress::parse(email).ok());
    match (email, is_verified) {
        (Some(email), Some(true)) => Ok(Person {
            subject,
            email,
            name,
        }),
        _ => Err(Trouble::Unverified),
    }
}

const fn is_unknown_key(error: &ClaimsVerificationError) -> bool {
    matches!(
        error,
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)
    )
}

/// With its source; no error of these quotes the token.
fn describe(error: &ClaimsVerificationError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
