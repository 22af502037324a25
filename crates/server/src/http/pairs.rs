//! Fields of a form or a query as they were sent, for pages that show them again as they were typed.

/// Names and values, in the order in which they were sent.
pub type Pairs = Vec<(String, String)>;

/// The fields of a query; none where it can't be read.
pub fn of_query(query: Option<&str>) -> Pairs {
    serde_urlencoded::from_str(query.unwrap_or_default()).unwrap_or_default()
}

/// The value of a field; of one that isn't there nothing.
pub fn value<'a>(pairs: &'a Pairs, field: &str) -> &'a str {
    let found = pairs.iter().find(|(name, _)| name == field);
    found.map_or("", |(_, value)| value)
}
