//! What a batch decides, given what the database said: no input, no output, but for the time and
//! the randomness of [`crate::Ctx`].

use std::collections::HashMap;
use std::sync::Arc;

use domain::allotment::Allotment;
use domain::concert::is_on_sale;
use domain::id::{ConcertId, MailId, ReservationId};
use domain::language::Language;
use domain::reservation::{Reservation, ReservationStatus, initial_status};
use jiff::Timestamp;
use jiff::civil::Date;
use store::StoreError;
use store::admission::{Admission, Answers, FoundReceipt, MailJob, NewMail, Questions, Writes};
use store::concerts::LockedConcert;
use store::receipts::Digest;

use super::{Shared, Waiting};
use crate::idempotency::KEPT_FOR;
use crate::jobs::ATTEMPTS_MAX;
use crate::mails;
use crate::reserve::{ReserveError, Reserved, as_first_answered};

/// What one request gets.
pub(super) enum Verdict {
    /// The admission at this place of [`Changes::admissions`]; `true` when an earlier request of
    /// the same batch with the same key made it.
    Admit {
        index: usize,
        replayed: bool,
    },
    /// What an earlier batch answered to the same key.
    Replay(Reservation),
    Refuse(ReserveError),
}

/// A decided batch.
pub(super) struct Decided {
    /// One for each request, in order.
    pub verdicts: Vec<Verdict>,
    /// What is left of each concert that is on sale.
    pub left: Vec<(ConcertId, i32)>,
    pub changes: Arc<Changes>,
}

/// What a decided batch writes. A commit that was given up still has it.
pub(super) struct Changes {
    pub admissions: Vec<Admission>,
    pub taken: Vec<(ConcertId, i32)>,
    pub stale_keys: Vec<Digest>,
    pub now: Timestamp,
    pub expires_at: Timestamp,
}

/// What a batch must know besides its concerts.
pub(super) fn questions(batch: &[Waiting]) -> Questions {
    let mut customers: Vec<_> = batch
        .iter()
        .map(|waiting| {
            (
                waiting.request.customer_email.clone(),
                waiting.request.concert_id,
            )
        })
        .collect();
    customers.sort_unstable();
    customers.dedup();
    let mut key_digests: Vec<Digest> = batch
        .iter()
        .filter_map(|waiting| Some(waiting.key?.key_digest))
        .collect();
    key_digests.sort_unstable();
    key_digests.dedup();
    Questions {
        key_digests,
        customers,
    }
}

/// Decides every request in the order in which they came.
pub(super) fn decide(
    shared: &Shared,
    batch: &[Waiting],
    locked: &HashMap<ConcertId, LockedConcert>,
    answers: &Answers,
) -> Decided {
    let now = shared.ctx.now();
    let mut sale = Sale {
        shared,
        now,
        today: now.to_zoned(shared.settings.timezone.clone()).date(),
        expires_at: now + shared.settings.hold_ttl,
        locked,
        answers,
        allotments: HashMap::new(),
        admitted_keys: HashMap::new(),
        admissions: Vec::new(),
        stale_keys: Vec::new(),
    };
    let verdicts = batch.iter().map(|waiting| sale.decide(waiting)).collect();
    let on_sale = |(id, allotment): (&ConcertId, &Allotment<'_>)| (*id, allotment.available());
    let left = sale.allotments.iter().map(on_sale).collect();
    let taken = sale
        .allotments
        .iter()
        .map(|(id, allotment)| (*id, allotment.taken()));
    let taken = taken.filter(|(_, tickets)| *tickets > 0).collect();
    let changes = Changes {
        taken,
        now,
        expires_at: sale.expires_at,
        stale_keys: sale.stale_keys,
        admissions: sale.admissions,
    };
    Decided {
        verdicts,
        left,
        changes: Arc::new(changes),
    }
}

struct Sale<'a> {
    shared: &'a Shared,
    now: Timestamp,
    today: Date,
    expires_at: Timestamp,
    locked: &'a HashMap<ConcertId, LockedConcert>,
    answers: &'a Answers,
    allotments: HashMap<ConcertId, Allotment<'a>>,
    /// Keys that were admitted earlier in this batch.
    admitted_keys: HashMap<Digest, usize>,
    admissions: Vec<Admission>,
    stale_keys: Vec<Digest>,
}

impl<'a> Sale<'a> {
    fn decide(&mut self, waiting: &'a Waiting) -> Verdict {
        match self.find_earlier(waiting) {
            Ok(Some(verdict)) => return verdict,
            Ok(None) => {}
            Err(error) => return Verdict::Refuse(error),
        }
        match self.admit(waiting) {
            Ok(reservation) => {
                let index = self.admissions.len();
                if let Some(key) = waiting.key {
                    self.admitted_keys.insert(key.key_digest, index);
                }
                let mail = self.mail(&reservation, waiting.request.language);
                self.admissions.push(Admission {
                    reservation,
                    client_ip: waiting.request.client_ip.map(|address| address.to_string()),
                    request_id: waiting.request.request_id,
                    key: waiting.key,
                    mail,
                });
                Verdict::Admit {
                    index,
                    replayed: false,
                }
            }
            Err(error) => Verdict::Refuse(error),
        }
    }

