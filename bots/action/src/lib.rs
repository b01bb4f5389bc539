//! Action, Outcome, effect classes.
