//! Tickets as a PDF: one page a ticket, of A6, which fills a phone's screen and, printed on A4, either
//! stays a card or grows to the sheet.
//!
//! A page says the concert, the holder's name, the price, and which reservation it belongs to.
//! Absent on purpose: the e-mail address, and the moment of writing, so that one ticket is one file.

use std::num::NonZeroU16;

use domain::id::ReservationId;
use domain::language::Language;
use domain::ticket::TicketCode;
use krilla::Document;
use krilla::destination::XyzDestination;
use krilla::geom::Point;
use krilla::metadata::Metadata;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::surface::Surface;
use krilla::tagging::{Identifier, Tag, TagGroup, TagTree};

use crate::DocumentError;
use crate::face::Weight;
use crate::pdf::{Align, Ink, Place, Style, document, draw_ornament, draw_symbol, draw_text};
use crate::qr::Symbol;
use crate::setting::{Block, Room, drawable, fit, fit_line};
use crate::words::{Words, words};

/// The tickets of one reservation.
#[derive(Clone, Copy, Debug)]
pub struct TicketSheet<'a> {
    pub language: Language,
    pub concert: &'a str,
    pub artist: &'a str,
    pub venue: &'a str,
    /// In words, of the same language.
    pub date: &'a str,
    pub holder: &'a str,
    /// Of one ticket, with its currency.
    pub price: &'a str,
    pub reservation_id: &'a ReservationId,
    /// How many tickets the reservation has, those without a page here included.
    pub count: usize,
    pub pages: &'a [TicketPage<'a>],
}

/// One ticket.
#[derive(Clone, Copy, Debug)]
pub struct TicketPage<'a> {
    /// Which of the reservation's tickets it is: 1 and up.
    pub number: usize,
    pub code: &'a TicketCode,
    /// What the QR code says.
    pub payload: &'a str,
}

/// A6 in points.
const PAGE_WIDTH: f32 = 297.64;
const PAGE_HEIGHT: f32 = 419.53;
const MARGIN: f32 = 20.0;
const INNER_WIDTH: f32 = PAGE_WIDTH - 2.0 * MARGIN;
const BAND_HEIGHT: f32 = 30.0;
/// Between the two columns of small facts.
const GUTTER: f32 = 12.0;
/// 5.6 cm: 45 modules of more than a millimetre each.
const SYMBOL_MAX: f32 = 160.0;

/// The green of the shop's pages.
const GREEN: Ink = Ink(0x0A, 0x66, 0x4B);
const BLACK: Ink = Ink(0x14, 0x21, 0x1C);
const GREY: Ink = Ink(0x4C, 0x5B, 0x54);
const WHITE: Ink = Ink(0xFF, 0xFF, 0xFF);

const fn style(weight: Weight, ink: Ink, align: Align) -> Style {
    Style { weight, ink, align }
}

const LABEL: Style = style(Weight::Regular, GREY, Align::Left);
const FACT: Style = style(Weight::Bold, BLACK, Align::Left);

/// The PDF. The same sheet gives the same bytes.
pub fn tickets_pdf(sheet: &TicketSheet<'_>) -> Result<Vec<u8>, DocumentError> {
    let words = words(sheet.language);
    let mut document = document()?;
    let mut outline = Outline::new();
    let mut tree = TagTree::new().with_lang(Some(sheet.language.as_str().to_owned()));
    for (index, page) in sheet.pages.iter().enumerate() {
        let symbol = Symbol::of(page.payload)?;
        tree.push(draw_page(&mut document, sheet, page, &symbol));
        let title = format!(
            "{} {}",
            words.ticket,
            words.number_of(page.number, sheet.count)
        );
        let top = XyzDestination::new(index, Point::from_xy(0.0, 0.0));
        outline.push_child(OutlineNode::new(title, top));
    }
    document.set_outline(outline);
    document.set_tag_tree(tree);
    document.set_metadata(
        Metadata::new()
            .title(title(sheet.concert, words))
            .language(sheet.language.as_str().to_owned())
            .creator("stagedoor".to_owned()),
    );
    document
        .finish()
        .map_err(|error| DocumentError::Pdf(format!("{error:?}")))
}

/// What the document and its headings are called. They may not be called nothing.
fn title(concert: &str, words: &Words) -> String {
    let concert = drawable(concert);
    if concert.is_empty() {
        words.ticket.to_owned()
    } else {
        format!("{concert} – {}", words.ticket)
    }
}

