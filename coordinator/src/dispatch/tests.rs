//! Stories of jobs: each test is a script, and what the desk did about every line of it.

mod properties;
mod speed;
mod stage;
mod stories;