    /// What is free is confirmed at once, and its mail waits for no payment.
    fn mail(&self, reservation: &Reservation, language: Language) -> Option<NewMail> {
        (reservation.status == ReservationStatus::Confirmed).then(|| {
            let id = MailId::new(self.now, self.shared.ctx.random_u64());
            NewMail {
                message_id: mails::message_id(&id, &self.shared.mail_host),
                id,
                language,
            }
        })
    }

    /// The answer to an earlier request with the same key, in this batch or before.
    fn find_earlier(&mut self, waiting: &Waiting) -> Result<Option<Verdict>, ReserveError> {
        let Some(key) = waiting.key else {
            return Ok(None);
        };
        if let Some(&index) = self.admitted_keys.get(&key.key_digest) {
            let earlier = self.admissions[index].key;
            return if earlier == Some(key) {
                Ok(Some(Verdict::Admit {
                    index,
                    replayed: true,
                }))
            } else {
                Err(ReserveError::KeyReused)
            };
        }
        let Some(found) = self.answers.receipts.get(&key.key_digest) else {
            return Ok(None);
        };
        let FoundReceipt {
            receipt,
            written_at,
            reservation,
        } = found;
        if *written_at <= self.now - KEPT_FOR {
            self.stale_keys.push(key.key_digest);
            return Ok(None);
        }
        if receipt.values_digest != key.values_digest {
            return Err(ReserveError::KeyReused);
        }
        Ok(Some(Verdict::Replay(as_first_answered(
            reservation.clone(),
            receipt,
        ))))
    }

    fn admit(&mut self, waiting: &'a Waiting) -> Result<Reservation, ReserveError> {
        let request = &waiting.request;
        let concert = self
            .locked
            .get(&request.concert_id)
            .ok_or(ReserveError::UnknownConcert)?;
        if !is_on_sale(concert.status, concert.date, self.today) {
            return Err(ReserveError::SaleClosed);
        }
        let total_price = concert
            .price
            .times(request.quantity.get())
            .ok_or(ReserveError::TotalTooLarge)?;
        let limits = self.shared.settings.limits;
        let allotment = self
            .allotments
            .entry(request.concert_id)
            .or_insert_with(|| Allotment::new(concert.available_tickets, limits));
        let customer = &request.customer_email;
        let asked = (customer.as_str().to_owned(), request.concert_id.get());
        let held = self.answers.held.get(&asked).copied().unwrap_or(0);
        allotment.admit(customer, held, request.quantity)?;
        let (status, payment_status) = initial_status(total_price);
        Ok(Reservation {
            id: ReservationId::new(self.now, self.shared.ctx.random_u64()),
            concert_id: request.concert_id,
            customer_name: request.customer_name.as_str().to_owned(),
            customer_email: customer.as_str().to_owned(),
            quantity: request.quantity.get(),
            total_price,
            status,
            payment_status,
            google_auth: request.caller.proved_by_google(customer),
            reserved_at: self.now,
            expires_at: (!total_price.is_zero()).then_some(self.expires_at),
            extensions: 0,
            created_at: self.now,
            updated_at: self.now,
        })
    }
}

impl Changes {
    pub(super) fn writes(&self) -> Writes<'_> {
        Writes {
            admissions: &self.admissions,
            taken: &self.taken,
            stale_keys: &self.stale_keys,
            stale_since: self.now - KEPT_FOR,
            now: self.now,
            expires_at: self.expires_at,
            mail_job: MailJob {
                task: mails::SEND,
                attempts_max: ATTEMPTS_MAX,
            },
        }
    }
}

impl Decided {
    /// Whether somebody gets an answer that was given before this batch.
    pub(super) fn has_replays(&self) -> bool {
        let is_replay = |verdict: &Verdict| matches!(verdict, Verdict::Replay(_));
        self.verdicts.iter().any(is_replay)
    }

    /// The same when it isn't known whether those answers last.
    pub(super) fn without_replays(mut self) -> Self {
        for verdict in &mut self.verdicts {
            if matches!(verdict, Verdict::Replay(_)) {
                let cause = "the earlier answer is not known to be durable".to_owned();
                *verdict = Verdict::Refuse(StoreError::OutcomeUnknown(cause).into());
            }
        }
        self
    }

    /// The answer to each request, once the writes are durable.
    pub(super) fn into_outcomes(self) -> impl Iterator<Item = super::Outcome> {
        let Self {
            verdicts, changes, ..
        } = self;
        verdicts.into_iter().map(move |verdict| match verdict {
            Verdict::Admit { index, replayed } => Ok(Reserved {
                reservation: changes.admissions[index].reservation.clone(),
                replayed,
            }),
            Verdict::Replay(reservation) => Ok(Reserved {
                reservation,
                replayed: true,
            }),
            Verdict::Refuse(error) => Err(error),
        })
    }
}
