//! Direct HTTPS: versions, protocols, a certificate that changes, and pairs that don't fit.

use std::net::SocketAddr;
use std::time::Duration;

use app::Ctx;
use axum::Router;
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use stagedoor::http::listener::{self, Door};
use stagedoor::http::tls::Tls;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::support::TestDatabase;
use crate::support::program::{Done, Program};
use crate::support::tls::{
    Certificate, Offer, append_valid, files, shake_hands, write_pair, write_pair_valid,
};
use crate::support::wait::within_limit;

const MODERN: Offer<'static> = Offer {
    versions: &[&TLS13, &TLS12],
    protocols: &["http/1.1"],
};

/// A site behind a certificate in a folder of its own.
struct Site {
    address: SocketAddr,
    folder: TempDir,
    certificate: Certificate,
    stop: watch::Sender<bool>,
    answering: tokio::task::JoinHandle<()>,
}

impl Site {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let certificate = write_pair(&files(folder.path()));
        let tls = Tls::load(&files(folder.path())).unwrap();
        tokio::spawn(tls.clone().keep_up());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door {
            tls: Some(tls),
            ..Door::default()
        };
        let (stop, stopped) = watch::channel(false);
        let router = Router::new().route("/", get(async || "hello"));
        let answering = listener::answer(listener, router, door, stopped);
        Self {
            address,
            folder,
            certificate,
            stop,
            answering,
        }
    }
}

#[tokio::test]
async fn only_tls_1_2_and_1_3_with_forward_secrecy_are_spoken() {
    let site = Site::start().await;
    for version in [&TLS12, &TLS13] {
        let offer = Offer {
            versions: &[version],
            ..MODERN
        };
        let stream = shake_hands(site.address, &site.certificate, offer).await;
        let stream = stream.unwrap();
        let (_, session) = stream.get_ref();
        assert_eq!(session.protocol_version(), Some(version.version));
        let suite_name = format!("{:?}", session.negotiated_cipher_suite().unwrap().suite());
        assert!(
            suite_name.starts_with("TLS13_") || suite_name.starts_with("TLS_ECDHE_"),
            "{suite_name}"
        );
        assert!(
            suite_name.contains("GCM") || suite_name.contains("CHACHA20"),
            "{suite_name}"
        );
    }
    // A hello of TLS 1.0, as old programs send it: an alert (21) comes back, and no answer.
    let mut socket = tokio::net::TcpStream::connect(site.address).await.unwrap();
    let mut old_hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1];
    old_hello.extend([7; 32]);
    old_hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    socket.write_all(&old_hello).await.unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    assert_eq!(answer.first(), Some(&21), "{answer:?}");
}

#[tokio::test]
async fn browsers_get_http_2_and_others_http_1() {
    let site = Site::start().await;
    let both = Offer {
        protocols: &["h2", "http/1.1"],
        ..MODERN
    };
    let stream = shake_hands(site.address, &site.certificate, both).await;
    let stream = stream.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://localhost/").body(axum::body::Body::empty());
    let answer = sender.send_request(request.unwrap()).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.version()),
        (200, http::Version::HTTP_2)
    );
    // Told to stop, the server says goodbye to a connection that would be kept open.
    site.stop.send(true).unwrap();
    within_limit("the end", site.answering).await.unwrap();

    let site = Site::start().await;
    assert_eq!(ask(&site, &site.certificate).await.unwrap(), "hello");
}

