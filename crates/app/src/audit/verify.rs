//! Following the seals: every sealed row is there as it was, or as a lawful erasure left it, and none has
//! come between.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store::StoreError;
use store::audit_logs::{self, Position};
use store::audit_seals::{self, Covered, KeyId, Mac, Seal};
use store::receipts::Digest;

use super::erased::{Erased, Erasures, Suspect};
use super::key::Misfit;
use super::{SealKey, read};
use crate::App;

/// Seals in one page: up to a few megabytes.
const SEALS_MAX: i64 = 20;
/// Rows in one page: digested in less than a statement counts as slow from, so that no snapshot is
/// held for long.
const ROWS_MAX: i32 = 5_000;

/// What following the seals showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The last row that a seal covers.
    pub sealed_to: Option<i32>,
    /// The last row there is; ids end at 2^31.
    pub last_id: Option<i32>,
    /// Rows that wait for their seal.
    pub unsealed: u64,
    /// The first row that doesn't fit, and why.
    pub wrong: Option<Wrong>,
    /// Whether each head that was asked for is one of the seals.
    pub has_heads: bool,
    /// What was lawfully blanked, by whose request; the rows are as that left them.
    pub erased: Vec<Erased>,
}

/// A seal's head, as the log of the process that made it has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealHead(Mac);

impl FromStr for SealHead {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = STANDARD.decode(text.trim()).ok();
        let mac = bytes.and_then(|bytes| Mac::try_from(bytes).ok());
        mac.map(Self).ok_or_else(|| {
            "a head is 44 characters of base64, as in the server's line `audit rows sealed`"
                .to_owned()
        })
    }
}

/// Why a row doesn't fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The seal over it, or one before, was changed.
    Seal { seal: i64, first_id: i32 },
    /// The seal over it says that it was made with a key that we don't have.
    UnknownKey {
        seal: i64,
        first_id: i32,
        key_id: KeyId,
    },
    /// It says something else than when it was sealed.
    Changed(i32),
    /// It is gone.
    Removed(i32),
    /// It came between rows that were sealed already.
    Inserted(i32),
    /// It was lawfully blanked, and says something else than that left.
    Refilled(i32),
    /// Somebody else than this product says that it was lawfully blanked, or changed what is said.
    Erasure { erasure: i64, first_id: i32 },
}

impl Wrong {
    /// The row's id.
    pub const fn id(self) -> i32 {
        match self {
            Self::Seal { first_id: id, .. }
            | Self::UnknownKey { first_id: id, .. }
            | Self::Changed(id)
            | Self::Removed(id)
            | Self::Inserted(id)
            | Self::Refilled(id)
            | Self::Erasure { first_id: id, .. } => id,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seal { seal, first_id } => write!(
                f,
                "seal {seal}, over row {first_id} and others, doesn't fit: it was changed, or one \
                 before it is gone"
            ),
            Self::UnknownKey {
                seal,
                first_id,
                key_id,
            } => write!(
                f,
                "seal {seal}, over row {first_id} and others, was sealed with a key this process \
                 doesn't have: {:016x}; if it is a former key of yours, add it to \
                 STAGEDOOR_SECRET_KEY_PREVIOUS, and if not, somebody else made the seal",
                u64::from_be_bytes(*key_id)
            ),
            Self::Changed(id) => write!(f, "row {id} was changed after it was sealed"),
            Self::Removed(id) => write!(f, "row {id} was sealed and is gone"),
            Self::Inserted(id) => write!(f, "row {id} came between rows that were sealed already"),
            Self::Refilled(id) => write!(
                f,
                "row {id} was blanked when a customer was erased, and says something else since"
            ),
            Self::Erasure { erasure, first_id } => write!(
                f,
                "erasure {erasure}, of row {first_id} and others, has no signature of a key that this \
                 process knows: it was changed, or made by somebody else than this product"
            ),
        }
    }
}

/// What all seals together cover.
#[derive(Default)]
struct Sealed {
    rows: HashMap<i32, Digest>,
    /// The highest of them.
    highest: Option<i32>,
    /// The same when another cluster last sealed; what the present one wrote itself is above it.
    floor: Option<i32>,
    /// The last row of the newest seal.
    until: Option<Position>,
    /// The same where rows before it are known to be in order.
    in_order_until: Option<Position>,
    /// Whether the present cluster made the newest seal.
    is_own: bool,
    wrong: Option<Wrong>,
    /// Heads that no seal had so far.
    heads_left: Vec<SealHead>,
}

impl Sealed {
    /// Whether a row without a seal should have had one, where `next_tx` hasn't begun yet.
    ///
    /// What another cluster counts is no order here. In a restored copy the last seal from elsewhere
    /// tells only of rows that came with it; once all those are sealed, only its own rows wait.
    fn is_past(&self, row: Position, next_tx: u64) -> bool {
        self.in_order_until.is_some_and(|until| {
            if self.is_own {
                row <= until || Some(row.id) <= self.floor || row.tx >= next_tx
            } else {
                row <= until && Some(row.id) <= self.highest
            }
        })
    }
}

