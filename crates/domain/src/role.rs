//! What staff may be. What each role may do is decided here too, once staff can sign in.

use std::fmt;
use std::str::FromStr;

/// A staff account's role, as `admin_users.role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything, staff accounts included.
    Superadmin,
    /// Concerts, reservations, refunds, exports, audit log.
    Admin,
    /// Reads, cancels, resends, checks people in; no money, no exports.
    Moderator,
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Superadmin => "superadmin",
            Self::Admin => "admin",
            Self::Moderator => "moderator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a role: superadmin, admin or moderator")]
pub struct InvalidRole;

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        [Self::Superadmin, Self::Admin, Self::Moderator]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(InvalidRole)
    }
}
