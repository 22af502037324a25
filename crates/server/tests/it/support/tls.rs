//! Certificates made for a test, and a client that trusts them.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use stagedoor::config::TlsFiles;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

/// A certificate that nobody else has.
pub(crate) type Certificate = CertificateDer<'static>;

/// The files of a pair in this folder.
pub(crate) fn files(folder: &Path) -> TlsFiles {
    TlsFiles {
        cert: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    }
}

/// Writes a new self-signed pair for `localhost`.
pub(crate) fn write_pair(files: &TlsFiles) -> Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a pair");
    std::fs::write(&files.cert, made.cert.pem()).expect("a certificate's file");
    std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("a key's file");
    made.cert.der().clone()
}

/// From and until these days: year, month, day.
pub(crate) type Days = [(i32, u8, u8); 2];

/// The same of a certificate that is valid from and until these days.
pub(crate) fn write_pair_valid(files: &TlsFiles, days: Days) {
    let key = rcgen::KeyPair::generate().expect("a key");
    std::fs::write(&files.cert, made_valid(&key, days)).expect("a certificate's file");
    std::fs::write(&files.key, key.serialize_pem()).expect("a key's file");
}

/// Writes another certificate behind, as an authority's own is.
pub(crate) fn append_valid(files: &TlsFiles, days: Days) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let chain = std::fs::read_to_string(&files.cert).expect("a certificate's file");
    let chain = chain + &made_valid(&key, days);
    std::fs::write(&files.cert, chain).expect("a certificate's file");
}

fn made_valid(key: &rcgen::KeyPair, days: Days) -> String {
    let mut wanted = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let [from, until] = days.map(|(year, month, day)| rcgen::date_time_ymd(year, month, day));
    (wanted.not_before, wanted.not_after) = (from, until);
    wanted.self_signed(key).expect("a certificate").pem()
}

/// What a client offers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer<'a> {
    pub(crate) versions: &'a [&'static SupportedProtocolVersion],
    pub(crate) protocols: &'a [&'a str],
}

/// Shakes hands as `localhost`'s visitor who trusts this certificate alone.
pub(crate) async fn shake_hands(
    address: SocketAddr,
    trusted: &Certificate,
    offer: Offer<'_>,
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(offer.versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let protocols = offer.protocols.iter();
    config.alpn_protocols = protocols.map(|name| name.as_bytes().to_vec()).collect();
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
}
