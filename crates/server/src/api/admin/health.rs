//! `/admin/health`: the figures that the house keeps an eye on.

use app::App;
use app::health;
use axum::Json;
use axum::extract::State;
use domain::health::{Figure, Group};
use serde::Serialize;
use utoipa::ToSchema;

use crate::health::Told;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::staff::{ReadHealth, Staff};
use crate::i18n::Lang;

/// Show how well everything runs
///
/// As this server sees it; it looks every quarter of a minute. The same figures are metrics.
#[utoipa::path(
    get, path = "/admin/health", tag = "staff", operation_id = "showHealth",
    security(("staff_session" = [])),
    responses(
        (status = 200, body = HealthBody, description = "Every figure, by group"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: the account was disabled"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn show(
    State(app): State<App>,
    _by: Staff<ReadHealth>,
) -> Result<Json<HealthBody>, Problem> {
    let report = health::report(&app).await;
    let groups = Group::ALL.into_iter().map(|group| {
        let figures = report.figures.iter();
        let of_group = figures.filter(|figure| figure.name.group() == group);
        GroupBody {
            name: group.as_str(),
            figures: of_group.map(FigureBody::new).collect(),
        }
    });
    Ok(Json(HealthBody {
        checked_at: report.at.to_string(),
        groups: groups.collect(),
    }))
}

/// How well everything runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthBody {
    #[schema(format = DateTime)]
    checked_at: String,
    groups: Vec<GroupBody>,
}

/// Figures that belong together.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthGroup)]
pub struct GroupBody {
    #[schema(example = "connection_pool")]
    name: &'static str,
    figures: Vec<FigureBody>,
}

/// One figure.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthFigure)]
pub struct FigureBody {
    /// Of several of a kind with which one it is, behind a dot.
    #[schema(example = "pool_active.writer")]
    name: String,
    /// `null` where nobody knows, or there is nothing of the kind.
    #[schema(required, example = 3.0)]
    value: Option<f64>,
    #[schema(pattern = "^(count|seconds|milliseconds|bytes|bytes_per_day|percent|days)$")]
    unit: &'static str,
    #[schema(pattern = "^(green|amber|red)$")]
    state: &'static str,
    /// What it means, in a sentence or two.
    detail: String,
    /// What mends it, with the command between backticks; empty while it is green.
    mend: String,
}

impl FigureBody {
    fn new(figure: &Figure) -> Self {
        let told = Told::new(Lang::En, figure);
        let name = figure.name.as_str();
        Self {
            name: match &figure.of {
                Some(of) => format!("{name}.{of}"),
                None => name.to_owned(),
            },
            value: figure.value,
            unit: figure.name.unit().as_str(),
            state: figure.level.as_str(),
            detail: told.means,
            mend: told.mend,
        }
    }
}
