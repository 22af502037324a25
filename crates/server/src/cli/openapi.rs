//! `openapi`: the API's document.

use super::{CliError, print};
use crate::api::document;

pub fn run() -> Result<(), CliError> {
    print(document::json().as_bytes())
}