fn draw_page(
    document: &mut Document,
    sheet: &TicketSheet<'_>,
    page: &TicketPage<'_>,
    symbol: &Symbol,
) -> TagGroup {
    let settings = PageSettings::from_wh(PAGE_WIDTH, PAGE_HEIGHT).unwrap_or_default();
    let mut canvas = document.start_page_with(settings);
    let mut surface = canvas.surface();
    let mut pen = Pen {
        surface: &mut surface,
        words: words(sheet.language),
        group: TagGroup::new(Tag::Section),
    };
    pen.band(sheet, page);
    let top = pen.head(sheet);
    let bottom = pen.foot_top(sheet);
    pen.code(page, symbol, (top, bottom));
    pen.foot(sheet, bottom);
    pen.group
}

/// Draws the parts of a page in the order in which they are read.
struct Pen<'p, 's> {
    surface: &'p mut Surface<'s>,
    words: &'static Words,
    group: TagGroup,
}

/// A label and what it says, in one column.
struct Fact {
    label: Block,
    value: Block,
    style: Style,
    left: f32,
    width: f32,
}

impl Fact {
    fn new(label: &str, value: &str, (left, width): (f32, f32), lines_max: usize) -> Self {
        Self {
            label: one_line(label, Weight::Regular, width, 7.0),
            value: fit_line(
                value,
                FACT.weight,
                Room {
                    width,
                    lines_max,
                    sizes: &[10.5, 9.5, 8.5, 7.5, 6.5],
                },
                3,
            ),
            style: FACT,
            left,
            width,
        }
    }

    fn on_the_right(mut self) -> Self {
        self.style.align = Align::Right;
        self
    }

    fn height(&self) -> f32 {
        self.label.height() + self.value.height()
    }
}

fn one_line(text: &str, weight: Weight, width: f32, size: f32) -> Block {
    let sizes = [size, size * 0.85, size * 0.7];
    let room = Room {
        width,
        lines_max: 1,
        sizes: &sizes,
    };
    fit(text, weight, room)
}

impl Pen<'_, '_> {
    fn text(&mut self, block: &Block, style: Style, place: Place) -> Identifier {
        draw_text(self.surface, block, style, place)
    }

    fn paragraph(&mut self, parts: Vec<Identifier>) {
        let mut paragraph = TagGroup::new(Tag::P);
        for part in parts {
            paragraph.push(part);
        }
        self.group.push(paragraph);
    }

    /// `Ticket` and which one, in the band over the page.
    fn band(&mut self, sheet: &TicketSheet<'_>, page: &TicketPage<'_>) {
        let all = Place {
            left: 0.0,
            top: 0.0,
            width: PAGE_WIDTH,
        };
        draw_ornament(self.surface, all, BAND_HEIGHT, GREEN);
        let number = self.words.number_of(page.number, sheet.count);
        let half = INNER_WIDTH / 2.0;
        let left = one_line(self.words.ticket, Weight::Bold, half, 11.0);
        let right = one_line(&number, Weight::Bold, half, 11.0);
        let place = Place {
            left: MARGIN,
            top: (BAND_HEIGHT - left.height()) / 2.0,
            width: INNER_WIDTH,
        };
        let parts = [(left, Align::Left), (right, Align::Right)]
            .map(|(block, align)| self.text(&block, style(Weight::Bold, WHITE, align), place));
        self.paragraph(parts.into());
    }

    /// The concert, the artist, when and where. Returns where it ends.
    fn head(&mut self, sheet: &TicketSheet<'_>) -> f32 {
        let place = |top| Place {
            left: MARGIN,
            top,
            width: INNER_WIDTH,
        };
        let mut top = BAND_HEIGHT + 9.0;
        let room = |lines_max, sizes| Room {
            width: INNER_WIDTH,
            lines_max,
            sizes,
        };
        let sizes = &[18.0, 16.0, 14.0, 12.0, 10.0];
        let concert = fit_line(sheet.concert, Weight::Bold, room(2, sizes), 3);
        let bold = style(Weight::Bold, BLACK, Align::Left);
        let drawn = self.text(&concert, bold, place(top));
        let title = Some(title(sheet.concert, self.words));
        let mut heading = TagGroup::new(Tag::Hn(NonZeroU16::MIN, title));
        heading.push(drawn);
        self.group.push(heading);
        top += concert.height();

        let artist = fit(sheet.artist, Weight::Regular, room(2, &[11.5, 10.0, 9.0]));
        let drawn = self.text(
            &artist,
            style(Weight::Regular, GREY, Align::Left),
            place(top),
        );
        self.paragraph(vec![drawn]);
        top += artist.height() + 6.0;

        let width = (INNER_WIDTH - GUTTER) / 2.0;
        let date = Fact::new(self.words.date, sheet.date, (MARGIN, width), 3);
        let right = MARGIN + width + GUTTER;
        let venue = Fact::new(self.words.venue, sheet.venue, (right, width), 4);
        let end = top + date.height().max(venue.height());
        self.fact(&date, top);
        self.fact(&venue, top);
        end
    }

