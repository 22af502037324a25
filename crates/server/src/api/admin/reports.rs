//! `/admin/reports/sales`: what was sold, by day or by concert.

use app::App;
use app::reports::{self, ConcertSales, DaySales, Days, Report, Request};
use axum::Json;
use axum::extract::{RawQuery, State};
use domain::report::{Outcome, Sales, Sum};
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{query, shape};
use crate::http::fields::FieldReason;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::seen::Seen;
use crate::http::staff::{ReadReports, Staff};

/// Sales of a stretch of days, by day or by concert
///
/// A reservation counts for the day on which it was made, where the concerts are, as it stands now. Some
/// seconds may be missing, because a replica answers where there is one.
#[utoipa::path(
    get, path = "/admin/reports/sales", tag = "staff", operation_id = "reportSales",
    params(
        ("from" = Option<shape::Day>, Query, description = "First day, `YYYY-MM-DD`; default: 29 days before the last"),
        ("to" = Option<shape::Day>, Query, description = "Last day, `YYYY-MM-DD`; default: today. 366 days at most"),
        ("concert_id" = Option<shape::Number>, Query, description = "The concert's number"),
        ("group_by" = Option<String>, Query, description = "`day`, which is usual, or `concert`", pattern = "^(day|concert)?$"),
    ),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = SalesReportBody, description = "The report"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: admins alone"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: a parameter is wrong or unknown, or there are too many days"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn sales(
    State(app): State<App>,
    by: Staff<ReadReports>,
    Seen(seen): Seen,
    RawQuery(query): RawQuery,
) -> Result<Json<SalesReportBody>, Problem> {
    let (request, group) = read_query(query.as_deref().unwrap_or_default(), app.today())?;
    let report = reports::sales(&app, request, (seen, &by.acting)).await?;
    let currency = app.settings().currency;
    Ok(Json(SalesReportBody::new(
        (request, group),
        &report,
        currency.as_str(),
    )))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Day,
    Concert,
}

fn read_query(query: &str, today: Date) -> Result<(Request, Group), Problem> {
    let (mut from, mut to, mut concert) = (None, None, None);
    let mut group = Group::Day;
    query::read(query, |name, value| {
        match name {
            "from" => from = Some(query::day(value)?),
            "to" => to = Some(query::day(value)?),
            "concert_id" => {
                let id = query::choice(value, "a concert's number", |text| text.parse().ok());
                concert = Some(id?);
            }
            "group_by" => group = query::choice(value, "day or concert", group_of)?,
            _ => return Err(FieldReason::Unknown),
        }
        Ok(())
    })?;
    let days = Days::new(from, to, today)?;
    Ok((Request { days, concert }, group))
}

fn group_of(text: &str) -> Option<Group> {
    match text {
        "day" => Some(Group::Day),
        "concert" => Some(Group::Concert),
        _ => None,
    }
}

/// Sales of a stretch of days.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SalesReport)]
pub struct SalesReportBody {
    #[schema(format = Date)]
    from: String,
    #[schema(format = Date)]
    to: String,
    #[schema(required)]
    concert_id: Option<i32>,
    #[schema(pattern = "^(day|concert)$")]
    group_by: &'static str,
    currency: String,
    total: SalesBody,
    /// Every day, or the concerts of which anything was reserved, those that sold most first.
    items: Vec<SalesItemBody>,
    /// There are more than 500 concerts, and those that sold least are left out.
    has_more: bool,
}

/// Reservations summed by how they stand.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sales)]
pub struct SalesBody {
    /// All that were made.
    reservations: i64,
    /// Of those that are sold, paid or free.
    tickets_sold: i64,
    /// Paid and not given back.
    #[schema(example = "1250.00")]
    revenue: String,
    /// Paid and given back, or about to be.
    #[schema(example = "1250.00")]
    given_back: String,
    /// Holds that cost something and came to an end.
    holds_ended: i64,
    /// Those of them that were paid, whatever became of them then.
    holds_paid: i64,
    /// That as a percentage with one decimal; `null` where no hold came to an end.
    #[schema(example = "87.5", required)]
    hold_to_paid_percent: Option<String>,
    states: SalesByStateBody,
}

