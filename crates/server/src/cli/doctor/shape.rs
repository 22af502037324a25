//! What `doctor` finds at the database's guards: indexes, constraints, triggers, policies, functions and
//! rights that aren't as `migrate` makes them, and settings by which a commit doesn't last.

use app::{App, health};
use store::shape::{Difference, Durability, Kind, Part};

use super::{Finding, Severity, unreadable};

/// How the definition of a constraint ends that new rows alone are held to.
const NOT_VALID: &str = "NOT VALID";
/// More than anybody reads at once; those behind them are told of when these are mended.
const TOLD_MAX: usize = 20;

pub(super) async fn findings(app: &App) -> Vec<Finding> {
    match health::shape_differences(app).await {
        Ok(none) if none.is_empty() => {
            let detail =
                "indexes, constraints, triggers, policies and rights are as `migrate` makes them";
            vec![Finding::good("shape", detail)]
        }
        Ok(all) => tell(&all),
        Err(error) => vec![unreadable("shape", &error)],
    }
}

fn tell(all: &[Difference]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = all.iter().take(TOLD_MAX).map(finding).collect();
    if all.len() > TOLD_MAX {
        let detail = format!("{} more parts aren't as they must be", all.len() - TOLD_MAX);
        let mend = "mend the ones above, then run `stagedoor doctor` again; of a database that is \
                    wrong throughout restore a backup";
        findings.push(Finding::new("shape", Severity::Error, detail, mend));
    }
    findings
}

fn finding(difference: &Difference) -> Finding {
    let (part, detail) = match difference {
        Difference::Missing(part) => (part, format!("{} is missing", named(part))),
        Difference::Excess(part) => (part, format!("{} was not made by `migrate`", named(part))),
        Difference::Changed { wanted, found } => (
            wanted,
            format!(
                "{} is not as `migrate` makes it: {found} instead of {}",
                named(wanted),
                wanted.definition
            ),
        ),
    };
    Finding::new(
        part.kind.as_str(),
        Severity::Error,
        detail,
        &mend(difference),
    )
}

fn named(part: &Part) -> String {
    let name = &part.name;
    match part.kind {
        Kind::TriggerState => format!("the state of trigger {name}"),
        Kind::RowSecurity => format!("row-level security of {name}"),
        Kind::Right | Kind::Power if part.definition.is_empty() => format!("right: {name}"),
        Kind::Right => format!("right {name}: {}", part.definition),
        Kind::Power => format!("a power of role {name}: {}", part.definition),
        kind => format!("{} {name}", kind.as_str()),
    }
}

fn mend(difference: &Difference) -> String {
    let (part, is_excess) = match difference {
        Difference::Missing(part) | Difference::Changed { wanted: part, .. } => (part, false),
        Difference::Excess(part) => (part, true),
    };
    let Part {
        name, definition, ..
    } = part;
    // Names of what belongs to a table begin with it.
    let (table, own) = name.split_once('.').unwrap_or((name, name));
    let is_there = !matches!(difference, Difference::Missing(_));
    let is_invalid =
        matches!(difference, Difference::Changed { found, .. } if found.ends_with(NOT_VALID));
    if part.is_made_by_migrate() && (is_invalid || !is_there) {
        return "stagedoor migrate".to_owned();
    }
    let in_one = |first: &str| format!("BEGIN; {first}; {definition}; COMMIT");
    let statement = match part.kind {
        Kind::Right => return mend_right(name, is_excess),
        Kind::Power => {
            let words = definition.strip_prefix(&format!("ALTER ROLE {name} "));
            let powers = words.unwrap_or_default().replace(' ', " NO");
            return as_superuser(&format!("ALTER ROLE {name} NO{powers}"));
        }
        Kind::Function => {
            return format!(
                "make {name} anew as stagedoor_owner, by its CREATE FUNCTION in this version's \
                 crates/store/schema.sql, and find out who changed it"
            );
        }
        Kind::Column if is_there => {
            return format!("make it so by ALTER TABLE {table} ALTER COLUMN {own}: {definition}");
        }
        Kind::Trigger | Kind::Policy if is_excess => {
            format!("DROP {} {own} ON {table}", sql_word(part.kind))
        }
        Kind::Trigger | Kind::Policy if is_there => {
            in_one(&format!("DROP {} {own} ON {table}", sql_word(part.kind)))
        }
        Kind::Constraint if is_there => {
            in_one(&format!("ALTER TABLE {table} DROP CONSTRAINT {own}"))
        }
        Kind::Index if is_there => {
            let begin = format!(" INDEX {name} ");
            let beside = format!(" INDEX CONCURRENTLY {name}_anew ");
            let make = definition.replacen(&begin, &beside, 1);
            format!(
                "{make}; DROP INDEX CONCURRENTLY {name}; ALTER INDEX {name}_anew RENAME TO {name}"
            )
        }
        // One whose build was broken off has the name.
        Kind::Index => {
            let beside = definition.replacen(" INDEX ", " INDEX CONCURRENTLY ", 1);
            format!("DROP INDEX CONCURRENTLY IF EXISTS {name}; {beside}")
        }
        Kind::Column
        | Kind::Constraint
        | Kind::Trigger
        | Kind::Policy
        | Kind::TriggerState
        | Kind::RowSecurity => definition.clone(),
    };
    format!("psql \"$DATABASE_OWNER_URL\", and there: {statement};")
}

const fn sql_word(kind: Kind) -> &'static str {
    if matches!(kind, Kind::Policy) {
        "POLICY"
    } else {
        "TRIGGER"
    }
}

