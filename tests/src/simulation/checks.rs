//! The checks: what the log of commits tells, compared with what clients were told and with the outside world.

use super::demands::{Demand, Kind};
use super::store::{Committed, Disk};
use super::world::World;
use botswain_engine::{Event, Key, SegmentId};
use botswain_proto::ids::JobKey;
use botswain_store::rows::{AttemptState, LegKind, Put};
use std::collections::{BTreeMap, BTreeSet};

/// Jobs of these types leave something behind in the outside world.
const WITH_EFFECT: [&str; 7] = ["pay", "pay2", "print", "look", "read", "call", "mail"];
/// Of these, the ones that must not be repeated without a person's word.
const ONCE: [&str; 4] = ["pay", "pay2", "look", "call"];

/// What was committed, read as a story.
#[derive(Default)]
pub(super) struct Story {
    pub(super) instances: BTreeMap<String, Vec<Key>>,
    pub(super) ended: BTreeSet<Key>,
    pub(super) incidents: BTreeMap<Key, (Key, Option<Key>)>,
    pub(super) persons: BTreeSet<Key>,
    completed: BTreeMap<Key, u32>,
    types: BTreeMap<Key, String>,
    correlated: BTreeMap<Key, u32>,
    messages: BTreeMap<String, BTreeSet<Key>>,
}

impl Story {
    pub(super) fn of(log: &[Committed]) -> Story {
        let mut story = Story::default();
        for batch in log {
            for (id, event) in &batch.events {
                story.hears(*id, event);
            }
            for put in &batch.puts {
                story.sees(put);
            }
        }
        let ended = &story.ended;
        story.incidents.retain(|_, (root, _)| !ended.contains(root));
        story
    }

    fn hears(&mut self, id: SegmentId, event: &Event) {
        match event {
            Event::InstanceStarted { variables, .. } => {
                let order = variables
                    .get("order")
                    .map(|order| order.as_str().trim_matches('"').to_owned());
                self.instances
                    .entry(order.unwrap_or_default())
                    .or_default()
                    .push(id.root);
            }
            Event::InstanceEnded { .. } => {
                self.ended.insert(id.root);
            }
            Event::JobOpened { job, job_type, .. } => {
                self.types.insert(*job, job_type.to_string());
            }
            Event::JobCompleted { job, .. } => {
                *self.completed.entry(*job).or_default() += 1;
                self.persons.remove(job);
            }
            Event::JobCancelled { job, .. } => {
                self.persons.remove(job);
            }
            Event::IncidentRaised { incident, job, .. } => {
                self.incidents.insert(*incident, (id.root, *job));
            }
            Event::IncidentResolved { incident, .. } => {
                self.incidents.remove(incident);
            }
            Event::UserTaskOpened { task, .. } => {
                self.persons.insert(*task);
            }
            Event::UserTaskCompleted { task, .. } | Event::UserTaskCancelled { task, .. } => {
                self.persons.remove(task);
            }
            Event::MessageCorrelated { .. } => *self.correlated.entry(id.root).or_default() += 1,
            _ => {}
        }
    }

    fn sees(&mut self, put: &Put) {
        match put {
            Put::Message(row) => {
                self.messages
                    .entry(row.correlation_key.to_string())
                    .or_default()
                    .insert(row.key);
            }
            Put::Attempt(row) if row.leg == LegKind::Person => {
                if row.state == AttemptState::Ended {
                    self.persons.remove(&row.job);
                } else {
                    self.persons.insert(row.job);
                }
            }
            _ => {}
        }
    }

    /// Jobs of a type whose effects nobody may repeat silently.
    pub(super) fn may_repeat(&self, job: Key) -> bool {
        self.types
            .get(&job)
            .is_none_or(|job_type| !ONCE.contains(&job_type.as_str()))
    }
}

/// What clients and workers were told.
pub(super) struct Told<'a> {
    pub(super) demands: &'a [Demand],
    /// Jobs whose completion was acknowledged.
    pub(super) done: &'a BTreeSet<Key>,
}

/// What must hold at every moment.
pub(super) fn at_any_time(disk: &Disk, told: &Told<'_>, world: &World) -> Result<(), String> {
    disk.read(|log| {
        let story = Story::of(log);
        acknowledged_is_there(&story, told)?;
        nothing_happened_twice(&story, world)
    })
}

/// What must hold when everything has come to rest.
pub(super) fn at_rest(disk: &Disk, told: &Told<'_>, world: &World) -> Result<(), String> {
    at_any_time(disk, told, world)?;
    disk.read(|log| {
        let story = Story::of(log);
        for (job, times) in &story.completed {
            let job_type = story.types.get(job).map_or("", String::as_str);
            if WITH_EFFECT.contains(&job_type) && world.effects_of(JobKey(job.as_i64())) == 0 {
                return Err(format!(
                    "job {job} of type {job_type} was completed {times} times and never took effect"
                ));
            }
        }
        Ok(())
    })?;
    let dump = disk.dump();
    let left = |table: &str| {
        dump.lines()
            .find(|line| line.starts_with(table))
            .map(str::to_owned)
    };
    for table in ["job ", "timer ", "subscription ", "continuation "] {
        if let Some(row) = left(table) {
            return Err(format!("all instances have ended and a row is left: {row}"));
        }
    }
    for line in dump.lines() {
        let open = line.starts_with("user_task ") && line.contains("state: Open")
            || line.starts_with("incident ") && line.contains("state: Active")
            || line.starts_with("instance ") && line.contains("state: Active")
            || line.starts_with("element ") && line.contains("left_at: None");
        if open {
            return Err(format!(
                "all instances have ended and a row is open: {line}"
            ));
        }
    }
    Ok(())
}

fn acknowledged_is_there(story: &Story, told: &Told<'_>) -> Result<(), String> {
    for demand in told.demands {
        match (&demand.kind, demand.told) {
            (Kind::Start { order, .. }, told) => {
                let there = story.instances.get(order).map_or(&[][..], Vec::as_slice);
                if there.len() > 1 {
                    return Err(format!("order {order} was started {} times", there.len()));
                }
                if let Some(key) = told
                    && there != [key]
                {
                    return Err(format!(
                        "order {order} was acknowledged as {key}, and {there:?} is there"
                    ));
                }
            }
            (Kind::Publish { order }, told) => {
                let there = story.messages.get(order).map_or(0, BTreeSet::len);
                if there > 1 {
                    return Err(format!("the message of {order} is there {there} times"));
                }
                if told.is_some() && there == 0 {
                    return Err(format!(
                        "the message of {order} was acknowledged and is not there"
                    ));
                }
            }
        }
    }
    for job in told.done {
        if story.completed.get(job) != Some(&1) {
            return Err(format!(
                "the completion of job {job} was acknowledged and is not there"
            ));
        }
    }
    Ok(())
}

fn nothing_happened_twice(story: &Story, world: &World) -> Result<(), String> {
    for (job, times) in &story.completed {
        if *times > 1 {
            return Err(format!("job {job} was completed {times} times"));
        }
    }
    for (root, times) in &story.correlated {
        if *times > 1 {
            return Err(format!("instance {root} got its message {times} times"));
        }
    }
    for (job, times) in world.effects() {
        let key = Key::from_u64(job.0.cast_unsigned());
        if !story.may_repeat(key) && times > world.allowed(job) {
            let job_type = story.types.get(&key).map_or("", String::as_str);
            return Err(format!(
                "job {key} of type {job_type} took effect {times} times, and {} were allowed",
                world.allowed(job)
            ));
        }
    }
    Ok(())
}