/// Asks by HTTP/1.1 and returns the body.
async fn ask(site: &Site, trusted: &Certificate) -> std::io::Result<String> {
    let mut stream = shake_hands(site.address, trusted, MODERN).await?;
    let request = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer
        .rsplit("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .to_owned())
}

#[tokio::test]
async fn a_new_certificate_is_taken_while_the_server_runs_and_a_broken_one_is_not() {
    let site = Site::start().await;
    let files = files(site.folder.path());
    // Half of a pair, as in the middle of a renewal, and then nonsense.
    let other = TempDir::new().unwrap();
    write_pair(&crate::support::tls::files(other.path()));
    std::fs::copy(other.path().join("cert.pem"), &files.cert).unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(ask(&site, &site.certificate).await.unwrap(), "hello");
    std::fs::write(&files.cert, "nonsense").unwrap();
    std::fs::remove_file(&files.key).unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(ask(&site, &site.certificate).await.unwrap(), "hello");

    let renewed = write_pair(&files);
    within_limit("the new certificate", async {
        while ask(&site, &renewed).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    assert!(ask(&site, &site.certificate).await.is_err());
}

/// `serve` with this pair; it is refused before a database is asked.
async fn serve_with(cert: &str, key: &str) -> Done {
    Program::new(&["serve"])
        .env("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        .env("STAGEDOOR_TLS_CERT", cert)
        .env("STAGEDOOR_TLS_KEY", key)
        .run()
        .await
}

#[tokio::test]
async fn a_pair_that_can_t_be_used_is_exit_2_with_what_to_do() {
    let [one, other] = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    for folder in [&one, &other] {
        write_pair(&files(folder.path()));
    }
    let path = |folder: &TempDir, name: &str| folder.path().join(name).display().to_string();
    let (cert, key) = (path(&one, "cert.pem"), path(&one, "key.pem"));
    for (cert, key, sentence) in [
        (
            &cert,
            &path(&other, "key.pem"),
            "is not that of the first certificate",
        ),
        (
            &key,
            &key,
            "holds no certificate: let STAGEDOOR_TLS_CERT name",
        ),
        (
            &cert,
            &cert,
            "holds no private key: let STAGEDOOR_TLS_KEY name",
        ),
        (&path(&one, "absent.pem"), &key, "can't be read"),
        (&cert, &String::new(), "tls_key must be set beside tls_cert"),
    ] {
        let done = serve_with(cert, key).await;
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.stderr.contains(sentence), "{sentence:?} in {done:?}");
        assert!(!done.stderr.contains("PRIVATE KEY"), "{done:?}");
    }
    let checked = Program::new(&["config", "check", "--json"])
        .env("STAGEDOOR_TLS_CERT", &cert)
        .env("STAGEDOOR_TLS_KEY", &path(&other, "key.pem"))
        .run()
        .await;
    assert_eq!(
        (checked.code, &checked.json()["findings"][0]["id"]),
        (1, &"tls_pair".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_when_the_certificate_ends() {
    let folder = TempDir::new().unwrap();
    let pair = files(folder.path());
    let database = TestDatabase::migrated().await;
    let finding = async || {
        let doctor = Program::on(&database, &["doctor", "--json"])
            .env("STAGEDOOR_BASE_URL", "https://localhost")
            .env("STAGEDOOR_TLS_CERT", &pair.cert.display().to_string())
            .env("STAGEDOOR_TLS_KEY", &pair.key.display().to_string());
        let done = doctor.run().await;
        let findings = done.json()["findings"].as_array().unwrap().clone();
        let of_tls = |id: &str| findings.iter().find(|finding| finding["id"] == id).cloned();
        let told = of_tls("tls_certificate").unwrap();
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        (text("severity"), text("detail"), of_tls("tls_pair"))
    };
    let today = Ctx::system().now().to_zoned(TimeZone::UTC).date();
    let day = |days: i64| {
        let day = today.checked_add(days.days()).unwrap();
        let number = |part: i8| u8::try_from(part).unwrap();
        (
            i32::from(day.year()),
            number(day.month()),
            number(day.day()),
        )
    };
    for (from, until, severity, sentence) in [
        (-300, 60, "info", "ends on"),
        (-300, 22, "info", "ends on"),
        (-300, 20, "warning", "ends on"),
        (-300, 0, "error", "ended on"),
        (2, 60, "error", "begins only on"),
    ] {
        write_pair_valid(&pair, [day(from), day(until)]);
        let (found, detail, pair_finding) = finding().await;
        assert_eq!(found, severity, "{detail}");
        assert!(detail.contains(sentence), "{detail}");
        let (year, month, day) = day(if from > 0 { from } else { until });
        let date = format!("{year}-{month:02}-{day:02}T00:00:00Z");
        assert!(detail.contains(&date), "{detail}");
        assert_eq!(pair_finding, None);
    }
    // Whoever doesn't know the authority itself may still have another way than an old certificate
    // of it; whose own has ended has none.
    for ((from, until), own_until, severity, sentence) in [
        ((-300, 60), 60, "info", "the certificate ends on"),
        ((-300, 0), 60, "warning", "behind the first in"),
        ((-300, 20), 60, "warning", "behind the first in"),
        ((2, 60), 60, "warning", "begins only on"),
        ((-300, 0), 20, "warning", "the certificate in"),
        ((-300, 60), 0, "error", "the certificate in"),
    ] {
        write_pair_valid(&pair, [day(-300), day(own_until)]);
        append_valid(&pair, [day(from), day(until)]);
        let (found, detail, _) = finding().await;
        assert_eq!(found, severity, "{detail}");
        assert!(detail.contains(sentence), "{detail}");
    }
    // A key of another certificate, and nothing to read.
    let other = TempDir::new().unwrap();
    write_pair(&files(other.path()));
    std::fs::copy(other.path().join("key.pem"), &pair.key).unwrap();
    let (_, _, mismatch) = finding().await;
    let mismatch = mismatch.unwrap();
    let detail = mismatch["detail"].as_str().unwrap();
    assert!(
        detail.contains("is not that of the first certificate"),
        "{detail}"
    );
    std::fs::remove_file(&pair.cert).unwrap();
    let (severity, detail, _) = finding().await;
    assert_eq!(severity, "error");
    assert!(detail.contains("can't be read"), "{detail}");
}

#[tokio::test]
async fn the_whole_product_answers_by_https_and_asks_browsers_to_stay_with_it() {
    let folder = TempDir::new().unwrap();
    let pair = files(folder.path());
    let certificate = write_pair(&pair);
    let database = TestDatabase::migrated().await;
    let server = Program::on(&database, &["serve"])
        .env("STAGEDOOR_LISTEN", "127.0.0.1:0")
        .env("STAGEDOOR_METRICS_LISTEN", "127.0.0.1:0")
        .env("STAGEDOOR_TLS_CERT", &pair.cert.display().to_string())
        .env("STAGEDOOR_TLS_KEY", &pair.key.display().to_string())
        .start("stagedoor listens on https://")
        .await;
    let address = server.word_after("stagedoor listens on https://");
    let mut stream = shake_hands(address.parse().unwrap(), &certificate, MODERN)
        .await
        .unwrap();
    let request = b"POST /theme HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
        content-type: application/x-www-form-urlencoded\r\ncontent-length: 10\r\n\r\ntheme=dark";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    let hsts = "strict-transport-security: max-age=31536000; includeSubDomains";
    assert!(answer.contains(hsts), "{answer}");
    assert!(answer.contains("; Secure"), "{answer}");
}
