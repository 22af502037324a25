//! The shapes of the staff API's requests and answers. They are stable, as those of `api::model`.

use std::collections::BTreeMap;

use app::audit::Entry;
use app::staff::StaffMember;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::mails::Mail;
use utoipa::ToSchema;

use crate::api::shape;

/// A staff account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StaffMember)]
pub struct StaffMemberBody {
    #[schema(example = 1, minimum = 1)]
    id: i32,
    username: String,
    #[schema(value_type = shape::EmailAddress)]
    email: String,
    #[schema(pattern = "^(superadmin|admin|moderator)$")]
    role: &'static str,
    /// Whether the account can sign in.
    is_active: bool,
    /// Whether signing in asks for a second factor.
    totp: bool,
    #[schema(format = DateTime, required)]
    last_login: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl StaffMemberBody {
    pub fn new(member: StaffMember) -> Self {
        Self {
            id: member.id.get(),
            role: member.role.as_str(),
            is_active: member.is_active,
            totp: member.has_totp,
            last_login: member.last_login.map(|at| at.to_string()),
            created_at: member.created_at.to_string(),
            updated_at: member.updated_at.to_string(),
            username: member.username,
            email: member.email,
        }
    }
}

/// A page of staff accounts, by number.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StaffMemberPage)]
pub struct StaffMemberPageBody {
    pub items: Vec<StaffMemberBody>,
    /// Give it as `cursor` to get the next page; `null` on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// A mail to a buyer, without its words.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Mail)]
pub struct MailBody {
    #[schema(value_type = shape::MailId)]
    id: String,
    #[schema(pattern = "^(confirmed|cancelled|refunded|payment_failed|sign_in)$")]
    kind: &'static str,
    #[schema(pattern = "^(en|th)$")]
    language: &'static str,
    #[schema(value_type = shape::EmailAddress)]
    recipient: String,
    #[schema(pattern = "^RES[0-9]{1,38}-[0-9A-HJKMNP-TV-Z]{8}$", required)]
    reservation_id: Option<String>,
    #[schema(pattern = "^(pending|sent|kept|dead)$")]
    status: &'static str,
    /// When a mail server took it.
    #[schema(format = DateTime, required)]
    sent_at: Option<String>,
    /// Why the last attempt failed.
    #[schema(required)]
    last_error: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

impl MailBody {
    pub fn new(mail: Mail) -> Self {
        Self {
            id: mail.id.to_string(),
            kind: mail.kind.as_str(),
            language: mail.language.as_str(),
            recipient: mail.recipient,
            reservation_id: mail.reservation_id.map(|id| id.to_string()),
            status: mail.status.as_str(),
            sent_at: mail.sent_at.map(|at| at.to_string()),
            last_error: mail.last_error,
            created_at: mail.created_at.to_string(),
        }
    }
}

/// A page of mails, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MailPage)]
pub struct MailPageBody {
    pub items: Vec<MailBody>,
    /// Give it as `cursor` to get the next page; `null` on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// A session that has begun.
#[derive(Serialize, ToSchema)]
#[schema(as = StaffSession)]
#[allow(
    missing_debug_implementations,
    reason = "a token has no place in a log"
)]
pub struct SessionBody {
    /// Show it as `Authorization: Bearer …`. It isn't shown again; keep it secret.
    pub token: String,
    /// The session ends then, or 30 minutes after its last use.
    #[schema(format = DateTime)]
    pub expires_at: String,
    pub admin: StaffMemberBody,
}

/// A second factor that isn't in use until it is confirmed.
#[derive(Serialize, ToSchema)]
#[schema(as = TotpSecret)]
#[allow(
    missing_debug_implementations,
    reason = "a secret has no place in a log"
)]
pub struct TotpSecretBody {
    /// Base 32, for typing it into an authenticator.
    pub secret: String,
    /// The same as a link, for a QR code.
    pub otpauth_url: String,
}

/// What opens the account when the second factor is lost, each once.
#[derive(Serialize, ToSchema)]
#[schema(as = RecoveryCodes)]
#[allow(missing_debug_implementations, reason = "a code has no place in a log")]
pub struct RecoveryCodesBody {
    /// They aren't shown again; print them.
    pub recovery_codes: Vec<String>,
}

/// What staff sign in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SignInRequest)]
#[expect(
    dead_code,
    reason = "documents the fields that the handler reads one by one"
)]
#[allow(
    missing_debug_implementations,
    reason = "a password has no place in a log"
)]
pub struct SignInRequestBody {
    #[schema(max_length = 100)]
    username: String,
    password: String,
    /// The code of the second factor, or a recovery code; where the account has one.
    totp: Option<String>,
}

/// The password of the one who is signed in, once more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasswordRequest)]
#[expect(
    dead_code,
    reason = "documents the field that the handler reads itself"
)]
#[allow(
    missing_debug_implementations,
    reason = "a password has no place in a log"
)]
pub struct PasswordRequestBody {
    password: String,
}

/// A new password in the place of the current one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OwnPasswordChange)]
#[expect(
    dead_code,
    reason = "documents the fields that the handler reads one by one"
)]
#[allow(
    missing_debug_implementations,
    reason = "a password has no place in a log"
)]
pub struct OwnPasswordChangeBody {
    current_password: String,
    #[schema(value_type = shape::Password)]
    new_password: String,
}

/// A code of a second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TotpCodeRequest)]
#[expect(
    dead_code,
    reason = "documents the field that the handler reads itself"
)]
#[allow(missing_debug_implementations, reason = "a code has no place in a log")]
pub struct TotpCodeRequestBody {
    #[schema(example = "123456")]
    totp: String,
}

