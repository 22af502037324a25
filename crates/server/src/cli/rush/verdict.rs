//! The verdict: what buyers were told against what the database holds.
//!
//! Absent on purpose: reading the database; `proof` brings its rows here page by page.

use std::collections::HashMap;

use app::rush::{Stock, StoredReservation};
use serde_json::{Value, json};

use super::summary::figure;
use crate::load::{Contradiction, ContradictionKind, Counts, Fate, Plan};

/// So many faults are told one by one; the figures count all.
const FAULTS_TOLD_MAX: usize = 20;

/// Refusals that a rush brings with it. Any other means that the test itself is wrong.
const EXPECTED_REFUSALS: [&str; 4] = [
    "sold_out",
    "not_enough_tickets",
    "purchase_limit",
    "sale_closed",
];

/// One thing that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) how: &'static str,
    pub(super) found: String,
    pub(super) is_good: bool,
}

/// What is wrong, counted; all zero is good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Tickets held beyond what a concert has.
    pub(super) oversold: u64,
    /// Answers that the database doesn't bear out: reservations answered with 201 that aren't there
    /// or are others, and refusals of buyers who hold one.
    pub(super) lost: u64,
    /// Buyers with more than one live reservation, and keys answered with two.
    pub(super) doubled: u64,
    /// Concerts whose tickets left aren't the total less what is held.
    pub(super) inventory_errors: u64,
    /// Replays without their mark.
    pub(super) unmarked: u64,
    /// Buyers without a final answer.
    pub(super) unanswered: u64,
    /// Refusals for reasons that a rush doesn't bring with it.
    pub(super) unexpected: u64,
    /// Sentences for people, the first of them.
    pub(super) faults: Vec<String>,
    /// Reservations that were compared.
    pub(super) compared: u64,
    /// Tickets that this run's buyers hold in the database.
    pub(super) tickets: u64,
}

impl Verdict {
    pub(super) fn is_ok(&self) -> bool {
        let wrong = [
            self.oversold,
            self.lost,
            self.doubled,
            self.inventory_errors,
            self.unmarked,
            self.unanswered,
            self.unexpected,
        ];
        wrong.iter().all(|count| *count == 0)
    }

    /// What the answers alone tell.
    pub(super) fn hear(&mut self, plan: &Plan, counts: &Counts, found: &[Contradiction]) {
        self.unanswered += counts.unanswered;
        if counts.unanswered > 0 {
            let patience = plan.patience.as_secs();
            self.tell(format!(
                "{} buyers got no final answer within {patience} s",
                figure(counts.unanswered)
            ));
        }
        for (code, count) in &counts.refused_by {
            if !EXPECTED_REFUSALS.contains(&code.as_str()) {
                self.unexpected += count;
                self.tell(format!(
                    "{} buyers were refused with {code}",
                    figure(*count)
                ));
            }
        }
        for Contradiction {
            buyer,
            kind,
            detail,
        } in found
        {
            let key = plan.key(*buyer);
            match kind {
                ContradictionKind::TwoReservations => {
                    self.doubled += 1;
                    self.tell(format!(
                        "key {key} was answered with two reservations: {detail}"
                    ));
                }
                ContradictionKind::TakenBack => {
                    self.lost += 1;
                    self.tell(format!(
                        "key {key} was answered with a reservation and refused afterwards: {detail}"
                    ));
                }
                ContradictionKind::NotAsAsked => {
                    self.lost += 1;
                    self.tell(format!(
                        "key {key} was answered with a reservation of something else: {detail}"
                    ));
                }
                ContradictionKind::Unmarked => {
                    self.unmarked += 1;
                    self.tell(format!(
                        "key {key} got the same reservation twice without Idempotent-Replayed: \
                         {detail}"
                    ));
                }
            }
        }
    }

    /// One concert's stock, read in one statement.
    pub(super) fn judge_stock(&mut self, concert: i32, stock: Option<Stock>) {
        let Some(stock) = stock else {
            self.inventory_errors += 1;
            return self.tell(format!("concert {concert} is not in the database"));
        };
        let Stock {
            total_tickets: total,
            available_tickets: available,
            held,
        } = stock;
        let beyond = u64::try_from(held - i64::from(total)).unwrap_or_default();
        if beyond > 0 {
            self.oversold += beyond;
            self.tell(format!(
                "concert {concert} is oversold by {beyond}: {held} tickets held or sold of {total}"
            ));
        }
        if i64::from(available) != i64::from(total) - held {
            self.inventory_errors += 1;
            self.tell(format!(
                "concert {concert} says available_tickets = {available}, but {total} less {held} \
                 held or sold is {}",
                i64::from(total) - held
            ));
        }
    }

