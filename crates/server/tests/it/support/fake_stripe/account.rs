//! What the fake has: pages, the money that came by them, and what went back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::published::{self, assert_as_published, complaint};

/// Why a call isn't carried out.
pub(super) enum Refusal {
    /// A parameter is wrong; Stripe sees that before anything begins.
    Invalid {
        param: String,
        why: String,
    },
    Told {
        status: u16,
        code: &'static str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Open,
    Paid,
    /// The buyer was told how to pay, and has not yet.
    Promised,
    /// The buyer was told how to pay, and never did.
    Broken,
    Expired,
}

pub(crate) struct Session {
    pub(crate) page: Page,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) expires_at: i64,
    form: BTreeMap<String, String>,
}

pub(crate) struct Refund {
    pub(crate) intent: String,
    pub(crate) amount: i64,
    pub(crate) status: &'static str,
    metadata: BTreeMap<String, String>,
}

pub(crate) struct Account {
    pub(super) now: Timestamp,
    pub(crate) sessions: BTreeMap<String, Session>,
    /// Oldest first.
    pub(crate) refunds: Vec<(String, Refund)>,
    /// How a refund that is made now stands.
    pub(crate) refund_status: &'static str,
    /// How buyers pay.
    pub(crate) method: &'static str,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            now: Timestamp::UNIX_EPOCH,
            sessions: BTreeMap::new(),
            refunds: Vec::new(),
            refund_status: "succeeded",
            method: "card",
        }
    }
}

type Form = [(String, String)];

