//! What a concert's form may be asked by mistake, and so wants to be pressed twice for: a day that is
//! over, and another price where buyers have tickets at the old one.

use app::App;
use domain::concert::{Concert, NewConcert};

use crate::shop::price;
use crate::staff::frame::Frame;

/// What is asked once more, each in a sentence; nothing where all is usual.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    pub sentences: Vec<String>,
    /// What exactly was confirmed: whoever changes it again is asked again.
    pub token: String,
}

impl Doubts {
    /// About what was typed, beside how the concert is if there is one. What was so before isn't doubted.
    pub(super) fn about(
        app: &App,
        frame: &Frame,
        (before, new): (Option<&Concert>, &NewConcert),
    ) -> Self {
        let lang = frame.lang();
        let mut doubts = Self::default();
        let is_over = new.date < app.today();
        if is_over && before.is_none_or(|before| before.date != new.date) {
            let day = lang.date_long(new.date);
            let sentence = lang.text_with("sc-doubt-day", &[("date", &*day)]);
            doubts.add(sentence, &new.date.to_string());
        }
        let sold = before.filter(|before| before.taken() > 0 && before.price != new.price);
        if let Some(before) = sold {
            let currency = app.settings().currency;
            let from = price(lang, before.price, currency);
            let to = price(lang, new.price, currency);
            let taken = lang.count("sc-doubt-taken", before.taken().into());
            let values = [("from", &*from), ("to", &*to), ("tickets", &*taken)];
            let sentence = lang.text_with("sc-doubt-price", &values);
            doubts.add(sentence, &new.price.to_string());
        }
        doubts
    }

    fn add(&mut self, sentence: String, what: &str) {
        self.sentences.push(sentence);
        self.token.push_str(what);
        self.token.push(' ');
    }

    /// Whether there are none, or the very same were confirmed.
    pub(super) fn are_confirmed(&self, confirmed: &str) -> bool {
        self.sentences.is_empty() || self.token.trim() == confirmed.trim()
    }
}