/// Follows all seals and all rows, in pages; a sealed row takes some 40 bytes of memory meanwhile.
///
/// A log that was cut at its end together with its seals fits; that it was longer once is shown by
/// `heads`, which somebody kept elsewhere.
pub async fn verify(app: &App, key: &SealKey, heads: &[SealHead]) -> Result<Report, StoreError> {
    let mut sealed = follow_seals(app, key, heads).await?;
    let sealed_to = sealed.until.map(|until| until.id);
    let mut report = Report {
        sealed_to,
        last_id: None,
        unsealed: 0,
        wrong: sealed.wrong,
        has_heads: sealed.heads_left.is_empty(),
        erased: Vec::new(),
    };
    let mut erasures = Erasures::default();
    erasures.read_on(app, key).await?;
    let mut suspects = Vec::new();
    let mut after = i32::MIN;
    loop {
        let page = read(app, async |transaction| {
            let page = audit_logs::list_proofs(transaction, after, ROWS_MAX).await?;
            // Behind the page, whose transactions are all older.
            Ok((page, audit_seals::find_next_tx(transaction).await?))
        });
        let (page, next_tx) = page.await?;
        let Some(last) = page.last() else {
            break;
        };
        after = last.position.id;
        report.last_id = Some(after);
        for row in page {
            let id = row.position.id;
            let was = sealed.rows.remove(&id);
            let suspect = Suspect {
                id,
                sealed: was,
                found: row.digest,
                known: erasures.count(id),
            };
            if !erasures.explain(&suspect) {
                suspects.push(suspect);
            }
            match was {
                Some(_) => {}
                None if sealed.is_past(row.position, next_tx) => {
                    // Behind a seal that is gone all its rows look like this.
                    if !matches!(report.wrong, Some(Wrong::Seal { .. })) {
                        note(&mut report.wrong, Wrong::Inserted(id));
                    }
                }
                None => report.unsealed += 1,
            }
        }
    }
    if let Some(removed) = sealed.rows.keys().min() {
        note(&mut report.wrong, Wrong::Removed(*removed));
    }
    // Customers are erased meanwhile, too.
    erasures.read_on(app, key).await?;
    if let Some(wrong) = erasures.wrong() {
        note(&mut report.wrong, wrong);
    }
    for suspect in suspects.iter().filter(|one| !erasures.explain(one)) {
        note(&mut report.wrong, erasures.blame(suspect));
    }
    report.erased = erasures.told();
    Ok(report)
}

/// Keeps the row with the smaller id.
fn note(first: &mut Option<Wrong>, wrong: Wrong) {
    if first.is_none_or(|first| wrong.id() < first.id()) {
        *first = Some(wrong);
    }
}

async fn follow_seals(app: &App, key: &SealKey, heads: &[SealHead]) -> Result<Sealed, StoreError> {
    let mut sealed = Sealed {
        heads_left: heads.to_vec(),
        ..Sealed::default()
    };
    let present = read(app, async |transaction| {
        audit_seals::find_cluster(transaction).await
    });
    let present = present.await?;
    let (mut before, mut after): (Option<Mac>, i64) = (None, 0);
    loop {
        let page = read(app, async |transaction| {
            audit_seals::list(transaction, after, SEALS_MAX).await
        });
        let page = page.await?;
        if page.is_empty() {
            return Ok(sealed);
        }
        for Seal {
            id,
            covered,
            signature,
        } in page
        {
            let fits = key.check(before.as_ref(), &covered, &signature);
            if let (Err(misfit), None) = (fits, sealed.wrong) {
                sealed.wrong = Some(misfits(id, &covered, misfit));
            }
            sealed.heads_left.retain(|head| head.0 != signature.mac);
            for (row, digest) in covered.rows() {
                // A restored copy may have covered a row twice.
                if sealed
                    .rows
                    .insert(row, digest)
                    .is_some_and(|had| had != digest)
                {
                    note(&mut sealed.wrong, Wrong::Changed(row));
                }
            }
            sealed.highest = sealed.highest.max(covered.row_ids.iter().max().copied());
            sealed.is_own = covered.cluster_id == present;
            if !sealed.is_own {
                sealed.floor = sealed.highest;
            }
            sealed.until = Some(covered.until);
            sealed.in_order_until = covered.in_order_until();
            (before, after) = (Some(signature.mac), id);
        }
    }
}

fn misfits(seal: i64, covered: &Covered, misfit: Misfit) -> Wrong {
    let first_id = covered.row_ids.iter().min().copied().unwrap_or_default();
    match misfit {
        Misfit::Forged => Wrong::Seal { seal, first_id },
        Misfit::UnknownKey(key_id) => Wrong::UnknownKey {
            seal,
            first_id,
            key_id,
        },
    }
}
