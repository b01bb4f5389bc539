//! The agent: takes attempts, runs bots and device actions, and reports what became of them.

pub mod agent;
pub mod cli;
pub mod config;
pub mod enrol;
pub mod evidence;
pub mod fail_point;
pub mod identity;
pub mod journal;
pub mod link;
pub mod machine;
pub mod packages;
pub mod policy;
pub mod prepare;
pub mod runner;
pub mod session;
