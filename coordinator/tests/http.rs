//! The HTTP door, asked as its clients ask it: each path, and what is wrong at each.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "http/door.rs"]
mod door;

#[path = "http/evidence.rs"]
mod evidence;
#[path = "http/full.rs"]
mod full;
#[path = "http/instances.rs"]
mod instances;
#[path = "http/jobs.rs"]
mod jobs;
#[path = "http/overload.rs"]
mod overload;
#[path = "http/own.rs"]
mod own;
#[path = "http/repair.rs"]
mod repair;
#[path = "http/searches.rs"]
mod searches;
#[path = "http/wrong_input.rs"]
mod wrong_input;
