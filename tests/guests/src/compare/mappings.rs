//! maps and VmFlags of smaps, against the mappings of an address space.

use super::{Comparison, PAGE, number};
use crate::proc::Mapping;
use serde_json::Value;

impl Comparison {
    pub(super) fn mappings(&mut self, what: &str, mappings: &[Mapping], ours: &Value) {
        // The vsyscall page belongs to all and to no address space.
        let mappings: Vec<_> = mappings.iter().filter(|m| m.path != "[vsyscall]").collect();
        let count = ours.as_array().map_or(0, Vec::len);
        self.value(
            &format!("{what}: mappings"),
            mappings.len() as i128,
            Some(count as i128),
        );
        for (index, mapping) in mappings.into_iter().enumerate() {
            let what = format!("{what}: mapping at {:#x}", mapping.start);
            self.mapping(&what, mapping, &ours[index]);
        }
    }

    fn mapping(&mut self, what: &str, mapping: &Mapping, vma: &Value) {
        for (name, fact) in [("start", mapping.start), ("end", mapping.end)] {
            self.value(&format!("{what}: {name}"), fact, number(&vma[name]));
        }
        let permissions = &vma["permissions"];
        self.same(
            &format!("{what}: permissions"),
            &mapping.permissions,
            permissions,
        );
        self.flags(what, mapping, number(&vma["flags"]));
        // Memory that is shared without a file has one that nobody can name.
        if mapping.path.ends_with(" (deleted)") {
            self.same(&format!("{what}: kind"), "shared-memory", &vma["kind"]);
        } else {
            let path = vma["path"].as_str().unwrap_or_default();
            self.same(&format!("{what}: path"), &mapping.path, &path.into());
        }
        if mapping.inode != 0 {
            let bytes = number(&vma["pgoff"]).map(|pages| pages * i128::from(PAGE));
            self.value(&format!("{what}: offset"), mapping.offset, bytes);
            self.value(
                &format!("{what}: inode"),
                mapping.inode,
                number(&vma["inode"]),
            );
            let device = decimal(&mapping.device);
            self.same(&format!("{what}: device"), &device, &vma["device"]);
        }
    }

    fn flags(&mut self, what: &str, mapping: &Mapping, flags: Option<i128>) {
        let has = |mnemonic: &str| mapping.flags.iter().any(|flag| flag == mnemonic);
        // 6.1 has no mnemonic for VM_LOCKONFAULT, and shows two question marks.
        let known = VM_FLAGS
            .iter()
            .filter(|(mnemonic, _)| !(has("??") && *mnemonic == "lf"));
        let (mut shown, mut all) = (0, 0);
        for (mnemonic, bit) in known {
            all |= bit;
            if has(mnemonic) {
                shown |= bit;
            }
        }
        for flag in &mapping.flags {
            if flag != "??" && !VM_FLAGS.iter().any(|(mnemonic, _)| mnemonic == flag) {
                self.wrong
                    .push(format!("{what}: VmFlags {flag} is not known"));
            }
        }
        self.value(
            &format!("{what}: flags"),
            shown,
            flags.map(|flags| flags & all),
        );
    }
}

/// `fe:00` as `254:0`.
pub(super) fn decimal(device: &str) -> String {
    let numbers = device.split(':').map(|n| u32::from_str_radix(n, 16));
    let numbers: Vec<String> = numbers
        .map(|n| n.map_or_else(|_| device.to_owned(), |n| n.to_string()))
        .collect();
    numbers.join(":")
}

/// The mnemonics of VmFlags and their bits (fs/proc/task_mmu.c: show_smap_vma_flags;
/// include/linux/mm.h).
const VM_FLAGS: [(&str, i128); 30] = [
    ("rd", 0x1),
    ("wr", 0x2),
    ("ex", 0x4),
    ("sh", 0x8),
    ("mr", 0x10),
    ("mw", 0x20),
    ("me", 0x40),
    ("ms", 0x80),
    ("gd", 0x100),
    ("um", 0x200),
    ("pf", 0x400),
    ("uw", 0x1000),
    ("lo", 0x2000),
    ("io", 0x4000),
    ("sr", 0x8000),
    ("rr", 0x10000),
    ("lf", 0x80000),
    ("dc", 0x20000),
    ("de", 0x40000),
    ("ac", 0x100000),
    ("nr", 0x200000),
    ("ht", 0x400000),
    ("sf", 0x800000),
    ("wf", 0x2000000),
    ("dd", 0x4000000),
    ("sd", 0x8000000),
    ("mm", 0x10000000),
    ("hg", 0x20000000),
    ("nh", 0x40000000),
    ("mg", 0x80000000),
];
