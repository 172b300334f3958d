//! Whether the machine has the memory that the tasks take.

use super::found::Obstacles;
use crate::filled::Filled;
use crate::plan::Plan;
use crate::used::Copies;
use kconv_codes::Code;
use kconv_image::Head;
use std::fs;

pub(super) fn check(plan: &Plan, head: &Head, copies: &Copies, found: &mut Obstacles<'_>) {
    let needed = Filled::by(plan, head, copies).bytes();
    let there = fs::read_to_string("/proc/meminfo").ok();
    if let Some(there) = there.and_then(|text| available(&text))
        && needed > there
    {
        found.add(
            Code::MachineMemory,
            None,
            "memory",
            format!("{} MiB available", there >> 20),
            format!("{} MiB", needed.div_ceil(1 << 20)),
            "end other programs, or add memory to swap to",
        );
    }
}

/// Bytes that can be had without ending programs (`Documentation/filesystems/proc.rst`, meminfo).
fn available(meminfo: &str) -> Option<u64> {
    let kilobytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        let number = line.trim().strip_suffix("kB")?.trim();
        number.parse::<u64>().ok()
    };
    let swap = kilobytes("SwapFree:").unwrap_or(0);
    Some((kilobytes("MemAvailable:")? + swap) << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_is_what_is_free_and_can_be_swapped() {
        let text = "MemTotal:  100 kB\nMemAvailable:     50 kB\nSwapFree:  7 kB\n";
        assert_eq!(available(text), Some(57 << 10));
        assert_eq!(available("MemAvailable: 50 kB\n"), Some(50 << 10));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
    }
}
