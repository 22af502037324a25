//! Amounts as Stripe counts them: in the smallest unit of each currency, which isn't always a hundredth.
//!
//! The lists are those of <https://docs.stripe.com/currencies> ("Minor units in API amounts",
//! "Zero-decimal currencies", "Three-decimal currencies", "Special cases"), as it was in 2026.
//! A currency in none of them has hundredths.

use domain::money::{Currency, Money};

/// Without a smaller unit: 500 is ¥500.
const WHOLE: [&str; 15] = [
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
];

/// Written in hundredths, of which only whole units can be charged.
const WHOLE_IN_HUNDREDTHS: [&str; 1] = ["ISK"];

/// In thousandths, of which the last digit must be 0.
const THOUSANDTHS: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

/// The page has this one in its list of whole currencies and says in its special cases that it is
/// written in hundredths. Guessing wrong would ask for a hundred times too much.
const CONTRADICTORY: [&str; 1] = ["UGX"];

/// Why an amount can't be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unpayable {
    #[error("{0} has no smaller unit, and the amount isn't a whole number")]
    Fraction(Currency),
    #[error("how amounts in {0} are written isn't certain")]
    Uncertain(Currency),
}

/// # Errors
/// When the currency can't express the amount.
pub(super) fn to_stripe(money: Money, currency: Currency) -> Result<i64, Unpayable> {
    let (hundredths, code) = (money.minor(), currency.as_str());
    let is_whole = hundredths % 100 == 0;
    if CONTRADICTORY.contains(&code) {
        Err(Unpayable::Uncertain(currency))
    } else if THOUSANDTHS.contains(&code) {
        Ok(hundredths * 10)
    } else if WHOLE.contains(&code) && is_whole {
        Ok(hundredths / 100)
    } else if WHOLE.contains(&code) || (WHOLE_IN_HUNDREDTHS.contains(&code) && !is_whole) {
        Err(Unpayable::Fraction(currency))
    } else {
        Ok(hundredths)
    }
}

/// `None` for a currency that we don't know how to read, and for an amount that no column holds or
/// that hundredths can't express.
pub(super) fn from_stripe(amount: i64, currency: &str) -> Option<(Money, Currency)> {
    // Stripe writes currencies in small letters.
    let currency: Currency = currency.to_ascii_uppercase().parse().ok()?;
    let code = currency.as_str();
    let hundredths = if CONTRADICTORY.contains(&code) {
        return None;
    } else if WHOLE.contains(&code) {
        amount.checked_mul(100)?
    } else if THOUSANDTHS.contains(&code) {
        (amount % 10 == 0).then_some(amount / 10)?
    } else {
        amount
    };
    Some((Money::from_minor(hundredths)?, currency))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn each_currency_is_counted_in_its_own_smallest_unit() {
        for (amount, code, expected) in [
            ("1250.50", "THB", Ok(125_050)),
            ("10.00", "USD", Ok(1_000)),
            ("500.00", "JPY", Ok(500)),
            ("500.01", "JPY", Err(Unpayable::Fraction(currency("JPY")))),
            ("5.00", "ISK", Ok(500)),
            ("5.10", "ISK", Err(Unpayable::Fraction(currency("ISK")))),
            ("5.12", "KWD", Ok(5_120)),
            ("10.45", "HUF", Ok(1_045)),
            ("5.00", "UGX", Err(Unpayable::Uncertain(currency("UGX")))),
        ] {
            let money: Money = amount.parse().unwrap();
            assert_eq!(
                to_stripe(money, currency(code)),
                expected,
                "{amount} {code}"
            );
        }
    }

    #[test]
    fn what_hundredths_cannot_express_is_no_amount() {
        for (amount, code) in [
            (5_123, "kwd"),
            (-1, "thb"),
            (i64::MAX, "jpy"),
            (100, "ugx"),
            (100, ""),
            (100, "thbx"),
        ] {
            assert_eq!(from_stripe(amount, code), None, "{amount} {code}");
        }
    }

    proptest! {
        #[test]
        fn what_was_asked_for_is_what_is_read(minor in 0..=Money::MAX.minor(), which in 0..5usize) {
            let currency = currency(["THB", "JPY", "KWD", "ISK", "USD"][which]);
            let money = Money::from_minor(minor).unwrap();
            if let Ok(asked) = to_stripe(money, currency) {
                let small = currency.as_str().to_ascii_lowercase();
                prop_assert_eq!(from_stripe(asked, &small), Some((money, currency)));
            }
        }
    }
}
