//! When the certificate of direct HTTPS ends. Whether it can be used at all is told by
//! `config::findings`, for `config check` and the server's start as well.

use std::path::Display;

use jiff::{SignedDuration, Timestamp};

use super::{Finding, Severity};
use crate::config::Config;
use crate::http::tls::{self, Validities, Validity};

/// Programs that renew by themselves do so thirty days before the end: nine have gone wrong then.
const RENEWED_BEFORE: SignedDuration = SignedDuration::from_hours(21 * 24);

const RENEW: &str = "renew it (certbot renew, or your authority's way); new files are taken within \
                     seconds";

/// How bad it is, what it is, and what to do.
type Told = (Severity, String, &'static str);

/// `None` without direct HTTPS.
pub(super) fn finding(config: &Config, now: Timestamp) -> Option<Finding> {
    let files = config.web.tls.as_ref()?;
    let path = files.cert.display();
    let (severity, detail, mend) = match tls::validities(files) {
        Err(error) => {
            // The error itself says what to do.
            let mend = "then see with `stagedoor config check` whether they fit";
            (Severity::Error, error.to_string(), mend)
        }
        Ok(Validities { own, behind }) => match own_dates(own, now, &path) {
            (Severity::Info, ..) if !is_well(behind, now) => authority_dates(behind, now, &path),
            told => told,
        },
    };
    Some(Finding::new("tls_certificate", severity, detail, mend))
}

/// What visitors are refused by, whatever stands behind it.
fn own_dates(dates: Validity, now: Timestamp, path: &Display<'_>) -> Told {
    let Validity { from, until } = dates;
    let left = until.duration_since(now);
    let days = left.as_hours() / 24;
    if from > now {
        let detail = format!("the certificate in {path} begins only on {from:.0}");
        let mend = "set the one that is valid now, or this machine's clock";
        (Severity::Error, detail, mend)
    } else if left <= SignedDuration::ZERO {
        let detail = format!("the certificate in {path} ended on {until:.0}");
        (Severity::Error, detail, RENEW)
    } else if left < RENEWED_BEFORE {
        let detail = format!("the certificate in {path} ends on {until:.0}, in {days} days");
        (Severity::Warning, detail, RENEW)
    } else {
        let detail = format!("the certificate ends on {until:.0}, in {days} days");
        (Severity::Info, detail, "")
    }
}

fn is_well(dates: Validity, now: Timestamp) -> bool {
    dates.from <= now && dates.until.duration_since(now) >= RENEWED_BEFORE
}

/// Never an error: most visitors find a way around an authority's certificate, such as one that an
/// older authority signed across, for they have a newer one themselves.
fn authority_dates(dates: Validity, now: Timestamp, path: &Display<'_>) -> Told {
    let Validity { from, until } = dates;
    let detail = if from > now {
        format!("a certificate behind the first in {path} begins only on {from:.0}")
    } else if until <= now {
        format!("a certificate behind the first in {path} ended on {until:.0}")
    } else {
        format!("a certificate behind the first in {path} ends on {until:.0}")
    };
    let mend = "take the chain that your authority offers now; old programs may refuse this one";
    (Severity::Warning, detail, mend)
}
