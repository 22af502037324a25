//! What stands guard in a database beside the product's own code: columns, indexes, constraints,
//! triggers, policies, functions and rights, as they are and as they must be.

use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::shape as statements;

/// What migrations and `roles.sql` make: the server's major version, then a part in each line.
const WANTED: &str = include_str!("shape/wanted.tsv");
/// What `migrate` does each time it runs.
const AFTER_MIGRATIONS: &str = include_str!("../after_migrations.sql");

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub kind: Kind,
    pub name: String,
    /// The command that makes it, for most kinds.
    pub definition: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Column,
    Index,
    Constraint,
    Trigger,
    /// Whether a trigger fires, and when.
    TriggerState,
    /// Whether a table's policies hold, and whether for its owner too.
    RowSecurity,
    Policy,
    Function,
    /// What a role, or everybody, may do with a thing.
    Right,
    /// What makes a role more than an ordinary one.
    Power,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Column,
        Self::Index,
        Self::Constraint,
        Self::Trigger,
        Self::TriggerState,
        Self::RowSecurity,
        Self::Policy,
        Self::Function,
        Self::Right,
        Self::Power,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Column => "column",
            Self::Index => "index",
            Self::Constraint => "constraint",
            Self::Trigger => "trigger",
            Self::TriggerState => "trigger_state",
            Self::RowSecurity => "row_security",
            Self::Policy => "policy",
            Self::Function => "function",
            Self::Right => "right",
            Self::Power => "power",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether more of it than was made does harm; an operator's own index or column doesn't.
    const fn is_harmful_in_excess(self) -> bool {
        matches!(
            self,
            Self::Trigger | Self::Policy | Self::Right | Self::Power
        )
    }

    /// Whether its definition is in our own words, which are the same in every version of PostgreSQL.
    const fn is_in_our_words(self) -> bool {
        matches!(
            self,
            Self::TriggerState | Self::RowSecurity | Self::Function | Self::Right | Self::Power
        )
    }
}

impl Part {
    /// Whether `migrate` makes it anew where it is missing, or not valid: what it does behind the migrations.
    pub fn is_made_by_migrate(&self) -> bool {
        let (_, own) = self.name.split_once('.').unwrap_or(("", &self.name));
        let is_one = matches!(self.kind, Kind::Index | Kind::Constraint);
        is_one && AFTER_MIGRATIONS.contains(own)
    }
}

/// A part that isn't as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    Missing(Part),
    Changed { wanted: Part, found: String },
    Excess(Part),
}

/// Where this database differs from what `migrate` makes, in the order of [`Kind`]s' names.
pub async fn differences(connection: &Connection) -> Result<Vec<Difference>, StoreError> {
    let rows = statements::list_shape().bind(connection).all().await?;
    let parts = rows.into_iter().filter_map(|row| {
        Some(Part {
            kind: Kind::parse(&row.kind)?,
            name: row.name,
            definition: row.definition,
        })
    });
    let version = statements::find_major_version()
        .bind(connection)
        .one()
        .await?;
    Ok(compare(&parts.collect::<Vec<_>>(), version))
}

/// Versions of PostgreSQL write definitions each their own way, so that only the one that wrote the
/// wanted ones is held to the letter of those that aren't ours.
fn compare(found: &[Part], version: i32) -> Vec<Difference> {
    let (wanted_version, wanted) = wanted();
    let is_literal = |part: &Part| part.kind.is_in_our_words() || version == wanted_version;
    let find = |among: &[Part], part: &Part| {
        let same = |one: &&Part| one.kind == part.kind && one.name == part.name;
        among.iter().find(same).cloned()
    };
    let mut differences: Vec<Difference> = Vec::new();
    for part in &wanted {
        match find(found, part) {
            None => differences.push(Difference::Missing(part.clone())),
            Some(other) if is_literal(part) && other.definition != part.definition => {
                differences.push(Difference::Changed {
                    wanted: part.clone(),
                    found: other.definition,
                });
            }
            Some(_) => {}
        }
    }
    let excess = found
        .iter()
        .filter(|part| part.kind.is_harmful_in_excess() && find(&wanted, part).is_none())
        .filter(|part| is_about_ours(part, &wanted));
    differences.extend(excess.cloned().map(Difference::Excess));
    differences
}

