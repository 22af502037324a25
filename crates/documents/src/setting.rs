//! Setting text: what can be drawn of it, in which size it fits, and where its lines end.
//!
//! Thai writes no spaces between words. There is no dictionary here; a line that must be broken inside
//! a phrase is broken before a vowel that begins a syllable, else between letters with their marks.

use crate::face::{Weight, is_drawable, measure};

/// Lines of one size that fit into a width.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block {
    /// In points.
    pub(crate) size: f32,
    /// Each with the space that it was broken at, so that whoever copies the text gets it.
    pub(crate) lines: Vec<String>,
}

/// Room for a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room<'a> {
    /// In points.
    pub(crate) width: f32,
    pub(crate) lines_max: usize,
    /// In points, from the one that is wanted down to the smallest.
    pub(crate) sizes: &'a [f32],
}

/// The text in the largest of the sizes in which it fits, with its words whole if one of the sizes
/// allows that. In the smallest it is cut, if it must.
pub(crate) fn fit(text: &str, weight: Weight, room: Room<'_>) -> Block {
    let text = drawable(text);
    let mut tried = Vec::new();
    for size in room.sizes.iter().copied() {
        let (lines, are_words_whole) = wrap(&text, weight, room.width / size);
        if lines.len() <= room.lines_max {
            if are_words_whole {
                return Block { size, lines };
            }
            tried.push(Block { size, lines });
        }
    }
    if !tried.is_empty() {
        return tried.swap_remove(0);
    }
    let size = room.sizes.last().copied().unwrap_or(1.0);
    let (mut lines, _) = wrap(&text, weight, room.width / size);
    lines.truncate(room.lines_max);
    if let Some(last) = lines.last_mut() {
        *last = cut(last, weight, room.width / size);
    }
    Block { size, lines }
}

/// The same, in one line if that takes no size but the first `sizes_for_one_line` of them.
pub(crate) fn fit_line(
    text: &str,
    weight: Weight,
    room: Room<'_>,
    sizes_for_one_line: usize,
) -> Block {
    let text = drawable(text);
    let width = measure(&text, weight);
    let mut sizes = room.sizes.iter().copied().take(sizes_for_one_line);
    match sizes.find(|size| width * size <= room.width) {
        Some(size) => Block {
            size,
            lines: vec![text],
        },
        None => fit(&text, weight, room),
    }
}

/// The longest beginning that fits with an ellipsis.
fn cut(line: &str, weight: Weight, width: f32) -> String {
    let pieces = Tier::Letters.split(line);
    let cuts = (0..=pieces.len()).rev().map(|count| {
        let kept = pieces[..count].concat();
        format!("{}…", kept.trim_end())
    });
    cuts.into_iter()
        .find(|kept| measure(kept, weight) <= width)
        .unwrap_or_default()
}

/// The text as far as the fonts have it: white space becomes single spaces, pictures and marks of
/// their own go, and a letter of another script is shown to be missing.
pub(crate) fn drawable(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_whitespace() {
            if !kept.ends_with(' ') {
                kept.push(' ');
            }
        } else if is_drawable(character) && !is_invisible(character) {
            kept.push(character);
        } else if character.is_alphanumeric() {
            kept.push(MISSING);
        }
    }
    let trimmed = kept.trim();
    // A name of pictures alone is a name all the same.
    if trimmed.is_empty() && !text.trim().is_empty() {
        return MISSING.to_string();
    }
    trimmed.to_owned()
}

/// What stands for a letter that no font has.
const MISSING: char = '\u{FFFD}';

/// Characters that only steer others: joiners, direction marks, variation selectors.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{AD}' | '\u{34F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFC}')
}

/// Where a line may end, from the best place to the last resort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
    Words,
    Syllables,
    Letters,
}

impl Tier {
    const fn finer(self) -> Option<Self> {
        match self {
            Self::Words => Some(Self::Syllables),
            Self::Syllables => Some(Self::Letters),
            Self::Letters => None,
        }
    }

    /// The pieces, which together are the text.
    fn split(self, text: &str) -> Vec<&str> {
        let mut pieces = Vec::new();
        let mut start = 0;
        let mut before = None;
        for (index, character) in text.char_indices() {
            let breaks = before.is_some_and(|before| self.breaks(before, character));
            if breaks {
                pieces.push(&text[start..index]);
                start = index;
            }
            before = Some(character);
        }
        if start < text.len() {
            pieces.push(&text[start..]);
        }
        pieces
    }

    fn breaks(self, before: char, after: char) -> bool {
        match self {
            Self::Words => before == ' ' || matches!(before, '-' | '–' | '/' if after != ' '),
            Self::Syllables => is_leading_vowel(after) && is_thai(before),
            Self::Letters => !is_leading_vowel(before) && !leans_on_its_left(after),
        }
    }
}

fn is_thai(character: char) -> bool {
    matches!(character, '\u{0E01}'..='\u{0E5B}')
}

/// เ แ โ ใ ไ, which are written before the consonant that they are spoken after.
fn is_leading_vowel(character: char) -> bool {
    matches!(character, '\u{0E40}'..='\u{0E44}')
}

