//! Whether Stripe signed a webhook: the header `Stripe-Signature` over the raw body.
//!
//! <https://docs.stripe.com/webhooks/signature>: `t=…,v1=…`, where `v1` is the HMAC-SHA-256, in
//! hexadecimal digits, of the time, a full stop and the body, with the endpoint's whole secret as the
//! key. While a secret is rolled there is one `v1` for each; `v0` is for tests of Stripe's own.
//! Each delivery, also of an old event, is signed when it is sent.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use jiff::Timestamp;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

use crate::providers::Disbelief;

const HEADER: &str = "stripe-signature";
/// How far the sender's clock may be from ours: the default of Stripe's own libraries.
const TOLERANCE_S: i64 = 300;
/// A header has two or three signatures of 67 characters.
const HEADER_BYTES_MAX: usize = 4096;
/// Each costs a comparison with each secret.
const SIGNATURES_MAX: usize = 16;

struct Signed<'a> {
    /// As it stands in the header, which is what was signed.
    time: &'a str,
    seconds: i64,
    signatures: Vec<[u8; 32]>,
}

/// # Errors
/// Why the body isn't believed.
pub(super) fn check(
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[Vec<u8>],
    now: Timestamp,
) -> Result<(), Disbelief> {
    let signed = parse(headers).ok_or(Disbelief::Unsigned)?;
    let mut is_genuine = Choice::from(0);
    for secret in secrets {
        let expected = digest(secret, signed.time, body);
        for signature in &signed.signatures {
            is_genuine |= expected.as_slice().ct_eq(signature);
        }
    }
    if !bool::from(is_genuine) {
        return Err(Disbelief::Forged);
    }
    let age = now.as_second().saturating_sub(signed.seconds);
    if age.saturating_abs() > TOLERANCE_S {
        return Err(Disbelief::Stale);
    }
    Ok(())
}

fn parse(headers: &HeaderMap) -> Option<Signed<'_>> {
    let mut all = headers.get_all(HEADER).iter();
    let (Some(header), None) = (all.next(), all.next()) else {
        return None;
    };
    let text = header.to_str().ok()?;
    if text.len() > HEADER_BYTES_MAX {
        return None;
    }
    let mut time = None;
    let mut signatures = Vec::new();
    for part in text.split(',') {
        let (scheme, value) = part.trim().split_once('=')?;
        match scheme {
            // Two times would leave it open which one was signed.
            "t" if time.is_some() => return None,
            "t" => time = Some((value, seconds(value)?)),
            "v1" if signatures.len() == SIGNATURES_MAX => return None,
            "v1" => signatures.push(unhex(value)?),
            _ => {}
        }
    }
    let (time, seconds) = time?;
    (!signatures.is_empty()).then_some(Signed {
        time,
        seconds,
        signatures,
    })
}

/// Digits alone: `parse` would take a sign as well.
fn seconds(text: &str) -> Option<i64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

