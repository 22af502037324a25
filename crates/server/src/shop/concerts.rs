//! The list of concerts: cards, filters as a plain GET form, and the link to the next page.

use app::App;
use app::concerts::{self, ListRequest, Listed};
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use domain::concert::{Concert, parse_day};
use domain::money::Currency;
use http::StatusCode;
use jiff::civil::Date;

use super::asked::Asked;
use super::{SaleState, poster, poster_set, price};
use crate::api::cursor;
use crate::http::page::Layout;
use crate::http::problem::Problem;
use crate::http::seen::Seen;
use crate::i18n::Lang;

/// Cards on one page: whole rows of two, three and four.
const CARDS_MAX: u16 = 24;
/// Longer searches find nothing that shorter ones don't.
const SEARCH_MAX: usize = 100;

/// How many posters the browser fetches at once; the others wait until they come into view.
const POSTERS_AT_ONCE: usize = 4;

/// `GET /{lang}/?q=&month=&venue=&status=&cursor=`
pub async fn show(
    State(app): State<App>,
    Seen(seen): Seen,
    Asked { layout, answer }: Asked,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let wanted = Wanted::read(query.as_deref().unwrap_or_default());
    let page = concerts::list(&app, wanted.request(app.today()), seen).await?;
    let facets = concerts::facets(&app, wanted.listed(), seen).await?;
    let filter = Filter {
        months: Choice::months(layout.lang, &facets.months, &wanted.month),
        venues: Choice::venues(layout.lang, &facets.venues, &wanted.venue),
        statuses: Choice::statuses(layout.lang, wanted.closed),
        active: wanted.is_narrow(),
        search: wanted.search.clone(),
    };
    let cancelled = concerts::find_cancelled(&app, &page.items, seen).await?;
    let today = app.today();
    let state = |concert: &Concert| SaleState::of(concert, today, cancelled.contains(&concert.id));
    let cards = Card::list(&layout, &page.items, app.settings().currency, state);
    let more = page
        .next
        .map(|next| layout.href(&wanted.address_after(&cursor::write(next))));
    Ok(answer.public(
        StatusCode::OK,
        &ConcertsPage::new(layout, filter, cards, more),
    ))
}

/// What the address asks for. A value that means nothing counts as none: a page that was
/// bookmarked or mistyped still shows concerts.
#[derive(Debug, Default)]
struct Wanted {
    search: String,
    /// `YYYY-MM`, or empty.
    month: String,
    venue: String,
    closed: bool,
    cursor: String,
}

impl Wanted {
    fn read(query: &str) -> Self {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        let mut wanted = Self::default();
        for (name, value) in pairs {
            // PostgreSQL's texts can't hold U+0000.
            let line = value.replace('\0', "").trim().to_owned();
            match name.as_str() {
                "q" => wanted.search = line.chars().take(SEARCH_MAX).collect(),
                "month" => wanted.month = line,
                "venue" => wanted.venue = line,
                "status" => wanted.closed = line == "closed",
                "cursor" => wanted.cursor = line,
                _ => {}
            }
        }
        if wanted.first_day().is_none() {
            wanted.month.clear();
        }
        wanted
    }

    fn first_day(&self) -> Option<Date> {
        parse_day(&format!("{}-01", self.month))
    }

    fn listed(&self) -> Listed {
        if self.closed {
            Listed::Closed
        } else {
            Listed::Open
        }
    }

    /// Whether anything but the plain list is asked for.
    fn is_narrow(&self) -> bool {
        self.closed
            || [&self.search, &self.month, &self.venue]
                .iter()
                .any(|text| !text.is_empty())
    }

    /// Concerts on sale are listed from today on, in the current month too.
    fn request(&self, today: Date) -> ListRequest {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let first = self.first_day();
        ListRequest {
            status: Some(self.listed()),
            from: first.map(|day| if self.closed { day } else { day.max(today) }),
            until: first.map(Date::last_of_month),
            venue: some(&self.venue),
            text: some(&self.search),
            after: cursor::read(&self.cursor),
            limit: CARDS_MAX,
        }
    }

    /// The path of the page that continues this one.
    fn address_after(&self, cursor: &str) -> String {
        let status = if self.closed { "closed" } else { "" };
        let pairs = [
            ("q", self.search.as_str()),
            ("month", &self.month),
            ("venue", &self.venue),
            ("status", status),
            ("cursor", cursor),
        ];
        let set: Vec<_> = pairs
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        format!("/?{}", serde_urlencoded::to_string(set).unwrap_or_default())
    }
}

