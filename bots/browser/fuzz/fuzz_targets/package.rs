//! No bytes make the package's reader panic, and what it reads packs to the same bytes again.
#![no_main]

use botswain_proto::package::Package;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(package) = Package::unpack(bytes) {
        assert_eq!(package.pack(), bytes);
    }
});
