//! Routes: which legs may do the jobs of a type, in what share, and who steps in when one certainly did nothing.

use botswain_proto::message::{EffectClass, OnLost};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;
use std::str::FromStr;

/// Most legs of one route, choices and fallbacks together.
pub(super) const LEGS_MAX: usize = 16;
/// Longest name or condition in a route, in bytes.
pub(super) const TEXT_MAX_BYTES: usize = 4 * 1024;
/// The share that a leg without a stated weight gets, in percent.
pub(super) const WEIGHT_FULL: u32 = 100;

/// Who may do a job: the text form is `bot:NAME@VERSION`, `action:NAME`, `connector:NAME`, `worker` or `person`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum LegKind {
    /// A bot package on an agent.
    Bot {
        /// The package's name.
        name: SmolStr,
        /// The package's version.
        version: SmolStr,
    },
    /// An action that is part of the agent.
    Action(SmolStr),
    /// A connector: the coordinator does it itself.
    Connector(SmolStr),
    /// Any program that asks for the job's type.
    Worker,
    /// A person, by a user task that belongs to the attempt.
    Person,
}

impl LegKind {
    /// Whether an agent does it.
    #[must_use]
    pub const fn needs_agent(&self) -> bool {
        matches!(self, LegKind::Bot { .. } | LegKind::Action(_))
    }
}

impl fmt::Display for LegKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LegKind::Bot { name, version } => write!(f, "bot:{name}@{version}"),
            LegKind::Action(name) => write!(f, "action:{name}"),
            LegKind::Connector(name) => write!(f, "connector:{name}"),
            LegKind::Worker => f.write_str("worker"),
            LegKind::Person => f.write_str("person"),
        }
    }
}

/// A text that names no leg.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected bot:NAME@VERSION, action:NAME, connector:NAME, worker or person, found {0:?}")]
pub struct LegError(String);

impl FromStr for LegKind {
    type Err = LegError;

    fn from_str(text: &str) -> Result<LegKind, LegError> {
        let wrong = || LegError(text.chars().take(80).collect());
        let plain = |name: &str| {
            let fits = (1..=200).contains(&name.len())
                && name
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '+'));
            fits.then(|| SmolStr::new(name)).ok_or_else(wrong)
        };
        match text.split_once(':') {
            None if text == "worker" => Ok(LegKind::Worker),
            None if text == "person" => Ok(LegKind::Person),
            Some(("connector", name)) => Ok(LegKind::Connector(plain(name)?)),
            Some(("action", name)) => Ok(LegKind::Action(plain(name)?)),
            Some(("bot", bot)) => {
                let (name, version) = bot.split_once('@').ok_or_else(wrong)?;
                Ok(LegKind::Bot {
                    name: plain(name)?,
                    version: plain(version)?,
                })
            }
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for LegKind {
    type Error = LegError;

    fn try_from(text: String) -> Result<LegKind, LegError> {
        text.parse()
    }
}

impl From<LegKind> for String {
    fn from(leg: LegKind) -> String {
        leg.to_string()
    }
}

/// Time limits of an attempt in milliseconds, and what a lost lease means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// An agent has to accept within; afterwards the same offer is sent again.
    pub accept_by_ms: u64,
    /// The run has to begin within, counted from the offer's arrival.
    pub start_by_ms: u64,
    /// The run has to end within, counted from its start.
    pub run_timeout_ms: u64,
    /// The holder keeps the job for that long without a sign of life.
    pub lease_ms: u64,
    /// A cancelled run may tidy up for that long.
    pub cancel_grace_ms: u64,
    /// A failed or refused try is followed by the next one after that long; longer each time.
    pub retry_after_ms: u64,
    /// What a lost lease means; none lets the effect class decide.
    pub on_lost: Option<OnLost>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            accept_by_ms: 10_000,
            // A clerk may be asked before her desktop is used, and may be at lunch.
            start_by_ms: 3_600_000,
            run_timeout_ms: 600_000,
            lease_ms: 60_000,
            cancel_grace_ms: 5_000,
            retry_after_ms: 1_000,
            on_lost: None,
        }
    }
}

impl Limits {
    /// What a lost lease means for work of that class: only what may be repeated is given to somebody else.
    #[must_use]
    pub fn on_lost(&self, effect: EffectClass) -> OnLost {
        match (self.on_lost, repeatable(effect)) {
            (None, true) => OnLost::Replace,
            (None | Some(OnLost::Replace), false) => OnLost::Wait,
            (Some(wish), _) => wish,
        }
    }
}

