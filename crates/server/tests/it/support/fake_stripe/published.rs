//! What Stripe publishes about the calls that we make: names, types and ranges, on both sides.
//!
//! Written down by hand, of the API's version 2026-08-26.dahlia, from
//! - Stripe's OpenAPI description (github.com/stripe/openapi, `openapi/spec3.yaml`) as its own library
//!   repeats it: github.com/stripe/stripe-node, `src/resources/Checkout/Sessions.ts` (`Session`,
//!   `SessionCreateParams`), `types/Refunds.d.ts`, `types/RefundsResource.d.ts`, `src/apiVersion.ts`;
//! - <https://docs.stripe.com/api/checkout/sessions/create> (30 minutes to 24 hours, 200 characters of
//!   a reference), <https://docs.stripe.com/api/metadata> (50 keys of 40 characters, values of 500),
//!   <https://docs.stripe.com/currencies> (eight digits at most, the last one of three decimals 0).

use jiff::Timestamp;
use serde_json::Value;

pub(super) const VERSION: &str = "2026-08-26.dahlia";

/// What a parameter of a request may be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text {
        max: usize,
    },
    Integer {
        min: i64,
        max: i64,
    },
    OneOf(&'static [&'static str]),
    Bool,
    Currency,
    Url,
    Email,
    /// From 30 minutes to 24 hours from now.
    Expiry,
    MetadataValue,
}

pub(super) struct Parameter {
    /// As it stands in a form; `*` is a key of ours.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
}

const fn required(name: &'static str, kind: Kind) -> Parameter {
    Parameter {
        name,
        kind,
        is_required: true,
    }
}

const fn optional(name: &'static str, kind: Kind) -> Parameter {
    Parameter {
        name,
        kind,
        is_required: false,
    }
}

const LOCALES: &[&str] = &[
    "auto", "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr",
    "fr-CA", "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt",
    "pt-BR", "ro", "ru", "sk", "sl", "sv", "th", "tr", "vi", "zh", "zh-HK", "zh-TW",
];

/// `POST /v1/checkout/sessions`
pub(super) const CREATE_SESSION: &[Parameter] = &[
    required("mode", Kind::OneOf(&["payment", "setup", "subscription"])),
    required(
        "line_items[0][quantity]",
        Kind::Integer {
            min: 1,
            max: 999_999,
        },
    ),
    required("line_items[0][price_data][currency]", Kind::Currency),
    required(
        "line_items[0][price_data][unit_amount]",
        Kind::Integer {
            min: 0,
            max: 99_999_999,
        },
    ),
    required(
        "line_items[0][price_data][product_data][name]",
        Kind::Text { max: 5000 },
    ),
    required("success_url", Kind::Url),
    optional("cancel_url", Kind::Url),
    optional("adaptive_pricing[enabled]", Kind::Bool),
    optional("client_reference_id", Kind::Text { max: 200 }),
    optional("customer_email", Kind::Email),
    optional("expires_at", Kind::Expiry),
    optional("locale", Kind::OneOf(LOCALES)),
    optional("metadata[*]", Kind::MetadataValue),
    optional("payment_intent_data[metadata][*]", Kind::MetadataValue),
];

/// `GET /v1/checkout/sessions/{id}`
pub(super) const RETRIEVE_SESSION: &[Parameter] =
    &[optional("expand[]", Kind::OneOf(&["payment_intent"]))];

/// `POST /v1/checkout/sessions/{id}/expire`
pub(super) const EXPIRE_SESSION: &[Parameter] = RETRIEVE_SESSION;

/// `POST /v1/refunds`
pub(super) const CREATE_REFUND: &[Parameter] = &[
    required("payment_intent", Kind::Text { max: 5000 }),
    optional(
        "amount",
        Kind::Integer {
            min: 1,
            max: 99_999_999,
        },
    ),
    optional(
        "reason",
        Kind::OneOf(&["duplicate", "fraudulent", "requested_by_customer"]),
    ),
    optional("metadata[*]", Kind::MetadataValue),
];

/// `GET /v1/refunds`
pub(super) const LIST_REFUNDS: &[Parameter] = &[
    optional("payment_intent", Kind::Text { max: 5000 }),
    optional("limit", Kind::Integer { min: 1, max: 100 }),
];

