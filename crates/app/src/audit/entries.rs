//! Double entry: the audit log, by itself, must tell how every record got where it stands.
//!
//! Four rules, all for what the log knows: what a change found is what the change before it left, what
//! the last one left is what the table says, a concert or reservation whose deletion isn't told is
//! still there, and an account of staff is told from its making on. Other records that came without
//! the log, such as those of `seed`, are followed from their first change on; docs/security.md says
//! what isn't found.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use store::StoreError;
use store::audit_logs::{self, Change, Pair};

use super::read;
use crate::App;

/// Differences that are told; somebody who switched the triggers off made thousands.
const DIFFERENCES_MAX: usize = 100;
/// Rows in one page: read in half the time that a statement counts as slow from, so that no snapshot
/// is held for long, and about a megabyte.
pub const PAGE_ROWS: i32 = 1_500;

/// Where the log and the tables, or the log and itself, disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A record stands otherwise than its last change says.
    Standing {
        table: &'static str,
        record: String,
        /// Tickets left, or the status.
        by_log: String,
        by_table: String,
    },
    /// A record stands otherwise in another column than its changes say.
    Changed {
        table: String,
        record: String,
        /// Of its last change.
        id: i32,
        column: String,
    },
    /// An account of staff that the log doesn't tell the making of.
    Untold { id: i32 },
    /// A change found another value than the change before it left.
    Gap {
        table: String,
        record: String,
        /// Of the change.
        id: i32,
        column: String,
    },
    /// A record is gone from its table, which no change tells.
    Lost {
        table: String,
        record: String,
        /// Of its last change.
        id: i32,
    },
}

impl Difference {
    fn is_of_accounts(&self) -> bool {
        match self {
            Self::Untold { .. } => true,
            Self::Standing { table, .. } => *table == "admin_users",
            Self::Changed { table, .. } | Self::Gap { table, .. } | Self::Lost { table, .. } => {
                table == "admin_users"
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standing {
                table,
                record,
                by_log,
                by_table,
            } => write!(
                f,
                "{table} {record}: {by_log} by the log, {by_table} by the table"
            ),
            Self::Changed {
                table,
                record,
                id,
                column,
            } => write!(
                f,
                "{table} {record}: its {column} is another than the log left, whose last row of it \
                 is {id}"
            ),
            Self::Untold { id } => {
                write!(
                    f,
                    "admin_users {id}: no audit row tells who made this account"
                )
            }
            Self::Gap {
                table,
                record,
                id,
                column,
            } => write!(
                f,
                "{table} {record}: audit row {id} found another {column} than the row before it left"
            ),
            Self::Lost { table, record, id } => write!(
                f,
                "{table} {record}: gone from its table, and audit row {id}, its last, is no deletion"
            ),
        }
    }
}

/// Follows the whole log and both tables of sales, so many rows at a time, while sales go on; tells
/// the first hundred differences. Empty is good.
pub async fn differences(app: &App, page_rows: i32) -> Result<Vec<Difference>, StoreError> {
    let mut differences = standing_concerts(app, page_rows).await?;
    differences.extend(standing_reservations(app, page_rows).await?);
    let untold = read(app, async |transaction| {
        audit_logs::list_untold_accounts(transaction).await
    });
    let untold = untold.await?.into_iter();
    differences.extend(untold.map(|id| Difference::Untold { id }));
    differences.extend(breaks(app, page_rows).await?);
    // A hundred sales never hide an account.
    differences.sort_by_key(|difference| !difference.is_of_accounts());
    differences.truncate(DIFFERENCES_MAX);
    Ok(differences)
}

async fn standing_concerts(app: &App, page_rows: i32) -> Result<Vec<Difference>, StoreError> {
    let (mut differences, mut after) = (Vec::new(), i32::MIN);
    while differences.len() < DIFFERENCES_MAX {
        let page = read(app, async |transaction| {
            audit_logs::list_concert_entries(transaction, after, page_rows).await
        });
        let page = page.await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        differences.extend(
            page.into_iter()
                .filter_map(|pair| differs("concerts", pair)),
        );
    }
    Ok(differences)
}

async fn standing_reservations(app: &App, page_rows: i32) -> Result<Vec<Difference>, StoreError> {
    let (mut differences, mut after) = (Vec::new(), String::new());
    while differences.len() < DIFFERENCES_MAX {
        let page = read(app, async |transaction| {
            audit_logs::list_reservation_entries(transaction, &after, page_rows).await
        });
        let page = page.await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.id);
        let pairs = page.into_iter();
        differences.extend(pairs.filter_map(|pair| differs("reservations", pair)));
    }
    Ok(differences)
}

