//! Every page renders in both languages and all themes, and says what its state needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use app::reserve::ReserveError;
use askama::Template;
use domain::allotment::Refusal;
use domain::concert::{Concert, ConcertStatus};
use domain::id::{ConcertId, ReservationId};
use domain::money::{Currency, Money};
use domain::reservation::{PaymentStatus, Reservation, ReservationStatus};
use domain::text::TextError;
use http::StatusCode;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::SaleState;
use super::concert::ConcertPage;
use super::concerts::{Card, Choice, ConcertsPage, Filter};
use super::hold_form::{HoldForm, booking_text, line_text};
use super::reservation::{ReservationPage, Standing};
use crate::http::page::{Assets, ErrorPage, Layout, Site, Theme};
use crate::i18n::Lang;

const TODAY: Date = date(2026, 11, 22);

fn now() -> Timestamp {
    "2026-11-22T12:32:00Z".parse().unwrap()
}

fn layouts(path: &str) -> Vec<Layout> {
    let site = Arc::new(Site {
        base_url: "https://tickets.example".to_owned(),
        time_zone: TimeZone::get("Asia/Bangkok").unwrap(),
        assets: Assets::new(|_| None),
    });
    let pairs = Lang::ALL
        .into_iter()
        .flat_map(|lang| Theme::ALL.map(|theme| (lang, theme)));
    pairs
        .map(|(lang, theme)| Layout::new(&site, lang, theme, path))
        .collect()
}

fn english(path: &str) -> Layout {
    layouts(path).remove(0)
}

fn concert() -> Concert {
    Concert {
        id: ConcertId::new(7).unwrap(),
        name: "Midnight <b>Ferry</b>".to_owned(),
        artist: "Harbour </script> Lights".to_owned(),
        date: date(2026, 12, 12),
        venue: "Warehouse 7".to_owned(),
        total_tickets: 1_200,
        available_tickets: 400,
        price: Money::from_minor(125_000).unwrap(),
        status: ConcertStatus::Open,
        image_url: None,
        description: Some("One.\n\nTwo.".to_owned()),
        created_at: now(),
        updated_at: now(),
    }
}

fn reservation(status: ReservationStatus, minutes: i64) -> Reservation {
    Reservation {
        id: ReservationId::new(now(), 5),
        concert_id: concert().id,
        customer_name: "สมชาย ใจดี".to_owned(),
        customer_email: "somchai@example.co.th".to_owned(),
        quantity: 2,
        total_price: Money::from_minor(250_000).unwrap(),
        status,
        payment_status: PaymentStatus::Pending,
        google_auth: false,
        reserved_at: now(),
        expires_at: Some(now() + minutes.minutes()),
        extensions: 0,
        created_at: now(),
        updated_at: now(),
    }
}

fn on_sale(concert: &Concert) -> SaleState {
    SaleState::of(concert, TODAY, false)
}

fn concert_page(layout: Layout, concert: &Concert) -> String {
    let form = HoldForm::new(&layout, concert, Currency::THB, 10, "key-1".to_owned());
    ConcertPage::new(layout, concert, Currency::THB, on_sale(concert), form)
        .render()
        .unwrap()
}

fn cancelled_page(layout: Layout) -> String {
    let concert = Concert {
        status: ConcertStatus::Closed,
        ..concert()
    };
    let form = HoldForm::new(&layout, &concert, Currency::THB, 10, "key-1".to_owned());
    let state = SaleState::of(&concert, TODAY, true);
    ConcertPage::new(layout, &concert, Currency::THB, state, form)
        .render()
        .unwrap()
}

/// A reservation that nobody has tried to pay.
fn standing<'a>(reservation: &'a Reservation, concert: Option<&'a Concert>) -> Standing<'a> {
    Standing {
        reservation,
        concert,
        is_concert_cancelled: false,
        attempts: &[],
        can_pay: true,
        last_cancelled_at: Timestamp::MAX,
        currency: Currency::THB,
        now: now(),
    }
}

fn reservation_page(layout: Layout, reservation: &Reservation) -> String {
    let concert = concert();
    ReservationPage::new(layout, &standing(reservation, Some(&concert)))
        .render()
        .unwrap()
}

fn list_page(layout: Layout, concerts: &[Concert], active: bool) -> String {
    let lang = layout.lang;
    let filter = Filter {
        search: "\"quoted\"".to_owned(),
        months: Choice::months(lang, &[date(2026, 12, 1)], "2026-12"),
        venues: Choice::venues(lang, &["Warehouse 7".to_owned()], ""),
        statuses: Choice::statuses(lang, false),
        active,
    };
    let cards = Card::list(&layout, concerts, Currency::THB, on_sale);
    let more = Some(layout.href("/?cursor=abc"));
    ConcertsPage::new(layout, filter, cards, more)
        .render()
        .unwrap()
}

