//! Steps: one command of one instance, from the store into memory and into the batch.

use super::ask::{Refusal, RefusalKind};
use super::cache::Cached;
use super::definitions::Definition;
use super::writer::Writer;
use botswain_engine::{Command, Decided, Env, Instance, Key, Rejection, SegmentId};
use botswain_store::{StoreError, rebuild};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

impl Writer {
    /// Runs one command of an instance; a panic is undone alone, and its instance is durably marked stopped.
    pub(super) fn run(&mut self, id: SegmentId, command: Command) -> Result<(), Failure> {
        self.load_path(id)?;
        let definition = match self.cache.get(id.root) {
            Some(cached) => Arc::clone(&cached.definition),
            None => {
                return Err(Failure::Rejected(Rejection::NotFound {
                    what: "process instance",
                    key: id.root,
                }));
            }
        };
        match self.step(id, &definition, command) {
            Ok(Ok(decided)) => {
                self.accept(id.root, &definition, decided);
                Ok(())
            }
            Ok(Err(rejection)) => Err(Failure::Rejected(rejection)),
            Err(panic) => {
                self.stop(id.root, &definition, &panic)?;
                Err(Failure::Refused(Refusal::new(
                    RefusalKind::Internal,
                    format!(
                        "instance '{}' was stopped after an internal error: {panic}",
                        id.root
                    ),
                )))
            }
        }
    }

    fn step(
        &mut self,
        id: SegmentId,
        definition: &Definition,
        command: Command,
    ) -> Result<Result<Decided, Rejection>, String> {
        let seed = self.fresh_seed();
        let cached = self
            .cache
            .get_mut(id.root)
            .expect("the path was loaded a moment ago");
        let env = Env {
            now: self.now.wall,
            seed,
            keys: &mut self.keys,
        };
        let (process, instance) = (&definition.process, &mut cached.instance);
        catch_unwind(AssertUnwindSafe(|| {
            botswain_engine::step(env, process, instance, id.number, command)
        }))
        .map_err(|panic| panic_text(panic.as_ref()))
    }

    /// What the instance decided before this batch stays; what the panicking step had done to memory goes.
    fn stop(
        &mut self,
        root: Key,
        definition: &Arc<Definition>,
        reason: &str,
    ) -> Result<(), Failure> {
        tracing::error!(
            instance = root.as_u64(),
            reason,
            "a step panicked: the instance is stopped"
        );
        self.cache.drop_root(root);
        let id = SegmentId::root(root);
        self.load_path(id)?;
        let stop = Command::Stop {
            reason: reason.to_owned(),
        };
        match self.step(id, definition, stop) {
            Ok(Ok(decided)) => {
                self.accept(root, definition, decided);
                Ok(())
            }
            Ok(Err(rejection)) => Err(Failure::Rejected(rejection)),
            Err(panic) => Err(Failure::Refused(Refusal::new(RefusalKind::Internal, panic))),
        }
    }

    /// Stops an instance after a panic outside of a step.
    pub(super) fn stop_instance(&mut self, root: Key, reason: &str) {
        let Some(definition) = self
            .cache
            .get(root)
            .map(|cached| Arc::clone(&cached.definition))
        else {
            return;
        };
        if let Err(failure) = self.stop(root, &definition, reason) {
            tracing::error!(
                instance = root.as_u64(),
                ?failure,
                "an instance could not be stopped"
            );
        }
    }

    /// Takes what a step decided: into the batch, and to all who listen.
    pub(super) fn accept(&mut self, root: Key, definition: &Arc<Definition>, decided: Decided) {
        let Decided { events, ended } = decided;
        self.batch
            .record(root, definition.key, self.now.wall, &events);
        let mut last = None;
        for (number, event) in &events {
            let id = SegmentId {
                root,
                number: *number,
            };
            self.heard(id, definition, event);
            if last != Some(id) {
                last = Some(id);
                self.touch(id);
            }
        }
        if let Some(ended) = ended {
            self.ended(root, ended.completed, &ended.variables);
            self.cache.drop_root(root);
            self.queued.remove(&root);
        } else if self
            .cache
            .get(root)
            .is_some_and(|cached| cached.instance.has_todo())
            && self.queued.insert(root)
        {
            self.continues.push_back(root);
        }
    }

    fn touch(&mut self, id: SegmentId) {
        let over = self
            .cache
            .get(id.root)
            .and_then(|cached| cached.instance.segment(id.number))
            .is_none_or(botswain_engine::Segment::has_ended);
        if over {
            self.cache.drop_segment(id);
            return;
        }
        self.dirty.insert(id);
    }

