//! Webhooks: the envelope of an event, and its signature.
//!
//! <https://docs.stripe.com/api/events/object>, <https://docs.stripe.com/webhooks/signature>

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

use super::published;

/// The body of an event. One that is delivered again has the same name.
pub(crate) fn event(id: &str, kind: &str, object: &Value, at: Timestamp) -> String {
    let event = json!({
        "id": id,
        "object": "event",
        "api_version": published::VERSION,
        "created": at.as_second(),
        "data": {"object": object},
        "livemode": false,
        "pending_webhooks": 1,
        "request": {"id": null, "idempotency_key": null},
        "type": kind,
    });
    // Stripe's bodies have line breaks, which are signed as well.
    serde_json::to_string_pretty(&event).expect("JSON")
}

/// `Stripe-Signature`: one signature for each secret, as while one is rolled.
pub(crate) fn sign(body: &str, secrets: &[&str], at: Timestamp) -> String {
    let seconds = at.as_second();
    let mut header = format!("t={seconds}");
    for secret in secrets {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
        mac.update(format!("{seconds}.{body}").as_bytes());
        header.push_str(",v1=");
        for byte in mac.finalize().into_bytes() {
            write!(header, "{byte:02x}").expect("a text");
        }
    }
    header.push_str(",v0=0000");
    header
}

/// Posts an event so often, as Stripe does until it hears 2xx, and sometimes also then.
pub(crate) async fn deliver(url: &str, body: &str, signature: &str, times: usize) -> Vec<u16> {
    let client = reqwest::Client::new();
    let mut answers = Vec::new();
    for _ in 0..times {
        let request = client.post(url).body(body.to_owned());
        let request = request
            .header("content-type", "application/json; charset=utf-8")
            .header(
                "user-agent",
                "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            )
            .header("stripe-signature", signature);
        let response = request.send().await.expect("an answer");
        answers.push(response.status().as_u16());
    }
    answers
}
