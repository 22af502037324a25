//! The form that books tickets: what was typed, and each thing that is wrong as a sentence.

use app::customers::SignedIn;
use app::reserve::ReserveError;
use domain::allotment::Refusal;
use domain::concert::Concert;
use domain::money::Currency;
use domain::text::TextError;
use store::StoreError;

use super::sign_in::sign_in_address;
use crate::http::page::Layout;
use crate::i18n::{Lang, sign};

/// The fields that people fill in, from top to bottom; their names are also their ids in the page.
pub const FIELDS: [&str; 3] = ["quantity", "customer_name", "customer_email"];

/// The form that books tickets, as first shown or as sent and refused.
#[derive(Debug)]
pub struct HoldForm {
    pub action: String,
    pub quantity: Field,
    pub customer_name: Field,
    pub customer_email: Field,
    pub idempotency_key: String,
    pub quantity_max: i32,
    pub quantity_hint: String,
    /// What the script multiplies for the running total; the server's total is what counts.
    pub price_minor: i64,
    pub currency_sign: String,
    /// Where those sign in who aren't, and come back from.
    pub sign_in: Option<String>,
    /// Everything that is wrong, in the order of the form.
    pub problems: Vec<Problem>,
}

/// A form field: what was typed, kept as typed, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Field {
    pub value: String,
    pub error: Option<String>,
}

/// One line of the summary at the top, linked to its field.
#[derive(Clone, Debug)]
pub struct Problem {
    pub field: &'static str,
    pub message: String,
}

impl HoldForm {
    /// An empty form for one ticket. `key` ties repeated sends together; `per_buyer` is the limit.
    pub fn new(
        layout: &Layout,
        concert: &Concert,
        currency: Currency,
        per_buyer: i32,
        key: String,
    ) -> Self {
        let max = per_buyer.min(concert.available_tickets).max(1);
        Self {
            action: layout.href(&format!("/concerts/{}/hold", concert.id)),
            quantity: Field {
                value: "1".to_owned(),
                error: None,
            },
            customer_name: Field::default(),
            customer_email: Field::default(),
            idempotency_key: key,
            quantity_max: max,
            quantity_hint: layout
                .lang
                .count("hold-quantity-hint", i64::from(per_buyer)),
            price_minor: concert.price.minor(),
            currency_sign: sign(currency.as_str()),
            sign_in: Some(sign_in_address(
                layout,
                &layout.href(&format!("/concerts/{}", concert.id)),
            )),
            problems: Vec::new(),
        }
    }

    /// Fills in what is known of whoever is signed in.
    #[must_use]
    pub fn known(mut self, customer: Option<&SignedIn>) -> Self {
        if let Some(customer) = customer {
            let name = customer.name().unwrap_or_default();
            name.clone_into(&mut self.customer_name.value);
            customer
                .email()
                .as_str()
                .clone_into(&mut self.customer_email.value);
        }
        self.for_somebody(customer.is_some())
    }

    /// Whoever is signed in needs no way to it.
    #[must_use]
    pub fn for_somebody(mut self, is_signed_in: bool) -> Self {
        self.sign_in = self.sign_in.filter(|_| !is_signed_in);
        self
    }

    pub fn problem_count(&self) -> i64 {
        i64::try_from(self.problems.len()).unwrap_or(i64::MAX)
    }

    /// Keeps what was typed, in the order of [`FIELDS`].
    #[must_use]
    pub fn filled(mut self, [quantity, customer_name, customer_email]: [&str; 3]) -> Self {
        quantity.clone_into(&mut self.quantity.value);
        customer_name.clone_into(&mut self.customer_name.value);
        customer_email.clone_into(&mut self.customer_email.value);
        self
    }

    /// Notes a problem at its field, one of [`FIELDS`], and in the summary. A problem of the whole form goes to `quantity`, the field where one can act.
    #[must_use]
    pub fn refused(mut self, field: &'static str, message: String) -> Self {
        let target = match field {
            "customer_name" => &mut self.customer_name,
            "customer_email" => &mut self.customer_email,
            _ => &mut self.quantity,
        };
        target.error = Some(message.clone());
        self.problems.push(Problem { field, message });
        self
    }
}

/// Why a booking got nothing, as a sentence that says what to do.
pub fn booking_text(lang: Lang, error: &ReserveError) -> String {
    let count = |key, number| lang.count(key, i64::from(number));
    match error {
        ReserveError::Refused(Refusal::SoldOut) => lang.text("error-sold-out"),
        ReserveError::Refused(Refusal::NotEnoughTickets { available }) => {
            count("error-not-enough", *available)
        }
        ReserveError::Refused(Refusal::OverOrderLimit { limit }) => {
            count("error-limit-order", *limit)
        }
        ReserveError::Refused(Refusal::OverCustomerLimit { limit, .. }) => {
            count("error-limit-customer", *limit)
        }
        ReserveError::SaleClosed | ReserveError::UnknownConcert => lang.text("error-sale-closed"),
        ReserveError::TotalTooLarge => lang.text("error-total"),
        ReserveError::KeyReused | ReserveError::KeyOrphaned => lang.text("error-form-stale"),
        ReserveError::InFlight => lang.text("error-in-flight"),
        // Whether it was booked can't be known, but sending it again with its key is safe.
        ReserveError::Store(StoreError::OutcomeUnknown(_)) => lang.text("error-unknown"),
        ReserveError::Overloaded | ReserveError::Store(_) => lang.text("error-busy"),
    }
}

/// What is wrong with a quantity that is no number of tickets, as a sentence.
pub fn quantity_text(lang: Lang, per_buyer: i32) -> String {
    lang.count("error-quantity-range", i64::from(per_buyer))
}

/// What is wrong with a name or an e-mail address, as a sentence.
pub fn line_text(lang: Lang, field: &str, error: TextError) -> String {
    match error {
        _ if field == "customer_email" => lang.text("error-email"),
        TextError::TooLong { .. } => lang.text("error-name-long"),
        TextError::ControlCharacter => lang.text("error-name-characters"),
        _ => lang.text("error-name-missing"),
    }
}
