//! Which language a visitor gets when the path doesn't say: the cookie, then `Accept-Language`.

use super::Lang;

/// More entries than any browser sends; the rest of a longer header is ignored.
const ENTRIES_MAX: usize = 20;

impl Lang {
    /// English when neither the cookie nor the header (RFC 9110, 12.5.4) asks for one of ours.
    pub fn negotiate(cookie: Option<&str>, accept_language: Option<&str>) -> Self {
        cookie
            .and_then(|code| code.parse().ok())
            .or_else(|| accept_language.and_then(best_of))
            .unwrap_or_default()
    }
}

/// The language of ours with the highest weight; the first one wins a tie.
fn best_of(header: &str) -> Option<Lang> {
    let mut best: Option<(Lang, f32)> = None;
    for entry in header.split(',').take(ENTRIES_MAX) {
        let mut parts = entry.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let weight = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(Some(1.0), |text| text.parse::<f32>().ok())
            .filter(|weight| (0.0..=1.0).contains(weight))
            .unwrap_or(0.0);
        let primary = range
            .split('-')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let Ok(lang) = primary.parse::<Lang>() else {
            continue;
        };
        if weight > 0.0 && best.is_none_or(|(_, highest)| weight > highest) {
            best = Some((lang, weight));
        }
    }
    best.map(|(lang, _)| lang)
}
