//! FEEL: parse once, evaluate many times, never hang.