#[derive(Debug, Template)]
#[template(path = "concerts.html")]
pub struct ConcertsPage {
    pub layout: Layout,
    pub filter: Filter,
    pub cards: Vec<Card>,
    /// The address of the next page, with the filters kept.
    pub more: Option<String>,
}

impl ConcertsPage {
    pub fn new(layout: Layout, filter: Filter, cards: Vec<Card>, more: Option<String>) -> Self {
        let title = layout.t("concerts-title");
        let description = layout.t("concerts-description");
        let layout = layout.titled(&title).public(description);
        Self {
            layout,
            filter,
            cards,
            more,
        }
    }
}

/// The filter form as it was sent.
#[derive(Debug, Default)]
pub struct Filter {
    pub search: String,
    pub months: Vec<Choice>,
    pub venues: Vec<Choice>,
    pub statuses: Vec<Choice>,
    /// Whether anything but the plain list was asked for.
    pub active: bool,
}

impl Filter {
    /// Whether one of the fields behind the fold is set, so that it has to be seen.
    pub fn unfolded(&self) -> bool {
        let chosen = |choices: &[Choice]| choices.iter().skip(1).any(|choice| choice.selected);
        chosen(&self.months) || chosen(&self.venues) || chosen(&self.statuses)
    }
}

/// One option of a `select`; the first one stands for no filter and has an empty value.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    pub value: String,
    pub label: String,
    pub selected: bool,
}

impl Choice {
    fn new(value: &str, label: String, wanted: &str) -> Self {
        Self {
            value: value.to_owned(),
            label,
            selected: value == wanted,
        }
    }

    /// The months that have concerts, given by any day in each; values are `YYYY-MM`.
    pub fn months(lang: Lang, months: &[Date], wanted: &str) -> Vec<Self> {
        let any = Self::new("", lang.text("filter-month-any"), wanted);
        let each = months.iter().map(|day| {
            let value = format!("{:04}-{:02}", day.year(), day.month());
            Self::new(&value, lang.month(*day), wanted)
        });
        std::iter::once(any).chain(each).collect()
    }

    pub fn venues(lang: Lang, venues: &[String], wanted: &str) -> Vec<Self> {
        let any = Self::new("", lang.text("filter-venue-any"), wanted);
        let each = venues
            .iter()
            .map(|venue| Self::new(venue, venue.clone(), wanted));
        std::iter::once(any).chain(each).collect()
    }

    /// Open comes first because it is what the list shows when nothing is asked.
    pub fn statuses(lang: Lang, closed: bool) -> Vec<Self> {
        let wanted = if closed { "closed" } else { "open" };
        vec![
            Self::new("open", lang.text("filter-status-open"), wanted),
            Self::new("closed", lang.text("filter-status-closed"), wanted),
        ]
    }
}

/// One concert in the list.
#[derive(Debug)]
pub struct Card {
    pub href: String,
    pub poster: String,
    pub poster_set: Option<String>,
    pub date: String,
    /// `YYYY-MM-DD`, for `time`.
    pub date_iso: String,
    pub artist: String,
    pub name: String,
    pub venue: String,
    pub price: String,
    pub state: &'static str,
    pub state_label: String,
    /// Whether the poster is fetched at once.
    pub eager: bool,
}

impl Card {
    /// The cards of one page, in order.
    pub fn list(
        layout: &Layout,
        concerts: &[Concert],
        currency: Currency,
        state: impl Fn(&Concert) -> SaleState,
    ) -> Vec<Self> {
        let one = |(index, concert): (usize, &Concert)| {
            let state = state(concert);
            Self {
                href: layout.href(&format!("/concerts/{}", concert.id)),
                poster: poster(concert),
                poster_set: poster_set(concert),
                date: layout.lang.date_short(concert.date),
                date_iso: concert.date.to_string(),
                artist: concert.artist.clone(),
                name: concert.name.clone(),
                venue: concert.venue.clone(),
                price: price(layout.lang, concert.price, currency),
                state: state.name(),
                state_label: state.label(layout.lang),
                eager: index < POSTERS_AT_ONCE,
            }
        };
        concerts.iter().enumerate().map(one).collect()
    }
}
