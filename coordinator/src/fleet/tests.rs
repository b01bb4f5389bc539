//! The door as agents meet it: real TLS, a coordinator behind it that does what the test says.

mod enrolling;
mod speaking;
mod stub;
