//! Any text is a process or refused with a place.
#![no_main]

use botswain_bpmn::{Limits, parse, read, write};

libfuzzer_sys::fuzz_target!(|text: &str| {
    match parse(text) {
        Ok(model) => assert!(read(write(&model).as_bytes(), &Limits::default()).is_ok()),
        Err(problem) => assert!(problem.line > 0),
    }
});
