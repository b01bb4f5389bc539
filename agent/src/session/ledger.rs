//! The ledger: what the journal amounts to. Records are the only way it changes, live and at a restart alike.

use std::collections::{BTreeMap, VecDeque};

use botswain_proto::ids::{AttemptId, Epoch, Fence, JobKey, Seq};
use botswain_proto::message::{EffectClass, Happened, OpenAttempt, Reason, State, Task, TaskEvent};

use super::record::{Record, Stamp};

/// How many ended jobs are remembered, so that an old offer never runs again.
const REMAINS_MAX: usize = 4_096;
/// Bytes of results kept with them; an older end is remembered without its result.
const REMAINS_BYTES_MAX: usize = 1024 * 1024;

/// How far an open attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Accepted, not begun.
    Received,
    /// Begun.
    Started(Stamp),
    /// Past the point where it may have taken effect.
    Committed(Stamp),
}

/// An open attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The task without its secrets.
    pub task: Task,
    /// True when secrets came with it.
    pub had_secrets: bool,
    /// What a repetition does.
    pub effect: EffectClass,
    /// How far it has come.
    pub phase: Phase,
    /// When it arrived.
    pub received: Stamp,
    /// How often it was begun.
    pub runs: u32,
}

/// What remains of a job whose attempt is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Tombstone {
    /// The highest fence.
    pub fence: Fence,
    /// Its attempt.
    pub attempt: AttemptId,
    /// How it ended; `None` when nobody waits for it.
    pub end: Option<Box<TaskEvent>>,
}

/// What the journal amounts to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    journal_id: String,
    last_seq: Seq,
    epoch: Epoch,
    open: BTreeMap<AttemptId, Entry>,
    outbox: BTreeMap<Seq, TaskEvent>,
    remains: BTreeMap<JobKey, Tombstone>,
    /// Jobs in `remains`, oldest end first.
    ages: VecDeque<JobKey>,
    live_bytes: usize,
}

