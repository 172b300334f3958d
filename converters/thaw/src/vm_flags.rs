//! Bits of `vm_area_struct.vm_flags` (`include/linux/mm.h`; 6.1 and 6.12 number them alike).

pub(crate) const VM_READ: u64 = 0x1;
pub(crate) const VM_WRITE: u64 = 0x2;
pub(crate) const VM_EXEC: u64 = 0x4;
pub(crate) const VM_SHARED: u64 = 0x8;
pub(crate) const VM_MAYSHARE: u64 = 0x80;
pub(crate) const VM_GROWSDOWN: u64 = 0x100;
pub(crate) const VM_LOCKED: u64 = 0x2000;
pub(crate) const VM_LOCKONFAULT: u64 = 0x8_0000;
pub(crate) const VM_ACCOUNT: u64 = 0x10_0000;
pub(crate) const VM_NORESERVE: u64 = 0x20_0000;