/// What holds for every page, whatever it shows.
fn check(layout: &Layout, html: &str) {
    let (lang, theme) = (layout.lang.as_str(), layout.theme.as_str());
    assert!(html.starts_with("<!doctype html>"));
    assert!(html.contains(&format!("<html lang=\"{lang}\" data-theme=\"{theme}\">")));
    assert_eq!(html.matches("<h1>").count(), 1, "{html}");
    assert_eq!(html.matches("<main ").count(), 1);
    assert!(html.contains("href=\"#content\""));
    assert_eq!(
        html.contains("rel=\"canonical\""),
        !html.contains("noindex")
    );
    for forbidden in [
        " style=",
        " onclick=",
        " onload=",
        "<style",
        "javascript:",
        "//cdn",
    ] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    let mut ids = BTreeSet::new();
    for rest in html.split(" id=\"").skip(1) {
        let id = rest.split('"').next().unwrap();
        assert!(ids.insert(id), "{id} appears twice");
    }
}

#[test]
fn every_page_renders_in_every_language_and_theme() {
    for layout in layouts("/concerts/7") {
        let pages = [
            list_page(layout.clone(), &[concert()], true),
            list_page(layout.clone(), &[], true),
            list_page(layout.clone(), &[], false),
            concert_page(layout.clone(), &concert()),
            concert_page(
                layout.clone(),
                &Concert {
                    available_tickets: 0,
                    ..concert()
                },
            ),
            concert_page(
                layout.clone(),
                &Concert {
                    status: ConcertStatus::Closed,
                    ..concert()
                },
            ),
            concert_page(
                layout.clone(),
                &Concert {
                    date: date(2026, 1, 1),
                    ..concert()
                },
            ),
            cancelled_page(layout.clone()),
            reservation_page(layout.clone(), &reservation(ReservationStatus::Pending, 10)),
            reservation_page(layout.clone(), &reservation(ReservationStatus::Pending, -1)),
            reservation_page(
                layout.clone(),
                &reservation(ReservationStatus::Confirmed, 10),
            ),
            reservation_page(
                layout.clone(),
                &reservation(ReservationStatus::Cancelled, 10),
            ),
        ];
        for html in pages {
            check(&layout, &html);
        }
        for code in [400, 403, 404, 405, 410, 413, 422, 429, 500, 503] {
            let status = StatusCode::from_u16(code).unwrap();
            let page = ErrorPage::new(layout.clone(), status)
                .retry_after(12)
                .with_request_id("r-1");
            check(&layout, &page.render().unwrap());
        }
    }
}

#[test]
fn texts_from_outside_stay_texts() {
    let html = concert_page(english("/concerts/7"), &concert());
    assert!(!html.contains("<b>Ferry"));
    assert!(html.contains("Harbour \\u003c/script> Lights"));
    assert!(list_page(english("/"), &[], true).contains("&#34;quoted&#34;"));
}

#[test]
fn a_concert_tells_search_engines_what_it_is() {
    let html = concert_page(english("/concerts/7"), &concert());
    let json = html
        .split("application/ld+json\">")
        .nth(1)
        .and_then(|rest| rest.split("</script>").next());
    let event: serde_json::Value = serde_json::from_str(json.unwrap()).unwrap();
    assert_eq!(event["startDate"], "2026-12-12");
    assert_eq!(event["offers"]["price"], "1250.00");
    assert_eq!(event["offers"]["priceCurrency"], "THB");
    assert_eq!(
        event["offers"]["availability"],
        "https://schema.org/InStock"
    );
    assert!(
        html.contains("<link rel=\"canonical\" href=\"https://tickets.example/en/concerts/7\">")
    );
    assert!(html.contains("hreflang=\"th\" href=\"https://tickets.example/th/concerts/7\""));
}

#[test]
fn a_cancelled_concert_says_so_and_sells_nothing() {
    let html = cancelled_page(english("/concerts/7"));
    assert!(html.contains("This concert is cancelled"), "{html}");
    assert!(html.contains("<title>Cancelled: "), "{html}");
    assert!(
        html.contains("data-state=\"cancelled\">Cancelled<"),
        "{html}"
    );
    assert!(html.contains("\"eventStatus\":\"https://schema.org/EventCancelled\""));
    for sale in ["name=\"quantity\"", "data-live", "data-on-sale", ">400<"] {
        assert!(!html.contains(sale), "{sale}: {html}");
    }
}

