//! Health: what wants somebody's eye, every figure with its meaning, and how it went.

use app::App;
use app::health::history::{self, Series, Stretch};
use app::health::{self as watched, Report};
use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use domain::health::{Figure, Group, Level, Unit};
use http::StatusCode;
use jiff::Timestamp;

use super::chart::DayChart;
use super::frame::Frame;
use super::member::Member;
use crate::health::{Piece, Told, amount, pieces};
use crate::http::page::show;
use crate::http::pairs::{self, value};
use crate::http::problem::Problem;
use crate::http::staff::ReadHealth;
use crate::http::web::Web;
use crate::i18n::Lang;

const PATH: &str = "/staff/health";

pub fn routes() -> Router<Web> {
    Router::new().route(PATH, get(show_health))
}

/// `GET /staff/health?stretch=hour|day|month`
async fn show_health(
    State(app): State<App>,
    member: Member<ReadHealth>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = pairs::of_query(query.as_deref());
    let wanted = value(&asked, "stretch");
    let stretches = Stretch::ALL.into_iter();
    let stretch = stretches.into_iter().find(|one| one.as_str() == wanted);
    let stretch = stretch.unwrap_or(Stretch::Hour);
    let report = watched::report(&app).await;
    // What was seen is shown, too, while the past can't be read.
    let drawn = history::list(&app, stretch).await;
    let drawn = drawn.unwrap_or_else(|_| (report.at, Vec::new()));
    let page = HealthPage::new(member.frame, &report, (stretch, drawn));
    Ok(show(StatusCode::OK, &page))
}

#[derive(Debug, Template)]
#[template(path = "staff/health.html")]
struct HealthPage {
    frame: Frame,
    seen: String,
    sum: String,
    worst: &'static str,
    needs: Vec<Line>,
    groups: Vec<Section>,
    stretches: Vec<Choice>,
    series: Vec<Drawn>,
}

#[derive(Debug)]
struct Section {
    id: &'static str,
    title: String,
    lines: Vec<Line>,
}

/// A figure.
#[derive(Clone, Debug)]
struct Line {
    label: String,
    value: String,
    level: &'static str,
    state: String,
    means: String,
    mend: Vec<Piece>,
}

/// A stretch of time that can be chosen.
#[derive(Debug)]
struct Choice {
    href: String,
    label: String,
    is_here: bool,
}