impl Account {
    pub(super) fn perform(&mut self, call: &str, form: &Form) -> Result<Value, Refusal> {
        let (method, path) = call.split_once(' ').expect("a call");
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            ("POST", ["v1", "checkout", "sessions"]) => {
                self.check(form, published::CREATE_SESSION)?;
                self.create_session(form)
            }
            ("GET", ["v1", "checkout", "sessions", id]) => {
                self.check(form, published::RETRIEVE_SESSION)?;
                self.find(id)?;
                let is_expanded = form.iter().any(|(_, value)| value == "payment_intent");
                Ok(self.session(id, is_expanded))
            }
            ("POST", ["v1", "checkout", "sessions", id, "expire"]) => {
                self.check(form, published::EXPIRE_SESSION)?;
                if self.find(id)?.page != Page::Open {
                    return Err(Refusal::Told {
                        status: 400,
                        code: "",
                    });
                }
                self.turn(id, Page::Expired);
                Ok(self.session(id, false))
            }
            ("POST", ["v1", "refunds"]) => {
                self.check(form, published::CREATE_REFUND)?;
                self.create_refund(form)
            }
            ("GET", ["v1", "refunds"]) => {
                self.check(form, published::LIST_REFUNDS)?;
                Ok(self.list_refunds(form))
            }
            _ => Err(Refusal::Invalid {
                param: "the path".into(),
                why: "is none of Stripe's".into(),
            }),
        }
    }

    fn check(&self, form: &Form, published: &[published::Parameter]) -> Result<(), Refusal> {
        match complaint(form, published, self.now) {
            None => Ok(()),
            Some((param, why)) => Err(Refusal::Invalid { param, why }),
        }
    }

    fn find(&self, id: &str) -> Result<&Session, Refusal> {
        let missing = Refusal::Told {
            status: 404,
            code: "resource_missing",
        };
        self.sessions.get(id).ok_or(missing)
    }

    fn create_session(&mut self, form: &Form) -> Result<Value, Refusal> {
        let form: BTreeMap<_, _> = form.iter().cloned().collect();
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        let number = |name: &str| field(name).parse::<i64>().ok();
        let amount = number("line_items[0][price_data][unit_amount]").expect("checked");
        let currency = field("line_items[0][price_data][currency]");
        if ["bhd", "jod", "kwd", "omr", "tnd"].contains(&currency.as_str()) && amount % 10 != 0 {
            return Err(Refusal::Invalid {
                param: "unit_amount".into(),
                why: "has a last digit that isn't 0".into(),
            });
        }
        let id = format!("cs_test_{}", self.sessions.len() + 1);
        let day = self.now.as_second() + 24 * 3600;
        let session = Session {
            page: Page::Open,
            amount: amount * number("line_items[0][quantity]").expect("checked"),
            currency,
            expires_at: number("expires_at").unwrap_or(day),
            form,
        };
        self.sessions.insert(id.clone(), session);
        Ok(self.session(&id, false))
    }

    /// What happens to a page.
    pub(crate) fn turn(&mut self, id: &str, page: Page) {
        self.sessions.get_mut(id).expect("a session").page = page;
    }

    /// The object, with the name of its intent or with all of it.
    pub(crate) fn session(&self, id: &str, is_expanded: bool) -> Value {
        let session = &self.sessions[id];
        let field = |name: &str| session.form.get(name);
        let (status, payment_status) = match session.page {
            Page::Open => ("open", "unpaid"),
            Page::Paid => ("complete", "paid"),
            Page::Promised | Page::Broken => ("complete", "unpaid"),
            Page::Expired => ("expired", "unpaid"),
        };
        let is_open = session.page == Page::Open;
        let url = is_open.then(|| format!("https://checkout.stripe.com/c/pay/{id}"));
        let has_intent = !matches!(session.page, Page::Open | Page::Expired);
        let intent = match (has_intent, is_expanded) {
            (false, _) => Value::Null,
            (true, false) => Self::intent_of(id).into(),
            (true, true) => self.intent(id),
        };
        let object = json!({
            "id": id,
            "object": "checkout.session",
            "amount_subtotal": session.amount,
            "amount_total": session.amount,
            "cancel_url": field("cancel_url"),
            "client_reference_id": field("client_reference_id"),
            "created": self.now.as_second(),
            "currency": session.currency,
            "customer_email": field("customer_email"),
            "expires_at": session.expires_at,
            "livemode": false,
            "locale": field("locale"),
            "metadata": metadata(&session.form, "metadata["),
            "mode": field("mode"),
            "payment_intent": intent,
            "payment_method_types": ["card", "promptpay"],
            "payment_status": payment_status,
            "status": status,
            "success_url": field("success_url"),
            "url": url,
        });
        assert_as_published(&object, published::SESSION);
        object
    }

    pub(crate) fn intent_of(session: &str) -> String {
        session.replacen("cs_test_", "pi_", 1)
    }

    fn session_of(intent: &str) -> String {
        intent.replacen("pi_", "cs_test_", 1)
    }

    fn intent(&self, id: &str) -> Value {
        let session = &self.sessions[id];
        let status = match session.page {
            Page::Paid => "succeeded",
            Page::Promised => "processing",
            _ => "requires_payment_method",
        };
        let is_paid = session.page == Page::Paid;
        json!({
            "id": Self::intent_of(id),
            "object": "payment_intent",
            "amount": session.amount,
            "amount_received": if is_paid { session.amount } else { 0 },
            "created": self.now.as_second(),
            "currency": session.currency,
            "livemode": false,
            "metadata": metadata(&session.form, "payment_intent_data[metadata]["),
            "status": status,
        })
    }

    /// The charge of a page that was paid.
    pub(crate) fn charge(&self, id: &str) -> Value {
        let session = &self.sessions[id];
        let gone = self.gone(&Self::intent_of(id));
        let object = json!({
            "id": id.replacen("cs_test_", "ch_", 1),
            "object": "charge",
            "amount": session.amount,
            "amount_captured": session.amount,
            "amount_refunded": gone,
            "captured": true,
            "created": self.now.as_second(),
            "currency": session.currency,
            "livemode": false,
            "metadata": metadata(&session.form, "payment_intent_data[metadata]["),
            "paid": true,
            "payment_intent": Self::intent_of(id),
            "payment_method_details": {"type": self.method},
            "refunded": gone == session.amount,
            "status": "succeeded",
        });
        assert_as_published(&object, published::CHARGE);
        object
    }

    /// How much of an intent's money went back or is on its way.
    pub(crate) fn gone(&self, intent: &str) -> i64 {
        let of_it = self.refunds.iter().filter(|(_, it)| it.intent == intent);
        of_it
            .filter(|(_, it)| !matches!(it.status, "failed" | "canceled"))
            .map(|(_, it)| it.amount)
            .sum()
    }

    fn create_refund(&mut self, form: &Form) -> Result<Value, Refusal> {
        let form: BTreeMap<_, _> = form.iter().cloned().collect();
        let intent = form["payment_intent"].clone();
        let session = self.find(&Self::session_of(&intent))?;
        if session.page != Page::Paid {
            return Err(Refusal::Told {
                status: 400,
                code: "payment_intent_unexpected_state",
            });
        }
        let left = session.amount - self.gone(&intent);
        if left == 0 {
            return Err(Refusal::Told {
                status: 400,
                code: "charge_already_refunded",
            });
        }
        let asked = form.get("amount").and_then(|text| text.parse().ok());
        let amount = asked.unwrap_or(left);
        if amount > left {
            return Err(Refusal::Told {
                status: 400,
                code: "",
            });
        }
        let metadata = metadata(&form, "metadata[");
        Ok(self.add_refund(&intent, amount, metadata))
    }

    /// As somebody does at the dashboard.
    pub(crate) fn refund_by_hand(&mut self, intent: &str, amount: i64) -> Value {
        self.add_refund(intent, amount, BTreeMap::new())
    }

    fn add_refund(
        &mut self,
        intent: &str,
        amount: i64,
        metadata: BTreeMap<String, String>,
    ) -> Value {
        let id = format!("re_{}", self.refunds.len() + 1);
        let refund = Refund {
            intent: intent.to_owned(),
            amount,
            status: self.refund_status,
            metadata,
        };
        self.refunds.push((id.clone(), refund));
        self.refund(&id)
    }

    /// Where a refund ends.
    pub(crate) fn settle(&mut self, refund: &str, status: &'static str) {
        let found = self.refunds.iter_mut().find(|(id, _)| id == refund);
        found.expect("a refund").1.status = status;
    }

    pub(crate) fn refund(&self, refund: &str) -> Value {
        let (id, refund) = self
            .refunds
            .iter()
            .find(|(id, _)| id == refund)
            .expect("a refund");
        let session = &self.sessions[&Self::session_of(&refund.intent)];
        let object = json!({
            "id": id,
            "object": "refund",
            "amount": refund.amount,
            "balance_transaction": null,
            "charge": refund.intent.replacen("pi_", "ch_", 1),
            "created": self.now.as_second(),
            "currency": session.currency,
            "metadata": refund.metadata,
            "payment_intent": refund.intent,
            "reason": null,
            "receipt_number": null,
            "source_transfer_reversal": null,
            "status": refund.status,
            "transfer_reversal": null,
        });
        assert_as_published(&object, published::REFUND);
        object
    }

    fn list_refunds(&self, form: &Form) -> Value {
        let field = |name: &str| form.iter().find(|(it, _)| it == name).map(|(_, it)| it);
        let limit = field("limit").map_or(10, |it| it.parse().expect("checked"));
        let of_it = |refund: &Refund| field("payment_intent").is_none_or(|it| *it == refund.intent);
        let all = self.refunds.iter().rev();
        let ids: Vec<_> = all.filter(|(_, it)| of_it(it)).map(|(id, _)| id).collect();
        let page = ids.iter().take(limit);
        json!({
            "object": "list",
            "url": "/v1/refunds",
            "has_more": ids.len() > limit,
            "data": page.map(|id| self.refund(id)).collect::<Vec<_>>(),
        })
    }
}

fn metadata(form: &BTreeMap<String, String>, prefix: &str) -> BTreeMap<String, String> {
    let key = |name: &str| Some(name.strip_prefix(prefix)?.strip_suffix(']')?.to_owned());
    form.iter()
        .filter_map(|(name, value)| Some((key(name)?, value.clone())))
        .collect()
}
