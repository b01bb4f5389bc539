//! Dispatch: which job goes to whom, and what the answer means. Pure: time, seeds and conditions are passed in.

mod agents;
mod assign;
mod attempt;
mod deadlines;
mod desk;
mod events;
mod expiry;
mod explain;
mod known;
mod outbox;
mod place;
mod queue;
mod reconcile;
mod recover;
mod route;
mod workers;

#[cfg(test)]
mod tests;

pub use agents::{AgentView, BotPackage, HelloRefused};
pub use assign::{Assignment, Offer, To};
pub use attempt::{AttemptRow, AttemptState, End, HolderName};
pub use desk::{Closed, Desk, Facts, Job, Now, ResultRefused, Settings};
pub use events::{Answer, Decided, Decision};
pub use expiry::Expired;
pub use explain::{Lack, Why};
pub use outbox::{Audit, Change, Notice, Outbox, Refill};
pub use queue::Rank;
pub use recover::{StoredHold, StoredJob};
pub use route::{Leg, LegError, LegKind, Limits, Route, RouteError};
pub use workers::{SessionId, SubscribeRefused, Subscription};
