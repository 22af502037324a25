//! One of many, by its number or its name: an input with a list, which a browser completes and which
//! works as well without that. What an address keeps of it is the number.

use app::App;
use app::concerts::{self, Named};
use app::staff;
use domain::role::Permission;
use store::StoreError;

use super::form::{Field, sentence};
use super::frame::Frame;
use crate::api::query;
use crate::http::fields::FieldReason;

/// So many that a name may mean are told apart in a sentence.
const TOLD_MAX: usize = 8;
/// A house has some dozens of accounts.
const ACCOUNTS_MAX: i64 = 200;
/// Between a number and what it is the number of.
const JOINT: &str = " · ";

/// What was typed, and what it means.
#[derive(Debug)]
pub(super) struct Choice {
    pub field: Field,
    /// A number, of which nobody knows yet whether there is such; empty where nothing is meant.
    pub number: String,
}

/// Which concert is meant.
pub(super) async fn concert(app: &App, frame: &Frame, typed: &str) -> Result<Choice, StoreError> {
    let near = concerts::list_near(app).await?;
    let field = Field {
        is_required: false,
        value: typed.to_owned(),
        options: near.iter().map(|one| concert_label(frame, one)).collect(),
        ..Field::new("concert_id", "text", frame.t("sr-concert-number"))
    };
    let part = match part(frame, typed) {
        Part::Number(number) => return Ok(Choice::of(field, number)),
        Part::Wrong(sentence) => return Ok(Choice::wrong(field, sentence)),
        Part::Name(part) => part,
    };
    let limit = i64::try_from(TOLD_MAX + 1).unwrap_or(i64::MAX);
    let found = concerts::list_named(app, &part, limit).await?;
    Ok(match &*found {
        [one] => Choice::of(field, one.id.to_string()),
        [] => {
            let sentence = frame
                .lang()
                .text_with("choice-no-concert", &[("name", &*part)]);
            Choice::wrong(field, sentence)
        }
        several => {
            let labels = several.iter().map(|one| concert_label(frame, one));
            let sentence = which(frame, &part, labels.collect());
            Choice::wrong(field, sentence)
        }
    })
}

/// Which account of staff is meant; those that were deleted are known by their numbers alone, and so are
/// all to whoever may not read accounts.
pub(super) async fn account(app: &App, frame: &Frame, typed: &str) -> Result<Choice, StoreError> {
    let may_read = frame.role.may(Permission::ReadUsers);
    let all = if may_read {
        staff::list(app, 0, ACCOUNTS_MAX).await?
    } else {
        Vec::new()
    };
    let label = |one: &staff::StaffMember| format!("{}{JOINT}{}", one.id, one.username);
    let field = Field {
        is_required: false,
        value: typed.to_owned(),
        options: all.iter().map(label).collect(),
        ..Field::new("user_id", "text", frame.t("audit-user"))
    };
    let part = match part(frame, typed) {
        Part::Number(number) => return Ok(Choice::of(field, number)),
        Part::Wrong(sentence) => return Ok(Choice::wrong(field, sentence)),
        Part::Name(_) if !may_read => {
            let sentence = sentence(frame.lang(), FieldReason::NotAnId);
            return Ok(Choice::wrong(field, sentence));
        }
        Part::Name(part) => part.to_lowercase(),
    };
    let named = |one: &&staff::StaffMember| one.username.to_lowercase().contains(&part);
    let mut found: Vec<_> = all.iter().filter(named).collect();
    // Nobody else has that name, whoever has it as a part of theirs.
    if let Some(whole) = found
        .iter()
        .position(|one| one.username.to_lowercase() == part)
    {
        found = vec![found[whole]];
    }
    Ok(match &*found {
        [one] => Choice::of(field, one.id.to_string()),
        [] => {
            let sentence = frame
                .lang()
                .text_with("choice-no-account", &[("name", &*part)]);
            Choice::wrong(field, sentence)
        }
        several => {
            let labels = several.iter().map(|one| label(one));
            let sentence = which(frame, &part, labels.collect());
            Choice::wrong(field, sentence)
        }
    })
}

impl Choice {
    const fn of(field: Field, number: String) -> Self {
        Self { field, number }
    }

    fn wrong(field: Field, sentence: String) -> Self {
        let field = Field {
            error: Some(sentence),
            ..field
        };
        Self::of(field, String::new())
    }

    /// What stands above the page about it.
    pub(super) fn error(&self) -> Option<(&'static str, String)> {
        super::form::summary(std::slice::from_ref(&self.field)).pop()
    }
}

/// Around what was typed: a number, or what is looked for.
enum Part {
    Number(String),
    Name(String),
    Wrong(String),
}

fn part(frame: &Frame, typed: &str) -> Part {
    if let Some(number) = number(typed) {
        return Part::Number(number.to_owned());
    }
    match query::search_text(typed) {
        Ok(Some(part)) => Part::Name(part),
        Ok(None) => Part::Number(String::new()),
        Err(reason) => Part::Wrong(sentence(frame.lang(), reason)),
    }
}

/// The number of a text that is one, or that begins with one as the list writes them: the names of
/// many artists begin with others.
fn number(typed: &str) -> Option<&str> {
    let first = typed.split(JOINT.trim()).next()?.trim();
    let is_number = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(first)
}

fn concert_label(frame: &Frame, one: &Named) -> String {
    let day = frame.lang().date_short(one.date);
    format!("{}{JOINT}{}: {} ({day})", one.id, one.artist, one.name)
}

/// A name that several have, with those that it may mean.
fn which(frame: &Frame, name: &str, mut labels: Vec<String>) -> String {
    let key = if labels.len() > TOLD_MAX {
        "choice-many"
    } else {
        "choice-several"
    };
    labels.truncate(TOLD_MAX);
    let names = labels.join("; ");
    let values = [("name", name), ("names", &*names)];
    frame.lang().text_with(key, &values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_told_from_a_name_that_begins_with_one() {
        for (typed, meant) in [
            ("12", Some("12")),
            (" 12 ", Some("12")),
            ("12 · The Lanterns: Night Ferry (31 Jan 2027)", Some("12")),
            ("12·x", Some("12")),
            ("10 Years", None),
            ("1975 Live", None),
            ("Night · 12", None),
            ("", None),
            ("-1", None),
        ] {
            assert_eq!(number(typed), meant, "{typed}");
        }
    }
}