    fn fact(&mut self, fact: &Fact, top: f32) {
        let place = |top| Place {
            left: fact.left,
            top,
            width: fact.width,
        };
        let label = Style {
            align: fact.style.align,
            ..LABEL
        };
        let first = self.text(&fact.label, label, place(top));
        let second = self.text(&fact.value, fact.style, place(top + fact.label.height()));
        self.paragraph(vec![first, second]);
    }

    /// The QR code and the code for typing, in the middle of what is left.
    fn code(&mut self, page: &TicketPage<'_>, symbol: &Symbol, (top, bottom): (f32, f32)) {
        let label = one_line(self.words.code, Weight::Regular, INNER_WIDTH, 7.0);
        let code = one_line(&page.code.to_string(), Weight::Bold, INNER_WIDTH, 15.0);
        let below = label.height() + code.height();
        let width = SYMBOL_MAX.min(bottom - top - below);
        let top = top + (bottom - top - below - width) / 2.0;
        let drawn = draw_symbol(
            self.surface,
            symbol,
            Place {
                left: (PAGE_WIDTH - width) / 2.0,
                top,
                width,
            },
        );
        let mut figure = TagGroup::new(Tag::Figure(Some(self.words.qr.to_owned())));
        figure.push(drawn);
        self.group.push(figure);
        let place = |top| Place {
            left: MARGIN,
            top,
            width: INNER_WIDTH,
        };
        let first = self.text(
            &label,
            style(Weight::Regular, GREY, Align::Centre),
            place(top + width),
        );
        let second = self.text(
            &code,
            style(Weight::Bold, BLACK, Align::Centre),
            place(top + width + label.height()),
        );
        self.paragraph(vec![first, second]);
    }

    /// Where the foot begins.
    fn foot_top(&self, sheet: &TicketSheet<'_>) -> f32 {
        let (holder, price) = self.holder_and_price(sheet);
        let facts = holder.height().max(price.height());
        PAGE_HEIGHT - MARGIN * 0.7 - self.small_print(sheet).height() - 4.0 - facts - 4.0
    }

    fn holder_and_price(&self, sheet: &TicketSheet<'_>) -> (Fact, Fact) {
        let narrow = 80.0;
        let wide = INNER_WIDTH - GUTTER - narrow;
        let right = PAGE_WIDTH - MARGIN - narrow;
        (
            Fact::new(self.words.holder, sheet.holder, (MARGIN, wide), 2),
            Fact::new(self.words.price, sheet.price, (right, narrow), 2).on_the_right(),
        )
    }

    fn small_print(&self, sheet: &TicketSheet<'_>) -> Block {
        let reservation = format!("{} {}", self.words.reservation, sheet.reservation_id);
        let room = Room {
            width: INNER_WIDTH,
            lines_max: 3,
            sizes: &[7.0],
        };
        let mut block = fit(self.words.hint, Weight::Regular, room);
        block.lines.insert(0, reservation);
        block
    }

    /// Who, how much, which reservation, and what to do with the page.
    fn foot(&mut self, sheet: &TicketSheet<'_>, top: f32) {
        let (holder, price) = self.holder_and_price(sheet);
        let facts = holder.height().max(price.height());
        self.fact(&holder, top + 4.0);
        self.fact(&price, top + 4.0);
        let small = self.small_print(sheet);
        let place = Place {
            left: MARGIN,
            top: top + 4.0 + facts + 4.0,
            width: INNER_WIDTH,
        };
        let drawn = self.text(&small, LABEL, place);
        self.paragraph(vec![drawn]);
    }
}
