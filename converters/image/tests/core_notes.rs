//! The standard notes, byte for byte, at the offsets that BFD reads (`elf32-i386.c` and
//! `elf64-x86-64.c`, `grok_prstatus` and `grok_psinfo`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_image::Machine;
use kconv_image::core_notes::{
    I386Registers, Ids, MappedFile, ProcessInfo, Registers, Status, TimeVal, X86_64Registers, auxv,
    i386_fpregset, mapped_files, prpsinfo, prstatus, prxfpreg, siginfo, x86_64_fpregset,
};

const IDS: Ids = Ids {
    pid: 101,
    ppid: 102,
    pgrp: 103,
    sid: -1,
};

fn status(registers: Registers) -> Status {
    let time = |seconds| TimeVal {
        seconds,
        microseconds: 999_999,
    };
    Status {
        signal: 11,
        code: -6,
        errno: 5,
        pending: 0x0102_0304_0506_0708,
        blocked: 0x1112_1314_1516_1718,
        ids: IDS,
        user_time: time(1),
        system_time: time(2),
        children_user_time: time(3),
        children_system_time: time(4),
        registers,
        has_floating_point: true,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn prstatus_of_i386() {
    let registers = I386Registers {
        ebx: 1,
        eax: 7,
        orig_eax: 12,
        esp: 16,
        ss: 17,
        ..I386Registers::default()
    };
    let note = prstatus(&status(Registers::I386(registers)));
    let bytes = &note.bytes;
    assert_eq!(
        (note.owner.as_str(), note.kind, bytes.len()),
        ("CORE", 1, 144)
    );
    assert_eq!(
        [u32_at(bytes, 0), u32_at(bytes, 4), u32_at(bytes, 8)],
        [11, -6_i32 as u32, 5]
    );
    assert_eq!(u16_at(bytes, 12), 11, "pr_cursig");
    assert_eq!(u32_at(bytes, 16), 0x0506_0708, "pr_sigpend");
    assert_eq!(u32_at(bytes, 20), 0x1516_1718, "pr_sighold");
    assert_eq!(u32_at(bytes, 24), 101, "pr_pid");
    assert_eq!(u32_at(bytes, 36), u32::MAX, "pr_sid");
    assert_eq!(
        (u32_at(bytes, 40), u32_at(bytes, 44)),
        (1, 999_999),
        "pr_utime"
    );
    assert_eq!(
        (u32_at(bytes, 64), u32_at(bytes, 68)),
        (4, 999_999),
        "pr_cstime"
    );
    // pr_reg, at 72, in the order of ptrace(2).
    for (index, value) in [(0, 1), (6, 7), (11, 12), (15, 16), (16, 17)] {
        assert_eq!(u32_at(bytes, 72 + index * 4), value, "register {index}");
    }
    assert_eq!(u32_at(bytes, 140), 1, "pr_fpvalid");
}

#[test]
fn prstatus_of_x86_64() {
    let registers = X86_64Registers {
        r15: 1,
        rax: 11,
        orig_rax: 16,
        rip: 17,
        rsp: 20,
        fs_base: 22,
        gs: 27,
        ..X86_64Registers::default()
    };
    let note = prstatus(&status(Registers::X86_64(registers)));
    let bytes = &note.bytes;
    assert_eq!(
        (note.owner.as_str(), note.kind, bytes.len()),
        ("CORE", 1, 336)
    );
    assert_eq!(u16_at(bytes, 12), 11, "pr_cursig");
    assert_eq!(u64_at(bytes, 16), 0x0102_0304_0506_0708, "pr_sigpend");
    assert_eq!(u64_at(bytes, 24), 0x1112_1314_1516_1718, "pr_sighold");
    assert_eq!(u32_at(bytes, 32), 101, "pr_pid");
    assert_eq!(
        (u64_at(bytes, 48), u64_at(bytes, 56)),
        (1, 999_999),
        "pr_utime"
    );
    for (index, value) in [
        (0, 1),
        (10, 11),
        (15, 16),
        (16, 17),
        (19, 20),
        (21, 22),
        (26, 27),
    ] {
        assert_eq!(u64_at(bytes, 112 + index * 8), value, "register {index}");
    }
    assert_eq!(u32_at(bytes, 328), 1, "pr_fpvalid");
}

fn info() -> ProcessInfo {
    ProcessInfo {
        state: 3,
        state_letter: b'Z',
        zombie: true,
        nice: -20,
        flags: 0x0102_0304_0506_0708,
        uid: 70_000,
        gid: 100,
        ids: IDS,
        name: b"a name longer than sixteen".to_vec(),
        arguments: [b'x'; 200].to_vec(),
    }
}

#[test]
fn prpsinfo_of_i386() {
    let note = prpsinfo(Machine::I386, &info());
    let bytes = &note.bytes;
    assert_eq!(
        (note.owner.as_str(), note.kind, bytes.len()),
        ("CORE", 3, 124)
    );
    assert_eq!(bytes[..4], [3, b'Z', 1, 236]);
    assert_eq!(u32_at(bytes, 4), 0x0506_0708, "pr_flag");
    assert_eq!(u16_at(bytes, 8), 65534, "pr_uid does not fit");
    assert_eq!(u16_at(bytes, 10), 100, "pr_gid");
    assert_eq!(u32_at(bytes, 12), 101, "pr_pid");
    assert_eq!(&bytes[28..44], b"a name longer th");
    assert_eq!(bytes[44..123], [b'x'; 79]);
    assert_eq!(bytes[123], 0);
}

#[test]
fn prpsinfo_of_x86_64() {
    let note = prpsinfo(Machine::X86_64, &info());
    let bytes = &note.bytes;
    assert_eq!(
        (note.owner.as_str(), note.kind, bytes.len()),
        ("CORE", 3, 136)
    );
    assert_eq!(u64_at(bytes, 8), 0x0102_0304_0506_0708, "pr_flag");
    assert_eq!((u32_at(bytes, 16), u32_at(bytes, 20)), (70_000, 100));
    assert_eq!(u32_at(bytes, 24), 101, "pr_pid");
    assert_eq!(&bytes[40..56], b"a name longer th");
    assert_eq!((bytes[134], bytes[135]), (b'x', 0));
}

#[test]
fn auxv_is_closed_once() {
    let open = auxv(Machine::I386, &[(6, 4096)]);
    let closed = auxv(Machine::I386, &[(6, 4096), (0, 0)]);
    assert_eq!(open, closed);
    assert_eq!((open.kind, open.bytes.len()), (6, 16));
    assert_eq!(auxv(Machine::X86_64, &[]).bytes, [0; 16]);
}

#[test]
fn mapped_files_in_words_of_the_machine() {
    let files = [MappedFile {
        start: 0x0804_8000,
        end: 0x0804_a000,
        page_offset: 3,
        path: b"/bin/sh".to_vec(),
    }];
    let note = mapped_files(Machine::I386, &files);
    assert_eq!((note.owner.as_str(), note.kind), ("CORE", 0x4649_4c45));
    let words: Vec<u32> = (0..5).map(|word| u32_at(&note.bytes, word * 4)).collect();
    assert_eq!(words, [1, 4096, 0x0804_8000, 0x0804_a000, 3]);
    assert_eq!(&note.bytes[20..], b"/bin/sh\0");
    assert_eq!(mapped_files(Machine::X86_64, &files).bytes.len(), 48);
}

#[test]
fn raw_notes_have_their_owner_and_number() {
    let described = [
        i386_fpregset(&[1; 108]),
        x86_64_fpregset(&[1; 512]),
        prxfpreg(&[1; 512]),
        siginfo(&[1; 128]),
    ]
    .map(|note| (note.owner, note.kind, note.bytes.len()));
    let expected = [
        ("CORE", 2, 108),
        ("CORE", 2, 512),
        ("LINUX", 0x46e6_2b7f, 512),
        ("CORE", 0x5349_4749, 128),
    ]
    .map(|(owner, kind, length)| (owner.to_owned(), kind, length));
    assert_eq!(described, expected);
}
