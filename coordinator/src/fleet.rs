//! The fleet: how machines become agents, who may speak, and the door through which they do.

mod admission;
mod bulk;
mod ca;
mod door;
mod enrolment;
mod evidence;
mod host;
mod lines;
mod link;

#[cfg(test)]
mod tests;

pub use admission::Admission;
pub use ca::{Ca, CaError, Issued};
pub use door::{Door, DoorError, DoorSettings, Running};
pub use enrolment::{Csr, Enrolment, StoredToken, TokenScope, mint, redeem, unique_name};
pub use evidence::{EvidenceError, EvidenceFolder};
pub use host::{Expected, FleetHost, Gone, Later};
pub use lines::{Lines, NotSent};
