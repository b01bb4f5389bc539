//! Any bytes are read or refused, and what is read is the same once written.
#![no_main]

use botswain_bpmn::{Limits, read, write};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    match read(bytes, &Limits::default()) {
        Ok(model) => {
            let written = write(&model);
            assert_eq!(read(written.as_bytes(), &Limits::default()), Ok(model), "{written}");
        }
        Err(problems) => assert!(!problems.is_empty()),
    }
});
