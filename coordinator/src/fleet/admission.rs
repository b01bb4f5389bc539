//! Admission: which certificates may speak for which agents at this moment. The truth behind it is the store.

use botswain_proto::ids::{AgentId, Digest};
use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use tokio::sync::watch;

/// The list of certificates that may speak, by fingerprint: what is not on it may not.
pub struct Admission {
    by_fingerprint: RwLock<FxHashMap<Digest, AgentId>>,
    changes: watch::Sender<u64>,
}

impl Default for Admission {
    fn default() -> Admission {
        Admission {
            by_fingerprint: RwLock::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Admission {
    /// Lets a certificate speak for an agent.
    pub fn admit(&self, agent: AgentId, fingerprint: Digest) {
        self.by_fingerprint.write().insert(fingerprint, agent);
    }

    /// Takes the word from an agent: all its certificates are void, and its connections end at once.
    pub fn revoke(&self, agent: &AgentId) {
        self.by_fingerprint
            .write()
            .retain(|_, other| other != agent);
        self.changes.send_modify(|version| *version += 1);
    }

    /// For whom a certificate speaks, if for anybody.
    #[must_use]
    pub fn agent_of(&self, fingerprint: &Digest) -> Option<AgentId> {
        self.by_fingerprint.read().get(fingerprint).cloned()
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
