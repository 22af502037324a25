//! The shapes of the staff API's requests and answers. They are stable, as those of `api::model`.

use app::staff::StaffMember;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A staff account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StaffMember)]
pub struct StaffMemberBody {
    #[schema(example = 1, minimum = 1)]
    id: i32,
    username: String,
    #[schema(format = "email")]
    email: String,
    #[schema(pattern = "^(superadmin|admin|moderator)$")]
    role: &'static str,
    /// Whether the account can sign in.
    is_active: bool,
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
    #[schema(format = "email", max_length = 254)]
    email: String,
    #[schema(pattern = "^(superadmin|admin|moderator)$")]
    role: String,
    /// At least 8 characters, at most 72 bytes of UTF-8.
    #[schema(min_length = 8, max_length = 72)]
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
    #[schema(format = "email", max_length = 254)]
    email: Option<String>,
    #[schema(pattern = "^(superadmin|admin|moderator)$")]
    role: Option<String>,
    is_active: Option<bool>,
    #[schema(min_length = 8, max_length = 72)]
    password: Option<String>,
}
