//! No bytes make the overlay's reader panic, whatever recording it belongs to.
#![no_main]

use botswain_browser::{Overlay, Recording};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let recording = br##"{"title": "t", "steps": [
        {"type": "navigate", "url": "http://a/"},
        {"type": "change", "selectors": ["#a"], "value": "x"},
        {"type": "click", "selectors": ["#b"], "offsetX": 1, "offsetY": 1}]}"##;
    let mut recording = Recording::parse(recording).expect("the recording is valid");
    let _ = Overlay::parse(bytes, &mut recording);
});
