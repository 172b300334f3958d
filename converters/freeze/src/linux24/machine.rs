//! The clocks, and what the machine was.

use crate::error::Fault;
use crate::memory::Memory;
use kconv_image::{Clocks, KernelAddr, PAGE_SIZE};
use kconv_resources::linux24::Machine;
use kernel_structs_bits::little_endian;

/// Number of the capability bit `fxsr` (`include/asm-i386/cpufeature.h`: X86_FEATURE_FXSR).
const FXSR: u32 = 24;

/// The clocks. The kernel counts ticks from 0 at boot and has no other clock that starts there.
pub(super) fn clocks(memory: Memory<'_>, hz: u32) -> Result<Clocks, Fault> {
    let ticks = memory.bytes(symbol(memory, "jiffies")?, 4)?;
    let jiffies = little_endian(&ticks);
    let xtime = memory.read("timeval", symbol(memory, "xtime")?)?;
    let microseconds = xtime.unsigned("tv_usec")?;
    Ok(Clocks {
        hz,
        jiffies,
        realtime_seconds: xtime.signed("tv_sec")?,
        realtime_nanoseconds: (microseconds.min(999_999) * 1000) as u32,
        // 2^32 ticks of at most 1 s in nanoseconds do not pass 2^64.
        boottime_nanoseconds: jiffies * 1_000_000_000 / u64::from(hz.max(1)),
    })
}

/// Whether the CPU saves its floating-point registers with `fxsave`
/// (`arch/i386/kernel/i387.c`: cpu_has_fxsr).
pub(super) fn has_fxsr(memory: Memory<'_>) -> Result<bool, Fault> {
    let cpu = memory.read("cpuinfo_x86", symbol(memory, "boot_cpu_data")?)?;
    Ok(cpu.unsigned("x86_capability[0]")? >> FXSR & 1 != 0)
}

/// Whether there is an FPU; without one the kernel may emulate it, in a format of its own.
pub(super) fn has_fpu(memory: Memory<'_>) -> Result<bool, Fault> {
    let cpu = memory.read("cpuinfo_x86", symbol(memory, "boot_cpu_data")?)?;
    Ok(cpu.unsigned("hard_math")? != 0)
}

/// What a thaw needs to know of the machine.
pub(super) fn machine(memory: Memory<'_>) -> Result<Machine, Fault> {
    let cpu = memory.read("cpuinfo_x86", symbol(memory, "boot_cpu_data")?)?;
    Ok(Machine {
        page_size: PAGE_SIZE,
        has_fxsr: has_fxsr(memory)?,
        cpu_family: cpu.unsigned("x86")?,
        cpu_model: cpu.unsigned("x86_model")?,
        cpu_stepping: cpu.unsigned("x86_mask")?,
        cpu_capabilities: cpu.unsigned("x86_capability[0]")?,
    })
}

fn symbol(memory: Memory<'_>, name: &str) -> Result<KernelAddr, Fault> {
    let found = memory.source.symbol(name);
    found.ok_or_else(|| Fault::NoSymbol {
        name: name.to_owned(),
    })
}
