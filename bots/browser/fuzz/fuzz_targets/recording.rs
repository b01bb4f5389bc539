//! No bytes make the recording's reader panic or run for long.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = botswain_browser::Recording::parse(bytes);
});