/// What must not begin a line: marks, vowels that follow their consonant, repetition, punctuation.
fn leans_on_its_left(character: char) -> bool {
    matches!(character,
        '\u{0E2F}'..='\u{0E3A}' | '\u{0E45}'..='\u{0E4E}'
        | '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0489}' | '\u{0900}'..='\u{0903}'
        | '\u{093A}'..='\u{094F}' | '\u{0951}'..='\u{0957}' | '\u{0962}' | '\u{0963}'
        | ' ' | '.' | ',' | ';' | ':' | '!' | '?' | ')' | ']' | '}' | '’' | '”' | '…')
}

/// The lines of a text, at most `width` ems wide but for single letters that are wider, and whether
/// none ends between two letters.
fn wrap(text: &str, weight: Weight, width: f32) -> (Vec<String>, bool) {
    let mut lines = Lines {
        weight,
        width,
        are_words_whole: true,
        done: Vec::new(),
        line: String::new(),
        used: 0.0,
    };
    lines.put(text, Tier::Words);
    lines.end();
    (lines.done, lines.are_words_whole)
}

struct Lines {
    weight: Weight,
    width: f32,
    are_words_whole: bool,
    done: Vec<String>,
    line: String,
    used: f32,
}

impl Lines {
    fn put(&mut self, text: &str, tier: Tier) {
        for piece in tier.split(text) {
            let shown = measure(piece.trim_end(), self.weight);
            if self.used + shown <= self.width {
                self.push(piece);
            } else if shown <= self.width {
                self.end();
                self.push(piece);
            } else if let Some(finer) = tier.finer() {
                self.are_words_whole &= finer != Tier::Letters;
                self.put(piece, finer);
            } else {
                self.end();
                self.push(piece);
            }
        }
    }

    fn push(&mut self, piece: &str) {
        self.line.push_str(piece);
        self.used += measure(piece, self.weight);
    }

    fn end(&mut self) {
        if !self.line.is_empty() {
            self.done.push(std::mem::take(&mut self.line));
        }
        self.used = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOM: Room<'_> = Room {
        width: 100.0,
        lines_max: 2,
        sizes: &[20.0, 10.0],
    };

    #[test]
    fn a_text_takes_the_largest_size_in_which_it_fits() {
        assert_eq!(
            fit("Mali", Weight::Bold, ROOM).size.to_bits(),
            20_f32.to_bits()
        );
        let smaller = fit("A longer name of an artist", Weight::Bold, ROOM);
        assert_eq!(smaller.lines, ["A longer name of ", "an artist"]);
        let cut = fit(
            "A much longer name of an artist with a big band",
            Weight::Bold,
            ROOM,
        );
        assert_eq!(cut.lines.len(), 2);
        assert!(cut.lines[1].ends_with('…'), "{:?}", cut.lines);
        assert_eq!(fit("", Weight::Bold, ROOM).lines, Vec::<String>::new());
        let name = "By an artist";
        assert_eq!(fit(name, Weight::Bold, ROOM).lines.len(), 2);
        assert_eq!(fit_line(name, Weight::Bold, ROOM, 2).lines, [name]);
        // A long word would rather be small than broken.
        let name = fit("Wolfeschlegelsteinhausen", Weight::Bold, ROOM);
        assert_eq!(
            (name.size.to_bits(), name.lines.len()),
            (10_f32.to_bits(), 2)
        );
        let name = fit("Rosenberger", Weight::Bold, ROOM);
        assert_eq!(
            (name.size.to_bits(), name.lines.len()),
            (10_f32.to_bits(), 1)
        );
    }

    #[test]
    fn thai_is_broken_before_syllables_and_never_before_a_mark() {
        let (lines, _) = wrap(
            "ราชมังคลากีฬาสถานแห่งประเทศไทยเฉลิมพระเกียรติ",
            Weight::Regular,
            9.0,
        );
        assert!(lines.len() > 2, "{lines:?}");
        for line in &lines {
            let first = line.chars().next().unwrap();
            assert!(!leans_on_its_left(first), "{lines:?}");
            assert!(!is_leading_vowel(line.chars().last().unwrap()), "{lines:?}");
        }
    }

    #[test]
    fn what_no_font_has_is_left_out_or_replaced() {
        for (text, kept) in [
            ("Rock 🎸 Night 👨‍👩‍👧", "Rock Night"),
            ("张伟 Zhang", "\u{FFFD}\u{FFFD} Zhang"),
            ("a\u{202E}b\u{0}\r\n\t c\u{a0}d", "ab c d"),
            ("🎉🎉", "\u{FFFD}"),
            (" ", ""),
            ("ก\u{200B}ข", "กข"),
        ] {
            assert_eq!(drawable(text), kept, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_fits_into_its_room(text in "[\\PC\\n]{0,60}", thai in "[ก-๛ ]{0,80}") {
            for text in [&text, &thai, &format!("{thai}{text}")] {
                let block = fit(text, Weight::Bold, ROOM);
                prop_assert!(block.lines.len() <= ROOM.lines_max);
                for line in &block.lines {
                    let width = measure(line.trim_end(), Weight::Bold) * block.size;
                    prop_assert!(width <= ROOM.width + 1.0, "{line:?} is {width} wide");
                }
            }
        }

        #[test]
        fn no_text_is_lost_where_there_is_room(text in "[a-zก-ฮะ-ู เ-๎]{0,80}") {
            let (lines, _) = wrap(&drawable(&text), Weight::Regular, 8.0);
            prop_assert_eq!(lines.concat(), drawable(&text));
        }
    }
}
