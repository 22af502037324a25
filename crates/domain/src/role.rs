//! What staff may be, and what each role may do: the one table of permissions.
//!
//! Absent on purpose: who is signed in. The fronts ask here and nowhere else.

use crate::word::words;

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

/// One thing that staff can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    ReadConcerts,
    /// Create concerts and change their texts, price and capacity.
    EditConcerts,
    /// Open, close and archive a concert.
    OpenConcerts,
    DeleteConcert,
    /// Cancel a whole concert, with every reservation of it.
    CancelConcert,
    UploadPoster,
    ReadReservations,
    /// Confirm a reservation by hand, which takes its payment as made.
    ConfirmReservation,
    CancelReservation,
    Refund,
    ResendTickets,
    DeleteReservation,
    CheckTickets,
    ReadUsers,
    ManageUsers,
    ReadAuditLog,
    ReadMails,
    RetryMails,
    ReadReports,
    Export,
    ReadHealth,
}

impl Permission {
    pub const ALL: [Self; 21] = [
        Self::ReadConcerts,
        Self::EditConcerts,
        Self::OpenConcerts,
        Self::DeleteConcert,
        Self::CancelConcert,
        Self::UploadPoster,
        Self::ReadReservations,
        Self::ConfirmReservation,
        Self::CancelReservation,
        Self::Refund,
        Self::ResendTickets,
        Self::DeleteReservation,
        Self::CheckTickets,
        Self::ReadUsers,
        Self::ManageUsers,
        Self::ReadAuditLog,
        Self::ReadMails,
        Self::RetryMails,
        Self::ReadReports,
        Self::Export,
        Self::ReadHealth,
    ];

    /// The lowest role that may do it; every higher one may too.
    const fn lowest_role(self) -> Role {
        match self {
            // Reading, and what the people at the door and on the telephone need.
            Self::ReadConcerts
            | Self::ReadReservations
            | Self::CancelReservation
            | Self::ResendTickets
            | Self::CheckTickets
            | Self::ReadMails
            | Self::RetryMails
            | Self::ReadHealth => Role::Moderator,
            // What changes the sale, moves money, shows it, or takes data out of the house.
            Self::EditConcerts
            | Self::OpenConcerts
            | Self::DeleteConcert
            | Self::CancelConcert
            | Self::UploadPoster
            | Self::ConfirmReservation
            | Self::Refund
            | Self::DeleteReservation
            | Self::ReadAuditLog
            | Self::ReadReports
            | Self::Export => Role::Admin,
            // Who may do what.
            Self::ReadUsers | Self::ManageUsers => Role::Superadmin,
        }
    }
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Superadmin, Self::Admin, Self::Moderator];

    /// INVARIANT: the only answer to "may they?"; guarded by `each_role_may_do_exactly_this`.
    pub const fn may(self, permission: Permission) -> bool {
        self.rank() >= permission.lowest_role().rank()
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Moderator => 1,
            Self::Admin => 2,
            Self::Superadmin => 3,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Superadmin => "superadmin",
            Self::Admin => "admin",
            Self::Moderator => "moderator",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a role: superadmin, admin or moderator")]
pub struct InvalidRole;

words! { InvalidRole: Role }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_exactly_this() {
        // superadmin, admin, moderator
        let expected = "
            ReadConcerts        yes yes yes
            EditConcerts        yes yes no
            OpenConcerts        yes yes no
            DeleteConcert       yes yes no
            CancelConcert       yes yes no
            UploadPoster        yes yes no
            ReadReservations    yes yes yes
            ConfirmReservation  yes yes no
            CancelReservation   yes yes yes
            Refund              yes yes no
            ResendTickets       yes yes yes
            DeleteReservation   yes yes no
            CheckTickets        yes yes yes
            ReadUsers           yes no no
            ManageUsers         yes no no
            ReadAuditLog        yes yes no
            ReadMails           yes yes yes
            RetryMails          yes yes yes
            ReadReports         yes yes no
            Export              yes yes no
            ReadHealth          yes yes yes";
        let expected: Vec<String> = expected
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|line| !line.is_empty())
            .collect();
        let found = Permission::ALL.map(|permission| {
            let answers = Role::ALL.map(|role| if role.may(permission) { "yes" } else { "no" });
            format!("{permission:?} {}", answers.join(" "))
        });
        assert_eq!(found.as_slice(), expected);
    }

    #[test]
    fn roles_are_written_as_in_the_database() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        for text in ["", "Admin", "root", "superadmin "] {
            assert_eq!(text.parse::<Role>(), Err(InvalidRole), "{text:?}");
        }
    }
}
