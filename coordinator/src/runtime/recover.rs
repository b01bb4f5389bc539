//! Recovery: what memory holds is built from the store, at the start and after a batch whose outcome is unknown.

use super::cache::Cache;
use super::definitions::Definitions;
use super::messages::Overlay;
use super::timers::Timers;
use super::writer::Writer;
use crate::dispatch::{
    AttemptRow, BotPackage, Decided, Desk, Job, Now, Route, Settings, StoredHold, StoredJob,
};
use botswain_engine::{Key, KeySource, SegmentId};
use botswain_proto::package::Package;
use botswain_store::StoreError;
use botswain_store::rows::{JobRow, LegKind};
use smol_str::SmolStr;

/// How many rows one look takes.
const LOOK_MAX: usize = 1_000;

impl Writer {
    /// Takes the partition over, again or for the first time.
    pub(super) fn recover(&mut self, now: Now) -> Result<(), StoreError> {
        self.cache.clear();
        self.sessions.close_all();
        self.continues.clear();
        self.queued.clear();
        self.dirty.clear();
        self.repeated.clear();
        self.redeemed.clear();
        self.replies.clear();
        self.assignments.clear();
        self.warnings.clear();
        self.wanted_refills.clear();
        self.fresh_instances.clear();
        self.cache = Cache::default();
        self.definitions = Definitions::default();
        self.messages = Overlay::default();
        self.timers = Timers::unread();
        let recovered = self.store.recover(self.settings.part)?;
        self.epoch = recovered.epoch;
        self.seq = recovered.seq;
        self.keys = KeySource::new(self.settings.part, recovered.keys_used);
        self.now = Now {
            mono: now.mono,
            wall: now.wall.max(recovered.clock),
        };
        self.desk = Desk::new(Settings {
            epoch: self.epoch,
            ..self.settings.desk
        });
        self.batch.begin(self.epoch, self.seq + 1);
        self.read_definitions()?;
        self.read_desk()?;
        let decided = self.read_jobs()?;
        for root in recovered.continuations {
            if self.queued.insert(root) {
                self.continues.push_back(root);
            }
        }
        while self.timers.wants_read() {
            self.timers.read(self.store.as_mut(), self.settings.part)?;
        }
        // The next turn writes what recovery decided, in its own batch.
        self.resumed.decided = decided;
        Ok(())
    }

    fn read_definitions(&mut self) -> Result<(), StoreError> {
        let mut after: Option<Key> = None;
        loop {
            let rows = self.store.definitions(after, LOOK_MAX)?;
            for row in &rows {
                self.definitions.know(row);
            }
            match rows.last() {
                Some(last) if rows.len() == LOOK_MAX => after = Some(last.key),
                _ => return Ok(()),
            }
        }
    }

    fn read_desk(&mut self) -> Result<(), StoreError> {
        for row in self.store.agents()? {
            let Ok(agent) = row.id.parse() else { continue };
            if row.revoked_at.is_some() {
                self.desk.enrolled(agent, Vec::new(), None);
                if let Ok(agent) = row.id.parse() {
                    self.desk.revoke(&agent);
                }
                continue;
            }
            let labels: Vec<SmolStr> = serde_json::from_str(&row.labels).unwrap_or_default();
            self.desk
                .enrolled(agent, labels, journal_of(row.capabilities.as_deref()));
        }
        for row in self.store.packages()? {
            let Some(whole) = self.store.package(row.digest)? else {
                continue;
            };
            match Package::unpack(&whole.bytes) {
                Ok(package) => {
                    let digest = botswain_proto::ids::Digest(row.digest.0);
                    self.desk
                        .set_bot(BotPackage::of(package.manifest(), digest));
                }
                Err(problems) => {
                    tracing::error!(name = %row.name, version = %row.version, ?problems, "a stored bot package cannot be read");
                }
            }
        }
        for row in self.store.routes()? {
            let version = u64::from(row.version);
            let route = match &row.json {
                Some(json) => serde_json::from_str(json).map_err(|error| {
                    StoreError::Database(format!(
                        "the route of {} cannot be read: {error}",
                        row.job_type
                    ))
                })?,
                None => Route {
                    version,
                    ..Route::implicit(row.job_type.clone())
                },
            };
            self.desk.set_route(route);
        }
        for (name, (slots, effect)) in self.connectors.clone() {
            self.desk.set_connector(name, slots, effect);
        }
        Ok(())
    }

    fn read_jobs(&mut self) -> Result<Vec<Decided>, StoreError> {
        let mut decided = Vec::new();
        let mut after = None;
        loop {
            let rows = self.store.held_jobs(self.settings.part, after, LOOK_MAX)?;
            let (count, last) = (rows.len(), rows.last().map(|row| row.key));
            for row in rows {
                let hold = self.hold_of(&row)?;
                let stored = StoredJob {
                    job: stored_job(&row),
                    leg: None,
                    hold,
                };
                decided.extend(self.desk.restore(stored, self.now));
            }
            if count < LOOK_MAX {
                break;
            }
            after = last;
        }
        let mut name = String::new();
        loop {
            let types = self
                .store
                .open_job_types(self.settings.part, &name, LOOK_MAX)?;
            for job_type in &types {
                self.desk.waits_in_store(job_type);
            }
            match types.last() {
                Some(last) if types.len() == LOOK_MAX => name = last.to_string(),
                _ => break,
            }
        }
        let outbox = self.desk.take_outbox();
        self.resumed.changes = outbox.changes;
        self.wanted_refills.extend(outbox.refills);
        self.refill();
        Ok(decided)
    }

    fn hold_of(&mut self, row: &JobRow) -> Result<StoredHold, StoreError> {
        let Some(held) = &row.held else {
            return Ok(StoredHold::Free);
        };
        if held.leg == LegKind::Worker {
            return Ok(StoredHold::Worker {
                lease_until: held.lease_until.unwrap_or(0),
            });
        }
        let attempt = self.store.attempt(self.settings.part, held.attempt)?;
        let row: Option<AttemptRow> =
            attempt.and_then(|row| serde_json::from_str(&row.details).ok());
        // Without the attempt's own row nobody can say what became of it.
        Ok(row.map_or(StoredHold::Suspended, |row| {
            StoredHold::Attempt(Box::new(row))
        }))
    }
}

/// The journal that an agent was last seen with.
fn journal_of(capabilities: Option<&str>) -> Option<String> {
    let capabilities: serde_json::Value = serde_json::from_str(capabilities?).ok()?;
    Some(capabilities["journalId"].as_str()?.to_owned())
}

fn stored_job(row: &JobRow) -> Job {
    Job {
        key: row.key,
        segment: SegmentId {
            root: row.root,
            number: row.segment,
        },
        token: row.token,
        job_type: row.job_type.clone(),
        priority: 0,
        retries: row.retries,
        available_at: row.retry_at.unwrap_or(0),
        fence: row.fence,
    }
}
