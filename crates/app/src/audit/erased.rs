//! Rows of the log that were blanked when customers were erased: what is believed of that, and whether
//! it explains a row that isn't as it was sealed.
//!
//! A row counts as erased where an erasure with a good signature leads from what was sealed to what is
//! there. So nobody without the key can pass a change off as an erasure.

use std::collections::HashMap;

use jiff::Timestamp;
use store::StoreError;
use store::audit_erasures::{self, Blanked};
use store::receipts::Digest;

use super::verify::Wrong;
use super::{SealKey, read};
use crate::App;

/// Erasures in one page; each has the rows of one customer.
const PAGE: i64 = 100;

/// One customer's erasure, as `audit verify` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    pub erasure: i64,
    /// The row of the log that tells who asked for it.
    pub log_id: i32,
    pub erased_at: Timestamp,
    pub row_ids: Vec<i32>,
}

/// All erasures that are believed, and the first that isn't.
#[derive(Debug, Default)]
pub(super) struct Erasures {
    read_to: i64,
    /// Of each row what was done to it, in order.
    rows: HashMap<i32, Vec<Blanked>>,
    told: Vec<Erased>,
    wrong: Option<Wrong>,
}

/// A row of the log as it was found, which may be another than was sealed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspect {
    pub(super) id: i32,
    /// `None` where it waits for its seal.
    pub(super) sealed: Option<Digest>,
    pub(super) found: Digest,
    /// How many erasures of it were known when it was read.
    pub(super) known: usize,
}

impl Erasures {
    /// Reads those that came since.
    pub(super) async fn read_on(&mut self, app: &App, key: &SealKey) -> Result<(), StoreError> {
        loop {
            let after = self.read_to;
            let page = read(app, async |transaction| {
                audit_erasures::list(transaction, after, PAGE).await
            });
            let page = page.await?;
            if page.is_empty() {
                return Ok(());
            }
            for (erasure, signature) in page {
                self.read_to = erasure.id;
                let fits = signature.is_some_and(|one| key.check_erasure(&erasure, &one).is_ok());
                if !fits {
                    let first_id = erasure.row_ids.iter().min().copied();
                    self.wrong.get_or_insert(Wrong::Erasure {
                        erasure: erasure.id,
                        first_id: first_id.unwrap_or(erasure.log_id),
                    });
                    continue;
                }
                for row in erasure.rows() {
                    self.rows.entry(row.id).or_default().push(row);
                }
                self.told.push(Erased {
                    erasure: erasure.id,
                    log_id: erasure.log_id,
                    erased_at: erasure.erased_at,
                    row_ids: erasure.row_ids,
                });
            }
        }
    }

    /// Of this row.
    pub(super) fn count(&self, id: i32) -> usize {
        self.rows.get(&id).map_or(0, Vec::len)
    }

    /// Whether the row is as it must be by its seal and its erasures. A seal may have come before or
    /// after any of these. What is found is what the last known one left, or one since.
    pub(super) fn explain(&self, row: &Suspect) -> bool {
        let Some(links) = self.rows.get(&row.id) else {
            return row.sealed.is_none_or(|sealed| sealed == row.found);
        };
        let is_chain = links.windows(2).all(|two| two[0].after == two[1].before);
        let first = links.first().map(|link| link.before);
        let states: Vec<Digest> = first
            .into_iter()
            .chain(links.iter().map(|link| link.after))
            .collect();
        let is_sealed = row.sealed.is_none_or(|sealed| states.contains(&sealed));
        is_chain && is_sealed && states.iter().skip(row.known).any(|one| *one == row.found)
    }

    /// What is wrong with a row that nothing explains.
    pub(super) fn blame(&self, row: &Suspect) -> Wrong {
        let links = self.rows.get(&row.id).into_iter().flatten();
        let mut left = links.map(|link| link.after);
        match row.sealed {
            Some(sealed) if left.any(|after| after == sealed || after == row.found) => {
                Wrong::Changed(row.id)
            }
            _ if self.rows.contains_key(&row.id) => Wrong::Refilled(row.id),
            _ => Wrong::Changed(row.id),
        }
    }

    pub(super) const fn wrong(&self) -> Option<Wrong> {
        self.wrong
    }

    pub(super) fn told(self) -> Vec<Erased> {
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: i32 = 7;

    fn erasures(links: &[(u8, u8)]) -> Erasures {
        let rows = links.iter().map(|(before, after)| Blanked {
            id: ID,
            before: [*before; 16],
            after: [*after; 16],
        });
        Erasures {
            rows: HashMap::from([(ID, rows.collect())]),
            ..Erasures::default()
        }
    }

    fn row(sealed: Option<u8>, found: u8, known: usize) -> Suspect {
        Suspect {
            id: ID,
            sealed: sealed.map(|byte| [byte; 16]),
            found: [found; 16],
            known,
        }
    }

    #[test]
    fn a_row_is_explained_by_erasures_that_lead_from_its_seal_to_what_is_there() {
        let one = erasures(&[(1, 2)]);
        assert!(one.explain(&row(Some(1), 2, 1)));
        assert!(one.explain(&row(Some(2), 2, 1)), "sealed afterwards");
        assert!(one.explain(&row(None, 2, 1)), "not sealed yet");
        assert!(
            one.explain(&row(Some(1), 1, 0)),
            "read before it was erased"
        );
        assert!(!one.explain(&row(Some(1), 1, 1)), "the old values are back");
        assert!(!one.explain(&row(Some(1), 3, 1)));
        assert!(!one.explain(&row(Some(3), 2, 1)), "changed before");
        assert!(!one.explain(&row(None, 3, 1)));
        let two = erasures(&[(1, 2), (2, 4)]);
        assert!(two.explain(&row(Some(1), 4, 2)));
        assert!(two.explain(&row(Some(2), 4, 2)));
        assert!(!two.explain(&row(Some(1), 2, 2)));
        let broken = erasures(&[(1, 2), (3, 4)]);
        assert!(!broken.explain(&row(Some(1), 4, 2)), "changed between");
    }

    #[test]
    fn what_was_never_erased_is_as_it_was_sealed() {
        let none = Erasures::default();
        assert!(none.explain(&row(Some(1), 1, 0)));
        assert!(none.explain(&row(None, 1, 0)));
        assert!(!none.explain(&row(Some(1), 2, 0)));
        assert_eq!(none.blame(&row(Some(1), 2, 0)), Wrong::Changed(ID));
        let one = erasures(&[(1, 2)]);
        assert_eq!(one.blame(&row(Some(1), 3, 1)), Wrong::Refilled(ID));
        assert_eq!(one.blame(&row(Some(3), 2, 1)), Wrong::Changed(ID));
    }
}