fn differs<Id: ToString>(table: &'static str, pair: Pair<Id>) -> Option<Difference> {
    let by_log = pair.by_log.filter(|by_log| *by_log != pair.by_table)?;
    Some(Difference::Standing {
        table,
        record: pair.id.to_string(),
        by_log,
        by_table: pair.by_table,
    })
}

/// Where the log itself breaks off, or breaks: each found in the pages of the whole log and again by
/// its record alone, since a page misses a change that comes to its end behind the page's last.
async fn breaks(app: &App, page_rows: i32) -> Result<Vec<Difference>, StoreError> {
    let seed = i64::from_ne_bytes(app.ctx().random_bytes());
    let (mut trail, mut breaks) = (Trail::default(), Vec::new());
    // A record that pages cut is suspected in each of them.
    let mut checked = BTreeSet::new();
    let (mut record, mut id) = (String::new(), i32::MIN);
    loop {
        let page = read(app, async |transaction| {
            audit_logs::list_changes(transaction, (&record, id), seed, page_rows).await
        });
        let page = page.await?;
        let is_over = page.is_empty();
        if let Some(last) = page.last() {
            record.clone_from(&last.record_id);
            id = last.id;
        }
        for change in page {
            trail.follow(change);
        }
        if is_over {
            trail.end();
        }
        let suspects: BTreeSet<_> = trail.breaks.drain(..).map(|(of, _)| of).collect();
        for of in suspects.difference(&checked) {
            if breaks.len() < DIFFERENCES_MAX {
                breaks.extend(breaks_of(app, of, (seed, page_rows)).await?);
            }
        }
        checked.extend(suspects);
        if is_over || breaks.len() >= DIFFERENCES_MAX {
            return Ok(breaks);
        }
    }
}

/// The same of one record of a table, by its changes alone.
async fn breaks_of(
    app: &App,
    (table, record): &Of,
    (seed, page_rows): (i64, i32),
) -> Result<Vec<Difference>, StoreError> {
    let (mut trail, mut after) = (Trail::default(), i32::MIN);
    while trail.breaks.len() < DIFFERENCES_MAX {
        let page = read(app, async |transaction| {
            let of = (table.as_str(), record.as_str(), after);
            audit_logs::list_record_changes(transaction, of, seed, page_rows).await
        });
        let page = page.await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for change in page {
            trail.follow(change);
        }
    }
    Ok(trail.told().into_iter().map(|(_, told)| told).collect())
}

/// A table and a record of it.
type Of = (String, String);

/// The record that is being followed: as much of it as its changes so far have told.
#[derive(Debug, Default)]
struct Trail {
    record: String,
    /// By table and column: numbers of two tables may be the same.
    known: HashMap<(String, String), i64>,
    /// By table, the last change if the record was gone after it and it is no deletion.
    lost: BTreeMap<String, i32>,
    breaks: Vec<(Of, Difference)>,
}

impl Trail {
    /// Changes come by record, and each record's in their order.
    fn follow(&mut self, change: Change) {
        if self.record != change.record_id {
            self.end();
            self.record.clone_from(&change.record_id);
            self.known.clear();
        }
        let table = change.table_name;
        for (column, hash) in change.old_values {
            let key = (table.clone(), column);
            let known = self.known.get(&key);
            if known.is_some_and(|known| *known != hash) {
                let (table, column) = key;
                let gap = Difference::Gap {
                    table: table.clone(),
                    record: self.record.clone(),
                    id: change.id,
                    column,
                };
                self.breaks.push(((table, self.record.clone()), gap));
            }
        }
        let standing = change.standing;
        let is_gone = change.new_values.is_empty();
        if change.is_new || is_gone {
            self.known.retain(|(of, _), _| *of != table);
        }
        if change.is_lost && !is_gone {
            self.lost.insert(table.clone(), change.id);
        } else {
            self.lost.remove(&table);
        }
        // A change keeps no `updated_at`, for its own time tells that, and so nobody knows the last.
        let values = change.new_values.into_iter();
        let values = values.filter(|(column, _)| column != "updated_at");
        self.known
            .extend(values.map(|(column, hash)| ((table.clone(), column), hash)));
        for (column, hash) in standing {
            // Stock and statuses are told with their values.
            let is_told = [
                ("concerts", "available_tickets"),
                ("reservations", "status"),
            ];
            let is_told = is_told.contains(&(&table, &column));
            let known = self.known.get(&(table.clone(), column.clone()));
            if !is_told && known.is_some_and(|known| *known != hash) {
                let changed = Difference::Changed {
                    table: table.clone(),
                    record: self.record.clone(),
                    id: change.id,
                    column,
                };
                self.breaks
                    .push(((table.clone(), self.record.clone()), changed));
            }
        }
    }

    /// No more changes of this record come.
    fn end(&mut self) {
        for (table, id) in std::mem::take(&mut self.lost) {
            let lost = Difference::Lost {
                table: table.clone(),
                record: self.record.clone(),
                id,
            };
            self.breaks.push(((table, self.record.clone()), lost));
        }
    }

