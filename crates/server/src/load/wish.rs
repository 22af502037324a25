//! One buyer: what is wanted, how this one behaves, and the request as it goes over the wire.

use std::io::Write as _;
use std::time::Duration;

use app::ctx::{Random as _, SeededRandom};

use super::plan::Plan;

/// Buyers who hang up do so within the time in which an answer is to be expected.
const HANG_UP_WITHIN_US: u64 = 20_000;

/// How a buyer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Waits for the answer.
    Plain,
    /// Hangs up after this time and never comes back.
    Abandons(Duration),
    /// Sends the same request again when it is answered.
    RepeatsAfter,
    /// Sends it on two connections at once.
    RepeatsAtOnce,
    /// Hangs up after this time and sends it again.
    HangsUp(Duration),
}

/// What one buyer wants and will do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) buyer: u32,
    pub(super) concert: i32,
    pub(super) quantity: i32,
    pub(super) manner: Manner,
    pub(super) think: Duration,
    /// Spreads this buyer's retries, from 0 to 1.
    pub(super) spread: f64,
}

impl Wish {
    /// The same plan and number give the same wish.
    pub(super) fn of(plan: &Plan, buyer: u32) -> Self {
        let dice = SeededRandom::new(plan.seed.wrapping_add(u64::from(buyer)));
        let roll = || {
            let mut bytes = [0; 4];
            dice.fill(&mut bytes);
            f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
        };
        let (least, most) = (*plan.quantity.start(), *plan.quantity.end());
        let quantity = pick(roll(), least, most);
        let (chance, kind, moment) = (roll(), roll(), roll());
        let hang_up = Duration::from_micros(HANG_UP_WITHIN_US).mul_f64(moment);
        let manner = if chance < plan.abandon {
            Manner::Abandons(hang_up)
        } else if chance >= plan.abandon + plan.repeat {
            Manner::Plain
        } else if kind < 1.0 / 3.0 {
            Manner::RepeatsAfter
        } else if kind < 2.0 / 3.0 {
            Manner::RepeatsAtOnce
        } else {
            Manner::HangsUp(hang_up)
        };
        Self {
            buyer,
            concert: plan.concert(buyer),
            quantity,
            manner,
            think: plan.think.mul_f64(0.5 + roll()),
            spread: roll(),
        }
    }

    /// Writes the whole request into `request`, whose room is used again for every buyer.
    pub(super) fn write(&self, plan: &Plan, request: &mut Vec<u8>) {
        let (concert, quantity) = (self.concert, self.quantity);
        let body = format!(
            "{{\"concert_id\":{concert},\"quantity\":{quantity},\"customer_name\":\"Rush buyer\",\
             \"customer_email\":\"{}\"}}",
            plan.email(self.buyer)
        );
        request.clear();
        // Writing into memory doesn't fail.
        let _ = write!(
            request,
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            plan.path,
            plan.host,
            body.len()
        );
        if plan.keys {
            let _ = write!(request, "idempotency-key: {}\r\n", plan.key(self.buyer));
        }
        let _ = write!(request, "\r\n{body}");
    }
}

/// One of the numbers from `least` to `most`, by a roll from 0 to 1 exclusive.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the roll is below 1, so that the product is below the range's length"
)]
fn pick(roll: f64, least: i32, most: i32) -> i32 {
    let kinds = f64::from(most.saturating_sub(least).max(0)) + 1.0;
    least + (roll * kinds) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let address = "127.0.0.1:80".parse().unwrap();
        Plan {
            quantity: 1..=3,
            abandon: 0.1,
            repeat: 0.3,
            concerts: vec![7, 8],
            ..Plan::new(address, 7, 10_000, "abc")
        }
    }

    #[test]
    fn shares_and_quantities_come_out_as_planned() {
        let plan = plan();
        let wishes: Vec<Wish> = (0..10_000).map(|n| Wish::of(&plan, n)).collect();
        let share = |is: fn(&Wish) -> bool| {
            let fitting = wishes.iter().filter(|wish| is(wish)).count();
            f64::from(u32::try_from(fitting).unwrap()) / 10_000.0
        };
        assert!((share(|wish| matches!(wish.manner, Manner::Abandons(_))) - 0.1).abs() < 0.02);
        assert!((share(|wish| wish.manner == Manner::Plain) - 0.6).abs() < 0.02);
        assert!((share(|wish| wish.manner == Manner::RepeatsAtOnce) - 0.1).abs() < 0.02);
        for quantity in 1..=3 {
            assert!(wishes.iter().any(|wish| wish.quantity == quantity));
        }
        assert!(wishes.iter().all(|wish| (1..=3).contains(&wish.quantity)));
        assert!((share(|wish| wish.concert == 7) - 0.5).abs() < 0.01);
    }

    #[test]
    fn a_request_is_whole_and_its_length_is_right() {
        let plan = plan();
        let mut request = Vec::new();
        Wish::of(&plan, 5).write(&plan, &mut request);
        let text = String::from_utf8(request.clone()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nidempotency-key: rush-abc-5"));
        assert!(head.contains(&format!("content-length: {}", body.len())));
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["customer_email"], "rush-abc-5@example.com");
        assert_eq!(body["concert_id"], 8);
        let unkeyed = Plan {
            keys: false,
            ..plan
        };
        Wish::of(&unkeyed, 5).write(&unkeyed, &mut request);
        assert!(!String::from_utf8(request).unwrap().contains("idempotency"));
    }
}
