//! How a test runs a device action: one call, and everything it left behind.

use std::path::Path;
use std::time::{Duration, Instant};

use botswain_action::{
    Action, Attempt, Cancel, EffectClass, MemoryRunner, Object, Outcome, Secrets,
};
use botswain_device::{Bot, Manifest};
use serde_json::{Value, json};

pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    pub(crate) evidence: MemoryRunner,
}

pub(crate) struct Request<'a> {
    pub(crate) input: Value,
    pub(crate) secrets: Secrets,
    pub(crate) folder: &'a Path,
    pub(crate) limit: Duration,
    pub(crate) cancel: Cancel,
}

impl<'a> Request<'a> {
    pub(crate) fn new(folder: &'a Path, input: Value) -> Self {
        Request {
            input,
            secrets: Secrets::default(),
            folder,
            limit: Duration::from_secs(60),
            cancel: Cancel::new(),
        }
    }

    pub(crate) fn run(self, action: &dyn Action) -> Run {
        let input = object(self.input);
        let mut evidence = MemoryRunner::default();
        let mut attempt = Attempt::new(
            &input,
            &self.secrets,
            self.folder,
            Instant::now(),
            self.limit,
            self.cancel,
            &mut evidence,
        );
        let outcome = action.run(&mut attempt);
        Run { outcome, evidence }
    }
}

pub(crate) fn object(value: Value) -> Object {
    value.as_object().cloned().expect("an object")
}

pub(crate) fn run(action: &dyn Action, folder: &Path, input: Value) -> Outcome {
    Request::new(folder, input).run(action).outcome
}

pub(crate) fn output(outcome: Outcome) -> Object {
    match outcome {
        Outcome::Succeeded { output } => output,
        other => panic!("expected success, got {other:?}"),
    }
}

pub(crate) fn failure(outcome: Outcome) -> (String, String) {
    match outcome {
        Outcome::Failed { code, message, .. } => (code, message),
        other => panic!("expected a failure, got {other:?}"),
    }
}

pub(crate) fn bot(effect: EffectClass, steps: &str) -> Bot {
    try_bot(effect, steps).expect("the steps are right")
}

pub(crate) fn try_bot(effect: EffectClass, steps: &str) -> Result<Bot, String> {
    let manifest = Manifest {
        name: "test".to_owned(),
        effect,
        input_schema: json!({}),
        output_schema: json!({}),
    };
    Bot::new(manifest, steps).map_err(|error| error.to_string())
}

/// Waits for a condition, bounded; the condition is asked again and again without a fixed pause.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < limit, "{what} did not come true");
        std::thread::yield_now();
    }
}
