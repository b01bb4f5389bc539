//! The machine: its clock, its start, and the figures a beat carries.

use std::fs;
use std::path::Path;

use botswain_proto::message::Beat;
use nix::time::{ClockId, clock_gettime};

use crate::session::Stamp;

/// The moment, by a clock that never goes back and counts sleep too.
pub fn now() -> Stamp {
    let ms = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map(|time| {
            let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
            let nanos = u64::try_from(time.tv_nsec()).unwrap_or_default();
            seconds * 1000 + nanos / 1_000_000
        })
        .unwrap_or_default();
    Stamp {
        machine_start: machine_start(),
        ms,
    }
}

/// Names the start of the machine, by which moments of different starts are told apart.
fn machine_start() -> u64 {
    static START: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *START.get_or_init(|| {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        id.trim()
            .parse::<uuid::Uuid>()
            .map_or(0, |id| id.as_u64_pair().0)
    })
}

/// Adds the machine's figures to a beat.
pub fn measure(beat: &mut Beat, data: &Path) {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f32 = load
        .split_whitespace()
        .next()
        .and_then(|load| load.parse().ok())
        .unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rough figure for people"
    )]
    let percent = (load.clamp(0.0, 10_000.0) * 100.0 / processors as f32) as u32;
    beat.load_percent = percent;
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    beat.memory_free_bytes = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok())
        .unwrap_or_default()
        * 1024;
    if let Ok(disk) = nix::sys::statvfs::statvfs(data) {
        beat.disk_free_bytes = disk.blocks_available() * disk.fragment_size();
    }
}
