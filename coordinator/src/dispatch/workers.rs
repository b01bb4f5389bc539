//! Workers: who asked for jobs of which type, and how many may still be sent.

use super::desk::Desk;
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use std::collections::VecDeque;

/// Most credits that one subscription may pile up.
pub(super) const CREDITS_MAX: u32 = 1 << 20;
/// Most subscriptions of one session.
pub(super) const SUBSCRIPTIONS_MAX: usize = 4_096;

/// A connection of a worker or an agent, numbered by the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// A wish for jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Unique on the session.
    pub id: u32,
    /// The type of the jobs.
    pub job_type: SmolStr,
    /// What the worker calls itself.
    pub worker: SmolStr,
    /// How many jobs may be sent.
    pub credits: u32,
    /// How long the worker keeps a job.
    pub lease_ms: u64,
}

/// Why a subscription is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeRefused {
    /// The number is taken.
    #[error(
        "subscription {0} exists already on this stream: choose another number, or unsubscribe first"
    )]
    Twice(u32),
    /// Too many.
    #[error(
        "more than {SUBSCRIPTIONS_MAX} subscriptions on one stream: close some, or open another stream"
    )]
    TooMany,
    /// A lease that is over at once.
    #[error("the lease of subscription {0} is 0 ms: expected at least 1")]
    NoLease(u32),
}

pub(super) struct Subscriber {
    pub(super) session: SessionId,
    pub(super) id: u32,
    pub(super) kind: u32,
    pub(super) worker: SmolStr,
    pub(super) credits: u32,
    pub(super) lease_ms: u64,
    /// A single request: it ends with its first jobs, or at that time.
    pub(super) until: Option<u64>,
    /// Whether it stands in its type's ring.
    pub(super) queued: bool,
}

/// All subscriptions, by place; the rings of the job types refer to places.
#[derive(Default)]
pub(super) struct Workers {
    places: Vec<Option<Subscriber>>,
    free: Vec<u32>,
    by_name: FxHashMap<(SessionId, u32), u32>,
    by_session: FxHashMap<SessionId, Vec<u32>>,
    by_kind: FxHashMap<u32, usize>,
}

impl Workers {
    pub(super) fn add(&mut self, subscriber: Subscriber) -> Result<u32, SubscribeRefused> {
        let name = (subscriber.session, subscriber.id);
        if subscriber.lease_ms == 0 {
            return Err(SubscribeRefused::NoLease(subscriber.id));
        }
        if self.by_name.contains_key(&name) {
            return Err(SubscribeRefused::Twice(subscriber.id));
        }
        let of_session = self.by_session.entry(subscriber.session).or_default();
        if of_session.len() >= SUBSCRIPTIONS_MAX {
            return Err(SubscribeRefused::TooMany);
        }
        let place = self.free.pop().unwrap_or(self.places.len() as u32);
        of_session.push(place);
        *self.by_kind.entry(subscriber.kind).or_default() += 1;
        self.by_name.insert(name, place);
        if place as usize == self.places.len() {
            self.places.push(Some(subscriber));
        } else {
            self.places[place as usize] = Some(subscriber);
        }
        Ok(place)
    }

    pub(super) fn find(&self, session: SessionId, id: u32) -> Option<u32> {
        self.by_name.get(&(session, id)).copied()
    }

    pub(super) fn get(&self, place: u32) -> Option<&Subscriber> {
        self.places.get(place as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Subscriber> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    /// How many subscriptions a type has.
    pub(super) fn of_kind(&self, kind: u32) -> usize {
        self.by_kind.get(&kind).copied().unwrap_or(0)
    }

    /// Ends a subscription; the caller takes it out of its type's ring.
    pub(super) fn remove(&mut self, place: u32) -> Option<Subscriber> {
        let gone = self.places.get_mut(place as usize)?.take()?;
        self.free.push(place);
        self.by_name.remove(&(gone.session, gone.id));
        if let Some(of_session) = self.by_session.get_mut(&gone.session) {
            of_session.retain(|other| *other != place);
            if of_session.is_empty() {
                self.by_session.remove(&gone.session);
            }
        }
        if let Some(count) = self.by_kind.get_mut(&gone.kind) {
            *count -= 1;
        }
        Some(gone)
    }

    pub(super) fn of_session(&self, session: SessionId) -> Vec<u32> {
        self.by_session.get(&session).cloned().unwrap_or_default()
    }
}

/// The subscriptions of one type that have credits, in turn.
pub(super) type Ring = VecDeque<u32>;

impl Desk {
    /// A worker wants jobs until it says otherwise.
    ///
    /// # Errors
    /// What is wrong with the subscription.
    pub fn subscribe(
        &mut self,
        session: SessionId,
        wish: Subscription,
    ) -> Result<(), SubscribeRefused> {
        self.add_subscriber(session, wish, None)
    }

    /// A worker wants jobs once: what is there, at most `credits`, or the first that come before `until` (monotonic).
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn request(
        &mut self,
        session: SessionId,
        wish: Subscription,
        until: u64,
    ) -> Result<(), SubscribeRefused> {
        self.add_subscriber(session, wish, Some(until))
    }

    fn add_subscriber(
        &mut self,
        session: SessionId,
        wish: Subscription,
        until: Option<u64>,
    ) -> Result<(), SubscribeRefused> {
        let kind = self.kind(&wish.job_type);
        let place = self.workers.add(Subscriber {
            session,
            id: wish.id,
            kind,
            worker: wish.worker,
            credits: wish.credits.min(CREDITS_MAX),
            lease_ms: wish.lease_ms,
            until,
            queued: false,
        })?;
        if let Some(until) = until {
            self.requests.insert((until, place), ());
        }
        self.enrol_in_ring(place);
        Ok(())
    }

    /// A worker can take that many more jobs. Unknown subscriptions are passed over: they may just have ended.
    pub fn credits(&mut self, session: SessionId, subscription: u32, more: u32) {
        let Some(place) = self.workers.find(session, subscription) else {
            return;
        };
        if let Some(subscriber) = self.workers.get_mut(place) {
            subscriber.credits = subscriber.credits.saturating_add(more).min(CREDITS_MAX);
        }
        self.enrol_in_ring(place);
    }

    fn enrol_in_ring(&mut self, place: u32) {
        let Some(subscriber) = self.workers.get_mut(place) else {
            return;
        };
        if subscriber.credits > 0 && !subscriber.queued {
            subscriber.queued = true;
            let kind = subscriber.kind;
            self.kinds[kind as usize].ring.push_back(place);
            self.wake(kind);
        }
    }

    /// The worker wants no more; the jobs it has stay with it.
    pub fn unsubscribe(&mut self, session: SessionId, subscription: u32) {
        if let Some(place) = self.workers.find(session, subscription) {
            self.end_subscription(place);
        }
    }

    /// The worker's connection is gone; its jobs stay with it until their leases end, because it may have done them.
    pub fn worker_gone(&mut self, session: SessionId) {
        for place in self.workers.of_session(session) {
            self.end_subscription(place);
        }
    }

    pub(super) fn end_subscription(&mut self, place: u32) {
        let Some(gone) = self.workers.remove(place) else {
            return;
        };
        if gone.queued {
            self.kinds[gone.kind as usize]
                .ring
                .retain(|other| *other != place);
        }
        if let Some(until) = gone.until {
            self.requests.remove(&(until, place));
        }
    }
}
