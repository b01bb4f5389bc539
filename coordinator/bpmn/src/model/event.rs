//! Events: what starts, interrupts or ends, and the things that are named in between.

use super::{Extra, JobDefinition, Position, Text};

/// The place of a [`Message`] in `Model::messages`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageIdx(pub u32);

/// The place of an [`Error`] in `Model::errors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorIdx(pub u32);

/// The place of a [`Signal`] in `Model::signals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalIdx(pub u32);

/// The place of an [`Escalation`] in `Model::escalations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EscalationIdx(pub u32);

/// What an event waits for or throws.
#[derive(Debug, Clone, PartialEq)]
pub enum EventDefinition {
    /// A point in time, a span or a repetition.
    Timer(TimerDefinition),
    /// A message; thrown, it is a job or published by the coordinator.
    Message {
        message: Option<MessageIdx>,
        job: Option<JobDefinition>,
        publish: Option<PublishMessage>,
    },
    /// A broadcast.
    Signal { signal: Option<SignalIdx> },
    /// An error; without one, a catching event takes all.
    Error {
        error: Option<ErrorIdx>,
        code_variable: Option<String>,
        message_variable: Option<String>,
    },
    /// An escalation; without one, a catching event takes all.
    Escalation {
        escalation: Option<EscalationIdx>,
        code_variable: Option<String>,
    },
    /// A condition over variables.
    Conditional(ConditionalDefinition),
    /// A jump to the catching link of the same name.
    Link { name: String },
    /// Undoes what was completed; `activity` names the one activity that is meant.
    Compensate {
        activity: Option<String>,
        wait: bool,
    },
    /// Ends the scope at once.
    Terminate,
    /// Cancels the transaction.
    Cancel,
}

/// When a timer fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimerDefinition {
    /// At a point in time.
    Date(Text),
    /// After a span.
    Duration(Text),
    /// Again and again: a repeating interval or a cron expression.
    Cycle(Text),
    /// The file doesn't say when; such a model can be kept and shown.
    Unset,
}

/// A condition that an event waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionalDefinition {
    /// The condition; a file can lack it.
    pub condition: Option<Text>,
    /// The variables whose change makes the condition be looked at (`zeebe:conditionalFilter`).
    pub variable_names: Option<String>,
    /// The kinds of change that make the condition be looked at.
    pub variable_events: Option<String>,
}

/// A message that the coordinator publishes by itself (`zeebe:publishMessage`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishMessage {
    /// The id that makes publishing idempotent.
    pub message_id: Option<Text>,
    /// The key that finds the receiver.
    pub correlation_key: Option<Text>,
    /// How long it is kept for a receiver.
    pub time_to_live: Option<Text>,
}

/// Where an event definition comes from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventSource {
    /// Its id.
    pub id: Option<String>,
    /// Whether the event refers to a definition that stands at the root of the file.
    pub by_reference: bool,
    /// What else was found in it.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// An event definition at the root of the file, for use by reference.
#[derive(Debug, Clone, PartialEq)]
pub struct RootEventDefinition {
    /// Its id.
    pub id: String,
    /// What it waits for or throws.
    pub definition: EventDefinition,
    /// What else was found in it.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// A message by which processes and the outside talk.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id in the file.
    pub id: String,
    /// The name under which it is published.
    pub name: Option<Text>,
    /// The key that an arriving message has to carry (`zeebe:subscription`).
    pub correlation_key: Option<Text>,
    /// What else was found.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// An error that is thrown and caught by its code.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    /// Its id in the file.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// The code; none catches all.
    pub code: Option<Text>,
    /// What else was found.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// A signal that all who wait for its name receive.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Its id in the file.
    pub id: String,
    /// The name under which it is broadcast.
    pub name: Option<Text>,
    /// What else was found.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}

/// An escalation that is thrown and caught by its code.
#[derive(Debug, Clone, PartialEq)]
pub struct Escalation {
    /// Its id in the file.
    pub id: String,
    /// Its name for people.
    pub name: Option<String>,
    /// The code; none catches all.
    pub code: Option<Text>,
    /// What else was found.
    pub extra: Extra,
    /// Where it is written.
    pub at: Position,
}
