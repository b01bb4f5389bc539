//! The runtime: one writer per partition. Inbox, then step, then commit, then publish; nothing leaves before it is durable.

mod ask;
mod cache;
mod decide;
mod definitions;
mod deployment;
mod fleet_asks;
mod giving;
mod heard;
mod host;
mod inbox;
mod job_asks;
mod messages;
mod process_asks;
mod published;
mod recover;
mod sessions;
mod steps;
mod timers;
mod user_task_asks;
mod watch;
mod writer;

pub use ask::{
    Activated, Answer, Ask, AwaitEnd, Created, Deployed, ProcessRef, Refusal, RefusalKind, ReplyTo,
    Request,
};
pub use definitions::Definition;
pub use deployment::{Deployment, Resource};
pub use host::{NoOutlet, Outlet, Runtime, StartError};
pub use inbox::{Class, Inbox};
pub use published::{AgentTask, ConnectorCall, GivenJob, Published};
pub use sessions::SessionOut;
pub use writer::{Settings, Turned, Writer};
