//! The way to a mail server: SMTP (RFC 5321), one connection a mail.
//!
//! `smtps://` is TLS from the first byte. `smtp://` begins in the clear and goes on with STARTTLS
//! (RFC 3207): whenever the server offers it, and in production nothing is said without it but to this
//! machine itself.
//! Absent on purpose: trying again, which is the job's.

use std::fmt;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use app::mails::{Attachment, Carrier, CarryError, Sealed};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{
    Attachment as File, Mailbox, MessageBuilder, MultiPart, MultiPartKind, SinglePart,
};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use percent_encoding::percent_decode_str;
use url::Url;

/// A server that is there answers at once.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// From the connection to the server's last word: half of what a job has.
const CARRY_WITHIN: Duration = Duration::from_secs(30);
/// Saying goodbye, which nobody waits for.
const QUIT_WITHIN: Duration = Duration::from_secs(5);
/// SMTP's own port, and that of SMTP in TLS (RFC 8314).
const PORT: u16 = 25;
const TLS_PORT: u16 = 465;
/// Answers about the mail or its recipient that no further attempt changes (RFC 5321, 4.2.3). Others
/// of 5xx are about us, such as a command out of order, and somebody may mend that.
const REFUSALS: [u16; 8] = [501, 550, 551, 552, 553, 554, 555, 556];

/// Where mails go, and who they are from.
#[derive(Clone)]
pub struct Route {
    /// `smtp://` or `smtps://`, with user and password where the server wants them.
    pub url: String,
    pub from: String,
    /// What `from` is called.
    pub from_name: String,
    /// How we introduce ourselves: our host.
    pub hello: String,
    /// Whether nothing may travel in the clear.
    pub must_encrypt: bool,
    /// Certificates (PEM) that are trusted besides the system's.
    pub roots: Vec<String>,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its URL has a password.
        f.debug_struct("Route").finish_non_exhaustive()
    }
}

/// Hands mails to a server.
pub struct Smtp {
    route: Route,
    /// Made for the first mail: reading the system's certificates takes a while.
    way: OnceLock<Result<Way, String>>,
}

/// A route as it is gone.
struct Way {
    host: String,
    port: u16,
    security: Security,
    tls: TlsParameters,
    credentials: Option<Credentials>,
    hello: ClientId,
    from: Mailbox,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    AtOnce,
    Required,
    WhereOffered,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").finish_non_exhaustive()
    }
}

impl Smtp {
    pub const fn new(route: Route) -> Self {
        Self {
            route,
            way: OnceLock::new(),
        }
    }

    async fn carry_in(&self, sealed: &Sealed) -> Result<(), CarryError> {
        let way = self.way.get_or_init(|| Way::new(&self.route));
        let way = way.as_ref().map_err(|words| later("settings", words))?;
        let to = sealed.address.parse::<Address>();
        let to = to.map_err(|error| never("address", &error.to_string()))?;
        let name = Some(one_line(&sealed.name)).filter(|name| !name.is_empty());
        let message = write(&way.from, &Mailbox::new(name, to), sealed);
        let message = message.map_err(|error| never("message", &error.to_string()))?;
        let mut connection = way.connect().await.map_err(|error| {
            // Whatever is said before the mail is about us.
            later(&code(&error), &error.to_string())
        })?;
        let sent = connection
            .send(message.envelope(), &message.formatted())
            .await;
        sent.map_err(|error| failed(&error))?;
        // The server has it, so nothing that comes now may count as a failure.
        tokio::spawn(async move {
            let _ = tokio::time::timeout(QUIT_WITHIN, connection.quit()).await;
        });
        Ok(())
    }
}

impl Carrier for Smtp {
    fn carry<'a>(&'a self, sealed: &'a Sealed) -> BoxFuture<'a, Result<(), CarryError>> {
        async {
            let carried = tokio::time::timeout(CARRY_WITHIN, self.carry_in(sealed)).await;
            carried.unwrap_or_else(|_| {
                let words = format!("the mail server took longer than {CARRY_WITHIN:?}");
                Err(later("timeout", &words))
            })
        }
        .boxed()
    }
}

