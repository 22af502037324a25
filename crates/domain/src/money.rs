//! Money as whole minor units: exact, never floating point.

use std::fmt;
use std::ops::Add;
use std::str::FromStr;

/// An amount in hundredths of the installation's currency, 0 to 99,999,999.99.
///
/// The range is that of the specification's `DECIMAL(10,2)` without negative amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

impl Money {
    pub const ZERO: Self = Self(0);
    /// The largest amount that the columns hold.
    pub const MAX: Self = Self(9_999_999_999);

    /// `None` outside of 0 to [`Money::MAX`].
    pub const fn from_minor(minor: i64) -> Option<Self> {
        if minor >= 0 && minor <= Self::MAX.0 {
            Some(Self(minor))
        } else {
            None
        }
    }

    pub const fn minor(self) -> i64 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The price of `quantity` tickets; `None` when it leaves the range or `quantity` is negative.
    pub fn times(self, quantity: i32) -> Option<Self> {
        self.0
            .checked_mul(i64::from(quantity))
            .and_then(Self::from_minor)
    }
}

/// Two decimals, no grouping: `1250.00`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// A text that isn't an amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an amount like 1250.00 between 0.00 and 99999999.99")]
pub struct InvalidMoney;

/// Takes `1250`, `1250.5` and `1250.50`; no sign, no grouping, no third decimal.
impl FromStr for Money {
    type Err = InvalidMoney;

    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || whole.len() > 8 || fraction.len() > 2 {
            return Err(InvalidMoney);
        }
        let minor = format!("{whole}{fraction:0<2}")
            .parse()
            .map_err(|_| InvalidMoney)?;
        Self::from_minor(minor).ok_or(InvalidMoney)
    }
}

/// A sum of amounts, in hundredths: reports add up more than one column holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Total(i64);

impl Total {
    /// `None` below zero, where no sum of ours ends.
    pub const fn from_minor(minor: i64) -> Option<Self> {
        if minor >= 0 { Some(Self(minor)) } else { None }
    }

    pub const fn minor(self) -> i64 {
        self.0
    }
}

impl From<Money> for Total {
    fn from(amount: Money) -> Self {
        Self(amount.0)
    }
}

impl Add for Total {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// As [`Money`] is written: `1250000.00`.
impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// An ISO 4217 code of three capital letters. One per installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    pub const THB: Self = Self(*b"THB");

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a currency code of three capital letters, as in ISO 4217")]
pub struct InvalidCurrency;

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| InvalidCurrency)?;
        if code.iter().all(u8::is_ascii_uppercase) {
            Ok(Self(code))
        } else {
            Err(InvalidCurrency)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_read_exactly() {
        for (text, minor) in [
            ("0", 0),
            ("0.00", 0),
            ("1250", 125_000),
            ("1250.5", 125_050),
            ("99999999.99", 9_999_999_999),
        ] {
            assert_eq!(text.parse::<Money>().map(Money::minor), Ok(minor), "{text}");
        }
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1.234",
            "1,000",
            "100000000",
            "1e3",
            "๑",
        ] {
            assert_eq!(text.parse::<Money>(), Err(InvalidMoney), "{text}");
        }
    }

    #[test]
    fn a_total_out_of_range_is_no_amount() {
        assert_eq!(Money::MAX.times(1), Some(Money::MAX));
        assert_eq!(Money::MAX.times(2), None);
        assert_eq!(Money::MAX.times(-1), None);
    }

    #[test]
    fn currencies_are_three_capital_letters() {
        assert_eq!("THB".parse::<Currency>(), Ok(Currency::THB));
        for text in ["", "thb", "TH", "THBX", "T1B", "฿"] {
            assert_eq!(text.parse::<Currency>(), Err(InvalidCurrency), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(minor in 0..=Money::MAX.0) {
            let money = Money::from_minor(minor).unwrap();
            prop_assert_eq!(money.to_string().parse(), Ok(money));
        }
    }
}
