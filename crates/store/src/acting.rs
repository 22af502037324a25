//! On whose behalf a transaction runs, and where the request came from: what row-level security
//! decides by, and what the audit log keeps.

use std::net::IpAddr;

use domain::actor::Actor;
use uuid::Uuid;

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
}