/// Sums by state of the money.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SalesByState)]
pub struct SalesByStateBody {
    completed: SumBody,
    free: SumBody,
    pending: SumBody,
    refunding: SumBody,
    refunded: SumBody,
    lapsed: SumBody,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SalesSum)]
pub struct SumBody {
    reservations: i64,
    tickets: i64,
    #[schema(example = "1250.00")]
    amount: String,
}

/// Sales of a day or of a concert; what belongs to the other is `null`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SalesItem)]
pub struct SalesItemBody {
    #[schema(format = Date, required)]
    day: Option<String>,
    #[schema(required)]
    concert_id: Option<i32>,
    #[schema(required)]
    name: Option<String>,
    #[schema(required)]
    artist: Option<String>,
    /// The concert's day.
    #[schema(format = Date, required)]
    date: Option<String>,
    #[schema(required)]
    total_tickets: Option<i32>,
    #[schema(required)]
    available_tickets: Option<i32>,
    /// From the concert's first reservation to that of its last ticket, in seconds; `null` while tickets
    /// are left, and of all but the 50 sold-out concerts that sold most.
    #[schema(required)]
    sold_out_within_s: Option<i64>,
    sales: SalesBody,
}

impl SalesReportBody {
    fn new((request, group): (Request, Group), report: &Report, currency: &str) -> Self {
        let days = report.days.iter().map(SalesItemBody::of_day);
        let concerts = report.concerts.iter().map(SalesItemBody::of_concert);
        let (group_by, items) = match group {
            Group::Day => ("day", days.collect()),
            Group::Concert => ("concert", concerts.collect()),
        };
        Self {
            from: request.days.from().to_string(),
            to: request.days.to().to_string(),
            concert_id: request.concert.map(domain::id::ConcertId::get),
            group_by,
            currency: currency.to_owned(),
            total: SalesBody::new(&report.total),
            items,
            has_more: group == Group::Concert && report.has_more_concerts,
        }
    }
}

impl SalesBody {
    fn new(sales: &Sales) -> Self {
        let paid = sales.held_to_paid();
        let sum = |outcome| SumBody::new(sales.of(outcome));
        Self {
            reservations: sales.all().reservations,
            tickets_sold: sales.sold().tickets,
            revenue: sales.sold().amount.to_string(),
            given_back: sales.given_back().amount.to_string(),
            holds_ended: paid.whole,
            holds_paid: paid.part,
            hold_to_paid_percent: paid.percent(),
            states: SalesByStateBody {
                completed: sum(Outcome::Completed),
                free: sum(Outcome::Free),
                pending: sum(Outcome::Pending),
                refunding: sum(Outcome::Refunding),
                refunded: sum(Outcome::Refunded),
                lapsed: sum(Outcome::Lapsed),
            },
        }
    }
}

impl SumBody {
    fn new(sum: Sum) -> Self {
        Self {
            reservations: sum.reservations,
            tickets: sum.tickets,
            amount: sum.amount.to_string(),
        }
    }
}

impl SalesItemBody {
    fn of_day(day: &DaySales) -> Self {
        Self {
            day: Some(day.day.to_string()),
            concert_id: None,
            name: None,
            artist: None,
            date: None,
            total_tickets: None,
            available_tickets: None,
            sold_out_within_s: None,
            sales: SalesBody::new(&day.sales),
        }
    }

    fn of_concert(one: &ConcertSales) -> Self {
        let concert = &one.concert;
        Self {
            day: None,
            concert_id: Some(concert.id.get()),
            name: Some(concert.name.clone()),
            artist: Some(concert.artist.clone()),
            date: Some(concert.date.to_string()),
            total_tickets: Some(concert.total_tickets),
            available_tickets: Some(concert.available_tickets),
            sold_out_within_s: one.sold_out.map(|sold_out| sold_out.took().as_secs()),
            sales: SalesBody::new(&one.sales),
        }
    }
}
