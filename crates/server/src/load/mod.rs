//! The load generator: crowds of buyers over plain HTTP/1.1, in one thread beside what they load.
//!
//! [`Crowd::send`] sends a crowd as a [`Plan`] describes it and gives a [`Report`]; `stagedoor rush`
//! judges that report with the database's help. [`hammer`] repeats one request as fast as it can.
//! Absent on purpose: SQL and verdicts; a buyer only knows what the answers say.
//!
//! ```no_run
//! use stagedoor::load::{Crowd, Plan};
//!
//! # async fn rush() -> Result<(), Box<dyn std::error::Error>> {
//! let plan = Plan {
//!     concurrency: 64,
//!     ..Plan::new("127.0.0.1:8080".parse()?, 1, 10_000, "spring")
//! };
//! let report = Crowd::send(plan)?.report().await?;
//! println!("{} admitted, p99 {} ms", report.counts.admitted, report.admitted.quantile_ms(0.99));
//! # Ok(())
//! # }
//! ```

mod connection;
mod crowd;
mod hammer;
mod line;
mod plan;
mod story;
mod tally;
mod watch;
mod wish;
mod world;

pub use connection::{Answer, Connection};
pub use crowd::{Crowd, CrowdError, Progress, Report};
pub use hammer::{Hammered, hammer};
pub use plan::{BUYERS_MAX, Plan};
pub use story::{Contradiction, ContradictionKind, Fate};
pub use tally::{Counts, Sample, Times};
pub use watch::Watched;
