//! Drawing on a PDF page, each mark with the tag that tells a screen reader what it is (PDF/UA-1).

use krilla::color::rgb;
use krilla::configure::{Accessibility, ConfigurationBuilder};
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ContentTag, Identifier, SpanTag};
use krilla::{Document, SerializeSettings};

use crate::DocumentError;
use crate::face::{Weight, shape};
use crate::qr::Symbol;
use crate::setting::Block;

/// From one line's top to the next one's, in sizes: Thai marks stand in two rows over a letter and in
/// one under it.
const LEADING: f32 = 1.42;
/// From a line's top to its base line.
const ASCENT: f32 = 1.08;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ink(pub(crate) u8, pub(crate) u8, pub(crate) u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Centre,
    Right,
}

/// How a text is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) weight: Weight,
    pub(crate) ink: Ink,
    pub(crate) align: Align,
}

/// Where, in points from the top left corner of the page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) left: f32,
    pub(crate) top: f32,
    pub(crate) width: f32,
}

/// A document that fails to be written unless everything in it is tagged, named and legible.
pub(crate) fn document() -> Result<Document, DocumentError> {
    let configuration = ConfigurationBuilder::new()
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .map_err(|error| DocumentError::Pdf(format!("{error:?}")))?;
    Ok(Document::new_with(SerializeSettings {
        configuration,
        ..SerializeSettings::default()
    }))
}

impl Block {
    pub(crate) fn height(&self) -> f32 {
        self.lines.iter().map(|_| self.size * LEADING).sum()
    }
}

/// Draws the lines of a block below `place.top`.
pub(crate) fn draw_text(
    surface: &mut Surface<'_>,
    block: &Block,
    style: Style,
    place: Place,
) -> Identifier {
    let tag = surface.start_tagged(ContentTag::Span(SpanTag::empty()));
    surface.set_fill(Some(fill(style.ink)));
    let mut base = place.top + block.size * ASCENT;
    for line in &block.lines {
        let shown = shape(line.trim_end(), style.weight);
        let width: f32 = shown.iter().map(|run| run.advance * block.size).sum();
        let mut left = place.left
            + match style.align {
                Align::Left => 0.0,
                Align::Centre => (place.width - width) / 2.0,
                Align::Right => place.width - width,
            };
        for run in shape(line, style.weight) {
            let start = Point::from_xy(left, base);
            let font = run.face.font.clone();
            surface.draw_glyphs(start, &run.glyphs, font, &run.text, block.size, false);
            left += run.advance * block.size;
        }
        base += block.size * LEADING;
    }
    surface.end_tagged();
    tag
}

/// Fills a rectangle that means nothing.
pub(crate) fn draw_ornament(surface: &mut Surface<'_>, place: Place, height: f32, ink: Ink) {
    let mut path = PathBuilder::new();
    push_rect(&mut path, place.left, place.top, (place.width, height));
    surface.start_tagged(ContentTag::Artifact(Artifact::default()));
    fill_path(surface, path, ink);
    surface.end_tagged();
}

/// Draws a QR code as wide as the place, its quiet zone included.
pub(crate) fn draw_symbol(surface: &mut Surface<'_>, symbol: &Symbol, place: Place) -> Identifier {
    let module = place.width / count(symbol.side());
    let mut path = PathBuilder::new();
    for stripe in symbol.stripes() {
        let left = place.left + count(stripe.column) * module;
        let top = place.top + count(stripe.row) * module;
        push_rect(
            &mut path,
            left,
            top,
            (count(stripe.length) * module, module),
        );
    }
    let tag = surface.start_tagged(ContentTag::Other);
    fill_path(surface, path, Ink(0, 0, 0));
    surface.end_tagged();
    tag
}

fn push_rect(path: &mut PathBuilder, left: f32, top: f32, (width, height): (f32, f32)) {
    if let Some(rect) = Rect::from_xywh(left, top, width, height) {
        path.push_rect(rect);
    }
}

fn fill_path(surface: &mut Surface<'_>, path: PathBuilder, ink: Ink) {
    if let Some(path) = path.finish() {
        surface.set_fill(Some(fill(ink)));
        surface.draw_path(&path);
    }
}

fn fill(Ink(red, green, blue): Ink) -> Fill {
    Fill {
        paint: rgb::Color::new(red, green, blue).into(),
        ..Fill::default()
    }
}

/// A code has at most 177 modules a side.
fn count(modules: usize) -> f32 {
    u16::try_from(modules).map_or(0.0, f32::from)
}
