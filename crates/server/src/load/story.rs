//! What one buyer was told, and whether it contradicts itself.

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Admitted {
        id: Box<str>,
        /// Marked as the replay of an earlier answer.
        replayed: bool,
        /// The reservation is what this buyer had asked for.
        fits: bool,
    },
    /// A final refusal with its problem code.
    Refused(Box<str>),
    /// Patience ended first.
    Unanswered,
}

/// How a request ended, and whether its outcome was unknown for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) end: End,
    pub(super) was_unknown: bool,
}

/// What became of a buyer, as far as the buyer knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// Answered with 201 and this reservation.
    Admitted(Box<str>),
    /// Finally refused; there must be no reservation.
    Refused,
    /// Hung up, or was cut off, before an answer: there may be one reservation, never two.
    #[default]
    Unknown,
}

/// Two answers to one buyer that can't both be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    pub buyer: u32,
    pub kind: ContradictionKind,
    /// The reservations or codes that were answered.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContradictionKind {
    /// One key was answered with two reservations.
    TwoReservations,
    /// A key that had been answered with 201 was refused afterwards.
    TakenBack,
    /// The reservation that was answered isn't the one that was asked for.
    NotAsAsked,
    /// One key was answered twice with a 201 that isn't marked as a replay.
    Unmarked,
}

/// All that one buyer was told.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) id: Option<Box<str>>,
    pub(super) refusal: Option<Box<str>>,
    pub(super) unanswered: bool,
    pub(super) was_unknown: bool,
    /// Answers 201 that weren't marked as replays.
    firsts: u32,
    pub(super) contradictions: Vec<(ContradictionKind, String)>,
}

impl Story {
    /// Takes in one more answer. `repeated` says that the request left after an earlier answer had
    /// come; of two requests under way at once the one may be refused and the other admitted, when
    /// tickets return between them.
    pub(super) fn hear(&mut self, heard: Heard, repeated: bool) {
        self.was_unknown |= heard.was_unknown;
        match heard.end {
            End::Admitted { id, replayed, fits } => {
                if !fits {
                    self.contradict(ContradictionKind::NotAsAsked, id.to_string());
                }
                self.firsts += u32::from(!replayed);
                let same = self.id.as_ref().is_none_or(|first| *first == id);
                if !same {
                    let both = format!("{} and {id}", self.id.as_deref().unwrap_or_default());
                    self.contradict(ContradictionKind::TwoReservations, both);
                } else if self.firsts > 1 {
                    self.contradict(ContradictionKind::Unmarked, id.to_string());
                }
                self.id.get_or_insert(id);
            }
            End::Refused(code) => {
                if let Some(id) = self.id.as_ref().filter(|_| repeated) {
                    let both = format!("{id}, then {code}");
                    self.contradict(ContradictionKind::TakenBack, both);
                }
                self.refusal = Some(code);
            }
            End::Unanswered => self.unanswered = true,
        }
    }

    fn contradict(&mut self, kind: ContradictionKind, detail: String) {
        self.contradictions.push((kind, detail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(id: &str, replayed: bool) -> Heard {
        heard(End::Admitted {
            id: id.into(),
            replayed,
            fits: true,
        })
    }

    fn heard(end: End) -> Heard {
        Heard {
            end,
            was_unknown: false,
        }
    }

    fn contradictions(told: &[(Heard, bool)]) -> Vec<ContradictionKind> {
        let mut story = Story::default();
        for (heard, repeated) in told {
            story.hear(heard.clone(), *repeated);
        }
        story.contradictions.iter().map(|(kind, _)| *kind).collect()
    }

    #[test]
    fn a_replay_and_a_late_admission_contradict_nothing() {
        let refused = || heard(End::Refused("sold_out".into()));
        for good in [
            vec![(admitted("A", false), false), (admitted("A", true), true)],
            vec![(admitted("A", true), false), (admitted("A", false), false)],
            // The first answer was lost on the way.
            vec![(admitted("A", true), false), (admitted("A", true), true)],
            vec![(refused(), false), (admitted("A", false), true)],
            vec![(admitted("A", false), false), (refused(), false)],
            vec![(heard(End::Unanswered), false)],
        ] {
            assert_eq!(contradictions(&good), [], "{good:?}");
        }
    }

    #[test]
    fn answers_that_cannot_both_be_true_are_caught() {
        let refused = heard(End::Refused("sold_out".into()));
        let wrong = heard(End::Admitted {
            id: "A".into(),
            replayed: false,
            fits: false,
        });
        for (told, kind) in [
            (
                vec![(admitted("A", false), false), (admitted("B", true), true)],
                ContradictionKind::TwoReservations,
            ),
            (
                vec![(admitted("A", false), false), (refused, true)],
                ContradictionKind::TakenBack,
            ),
            (
                vec![(admitted("A", false), false), (admitted("A", false), true)],
                ContradictionKind::Unmarked,
            ),
            (vec![(wrong, false)], ContradictionKind::NotAsAsked),
        ] {
            assert_eq!(contradictions(&told), [kind], "{told:?}");
        }
    }
}
