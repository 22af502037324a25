//! Patterns for `LIKE` from what people type.

/// A pattern that matches every text with `part` in it; `%`, `_` and `\` stand for themselves.
pub(crate) fn contains_pattern(part: &str) -> String {
    format!("%{}%", escaped(part))
}

/// The same for every text that begins with `part`.
pub(crate) fn prefix_pattern(part: &str) -> String {
    format!("{}%", escaped(part))
}

fn escaped(part: &str) -> String {
    part.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_themselves() {
        assert_eq!(contains_pattern(r"50%_\"), r"%50\%\_\\%");
        assert_eq!(prefix_pattern("5_"), r"5\_%");
    }
}
