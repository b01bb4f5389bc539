//! Messages: who awaits what, and what is kept for whom will. The rows are in the store; what a batch adds is laid over them.

use super::ask::{Answer, Refusal, RefusalKind};
use super::writer::Writer;
use botswain_engine::{Command, Key, SegmentId, Variables};
use botswain_store::rows::{Delete, MessageCorrelatedRow, MessageRow, Put};
use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::SmolStr;

/// How many subscriptions one look takes.
const LOOK_MAX: usize = 256;

/// How many messages may be kept under one name and key.
const BUFFERED_MAX: usize = 1_000;

type NameAndKey = (SmolStr, SmolStr);

/// A subscription, as far as correlation needs it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OpenSubscription {
    pub(super) key: Key,
    pub(super) segment: SegmentId,
    pub(super) process_id: SmolStr,
}

/// What the batch at hand changed, laid over the rows that are stored.
#[derive(Default)]
pub(super) struct Overlay {
    opened: FxHashMap<NameAndKey, Vec<OpenSubscription>>,
    closed: FxHashSet<Key>,
    buffered: FxHashMap<NameAndKey, Vec<MessageRow>>,
    correlated: FxHashSet<(Key, SmolStr)>,
    forgotten: FxHashSet<Key>,
    /// Subscriptions that have not been matched with what is kept.
    unmatched: Vec<(SmolStr, SmolStr, OpenSubscription)>,
}

impl Overlay {
    pub(super) fn opened(&mut self, name: SmolStr, key: SmolStr, open: OpenSubscription) {
        self.opened
            .entry((name.clone(), key.clone()))
            .or_default()
            .push(open.clone());
        self.unmatched.push((name, key, open));
    }

    pub(super) fn closed(&mut self, subscription: Key) {
        self.closed.insert(subscription);
    }

    /// The batch is durable: the store tells from here on.
    pub(super) fn committed(&mut self) {
        self.opened.clear();
        self.closed.clear();
        self.buffered.clear();
        self.correlated.clear();
        self.forgotten.clear();
    }
}

impl Writer {
    pub(super) fn publish_message(
        &mut self,
        name: SmolStr,
        correlation_key: SmolStr,
        message_id: Option<SmolStr>,
        ttl_ms: u64,
        variables: Variables,
    ) -> Result<Answer, Refusal> {
        if name.is_empty() {
            let message = "Expected to publish a message with a name, but the name was empty";
            return Err(Refusal::new(RefusalKind::InvalidArgument, message));
        }
        let kept = self.kept(&name, &correlation_key)?;
        if let Some(id) = &message_id
            && kept.iter().any(|row| row.message_id.as_ref() == Some(id))
        {
            let message = format!(
                "Expected to publish a new message with id '{id}', but a message with that id was already published"
            );
            return Err(Refusal::new(RefusalKind::AlreadyExists, message));
        }
        if kept.len() >= BUFFERED_MAX && ttl_ms > 0 {
            let message = format!(
                "{BUFFERED_MAX} messages '{name}' with correlation key '{correlation_key}' wait already: correlate them, or give \
                 messages a shorter time to live"
            );
            return Err(Refusal::new(RefusalKind::ResourceExhausted, message));
        }
        let key = self.keys.take();
        if ttl_ms > 0 {
            let expires_at = self
                .now
                .wall
                .saturating_add(i64::try_from(ttl_ms).unwrap_or(i64::MAX));
            let row = MessageRow {
                key,
                name: name.clone(),
                correlation_key: correlation_key.clone(),
                message_id,
                expires_at,
                variables: variables.clone(),
            };
            self.messages
                .buffered
                .entry((name.clone(), correlation_key.clone()))
                .or_default()
                .push(row.clone());
            self.batch.put(Put::Message(row));
        }
        let mut served = FxHashSet::default();
        for open in self.awaiting_message(&name, &correlation_key)? {
            // One instance of each process gets the message: the one that has waited longest.
            if served.insert(open.process_id.clone()) {
                self.correlate(&open, key, ttl_ms > 0, variables.clone());
            }
        }
        Ok(Answer::Made(key))
    }