/// Whether a second run changes nothing that the first one did not.
#[must_use]
pub(super) const fn repeatable(effect: EffectClass) -> bool {
    matches!(effect, EffectClass::Pure | EffectClass::Idempotent)
}

/// One way to do the jobs of a type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Who does it.
    pub kind: LegKind,
    /// Its share of the jobs in percent; what is left goes on to the following legs. Has no meaning for a fallback.
    #[serde(default = "full")]
    pub weight: u32,
    /// FEEL over the job's variables: the leg is considered only where it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<SmolStr>,
    /// Labels (`key=value`) that the agent must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<SmolStr>,
    /// Time limits.
    #[serde(default)]
    pub limits: Limits,
    /// How often it is tried before the next leg gets the job.
    #[serde(default = "one")]
    pub tries: u32,
    /// What a repetition would do. A bot's class stands in its package, an action's in the agent's offer; for others it
    /// is `at_most_once`, and `idempotent` for workers, whose contract is at least once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectClass>,
}

const fn full() -> u32 {
    WEIGHT_FULL
}

const fn one() -> u32 {
    1
}

impl Leg {
    /// A leg with the usual limits that takes every job.
    #[must_use]
    pub fn new(kind: LegKind) -> Leg {
        Leg {
            kind,
            weight: WEIGHT_FULL,
            when: None,
            labels: Vec::new(),
            limits: Limits::default(),
            tries: 1,
            effect: None,
        }
    }
}

/// The legs of one job type: durable data, changed at run time, every change a new version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The type of the jobs.
    pub job_type: SmolStr,
    /// Counts the changes, from 1; 0 is the implicit route.
    pub version: u64,
    /// Considered in this order, by condition and weight.
    pub choices: Vec<Leg>,
    /// Take what no choice took, and step in, one after the other, where the leg before certainly did nothing.
    #[serde(default)]
    pub otherwise: Vec<Leg>,
    /// Jobs of instances with the same business key take the same choice.
    #[serde(default)]
    pub sticky: bool,
}

/// Why a route is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Nobody would do the jobs.
    #[error("route of {0}: has no leg, name at least one")]
    NoLegs(SmolStr),
    /// More legs than anybody can follow.
    #[error("route of {0}: has {1} legs, at most {LEGS_MAX} are allowed")]
    TooManyLegs(SmolStr, usize),
    /// The shares make no sense.
    #[error(
        "route of {job_type}: leg {leg} has weight {weight}, expected 0 to 100, and 100 for all choices without a condition together"
    )]
    Weight {
        /// The type of the jobs.
        job_type: SmolStr,
        /// The leg.
        leg: String,
        /// Its weight.
        weight: u32,
    },
    /// A text is too long.
    #[error("route of {0}: a name, label or condition is longer than {TEXT_MAX_BYTES} bytes")]
    TooLong(SmolStr),
    /// A time limit that would end every attempt at once.
    #[error("route of {job_type}: leg {leg} has {limit} 0, expected at least 1")]
    Zero {
        /// The type of the jobs.
        job_type: SmolStr,
        /// The leg.
        leg: String,
        /// Which limit.
        limit: &'static str,
    },
    /// Two workers would be one after the other in the same queue.
    #[error("route of {job_type}: leg {leg} is named twice")]
    Twice {
        /// The type of the jobs.
        job_type: SmolStr,
        /// The leg.
        leg: String,
    },
    /// `replace` for work that must not be done twice.
    #[error(
        "route of {job_type}: leg {leg} may not say on_lost replace, because its work must not be repeated"
    )]
    Replace {
        /// The type of the jobs.
        job_type: SmolStr,
        /// The leg.
        leg: String,
    },
}

impl Route {
    /// The route of a job type that has none: whoever asks for the type.
    #[must_use]
    pub fn implicit(job_type: SmolStr) -> Route {
        Route {
            job_type,
            version: 0,
            choices: vec![Leg::new(LegKind::Worker)],
            otherwise: Vec::new(),
            sticky: false,
        }
    }

