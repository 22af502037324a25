//! Numbers and money as both languages write them: Western digits, commas between thousands.

/// `45000` → `45,000`.
pub fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    if value < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An amount in hundredths with its currency's sign: `฿1,250`, `฿1,250.50`, `CHF 90`.
///
/// Cents appear only when there are some, as on a price tag.
pub fn money(minor: i64, currency: &str) -> String {
    format!("{}{}", sign(currency), amount(minor))
}

/// What stands before an amount: the sign, or the code and a space that doesn't break.
pub fn sign(currency: &str) -> String {
    match currency {
        "THB" => "฿".to_owned(),
        "USD" => "$".to_owned(),
        "EUR" => "€".to_owned(),
        "GBP" => "£".to_owned(),
        "JPY" => "¥".to_owned(),
        other => format!("{other}\u{a0}"),
    }
}

fn amount(minor: i64) -> String {
    let whole = number(minor / 100);
    match minor.unsigned_abs() % 100 {
        0 => whole,
        cents => format!("{whole}.{cents:02}"),
    }
}
