//! A first knock at the server of `--url`, before anything is put on sale for a run that can't be.

use std::io::ErrorKind;
use std::time::Duration;

use super::super::CliError;
use super::Place;
use crate::load::Connection;

/// A server that is there answers within milliseconds; an operator begins to wonder after this.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// An error when nothing answers; any answer at all is one.
pub(super) async fn knock(place: &Place) -> Result<(), CliError> {
    let Place { address, host, .. } = place;
    let asking = async {
        let mut connection = Connection::open(*address).await?;
        let request = format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\n\r\n");
        connection.exchange(request.as_bytes()).await.map(drop)
    };
    match tokio::time::timeout(ANSWERS_WITHIN, asking).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            Err(CliError::Failed(format!(
                "nothing listens on {address}, where --url http://{host} leads: start the server, \
                 or correct --url"
            )))
        }
        Ok(Err(error)) if error.kind() != ErrorKind::TimedOut => {
            let what = format!(
                "what listens on {address}, where --url http://{host} leads, gives no answer in \
                 HTTP/1.1"
            );
            Err(CliError::failed(what, &error))
        }
        _ => Err(CliError::Failed(format!(
            "no answer from {address}, where --url http://{host} leads: see whether the server \
             runs, and whether a packet filter lets this machine through"
        ))),
    }
}
