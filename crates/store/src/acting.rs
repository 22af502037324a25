//! On whose behalf a transaction runs, and where the request came from: what row-level security
//! decides by, and what the audit log keeps.

use std::fmt;
use std::net::IpAddr;

use domain::actor::Actor;
use domain::id::AdminUserId;
use domain::role::{Permission, Role};
use jiff::Timestamp;
use tokio_postgres::Error;
use uuid::Uuid;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::acting as statements;
use crate::sign_in_failures::Digest;

/// Who acts, from where, in which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acting {
    pub actor: Actor,
    /// Of the client; `None` where there is none, as in a job.
    pub address: Option<IpAddr>,
    pub request_id: Option<Uuid>,
    /// What staff act by; `None` for whoever acts by nothing that could be taken away meanwhile.
    pub authority: Option<Authority>,
}

/// A living session of staff, and the permission that its account's role needs; `None` where every
/// role is enough.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Authority {
    pub account: AdminUserId,
    pub token_digest: Digest,
    pub permission: Option<Permission>,
    /// When the session ends whatever happens.
    pub expires_at: Timestamp,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({:?})", self.permission)
    }
}

impl Acting {
    /// Somebody whose address and request nobody knows.
    pub const fn new(actor: Actor) -> Self {
        Self {
            actor,
            address: None,
            request_id: None,
            authority: None,
        }
    }

    /// The product itself, by the name of the part that acts.
    pub const fn system(part: &'static str) -> Self {
        Self::new(Actor::System(part))
    }

    /// Whoever started this process at the server's command line, and which member of staff they say
    /// they are.
    pub fn cli(member: Option<AdminUserId>) -> Self {
        // A user whom the system has no name for, as in some containers, is known by the login.
        let user = whoami::username().unwrap_or_default();
        Self::new(Actor::Cli { user, member })
    }

    /// Has what can be sent before anything depends on it: with its statement prepared, this is
    /// pipelined behind BEGIN.
    pub(crate) async fn prepare(connection: &Connection) -> Result<(), Error> {
        statements::declare().prepare(connection).await.map(drop)
    }

    /// Says so to the transaction that has begun.
    pub(crate) async fn declare(&self, connection: &Connection) -> Result<(), Error> {
        let text = |value: Option<String>| value.unwrap_or_default();
        let user_id = text(self.actor.staff_id().map(|id| id.get().to_string()));
        let address = text(self.address.map(|address| address.to_string()));
        let request_id = text(self.request_id.map(|id| id.to_string()));
        statements::declare()
            .bind(
                connection,
                &self.actor.kind(),
                &self.name(),
                &user_id,
                &address,
                &request_id,
            )
            .one()
            .await
            .map(drop)
    }

    /// Makes sure that whoever acts still may, and may until the transaction ends: what takes rights
    /// away waits for [`hold`] of the account.
    ///
    /// INVARIANT: locks are taken in the order rows of accounts, accounts' sessions, failures of
    /// sign-ins, all failures at once, so that nobody waits in a circle. What ends sessions does so
    /// before it writes anything: whoever acts in one of them refers to the account in the audit
    /// log. Guarded by `superadmins_who_change_accounts_at_once_do_not_wait_in_a_circle`,
    /// `who_ends_a_session_lets_what_is_under_way_in_it_end_first` and
    /// `whoever_ends_sessions_has_not_locked_failures_yet`.
    pub async fn confirm(&self, connection: &Connection) -> Result<(), StoreError> {
        if let Some(authority) = &self.authority {
            statements::share_account()
                .bind(connection, &authority.account.get())
                .one()
                .await?;
        }
        self.check(connection).await
    }

    /// Makes sure that whoever acts may at this moment, which is enough to read.
    pub async fn check(&self, connection: &Connection) -> Result<(), StoreError> {
        let Some(authority) = &self.authority else {
            return Ok(());
        };
        match authority.find_denial(connection).await? {
            Some(denial) => Err(denial),
            None => Ok(()),
        }
    }

    /// Makes sure that the session isn't over, for what may outlast it: whoever begins something short
    /// has just been found by it.
    pub fn check_time(&self, now: Timestamp) -> Result<(), StoreError> {
        match &self.authority {
            Some(authority) if authority.expires_at <= now => {
                Err(StoreError::NotAllowed { role: None })
            }
            _ => Ok(()),
        }
    }

    /// As in `audit_logs.actor`, and for a customer what rows are told by.
    fn name(&self) -> String {
        match &self.actor {
            Actor::Customer(email) => email.as_str().to_owned(),
            Actor::Holder(id) => id.as_str().to_owned(),
            Actor::System(name) | Actor::Job(name) => (*name).to_owned(),
            Actor::Cli { user, .. } => user.clone(),
            // Known by their account.
            Actor::Staff(_) => String::new(),
        }
    }
}

/// Waits until nothing is under way in an account's sessions, and keeps others from beginning
/// anything until the transaction ends. The account's row is locked already.
pub(crate) async fn hold(connection: &Connection, account: AdminUserId) -> Result<(), StoreError> {
    statements::hold_account()
        .bind(connection, &account.get())
        .one()
        .await?;
    Ok(())
}

impl Authority {
    async fn find_denial(&self, connection: &Connection) -> Result<Option<StoreError>, StoreError> {
        let found = statements::find_authority()
            .bind(connection, &self.token_digest.as_slice())
            .opt()
            .await?;
        let Some(row) = found.filter(|row| row.is_active) else {
            return Ok(Some(StoreError::NotAllowed { role: None }));
        };
        let role = row.role.parse().map_err(|_| StoreError::Unreadable {
            table: "admin_users",
            detail: format!("role {:?}", row.role),
        })?;
        let has_role = self.permission.is_none_or(|wanted| Role::may(role, wanted));
        Ok(match (has_role, row.is_revoked) {
            (false, _) => Some(StoreError::NotAllowed { role: Some(role) }),
            (true, true) => Some(StoreError::NotAllowed { role: None }),
            (true, false) => None,
        })
    }
}
