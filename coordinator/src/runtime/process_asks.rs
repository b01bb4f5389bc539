//! What is asked about processes and instances: deploy, start, cancel, repair, look.

use super::ask::{Answer, AwaitEnd, Created, Deployed, ProcessRef, Refusal, RefusalKind, ReplyTo};
use super::cache::Cached;
use super::definitions::Definition;
use super::deployment::Deployment;
use super::steps::Failure;
use super::writer::{Awaiting, Writer};
use botswain_engine::{Command, Env, Key, SegmentId, Start, create, waiting};
use botswain_store::StoreError;
use botswain_store::rows::{DefinitionRow, Digest, Put};
use smol_str::SmolStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use uuid::Uuid;

/// How long a timer waits whose instance could not be read.
const RETRY_MS: i64 = 1_000;

impl Writer {
    pub(super) fn deploy(&mut self, deployment: Deployment, by: &str) -> Answer {
        let mut deployed = Vec::new();
        for (resource, process) in deployment.into_processes() {
            let digest = Digest::of(&resource.bytes);
            let latest = self.definitions.latest(&process.id);
            // The same file again is the same version.
            if let Some(known) = latest
                .filter(|known| known.digest == digest && known.resource_name == resource.name)
            {
                let (key, version) = (known.key, known.version);
                let resource_name = resource.name.clone();
                deployed.push(Deployed {
                    key,
                    process_id: process.id.clone(),
                    version,
                    resource_name,
                });
                continue;
            }
            let version = latest.map_or(1, |known| known.version + 1);
            let row = DefinitionRow {
                key: self.keys.take(),
                process_id: process.id.clone(),
                version,
                version_tag: process.version_tag.clone(),
                name: process.name.as_ref().map(ToString::to_string),
                resource_name: resource.name.clone(),
                digest,
                xml: resource.bytes.clone(),
                symbols: process.symbols().clone(),
                deployed_at: self.now.wall,
            };
            self.definitions.add(&row, process);
            self.audit(
                by.to_owned(),
                SmolStr::new_static("process.deploy"),
                format!("{} v{version}", row.process_id),
                None,
            );
            deployed.push(Deployed {
                key: row.key,
                process_id: row.process_id.clone(),
                version,
                resource_name: row.resource_name.clone(),
            });
            self.batch.put(Put::Definition(Box::new(row)));
        }
        Answer::Deployed(deployed)
    }

    pub(super) fn start(
        &mut self,
        process: &ProcessRef,
        start: Start,
        await_end: Option<AwaitEnd>,
        reply: ReplyTo,
        deduplication: Option<Uuid>,
    ) {
        let definition = match self.find_definition(process) {
            Ok(definition) => definition,
            Err(refusal) => return self.replies.push((reply, Err(refusal))),
        };
        let seed = self.fresh_seed();
        let env = Env {
            now: self.now.wall,
            seed,
            keys: &mut self.keys,
        };
        let made = catch_unwind(AssertUnwindSafe(|| {
            create(env, &definition.process, definition.key, start)
        }));
        let Ok((instance, decided)) = made else {
            let message = format!(
                "the first step of process '{}' failed with an internal error",
                definition.process.id
            );
            return self
                .replies
                .push((reply, Err(Refusal::new(RefusalKind::Internal, message))));
        };
        let root = instance
            .segments()
            .next()
            .expect("a new instance has its root")
            .id()
            .root;
        let created = Created {
            instance: root,
            definition: definition.key,
            process_id: definition.process.id.clone(),
            version: definition.version,
        };
        self.fresh_instances.push(root);
        if let Some(id) = deduplication {
            self.remember_reply(id, &Answer::Made(root));
        }
        match await_end {
            None => self.replies.push((reply, Ok(Answer::Created(created)))),
            Some(AwaitEnd { fetch }) => {
                let reply = match reply {
                    // A stream hears of the start at once, and of the end later.
                    ReplyTo::Stream {
                        session,
                        request_id,
                    } => {
                        let now = ReplyTo::Stream {
                            session,
                            request_id,
                        };
                        self.replies
                            .push((now, Ok(Answer::Created(created.clone()))));
                        ReplyTo::Stream {
                            session,
                            request_id,
                        }
                    }
                    other => other,
                };
                self.awaiting.entry(root).or_default().push(Awaiting {
                    reply,
                    fetch,
                    created,
                });
            }
        }
        self.cache.insert(
            root,
            Cached {
                instance,
                definition: Arc::clone(&definition),
            },
        );
        self.accept(root, &definition, decided);
        self.match_messages();
    }

