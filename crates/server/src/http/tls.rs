//! Direct HTTPS: a certificate with its key, read from files and read again when they change.
//!
//! rustls with ring speaks TLS 1.2 and 1.3 with forward secrecy alone; it knows no older versions
//! and no weaker suites, so that there is nothing to switch off.

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::config::TlsFiles;

/// Programs that renew certificates do so weeks before the old one's end.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// By ALPN, in the order of our preference.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why a certificate and its key can't be used, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(
        "{path} can't be read ({error}): let STAGEDOOR_{name} name a file that this user may read"
    )]
    Unreadable {
        name: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    #[error(
        "{0} holds no certificate: let STAGEDOOR_TLS_CERT name a PEM file with the certificate \
         first and the chain up to its issuer behind it"
    )]
    NoCertificate(PathBuf),
    #[error(
        "{0} holds no private key: let STAGEDOOR_TLS_KEY name a PEM file with the certificate's \
         key, without a passphrase"
    )]
    NoKey(PathBuf),
    #[error(
        "the key in STAGEDOOR_TLS_KEY is not that of the first certificate in STAGEDOOR_TLS_CERT: \
         set the two files that were made together"
    )]
    Mismatch,
    #[error(
        "the dates of a certificate in {0} can't be read: let STAGEDOOR_TLS_CERT name a PEM file \
         with certificates of version 3 (RFC 5280)"
    )]
    NoDates(PathBuf),
    #[error(
        "certificate and key can't be used ({0}): take an RSA key of at least 2048 bits or a key \
         on P-256 or P-384, and a certificate of version 3"
    )]
    Unusable(rustls::Error),
}

/// The certificate that is in use. Cheap to clone; all clones see a new one.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.0.files).finish()
    }
}

impl Tls {
    /// Reads the pair.
    ///
    /// # Errors
    /// A sentence that says what is wrong with which file, and what to do.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(Inner {
            files: files.clone(),
            config: RwLock::new(Arc::new(read(files)?)),
        })))
    }

    /// What makes the next handshake.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let config = self.0.config.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }

    /// Takes a new pair as soon as the files change, for ever. A broken one leaves the old in use.
    pub async fn keep_up(self) {
        self.keep_up_every(LOOK_EVERY).await;
    }

    async fn keep_up_every(self, look_every: Duration) {
        let mut seen = Stamp::of(&self.0.files).await;
        loop {
            tokio::time::sleep(look_every).await;
            // Taken before the files are read: what changes meanwhile is seen at the next look.
            let now = Stamp::of(&self.0.files).await;
            if now != seen {
                seen = now;
                self.reload();
            }
        }
    }

    fn reload(&self) {
        match read(&self.0.files) {
            Ok(config) => {
                let mut current = self
                    .0
                    .config
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(config);
                tracing::info!(cert = %self.0.files.cert.display(), "a new certificate is in use");
            }
            Err(error) => {
                tracing::error!(%error, "the new certificate isn't used; the old one stays");
            }
        }
    }
}

/// Tells a changed pair of files; a link that points elsewhere changes it too.
#[derive(Debug, PartialEq, Eq)]
struct Stamp([Option<FileStamp>; 2]);

/// When it was written, which file it is, how long, and when its owner or mode changed.
type FileStamp = (SystemTime, u64, u64, (i64, i64));

impl Stamp {
    async fn of(files: &TlsFiles) -> Self {
        let stamp = |file: Metadata| {
            // That alone may be what makes it readable.
            let changed = (file.ctime(), file.ctime_nsec());
            Some((file.modified().ok()?, file.ino(), file.len(), changed))
        };
        let cert = tokio::fs::metadata(&files.cert).await;
        let key = tokio::fs::metadata(&files.key).await;
        Self([cert.ok().and_then(stamp), key.ok().and_then(stamp)])
    }
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub from: Timestamp,
    pub until: Timestamp,
}

/// The dates of the certificate, and when all behind it are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validities {
    pub own: Validity,
    /// Of certificates of authorities; for ever without any.
    pub behind: Validity,
}

/// Reads the dates of the certificate and its chain; rustls doesn't look at those of its own side.
///
/// # Errors
/// A sentence that says what is wrong with the file, and what to do.
pub fn validities(files: &TlsFiles) -> Result<Validities, TlsError> {
    let no_dates = || TlsError::NoDates(files.cert.clone());
    let mut own = None;
    let mut behind = Validity {
        from: Timestamp::MIN,
        until: Timestamp::MAX,
    };
    for certificate in read_chain(&files.cert)? {
        let certificate = Certificate::from_der(&certificate).map_err(|_| no_dates())?;
        let dates = certificate.tbs_certificate().validity();
        let [from, until] = [dates.not_before, dates.not_after].map(|time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
            Timestamp::from_second(seconds).ok()
        });
        let dates = Validity {
            from: from.ok_or_else(no_dates)?,
            // The year 9999 stands for "never" (RFC 5280, 4.1.2.5).
            until: until.unwrap_or(Timestamp::MAX),
        };
        if own.is_none() {
            own = Some(dates);
        } else {
            behind.from = behind.from.max(dates.from);
            behind.until = behind.until.min(dates.until);
        }
    }
    let own = own.ok_or_else(no_dates)?;
    Ok(Validities { own, behind })
}

fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let chain = read_chain(&files.cert)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes("TLS_KEY", &files.key)?)
        .map_err(|_| TlsError::NoKey(files.key.clone()))?;
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(TlsError::Unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch,
            error => TlsError::Unusable(error),
        })?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    // Visitors who come back skip the signature: their session is in a ticket that only we can
    // read, whose key changes every six hours. It holds for one process.
    config.ticketer = ring::Ticketer::new().map_err(TlsError::Unusable)?;
    Ok(config)
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = bytes("TLS_CERT", path)?;
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.unwrap_or_default();
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok(chain)
}

fn bytes(name: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Unreadable {
        name,
        path: path.to_owned(),
        error,
    })
}
