//! The closed sets of the agents' wire, without the wire's "unspecified".

use serde::{Deserialize, Serialize};

use super::{WireError, wrong};
use crate::agent as wire;

macro_rules! kind {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Reads the wire's number; unknown and unspecified ones are refused.
            pub fn from_wire(place: &'static str, number: i32) -> Result<Self, WireError> {
                match wire::$name::try_from(number) {
                    $(Ok(wire::$name::$variant) => Ok(Self::$variant),)+
                    Ok(wire::$name::Unspecified) | Err(_) => Err(wrong(
                        place,
                        format!("{number} is no {} that this version knows", stringify!($name)),
                    )),
                }
            }
        }

        impl From<$name> for i32 {
            fn from(kind: $name) -> i32 {
                match kind { $($name::$variant => wire::$name::$variant as i32),+ }
            }
        }
    };
}

kind!(
    /// Says what a repetition of a task would do.
    EffectClass {
        /// Changes nothing outside.
        Pure,
        /// The second time changes nothing.
        Idempotent,
        /// A probe tells whether it happened.
        Checkable,
        /// Never repeated without a person's word.
        AtMostOnce,
    }
);

kind!(
    /// Where an attempt stands.
    State {
        /// The agent has it in its journal.
        Accepted,
        /// The agent will not do it.
        Rejected,
        /// Its run began.
        Started,
        /// A note on the way.
        Progress,
        /// The work is done.
        Succeeded,
        /// The work was not done, for a technical reason.
        Failed,
        /// It ended in a way the model knows about.
        BpmnError,
        /// It was stopped on request.
        Cancelled,
        /// Its time limit ended it.
        TimedOut,
        /// It may have happened.
        Unknown,
    }
);

impl State {
    /// True when nothing follows any more.
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Accepted | Self::Started | Self::Progress)
    }
}

kind!(
    /// Says what is known about the outside after an attempt.
    Happened {
        /// Certainly nothing.
        No,
        /// The effect is done.
        Yes,
        /// Nobody can tell from here.
        Maybe,
    }
);

kind!(
    /// What an agent knows of an attempt that the coordinator asks about.
    Known {
        /// Nothing; it may be offered again as it is.
        NeverSeen,
        /// Waiting or running.
        Open,
        /// Ended; its end is sent again.
        Ended,
        /// The agent has seen a higher fence of this job.
        FenceAhead,
    }
);

kind!(
    /// What the coordinator did with an event.
    Verdict {
        /// It is durable.
        Committed,
        /// It was durable before.
        Duplicate,
        /// Another attempt holds the job; it is kept as evidence.
        Stale,
        /// The coordinator cannot read it.
        Invalid,
    }
);

kind!(
    /// What an agent does with a running attempt whose lease ran out.
    OnLost {
        /// Goes on and reports later.
        Wait,
        /// Stops it.
        Stop,
        /// Stops it, because another agent gets the job.
        Replace,
    }
);
