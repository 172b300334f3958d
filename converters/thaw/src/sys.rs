//! What has no safe wrapper: a few requests of ptrace(2), making the first process, and CPUID.
//!
//! Each `unsafe` here passes the kernel numbers, or buffers that live as long as the call and whose
//! lengths it is told.
#![allow(unsafe_code)]

use crate::clocks::Moment;
use kconv_machine::XsaveComponents;
use libc::{c_void, iovec, pid_t};
use nix::errno::Errno;
use nix::unistd::Pid;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

const PTRACE_SETSIGMASK: u32 = 0x420b;
const PTRACE_GET_RSEQ_CONFIGURATION: u32 = 0x420f;
const NT_PRSTATUS: usize = 1;
const NT_X86_XSTATE: usize = 0x202;

/// Starts a process that does nothing but wait to be traced, and ends with this one.
pub(crate) fn stub() -> Result<Pid, Errno> {
    // SAFETY: the child calls nothing but two system calls, which is allowed whatever other threads
    // held at the fork, and never returns.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: as above.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            loop {
                libc::pause();
            }
        }
    }
    Errno::result(pid).map(Pid::from_raw)
}

/// Sets which signals a stopped thread blocks.
pub(crate) fn set_blocked(pid: Pid, blocked: u64) -> Result<(), Errno> {
    // SAFETY: the kernel reads 8 bytes at the address, as it is told.
    let done = unsafe {
        libc::ptrace(
            PTRACE_SETSIGMASK,
            pid.as_raw(),
            size_of::<u64>() as *mut c_void,
            std::ptr::from_ref(&blocked).cast_mut().cast::<c_void>(),
        )
    };
    Errno::result(done).map(drop)
}

/// Address, length and signature of a stopped thread's restartable sequences.
pub(crate) fn rseq(pid: Pid) -> Result<(u64, u32, u32), Errno> {
    // struct ptrace_rseq_configuration (include/uapi/linux/ptrace.h).
    let mut answer = [0u32; 6];
    // SAFETY: the kernel writes at most as many bytes as it is told the array has.
    let done = unsafe {
        libc::ptrace(
            PTRACE_GET_RSEQ_CONFIGURATION,
            pid.as_raw(),
            size_of_val(&answer) as *mut c_void,
            answer.as_mut_ptr().cast::<c_void>(),
        )
    };
    match Errno::result(done) {
        // Kernels before 5.13 do not tell.
        Err(Errno::EIO) => rseq_of_library(pid),
        Err(error) => Err(error),
        Ok(_) => {
            let address = u64::from(answer[0]) | u64::from(answer[1]) << 32;
            Ok((address, answer[2], answer[3]))
        }
    }
}

/// As [`rseq`], of a thread that was made by fork and has what the C library of this process registered. A library that
/// registers anything says where, from the thread pointer on (glibc 2.35: `__rseq_offset`, and `__rseq_size`, which is
/// 0 if it did not). Before 6.3 the kernel takes no other length than 32 (6.1 `kernel/rseq.c`: sys_rseq).
fn rseq_of_library(pid: Pid) -> Result<(u64, u32, u32), Errno> {
    const LENGTH: u32 = 32;
    // RSEQ_SIG of glibc's sysdeps/unix/sysv/linux/x86/bits/rseq.h.
    const SIGNATURE: u32 = 0x5305_3053;
    let (offset, size): (*const i64, *const u32);
    // Other libraries do not have them, and dlsym finds nothing in a program without dynamic linking.
    // SAFETY: reads the addresses that the linker knows, which are null if there are no such names.
    unsafe {
        std::arch::asm!(
            ".weak __rseq_offset",
            ".weak __rseq_size",
            "mov {offset}, qword ptr [rip + __rseq_offset@GOTPCREL]",
            "mov {size}, qword ptr [rip + __rseq_size@GOTPCREL]",
            offset = out(reg) offset,
            size = out(reg) size,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    // SAFETY: what the library has there are numbers of these types, which nobody changes once the program has begun.
    let (offset, size) = unsafe { (offset.as_ref(), size.as_ref()) };
    let (Some(offset), Some(1..)) = (offset, size) else {
        return Ok((0, 0, 0));
    };
    let pointer = nix::sys::ptrace::getregs(pid)?.fs_base;
    let address = pointer.wrapping_add_signed(*offset);
    Ok((address, LENGTH, SIGNATURE))
}

/// The registers of a stopped thread beyond the general ones, in the standard form of `xsave`.
pub(crate) fn xstate(pid: Pid) -> Result<Vec<u8>, Errno> {
    let mut area = vec![0u8; 1 << 16];
    let mut vector = iovec {
        iov_base: area.as_mut_ptr().cast::<c_void>(),
        iov_len: area.len(),
    };
    // SAFETY: the vector tells where the buffer is and how long.
    let done = unsafe { register_set(libc::PTRACE_GETREGSET, pid, NT_X86_XSTATE, &mut vector) };
    Errno::result(done)?;
    area.truncate(vector.iov_len);
    Ok(area)
}

/// Sets what [`xstate`] gives.
pub(crate) fn set_xstate(pid: Pid, area: &mut [u8]) -> Result<(), Errno> {
    let mut vector = iovec {
        iov_base: area.as_mut_ptr().cast::<c_void>(),
        iov_len: area.len(),
    };
    // SAFETY: as above; the kernel only reads the buffer.
    let done = unsafe { register_set(libc::PTRACE_SETREGSET, pid, NT_X86_XSTATE, &mut vector) };
    Errno::result(done).map(drop)
}

/// Sets the general registers of a stopped thread, in the order of `user_regs_struct`.
pub(crate) fn set_general(pid: Pid, values: &[u64; 27]) -> Result<(), Errno> {
    let mut values = *values;
    let mut vector = iovec {
        iov_base: values.as_mut_ptr().cast::<c_void>(),
        iov_len: size_of_val(&values),
    };
    // SAFETY: as above.
    let done = unsafe { register_set(libc::PTRACE_SETREGSET, pid, NT_PRSTATUS, &mut vector) };
    Errno::result(done).map(drop)
}

unsafe fn register_set(request: u32, pid: Pid, set: usize, vector: &mut iovec) -> i64 {
    let pid: pid_t = pid.as_raw();
    let set = set as *mut c_void;
    // SAFETY: the caller's.
    unsafe {
        libc::ptrace(
            request,
            pid,
            set,
            std::ptr::from_mut(vector).cast::<c_void>(),
        )
    }
}

/// A system call of this process that takes numbers only.
pub(crate) fn call(number: i64, arguments: [u64; 5]) -> Result<i64, Errno> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: the callers in this crate pass descriptors, flags and lengths, and addresses of
    // structures that they borrow for the call.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    Errno::result(result)
}

/// What a clock reads, in nanoseconds.
pub(crate) fn clock(clock: i32) -> Result<i64, Errno> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes one timespec.
    let done = unsafe { libc::clock_gettime(clock, &mut time) };
    Errno::result(done)?;
    Ok(time
        .tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec))
}

