//! Mails: their words in both languages, the way to the mail server, and the page that shows them in
//! development. When one is written is the use cases' business.

mod letter;
pub mod shown;
pub mod smtp;

pub use letter::Writer;