    /// Matches subscriptions that were just opened with the messages that are kept.
    pub(super) fn match_messages(&mut self) {
        while let Some((name, key, open)) = self.messages.unmatched.pop() {
            if self.messages.closed.contains(&open.key) {
                continue;
            }
            let kept = match self.kept(&name, &key) {
                Ok(kept) => kept,
                Err(refusal) => {
                    tracing::warn!(%refusal, "messages could not be read");
                    continue;
                }
            };
            let next = kept.into_iter().find(|row| {
                let given = self
                    .messages
                    .correlated
                    .contains(&(row.key, open.process_id.clone()));
                !given
                    && !self
                        .store
                        .message_was_correlated(row.key, &open.process_id)
                        .unwrap_or(true)
            });
            if let Some(row) = next {
                self.correlate(&open, row.key, true, row.variables);
            }
        }
    }

    /// Forgets messages whose time is over.
    pub(super) fn forget_messages(&mut self) {
        match self
            .store
            .expired_messages(self.settings.part, self.now.wall, LOOK_MAX)
        {
            Ok(expired) => {
                for key in expired {
                    self.messages.forgotten.insert(key);
                    self.batch.delete(Delete::Message(key));
                }
            }
            Err(error) => tracing::warn!(%error, "messages that are over could not be read"),
        }
    }

    fn correlate(
        &mut self,
        open: &OpenSubscription,
        message: Key,
        kept: bool,
        variables: Variables,
    ) {
        let command = Command::Correlate {
            subscription: open.key,
            message,
            variables,
        };
        match self.run(open.segment, command) {
            Ok(()) => {
                if kept {
                    self.messages
                        .correlated
                        .insert((message, open.process_id.clone()));
                    let row = MessageCorrelatedRow {
                        message,
                        process_id: open.process_id.clone(),
                    };
                    self.batch.put(Put::MessageCorrelated(row));
                }
            }
            Err(failure) => tracing::warn!(
                subscription = open.key.as_u64(),
                ?failure,
                "a message was not taken"
            ),
        }
    }

    /// Who awaits a message, the longest wait first.
    fn awaiting_message(
        &mut self,
        name: &SmolStr,
        key: &SmolStr,
    ) -> Result<Vec<OpenSubscription>, Refusal> {
        let mut open = Vec::new();
        let mut after = None;
        loop {
            let rows = self
                .store
                .subscriptions(self.settings.part, name, key, after, LOOK_MAX)
                .map_err(|error| Refusal::unreadable(&error))?;
            let (count, last) = (rows.len(), rows.last().map(|row| row.key));
            for row in rows {
                if self.messages.closed.contains(&row.key) {
                    continue;
                }
                let definition = self
                    .definitions
                    .get(row.definition, self.store.as_mut())
                    .map_err(|error| Refusal::unreadable(&error))?;
                let Some(definition) = definition else {
                    continue;
                };
                let segment = SegmentId {
                    root: row.root,
                    number: row.segment,
                };
                open.push(OpenSubscription {
                    key: row.key,
                    segment,
                    process_id: definition.process.id.clone(),
                });
            }
            if count < LOOK_MAX {
                break;
            }
            after = last;
        }
        if let Some(opened) = self.messages.opened.get(&(name.clone(), key.clone())) {
            open.extend(
                opened
                    .iter()
                    .filter(|open| !self.messages.closed.contains(&open.key))
                    .cloned(),
            );
        }
        Ok(open)
    }

    /// The messages that are kept under a name and key and are not over, the oldest first.
    fn kept(&mut self, name: &SmolStr, key: &SmolStr) -> Result<Vec<MessageRow>, Refusal> {
        let mut kept = self
            .store
            .messages(self.settings.part, name, key, None, BUFFERED_MAX)
            .map_err(|error| Refusal::unreadable(&error))?;
        if let Some(buffered) = self.messages.buffered.get(&(name.clone(), key.clone())) {
            kept.extend(buffered.iter().cloned());
        }
        kept.retain(|row| {
            row.expires_at > self.now.wall && !self.messages.forgotten.contains(&row.key)
        });
        Ok(kept)
    }
}