    /// Checks what a person wrote.
    ///
    /// # Errors
    /// Names the leg that makes no sense, and what would.
    pub fn check(&self) -> Result<(), RouteError> {
        let job_type = || self.job_type.clone();
        let count = self.choices.len() + self.otherwise.len();
        if count == 0 {
            return Err(RouteError::NoLegs(job_type()));
        }
        if count > LEGS_MAX {
            return Err(RouteError::TooManyLegs(job_type(), count));
        }
        let mut share = 0;
        for (at, leg) in self.legs().enumerate() {
            let name = || leg.kind.to_string();
            if at < self.choices.len() {
                share += if leg.when.is_none() { leg.weight } else { 0 };
                if leg.weight > WEIGHT_FULL
                    || (share > WEIGHT_FULL
                        && self.otherwise.is_empty()
                        && leg.weight < WEIGHT_FULL)
                {
                    return Err(RouteError::Weight {
                        job_type: job_type(),
                        leg: name(),
                        weight: leg.weight,
                    });
                }
            }
            let long = leg
                .labels
                .iter()
                .chain(&leg.when)
                .any(|text| text.len() > TEXT_MAX_BYTES);
            if long || self.job_type.len() > TEXT_MAX_BYTES || leg.labels.len() > LEGS_MAX {
                return Err(RouteError::TooLong(job_type()));
            }
            let zero = [
                ("lease_ms", leg.limits.lease_ms),
                ("accept_by_ms", leg.limits.accept_by_ms),
                ("tries", leg.tries.into()),
            ];
            if let Some((limit, _)) = zero.into_iter().find(|(_, value)| *value == 0) {
                return Err(RouteError::Zero {
                    job_type: job_type(),
                    leg: name(),
                    limit,
                });
            }
            let same = |other: &Leg| {
                other.kind == leg.kind && other.labels == leg.labels && other.when == leg.when
            };
            if self.legs().filter(|other| same(other)).count() > 1 {
                return Err(RouteError::Twice {
                    job_type: job_type(),
                    leg: name(),
                });
            }
            if leg.limits.on_lost == Some(OnLost::Replace)
                && leg.effect.is_some_and(|effect| !repeatable(effect))
            {
                return Err(RouteError::Replace {
                    job_type: job_type(),
                    leg: name(),
                });
            }
        }
        Ok(())
    }

    /// All legs: the choices, then the fallbacks.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.choices.iter().chain(&self.otherwise)
    }

    /// The leg at that place of `legs`.
    #[must_use]
    pub fn leg(&self, at: u8) -> Option<&Leg> {
        self.legs().nth(at.into())
    }

    /// Whether the choice depends on more than the job itself.
    #[must_use]
    pub fn needs_facts(&self) -> bool {
        self.sticky || self.legs().any(|leg| leg.when.is_some())
    }

    /// Chooses the first leg for a job: `roll` is 0 to 99, `holds` evaluates a condition. None where no leg is left.
    ///
    /// # Errors
    /// What a condition that cannot be evaluated says.
    pub fn choose(
        &self,
        roll: u32,
        mut holds: impl FnMut(&str) -> Result<bool, String>,
    ) -> Result<Option<u8>, String> {
        let mut rest = roll;
        for (at, leg) in self.choices.iter().enumerate() {
            if let Some(condition) = &leg.when
                && !holds(condition)?
            {
                continue;
            }
            if rest < leg.weight {
                return Ok(Some(at as u8));
            }
            rest -= leg.weight;
        }
        self.fallback(self.choices.len(), None, holds)
    }

    /// The fallback after the leg at `at`, if any.
    ///
    /// # Errors
    /// What a condition that cannot be evaluated says.
    pub fn after(
        &self,
        at: u8,
        holds: impl FnMut(&str) -> Result<bool, String>,
    ) -> Result<Option<u8>, String> {
        let from = usize::from(at).saturating_add(1).max(self.choices.len());
        self.fallback(from, self.leg(at), holds)
    }

    fn fallback(
        &self,
        from: usize,
        not: Option<&Leg>,
        mut holds: impl FnMut(&str) -> Result<bool, String>,
    ) -> Result<Option<u8>, String> {
        for (at, leg) in self.legs().enumerate().skip(from) {
            if not.is_some_and(|tried| tried.kind == leg.kind && tried.labels == leg.labels) {
                continue;
            }
            match &leg.when {
                Some(condition) if !holds(condition)? => {}
                _ => return Ok(Some(at as u8)),
            }
        }
        Ok(None)
    }

    /// Where a leg of an older version of the route stands in this one.
    #[must_use]
    pub fn find(&self, kind: &LegKind) -> Option<u8> {
        self.legs()
            .position(|leg| leg.kind == *kind)
            .map(|at| at as u8)
    }
}

