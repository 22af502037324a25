//! When the certificate of direct HTTPS ends. Whether it can be used at all is told by
//! `config::findings`, for `config check` and the server's start as well.

use jiff::{SignedDuration, Timestamp};

use super::{Finding, Severity};
use crate::config::Config;
use crate::http::tls;

/// Programs that renew by themselves do so thirty days before the end: nine have gone wrong then.
const RENEWED_BEFORE: SignedDuration = SignedDuration::from_hours(21 * 24);

/// `None` without direct HTTPS.
pub(super) fn finding(config: &Config, now: Timestamp) -> Option<Finding> {
    let files = config.web.tls.as_ref()?;
    let path = files.cert.display();
    let (severity, detail, mend) = match tls::validity(files) {
        Err(error) => {
            // The error itself says what to do.
            let mend = "then see with `stagedoor config check` whether they fit";
            (Severity::Error, error.to_string(), mend)
        }
        Ok(validity) if validity.from > now => {
            let detail = format!(
                "the certificate in {path} begins only on {:.0}",
                validity.from
            );
            let mend = "set the one that is valid now, or this machine's clock";
            (Severity::Error, detail, mend)
        }
        Ok(validity) => {
            let (until, left) = (validity.until, validity.until.duration_since(now));
            let days = left.as_hours() / 24;
            let mend = "renew it (certbot renew, or your authority's way); new files are taken \
                        within seconds";
            if left <= SignedDuration::ZERO {
                let detail = format!("the certificate in {path} ended on {until:.0}");
                (Severity::Error, detail, mend)
            } else if left < RENEWED_BEFORE {
                let detail =
                    format!("the certificate in {path} ends on {until:.0}, in {days} days");
                (Severity::Warning, detail, mend)
            } else {
                let detail = format!("the certificate ends on {until:.0}, in {days} days");
                (Severity::Info, detail, "")
            }
        }
    };
    Some(Finding::new("tls_certificate", severity, detail, mend))
}
