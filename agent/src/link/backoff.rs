//! Back-off: when a lost connection is tried again. Full jitter, so that a thousand agents never knock at once.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Waiting times of a lost connection.
#[derive(Debug)]
pub struct Backoff {
    random: SmallRng,
    base: Duration,
    cap: Duration,
    failures: u32,
}

/// Shortest wait after the coordinator refused the agent itself: that does not pass by itself within seconds.
const REFUSED_MIN: Duration = Duration::from_secs(60);

impl Backoff {
    /// Begins with waits of up to one second; `seed` makes them repeatable.
    pub fn new(seed: u64) -> Self {
        Self {
            random: SmallRng::seed_from_u64(seed),
            base: Duration::from_secs(1),
            cap: Duration::from_secs(300),
            failures: 0,
        }
    }

    /// The next wait; already the first one is random.
    pub fn next_wait(&mut self) -> Duration {
        let ceiling = self
            .base
            .saturating_mul(1u32.checked_shl(self.failures.min(20)).unwrap_or(u32::MAX))
            .min(self.cap);
        self.failures += 1;
        ceiling.mul_f64(self.random.random::<f64>())
    }

    /// The next wait after a refusal.
    pub fn next_wait_refused(&mut self) -> Duration {
        REFUSED_MIN + self.next_wait()
    }

    /// The connection works.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_random_from_the_first_on_and_grow_up_to_their_cap() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..40).map(|_| backoff.next_wait()).collect::<Vec<_>>()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7)[0], waits(8)[0]);
        let many: Vec<_> = (0..200).map(waits).collect();
        for (n, cap) in [(0, 1), (1, 2), (4, 16), (8, 256), (9, 300), (39, 300)] {
            let longest = many.iter().map(|waits| waits[n]).max().unwrap();
            assert!(longest <= Duration::from_secs(cap), "{n}");
            assert!(longest > Duration::from_secs(cap).mul_f64(0.8), "{n}");
        }
        let mut backoff = Backoff::new(1);
        for _ in 0..9 {
            backoff.next_wait();
        }
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_secs(1));
        assert!(backoff.next_wait_refused() >= REFUSED_MIN);
    }
}
