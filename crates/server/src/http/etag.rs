//! Entity tags of what can be edited, and `If-Match`, which keeps an edit from being lost.

use app::concerts::change::{Expected, version};
use domain::concert::Concert;
use http::HeaderMap;
use http::header::IF_MATCH;

use super::problem::Problem;

/// More than anybody merges at one time, and little to compare.
const TAGS_MAX: usize = 16;

/// Changes with what staff can edit, and not with a sale: whoever edits a concert that sells isn't
/// sent back each time.
pub fn of_concert(concert: &Concert) -> String {
    quoted(&version(concert))
}

/// As they stood in `If-Match`.
pub(super) fn of_versions(expected: &Expected) -> Vec<String> {
    match expected {
        Expected::Any => vec!["*".to_owned()],
        Expected::OneOf(versions) => versions.iter().map(|version| quoted(version)).collect(),
    }
}

fn quoted(version: &str) -> String {
    format!("\"{version}\"")
}

/// The versions that a request is meant for, by its `If-Match` (RFC 9110, 13.1.1).
///
/// A weak tag counts too, against that rule: proxies that compress answers make ours weak, and it
/// names the content, not the bytes.
pub fn expected(headers: &HeaderMap) -> Result<Expected, Problem> {
    let mut values = headers.get_all(IF_MATCH).iter().peekable();
    if values.peek().is_none() {
        return Err(Problem::precondition_required());
    }
    let texts = values.filter_map(|value| value.to_str().ok());
    let tags: Vec<&str> = texts
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .take(TAGS_MAX)
        .collect();
    if tags == ["*"] {
        return Ok(Expected::Any);
    }
    let versions = tags.into_iter().filter_map(|tag| {
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag.strip_prefix('"')?.strip_suffix('"')
    });
    Ok(Expected::OneOf(versions.map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(value: &'static str) -> Option<Expected> {
        let mut headers = HeaderMap::new();
        headers.insert(IF_MATCH, HeaderValue::from_static(value));
        expected(&headers).ok()
    }

    #[test]
    fn tags_are_read_from_a_list_and_nonsense_fits_nothing() {
        let versions = |versions: &[&str]| {
            let versions = versions.iter().map(|&version| version.to_owned());
            Some(Expected::OneOf(versions.collect()))
        };
        assert_eq!(read("*"), Some(Expected::Any));
        assert_eq!(read("\"a\""), versions(&["a"]));
        assert_eq!(
            read("\"a\", W/\"b\" , c, \"*\""),
            versions(&["a", "b", "*"])
        );
        assert_eq!(read(""), versions(&[]));
        assert!(expected(&HeaderMap::new()).is_err());
    }
}
