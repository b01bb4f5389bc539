//! The line between one agent and the coordinator: loses, doubles and reorders as the run's weather says, and breaks.

use botswain::dispatch::{Notice, SessionId};
use botswain::runtime::{AgentTask, Published};
use botswain_proto::agent::{AgentMessage, CoordinatorMessage};
use botswain_proto::ids::{Epoch, Fence, JobKey};
use botswain_proto::message::{FromAgent, Task, ToAgent};

/// One connection.
pub(super) struct Line {
    pub(super) agent: usize,
    pub(super) session: SessionId,
    /// The agent uses it still.
    pub(super) agent_side: bool,
    /// The coordinator uses it still.
    pub(super) coordinator_side: bool,
    /// Sync was said: nothing of the coordinator leaves before it.
    pub(super) greeted: bool,
    pub(super) waiting: Vec<ToAgent>,
    /// The last arrivals, for lines that keep the order.
    pub(super) up_at: u64,
    pub(super) down_at: u64,
}

impl Line {
    pub(super) fn new(agent: usize, session: SessionId) -> Line {
        Line {
            agent,
            session,
            agent_side: true,
            coordinator_side: true,
            greeted: false,
            waiting: Vec::new(),
            up_at: 0,
            down_at: 0,
        }
    }
}

/// What goes over the wire, and comes back as it was.
pub(super) fn over_the_wire_up(message: FromAgent) -> FromAgent {
    let wire = AgentMessage::from(message.clone());
    let read = FromAgent::try_from(wire).expect("what an agent says can be read");
    assert_eq!(read, message, "a message comes as it was sent");
    read
}

/// What goes over the wire, and comes back as it was.
pub(super) fn over_the_wire_down(message: ToAgent) -> ToAgent {
    ToAgent::try_from(CoordinatorMessage::from(message))
        .expect("what the coordinator says can be read")
}

/// The messages to agents in what became durable, each with its connection.
pub(super) fn messages(published: &mut Published) -> Vec<(SessionId, ToAgent)> {
    let tasks = std::mem::take(&mut published.tasks);
    let notices = std::mem::take(&mut published.notices);
    let tasks = tasks
        .into_iter()
        .map(|task| (task.session, ToAgent::Task(Box::new(offer(task)))));
    let notices = notices.into_iter().map(|notice| match notice {
        Notice::Cancel {
            session, cancel, ..
        } => (session, ToAgent::Cancel(cancel)),
        Notice::Sync { session, sync, .. } => (session, ToAgent::Sync(sync)),
    });
    tasks.chain(notices).collect()
}

fn offer(task: AgentTask) -> Task {
    let AgentTask {
        job, offer, epoch, ..
    } = task;
    Task {
        attempt: offer.attempt,
        job: JobKey(job.key.as_i64()),
        fence: Fence(job.fence),
        epoch: Epoch(epoch),
        secrets: Vec::new(),
        work: offer
            .work
            .expect("an agent's offer says what is to be done"),
        input: job.variables.into_bytes().into(),
        effect: offer.effect,
        limits: offer.limits,
        on_lost: offer.on_lost,
        labels: Vec::new(),
        trace: String::new(),
        process_id: job.process_id.to_string(),
        instance_key: job.instance.as_i64(),
        job_type: offer.job_type.to_string(),
        locks: Vec::new(),
    }
}
