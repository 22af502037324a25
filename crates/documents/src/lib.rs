//! What a buyer takes along: QR codes, tickets to print, and calendar files.
//!
//! Everything comes in as an argument and the same arguments give the same bytes.
//! Absent on purpose: the database, signing, HTTP, a clock, and any font or file of the machine.

pub mod calendar;
mod face;
mod pdf;
pub mod qr;
mod setting;
pub mod sheet;
mod words;

pub use calendar::{CalendarEntry, calendar_file};
pub use qr::qr_svg;
pub use sheet::{TicketPage, TicketSheet, tickets_pdf};

/// Why a document couldn't be made; each is a fault of ours, not of the buyer's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    #[error("the text is too long for a QR code")]
    TooLongForQr,
    #[error("the PDF couldn't be written: {0}")]
    Pdf(String),
}
