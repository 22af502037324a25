//! The report as one self-contained page.

use std::fs;
use std::path::Path;

use super::super::CliError;
use super::summary::Summary;

/// Makes sure that the file can be written, before anything is measured.
pub(super) fn reserve(path: &Path) -> Result<(), CliError> {
    fs::File::create(path).map(drop).map_err(|error| {
        CliError::Usage(format!("can't write --report {}: {error}", path.display()))
    })
}

pub(super) fn write(path: &Path, summary: &Summary<'_>) -> Result<(), CliError> {
    fs::write(path, summary.to_text())
        .map_err(|error| CliError::failed(format!("can't write {}", path.display()), &error))
}
