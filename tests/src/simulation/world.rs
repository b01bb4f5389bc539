//! The outside world: what really happened, counted where no journal and no database can be wrong about it.

use botswain_proto::ids::JobKey;
use botswain_proto::message::Task;
use std::collections::BTreeMap;

/// Effects by job, and what a person allowed to be repeated.
#[derive(Default)]
pub(super) struct World {
    effects: BTreeMap<JobKey, u32>,
    permits: BTreeMap<JobKey, u32>,
}

impl World {
    pub(super) fn takes_effect(&mut self, task: &Task) {
        self.happens(task.job);
    }

    pub(super) fn happens(&mut self, job: JobKey) {
        *self.effects.entry(job).or_default() += 1;
    }

    pub(super) fn permit(&mut self, job: JobKey) {
        *self.permits.entry(job).or_default() += 1;
    }

    pub(super) fn effects_of(&self, job: JobKey) -> u32 {
        self.effects.get(&job).copied().unwrap_or(0)
    }

    /// How often the effect may be there.
    pub(super) fn allowed(&self, job: JobKey) -> u32 {
        1 + self.permits.get(&job).copied().unwrap_or(0)
    }

    pub(super) fn effects(&self) -> impl Iterator<Item = (JobKey, u32)> {
        self.effects.iter().map(|(job, times)| (*job, *times))
    }
}