    /// A page of buyers, numbered from `first`, with all their reservations.
    pub(super) fn judge_buyers(
        &mut self,
        plan: &Plan,
        first: u32,
        fates: &[Fate],
        stored: &[StoredReservation],
    ) {
        let mut by_email: HashMap<&str, Vec<&StoredReservation>> = HashMap::new();
        for reservation in stored {
            let email = reservation.customer_email.as_str();
            by_email.entry(email).or_default().push(reservation);
        }
        for (buyer, fate) in (first..).zip(fates) {
            let email = plan.email(buyer);
            let rows = by_email.get(email.as_str()).map_or(&[][..], Vec::as_slice);
            self.judge_buyer(plan, buyer, fate, rows);
        }
    }

    fn judge_buyer(&mut self, plan: &Plan, buyer: u32, fate: &Fate, rows: &[&StoredReservation]) {
        self.compared += rows.len() as u64;
        let live: Vec<&&StoredReservation> = rows.iter().filter(|row| row.is_live).collect();
        let tickets = live
            .iter()
            .map(|row| u64::try_from(row.quantity).unwrap_or(0));
        self.tickets += tickets.sum::<u64>();
        let key = plan.key(buyer);
        if live.len() > 1 {
            self.doubled += 1;
            let ids: Vec<&str> = live.iter().map(|row| row.id.as_str()).collect();
            self.tell(format!(
                "key {key} has {} reservations: {}",
                ids.len(),
                ids.join(", ")
            ));
        }
        match fate {
            Fate::Admitted(id) => {
                let Some(row) = rows.iter().find(|row| row.id == **id) else {
                    self.lost += 1;
                    return self.tell(format!(
                        "{id} was answered with 201 (key {key}) and is not in the database"
                    ));
                };
                let wanted = (plan.concert(buyer), plan.quantity_of(buyer));
                if row.is_deleted || (row.concert_id, row.quantity) != wanted {
                    self.lost += 1;
                    self.tell(format!(
                        "{id} (key {key}) is not as it was answered: {} tickets of concert {}, \
                         deleted: {}",
                        row.quantity, row.concert_id, row.is_deleted
                    ));
                }
            }
            Fate::Refused if !live.is_empty() => {
                self.lost += 1;
                let id = live.first().map_or("", |row| row.id.as_str());
                self.tell(format!(
                    "key {key} was refused, but the database holds {id} for it"
                ));
            }
            Fate::Refused | Fate::Unknown => {}
        }
    }

    /// What was looked for, how, and what was found.
    pub(super) fn checks(&self) -> [Check; 7] {
        let check = |name, how, count: u64| Check {
            name,
            how,
            found: match count {
                0 => "none".to_owned(),
                count => figure(count),
            },
            is_good: count == 0,
        };
        [
            check(
                "oversold tickets",
                "all pending and confirmed reservations of a concert against its total",
                self.oversold,
            ),
            check(
                "concerts that don't add up",
                "available_tickets must be the total less that sum",
                self.inventory_errors,
            ),
            check(
                "lost answers",
                "each 201 must be there as it was asked for, and who was refused must hold none",
                self.lost,
            ),
            check(
                "doubled reservations",
                "no buyer may hold two, and no key may be answered with two",
                self.doubled,
            ),
            check(
                "unmarked replays",
                "a repeated 201 must say Idempotent-Replayed",
                self.unmarked,
            ),
            check(
                "buyers without an answer",
                "who asked must be admitted or refused in the end",
                self.unanswered,
            ),
            check(
                "odd refusals",
                "nobody may be refused but for want of tickets or by a limit of the sale",
                self.unexpected,
            ),
        ]
    }

    fn tell(&mut self, fault: String) {
        if self.faults.len() < FAULTS_TOLD_MAX {
            self.faults.push(fault);
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "oversold": self.oversold,
            "lost": self.lost,
            "doubled": self.doubled,
            "inventory_errors": self.inventory_errors,
            "unmarked_replays": self.unmarked,
            "unanswered": self.unanswered,
            "unexpected_refusals": self.unexpected,
            "faults": self.faults,
            "ok": self.is_ok(),
        })
    }
}

#[cfg(test)]
mod tests;