/// The type of a member of an answer.
#[derive(Clone, Copy)]
pub(super) enum Type {
    Text,
    Integer,
    Bool,
    /// A list of texts.
    Texts,
    /// Texts by keys of ours.
    Metadata,
    OneOf(&'static [&'static str]),
    /// An object, or its name.
    Expandable(&'static [Member]),
    /// An object with a `type`, and a member of that name.
    Tagged,
    Nullable(&'static Type),
}

pub(super) type Member = (&'static str, Type);

const NULLABLE_TEXT: Type = Type::Nullable(&Type::Text);
const NULLABLE_INTEGER: Type = Type::Nullable(&Type::Integer);
const NULLABLE_METADATA: Type = Type::Nullable(&Type::Metadata);

/// `checkout.session`
pub(super) const SESSION: &[Member] = &[
    ("id", Type::Text),
    ("object", Type::OneOf(&["checkout.session"])),
    ("amount_subtotal", NULLABLE_INTEGER),
    ("amount_total", NULLABLE_INTEGER),
    ("cancel_url", NULLABLE_TEXT),
    ("client_reference_id", NULLABLE_TEXT),
    ("created", Type::Integer),
    ("currency", NULLABLE_TEXT),
    ("customer_email", NULLABLE_TEXT),
    ("expires_at", Type::Integer),
    ("livemode", Type::Bool),
    ("locale", Type::Nullable(&Type::OneOf(LOCALES))),
    ("metadata", NULLABLE_METADATA),
    ("mode", Type::OneOf(&["payment", "setup", "subscription"])),
    (
        "payment_intent",
        Type::Nullable(&Type::Expandable(PAYMENT_INTENT)),
    ),
    ("payment_method_types", Type::Texts),
    (
        "payment_status",
        Type::OneOf(&["no_payment_required", "paid", "unpaid"]),
    ),
    (
        "status",
        Type::Nullable(&Type::OneOf(&["complete", "expired", "open"])),
    ),
    ("success_url", NULLABLE_TEXT),
    ("url", NULLABLE_TEXT),
];

/// `payment_intent`
pub(super) const PAYMENT_INTENT: &[Member] = &[
    ("id", Type::Text),
    ("object", Type::OneOf(&["payment_intent"])),
    ("amount", Type::Integer),
    ("amount_received", Type::Integer),
    ("created", Type::Integer),
    ("currency", Type::Text),
    ("livemode", Type::Bool),
    ("metadata", Type::Metadata),
    (
        "status",
        Type::OneOf(&[
            "canceled",
            "processing",
            "requires_action",
            "requires_capture",
            "requires_confirmation",
            "requires_payment_method",
            "succeeded",
        ]),
    ),
];

/// `refund`
pub(super) const REFUND: &[Member] = &[
    ("id", Type::Text),
    ("object", Type::OneOf(&["refund"])),
    ("amount", Type::Integer),
    ("balance_transaction", NULLABLE_TEXT),
    ("charge", NULLABLE_TEXT),
    ("created", Type::Integer),
    ("currency", Type::Text),
    ("metadata", NULLABLE_METADATA),
    ("payment_intent", NULLABLE_TEXT),
    (
        "reason",
        Type::Nullable(&Type::OneOf(&[
            "duplicate",
            "expired_uncaptured_charge",
            "fraudulent",
            "requested_by_customer",
        ])),
    ),
    ("receipt_number", NULLABLE_TEXT),
    ("source_transfer_reversal", NULLABLE_TEXT),
    // A text in the description, with these values in its comment.
    (
        "status",
        Type::Nullable(&Type::OneOf(&[
            "pending",
            "requires_action",
            "succeeded",
            "failed",
            "canceled",
        ])),
    ),
    ("transfer_reversal", NULLABLE_TEXT),
];

/// `charge`, as far as an event brings it.
pub(super) const CHARGE: &[Member] = &[
    ("id", Type::Text),
    ("object", Type::OneOf(&["charge"])),
    ("amount", Type::Integer),
    ("amount_captured", Type::Integer),
    ("amount_refunded", Type::Integer),
    ("captured", Type::Bool),
    ("created", Type::Integer),
    ("currency", Type::Text),
    ("livemode", Type::Bool),
    ("metadata", Type::Metadata),
    ("paid", Type::Bool),
    ("payment_intent", NULLABLE_TEXT),
    ("payment_method_details", Type::Nullable(&Type::Tagged)),
    ("refunded", Type::Bool),
    ("status", Type::OneOf(&["failed", "pending", "succeeded"])),
];

/// What is wrong with a form, by its first wrong parameter and in a sentence for the test.
pub(super) fn complaint(
    form: &[(String, String)],
    published: &[Parameter],
    now: Timestamp,
) -> Option<(String, String)> {
    for parameter in published {
        let given = form.iter().filter(|(name, _)| matches(parameter, name));
        if parameter.is_required && given.count() == 0 {
            let name = parameter.name.to_owned();
            return Some((name, "is missing".into()));
        }
    }
    for (index, (name, value)) in form.iter().enumerate() {
        let is_repeated = form[..index].iter().any(|(other, _)| other == name);
        let known = published.iter().find(|it| matches(it, name));
        let wrong = match known {
            None => Some("is unknown"),
            Some(_) if is_repeated => Some("is there twice"),
            Some(parameter) => why_wrong(parameter.kind, value, now),
        };
        if let Some(wrong) = wrong {
            return Some((name.clone(), format!("{wrong}: {value}")));
        }
    }
    None
}

fn matches(parameter: &Parameter, name: &str) -> bool {
    let Some(prefix) = parameter.name.strip_suffix("*]") else {
        return parameter.name == name;
    };
    let key = name.strip_prefix(prefix);
    let key = key.and_then(|rest| rest.strip_suffix(']'));
    key.is_some_and(|key| (1..=40).contains(&key.len()) && !key.contains(['[', ']']))
}

fn why_wrong(kind: Kind, value: &str, now: Timestamp) -> Option<&'static str> {
    let number = value.parse::<i64>().ok();
    let (is_right, why) = match kind {
        Kind::Text { max } => (
            !value.is_empty() && value.chars().count() <= max,
            "is empty or too long",
        ),
        Kind::Integer { min, max } => (
            number.is_some_and(|it| (min..=max).contains(&it)),
            "is no number in the range",
        ),
        Kind::OneOf(values) => (values.contains(&value), "is none of the values"),
        Kind::Bool => (
            matches!(value, "true" | "false"),
            "is neither true nor false",
        ),
        Kind::Currency => (
            value.len() == 3 && value.bytes().all(|byte| byte.is_ascii_lowercase()),
            "is no currency in small letters",
        ),
        Kind::Url => (
            (value.starts_with("https://") || value.starts_with("http://")) && value.len() <= 5000,
            "is no URL with its scheme",
        ),
        Kind::Email => (
            value.is_ascii() && value.len() <= 800 && value.split('@').count() == 2,
            "is no e-mail address",
        ),
        Kind::Expiry => {
            let life = number.map(|it| it - now.as_second());
            let is_right = life.is_some_and(|it| (30 * 60..=24 * 3600).contains(&it));
            (is_right, "isn't 30 minutes to 24 hours from now")
        }
        Kind::MetadataValue => (
            !value.is_empty() && value.chars().count() <= 500,
            "is empty or too long",
        ),
    };
    (!is_right).then_some(why)
}

/// Panics when an object isn't as published: then the fake is wrong, and with it what a test shows.
pub(super) fn assert_as_published(object: &Value, published: &[Member]) {
    let members = object.as_object().expect("an object");
    for name in members.keys() {
        let is_known = published.iter().any(|(known, _)| known == name);
        assert!(is_known, "Stripe has no member {name}");
    }
    for (name, published) in published {
        let value = members.get(*name);
        let value = value.unwrap_or_else(|| panic!("Stripe's member {name} is missing"));
        assert!(is_of(value, *published), "{name} can't be {value}");
    }
}

fn is_of(value: &Value, published: Type) -> bool {
    match published {
        Type::Text => value.is_string(),
        Type::Integer => value.is_i64(),
        Type::Bool => value.is_boolean(),
        Type::Texts => value
            .as_array()
            .is_some_and(|it| it.iter().all(Value::is_string)),
        Type::Metadata => value
            .as_object()
            .is_some_and(|it| it.values().all(Value::is_string)),
        Type::OneOf(values) => value.as_str().is_some_and(|it| values.contains(&it)),
        Type::Tagged => value["type"].is_string(),
        Type::Nullable(inner) => value.is_null() || is_of(value, *inner),
        Type::Expandable(members) => {
            if value.is_object() {
                assert_as_published(value, members);
            }
            value.is_object() || value.is_string()
        }
    }
}
