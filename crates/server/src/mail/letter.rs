//! A mail in words: the subject, a part of plain text, and the same as HTML.
//! The HTML is laid out by MJML, because mail programs know neither grid nor style sheets.

use std::borrow::Cow;
use std::collections::HashMap;

use app::mails::{Attachment, Invitation, Letter, Story, Words};
use askama::Template;
use domain::mail::MailKind;
use mrml::prelude::render::RenderOptions;

use crate::i18n::Lang;
use crate::shop::reservation::back_sentence;
use crate::shop::{moment, price};
use crate::takeaway;

/// Writes the product's mails.
#[derive(Clone, Copy, Debug)]
pub struct Writer;

impl Words for Writer {
    fn write(&self, story: &Story) -> Letter {
        let view = View::new(story);
        Letter {
            text: view.to_text(),
            html: view.to_html(),
            subject: view.subject,
            attachments: attachments(story),
        }
    }

    fn invite(&self, invitation: &Invitation) -> Letter {
        let view = View::inviting(invitation);
        Letter {
            text: view.to_text(),
            html: view.to_html(),
            subject: view.subject,
            attachments: Vec::new(),
        }
    }
}

/// What is to be had at the reservation's page, too, so that no trouble with it keeps a mail back.
fn attachments(story: &Story) -> Vec<Attachment> {
    let (lang, reservation) = (Lang::of(story.language), &story.reservation);
    let Some(concert) = story.concert.as_ref().filter(|_| !story.tickets.is_empty()) else {
        return Vec::new();
    };
    let drawn = takeaway::draw(concert, reservation, &story.tickets, (lang, story.currency));
    let pdf = drawn.inspect_err(|error| tracing::error!(%error, "a mail has no tickets"));
    let pdf = pdf.ok().map(|content| Attachment {
        filename: takeaway::pdf_name(&reservation.id),
        content_type: takeaway::PDF,
        content,
    });
    let calendar = takeaway::calendar_of(concert, reservation, lang, &story.base_url);
    let calendar = Attachment {
        filename: takeaway::calendar_name(&reservation.id),
        content_type: takeaway::CALENDAR,
        content: calendar.into_bytes(),
    };
    pdf.into_iter().chain([calendar]).collect()
}

/// What both parts of a mail show, ready to print.
#[derive(Debug, Template)]
#[template(path = "mail.mjml", escape = "html")]
struct View {
    lang: &'static str,
    brand: String,
    subject: String,
    heading: String,
    greeting: String,
    sentences: Vec<String>,
    /// Labels and what stands behind them.
    facts: Vec<(String, String)>,
    button: String,
    link: String,
    footer: String,
}

impl View {
    fn new(story: &Story) -> Self {
        let lang = Lang::of(story.language);
        let concert = story.concert.as_ref();
        let name = concert.map_or_else(
            || lang.text("mail-concert-gone"),
            |concert| format!("{} – {}", concert.artist, concert.name),
        );
        let keys = Keys::of(story.kind);
        let mut sentences = vec![match &story.refund {
            Some(back) => lang.text(back_sentence(back)),
            None if story.kind == MailKind::Cancelled && story.is_concert_cancelled => {
                lang.text("mail-concert-cancelled")
            }
            None => lang.text(keys.sentence),
        }];
        if story.kind == MailKind::Confirmed
            && let Some(until) = &story.cancel_until
        {
            let until = (until.timestamp(), until.time_zone());
            sentences.push(moment(lang, "cancel-until", until));
        }
        if story.kind == MailKind::Refunded && story.reservation.status.holds_tickets() {
            sentences.push(lang.text("mail-refunded-kept"));
        }
        Self {
            lang: lang.as_str(),
            brand: lang.text("brand"),
            subject: one_line(&lang.text_with(keys.subject, &[("concert", &name)])),
            heading: lang.text(keys.heading),
            greeting: lang.text_with(
                "mail-greeting",
                &[("name", &one_line(&story.reservation.customer_name))],
            ),
            sentences,
            facts: facts(lang, story, name),
            button: lang.text(keys.button),
            link: story.link.clone(),
            footer: lang.text("mail-footer"),
        }
    }

