//! Making and editing a concert: one form with a preview, and the page for two who edit at once.

use app::concerts::change::{self, ChangeError, Current, Expected};
use app::{App, audit, concerts};
use askama::Template;
use axum::extract::{Form, Query, State};
use axum::response::Response;
use domain::concert::{Concert, ConcertEdit, ConcertStatus, NewConcert, Replacement};
use domain::id::ConcertId;
use domain::role::Permission;
use http::StatusCode;
use serde::Deserialize;

use super::doubts::Doubts;
use super::{PATH, address, refusal};
use crate::api::admin::concerts::read_new;
use crate::http::fields::{FieldError, FieldReason, Fields};
use crate::http::page::{figure, show};
use crate::http::pairs::{Pairs, value};
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::staff::EditConcerts;
use crate::shop::{moment, paragraphs, price};
use crate::staff::form::{Field, summary};
use crate::staff::frame::{Frame, done, refused};
use crate::staff::member::Member;

/// Name, type and label of each field, in the order of the form; the last is several lines long.
const FIELDS: [(&str, &str, &str); 8] = [
    ("artist", "text", "sc-artist"),
    ("name", "text", "sc-name"),
    ("date", "date", "concert-date"),
    ("venue", "text", "concert-venue"),
    ("total_tickets", "number", "sc-total"),
    ("price", "text", "sc-price"),
    ("image_url", "text", "sc-image"),
    ("description", "", "concert-about"),
];
/// What the form has besides.
const VERSION: &str = "version";
const PREVIEW: &str = "preview";
const CONFIRMED: &str = "confirmed";

/// What is typed into the form, in the order of [`FIELDS`].
#[derive(Clone, Debug, Default)]
struct Typed([String; 8]);

impl Typed {
    fn of(pairs: &Pairs) -> Self {
        Self(FIELDS.map(|(name, ..)| value(pairs, name).to_owned()))
    }

    fn of_concert(concert: &Concert) -> Self {
        Self([
            concert.artist.clone(),
            concert.name.clone(),
            concert.date.to_string(),
            concert.venue.clone(),
            concert.total_tickets.to_string(),
            concert.price.to_string(),
            concert.image_url.clone().unwrap_or_default(),
            concert.description.clone().unwrap_or_default(),
        ])
    }

    /// For a concert like another on a day that somebody has to choose.
    fn on_no_day(mut self) -> Self {
        self.0[2].clear();
        self
    }

    /// By the rules of the API; an empty field that may be empty is none.
    fn read(&self) -> Result<NewConcert, Vec<FieldError>> {
        let pairs = FIELDS.iter().zip(&self.0);
        let pairs = pairs.filter_map(|((name, ..), typed)| {
            let is_left_out =
                typed.trim().is_empty() && matches!(*name, "image_url" | "description");
            (!is_left_out).then(|| ((*name).to_owned(), typed.trim().to_owned()))
        });
        read_new(Fields::from_form(pairs)).map_err(|problem| problem.errors)
    }
}

/// Everything of a concert as it was typed.
fn whole_edit(new: NewConcert) -> ConcertEdit {
    ConcertEdit {
        name: Some(new.name),
        artist: Some(new.artist),
        date: Some(new.date),
        venue: Some(new.venue),
        total_tickets: Some(new.total_tickets),
        price: Some(new.price),
        image_url: new.image_url.map_or(Replacement::Clear, Replacement::Set),
        description: new.description.map_or(Replacement::Clear, Replacement::Set),
    }
}

/// Another concert's number.
#[derive(Debug, Deserialize)]
pub(super) struct From {
    from: Option<String>,
}

/// `GET /staff/concerts/new?from=ID`: empty, or like another concert.
pub(super) async fn show_new(
    State(app): State<App>,
    member: Member<EditConcerts>,
    Query(From { from }): Query<From>,
) -> Result<Response, Problem> {
    let typed = match from.and_then(|id| id.parse().ok()) {
        Some(id) => {
            let other = concerts::show_to_staff(&app, id).await?;
            let other = other.ok_or_else(Problem::not_found)?;
            Typed::of_concert(&other).on_no_day()
        }
        None => Typed::default(),
    };
    let page = FormPage::new(member.frame, &Of::New, &typed, &[]);
    Ok(show(StatusCode::OK, &page))
}

