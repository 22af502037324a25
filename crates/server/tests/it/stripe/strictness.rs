//! The other tests show something only when the Stripe of ours takes nothing that Stripe wouldn't.

use reqwest::{Client, RequestBuilder, StatusCode};

use super::*;

const SESSIONS: &str = "/v1/checkout/sessions";

/// The least that Stripe takes for a page.
const FORM: [(&str, &str); 6] = [
    ("mode", "payment"),
    ("line_items[0][quantity]", "1"),
    ("line_items[0][price_data][currency]", "thb"),
    ("line_items[0][price_data][unit_amount]", "100"),
    ("line_items[0][price_data][product_data][name]", "Ticket"),
    ("success_url", "https://example.com/"),
];

fn with_headers(request: RequestBuilder) -> RequestBuilder {
    request
        .bearer_auth(KEY)
        .header("stripe-version", "2026-08-26.dahlia")
        .header("user-agent", "a test")
}

fn post(fake: &FakeStripe, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
    let request = Client::new().post(format!("{}{path}", fake.base()));
    with_headers(request)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(serde_urlencoded::to_string(form).unwrap())
}

async fn complaint(fake: &FakeStripe, request: RequestBuilder) -> String {
    let status = request.send().await.unwrap().status();
    let complaints = fake.take_complaints();
    assert_eq!(
        status == StatusCode::OK,
        complaints.is_empty(),
        "{complaints:?}"
    );
    complaints.into_iter().next().unwrap_or_default()
}

#[tokio::test]
async fn a_form_with_anything_else_in_it_is_refused() {
    let fake = FakeStripe::start(now()).await;
    assert_eq!(complaint(&fake, post(&fake, SESSIONS, &FORM)).await, "");
    let long = "x".repeat(501);
    let soon = (now().as_second() + 29 * 60).to_string();
    let far = (now().as_second() + 25 * 3600).to_string();
    for (name, value) in [
        ("client_reference", "x"),
        ("metadata[a][b]", "x"),
        ("metadata[]", "x"),
        ("metadata[payment_id]", &long),
        ("metadata[payment_id]", ""),
        ("locale", "xx"),
        ("locale", "TH"),
        ("expires_at", &soon),
        ("expires_at", &far),
        ("expires_at", "tomorrow"),
        ("cancel_url", "/th/"),
        ("adaptive_pricing[enabled]", "0"),
        ("mode", "payment"),
    ] {
        let form = [&FORM[..], &[(name, value)]].concat();
        let told = complaint(&fake, post(&fake, SESSIONS, &form)).await;
        assert!(told.contains(name), "{name} {told}");
    }
    for (index, value) in [
        (0, "pay"),
        (1, "0"),
        (2, "THB"),
        (3, "1.5"),
        (3, "100000000"),
        (3, "-1"),
        (4, ""),
        (5, "example.com"),
    ] {
        let mut form = FORM;
        form[index].1 = value;
        let told = complaint(&fake, post(&fake, SESSIONS, &form)).await;
        assert!(told.contains(FORM[index].0), "{value} {told}");
        let shorter: Vec<_> = FORM
            .into_iter()
            .filter(|it| it.0 != FORM[index].0)
            .collect();
        let told = complaint(&fake, post(&fake, SESSIONS, &shorter)).await;
        assert!(told.contains("is missing"), "{told}");
    }
}

#[tokio::test]
async fn a_request_in_another_shape_is_refused() {
    let fake = FakeStripe::start(now()).await;
    let url = format!("{}{SESSIONS}", fake.base());
    let body = serde_urlencoded::to_string(FORM).unwrap();
    let form = "application/x-www-form-urlencoded";
    let post = || Client::new().post(&url).header("user-agent", "a test");
    let long = "k".repeat(256);
    for (request, expected) in [
        (post().body(body.clone()), "the key isn't"),
        (
            with_headers(post()).json(&FORM),
            "the wrong type of content",
        ),
        (
            post()
                .bearer_auth(KEY)
                .header("stripe-version", "2020-08-27")
                .header("content-type", form)
                .body(body.clone()),
            "another version",
        ),
        (
            with_headers(post())
                .header("content-type", form)
                .header("idempotency-key", &long)
                .body(body.clone()),
            "no length",
        ),
        (
            with_headers(Client::new().get(&url)).header("idempotency-key", "k"),
            "reading needs no key",
        ),
        (
            with_headers(Client::new().delete(&url)),
            "is none of Stripe's",
        ),
    ] {
        let told = complaint(&fake, request).await;
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

/// <https://docs.stripe.com/api/idempotent_requests>
#[tokio::test]
async fn a_key_is_remembered_with_its_answer() {
    let fake = FakeStripe::start(now()).await;
    let keyed = |form: &[(&str, &str)]| post(&fake, SESSIONS, form).header("idempotency-key", "k");
    let first = keyed(&FORM).send().await.unwrap();
    assert_eq!(first.headers().get("idempotent-replayed"), None);
    let first = first.text().await.unwrap();
    let again = keyed(&FORM).send().await.unwrap();
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.text().await.unwrap(), first);
    let mut other = FORM;
    other[3].1 = "101";
    let refused = keyed(&other).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert!(refused.text().await.unwrap().contains("idempotency_error"));
    assert_eq!(fake.take_complaints().len(), 1);
    fake.forget_keys();
    let second = keyed(&FORM).send().await.unwrap();
    assert_ne!(second.text().await.unwrap(), first);
}
