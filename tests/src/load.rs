//! The load generator's parts: the open-loop schedule, the workers, and what the machine itself can do.

pub mod machine;
pub mod run;