impl Ledger {
    /// Folds records into what they amount to.
    pub fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut ledger = Self::default();
        for record in records {
            ledger.apply(record);
        }
        ledger
    }

    /// Name of the journal.
    pub fn journal_id(&self) -> &str {
        &self.journal_id
    }

    /// Highest event number given out.
    pub fn last_seq(&self) -> Seq {
        self.last_seq
    }

    /// The next event number.
    pub(super) fn next_seq(&self) -> Seq {
        Seq(self.last_seq.0 + 1)
    }

    /// Highest term of a coordinator.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Attempts that are not over.
    pub fn open(&self) -> &BTreeMap<AttemptId, Entry> {
        &self.open
    }

    /// Events without a receipt.
    pub fn outbox(&self) -> &BTreeMap<Seq, TaskEvent> {
        &self.outbox
    }

    /// What remains of a job.
    pub fn remains(&self, job: JobKey) -> Option<&Tombstone> {
        self.remains.get(&job)
    }

    /// The highest fence of a job seen here, and its attempt.
    pub(super) fn highest(&self, job: JobKey) -> Option<(Fence, AttemptId)> {
        let ended = self
            .remains
            .get(&job)
            .map(|tomb| (tomb.fence, tomb.attempt));
        let open = self
            .open
            .values()
            .filter(|entry| entry.task.job == job)
            .map(|entry| (entry.task.fence, entry.task.attempt))
            .max();
        ended.max(open)
    }

    /// The job of an attempt that is over and remembered.
    pub(super) fn job_of_ended(&self, attempt: AttemptId) -> Option<JobKey> {
        self.remains
            .iter()
            .find(|(_, tomb)| tomb.attempt == attempt)
            .map(|(job, _)| *job)
    }

    /// Bytes of open attempts and unreported events, about what a snapshot must hold.
    pub fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    /// Attempts as the coordinator should see them: open ones, and ends that wait for a receipt.
    pub fn open_attempts(&self) -> Vec<OpenAttempt> {
        let open = self.open.values().map(|entry| OpenAttempt {
            attempt: entry.task.attempt,
            job: entry.task.job,
            fence: entry.task.fence,
            state: match entry.phase {
                Phase::Received => State::Accepted,
                Phase::Started(_) | Phase::Committed(_) => State::Started,
            },
        });
        let ended = self
            .outbox
            .values()
            .filter(|event| event.state.is_end())
            .map(|event| OpenAttempt {
                attempt: event.attempt,
                job: event.job,
                fence: event.fence,
                state: event.state,
            });
        open.chain(ended)
            .take(botswain_proto::limits::OPEN_MAX)
            .collect()
    }

    /// The records that amount to this ledger.
    pub fn snapshot(&self) -> Vec<Record> {
        let mut records = vec![
            Record::Opened {
                journal_id: self.journal_id.clone(),
            },
            Record::Epoch { epoch: self.epoch },
        ];
        for job in &self.ages {
            if let Some(tomb) = self.remains.get(job) {
                records.push(Record::Remains {
                    job: *job,
                    fence: tomb.fence,
                    attempt: tomb.attempt,
                    event: tomb.end.clone(),
                });
            }
        }
        for entry in self.open.values() {
            records.push(Record::Received {
                task: Box::new(entry.task.clone()),
                had_secrets: entry.had_secrets,
                effect: entry.effect,
                seq: Seq(0),
                at: entry.received,
            });
            let (begun, committed) = match entry.phase {
                Phase::Received => (None, false),
                Phase::Started(at) => (Some(at), false),
                Phase::Committed(at) => (Some(at), true),
            };
            if let Some(at) = begun {
                for _ in 0..entry.runs.max(1) {
                    records.push(Record::Started {
                        attempt: entry.task.attempt,
                        seq: Seq(0),
                        at,
                    });
                }
            }
            if committed {
                records.push(Record::Committed {
                    attempt: entry.task.attempt,
                });
            }
        }
        for event in self.outbox.values() {
            records.push(Record::Pending {
                event: Box::new(event.clone()),
            });
        }
        records.push(Record::Counter { seq: self.last_seq });
        records
    }

    /// Follows one record. A record that does not fit what came before changes nothing: journals of crashed agents end anywhere.
    pub(super) fn apply(&mut self, record: &Record) {
        match record {
            Record::Opened { journal_id } => self.journal_id.clone_from(journal_id),
            Record::Received {
                task,
                had_secrets,
                effect,
                seq,
                at,
            } => {
                let mut task = (**task).clone();
                task.secrets.clear();
                self.live_bytes += task_size(&task);
                self.post(*seq, || event(&task, *seq, State::Accepted));
                self.open.insert(
                    task.attempt,
                    Entry {
                        task,
                        had_secrets: *had_secrets,
                        effect: *effect,
                        phase: Phase::Received,
                        received: *at,
                        runs: 0,
                    },
                );
            }
            Record::Started { attempt, seq, at } => {
                let Some(entry) = self.open.get_mut(attempt) else {
                    return;
                };
                entry.runs += 1;
                entry.phase = Phase::Started(*at);
                let note = event(&entry.task, *seq, State::Started);
                self.post(*seq, || note);
            }
            Record::Committed { attempt } => {
                if let Some(entry) = self.open.get_mut(attempt)
                    && let Phase::Started(at) = entry.phase
                {
                    entry.phase = Phase::Committed(at);
                }
            }
            Record::Refused { event } | Record::Finished { event } => {
                self.drop_open(event.attempt);
                self.post(event.seq, || (**event).clone());
                self.bury(event.job, event.fence, event.attempt, Some(event.clone()));
            }
            Record::Reported { seq } => {
                if let Some(event) = self.outbox.remove(seq) {
                    self.live_bytes = self.live_bytes.saturating_sub(event_size(&event));
                }
            }
            Record::Closed { attempt } => {
                let of_attempt: Vec<Seq> = self
                    .outbox
                    .values()
                    .filter(|event| event.attempt == *attempt)
                    .map(|event| event.seq)
                    .collect();
                for seq in of_attempt {
                    self.apply(&Record::Reported { seq });
                }
                if let Some(entry) = self.drop_open(*attempt) {
                    self.bury(entry.task.job, entry.task.fence, *attempt, None);
                }
            }
            Record::Epoch { epoch } => self.epoch = self.epoch.max(*epoch),
            Record::Remains {
                job,
                fence,
                attempt,
                event,
            } => self.bury(*job, *fence, *attempt, event.clone()),
            Record::Pending { event } => self.post(event.seq, || (**event).clone()),
            Record::Counter { seq } => self.last_seq = self.last_seq.max(*seq),
            Record::SnapshotEnd => {}
        }
    }

    fn drop_open(&mut self, attempt: AttemptId) -> Option<Entry> {
        let entry = self.open.remove(&attempt)?;
        self.live_bytes = self.live_bytes.saturating_sub(task_size(&entry.task));
        Some(entry)
    }

    fn post(&mut self, seq: Seq, event: impl FnOnce() -> TaskEvent) {
        if seq == Seq(0) {
            return;
        }
        self.last_seq = self.last_seq.max(seq);
        let event = event();
        self.live_bytes += event_size(&event);
        self.outbox.insert(seq, event);
    }

    fn bury(&mut self, job: JobKey, fence: Fence, attempt: AttemptId, end: Option<Box<TaskEvent>>) {
        if self
            .remains
            .get(&job)
            .is_some_and(|tomb| tomb.fence > fence)
        {
            return;
        }
        let tomb = Tombstone {
            fence,
            attempt,
            end,
        };
        if self.remains.insert(job, tomb).is_some() {
            self.ages.retain(|old| *old != job);
        }
        self.ages.push_back(job);
        while self.ages.len() > REMAINS_MAX {
            if let Some(oldest) = self.ages.pop_front() {
                self.remains.remove(&oldest);
            }
        }
        self.strip_results();
    }

    /// Keeps the newest results within their budget. An end without its result can only be told as unknown.
    fn strip_results(&mut self) {
        let mut budget = REMAINS_BYTES_MAX;
        for job in self.ages.iter().rev() {
            let Some(end) = self
                .remains
                .get_mut(job)
                .and_then(|tomb| tomb.end.as_deref_mut())
            else {
                continue;
            };
            let size = end.result.len();
            if size <= budget {
                budget -= size;
                continue;
            }
            budget = 0;
            end.result = bytes::Bytes::new();
            end.state = State::Unknown;
            end.happened = Some(Happened::Yes);
            end.reason = Some(Reason {
                code: "result_dropped".to_owned(),
                text: "it succeeded, and its result was reported, but is no longer kept here"
                    .to_owned(),
                retryable: false,
                policy_rule: String::new(),
            });
        }
    }
}

fn task_size(task: &Task) -> usize {
    512 + task.input.len()
}

fn event_size(event: &TaskEvent) -> usize {
    512 + event.result.len() + 160 * event.evidence.len()
}

/// An event of a task, without anything but its state.
pub(super) fn event(task: &Task, seq: Seq, state: State) -> TaskEvent {
    TaskEvent {
        attempt: task.attempt,
        job: task.job,
        fence: task.fence,
        seq,
        boot_id: String::new(),
        state,
        reason: None,
        progress: None,
        result: bytes::Bytes::new(),
        result_ref: None,
        queued_ms: 0,
        run_ms: 0,
        tail: None,
        evidence: Vec::new(),
        happened: None,
        bpmn_error: None,
        warnings: Vec::new(),
        replayed: false,
    }
}
