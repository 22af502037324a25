//! The calls that the document has, by name.

/// A call by its method and path, as the document writes them.
pub(super) type Call = (&'static str, &'static str);

pub(super) const LIST: Call = ("get", "/concerts");
pub(super) const SHOW: Call = ("get", "/concerts/{id}");
pub(super) const WATCH: Call = ("get", "/concerts/{id}/live");
pub(super) const FIND: Call = ("get", "/reservations/{id}");
pub(super) const RESERVE: Call = ("post", "/reservations");
pub(super) const EXTEND: Call = ("post", "/reservations/{id}/extend");
pub(super) const PAY: Call = ("post", "/reservations/{id}/payments");
pub(super) const TICKETS: Call = ("get", "/reservations/{id}/tickets");
pub(super) const PRINT: Call = ("get", "/reservations/{id}/tickets.pdf");
pub(super) const CALENDAR: Call = ("get", "/reservations/{id}/calendar.ics");
pub(super) const REFUND: Call = ("post", "/admin/reservations/{id}/refund");
pub(super) const CHECK: Call = ("post", "/admin/tickets/check");
pub(super) const CANCEL: Call = ("post", "/reservations/{id}/cancel");
pub(super) const SIGN_OUT: Call = ("delete", "/admin/sessions/current");
pub(super) const DELETE_USER: Call = ("delete", "/admin/users/{id}");
pub(super) const END_SESSIONS: Call = ("delete", "/admin/users/{id}/sessions");
pub(super) const TURN_OFF_TOTP: Call = ("delete", "/admin/totp");
pub(super) const LIST_USERS: Call = ("get", "/admin/users");
pub(super) const CHANGE_USER: Call = ("patch", "/admin/users/{id}");
pub(super) const SIGN_IN: Call = ("post", "/admin/sessions");
pub(super) const BEGIN_TOTP: Call = ("post", "/admin/totp");
pub(super) const OWN_PASSWORD: Call = ("post", "/admin/password");
pub(super) const CONFIRM_TOTP: Call = ("post", "/admin/totp/confirm");
pub(super) const CREATE_USER: Call = ("post", "/admin/users");
pub(super) const DISABLE_USER: Call = ("post", "/admin/users/{id}/disable");
pub(super) const LIST_AUDIT: Call = ("get", "/admin/audit-logs");
pub(super) const LIST_ALL: Call = ("get", "/admin/concerts");
pub(super) const SHOW_ANY: Call = ("get", "/admin/concerts/{id}");
pub(super) const CREATE: Call = ("post", "/admin/concerts");
pub(super) const CHANGE: Call = ("patch", "/admin/concerts/{id}");
pub(super) const DELETE: Call = ("delete", "/admin/concerts/{id}");
pub(super) const OPEN: Call = ("post", "/admin/concerts/{id}/open");
pub(super) const CLOSE: Call = ("post", "/admin/concerts/{id}/close");
pub(super) const CANCEL_CONCERT: Call = ("post", "/admin/concerts/{id}/cancel");
pub(super) const ARCHIVE: Call = ("post", "/admin/concerts/{id}/archive");
pub(super) const SET_IMAGE: Call = ("post", "/admin/concerts/{id}/image");
pub(super) const LIST_RESERVATIONS: Call = ("get", "/admin/reservations");
pub(super) const FIND_ANY: Call = ("get", "/admin/reservations/{id}");
pub(super) const CONFIRM: Call = ("post", "/admin/reservations/{id}/confirm");
pub(super) const CANCEL_ANY: Call = ("post", "/admin/reservations/{id}/cancel");
pub(super) const DELETE_RESERVATION: Call = ("delete", "/admin/reservations/{id}");
pub(super) const RESEND: Call = ("post", "/admin/reservations/{id}/resend");
pub(super) const LIST_MAILS: Call = ("get", "/admin/mails");
pub(super) const CUSTOMER_OUT: Call = ("delete", "/sessions/current");
pub(super) const ME: Call = ("get", "/me");
pub(super) const MY_DATA: Call = ("get", "/me/export");
pub(super) const ERASE_ME: Call = ("post", "/me/erase");
pub(super) const MINE: Call = ("get", "/me/reservations");
pub(super) const ASK_FOR_LINK: Call = ("post", "/sessions/email");
pub(super) const RETRY_MAIL: Call = ("post", "/admin/mails/{id}/retry");
pub(super) const HEALTH: Call = ("get", "/admin/health");
pub(super) const REPORT: Call = ("get", "/admin/reports/sales");
pub(super) const AUDIT_CSV: Call = ("get", "/admin/exports/audit-logs.csv");
pub(super) const AUDIT_XLSX: Call = ("get", "/admin/exports/audit-logs.xlsx");
pub(super) const CONCERTS_CSV: Call = ("get", "/admin/exports/concerts.csv");
pub(super) const CONCERTS_XLSX: Call = ("get", "/admin/exports/concerts.xlsx");
pub(super) const RESERVATIONS_CSV: Call = ("get", "/admin/exports/reservations.csv");
pub(super) const RESERVATIONS_XLSX: Call = ("get", "/admin/exports/reservations.xlsx");
/// The calls of the API, as the router has them, in alphabetical order.
pub(super) const CALLS: [Call; 58] = [
    DELETE,
    DELETE_RESERVATION,
    SIGN_OUT,
    TURN_OFF_TOTP,
    DELETE_USER,
    END_SESSIONS,
    CUSTOMER_OUT,
    LIST_AUDIT,
    LIST_ALL,
    SHOW_ANY,
    AUDIT_CSV,
    AUDIT_XLSX,
    CONCERTS_CSV,
    CONCERTS_XLSX,
    RESERVATIONS_CSV,
    RESERVATIONS_XLSX,
    HEALTH,
    LIST_MAILS,
    REPORT,
    LIST_RESERVATIONS,
    FIND_ANY,
    LIST_USERS,
    LIST,
    SHOW,
    WATCH,
    ME,
    MY_DATA,
    MINE,
    FIND,
    CALENDAR,
    TICKETS,
    PRINT,
    CHANGE,
    CHANGE_USER,
    CREATE,
    ARCHIVE,
    CANCEL_CONCERT,
    CLOSE,
    SET_IMAGE,
    OPEN,
    RETRY_MAIL,
    OWN_PASSWORD,
    CANCEL_ANY,
    CONFIRM,
    REFUND,
    RESEND,
    SIGN_IN,
    CHECK,
    BEGIN_TOTP,
    CONFIRM_TOTP,
    CREATE_USER,
    DISABLE_USER,
    ERASE_ME,
    RESERVE,
    CANCEL,
    EXTEND,
    PAY,
    ASK_FOR_LINK,
];
