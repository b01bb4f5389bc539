//! Cancel: a request to stop that both blocking and async code can wait for.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    cancelled: bool,
    hooks: Vec<Hook>,
}

/// A request to stop one attempt; clones share it.
#[derive(Clone, Default)]
pub struct Cancel {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Cancel {
    /// A request that nobody has made yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the request and wakes everybody who waits for it.
    pub fn cancel(&self) {
        let hooks = {
            let mut state = self.lock();
            state.cancelled = true;
            self.shared.1.notify_all();
            std::mem::take(&mut state.hooks)
        };
        for hook in hooks {
            hook();
        }
    }

    /// True once the request was made.
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Blocks until the request is made or the time is over; true when it was made.
    pub fn wait(&self, limit: Duration) -> bool {
        let state = self.lock();
        let (state, _) = self
            .shared
            .1
            .wait_timeout_while(state, limit, |state| !state.cancelled)
            .unwrap_or_else(PoisonError::into_inner);
        state.cancelled
    }

    /// Calls `hook` when the request is made, at once if it was made already: the bridge to async code.
    pub fn on_cancel(&self, hook: impl FnOnce() + Send + 'static) {
        {
            let mut state = self.lock();
            if !state.cancelled {
                state.hooks.push(Box::new(hook));
                return;
            }
        }
        hook();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is two plain fields; a panic of another holder leaves them usable.
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Cancel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cancel")
            .field("cancelled", &self.is_cancelled())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_waiting_thread_hears_of_the_request() {
        let cancel = Cancel::new();
        let other = cancel.clone();
        let waiter = std::thread::spawn(move || other.wait(Duration::from_secs(30)));
        cancel.cancel();
        assert!(waiter.join().unwrap());
    }

    #[test]
    fn a_hook_runs_once_whether_it_came_before_or_after_the_request() {
        let (said, heard) = mpsc::channel();
        let cancel = Cancel::new();
        let early = said.clone();
        cancel.on_cancel(move || early.send("early").unwrap());
        cancel.cancel();
        cancel.on_cancel(move || said.send("late").unwrap());
        cancel.cancel();
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["early", "late"]);
    }

    #[test]
    fn nobody_asked_so_the_wait_ends_with_its_limit() {
        assert!(!Cancel::new().wait(Duration::ZERO));
    }
}