/// `POST /staff/concerts/new`
pub(super) async fn create(
    State(app): State<App>,
    member: Member<EditConcerts>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let typed = Typed::of(&pairs);
    let new = match typed.read() {
        Ok(new) => new,
        Err(errors) => return Ok(wrong(member.frame, &Of::New, (&typed, &errors))),
    };
    let doubts = Doubts::about(&app, &member.frame, (None, &new));
    if !value(&pairs, PREVIEW).is_empty() {
        let page = FormPage::new(member.frame, &Of::New, &typed, &[]).doubting(doubts);
        return Ok(show(StatusCode::OK, &page.previewing(&app, (&new, 0))));
    }
    if !doubts.are_confirmed(value(&pairs, CONFIRMED)) {
        return Ok(doubtful(member.frame, &Of::New, (&typed, doubts)));
    }
    let made = change::create(&app, new, member.acting).await?;
    Ok(done(&address(made.id), "concert-made"))
}

/// `GET /staff/concerts/{id}/edit`
pub(super) async fn show_edit(
    State(app): State<App>,
    member: Member<EditConcerts>,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    let found = concerts::show_to_staff(&app, id).await?;
    let concert = found.ok_or_else(Problem::not_found)?;
    if concert.status == ConcertStatus::Archived {
        return refusal(member.frame, id, ChangeError::Archived);
    }
    if concerts::was_cancelled(&app, &concert).await? {
        return refusal(member.frame, id, ChangeError::Cancelled);
    }
    let of = Of::Old(id, change::version(&concert));
    let page = FormPage::new(member.frame, &of, &Typed::of_concert(&concert), &[]);
    Ok(show(StatusCode::OK, &page))
}

/// `POST /staff/concerts/{id}/edit`
pub(super) async fn save(
    State(app): State<App>,
    member: Member<EditConcerts>,
    Segment(id): Segment<ConcertId>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let version = value(&pairs, VERSION).to_owned();
    let (typed, of) = (Typed::of(&pairs), Of::Old(id, version.clone()));
    let found = concerts::show_to_staff(&app, id).await?;
    // Before anything that whoever typed would mend in vain.
    if let Some(concert) = &found
        && concerts::was_cancelled(&app, concert).await?
    {
        return refusal(member.frame, id, ChangeError::Cancelled);
    }
    let new = match typed.read() {
        Ok(new) => new,
        Err(errors) => return Ok(wrong(member.frame, &of, (&typed, &errors))),
    };
    // Of what somebody else has edited meanwhile both versions are shown first.
    let read = found
        .as_ref()
        .filter(|concert| change::version(concert) == version);
    let doubts = read.map_or_else(Doubts::default, |concert| {
        Doubts::about(&app, &member.frame, (Some(concert), &new))
    });
    if !value(&pairs, PREVIEW).is_empty() {
        let taken = found.map_or(0, |concert| concert.taken());
        let page = FormPage::new(member.frame, &of, &typed, &[]).doubting(doubts);
        return Ok(show(StatusCode::OK, &page.previewing(&app, (&new, taken))));
    }
    if !doubts.are_confirmed(value(&pairs, CONFIRMED)) {
        return Ok(doubtful(member.frame, &of, (&typed, doubts)));
    }
    let wanted = (whole_edit(new), Expected::OneOf(vec![version]));
    match change::edit(&app, id, wanted, member.acting.clone()).await {
        Ok(_) => Ok(done(&address(id), "concert-saved")),
        Err(ChangeError::BelowTaken { sold, held }) => {
            let error = FieldError {
                field: "total_tickets".to_owned(),
                reason: FieldReason::BelowTaken { sold, held },
            };
            Ok(wrong(member.frame, &of, (&typed, &[error])))
        }
        Err(ChangeError::Edited(current)) => conflict(&app, member, &typed, &current).await,
        Err(error) => refusal(member.frame, id, error),
    }
}