fn as_superuser(statement: &str) -> String {
    format!("as a superuser: {statement};")
}

/// `migrate` states every grant anew, but what a role is a member of, or owns, isn't one.
fn mend_right(name: &str, is_excess: bool) -> String {
    if let Some((role, other)) = name.split_once(" member of ") {
        return as_superuser(&if is_excess {
            format!("REVOKE {other} FROM {role}")
        } else {
            format!("GRANT {other} TO {role}")
        });
    }
    if let Some((_, table)) = name.split_once(" owns ") {
        return as_superuser(&format!("ALTER TABLE {table} OWNER TO stagedoor_owner"));
    }
    if name.contains(" default for ") {
        return "list them in psql by \\ddp, and take them back by ALTER DEFAULT PRIVILEGES"
            .to_owned();
    }
    "stagedoor migrate".to_owned()
}

/// What a commit is worth here.
pub(super) async fn durability(app: &App, is_production: bool) -> Finding {
    match health::durability(app).await {
        Ok(found) => judge_durability(&found, is_production),
        Err(error) => unreadable("durability", &error),
    }
}

fn judge_durability(found: &Durability, is_production: bool) -> Finding {
    const ID: &str = "durability";
    let loses = match found {
        Durability { fsync: false, .. } => Some(("fsync is off", "ALTER SYSTEM RESET fsync")),
        Durability {
            full_page_writes: false,
            ..
        } => Some((
            "full_page_writes is off",
            "ALTER SYSTEM RESET full_page_writes",
        )),
        Durability {
            synchronous_commit, ..
        } if synchronous_commit == "off" => Some((
            "synchronous_commit is off",
            "ALTER ROLE stagedoor_app RESET synchronous_commit; ALTER SYSTEM RESET synchronous_commit",
        )),
        _ => None,
    };
    if let Some((detail, statement)) = loses {
        let severity = if is_production {
            Severity::Error
        } else {
            Severity::Info
        };
        let detail =
            format!("{detail}: tickets that were sold are lost when the machine goes down");
        let mend = format!(
            "as a superuser: {statement}; SELECT pg_reload_conf(); (under Patroni: `patronictl \
             edit-config`)"
        );
        return Finding::new(ID, severity, detail, &mend);
    }
    if !found.data_checksums && is_production {
        let detail = "data checksums are off, so that a damaged page is sold from and backed up";
        let mend = "stop PostgreSQL, run `pg_checksums --enable -D` with its data folder, start it";
        return Finding::new(ID, Severity::Warning, detail, mend);
    }
    Finding::good(ID, "a commit is on the disk before it is told")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: Kind, name: &str, definition: &str) -> Part {
        Part {
            kind,
            name: name.to_owned(),
            definition: definition.to_owned(),
        }
    }

    #[test]
    fn every_difference_has_its_command() {
        let index = part(
            Kind::Index,
            "a_idx",
            "CREATE UNIQUE INDEX a_idx ON public.a USING btree (b)",
        );
        let policy = part(
            Kind::Policy,
            "a.open",
            "CREATE POLICY open ON a AS PERMISSIVE FOR ALL TO public",
        );
        let powers = part(
            Kind::Power,
            "stagedoor_app",
            "ALTER ROLE stagedoor_app SUPERUSER BYPASSRLS",
        );
        let right = |name| Difference::Excess(part(Kind::Right, name, "DELETE"));
        let behind = part(
            Kind::Index,
            "reservations_search_idx",
            "CREATE INDEX reservations_search_idx ON r USING gin (n)",
        );
        for (difference, said) in [
            (Difference::Missing(behind), "stagedoor migrate"),
            (
                Difference::Changed {
                    wanted: index.clone(),
                    found: String::new(),
                },
                "CREATE UNIQUE INDEX CONCURRENTLY a_idx_anew ON public.a USING btree (b); \
                 DROP INDEX CONCURRENTLY a_idx; ALTER INDEX a_idx_anew RENAME TO a_idx;",
            ),
            (
                Difference::Missing(index),
                "DROP INDEX CONCURRENTLY IF EXISTS a_idx; CREATE UNIQUE INDEX CONCURRENTLY a_idx ON",
            ),
            (Difference::Excess(policy.clone()), "DROP POLICY open ON a;"),
            (
                Difference::Changed {
                    wanted: policy,
                    found: String::new(),
                },
                "BEGIN; DROP POLICY open ON a; CREATE POLICY open ON a",
            ),
            (
                Difference::Excess(powers),
                "ALTER ROLE stagedoor_app NOSUPERUSER NOBYPASSRLS;",
            ),
            (right("stagedoor_app table audit_logs"), "stagedoor migrate"),
            (
                right("stagedoor_app member of stagedoor_owner"),
                "REVOKE stagedoor_owner FROM stagedoor_app;",
            ),
            (
                right("stagedoor_app owns concerts"),
                "ALTER TABLE concerts OWNER TO stagedoor_owner;",
            ),
        ] {
            let mend = mend(&difference);
            assert!(mend.contains(said), "{difference:?}: {mend}");
        }
    }

    #[test]
    fn what_loses_a_sale_is_an_error_where_sales_are_real() {
        let good = Durability {
            fsync: true,
            full_page_writes: true,
            synchronous_commit: "on".to_owned(),
            data_checksums: true,
        };
        let lax = Durability {
            synchronous_commit: "off".to_owned(),
            ..good.clone()
        };
        assert_eq!(judge_durability(&good, true).severity, Severity::Info);
        assert_eq!(judge_durability(&lax, true).severity, Severity::Error);
        assert_eq!(judge_durability(&lax, false).severity, Severity::Info);
    }
}
