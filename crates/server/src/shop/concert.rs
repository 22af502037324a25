//! One concert: everything about it, and the form that books tickets or the sentence why not.

use app::{App, concerts};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::concert::Concert;
use domain::id::ConcertId;
use domain::money::Currency;
use http::StatusCode;

use super::asked::Asked;
pub use super::hold::hold;
use super::hold_form::HoldForm;
use super::{SaleState, event, paragraphs, poster, poster_set, price};
use crate::http::customer::MaybeCustomer;
use crate::http::page::{Layout, figure};
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::seen::Seen;

/// `GET /{lang}/concerts/{id}`
pub async fn show(
    State(app): State<App>,
    Seen(seen): Seen,
    Asked { layout, answer }: Asked,
    MaybeCustomer(customer): MaybeCustomer,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    let concert = concerts::show(&app, id, seen)
        .await?
        .ok_or_else(Problem::not_found)?;
    let (settings, key) = (app.settings(), app.ctx().random_uuid().to_string());
    let form = HoldForm::new(
        &layout,
        &concert,
        settings.currency,
        settings.limits.per_buyer(),
        key,
    )
    .known(customer.as_ref());
    let cancelled = concerts::find_cancelled(&app, std::slice::from_ref(&concert), seen).await?;
    let state = SaleState::of(&concert, app.today(), !cancelled.is_empty());
    let page = ConcertPage::new(layout, &concert, settings.currency, state, form);
    // With somebody's name in it, nothing keeps it.
    if customer.is_some() {
        return Ok(answer.private(StatusCode::OK, &page));
    }
    Ok(answer.public(StatusCode::OK, &page))
}

#[derive(Debug, Template)]
#[template(path = "concert.html")]
pub struct ConcertPage {
    pub layout: Layout,
    pub artist: String,
    pub name: String,
    pub venue: String,
    pub date: String,
    pub date_iso: String,
    pub price: String,
    /// Whether there is a price to call all-in.
    pub paid: bool,
    pub available: String,
    pub total: String,
    pub poster: String,
    pub poster_set: Option<String>,
    pub paragraphs: Vec<String>,
    pub state: &'static str,
    pub state_label: String,
    pub sale: Sale,
    /// How the words change with the sale, while it isn't over for good.
    pub live: Option<LiveWords>,
    /// schema.org `Event`, safe inside a `script` element.
    pub json_ld: String,
}

/// What the script needs to tell in words how the sale stands.
#[derive(Debug)]
pub struct LiveWords {
    /// The concert in the API.
    pub href: String,
    /// Up to so many tickets are few.
    pub few_max: i32,
    pub on_sale: String,
    /// With `#` for the number.
    pub few_left: String,
    pub sold_out: String,
    pub closed: String,
}

impl LiveWords {
    fn new(layout: &Layout, concert: &Concert) -> Self {
        Self {
            href: format!("/api/v1/concerts/{}", concert.id),
            few_max: SaleState::few_max(concert),
            on_sale: layout.t("state-on-sale"),
            few_left: layout.lang.text_with("state-few-left", &[("shown", "#")]),
            sold_out: layout.t("state-sold-out"),
            closed: layout.t("state-closed"),
        }
    }
}

/// What the lower half of the page offers.
#[derive(Debug)]
pub enum Sale {
    Open(Box<HoldForm>),
    SoldOut,
    Closed,
    Past,
    Cancelled,
}

impl ConcertPage {
    /// `form` is shown while the concert is on sale; after a refusal it brings its problems along.
    pub fn new(
        layout: Layout,
        concert: &Concert,
        currency: Currency,
        state: SaleState,
        form: HoldForm,
    ) -> Self {
        let lang = layout.lang;
        let refused = !form.problems.is_empty();
        let json_ld = event::json_ld(&layout, concert, currency, state);
        let layout = head(layout, concert, (refused, state));
        Self {
            artist: concert.artist.clone(),
            name: concert.name.clone(),
            venue: concert.venue.clone(),
            date: lang.date_long(concert.date),
            date_iso: concert.date.to_string(),
            price: price(lang, concert.price, currency),
            paid: !concert.price.is_zero(),
            available: figure(concert.available_tickets.max(0)),
            total: lang.count("concert-left-of", i64::from(concert.total_tickets)),
            poster: poster(concert),
            poster_set: poster_set(concert),
            paragraphs: paragraphs(concert.description.as_deref().unwrap_or_default()),
            state: state.name(),
            state_label: state.label(lang),
            sale: match state {
                SaleState::Cancelled => Sale::Cancelled,
                // A refusal stays readable with its input, even when the last ticket went meanwhile.
                SaleState::OnSale | SaleState::FewLeft { .. } => Sale::Open(Box::new(form)),
                _ if refused => Sale::Open(Box::new(form)),
                SaleState::SoldOut => Sale::SoldOut,
                SaleState::Closed => Sale::Closed,
                SaleState::Past => Sale::Past,
            },
            live: (!matches!(state, SaleState::Past | SaleState::Cancelled))
                .then(|| LiveWords::new(&layout, concert)),
            json_ld,
            layout,
        }
    }
}

fn head(layout: Layout, concert: &Concert, (refused, state): (bool, SaleState)) -> Layout {
    let lang = layout.lang;
    let date = lang.date_short(concert.date);
    let description = lang.text_with(
        "concert-description",
        &[
            ("artist", &concert.artist),
            ("name", &concert.name),
            ("date", &date),
            ("venue", &concert.venue),
        ],
    );
    let title = format!("{}: {}, {date}", concert.artist, concert.name);
    // Whoever finds the page elsewhere reads it before anything else.
    let title = if state == SaleState::Cancelled {
        format!("{}: {title}", state.label(lang))
    } else if refused {
        lang.text_with("errors-page-title", &[("title", &title)])
    } else {
        title
    };
    let picture = concert
        .image_url
        .as_ref()
        .map(|path| format!("{}{path}", layout.site.base_url));
    Layout {
        picture,
        ..layout.titled(&title).public(description)
    }
}