    /// Brings a segment and all around it into memory.
    pub(super) fn load_path(&mut self, id: SegmentId) -> Result<(), Failure> {
        let mut number = Some(id.number);
        while let Some(here) = number {
            let here = SegmentId {
                root: id.root,
                number: here,
            };
            if !self.load(here)? {
                return Err(Failure::Rejected(Rejection::NotFound {
                    what: "process instance",
                    key: id.root,
                }));
            }
            number = self
                .cache
                .get(id.root)
                .and_then(|cached| cached.instance.segment(here.number))
                .and_then(|segment| segment.parent())
                .map(|parent| parent.segment);
        }
        Ok(())
    }

    /// Brings one segment into memory; false if there is none, or if it is over.
    fn load(&mut self, id: SegmentId) -> Result<bool, Failure> {
        if self.cache.has(id) {
            return Ok(true);
        }
        let stored = self
            .store
            .load_segment(id)
            .map_err(|error| Failure::Refused(Refusal::unreadable(&error)))?;
        let pending = self.batch.pending(id);
        if stored.is_none() && pending.is_none() {
            return Ok(false);
        }
        let unreadable = |error: StoreError| Failure::Refused(Refusal::unreadable(&error));
        let segment = rebuild(id, &stored.unwrap_or_default(), pending)
            .map_err(|error| unreadable(error.into()))?;
        if segment.has_ended() {
            return Ok(false);
        }
        if self.cache.get(id.root).is_none() {
            let Some(definition) = self.definition_of(id.root, &segment)? else {
                return Ok(false);
            };
            self.cache.insert(
                id.root,
                Cached {
                    instance: Instance::new(),
                    definition,
                },
            );
        }
        if let Some(cached) = self.cache.get_mut(id.root) {
            cached.instance.load(segment);
        }
        self.dirty.insert(id);
        Ok(true)
    }

    fn definition_of(
        &mut self,
        root: Key,
        segment: &botswain_engine::Segment,
    ) -> Result<Option<Arc<Definition>>, Failure> {
        let unreadable = |error: StoreError| Failure::Refused(Refusal::unreadable(&error));
        let key = match segment.header() {
            Some(header) => header.definition,
            None => match self.store.instance(root).map_err(unreadable)? {
                Some(row) => row.definition,
                None => return Ok(None),
            },
        };
        self.definitions
            .get(key, self.store.as_mut())
            .map_err(unreadable)
    }

    /// Lets instances go on with what steps left over: each gets one step, then it is the next one's turn.
    pub(super) fn go_on(&mut self) {
        for _ in 0..self.settings.continues_per_turn.min(self.continues.len()) {
            let Some(root) = self.continues.pop_front() else {
                return;
            };
            if !self.queued.remove(&root) {
                continue;
            }
            if let Err(failure) = self
                .load_needed(root)
                .and_then(|()| self.run(SegmentId::root(root), Command::Continue))
            {
                tracing::warn!(
                    instance = root.as_u64(),
                    ?failure,
                    "an instance does not go on"
                );
            }
        }
    }

    fn load_needed(&mut self, root: Key) -> Result<(), Failure> {
        self.load_path(SegmentId::root(root))?;
        loop {
            let Some(cached) = self.cache.get(root) else {
                return Ok(());
            };
            let missing = botswain_engine::needs(&cached.instance);
            if missing.is_empty() {
                return Ok(());
            }
            for number in missing {
                self.load_path(SegmentId { root, number })?;
            }
        }
    }

    /// Segments with much history are sealed, as they are at the end of the batch; those that nobody touched for long leave
    /// memory, sealed where that saves a replay.
    pub(super) fn leave_memory(&mut self) {
        for id in std::mem::take(&mut self.dirty) {
            let bytes = self.batch.pending(id).map_or(0, <[u8]>::len);
            self.cache.touched(id, bytes);
            if self.cache.take_seal(id) {
                self.seal(id);
            }
        }
        if self.cache.bytes() <= self.settings.cache_bytes_max {
            return;
        }
        // A tenth more than needed, so that this isn't done for every batch.
        for (id, seal) in self.cache.leaving(self.settings.cache_bytes_max / 10 * 9) {
            if seal {
                self.seal(id);
            }
            self.cache.drop_segment(id);
        }
    }

    fn seal(&mut self, id: SegmentId) {
        if let Some(segment) = self
            .cache
            .get(id.root)
            .and_then(|cached| cached.instance.segment(id.number))
        {
            self.batch.seal(segment);
        }
    }
}

/// Why a command did not run.
#[derive(Debug)]
pub(super) enum Failure {
    /// The engine refuses it.
    Rejected(Rejection),
    /// It could not even be asked.
    Refused(Refusal),
}

impl Failure {
    pub(super) fn refusal(self, verb: &str) -> Refusal {
        match self {
            Failure::Rejected(rejection) => Refusal::of(verb, rejection),
            Failure::Refused(refusal) => refusal,
        }
    }
}

pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