    /// A mail that greets nobody by name and tells of no booking.
    fn inviting(invitation: &Invitation) -> Self {
        let lang = Lang::of(invitation.language);
        let keys = Keys::of(MailKind::SignIn);
        Self {
            lang: lang.as_str(),
            brand: lang.text("brand"),
            subject: lang.text(keys.subject),
            heading: lang.text(keys.heading),
            greeting: lang.text("mail-sign-in-greeting"),
            sentences: vec![lang.text(keys.sentence)],
            facts: Vec::new(),
            button: lang.text(keys.button),
            link: invitation.link.clone(),
            footer: lang.text("mail-sign-in-footer"),
        }
    }

    fn to_text(&self) -> String {
        let facts: Vec<String> = self
            .facts
            .iter()
            .map(|(label, value)| format!("{label}: {value}"))
            .collect();
        let mut parts = vec![self.heading.clone(), self.greeting.clone()];
        parts.extend(self.sentences.iter().cloned());
        if !facts.is_empty() {
            parts.push(facts.join("\n"));
        }
        parts.push(format!("{}:\n{}", self.button, self.link));
        parts.push(format!("-- \n{}\n{}", self.brand, self.footer));
        parts.join("\n\n") + "\n"
    }

    /// Without the HTML a mail can still be read, so no trouble with it keeps a mail back.
    fn to_html(&self) -> String {
        let options = RenderOptions {
            // Mail programs would fetch them from their makers' servers.
            fonts: HashMap::<String, Cow<'static, str>>::new(),
            ..RenderOptions::default()
        };
        let laid_out = self
            .render()
            .map_err(|error| error.to_string())
            .and_then(|source| mrml::parse(source).map_err(|error| error.to_string()))
            .and_then(|parsed| {
                let rendered = parsed.element.render(&options);
                rendered.map_err(|error| error.to_string())
            });
        laid_out.unwrap_or_else(|error| {
            tracing::error!(error, "a mail has no HTML");
            String::new()
        })
    }
}

fn facts(lang: Lang, story: &Story, name: String) -> Vec<(String, String)> {
    let reservation = &story.reservation;
    let mut facts = vec![(lang.text("mail-concert"), name)];
    if let Some(concert) = &story.concert {
        facts.push((lang.text("concert-date"), lang.date_long(concert.date)));
        facts.push((lang.text("concert-venue"), concert.venue.clone()));
    }
    let tickets = lang.count("tickets", i64::from(reservation.quantity));
    let total = price(lang, reservation.total_price, story.currency);
    facts.push((lang.text("reservation-tickets"), tickets));
    facts.push((lang.text("reservation-total"), total));
    if let Some(back) = &story.refund {
        let amount = price(lang, back.payment.amount, back.payment.currency);
        facts.push((lang.text("mail-refunded-amount"), amount));
    }
    facts.push((lang.text("reservation-number"), reservation.id.to_string()));
    facts
        .into_iter()
        .map(|(label, value)| (label, one_line(&value)))
        .collect()
}

/// Headers and labels are lines, whatever is in the database.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// The texts of one kind of mail.
struct Keys {
    subject: &'static str,
    heading: &'static str,
    sentence: &'static str,
    button: &'static str,
}

impl Keys {
    const fn of(kind: MailKind) -> Self {
        match kind {
            MailKind::Confirmed => Self {
                subject: "mail-confirmed-subject",
                heading: "confirmed-title",
                sentence: "mail-confirmed-sentence",
                button: "mail-confirmed-button",
            },
            MailKind::Cancelled => Self {
                subject: "mail-cancelled-subject",
                heading: "cancelled-title",
                sentence: "mail-cancelled-sentence",
                button: "mail-button",
            },
            MailKind::Refunded => Self {
                subject: "mail-refunded-subject",
                heading: "mail-refunded-heading",
                sentence: "money-back",
                button: "mail-button",
            },
            MailKind::PaymentFailed => Self {
                subject: "mail-failed-subject",
                heading: "mail-failed-heading",
                sentence: "mail-failed-sentence",
                button: "mail-failed-button",
            },
            MailKind::SignIn => Self {
                subject: "mail-sign-in-subject",
                heading: "mail-sign-in-heading",
                sentence: "mail-sign-in-sentence",
                button: "mail-sign-in-button",
            },
        }
    }
}
