//! Who does something: what the database lets them see and what the audit log remembers of them.

use crate::id::{AdminUserId, ReservationId};
use crate::text::EmailAddress;

/// Whoever acts in a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A customer who signed in: sees what is under this address, and nothing else.
    Customer(EmailAddress),
    /// Whoever holds a reservation's access token: sees this one.
    Holder(ReservationId),
    /// A member of staff.
    Staff(AdminUserId),
    /// The product itself, by the name of the part that acts, such as `engine`.
    System(&'static str),
    /// A background job, by its task.
    Job(&'static str),
    /// Somebody at the server's command line: the system's user, who may have said which member of
    /// staff they are.
    Cli {
        user: String,
        member: Option<AdminUserId>,
    },
}

impl Actor {
    /// As in `audit_logs.actor_kind`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Customer(_) => "customer",
            Self::Holder(_) => "holder",
            Self::Staff(_) => "staff",
            Self::System(_) => "system",
            Self::Job(_) => "job",
            Self::Cli { .. } => "cli",
        }
    }

    /// The account of a member of staff, as in `audit_logs.user_id`.
    pub const fn staff_id(&self) -> Option<AdminUserId> {
        match self {
            Self::Staff(id)
            | Self::Cli {
                member: Some(id), ..
            } => Some(*id),
            _ => None,
        }
    }
}