/// Whether it is on a thing of ours: what operators keep beside is theirs.
fn is_about_ours(part: &Part, wanted: &[Part]) -> bool {
    let is_table = |name: &str| {
        let begin = format!("{name}.");
        let mut columns = wanted.iter().filter(|part| part.kind == Kind::Column);
        columns.any(|column| column.name.starts_with(&begin))
    };
    let is_of_table = |name: &str| {
        name.split_once('.')
            .is_some_and(|(table, _)| is_table(table))
    };
    if part.kind != Kind::Right {
        return part.kind == Kind::Power || is_of_table(&part.name);
    }
    let is_function = |name: &str| {
        let mut functions = wanted.iter().filter(|part| part.kind == Kind::Function);
        functions.any(|function| function.name == name)
    };
    let words: Vec<&str> = part.name.splitn(3, ' ').collect();
    match words[..] {
        [_, "table" | "owns", name] => is_table(name),
        [_, "column", name] => is_of_table(name),
        [_, "sequence", name] => name
            .rsplit_once("_id_seq")
            .is_some_and(|(table, _)| is_table(table)),
        [_, "function", name] => is_function(name),
        _ => true,
    }
}

fn wanted() -> (i32, Vec<Part>) {
    let mut lines = WANTED.lines();
    let version = lines.next().and_then(|line| line.parse().ok());
    let parts = lines.filter_map(|line| {
        let mut words = line.splitn(3, '\t');
        Some(Part {
            kind: Kind::parse(words.next()?)?,
            name: words.next()?.to_owned(),
            definition: words.next()?.to_owned(),
        })
    });
    (version.unwrap_or_default(), parts.collect())
}

/// What makes a commit last, as this login has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durability {
    pub fsync: bool,
    pub full_page_writes: bool,
    pub synchronous_commit: String,
    pub data_checksums: bool,
}

pub async fn durability(connection: &Connection) -> Result<Durability, StoreError> {
    let row = statements::find_durability().bind(connection).one().await?;
    Ok(Durability {
        fsync: row.fsync,
        full_page_writes: row.full_page_writes,
        synchronous_commit: row.synchronous_commit,
        data_checksums: row.data_checksums,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_as_it_was_made_differs_in_nothing() {
        let (version, parts) = wanted();
        assert_eq!(
            parts.len(),
            WANTED.lines().count() - 1,
            "every line is read"
        );
        assert_eq!(compare(&parts, version), []);
    }

    #[test]
    fn what_is_missing_changed_or_too_much_is_told() {
        let (version, mut parts) = wanted();
        let at = |parts: &[Part], kind| parts.iter().position(|part| part.kind == kind).unwrap();
        let index = parts.remove(at(&parts, Kind::Index));
        let right = at(&parts, Kind::Right);
        let right_then = parts[right].clone();
        parts[right].definition = "DELETE".to_owned();
        let own = |kind, name: &str| Part {
            kind,
            name: name.to_owned(),
            definition: String::new(),
        };
        let policy = own(Kind::Policy, "concerts.own");
        parts.extend([own(Kind::Column, "concerts.own"), policy.clone()]);
        // An operator's own table is nobody else's concern.
        parts.extend([
            own(Kind::Trigger, "theirs.own"),
            own(Kind::Right, "stagedoor_app table theirs"),
        ]);
        let missing = Difference::Missing(index);
        let excess = Difference::Excess(policy);
        let changed = Difference::Changed {
            wanted: right_then,
            found: "DELETE".to_owned(),
        };
        let all = [missing, changed, excess];
        assert_eq!(compare(&parts, version), all);
        // A right is in our words, whatever the version.
        assert_eq!(compare(&parts, version + 1), all);
        let column = at(&parts, Kind::Column);
        parts[column].definition.push_str(" COLLATE other");
        assert_eq!(compare(&parts, version).len(), 4);
        assert_eq!(compare(&parts, version + 1), all);
    }
}
