//! Flags of a futex wait that is to go on (`restart_block.futex.flags`), by name and kernel.
//!
//! They are defined in a header of the kernel's own, kernel/futex/futex.h, which no package of headers
//! has, and by the preprocessor, so that BTF has none of them: a layout cannot hold their numbers. What
//! kernels of both kinds note of two waits does, in `tests/guests/tests/boot/frozen.rs`. The sources of both
//! can be had as packages as well, and
//! `cargo test -p kconv-tests --test kernel_sources -- --ignored` holds these numbers against them.

/// 6.1 (kernel/futex/futex.h), with an MMU.
pub mod of_6_1 {
    /// The futex is in memory that several processes share.
    pub const FLAGS_SHARED: u64 = 0x01;
    /// The timeout is one of CLOCK_REALTIME.
    pub const FLAGS_CLOCKRT: u64 = 0x02;
    /// There is a timeout.
    pub const FLAGS_HAS_TIMEOUT: u64 = 0x04;

    /// All of them, by name.
    pub const ALL: [(&str, u64); 3] = [
        ("FLAGS_SHARED", FLAGS_SHARED),
        ("FLAGS_CLOCKRT", FLAGS_CLOCKRT),
        ("FLAGS_HAS_TIMEOUT", FLAGS_HAS_TIMEOUT),
    ];
}

/// 6.7 and later (kernel/futex/futex.h), with an MMU.
pub mod of_6_7 {
    /// A futex of 32 bits: the only one that 6.1 has.
    pub const FLAGS_SIZE_32: u64 = 0x0002;
    /// The bits of the size.
    pub const FLAGS_SIZE_MASK: u64 = 0x0003;
    /// The futex is in memory that several processes share.
    pub const FLAGS_SHARED: u64 = 0x0010;
    /// The timeout is one of CLOCK_REALTIME.
    pub const FLAGS_CLOCKRT: u64 = 0x0020;
    /// There is a timeout.
    pub const FLAGS_HAS_TIMEOUT: u64 = 0x0040;

    /// All of them, by name. `FLAGS_NUMA`, `FLAGS_STRICT` and what later kernels add are nothing that
    /// 6.1 has.
    pub const ALL: [(&str, u64); 5] = [
        ("FLAGS_SIZE_32", FLAGS_SIZE_32),
        ("FLAGS_SIZE_MASK", FLAGS_SIZE_MASK),
        ("FLAGS_SHARED", FLAGS_SHARED),
        ("FLAGS_CLOCKRT", FLAGS_CLOCKRT),
        ("FLAGS_HAS_TIMEOUT", FLAGS_HAS_TIMEOUT),
    ];
}

/// The flags that both have: in 6.1, and since 6.7.
pub(super) const MOVED: [(u64, u64); 3] = [
    (of_6_1::FLAGS_SHARED, of_6_7::FLAGS_SHARED),
    (of_6_1::FLAGS_CLOCKRT, of_6_7::FLAGS_CLOCKRT),
    (of_6_1::FLAGS_HAS_TIMEOUT, of_6_7::FLAGS_HAS_TIMEOUT),
];

/// Where the flags are in a `restart_block`'s union, in bytes (include/linux/restart_block.h).
pub(super) const FLAGS: core::ops::Range<usize> = 12..16;