/// The clocks of this machine: kconv is in the namespace that it starts with.
pub(crate) fn moment() -> Result<Moment, Errno> {
    Ok(Moment {
        monotonic: clock(libc::CLOCK_MONOTONIC)?,
        boottime: clock(libc::CLOCK_BOOTTIME)?,
        realtime: clock(libc::CLOCK_REALTIME)?,
    })
}

/// A descriptor that the kernel has just given to this process.
pub(crate) fn owned(fd: RawFd) -> OwnedFd {
    // SAFETY: the callers have it from a system call that makes a new one, and pass it on at once.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Memory shared by whoever maps it, without a name: `size` bytes from the address that is given.
pub(crate) fn shared_memory(size: usize) -> Result<u64, Errno> {
    // SAFETY: the kernel chooses a place where nothing is.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    match at == libc::MAP_FAILED {
        true => Err(Errno::last()),
        false => Ok(at as u64),
    }
}

fn cpuid(leaf: u32, subleaf: u32) -> [u32; 4] {
    let found = std::arch::x86_64::__cpuid_count(leaf, subleaf);
    [found.eax, found.ebx, found.ecx, found.edx]
}

/// What the CPU can do, by the words of `CPUID` that the kernel keeps under these indices
/// (`arch/x86/include/asm/cpufeatures.h`).
pub(crate) fn cpu_features() -> [(usize, u32); 4] {
    let (one, seven) = (cpuid(1, 0), cpuid(7, 0));
    [(4, one[2]), (9, seven[1]), (16, seven[2]), (18, seven[3])]
}

/// Components of the register state that the system has enabled (XCR0); those of old, if it has not
/// enabled `xsave`.
pub(crate) fn enabled_components() -> u64 {
    const OSXSAVE: u32 = 1 << 27;
    const X87_AND_SSE: u64 = 3;
    match cpuid(1, 0)[2] & OSXSAVE {
        0 => X87_AND_SSE,
        // SAFETY: the CPU has the instruction, and the system has enabled it.
        _ => unsafe { xcr0() },
    }
}

#[target_feature(enable = "xsave")]
fn xcr0() -> u64 {
    // SAFETY: the register 0 is always there.
    unsafe { std::arch::x86_64::_xgetbv(0) }
}

/// Where components of the register state lie on this CPU (Intel 64 and IA-32 Architectures
/// Software Developer's Manual, volume 1, section 13.2).
pub(crate) fn xsave_components() -> XsaveComponents {
    let mut components = XsaveComponents {
        offsets: vec![usize::MAX; 2],
        sizes: vec![0; 2],
        aligned: vec![false; 2],
    };
    for number in 2..19 {
        let [size, offset, flags, _] = cpuid(0xd, number);
        // Components of the system have no place in the standard form.
        let user = flags & 1 == 0 && size != 0;
        components
            .offsets
            .push(if user { offset as usize } else { usize::MAX });
        components.sizes.push(size as usize);
        components.aligned.push(flags & 2 != 0);
    }
    components
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nix::sys::ptrace;
    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::waitpid;

    #[test]
    fn the_library_has_its_area_where_the_kernel_says() {
        let pid = stub().unwrap();
        ptrace::seize(pid, ptrace::Options::empty()).unwrap();
        ptrace::interrupt(pid).unwrap();
        waitpid(pid, None).unwrap();
        let of_kernel = rseq(pid).unwrap();
        let of_library = rseq_of_library(pid).unwrap();
        kill(pid, Signal::SIGKILL).unwrap();
        waitpid(pid, None).unwrap();
        assert_eq!(of_library.0, of_kernel.0);
        assert_eq!(of_library.2, of_kernel.2);
        assert!(of_library.1 <= of_kernel.1);
    }
}
