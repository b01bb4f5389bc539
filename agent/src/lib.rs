//! The agent: takes attempts, runs bots and device actions, and reports what became of them.

pub mod fail_point;
pub mod journal;
pub mod session;