#[test]
fn states_are_words() {
    let label = |concert: Concert| {
        let layout = english("/");
        Card::list(&layout, &[concert], Currency::THB, on_sale)
            .remove(0)
            .state_label
    };
    assert_eq!(label(concert()), "On sale");
    assert_eq!(
        label(Concert {
            available_tickets: 24,
            ..concert()
        }),
        "Few left: 24"
    );
    assert_eq!(
        label(Concert {
            available_tickets: 25,
            ..concert()
        }),
        "On sale"
    );
    assert_eq!(
        label(Concert {
            available_tickets: 0,
            ..concert()
        }),
        "Sold out"
    );
    assert_eq!(
        label(Concert {
            status: ConcertStatus::Closed,
            ..concert()
        }),
        "Sale closed"
    );
    assert_eq!(
        label(Concert {
            date: date(2026, 11, 21),
            ..concert()
        }),
        "Already played"
    );
    assert_eq!(
        label(Concert {
            date: TODAY,
            ..concert()
        }),
        "On sale"
    );
}

#[test]
fn a_refused_form_keeps_its_input_and_names_each_problem() {
    let layout = english("/concerts/7");
    let lang = layout.lang;
    let sold_out = Concert {
        available_tickets: 0,
        ..concert()
    };
    let form = HoldForm::new(&layout, &sold_out, Currency::THB, 10, "key-1".to_owned())
        .filled(["3", "", "som@"])
        .refused(
            "quantity",
            booking_text(
                lang,
                &ReserveError::Refused(Refusal::NotEnoughTickets { available: 1 }),
            ),
        )
        .refused(
            "customer_name",
            line_text(lang, "customer_name", TextError::Empty),
        )
        .refused(
            "customer_email",
            line_text(lang, "customer_email", TextError::NotAnEmail),
        );
    let page = ConcertPage::new(layout, &sold_out, Currency::THB, SaleState::SoldOut, form);
    let html = page.render().unwrap();
    assert!(html.contains("3 things need your attention"));
    assert!(html.contains("<a href=\"#customer_email\">Enter an e-mail address like"));
    assert_eq!(html.matches("aria-invalid=\"true\"").count(), 3);
    assert!(html.contains("Only 1 ticket is left."));
    assert!(html.contains("value=\"som@\"") && html.contains("value=\"3\""));
    assert!(html.contains("<title>Please check: Harbour"));
}

#[test]
fn each_reservation_state_has_its_next_step() {
    let page = |status, minutes| reservation_page(english("/r/x"), &reservation(status, minutes));
    let held = page(ReservationStatus::Pending, 10);
    assert!(held.contains("Held for you until 19:42") && held.contains("Let the tickets go"));
    assert!(held.contains("data-until=\"2026-11-22T12:42:00Z\""));
    assert!(
        held.contains("/en/r/RES"),
        "the form that cancels has its address"
    );
    let expired = page(ReservationStatus::Pending, -1);
    assert!(expired.contains("The hold has ended") && expired.contains("Book again"));
    assert!(!expired.contains("data-until") && !expired.contains("More time"));
    assert!(page(ReservationStatus::Confirmed, 10).contains("See the concert"));
    assert!(page(ReservationStatus::Cancelled, 10).contains("Book again"));
}

#[test]
fn a_reservation_outlives_its_concerts_page() {
    let held = reservation(ReservationStatus::Cancelled, 10);
    let page = ReservationPage::new(english("/r/x"), &standing(&held, None));
    assert_eq!(
        page.action.as_ref().map(|action| action.href.as_str()),
        Some("/en/")
    );
    check(&english("/r/x"), &page.render().unwrap());
}

#[test]
fn an_error_says_when_to_try_again() {
    let page = |seconds| {
        let page = ErrorPage::new(english("/"), StatusCode::TOO_MANY_REQUESTS);
        page.retry_after(seconds).retry.unwrap()
    };
    assert_eq!(page(0), "Try again in 1 second.");
    assert_eq!(page(120), "Try again in 120 seconds.");
    assert_eq!(page(121), "Try again in 3 minutes.");
}

#[test]
fn sample_posters_are_small_and_load_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(root.join("assets/posters")).unwrap() {
        let path = entry.unwrap().path();
        let svg = fs::read_to_string(&path).unwrap();
        assert!(svg.len() <= 4_096, "{}", path.display());
        assert!(svg.contains("viewBox=\"0 0 300 400\""));
        assert!(!svg.contains("href") && !svg.contains("<script") && !svg.contains("url("));
        names.insert(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    let sample = fs::read_to_string(root.join("sample/concerts.json")).unwrap();
    let sample: Vec<serde_json::Value> = serde_json::from_str(&sample).unwrap();
    assert!(sample.len() >= 26 && names.len() >= 12);
    for concert in sample {
        assert!(
            names.contains(concert["poster"].as_str().unwrap()),
            "{concert}"
        );
        assert!(concert["sold"].as_i64() <= concert["total_tickets"].as_i64());
        assert!(concert["price"].as_str().unwrap().parse::<Money>().is_ok());
    }
}
