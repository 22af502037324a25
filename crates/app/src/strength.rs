//! Whether a new password is hard enough to guess. Never asked at sign-in: who has an easy one from
//! before gets in, and is refused another like it.

use domain::password::Password;
use zxcvbn::{Score, zxcvbn};

/// What zxcvbn's documentation calls strong enough: more than a hundred million guesses, so that a stolen
/// hash lasts for weeks, and the delays of sign-in for ever.
const SCORE_MIN: Score = Score::Three;

/// A program that guesses would find it soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the password is too easy to guess; take a longer one, such as four words that have nothing to \
     do with each other, without the account's name or address"
)]
pub struct Guessable;

/// Looks at a password that somebody chose for the account with this name and address. Away from the
/// threads that answer requests: it takes some milliseconds, for a password has 72 bytes at most.
pub(crate) async fn check(
    password: &Password,
    username: &str,
    email: &str,
) -> Result<(), Guessable> {
    let password = password.clone();
    let known = [username, email, "stagedoor"].map(str::to_owned);
    let judged = tokio::task::spawn_blocking(move || is_strong(&password, &known)).await;
    // One that panicked has told so in the log.
    match judged {
        Ok(true) => Ok(()),
        _ => Err(Guessable),
    }
}

/// The parts of an address count like the whole.
fn is_strong(password: &Password, known: &[String]) -> bool {
    let parts = known
        .iter()
        .flat_map(|text| text.split(['@', '.', '-', '_']));
    let known: Vec<&str> = known.iter().map(String::as_str).chain(parts).collect();
    zxcvbn(password.reveal(), &known).score() >= SCORE_MIN
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn judge(password: &str) -> bool {
        let known = ["grace.hopper", "grace.hopper@lanterns.example"].map(str::to_owned);
        is_strong(&Password::parse(password).unwrap(), &known)
    }

    #[test]
    fn what_a_program_guesses_soon_is_refused() {
        for weak in [
            "password",
            "        ",
            "12345678",
            "P@ssw0rd1",
            "qwertyuiop",
            "aaaaaaaaaaaaaaaaaaaa",
            "grace.hopper",
            "Grace.Hopper1",
            "lanternsHopper",
        ] {
            assert!(!judge(weak), "{weak}");
        }
        for strong in [
            "correct horse battery",
            "a horse on the command line",
            "รถไฟสายเหนือออกตอนเช้า",
            "mV4!kq0zTr2p",
        ] {
            assert!(judge(strong), "{strong}");
        }
    }

    #[test]
    fn the_longest_passwords_are_judged_in_no_time() {
        judge("the first one reads the dictionaries");
        for long in ["a1".repeat(36), "password".repeat(9), "@4$5".repeat(18)] {
            let begun = Instant::now();
            judge(&long);
            let took = begun.elapsed();
            // A tenth of a run of bcrypt would be 25 ms; a busy machine is slower.
            assert!(took < Duration::from_secs(1), "{long}: {took:?}");
        }
    }
}
