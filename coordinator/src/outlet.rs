//! The outlet: what became durable goes to agents and connectors. It runs on the writer's thread and never waits.

use crate::connectors::Connectors;
use crate::dispatch::Notice;
use crate::fleet::{Admission, Lines};
use crate::runtime::{AgentTask, Outlet, Published, Runtime};
use botswain_proto::ids::{Epoch, Fence, JobKey};
use botswain_proto::message::{Secret, Task, ToAgent};
use std::sync::{Arc, OnceLock};
use tokio::runtime::Handle;

/// The way out to agents and connectors.
pub(crate) struct Out {
    /// The agents' connections.
    pub(crate) lines: Lines,
    /// Who may speak.
    pub(crate) admission: Arc<Admission>,
    /// The coordinator's own legs.
    pub(crate) connectors: Connectors,
    /// Where calls run.
    pub(crate) threads: Handle,
    /// The writer, known once it has started.
    pub(crate) runtime: Arc<OnceLock<Runtime>>,
}

impl Outlet for Out {
    fn leave(&mut self, published: Published) {
        if published.starts_anew {
            // What agents were told may not have happened: they connect again and compare.
            self.lines.hang_up_all();
        }
        for agent in &published.revoked {
            self.admission.revoke(agent);
        }
        for task in published.tasks {
            let session = task.session;
            // An offer that does not arrive is made again when the agent has not accepted it in time.
            if let Err(error) = self
                .lines
                .send(session, ToAgent::Task(Box::new(self.task(task))))
            {
                tracing::debug!(session = session.0, %error, "an offer was not sent");
            }
        }
        for notice in published.notices {
            let (session, message) = match notice {
                Notice::Cancel {
                    session, cancel, ..
                } => (session, ToAgent::Cancel(cancel)),
                Notice::Sync { session, sync, .. } => (session, ToAgent::Sync(sync)),
            };
            if let Err(error) = self.lines.send(session, message) {
                tracing::debug!(session = session.0, %error, "a message was not sent");
            }
        }
        if let Some(runtime) = self.runtime.get() {
            for call in published.calls {
                self.threads
                    .spawn(self.connectors.clone().run(runtime.clone(), call));
            }
        }
    }
}

impl Out {
    fn task(&self, task: AgentTask) -> Task {
        let AgentTask {
            job, offer, epoch, ..
        } = task;
        let secrets = offer.secrets.iter().filter_map(|name| {
            // A bot that needs a secret which is not there says so itself, by name.
            let value = self.connectors.secret(name)?.to_owned();
            Some(Secret {
                name: name.to_string(),
                value,
            })
        });
        Task {
            attempt: offer.attempt,
            job: JobKey(job.key.as_i64()),
            fence: Fence(job.fence),
            epoch: Epoch(epoch),
            secrets: secrets.collect(),
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
}