    fn find_definition(&mut self, process: &ProcessRef) -> Result<Arc<Definition>, Refusal> {
        let (key, none) = match process {
            ProcessRef::Key(key) => (
                Some(*key),
                format!("Expected to find process definition with key '{key}', but none found"),
            ),
            ProcessRef::Id(id, None) => (
                self.definitions.latest(id).map(|known| known.key),
                format!(
                    "Expected to find process definition with process ID '{id}', but none found"
                ),
            ),
            ProcessRef::Id(id, Some(version)) => (
                self.definitions
                    .version(id, *version)
                    .map(|known| known.key),
                format!(
                    "Expected to find process definition with process ID '{id}' and version '{version}', but none found"
                ),
            ),
        };
        let found = match key {
            Some(key) => self
                .definitions
                .get(key, self.store.as_mut())
                .map_err(|error| Refusal::unreadable(&error))?,
            None => None,
        };
        found.ok_or_else(|| Refusal::new(RefusalKind::NotFound, none))
    }

    pub(super) fn cancel(&mut self, instance: Key) -> Result<Answer, Refusal> {
        let none = || {
            let message = format!(
                "Expected to cancel a process instance with key '{instance}', but no such process was found"
            );
            Refusal::new(RefusalKind::NotFound, message)
        };
        self.run(SegmentId::root(instance), Command::Cancel)
            .map(|()| Answer::Done)
            .map_err(|failure| {
                let refusal = failure.refusal("cancel");
                if refusal.kind == RefusalKind::NotFound {
                    none()
                } else {
                    refusal
                }
            })
    }

    pub(super) fn inspect(&mut self, instance: Key) -> Result<Answer, Refusal> {
        let id = SegmentId::root(instance);
        self.load_path(id)
            .map_err(|failure| failure.refusal("show"))?;
        let cached = self
            .cache
            .get(instance)
            .expect("its root was loaded a moment ago");
        let process = Arc::clone(&cached.definition.process);
        let stopped = cached
            .instance
            .root()
            .is_some_and(botswain_engine::Segment::is_stopped);
        Ok(Answer::Inspected {
            waiting: waiting(&process, &cached.instance),
            process,
            stopped,
        })
    }

    pub(super) fn resolve_incident(&mut self, incident: Key) -> Result<Answer, Refusal> {
        let none = || Refusal::not_found("resolve", "incident", incident);
        let row = self
            .store
            .incident(incident)
            .map_err(|error| Refusal::unreadable(&error))?;
        let id = match row {
            Some(row) => SegmentId {
                root: row.root,
                number: row.segment,
            },
            None => self.batch_segment_of_incident(incident).ok_or_else(none)?,
        };
        let done = self.run(id, Command::ResolveIncident { incident });
        done.map(|()| Answer::Done).map_err(|failure| {
            let refusal = failure.refusal("resolve");
            if refusal.kind == RefusalKind::NotFound {
                none()
            } else {
                refusal
            }
        })
    }

    fn batch_segment_of_incident(&self, incident: Key) -> Option<SegmentId> {
        let change = self.batch.rows.incidents.get(incident)?;
        change.row().map(|row| SegmentId {
            root: row.root,
            number: row.segment,
        })
    }

    pub(super) fn set_variables(
        &mut self,
        scope: Key,
        variables: botswain_engine::Variables,
        local: bool,
    ) -> Result<Answer, Refusal> {
        let none = || {
            let message = format!(
                "Expected to update variables for element with key '{scope}', but no such element was found"
            );
            Refusal::new(RefusalKind::NotFound, message)
        };
        let id = match self
            .store
            .element(scope)
            .map_err(|error| Refusal::unreadable(&error))?
        {
            Some(row) => SegmentId {
                root: row.root,
                number: row.segment,
            },
            None => SegmentId::root(scope),
        };
        let command = Command::SetVariables {
            scope,
            variables,
            local,
        };
        self.run(id, command)
            .map(|()| Answer::Made(scope))
            .map_err(|failure| {
                let refusal = failure.refusal("update");
                if refusal.kind == RefusalKind::NotFound {
                    none()
                } else {
                    refusal
                }
            })
    }

    /// Fires the timers that are due, in their order, some in each turn.
    pub(super) fn fire_timers(&mut self) {
        for (timer, segment) in self
            .timers
            .due(self.now.wall, self.settings.timers_per_turn)
        {
            match self.run(segment, Command::FireTimer { timer }) {
                Ok(()) => {}
                // It fires when its instance can be read again.
                Err(Failure::Refused(refusal)) => {
                    tracing::warn!(timer = timer.as_u64(), %refusal, "a timer waits");
                    self.timers
                        .set(timer, self.now.wall.saturating_add(RETRY_MS), segment);
                }
                Err(Failure::Rejected(rejection)) => {
                    tracing::warn!(timer = timer.as_u64(), %rejection, "a timer did not fire");
                }
            }
        }
        self.match_messages();
    }

    /// Reads what the next turns need, now that the store knows everything.
    pub(super) fn read_ahead(&mut self) {
        let read = |timers: &mut super::timers::Timers,
                    store: &mut dyn botswain_store::Store,
                    part|
         -> Result<(), StoreError> {
            while timers.wants_read() {
                timers.read(store, part)?;
            }
            Ok(())
        };
        if let Err(error) = read(&mut self.timers, self.store.as_mut(), self.settings.part) {
            tracing::error!(%error, "timers could not be read");
        }
        self.refill();
    }
}
