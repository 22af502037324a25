//! Stripe's objects, as far as we look at them: names and types as in its `OpenAPI` description.
//!
//! Fields that we don't know are passed over, and so are new values of an enumeration: Stripe adds
//! both without a new version.

use domain::id::PaymentId;
use serde::Deserialize;

/// `checkout.session`.
#[derive(Debug, Deserialize)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) mode: Mode,
    /// Only while the page is open.
    pub(super) url: Option<String>,
    pub(super) status: Option<SessionStatus>,
    pub(super) payment_status: PaymentStatus,
    pub(super) amount_total: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) client_reference_id: Option<String>,
    pub(super) payment_intent: Option<Expandable<PaymentIntent>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    Payment,
    #[serde(other)]
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SessionStatus {
    Open,
    Complete,
    Expired,
    #[serde(other)]
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PaymentStatus {
    Paid,
    Unpaid,
    NoPaymentRequired,
    #[serde(other)]
    Other,
}

impl PaymentStatus {
    pub(super) const fn is_settled(self) -> bool {
        matches!(self, Self::Paid | Self::NoPaymentRequired)
    }
}

/// An object, or its name alone when it wasn't asked for.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Expandable<T> {
    Name(String),
    Object(T),
}

#[derive(Debug, Deserialize)]
pub(super) struct PaymentIntent {
    pub(super) id: String,
    pub(super) status: IntentStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum IntentStatus {
    /// The attempt failed, and another one could be made.
    RequiresPaymentMethod,
    Canceled,
    #[serde(other)]
    Other,
}

impl Expandable<PaymentIntent> {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Object(intent) => &intent.id,
        }
    }
}

impl Session {
    pub(super) fn payment(&self) -> Option<PaymentId> {
        self.client_reference_id.as_deref()?.parse().ok()
    }

    pub(super) fn money(&self) -> Option<String> {
        let intent = self.payment_intent.as_ref()?;
        Some(intent.name().to_owned())
    }
}

/// `refund`.
#[derive(Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) status: Option<RefundStatus>,
    pub(super) payment_intent: Option<String>,
    /// Such as `expired_or_canceled_card`; Stripe adds new ones.
    #[serde(default)]
    failure_reason: Option<String>,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RefundStatus {
    Pending,
    /// The buyer must say where the money is to go.
    RequiresAction,
    Succeeded,
    Failed,
    Canceled,
    #[serde(other)]
    Other,
}

impl Refund {
    pub(super) fn standing(&self) -> RefundStatus {
        self.status.unwrap_or(RefundStatus::Pending)
    }

    /// Why it failed, in Stripe's word for it.
    pub(super) fn failure(&self) -> Option<&str> {
        let failed = self.standing().is_failed();
        self.failure_reason.as_deref().filter(|_| failed)
    }
}

impl RefundStatus {
    pub(super) const fn is_failed(self) -> bool {
        matches!(self, Self::Failed | Self::Canceled)
    }

    pub(super) const fn is_open(self) -> bool {
        !self.is_failed() && !matches!(self, Self::Succeeded)
    }
}

/// `charge`.
#[derive(Debug, Deserialize)]
pub(super) struct Charge {
    pub(super) amount: i64,
    pub(super) amount_refunded: i64,
    pub(super) payment_intent: Option<String>,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
    pub(super) payment_method_details: Option<MethodDetails>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MethodDetails {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// `dispute`.
#[derive(Debug, Deserialize)]
pub(super) struct Dispute {
    pub(super) payment_intent: Option<String>,
}

/// What we write on our objects, and what others may have written on theirs.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Metadata {
    payment_id: Option<String>,
}

impl Metadata {
    /// `None` on an object that isn't ours.
    pub(super) fn payment(of: Option<&Self>) -> Option<PaymentId> {
        of?.payment_id.as_deref()?.parse().ok()
    }
}

/// `list`.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
}

/// What an answer that isn't 2xx carries.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorBody {
    #[serde(default)]
    pub(super) error: ErrorObject,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorObject {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    pub(super) param: Option<String>,
}

/// `event`, around an object that depends on its type.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    pub(super) id: String,
    pub(super) object: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) livemode: bool,
    pub(super) data: EnvelopeData,
}

#[derive(Debug, Deserialize)]
pub(super) struct EnvelopeData {
    pub(super) object: serde_json::Value,
}