/// The form once more, with what is wrong.
fn wrong(frame: Frame, of: &Of, (typed, errors): (&Typed, &[FieldError])) -> Response {
    let page = FormPage::new(frame, of, typed, errors);
    show(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// The form once more, with what wants a second press.
fn doubtful(frame: Frame, of: &Of, (typed, doubts): (&Typed, Doubts)) -> Response {
    let page = FormPage::new(frame, of, typed, &[]).doubting(doubts);
    show(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// Which concert the form is of.
#[derive(Debug)]
enum Of {
    New,
    /// With the version that was read.
    Old(ConcertId, String),
}

#[derive(Debug, Template)]
#[template(path = "staff/concert_form.html")]
struct FormPage {
    frame: Frame,
    title: String,
    action: String,
    back: String,
    version: Option<String>,
    errors: Vec<(&'static str, String)>,
    fields: Vec<Field>,
    description: Field,
    doubts: Doubts,
    preview: Option<Preview>,
}

/// What buyers would see.
#[derive(Debug)]
struct Preview {
    artist: String,
    name: String,
    venue: String,
    date: String,
    price: String,
    total: String,
    poster: Option<String>,
    paragraphs: Vec<String>,
}

impl FormPage {
    fn new(frame: Frame, of: &Of, typed: &Typed, errors: &[FieldError]) -> Self {
        let lang = frame.lang();
        let fields = FIELDS.iter().zip(&typed.0);
        let fields = fields.map(|((name, kind, label), typed)| {
            let field = Field::new(name, kind, frame.t(label));
            let field = match *name {
                "price" => field.with_hint(frame.t("sc-price-hint")),
                "image_url" => field.with_hint(frame.t("sc-image-hint")),
                "description" => field.with_hint(frame.t("sc-about-hint")),
                _ => field,
            };
            Field {
                is_required: !matches!(*name, "image_url" | "description"),
                ..field.filled(lang, typed.clone(), errors)
            }
        });
        let mut fields: Vec<Field> = fields.collect();
        let errors = summary(&fields);
        let (title, action, back, version) = match of {
            Of::New => ("sc-new", format!("{PATH}/new"), PATH.to_owned(), None),
            Of::Old(id, version) => {
                let address = address(*id);
                let action = format!("{address}/edit");
                ("sc-edit", action, address, Some(version.clone()))
            }
        };
        let title = frame.t(title);
        Self {
            action,
            back,
            version,
            errors,
            description: fields.pop().unwrap_or_default(),
            fields,
            doubts: Doubts::default(),
            preview: None,
            frame: frame.titled(&title),
            title,
        }
    }

    fn doubting(self, doubts: Doubts) -> Self {
        Self { doubts, ..self }
    }

    fn previewing(self, app: &App, (new, taken): (&NewConcert, i32)) -> Self {
        let all = new.total_tickets.get();
        let left = figure((all - taken).max(0));
        let lang = self.frame.lang();
        let text = new.description.as_ref().map_or("", |text| text.as_str());
        let preview = Preview {
            artist: new.artist.to_string(),
            name: new.name.to_string(),
            venue: new.venue.to_string(),
            date: lang.date_long(new.date),
            price: price(lang, new.price, app.settings().currency),
            total: format!("{left} {}", lang.count("concert-left-of", i64::from(all))),
            poster: new.image_url.as_ref().map(|path| path.as_str().to_owned()),
            paragraphs: paragraphs(text),
        };
        Self {
            preview: Some(preview),
            ..self
        }
    }
}

/// Somebody else has edited the concert since the form was shown: both versions, and who it was.
async fn conflict(
    app: &App,
    member: Member<EditConcerts>,
    typed: &Typed,
    current: &Current,
) -> Result<Response, Problem> {
    let (frame, id) = (member.frame, current.concert.id);
    if current.concert.status == ConcertStatus::Archived {
        let sentence = frame.t("sc-is-archived");
        return Ok(refused(frame, StatusCode::CONFLICT, sentence, address(id)));
    }
    let theirs = Typed::of_concert(&current.concert);
    let rows = FIELDS.iter().zip(typed.0.iter().zip(&theirs.0));
    let rows = rows.map(|((name, _, label), (mine, theirs))| Difference {
        name,
        label: frame.t(label),
        differs: mine.trim().replace("\r\n", "\n") != *theirs,
        mine: mine.clone(),
        theirs: theirs.clone(),
    });
    let rows: Vec<Difference> = rows.collect();
    let title = frame.t("sc-conflict");
    let page = ConflictPage {
        who: last_edit(app, &frame, &member.acting, id).await?,
        action: format!("{}/edit", address(id)),
        version: change::version(&current.concert),
        rows,
        frame: frame.titled(&title),
        title,
    };
    Ok(show(StatusCode::CONFLICT, &page))
}

/// Who edited the concert last and when, for whoever may read it.
async fn last_edit(
    app: &App,
    frame: &Frame,
    by: &store::Acting,
    id: ConcertId,
) -> Result<Option<(String, String)>, Problem> {
    if !frame.may(Permission::ReadAuditLog) {
        return Ok(None);
    }
    let edit = audit::last_edit(app, by, id).await?;
    Ok(edit.map(|(who, at)| {
        let zone = &frame.layout.site.time_zone;
        (who, moment(frame.lang(), "sc-moment", (at, zone)))
    }))
}

#[derive(Debug, Template)]
#[template(path = "staff/concert_conflict.html")]
struct ConflictPage {
    frame: Frame,
    title: String,
    who: Option<(String, String)>,
    action: String,
    version: String,
    rows: Vec<Difference>,
}

/// One field in both versions.
#[derive(Debug)]
struct Difference {
    name: &'static str,
    label: String,
    differs: bool,
    mine: String,
    theirs: String,
}