/// A staff account to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewStaffMember)]
#[expect(
    dead_code,
    reason = "documents the fields that the handler reads one by one"
)]
#[allow(
    missing_debug_implementations,
    reason = "a password has no place in a log"
)]
pub struct NewStaffMemberBody {
    #[schema(pattern = "^[A-Za-z0-9._-]+$", max_length = 100)]
    username: String,
    #[schema(value_type = shape::EmailAddress)]
    email: String,
    #[schema(pattern = "^(superadmin|admin|moderator)$")]
    role: String,
    #[schema(value_type = shape::Password)]
    password: String,
}

/// What shall be otherwise; what is missing stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StaffMemberChange)]
#[expect(
    dead_code,
    reason = "documents the fields that the handler reads one by one"
)]
#[allow(
    missing_debug_implementations,
    reason = "a password has no place in a log"
)]
pub struct StaffMemberChangeBody {
    #[schema(value_type = shape::EmailAddress, required = false)]
    email: Option<String>,
    #[schema(value_type = String, required = false, pattern = "^(superadmin|admin|moderator)$")]
    role: Option<String>,
    #[schema(value_type = bool, required = false)]
    is_active: Option<bool>,
    #[schema(value_type = shape::Password, required = false)]
    password: Option<String>,
    /// `false` takes the second factor away; its owner alone can turn one on.
    #[schema(value_type = shape::False, required = false)]
    totp: Option<bool>,
}

/// A concert to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewConcert)]
#[expect(
    dead_code,
    reason = "documents the fields that the handler reads one by one"
)]
pub struct NewConcertBody {
    #[schema(value_type = shape::Line)]
    name: String,
    #[schema(value_type = shape::Line)]
    artist: String,
    #[schema(format = Date, example = "2026-12-12")]
    date: String,
    #[schema(value_type = shape::Line)]
    venue: String,
    #[schema(minimum = 0, maximum = 1_000_000)]
    total_tickets: i32,
    #[schema(pattern = r"^[0-9]{1,8}(\.[0-9]{1,2})?$", example = "1250.00")]
    price: String,
    #[schema(value_type = Option<shape::Paragraphs>)]
    description: Option<String>,
    /// A path of this site.
    #[schema(value_type = Option<shape::ImagePath>, example = "/assets/posters/a.svg")]
    image_url: Option<String>,
}

/// What shall be otherwise of a concert; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConcertChange)]
#[expect(
    dead_code,
    reason = "documents the fields that the handler reads one by one"
)]
pub struct ConcertChangeBody {
    #[schema(value_type = shape::Line, required = false)]
    name: Option<String>,
    #[schema(value_type = shape::Line, required = false)]
    artist: Option<String>,
    #[schema(value_type = String, required = false, format = Date)]
    date: Option<String>,
    #[schema(value_type = shape::Line, required = false)]
    venue: Option<String>,
    /// Not less than is sold and held.
    #[schema(value_type = i32, required = false, minimum = 0, maximum = 1_000_000)]
    total_tickets: Option<i32>,
    /// Of tickets that are reserved from then on.
    #[schema(value_type = String, required = false, pattern = r"^[0-9]{1,8}(\.[0-9]{1,2})?$")]
    price: Option<String>,
    /// `null` takes it away.
    #[schema(value_type = Option<shape::Paragraphs>)]
    description: Option<String>,
    /// A path of this site; `null` takes it away.
    #[schema(value_type = Option<shape::ImagePath>)]
    image_url: Option<String>,
}

/// One change, as the database itself wrote it down.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditEntryBody {
    id: i32,
    /// The member of staff; `null` for everybody else.
    #[schema(required)]
    user_id: Option<i32>,
    /// As that account is called today.
    #[schema(required)]
    username: Option<String>,
    #[schema(pattern = "^(CREATE|UPDATE|DELETE|EXPORT)$")]
    action: String,
    table_name: String,
    #[schema(required)]
    record_id: Option<String>,
    /// Columns with their values; of a change only what is different.
    #[schema(required)]
    old_values: Option<BTreeMap<String, Value>>,
    #[schema(required)]
    new_values: Option<BTreeMap<String, Value>>,
    /// Of the client.
    #[schema(required)]
    ip_address: Option<String>,
    /// `customer`, `holder`, `staff`, `system`, `job`, `cli`; `sql` for whoever came without the
    /// product.
    #[schema(required)]
    actor_kind: Option<String>,
    /// Which one of them, where `user_id` doesn't say it.
    #[schema(required)]
    actor: Option<String>,
    /// The `x-request-id` of the answer to the request that asked for it.
    #[schema(required)]
    request_id: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

impl AuditEntryBody {
    pub fn new(entry: Entry) -> Self {
        // The column is JSON, and what the triggers write there are objects.
        let values = |text: String| serde_json::from_str(&text).unwrap_or_default();
        Self {
            id: entry.id,
            user_id: entry.user_id,
            username: entry.username,
            action: entry.action,
            table_name: entry.table_name,
            record_id: entry.record_id,
            old_values: entry.old_values.map(values),
            new_values: entry.new_values.map(values),
            ip_address: entry.ip_address,
            actor_kind: entry.actor_kind,
            actor: entry.actor.filter(|actor| !actor.is_empty()),
            request_id: entry.request_id.map(|id| id.to_string()),
            created_at: entry.created_at.to_string(),
        }
    }
}

/// A page of the audit log, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditPage)]
pub struct AuditPageBody {
    pub items: Vec<AuditEntryBody>,
    /// Give it as `cursor` to get the next page; `null` on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}