    /// What was found, once all changes were followed.
    fn told(mut self) -> Vec<(Of, Difference)> {
        self.end();
        self.breaks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Values = &'static [(&'static str, i64)];

    fn change(id: i32, record: &str, (old, new): (Values, Values)) -> Change {
        let owned = |values: Values| {
            let values = values.iter();
            values.map(|(column, hash)| ((*column).to_owned(), *hash))
        };
        Change {
            id,
            table_name: "reservations".to_owned(),
            record_id: record.to_owned(),
            is_new: old.is_empty(),
            old_values: owned(old).collect(),
            new_values: owned(new).collect(),
            is_lost: false,
            standing: Vec::new(),
        }
    }

    fn gaps_of(changes: impl IntoIterator<Item = Change>) -> Vec<i32> {
        let mut trail = Trail::default();
        for change in changes {
            trail.follow(change);
        }
        let told = trail.told().into_iter();
        let ids = told.map(|(_, told)| match told {
            Difference::Gap { id, .. }
            | Difference::Lost { id, .. }
            | Difference::Changed { id, .. } => id,
            other => unreachable!("a trail doesn't tell {other}"),
        });
        ids.collect()
    }

    #[test]
    fn each_change_begins_where_the_one_before_it_ended() {
        let whole = [
            change(1, "a", (&[], &[("status", 1), ("name", 5)])),
            change(4, "a", (&[("status", 1)], &[("status", 2)])),
            change(6, "a", (&[("status", 2)], &[("status", 3)])),
            change(2, "b", (&[("status", 9)], &[("status", 8)])),
            change(3, "b", (&[("status", 8), ("name", 4)], &[])),
            change(5, "b", (&[], &[("status", 1)])),
            change(7, "b", (&[("status", 1)], &[("status", 2)])),
        ];
        assert_eq!(gaps_of(whole.clone()), <[i32; 0]>::default());
        let without = |id: i32| whole.clone().into_iter().filter(move |row| row.id != id);
        assert_eq!(gaps_of(without(4)), [6]);
        assert_eq!(
            gaps_of(without(2)),
            <[i32; 0]>::default(),
            "nothing is known before it"
        );
        assert_eq!(gaps_of(without(5)), <[i32; 0]>::default());
    }

    #[test]
    fn records_of_two_tables_with_one_number_are_two() {
        let user = Change {
            table_name: "admin_users".to_owned(),
            ..change(2, "7", (&[("status", 5)], &[("status", 6)]))
        };
        let one = [
            change(1, "7", (&[], &[("status", 1)])),
            user,
            change(3, "7", (&[("status", 1)], &[("status", 2)])),
        ];
        assert_eq!(gaps_of(one), <[i32; 0]>::default());
    }

    #[test]
    fn a_deletion_tells_the_time_of_a_change_that_no_change_told() {
        let whole = [
            change(1, "7", (&[], &[("venue", 1), ("updated_at", 10)])),
            change(2, "7", (&[("venue", 1)], &[("venue", 2)])),
            change(3, "7", (&[("venue", 2), ("updated_at", 11)], &[])),
        ];
        assert_eq!(gaps_of(whole), <[i32; 0]>::default());
    }

    #[test]
    fn a_record_is_lost_if_its_last_change_is_no_deletion() {
        let lost = |id, values| Change {
            is_lost: true,
            ..change(id, "7", values)
        };
        let made = lost(1, (&[], &[("status", 1)]));
        let changed = lost(2, (&[("status", 1)], &[("status", 2)]));
        let deleted = lost(3, (&[("status", 2)], &[]));
        let next = change(4, "8", (&[], &[("status", 1)]));
        let all = [made.clone(), changed.clone(), next.clone()];
        assert_eq!(gaps_of(all), [2]);
        assert_eq!(gaps_of([made.clone()]), [1]);
        let all = [made, changed, deleted, next];
        assert_eq!(gaps_of(all), <[i32; 0]>::default());
    }

    #[test]
    fn a_record_stands_as_its_changes_left_it() {
        let made = change(
            1,
            "7",
            (&[], &[("price", 1), ("status", 2), ("updated_at", 3)]),
        );
        let stands = |price, updated_at| Change {
            standing: [
                ("price", price),
                ("updated_at", updated_at),
                ("new", 9),
                ("status", 8),
            ]
            .map(|(column, hash)| (column.to_owned(), hash))
            .to_vec(),
            ..change(2, "7", (&[("price", 1)], &[("price", 4)]))
        };
        assert_eq!(gaps_of([made.clone(), stands(4, 5)]), <[i32; 0]>::default());
        assert_eq!(gaps_of([made, stands(1, 3)]), [2]);
    }
}
