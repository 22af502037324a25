//! Figures of health in words: what each is called and means, and what mends it.

use domain::health::{Figure, Level, Unit};

use crate::i18n::{Lang, number};

/// Facts that are sizes.
const SIZES: [&str; 3] = ["free", "growth", "bytes"];

/// A figure as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub label: String,
    pub value: Option<String>,
    /// What it means, and what else is known, in one or two sentences.
    pub means: String,
    /// What to do, with its command between backticks; empty while the figure is green.
    pub mend: String,
}

impl Told {
    pub fn new(lang: Lang, figure: &Figure) -> Self {
        let facts: Vec<(&'static str, String)> = figure
            .of
            .iter()
            .map(|of| ("of", of.clone()))
            .chain(figure.facts.iter().map(|fact| shown(lang, fact)))
            .collect();
        let arguments: Vec<(&'static str, &str)> = facts
            .iter()
            .map(|(name, fact)| (*name, fact.as_str()))
            .collect();
        let key = format!("health-{}", figure.name.as_str());
        let part = |part: &str| lang.text_with(&format!("{key}{part}"), &arguments);
        let mut means = part(".means");
        // What nobody knows isn't said.
        if let Some(more) = lang.text_if_known(&format!("{key}.more"), &arguments) {
            means.push(' ');
            means.push_str(&more);
        }
        Self {
            label: part(""),
            value: figure
                .value
                .map(|value| amount(lang, value, figure.name.unit())),
            means,
            mend: match figure.level {
                Level::Green => String::new(),
                Level::Amber | Level::Red => part(".mend"),
            },
        }
    }
}

fn shown(lang: Lang, (name, fact): &(&'static str, String)) -> (&'static str, String) {
    let is_size = SIZES.contains(name);
    let size = fact.parse().ok().filter(|_| is_size);
    let count = || fact.parse().ok().map(number);
    let text = match size {
        Some(bytes) => amount(lang, bytes, Unit::Bytes),
        None if *name == "rows" => count().unwrap_or_else(|| fact.clone()),
        None => fact.clone(),
    };
    (name, text)
}

/// A value with its unit: `1.4 GiB`, `3 min`, `0.2 ms`.
pub fn amount(lang: Lang, value: f64, unit: Unit) -> String {
    let of = |key, number: String| lang.text_with(key, &[("number", &number)]);
    match unit {
        Unit::Count => rounded(value, 0),
        Unit::Percent => format!("{} %", rounded(value, 1)),
        Unit::Milliseconds => of("health-milliseconds", rounded(value, 1)),
        Unit::Bytes => size(value),
        Unit::BytesPerDay => lang.text_with("health-per-day", &[("amount", &size(value))]),
        Unit::Days => of("health-days", rounded(value, 0)),
        Unit::Seconds => match value {
            ..120.0 => of("health-seconds", rounded(value, 0)),
            ..7_200.0 => of("health-minutes", rounded(value / 60.0, 0)),
            ..172_800.0 => of("health-hours", rounded(value / 3_600.0, 0)),
            _ => of("health-days", rounded(value / 86_400.0, 0)),
        },
    }
}

fn size(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"B");
    while value.abs() >= 1_024.0 {
        let Some(next) = units.next() else { break };
        (value, unit) = (value / 1_024.0, next);
    }
    let digits = u8::from(value.abs() < 10.0 && *unit != "B");
    format!("{} {unit}", rounded(value, digits))
}

/// With commas, and a decimal only where it says something.
fn rounded(value: f64, digits: u8) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "figures to look at")]
    let tenths = (value * 10.0).round() as i64;
    if digits == 0 || tenths % 10 == 0 {
        #[expect(clippy::cast_possible_truncation, reason = "figures to look at")]
        return number(value.round() as i64);
    }
    let sign = if tenths < 0 && tenths > -10 { "-" } else { "" };
    format!("{sign}{}.{}", number(tenths / 10), tenths.abs() % 10)
}

/// A text in which what stands between backticks is a command.
pub fn pieces(text: &str) -> Vec<Piece> {
    let parts = text.split('`').enumerate();
    let pieces = parts.map(|(place, part)| Piece {
        is_command: place % 2 == 1,
        text: part.to_owned(),
    });
    pieces.filter(|piece| !piece.text.is_empty()).collect()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub is_command: bool,
    pub text: String,
}

#[cfg(test)]
mod tests {
    use domain::health::Name;

    use super::*;

    #[test]
    fn values_read_like_figures() {
        let shown = |value, unit| amount(Lang::En, value, unit);
        assert_eq!(shown(0.0, Unit::Count), "0");
        assert_eq!(shown(12_345.0, Unit::Count), "12,345");
        assert_eq!(shown(2.04, Unit::Percent), "2 %");
        assert_eq!(shown(99.96, Unit::Percent), "100 %");
        assert_eq!(shown(0.25, Unit::Milliseconds), "0.3 ms");
        assert_eq!(shown(900.0, Unit::Bytes), "900 B");
        assert_eq!(shown(1_536.0, Unit::Bytes), "1.5 KiB");
        assert_eq!(shown(5_368_709_120.0, Unit::Bytes), "5 GiB");
        assert_eq!(shown(-2_048.0, Unit::BytesPerDay), "-2 KiB a day");
        assert_eq!(shown(61.0, Unit::Seconds), "61 s");
        assert_eq!(shown(7_100.0, Unit::Seconds), "118 min");
        assert_eq!(shown(90_000.0, Unit::Seconds), "25 h");
    }

    #[test]
    fn every_figure_has_a_name_a_meaning_and_a_way_out_in_both_languages() {
        for lang in Lang::ALL {
            for name in Name::ALL {
                let figure = Figure {
                    name,
                    of: Some("x".to_owned()),
                    value: None,
                    level: Level::Red,
                    facts: ["rows", "longest", "mount"]
                        .map(|fact| (fact, "1".to_owned()))
                        .into(),
                };
                let told = Told::new(lang, &figure);
                for text in [&told.label, &told.means, &told.mend] {
                    assert!(!text.contains("health-"), "{lang:?} {name:?}: {text}");
                    assert!(!text.is_empty(), "{lang:?} {name:?}");
                }
            }
        }
    }

    #[test]
    fn commands_stand_apart_from_sentences() {
        let pieces = pieces("Run `stagedoor doctor`: it tells.");
        let commands: Vec<_> = pieces.iter().filter(|piece| piece.is_command).collect();
        assert_eq!(commands[0].text, "stagedoor doctor");
        assert_eq!((commands.len(), pieces.len()), (1, 3));
    }
}