/// A series as a chart and as a table.
#[derive(Debug)]
struct Drawn {
    id: &'static str,
    title: String,
    told: String,
    chart: Option<Bars>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Bars {
    chart: DayChart,
    first: String,
    last: String,
}

#[derive(Debug)]
struct Row {
    at: String,
    peak: String,
}

impl HealthPage {
    fn new(
        frame: Frame,
        report: &Report,
        (stretch, (since, series)): (Stretch, (Timestamp, Vec<Series>)),
    ) -> Self {
        let lang = frame.lang();
        let mut needing: Vec<&Figure> = report.figures.iter().collect();
        needing.retain(|figure| figure.level != Level::Green);
        // What buyers feel comes first.
        needing.sort_by_key(|figure| std::cmp::Reverse(figure.level));
        let worst = needing.first().map_or(Level::Green, |figure| figure.level);
        let count = i64::try_from(needing.len()).unwrap_or(i64::MAX);
        let groups = Group::ALL.into_iter().map(|group| {
            let figures = report.figures.iter();
            let of_group = figures.filter(|figure| figure.name.group() == group);
            Section {
                id: group.as_str(),
                title: lang.text(&format!("health-group-{}", group.as_str())),
                lines: of_group.map(|figure| Line::new(lang, figure)).collect(),
            }
        });
        let series = series.into_iter();
        let drawn = series.map(|one| Drawn::new(&frame, &one, (stretch, since)));
        let seen = [("time", &*frame.exact_moment(report.at))];
        Self {
            seen: lang.text_with("health-at", &seen),
            sum: lang.count("health-some", count),
            worst: worst.as_str(),
            needs: needing
                .into_iter()
                .map(|figure| Line::new(lang, figure))
                .collect(),
            groups: groups.collect(),
            stretches: choices(lang, stretch),
            series: drawn.collect(),
            frame: frame.titled(&lang.text("health-title")),
        }
    }
}

impl Line {
    fn new(lang: Lang, figure: &Figure) -> Self {
        let told = Told::new(lang, figure);
        Self {
            label: told.label,
            value: told.value.unwrap_or_else(|| lang.text("health-none")),
            level: figure.level.as_str(),
            state: lang.text(match figure.level {
                Level::Green => "health-green",
                Level::Amber => "health-amber",
                Level::Red => "health-red",
            }),
            means: told.means,
            mend: pieces(&told.mend),
        }
    }
}

fn choices(lang: Lang, here: Stretch) -> Vec<Choice> {
    let choice = |stretch: Stretch| Choice {
        href: format!("{PATH}?stretch={}#charts", stretch.as_str()),
        label: lang.text(match stretch {
            Stretch::Hour => "health-hour",
            Stretch::Day => "health-day",
            Stretch::Month => "health-month",
        }),
        is_here: stretch == here,
    };
    Stretch::ALL.into_iter().map(choice).collect()
}

/// How a series is called, what it counts, and how many of a bar's units make one of that.
fn shape(series: &str) -> (&'static str, Unit, f64) {
    match series {
        "pool_waiting" => ("health-chart-pool-waiting", Unit::Count, 1.0),
        "query_time" => ("health-query_time", Unit::Milliseconds, 1_000.0),
        "slow_queries" => ("health-chart-slow-queries", Unit::Count, 1.0),
        "lock_waiting" => ("health-lock_waiting", Unit::Count, 1.0),
        "replica_lag" => ("health-chart-replica-lag", Unit::Seconds, 1_000.0),
        "database_bytes" => ("health-database_bytes", Unit::Bytes, 1.0),
        "disk_used" => ("health-chart-disk-used", Unit::Percent, 10.0),
        "queue_depth" => ("health-queue_depth", Unit::Count, 1.0),
        _ => ("health-chart-pool-active", Unit::Count, 1.0),
    }
}

impl Drawn {
    fn new(frame: &Frame, series: &Series, (stretch, since): (Stretch, Timestamp)) -> Self {
        let lang = frame.lang();
        let (title, unit, units) = shape(series.name);
        let (length, bars) = stretch.bars();
        let shown = |peak: f64| amount(lang, peak, unit);
        let seen: Vec<f64> = series.peaks.iter().copied().flatten().collect();
        let told = match (seen.iter().copied().reduce(f64::max), seen.last()) {
            (Some(highest), Some(last)) => lang.text_with(
                "health-chart-told",
                &[("highest", &*shown(highest)), ("last", &*shown(*last))],
            ),
            _ => lang.text("health-chart-none"),
        };
        #[expect(clippy::cast_possible_truncation, reason = "heights of bars")]
        let height = |peak: &Option<f64>| (peak.unwrap_or_default() * units).round() as i64;
        #[expect(clippy::cast_precision_loss, reason = "labels of lines")]
        let label = |height: i64| shown(height as f64 / units);
        let heights: Vec<i64> = series.peaks.iter().map(height).collect();
        let begin = |bar: i64| {
            let second = since.as_second() + bar * length;
            frame.moment(Timestamp::from_second(second).unwrap_or(since))
        };
        let rows = (0..).zip(&series.peaks).filter_map(|(bar, peak)| {
            peak.map(|peak| Row {
                at: begin(bar),
                peak: shown(peak),
            })
        });
        Self {
            id: series.name,
            title: lang.text(title),
            told,
            rows: rows.collect(),
            chart: DayChart::new(&heights, label).map(|chart| Bars {
                chart,
                first: begin(0),
                last: begin(bars - 1),
            }),
        }
    }
}
