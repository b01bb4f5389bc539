//! Stories of jobs: each test is a script, and what the desk did about every line of it.

mod agents;
mod properties;
mod routes;
mod speed;
mod stage;
mod stored;
mod words;
mod workers;
