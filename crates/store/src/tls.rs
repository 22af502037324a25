//! TLS to the database: whose certificates are believed, by libpq's `sslmode` and `sslrootcert`.
//!
//! rustls with ring speaks TLS 1.2 and 1.3 alone, as production asks for.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::database_url::{DatabaseUrl, RootCertificates, TlsMode};

/// Why nobody's certificate can be checked, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    #[error(
        "the file {path} can't be read ({error}): let sslrootcert in the URL name a PEM file with \
         the certificate of the authority that signed the database's, or write sslrootcert=system"
    )]
    Unreadable { path: PathBuf, error: io::Error },
    #[error(
        "the file {0} holds no certificate: let sslrootcert in the URL name a PEM file with the \
         certificate of the authority that signed the database's"
    )]
    Empty(PathBuf),
    #[error("this system has no root certificates: install its package ca-certificates")]
    NoSystem,
}

/// How the certificate of a database's server is judged.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    mode: TlsMode,
    roots: Option<RootCertificates>,
}

impl Trust {
    /// # Errors
    /// When the root certificates can't be read.
    pub(crate) fn of(url: &DatabaseUrl) -> Result<Self, RootsError> {
        let trust = Self {
            mode: url.tls(),
            roots: url.root_certificates(),
        };
        trust.connector().map(|_| trust)
    }

    /// What makes the next handshake. Files are read each time, so that a renewed authority is
    /// known from the next connection on.
    pub(crate) fn connector(&self) -> Result<MakeRustlsConnect, RootsError> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match &self.roots {
            None => Arc::new(Anyone(Arc::clone(&provider))),
            Some(roots) => {
                let roots = read(roots)?;
                let judge = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                    .build()
                    .map_err(|_| RootsError::NoSystem)?;
                if self.mode == TlsMode::Verified {
                    judge
                } else {
                    Arc::new(AnyName(judge))
                }
            }
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("ring speaks both versions")
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(MakeRustlsConnect::new(config))
    }
}

fn read(roots: &RootCertificates) -> Result<Arc<RootCertStore>, RootsError> {
    match roots {
        RootCertificates::System => system_roots(),
        RootCertificates::File(path) => {
            let unreadable = |error| RootsError::Unreadable {
                path: path.clone(),
                error,
            };
            let text = std::fs::read(path).map_err(unreadable)?;
            let certificates = CertificateDer::pem_slice_iter(&text).filter_map(Result::ok);
            stored(certificates).ok_or_else(|| RootsError::Empty(path.clone()))
        }
    }
}

/// Read once: there are more than a hundred, and they change with the system's updates.
fn system_roots() -> Result<Arc<RootCertStore>, RootsError> {
    static ROOTS: OnceLock<Option<Arc<RootCertStore>>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| stored(rustls_native_certs::load_native_certs().certs));
    roots.clone().ok_or(RootsError::NoSystem)
}

fn stored(
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Option<Arc<RootCertStore>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    (!roots.is_empty()).then(|| Arc::new(roots))
}

/// `sslmode=require`: whoever answers has the key of the certificate that it shows, whatever that is.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _server: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// `sslmode=verify-ca`: an authority that is believed has signed, for whatever name.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The name is looked at last: this error says that all else is right.
        match self.0.verify_server_cert(server, chain, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
