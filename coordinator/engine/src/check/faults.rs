//! Faults: what tests do to the engine on purpose, to see that the properties notice.

use crate::event::Event;
use crate::step::WORK_PER_STEP_MAX;
use std::cell::Cell;

/// A way in which the engine is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Variables are reported and not written.
    ForgetsToApply,
    /// Boundary events go on watching when their activity is over.
    LeavesTimersBehind,
    /// A join goes on with the first token.
    JoinsTooEarly,
    /// Children of a body that is ended go on.
    LeavesChildrenBehind,
    /// Tokens on their way into a scope that ended are not forgotten.
    EntersEndedScopes,
}

thread_local! {
    static FAULT: Cell<Option<Fault>> = const { Cell::new(None) };
    static WORK: Cell<u32> = const { Cell::new(WORK_PER_STEP_MAX) };
}

/// Whether the engine is broken in that way.
pub(crate) fn is(fault: Fault) -> bool {
    FAULT.get() == Some(fault)
}

/// The same for a fault that shows at one kind of event only.
pub(crate) fn has(fault: Fault, event: &Event) -> bool {
    is(fault) && matches!(event, Event::VariablesSet { .. })
}

/// How much a step may do on this thread.
pub(crate) fn work_per_step() -> u32 {
    WORK.get()
}

/// Lets steps of this thread do only so much.
pub(crate) fn set_work_per_step(work: u32) {
    WORK.set(work);
}

/// Breaks the engine on this thread while `test` runs.
pub(crate) fn with<T>(fault: Fault, test: impl FnOnce() -> T) -> T {
    struct Whole;
    impl Drop for Whole {
        fn drop(&mut self) {
            FAULT.set(None);
        }
    }
    FAULT.set(Some(fault));
    let _whole = Whole;
    test()
}
