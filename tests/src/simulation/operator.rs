//! The people of the simulation: they do what they are asked, look at the outside world, and decide what nobody else may.

use super::checks::Story;
use super::coordinator::{Who, nothing_to_add};
use super::scheduler::Simulation;
use botswain::runtime::Ask;
use botswain_proto::ids::JobKey;
use rand::Rng;

impl Simulation {
    /// Everybody looks at what waits for them.
    pub(super) fn people_look(&mut self) {
        let story = self.disk.read(Story::of);
        let eager = if self.calm { 1.0 } else { 0.3 };
        for task in &story.persons {
            if self.rng.random_bool(eager) {
                let ask = Ask::CompleteUserTask {
                    task: *task,
                    variables: nothing_to_add(),
                };
                self.coordinator.ask(ask, Who::Nobody, None);
            }
        }
        for (incident, (root, job)) in &story.incidents {
            if !self.rng.random_bool(eager) {
                continue;
            }
            self.figures.decisions += 1;
            let Some(job) = job else {
                self.coordinator.ask(
                    Ask::ResolveIncident {
                        incident: *incident,
                    },
                    Who::Nobody,
                    None,
                );
                continue;
            };
            let key = JobKey(job.as_i64());
            if self.world.effects_of(key) > 0 && !story.may_repeat(*job) {
                // It happened, and must not happen again: this instance is done by hand.
                self.coordinator
                    .ask(Ask::CancelInstance { instance: *root }, Who::Nobody, None);
                continue;
            }
            // Her word lets it be done once more, whatever else may still be under way.
            self.world.permit(key);
            let retries = Ask::UpdateJob {
                job: *job,
                retries: Some(2),
                timeout_ms: None,
            };
            self.coordinator.ask(retries, Who::Nobody, None);
            self.coordinator.ask(
                Ask::ResolveIncident {
                    incident: *incident,
                },
                Who::Nobody,
                None,
            );
        }
        if self.calm || self.rng.random_bool(0.2) {
            let waiting: Vec<_> = story
                .instances
                .values()
                .flatten()
                .filter(|root| !story.ended.contains(root))
                .collect();
            for root in waiting {
                self.coordinator
                    .ask(Ask::Inspect { instance: *root }, Who::Inspect(*root), None);
            }
        }
        self.soon();
    }
}
