//! The HTTP door, asked as its clients ask it: each path, and what is wrong at each.

#[path = "http/door.rs"]
mod door;

#[path = "http/instances.rs"]
mod instances;
#[path = "http/jobs.rs"]
mod jobs;
#[path = "http/own.rs"]
mod own;
#[path = "http/repair.rs"]
mod repair;
#[path = "http/searches.rs"]
mod searches;
#[path = "http/wrong_input.rs"]
mod wrong_input;