/// A number from 0 to 99 that depends on nothing but the texts: a raised weight keeps the jobs a leg already had.
#[must_use]
pub(super) fn roll(job_type: &str, by: &[u8]) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in job_type.bytes().chain([0xff]).chain(by.iter().copied()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    (mix(hash) % 100) as u32
}

/// Spreads a number over all 64 bits.
#[must_use]
pub(super) const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(text: &str, weight: u32) -> Leg {
        Leg {
            weight,
            ..Leg::new(text.parse().unwrap())
        }
    }

    fn route(choices: Vec<Leg>, otherwise: Vec<Leg>) -> Route {
        Route {
            job_type: "crm.add".into(),
            version: 1,
            choices,
            otherwise,
            sticky: false,
        }
    }

    #[test]
    fn a_leg_reads_what_it_writes() {
        for text in [
            "bot:crm-add-customer@1",
            "action:command.run",
            "connector:crm-api",
            "worker",
            "person",
        ] {
            assert_eq!(text.parse::<LegKind>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "bot:x",
            "bot:@1",
            "bot:x@",
            "robot:x",
            "connector:",
            "worker:x",
            "bot:a b@1",
        ] {
            assert!(text.parse::<LegKind>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_canary_gets_its_share_and_the_fallback_the_rest() {
        let canary = route(vec![leg("connector:api", 20)], vec![leg("bot:crm@1", 100)]);
        canary.check().unwrap();
        let first = (0..100)
            .filter(|roll| canary.choose(*roll, |_| Ok(true)).unwrap() == Some(0))
            .count();
        assert_eq!(first, 20);
        assert_eq!(canary.choose(20, |_| Ok(true)).unwrap(), Some(1));
        assert_eq!(canary.after(0, |_| Ok(true)).unwrap(), Some(1));
        assert_eq!(canary.after(1, |_| Ok(true)).unwrap(), None);
    }

    #[test]
    fn rolls_spread_evenly_and_depend_on_the_key_alone() {
        let mut hits = [0u32; 100];
        for key in 0..100_000_u64 {
            hits[roll("crm.add", &key.to_be_bytes()) as usize] += 1;
        }
        assert!(
            hits.iter().all(|count| (800..1200).contains(count)),
            "{hits:?}"
        );
        assert_eq!(roll("a", b"customer 7"), roll("a", b"customer 7"));
    }

    #[test]
    fn a_leg_whose_condition_does_not_hold_is_passed_over() {
        let mut big = leg("person", 100);
        big.when = Some("amount > 1000".into());
        let route = route(vec![big, leg("bot:crm@1", 100)], vec![]);
        assert_eq!(route.choose(0, |_| Ok(true)).unwrap(), Some(0));
        assert_eq!(route.choose(0, |_| Ok(false)).unwrap(), Some(1));
        assert!(
            route
                .choose(0, |_| Err("amount is null".to_owned()))
                .is_err()
        );
    }

    #[test]
    fn a_route_that_makes_no_sense_is_refused_with_the_leg() {
        assert!(route(vec![], vec![]).check().is_err());
        assert!(route(vec![leg("worker", 101)], vec![]).check().is_err());
        assert!(
            route(vec![leg("worker", 100), leg("worker", 100)], vec![])
                .check()
                .is_err()
        );
        let mut pay = leg("connector:pay", 100);
        pay.effect = Some(EffectClass::AtMostOnce);
        pay.limits.on_lost = Some(OnLost::Replace);
        assert!(
            route(vec![pay], vec![])
                .check()
                .unwrap_err()
                .to_string()
                .contains("connector:pay")
        );
    }

    #[test]
    fn only_what_may_be_repeated_is_given_to_somebody_else() {
        let limits = Limits {
            on_lost: Some(OnLost::Replace),
            ..Limits::default()
        };
        assert_eq!(limits.on_lost(EffectClass::AtMostOnce), OnLost::Wait);
        assert_eq!(limits.on_lost(EffectClass::Pure), OnLost::Replace);
        assert_eq!(
            Limits::default().on_lost(EffectClass::Checkable),
            OnLost::Wait
        );
    }
}