impl Way {
    fn new(route: &Route) -> Result<Self, String> {
        let url =
            Url::parse(&route.url).map_err(|error| format!("the mail server's URL: {error}"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let security = match url.scheme() {
            "smtps" => Security::AtOnce,
            _ if route.must_encrypt => Security::Required,
            _ => Security::WhereOffered,
        };
        let port = url.port().unwrap_or(match security {
            Security::AtOnce => TLS_PORT,
            _ => PORT,
        });
        let mut tls = TlsParameters::builder(host.clone());
        for root in &route.roots {
            let root = Certificate::from_pem(root.as_bytes()).map_err(|error| error.to_string())?;
            tls = tls.add_root_certificate(root);
        }
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let password = url.password();
        let from = route.from.parse::<Address>();
        let from = from.map_err(|error| format!("the sender's address: {error}"))?;
        Ok(Self {
            tls: tls.build().map_err(|error| error.to_string())?,
            credentials: password
                .map(|password| Credentials::new(decode(url.username()), decode(password))),
            hello: ClientId::Domain(route.hello.clone()),
            from: Mailbox::new(Some(route.from_name.clone()), from),
            host,
            port,
            security,
        })
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let server = (self.host.trim_matches(['[', ']']), self.port);
        let at_once = (self.security == Security::AtOnce).then(|| self.tls.clone());
        let within = Some(CONNECT_WITHIN);
        let connected =
            AsyncSmtpConnection::connect_tokio1(server, within, &self.hello, at_once, None);
        let mut connection = connected.await?;
        let wants_tls = match self.security {
            Security::AtOnce => false,
            Security::Required => true,
            Security::WhereOffered => connection.can_starttls(),
        };
        if wants_tls {
            connection.starttls(self.tls.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

/// Whether the server at this URL is on our own machine, so that nobody is between.
pub fn is_this_machine(url: &str) -> bool {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The same bytes in every attempt.
fn write(from: &Mailbox, to: &Mailbox, sealed: &Sealed) -> Result<Message, lettre::error::Error> {
    let Sealed {
        message_id, letter, ..
    } = sealed;
    let head = headers(from, to, sealed);
    // "=_" stands in no part, whichever way it is encoded (RFC 2045, 6.7).
    let boundary = |part: &str| format!("=_{part}_{}", message_id.trim_matches(['<', '>']));
    let texts = MultiPart::builder()
        .kind(MultiPartKind::Alternative)
        .boundary(boundary("texts"))
        .singlepart(SinglePart::plain(letter.text.clone()));
    let texts = if letter.html.is_empty() {
        texts
    } else {
        texts.singlepart(SinglePart::html(letter.html.clone()))
    };
    if letter.attachments.is_empty() {
        return head.multipart(texts);
    }
    let all = MultiPart::builder()
        .kind(MultiPartKind::Mixed)
        .boundary(boundary("all"))
        .multipart(texts);
    let files = letter.attachments.iter().map(file);
    head.multipart(files.fold(all, MultiPart::singlepart))
}

fn headers(from: &Mailbox, to: &Mailbox, sealed: &Sealed) -> MessageBuilder {
    // Programs that answer mails by themselves leave it alone (RFC 3834, 5).
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    Message::builder()
        .from(from.clone())
        .to(to.clone())
        .subject(one_line(&sealed.letter.subject))
        .date(sealed.date.into())
        .message_id(Some(sealed.message_id.clone()))
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
}

fn file(attachment: &Attachment) -> SinglePart {
    let unknown = ContentType::TEXT_PLAIN;
    let content_type = attachment.content_type.parse().unwrap_or(unknown);
    File::new(attachment.filename.clone()).body(attachment.content.clone(), content_type)
}

/// What could end a header and begin another one.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// What the server said of this mail.
fn failed(error: &Error) -> CarryError {
    let said = error.status().map(u16::from);
    if said.is_some_and(|said| REFUSALS.contains(&said)) {
        never(&code(error), &error.to_string())
    } else {
        later(&code(error), &error.to_string())
    }
}

/// What happened in a word that has nobody's address in it.
fn code(error: &Error) -> String {
    match error.status() {
        Some(status) => status.to_string(),
        None if error.is_tls() => "tls".to_owned(),
        None if error.is_response() || error.is_client() => "protocol".to_owned(),
        None => "connection".to_owned(),
    }
}

fn later(code: &str, words: &str) -> CarryError {
    CarryError::Later {
        code: code.to_owned(),
        words: words.to_owned(),
    }
}

fn never(code: &str, words: &str) -> CarryError {
    CarryError::Never {
        code: code.to_owned(),
        words: words.to_owned(),
    }
}