/// Stripe writes small letters.
const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn digest(secret: &[u8], time: &str, body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes any length");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const NOW: i64 = 1_790_000_000;
    const BODY: &[u8] = b"{\n  \"id\": \"evt_1\"\n}";

    fn signature(secret: &str, time: i64, body: &[u8]) -> String {
        let mut text = String::new();
        for byte in digest(secret.as_bytes(), &time.to_string(), body) {
            write!(text, "{byte:02x}").unwrap();
        }
        text
    }

    fn header(time: i64, signatures: &[(&str, String)]) -> String {
        let mut text = format!("t={time}");
        for (scheme, signature) in signatures {
            write!(text, ",{scheme}={signature}").unwrap();
        }
        text
    }

    fn checked(header: &str, body: &[u8], secrets: &[&str]) -> Result<(), Disbelief> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, header.parse().unwrap());
        let secrets: Vec<_> = secrets.iter().map(|it| it.as_bytes().to_vec()).collect();
        check(
            &headers,
            body,
            &secrets,
            Timestamp::from_second(NOW).unwrap(),
        )
    }

    /// Computed by `printf '1790000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test`.
    #[test]
    fn a_signature_that_another_program_made_is_believed() {
        let made = "e32657f3e678d33b41ec084c16ac0e125d25480a06cb3902286dc5942c6fd259";
        let header = format!("t=1790000000,v1={made}");
        let checked = checked(&header, br#"{"id":"evt_1"}"#, &["whsec_test"]);
        assert_eq!(checked, Ok(()));
    }

    #[test]
    fn a_signature_by_any_secret_is_believed_while_one_is_rolled() {
        let old = signature("whsec_old", NOW, BODY);
        let new = signature("whsec_new", NOW, BODY);
        let stranger = signature("whsec_x", NOW, BODY);
        let both = ["whsec_new", "whsec_old"];
        for (signatures, secrets, expected) in [
            (vec![("v1", old.clone())], &both[..], Ok(())),
            (vec![("v1", new.clone())], &both[..], Ok(())),
            (
                vec![("v1", old.clone()), ("v1", new.clone())],
                &both[..1],
                Ok(()),
            ),
            (
                vec![
                    ("v1", stranger.clone()),
                    ("v0", stranger.clone()),
                    ("v1", new.clone()),
                ],
                &both[..],
                Ok(()),
            ),
            (vec![("v1", old)], &both[..1], Err(Disbelief::Forged)),
            (vec![("v1", stranger)], &both[..], Err(Disbelief::Forged)),
            (vec![("v1", new)], &[], Err(Disbelief::Forged)),
        ] {
            let header = header(NOW, &signatures);
            assert_eq!(checked(&header, BODY, secrets), expected, "{header}");
        }
    }

    #[test]
    fn old_and_future_signatures_are_stale() {
        for (time, expected) in [
            (NOW - 300, Ok(())),
            (NOW - 301, Err(Disbelief::Stale)),
            (NOW + 300, Ok(())),
            (NOW + 301, Err(Disbelief::Stale)),
            (0, Err(Disbelief::Stale)),
            (i64::MAX, Err(Disbelief::Stale)),
        ] {
            let header = header(time, &[("v1", signature("whsec", time, BODY))]);
            assert_eq!(checked(&header, BODY, &["whsec"]), expected, "{time}");
        }
        // Somebody who makes an old one young doesn't have the secret.
        let younger = header(NOW, &[("v1", signature("whsec", NOW - 9000, BODY))]);
        assert_eq!(checked(&younger, BODY, &["whsec"]), Err(Disbelief::Forged));
    }

    #[test]
    fn a_body_that_was_touched_is_forged() {
        let header = header(NOW, &[("v1", signature("whsec", NOW, BODY))]);
        assert_eq!(checked(&header, BODY, &["whsec"]), Ok(()));
        for other in [
            &b"{\"id\":\"evt_1\"}"[..],
            b"",
            &BODY[1..],
            &[BODY, b" "].concat(),
        ] {
            assert_eq!(checked(&header, other, &["whsec"]), Err(Disbelief::Forged));
        }
    }

    #[test]
    fn headers_of_another_shape_are_no_signature() {
        let good = signature("whsec", NOW, BODY);
        let many = vec![("v1", good.clone()); SIGNATURES_MAX + 1];
        for wrong in [
            String::new(),
            good.clone(),
            "t=1790000000".into(),
            format!("v1={good}"),
            format!("t=,v1={good}"),
            format!("t=+1790000000,v1={good}"),
            format!("t=1790000000.0,v1={good}"),
            format!("t=99999999999999999999,v1={good}"),
            format!("t=1790000000,t=1790000000,v1={good}"),
            format!("t=1790000000,v0={good}"),
            format!("t=1790000000,v1={}", &good[1..]),
            format!("t=1790000000,v1={}", good.to_uppercase()),
            format!("t=1790000000,v1=g{}", &good[1..]),
            format!("t=1790000000;v1={good}"),
            format!("t=1790000000,v1={good},"),
            header(NOW, &many),
            format!("t=1790000000,v1={good},x={}", "x".repeat(HEADER_BYTES_MAX)),
        ] {
            let checked = checked(&wrong, BODY, &["whsec"]);
            assert_eq!(checked, Err(Disbelief::Unsigned), "{wrong}");
        }
        let mut twice = HeaderMap::new();
        let value = format!("t=1790000000,v1={good}");
        twice.append(HEADER, value.parse().unwrap());
        twice.append(HEADER, value.parse().unwrap());
        let now = Timestamp::from_second(NOW).unwrap();
        let secrets = [b"whsec".to_vec()];
        for headers in [twice, HeaderMap::new()] {
            let checked = check(&headers, BODY, &secrets, now);
            assert_eq!(checked, Err(Disbelief::Unsigned));
        }
    }
}
