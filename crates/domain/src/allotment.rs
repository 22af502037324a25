//! Who gets tickets: requests for one concert, decided in the order in which they came.
//!
//! Pure: what is available and what each customer already holds comes in, decisions go out.

use std::collections::HashMap;

use crate::reservation::Quantity;
use crate::text::EmailAddress;

/// How much one buyer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tickets in one reservation.
    pub per_order: i32,
    /// Tickets of one concert held or bought under one e-mail address.
    pub per_customer: i32,
}

impl Limits {
    /// The most that one buyer can get with one order.
    pub fn per_buyer(self) -> i32 {
        self.per_order.min(self.per_customer)
    }
}

/// Why a request gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("sold out")]
    SoldOut,
    #[error("only {available} tickets are left")]
    NotEnoughTickets { available: i32 },
    #[error("at most {limit} tickets in one order")]
    OverOrderLimit { limit: i32 },
    #[error("at most {limit} tickets for one customer, who already has {held}")]
    OverCustomerLimit { limit: i32, held: i32 },
}

/// One concert's tickets while a batch of requests is decided.
///
/// A request that doesn't fit leaves everything as it was, so a later, smaller one may still fit.
#[derive(Debug)]
pub struct Allotment<'a> {
    available: i32,
    taken: i32,
    limits: Limits,
    taken_by: HashMap<&'a EmailAddress, i32>,
}

impl<'a> Allotment<'a> {
    /// `available`: the concert's tickets that nobody holds, read under its row lock.
    pub fn new(available: i32, limits: Limits) -> Self {
        Self {
            available,
            taken: 0,
            limits,
            taken_by: HashMap::new(),
        }
    }

    /// Decides the next request; `held` is what its customer held before this batch.
    pub fn admit(
        &mut self,
        customer: &'a EmailAddress,
        held: i32,
        quantity: Quantity,
    ) -> Result<(), Refusal> {
        let wanted = quantity.get();
        check_order(self.limits, quantity)?;
        if self.available <= 0 {
            return Err(Refusal::SoldOut);
        }
        if wanted > self.available {
            return Err(Refusal::NotEnoughTickets {
                available: self.available,
            });
        }
        let taken = self.taken_by.entry(customer).or_insert(0);
        let held = held.saturating_add(*taken);
        if held.saturating_add(wanted) > self.limits.per_customer {
            return Err(Refusal::OverCustomerLimit {
                limit: self.limits.per_customer,
                held,
            });
        }
        *taken += wanted;
        self.available -= wanted;
        self.taken += wanted;
        Ok(())
    }

    /// What is left for the next request.
    pub const fn available(&self) -> i32 {
        self.available
    }

    /// What the admitted requests took together.
    pub const fn taken(&self) -> i32 {
        self.taken
    }
}

/// The part of the decision that needs no look at the stock, so it can be made before any lock.
pub fn check_order(limits: Limits, quantity: Quantity) -> Result<(), Refusal> {
    if quantity.get() > limits.per_order {
        return Err(Refusal::OverOrderLimit {
            limit: limits.per_order,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits {
        per_order: 10,
        per_customer: 10,
    };

    fn customers() -> Vec<EmailAddress> {
        (0..4)
            .map(|n| EmailAddress::parse(&format!("c{n}@example.com")).unwrap())
            .collect()
    }

    fn quantity(tickets: i32) -> Quantity {
        Quantity::new(tickets).unwrap()
    }

    #[test]
    fn a_request_that_does_not_fit_does_not_block_a_smaller_one() {
        let customers = customers();
        let mut allotment = Allotment::new(3, LIMITS);
        let refused = allotment.admit(&customers[0], 0, quantity(4));
        assert_eq!(refused, Err(Refusal::NotEnoughTickets { available: 3 }));
        assert_eq!(allotment.admit(&customers[1], 0, quantity(2)), Ok(()));
        assert_eq!(allotment.admit(&customers[2], 0, quantity(1)), Ok(()));
        assert_eq!(
            allotment.admit(&customers[3], 0, quantity(1)),
            Err(Refusal::SoldOut)
        );
    }

    #[test]
    fn limits_count_what_the_customer_holds_and_what_this_batch_gave() {
        let customers = customers();
        let mut allotment = Allotment::new(100, LIMITS);
        let over_order = allotment.admit(&customers[0], 0, quantity(11));
        assert_eq!(over_order, Err(Refusal::OverOrderLimit { limit: 10 }));
        assert_eq!(allotment.admit(&customers[0], 4, quantity(6)), Ok(()));
        let over_customer = allotment.admit(&customers[0], 4, quantity(1));
        assert_eq!(
            over_customer,
            Err(Refusal::OverCustomerLimit {
                limit: 10,
                held: 10
            })
        );
        assert_eq!(allotment.admit(&customers[1], 0, quantity(10)), Ok(()));
    }

    proptest! {
        /// The model: walk the requests with nothing but the stock and a tally of each customer.
        #[test]
        fn decisions_agree_with_the_naive_model(
            available in 0..40_i32,
            per_order in 1..12_i32,
            per_customer in 1..20_i32,
            held in prop::collection::vec(0..12_i32, 4),
            requests in prop::collection::vec((0..4_usize, 1..14_i32), 0..60),
        ) {
            let customers = customers();
            let mut allotment = Allotment::new(available, Limits { per_order, per_customer });
            let (mut left, mut tally) = (available, held.clone());
            for (who, wanted) in requests {
                let fits = wanted <= per_order && wanted <= left
                    && tally[who] + wanted <= per_customer;
                let admitted = allotment.admit(&customers[who], held[who], quantity(wanted));
                prop_assert_eq!(admitted.is_ok(), fits);
                if fits {
                    left -= wanted;
                    tally[who] += wanted;
                }
                prop_assert_eq!(allotment.taken(), available - left);
                prop_assert!(left >= 0);
            }
        }
    }
}
