//! A mail server for tests: SMTP (RFC 5321) with STARTTLS, which keeps what it takes and fails when it
//! is told to.

use std::io;
use std::sync::{Arc, Mutex};

use mail_parser::{Message, MessageParser};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// How the server behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Taking,
    /// Nobody answers: connections end at once.
    Down,
    /// Takes the first words of a mail, and then says nothing any more.
    Stalling,
    /// Every recipient gets this answer.
    Saying(&'static str),
}

/// A mail as the server took it.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) was_encrypted: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Taken {
    pub(crate) fn parse(&self) -> Message<'_> {
        MessageParser::default().parse(&self.bytes).expect("a mail")
    }

    pub(crate) fn message_id(&self) -> String {
        self.parse().message_id().expect("a Message-ID").to_owned()
    }
}

/// A server that runs until the test is over.
#[derive(Clone)]
pub(crate) struct SmtpServer {
    pub(crate) port: u16,
    /// The certificate that it shows after STARTTLS.
    pub(crate) certificate: String,
    shared: Arc<Shared>,
}

struct Shared {
    mood: Mutex<Mood>,
    taken: Mutex<Vec<Taken>>,
    /// None where STARTTLS isn't offered.
    tls: Option<TlsAcceptor>,
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}
type Line = BufReader<Box<dyn Wire>>;

impl SmtpServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(true).await
    }

    pub(crate) async fn start_with(offers_tls: bool) -> Self {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a pair");
        let shared = Arc::new(Shared {
            mood: Mutex::new(Mood::Taking),
            taken: Mutex::default(),
            tls: offers_tls.then(|| acceptor(&pair)),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                // A client that goes away is none of the server's worries.
                tokio::spawn(async move { shared.talk(socket).await.ok() });
            }
        });
        Self {
            port,
            certificate: pair.cert.pem(),
            shared,
        }
    }

    pub(crate) fn be(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap().clone()
    }
}

fn acceptor(pair: &rcgen::CertifiedKey<rcgen::KeyPair>) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .expect("a certificate");
    TlsAcceptor::from(Arc::new(config))
}

impl Shared {
    fn mood(&self) -> Mood {
        self.mood.lock().unwrap().clone()
    }

    async fn talk(&self, socket: TcpStream) -> io::Result<()> {
        if self.mood() == Mood::Down {
            return Ok(());
        }
        let mut line: Line = BufReader::new(Box::new(socket));
        let (mut from, mut to, mut was_encrypted) = (String::new(), String::new(), false);
        say(&mut line, "220 localhost ESMTP").await?;
        loop {
            let said = hear(&mut line).await?;
            let verb = said.split([' ', ':']).next().unwrap_or_default();
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" if self.tls.is_some() && !was_encrypted => {
                    say(&mut line, "250-localhost\r\n250-8BITMIME\r\n250 STARTTLS").await?;
                }
                "EHLO" => say(&mut line, "250-localhost\r\n250 8BITMIME").await?,
                "STARTTLS" => {
                    say(&mut line, "220 go ahead").await?;
                    let tls = self.tls.clone().expect("it was offered");
                    line = BufReader::new(Box::new(tls.accept(line.into_inner()).await?));
                    was_encrypted = true;
                }
                "MAIL" => {
                    from = address(&said);
                    say(&mut line, "250 ok").await?;
                }
                "RCPT" => {
                    to = address(&said);
                    match self.mood() {
                        Mood::Saying(answer) => say(&mut line, answer).await?,
                        _ => say(&mut line, "250 ok").await?,
                    }
                }
                "DATA" => {
                    say(&mut line, "354 go on").await?;
                    let bytes = hear_mail(&mut line).await?;
                    if self.mood() == Mood::Stalling {
                        std::future::pending::<()>().await;
                    }
                    self.taken.lock().unwrap().push(Taken {
                        from: from.clone(),
                        to: to.clone(),
                        was_encrypted,
                        bytes,
                    });
                    say(&mut line, "250 taken").await?;
                }
                "QUIT" => return say(&mut line, "221 bye").await,
                "" => return Ok(()),
                _ => say(&mut line, "500 what?").await?,
            }
        }
    }
}

/// What stands between the angle brackets.
fn address(said: &str) -> String {
    let rest = said.split_once('<').map_or("", |(_, rest)| rest);
    rest.split('>').next().unwrap_or_default().to_owned()
}

async fn say(line: &mut Line, words: &str) -> io::Result<()> {
    line.write_all(format!("{words}\r\n").as_bytes()).await?;
    line.flush().await
}

async fn hear(line: &mut Line) -> io::Result<String> {
    let mut said = String::new();
    line.read_line(&mut said).await?;
    Ok(said.trim_end().to_owned())
}

/// Lines until one that is a dot; a dot at a line's beginning was doubled (RFC 5321, 4.5.2).
async fn hear_mail(line: &mut Line) -> io::Result<Vec<u8>> {
    let mut mail = Vec::new();
    loop {
        let mut one = Vec::new();
        if line.read_until(b'\n', &mut one).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if one == b".\r\n" {
            return Ok(mail);
        }
        let start = usize::from(one.starts_with(b"."));
        mail.extend_from_slice(&one[start..]);
    }
}
