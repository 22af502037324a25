//! `/admin/exports`: whole lists as files. One call for each table and kind of file, because each has its
//! own filters.

use app::App;
use axum::extract::{RawQuery, State};
use axum::response::Response;

use crate::api::shape;
use crate::exports::{self, Ending, Table, TableFile};
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::seen::Seen;
use crate::http::staff::{Export, Staff};

/// A call that answers with a file.
macro_rules! export {
    ($name:ident, $path:literal, $id:literal, $summary:literal, $media:literal, $file:expr, ($($params:tt)*)) => {
        #[doc = $summary]
        ///
        /// Rows as they are while it runs, each at most once, newest first; the audit log keeps who took
        /// them, by which filters, and how many. What breaks off in between isn't whole.
        #[utoipa::path(
            get, path = $path, tag = "staff", operation_id = $id,
            params($($params)*),
            security(("staff_session" = [])),
            responses(
                (status = 200, content_type = $media, description = "The file; its first line names the columns"),
                (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
                (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: admins alone"),
                (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: a parameter is wrong or unknown"),
                (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
                (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, such as by four exports at once, `database_unavailable`; try again"),
            )
        )]
        pub async fn $name(
            State(app): State<App>,
            by: Staff<Export>,
            Seen(seen): Seen,
            RawQuery(query): RawQuery,
        ) -> Result<Response, Problem> {
            exports::table(&app, $file, exports::Asked::Api(query.as_deref()), (seen, &by.acting)).await
        }
    };
}

export!(
    reservations_csv,
    "/admin/exports/reservations.csv",
    "exportReservationsAsCsv",
    "Reservations as CSV",
    "text/csv",
    TableFile(Table::Reservations, Ending::Csv),
    (
        ("concert_id" = Option<shape::Number>, Query, description = "The concert's number"),
        ("status" = Option<String>, Query, description = "`pending`, `confirmed`, `cancelled` or `expired`; a hold that ran out is expired", pattern = "^(pending|confirmed|cancelled|expired)?$"),
        ("email" = Option<shape::EmailFilter>, Query, description = "The customer's whole e-mail address"),
        ("q" = Option<String>, Query, description = "A part of the name or e-mail address, or the beginning of the id", max_length = 100, pattern = r"^[^\u0000]*$"),
        ("from" = Option<shape::DayOrInstant>, Query, description = "Made from then on: a day, `YYYY-MM-DD`, or an instant"),
        ("to" = Option<shape::DayOrInstant>, Query, description = "Made until then: a day, which belongs to it, or an instant, which doesn't"),
        ("bom" = Option<shape::Flag>, Query, description = "`true`: with a byte order mark, by which Excel knows UTF-8"),
    )
);

export!(
    reservations_xlsx,
    "/admin/exports/reservations.xlsx",
    "exportReservationsAsXlsx",
    "Reservations as XLSX",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    TableFile(Table::Reservations, Ending::Xlsx),
    (
        ("concert_id" = Option<shape::Number>, Query, description = "The concert's number"),
        ("status" = Option<String>, Query, description = "`pending`, `confirmed`, `cancelled` or `expired`; a hold that ran out is expired", pattern = "^(pending|confirmed|cancelled|expired)?$"),
        ("email" = Option<shape::EmailFilter>, Query, description = "The customer's whole e-mail address"),
        ("q" = Option<String>, Query, description = "A part of the name or e-mail address, or the beginning of the id", max_length = 100, pattern = r"^[^\u0000]*$"),
        ("from" = Option<shape::DayOrInstant>, Query, description = "Made from then on: a day, `YYYY-MM-DD`, or an instant"),
        ("to" = Option<shape::DayOrInstant>, Query, description = "Made until then: a day, which belongs to it, or an instant, which doesn't"),
    )
);

export!(
    concerts_csv,
    "/admin/exports/concerts.csv",
    "exportConcertsAsCsv",
    "Concerts as CSV, by date",
    "text/csv",
    TableFile(Table::Concerts, Ending::Csv),
    (
        ("status" = Option<String>, Query, description = "`open`, `closed` or `archived`", pattern = "^(open|closed|archived)?$"),
        ("q" = Option<String>, Query, description = "A part of name, artist or venue", max_length = 100, pattern = r"^[^\u0000]*$"),
        ("from" = Option<shape::Day>, Query, description = "First day, `YYYY-MM-DD`"),
        ("to" = Option<shape::Day>, Query, description = "Last day, `YYYY-MM-DD`"),
        ("venue" = Option<String>, Query, description = "The venue's whole name", pattern = r"^[^\u0000]*$"),
        ("deleted" = Option<shape::Flag>, Query, description = "`true`: deleted ones, and no others"),
        ("bom" = Option<shape::Flag>, Query, description = "`true`: with a byte order mark, by which Excel knows UTF-8"),
    )
);

export!(
    concerts_xlsx,
    "/admin/exports/concerts.xlsx",
    "exportConcertsAsXlsx",
    "Concerts as XLSX, by date",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    TableFile(Table::Concerts, Ending::Xlsx),
    (
        ("status" = Option<String>, Query, description = "`open`, `closed` or `archived`", pattern = "^(open|closed|archived)?$"),
        ("q" = Option<String>, Query, description = "A part of name, artist or venue", max_length = 100, pattern = r"^[^\u0000]*$"),
        ("from" = Option<shape::Day>, Query, description = "First day, `YYYY-MM-DD`"),
        ("to" = Option<shape::Day>, Query, description = "Last day, `YYYY-MM-DD`"),
        ("venue" = Option<String>, Query, description = "The venue's whole name", pattern = r"^[^\u0000]*$"),
        ("deleted" = Option<shape::Flag>, Query, description = "`true`: deleted ones, and no others"),
    )
);

export!(
    audit_logs_csv,
    "/admin/exports/audit-logs.csv",
    "exportAuditLogsAsCsv",
    "The audit log as CSV",
    "text/csv",
    TableFile(Table::AuditLogs, Ending::Csv),
    (
        ("table_name" = Option<String>, Query, description = "As the list's", max_length = 100, pattern = r"^[^\u0000]*$"),
        ("record_id" = Option<String>, Query, description = "The row's number or id", max_length = 100, pattern = r"^[^\u0000]*$"),
        ("user_id" = Option<shape::Number>, Query, description = "The number of a staff account"),
        ("action" = Option<String>, Query, description = "`CREATE`, `UPDATE`, `DELETE` or `EXPORT`", pattern = "^(CREATE|UPDATE|DELETE|EXPORT)?$"),
        ("from" = Option<shape::DayOrInstant>, Query, description = "From then on: a day, `YYYY-MM-DD`, or an instant"),
        ("to" = Option<shape::DayOrInstant>, Query, description = "Until then: a day, which belongs to it, or an instant, which doesn't"),
        ("bom" = Option<shape::Flag>, Query, description = "`true`: with a byte order mark, by which Excel knows UTF-8"),
    )
);

export!(
    audit_logs_xlsx,
    "/admin/exports/audit-logs.xlsx",
    "exportAuditLogsAsXlsx",
    "The audit log as XLSX; texts of more than 32,767 characters are cut",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    TableFile(Table::AuditLogs, Ending::Xlsx),
    (
        ("table_name" = Option<String>, Query, description = "As the list's", max_length = 100, pattern = r"^[^\u0000]*$"),
        ("record_id" = Option<String>, Query, description = "The row's number or id", max_length = 100, pattern = r"^[^\u0000]*$"),
        ("user_id" = Option<shape::Number>, Query, description = "The number of a staff account"),
        ("action" = Option<String>, Query, description = "`CREATE`, `UPDATE`, `DELETE` or `EXPORT`", pattern = "^(CREATE|UPDATE|DELETE|EXPORT)?$"),
        ("from" = Option<shape::DayOrInstant>, Query, description = "From then on: a day, `YYYY-MM-DD`, or an instant"),
        ("to" = Option<shape::DayOrInstant>, Query, description = "Until then: a day, which belongs to it, or an instant, which doesn't"),
    )
);
