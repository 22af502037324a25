//! On whose behalf a transaction runs, and where the request came from: what row-level security
//! decides by, and what the audit log keeps.

use std::net::IpAddr;

use domain::actor::Actor;
use tokio_postgres::Error;
use uuid::Uuid;

use crate::connection::Connection;
use crate::generated::queries::acting as statements;

/// Who acts, from where, in which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acting {
    pub actor: Actor,
    /// Of the client; `None` where there is none, as in a job.
    pub address: Option<IpAddr>,
    pub request_id: Option<Uuid>,
}

impl Acting {
    /// Somebody whose address and request nobody knows.
    pub const fn new(actor: Actor) -> Self {
        Self {
            actor,
            address: None,
            request_id: None,
        }
    }

    /// The product itself, by the name of the part that acts.
    pub const fn system(part: &'static str) -> Self {
        Self::new(Actor::System(part))
    }

    /// Somebody at the server's command line who has not said who they are.
    pub const fn cli() -> Self {
        Self::new(Actor::Cli(None))
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

    /// As in `audit_logs.actor`, and for a customer what rows are told by.
    fn name(&self) -> String {
        match &self.actor {
            Actor::Customer(email) => email.as_str().to_owned(),
            Actor::Holder(id) => id.as_str().to_owned(),
            Actor::System(name) | Actor::Job(name) => (*name).to_owned(),
            // Known by their account; at the command line, by the login of its connection.
            Actor::Staff(_) | Actor::Cli(_) => String::new(),
        }
    }
}
