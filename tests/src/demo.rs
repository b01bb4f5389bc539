//! The demo: a coordinator, an agent on a desktop, the legacy CRM, and the main job between them.

pub mod door;
pub mod job;
pub mod operator;
pub mod programs;
pub mod report;
pub mod screen;
pub mod stage;
pub mod started;
