//! The clocks, and what the machine is.

use crate::error::Fault;
use crate::memory::Memory;
use kconv_image::{Clocks, KernelAddr, PAGE_SIZE};
use kconv_resources::linux6::{Cpu, Machine, Suspended};
use kernel_structs_bits::little_endian;

const SECOND: u64 = 1_000_000_000;

/// Ticks a second: the length of a tick stands with the clock, in nanoseconds shifted by
/// `NTP_SCALE_SHIFT`, and differs from 1/HZ by what NTP corrects (`kernel/time/ntp.c`:
/// ntp_tick_length).
pub(crate) fn tick_rate(memory: Memory<'_>) -> Option<u32> {
    const NTP_SCALE_SHIFT: u32 = 32;
    let clock = memory.read("timekeeper", clock(memory).ok()?).ok()?;
    let tick = clock.unsigned("ntp_tick").ok()? >> NTP_SCALE_SHIFT;
    let rate = (SECOND + tick / 2).checked_div(tick)?;
    u32::try_from(rate).ok()
}

/// The clocks as of the last tick. `shadow_timekeeper` is what the clock was set to by it, and
/// does not change while it is read but once a tick (`kernel/time/timekeeping.c`:
/// timekeeping_update).
pub(super) fn clocks(memory: Memory<'_>, hz: u32) -> Result<Clocks, Fault> {
    let jiffies = memory.bytes(symbol(memory, "jiffies_64")?, 8)?;
    let clock = memory.read("timekeeper", clock(memory)?)?;
    let seconds = clock.signed("xtime_sec")?;
    let shift = clock.unsigned("tkr_mono.shift")?.min(63);
    let nanoseconds = (clock.unsigned("tkr_mono.xtime_nsec")? >> shift).min(SECOND - 1);
    let monotonic = |seconds: i64, nanoseconds: i64| {
        let seconds = seconds.saturating_mul(SECOND as i64);
        seconds.saturating_add(nanoseconds)
    };
    let since_boot = monotonic(seconds, nanoseconds as i64)
        .saturating_add(monotonic(
            clock.signed("wall_to_monotonic.tv_sec")?,
            clock.signed("wall_to_monotonic.tv_nsec")?,
        ))
        .saturating_add(clock.signed("offs_boot")?);
    Ok(Clocks {
        hz,
        jiffies: little_endian(&jiffies),
        realtime_seconds: seconds,
        realtime_nanoseconds: nanoseconds as u32,
        boottime_nanoseconds: since_boot.max(0) as u64,
    })
}

/// Changes only when the machine wakes up (`kernel/time/timekeeping.c`:
/// tk_update_sleep_time), so that it need not be read at one moment with the clocks.
fn suspended(memory: Memory<'_>) -> Result<i64, Fault> {
    let clock = memory.read("timekeeper", clock(memory)?)?;
    Ok(clock.signed("offs_boot")?)
}

/// What a thaw needs to know of the machine.
pub(super) fn machine(memory: Memory<'_>) -> Result<Machine, Fault> {
    let cpu = memory.read("cpuinfo_x86", symbol(memory, "boot_cpu_data")?)?;
    let capabilities = cpu.bytes("x86_capability")?.chunks_exact(4);
    Ok(Machine {
        page_size: PAGE_SIZE,
        suspended: Suspended {
            nanoseconds: suspended(memory)?,
        },
        cpu: Cpu {
            family: cpu.unsigned("x86")?,
            vendor: cpu.unsigned("x86_vendor")?,
            model: cpu.unsigned("x86_model")?,
            stepping: cpu.unsigned("x86_stepping")?,
            capabilities: capabilities.map(little_endian).collect(),
        },
    })
}

/// Where the clock is: a variable of its own, or since clocks of other kinds came beside it the first of several (7.2
/// `kernel/time/timekeeping.c`: timekeeper_data; `include/linux/timekeeper_internal.h`: TIMEKEEPER_CORE).
fn clock(memory: Memory<'_>) -> Result<KernelAddr, Fault> {
    const SEVERAL: &str = "timekeeper_data";
    let Some(several) = memory.source.symbol(SEVERAL) else {
        return symbol(memory, "shadow_timekeeper");
    };
    let place = memory
        .names
        .offset_in(memory.names.find("tk_data")?, "shadow_timekeeper")?;
    several.checked_add(place).ok_or_else(|| Fault::NoSymbol {
        name: SEVERAL.to_owned(),
    })
}

pub(super) fn symbol(memory: Memory<'_>, name: &str) -> Result<KernelAddr, Fault> {
    let found = memory.source.symbol(name);
    found.ok_or_else(|| Fault::NoSymbol {
        name: name.to_owned(),
    })
}
