//! The fonts of documents: which one has a character, and the glyphs of a text in it.
//!
//! Thai marks stand over and under letters only where a shaper puts them there, so all text goes
//! through one.

use std::sync::LazyLock;

use harfrust::{FontRef, ShapeOptions, ShaperData, UnicodeBuffer};
use krilla::Data;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use read_fonts::TableProvider as _;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    Bold,
}

/// One font file.
pub(crate) struct Face {
    pub(crate) font: Font,
    reader: FontRef<'static>,
    shaper: ShaperData,
    units_per_em: f32,
}

/// Text of one face, as it is drawn.
pub(crate) struct Run {
    pub(crate) face: &'static Face,
    pub(crate) text: String,
    /// Their measures are in ems.
    pub(crate) glyphs: Vec<KrillaGlyph>,
    /// In ems.
    pub(crate) advance: f32,
}

struct Family {
    regular: Face,
    bold: Face,
}

static LATIN: LazyLock<Family> = LazyLock::new(|| Family {
    regular: Face::of(include_bytes!("../fonts/NotoSans-Regular.ttf")),
    bold: Face::of(include_bytes!("../fonts/NotoSans-Bold.ttf")),
});
static THAI: LazyLock<Family> = LazyLock::new(|| Family {
    regular: Face::of(include_bytes!("../fonts/NotoSansThai-Regular.ttf")),
    bold: Face::of(include_bytes!("../fonts/NotoSansThai-Bold.ttf")),
});

impl Family {
    const fn face(&self, weight: Weight) -> &Face {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }
}

impl Face {
    /// The fonts are part of the program, and `every_font_shapes_its_script` has read them all.
    fn of(bytes: &'static [u8]) -> Self {
        let reader = FontRef::new(bytes).expect("a font of ours is whole");
        let font = Font::new(Data::from(bytes), 0).expect("a font of ours is whole");
        Self {
            shaper: ShaperData::new(&reader),
            units_per_em: font.units_per_em(),
            font,
            reader,
        }
    }

    fn has(&self, character: char) -> bool {
        let found = self.reader.cmap().map(|cmap| cmap.map_codepoint(character));
        found.is_ok_and(|glyph| glyph.is_some())
    }

    fn shape(&'static self, text: String) -> Run {
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(&text);
        buffer.guess_segment_properties();
        let shaper = self.shaper.shaper(&self.reader).build();
        let set = shaper.shape(buffer, ShapeOptions::new());
        let (infos, positions) = (set.glyph_infos(), set.glyph_positions());
        let mut advance = 0.0;
        let mut glyphs = Vec::with_capacity(infos.len());
        for (index, (info, position)) in infos.iter().zip(positions).enumerate() {
            let start = info.cluster as usize;
            let later = infos[index..].iter().map(|next| next.cluster as usize);
            let end = later
                .clone()
                .find(|next| *next > start)
                .unwrap_or(text.len());
            advance += self.ems(position.x_advance);
            glyphs.push(KrillaGlyph::new(
                GlyphId::new(info.glyph_id),
                self.ems(position.x_advance),
                self.ems(position.x_offset),
                self.ems(position.y_offset),
                self.ems(position.y_advance),
                start..end,
                None,
            ));
        }
        Run {
            face: self,
            text,
            glyphs,
            advance,
        }
    }

    /// No font has measures that a float couldn't hold.
    #[allow(clippy::cast_precision_loss)]
    fn ems(&self, units: i32) -> f32 {
        units as f32 / self.units_per_em
    }
}

/// Writing systems that a shaper must not be given together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Thai,
    /// Latin, Greek and Cyrillic, which need nothing that the others would disturb.
    Other,
}

impl Script {
    fn of(character: char) -> Self {
        match character {
            '\u{0E00}'..='\u{0E7F}' => Self::Thai,
            _ => Self::Other,
        }
    }

    fn face(self, weight: Weight) -> &'static Face {
        match self {
            Self::Thai => THAI.face(weight),
            Self::Other => LATIN.face(weight),
        }
    }
}

/// Whether a character can be drawn in both weights.
pub(crate) fn is_drawable(character: char) -> bool {
    let has = |weight| Script::of(character).face(weight).has(character);
    has(Weight::Regular) && has(Weight::Bold)
}

/// The runs of a text, from left to right. It must be of drawable characters.
pub(crate) fn shape(text: &str, weight: Weight) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut script = Script::Other;
    let mut gathered = String::new();
    for character in text.chars() {
        let own = Script::of(character);
        // A space or hyphen stays with the word before it, when its font has one.
        let stays = own == script
            || (own == Script::Other
                && !character.is_alphanumeric()
                && script.face(weight).has(character));
        if !stays {
            if !gathered.is_empty() {
                let done = std::mem::take(&mut gathered);
                runs.push(script.face(weight).shape(done));
            }
            script = own;
        }
        gathered.push(character);
    }
    if !gathered.is_empty() {
        runs.push(script.face(weight).shape(gathered));
    }
    runs
}

/// How long a text is, in ems.
pub(crate) fn measure(text: &str, weight: Weight) -> f32 {
    shape(text, weight).iter().map(|run| run.advance).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_font_shapes_its_script() {
        for weight in [Weight::Regular, Weight::Bold] {
            for text in ["Żółć Ωμέγα Москва Việt", "ที่นั่ง ฿"] {
                assert!(text.chars().all(is_drawable), "{text}");
                for run in shape(text, weight) {
                    let missing = GlyphId::new(0);
                    assert!(
                        run.glyphs.iter().all(|glyph| glyph.glyph_id != missing),
                        "{text}"
                    );
                    assert!(run.advance > 0.0);
                }
            }
        }
    }

    #[test]
    fn thai_marks_stand_over_their_letter_and_take_no_room() {
        for weight in [Weight::Regular, Weight::Bold] {
            let (plain, marked) = (measure("ทนง", weight), measure("ที่นั่ง", weight));
            assert!((plain - marked).abs() < 0.001, "{plain} {marked}");
        }
        // A tone mark over a vowel is higher than over a letter; one beside an ascender moves left.
        let tone = |text: &str| {
            let run = &shape(text, Weight::Regular)[0];
            let last = run.glyphs.last().unwrap();
            (
                last.glyph_id,
                last.x_offset.to_bits(),
                last.y_offset.to_bits(),
            )
        };
        assert_ne!(tone("ก่"), tone("กี่"));
        assert_ne!(tone("ก่"), tone("ป่"));
    }

    #[test]
    fn each_script_has_its_run_and_spaces_make_none() {
        let texts = |text: &str| {
            let runs = shape(text, Weight::Regular).into_iter();
            runs.map(|run| run.text).collect::<Vec<_>>()
        };
        assert_eq!(
            texts("คืน แรก Live 12 ธ.ค."),
            ["คืน แรก ", "Live 12 ", "ธ", ".", "ค", "."]
        );
        assert_eq!(texts(""), Vec::<String>::new());
    }

    #[test]
    fn what_no_font_has_is_known() {
        for character in ['漢', 'न', '🎸', 'ก', '\u{E000}'] {
            assert_eq!(is_drawable(character), character == 'ก', "{character}");
        }
    }
}
