//! A QR code: which of its squares are dark, and the same as SVG.
//!
//! Error correction M, which brings back 15 % of a code: a fold or a thumb. A higher one would make
//! the squares smaller, and a phone's screen loses more by that than it gains.

use std::fmt::Write as _;

use fast_qr::{ECL, QRBuilder};

use crate::DocumentError;

/// The light margin that scanners need on each side (ISO/IEC 18004, 6.3.8).
pub(crate) const QUIET_MODULES: usize = 4;

/// Which modules of a code are dark, without the quiet zone.
pub(crate) struct Symbol {
    size: usize,
    dark: Vec<bool>,
}

/// Dark modules beside each other in one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stripe {
    pub(crate) column: usize,
    pub(crate) row: usize,
    pub(crate) length: usize,
}

impl Symbol {
    /// Of capital letters, digits and a few signs it is smaller than of other texts.
    pub(crate) fn of(text: &str) -> Result<Self, DocumentError> {
        let code = QRBuilder::new(text)
            .ecl(ECL::M)
            .build()
            .map_err(|_| DocumentError::TooLongForQr)?;
        let modules = code.data.iter().take(code.size * code.size);
        Ok(Self {
            size: code.size,
            dark: modules.map(|module| module.value()).collect(),
        })
    }

    /// Modules of a side, with the quiet zone.
    pub(crate) const fn side(&self) -> usize {
        self.size + 2 * QUIET_MODULES
    }

    /// All dark modules, counted from the corner of the quiet zone.
    pub(crate) fn stripes(&self) -> Vec<Stripe> {
        let mut stripes: Vec<Stripe> = Vec::new();
        for (index, _) in self.dark.iter().enumerate().filter(|(_, dark)| **dark) {
            let column = index % self.size + QUIET_MODULES;
            let row = index / self.size + QUIET_MODULES;
            match stripes.last_mut() {
                Some(last) if last.row == row && last.column + last.length == column => {
                    last.length += 1;
                }
                _ => stripes.push(Stripe {
                    column,
                    row,
                    length: 1,
                }),
            }
        }
        stripes
    }
}

/// The QR code of a text as an `<svg>` element, to stand in a page or alone in a file.
///
/// `title` is what a screen reader says of it. It is black on its own white ground in every colour
/// scheme, because many scanners can't read a light code on a dark ground; and it needs no style that
/// a content security policy could refuse.
pub fn qr_svg(text: &str, title: &str) -> Result<String, DocumentError> {
    let symbol = Symbol::of(text)?;
    let side = symbol.side();
    let mut path = String::new();
    for stripe in symbol.stripes() {
        let Stripe {
            column,
            row,
            length,
        } = stripe;
        let _ = write!(path, "M{column} {row}h{length}v1h-{length}z");
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {side} {side}\" \
         shape-rendering=\"crispEdges\"><title>{title}</title>\
         <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/>\
         <path fill=\"#000\" d=\"{path}\"/></svg>",
        title = escaped(title)
    ))
}

/// Text for an XML element. What XML forbids even as a reference is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            control if control.is_control() => {}
            '\u{FFFE}' | '\u{FFFF}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tickets_payload_takes_the_fifth_version_and_no_more() {
        let payload = format!("SD1:{}", "0".repeat(117));
        let symbol = Symbol::of(&payload).unwrap();
        assert_eq!((symbol.size, symbol.side()), (37, 45));
    }

    #[test]
    fn stripes_cover_exactly_the_dark_modules() {
        let symbol = Symbol::of("SD1:HELLO").unwrap();
        let stripes = symbol.stripes();
        let covered: usize = stripes.iter().map(|stripe| stripe.length).sum();
        assert_eq!(covered, symbol.dark.iter().filter(|dark| **dark).count());
        for stripe in stripes {
            for column in stripe.column..stripe.column + stripe.length {
                let index = (stripe.row - QUIET_MODULES) * symbol.size + column - QUIET_MODULES;
                assert!(symbol.dark[index]);
            }
        }
    }

    #[test]
    fn the_svg_is_named_and_black_on_white_whatever_surrounds_it() {
        let svg = qr_svg("SD1:HELLO", "Ticket 1 <of> 2 & \u{7}more").unwrap();
        assert!(svg.contains("role=\"img\""));
        assert!(svg.contains("<title>Ticket 1 &lt;of&gt; 2 &amp; more</title>"));
        assert!(svg.contains("fill=\"#fff\"") && svg.contains("fill=\"#000\""));
        assert!(!svg.contains("style"));
        assert_eq!(svg, qr_svg("SD1:HELLO", "Ticket 1 <of> 2 & more").unwrap());
    }

    #[test]
    fn a_text_that_no_code_can_hold_is_refused() {
        let error = qr_svg(&"a".repeat(4_000), "").unwrap_err();
        assert_eq!(error, DocumentError::TooLongForQr);
    }
}
