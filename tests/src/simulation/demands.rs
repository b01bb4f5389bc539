//! What clients ask for until they are told that it happened, and what they were told.

use botswain::runtime::{Ask, ProcessRef, Refusal, RefusalKind};
use botswain_engine::{Key, Start, Variables};
use rand::Rng;
use rand::rngs::SmallRng;
use uuid::Uuid;

/// One process of the simulation, by its id, in the text notation.
pub(super) const PROCESSES: [(&str, &str); 6] = [
    (
        "p-order",
        "start > work:job(type=work) > pay:job(type=pay) > end",
    ),
    (
        "p-fork",
        "start > fork:and > (a:job(type=work) | t:timer(PT5S) | m:message(go, key=order)) > join:and > print:job(type=print) > end",
    ),
    (
        "p-many",
        "start > each:job(type=look, each item in items) > call:job(type=call) > end",
    ),
    (
        "p-late",
        "start > slow:job(type=slow, retries=2) > read:job(type=read) > end;
         slow@late:timer(PT20S) > instead:job(type=work) > late-end:end;
         slow@error(BAD) > bad-end:end",
    ),
    (
        "p-person",
        "start > ask:user > hand:job(type=hand) > mail:job(type=mail) > end",
    ),
    ("p-two", "start > pay:job(type=pay2) > end"),
];

/// A request that is repeated until it is answered.
pub(super) struct Demand {
    pub(super) kind: Kind,
    id: Uuid,
    /// How often it was sent.
    pub(super) tries: u32,
    /// What the client was told.
    pub(super) told: Option<Key>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// An instance.
    Start {
        process: &'static str,
        order: String,
        items: u32,
    },
    /// A message for an instance.
    Publish { order: String },
}

impl Demand {
    pub(super) fn start(rng: &mut SmallRng, number: usize) -> Demand {
        let process = PROCESSES[rng.random_range(0..PROCESSES.len())].0;
        let kind = Kind::Start {
            process,
            order: format!("o{number}"),
            items: rng.random_range(0..5),
        };
        Demand {
            kind,
            id: Uuid::from_u128(rng.random()),
            tries: 0,
            told: None,
        }
    }

    /// The message that an instance of `fork` waits for.
    pub(super) fn publish(&self, rng: &mut SmallRng) -> Option<Demand> {
        match &self.kind {
            Kind::Start {
                process: "p-fork",
                order,
                ..
            } => {
                let kind = Kind::Publish {
                    order: order.clone(),
                };
                Some(Demand {
                    kind,
                    id: Uuid::from_u128(rng.random()),
                    tries: 0,
                    told: None,
                })
            }
            _ => None,
        }
    }

    pub(super) fn deduplication(&self) -> Uuid {
        self.id
    }

    pub(super) fn ask(&self) -> Ask {
        match &self.kind {
            Kind::Start {
                process,
                order,
                items,
            } => {
                let items: Vec<u32> = (0..*items).collect();
                let json = serde_json::json!({ "order": order, "items": items }).to_string();
                Ask::Start {
                    process: ProcessRef::Id((*process).into(), None),
                    start: Start {
                        variables: variables(&json),
                        ..Start::default()
                    },
                    await_end: None,
                }
            }
            Kind::Publish { order } => Ask::PublishMessage {
                name: "go".into(),
                correlation_key: order.as_str().into(),
                message_id: None,
                ttl_ms: 24 * 3_600_000,
                variables: Variables::new(),
            },
        }
    }

    /// Takes an answer; a refusal that coming again does not mend is a broken promise.
    pub(super) fn answered(&mut self, answer: Result<Key, Refusal>) -> Result<(), String> {
        match answer {
            Ok(key) => match self.told {
                Some(before) if before != key => Err(format!(
                    "{:?} was told to be {before}, then to be {key}",
                    self.kind
                )),
                _ => {
                    self.told = Some(key);
                    Ok(())
                }
            },
            Err(refusal) => match refusal.kind {
                RefusalKind::Unavailable | RefusalKind::ResourceExhausted => Ok(()),
                _ => Err(format!("{:?} was refused: {refusal}", self.kind)),
            },
        }
    }
}

pub(super) fn variables(json: &str) -> Variables {
    Variables::from_json(json).expect("the simulation writes objects")
}
