//! The images against what is true of the tasks, which was read by other means.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod frozen;

use frozen::{DUMPS, Frozen, facts, image};
use kconv_image::{CoreNote, KernelAddr, ObjectId};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The number that a fact is: decimal, or text in hexadecimal or octal.
fn number(fact: &Value) -> i128 {
    let Some(text) = fact.as_str() else {
        return i128::from(fact.as_i64().unwrap());
    };
    let (digits, radix) = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(digits), _) => (digits, 16),
        (_, Some(digits)) => (digits, 8),
        _ => panic!("no number: {text}"),
    };
    i128::from_str_radix(digits, radix).unwrap()
}

/// What paths look like in `/proc/PID/fd`: `pipe:[22]`.
fn path(fact: &Value) -> Option<String> {
    fact.as_str().map(|path| path.replace(":/[", ":["))
}

/// Calls `check` with every task of every dump and what is true of it.
fn for_every_task(mut check: impl FnMut(&Frozen, ObjectId, &Value)) {
    for name in DUMPS {
        let frozen = Frozen::open(&image(name));
        let tasks = frozen.of_type("task_struct");
        let facts = facts(name);
        let facts = facts["tasks"].as_array().unwrap();
        assert_eq!(tasks.len(), facts.len(), "{name}");
        for facts in facts {
            let task = frozen
                .at(number(&facts["addr"]) as u64)
                .expect("every task is there");
            check(&frozen, task, facts);
        }
    }
}

/// The object that a field of a task leads to.
fn partner(frozen: &Frozen, task: ObjectId, field: &str) -> Option<ObjectId> {
    let at = frozen.pointer(task, field);
    (at != 0).then(|| {
        frozen
            .at(at)
            .unwrap_or_else(|| panic!("{field} leads to an object"))
    })
}

#[test]
fn tasks_come_first_and_in_the_order_of_the_ring() {
    for name in DUMPS {
        let frozen = Frozen::open(&image(name));
        let tasks = frozen.of_type("task_struct");
        assert_eq!(
            tasks,
            (0..tasks.len() as u32).map(ObjectId).collect::<Vec<_>>()
        );
        for (task, next) in tasks.iter().zip(tasks.iter().cycle().skip(1)) {
            let at = frozen.head().object(*next).address;
            assert_eq!(KernelAddr(frozen.pointer(*task, "next_task")), at);
        }
    }
}

#[test]
fn numbers_of_the_tasks() {
    for_every_task(|frozen, task, facts| {
        for field in [
            "pid",
            "tgid",
            "pgrp",
            "session",
            "leader",
            "state",
            "flags",
            "ptrace",
            "exit_code",
            "exit_signal",
            "pdeath_signal",
            "personality",
            "nice",
            "policy",
            "rt_priority",
            "counter",
            "lock_depth",
            "start_time",
            "ngroups",
            "used_math",
            "mm",
            "active_mm",
            "files",
            "fs",
            "sig",
            "user",
            "namespace",
            "tty",
            "semundo",
            "vfork_done",
            "p_opptr",
            "p_pptr",
            "p_cptr",
            "p_ysptr",
            "p_osptr",
            "parent_exec_id",
            "self_exec_id",
        ] {
            assert_eq!(
                frozen.number(task, field),
                number(&facts[field]),
                "{field} {facts}"
            );
        }
        for (field, fact) in facts["it"].as_object().unwrap() {
            assert_eq!(frozen.number(task, field), number(fact), "{field} {facts}");
        }
        for (index, limits) in facts["rlim"].as_array().unwrap().iter().enumerate() {
            for (field, limit) in ["rlim_cur", "rlim_max"]
                .iter()
                .zip(limits.as_array().unwrap())
            {
                let field = format!("rlim[{index}].{field}");
                assert_eq!(
                    frozen.number(task, &field),
                    number(limit),
                    "{field} {facts}"
                );
            }
        }
        for (index, group) in facts["groups"].as_array().unwrap().iter().enumerate() {
            assert_eq!(
                frozen.number(task, &format!("groups[{index}]")),
                number(group),
                "{facts}"
            );
        }
        let comm = frozen.slice(task, "comm");
        let comm = comm.split(|byte| *byte == 0).next().unwrap();
        assert_eq!(comm, facts["comm"].as_str().unwrap().as_bytes());
    });
}

#[test]
fn symbols_of_the_tasks() {
    for_every_task(|frozen, task, facts| {
        let eip = facts["thread"]["eip_sym"].as_str();
        assert_eq!(frozen.symbol(task, "thread.eip").as_deref(), eip, "{facts}");
        assert_eq!(
            frozen.symbol(task, "real_timer.function").as_deref(),
            Some("it_real_fn")
        );
    });
}

#[test]
fn every_symbol_is_what_the_kernel_had_at_its_address() {
    for name in DUMPS {
        let (frozen, facts) = (Frozen::open(&image(name)), facts(name));
        let mut found = 0;
        for symbol in &frozen.head().symbols {
            let Some(fact) = facts["static_pointers"][symbol.origin.to_string()].as_str() else {
                continue;
            };
            found += 1;
            let offset = match symbol.offset {
                0 => String::new(),
                offset => format!("+{offset:#x}"),
            };
            assert_eq!(format!("{}{offset}", symbol.name), fact);
        }
        // All but the place in schedule() at which tasks were switched out.
        assert_eq!(found, frozen.head().symbols.len() - 1, "{name}");
    }
}

#[test]
fn signals() {
    for_every_task(|frozen, task, facts| {
        for (field, fact) in [("pending.signal", "pending"), ("blocked", "blocked")] {
            for word in 0..2 {
                let field = format!("{field}.sig[{word}]");
                assert_eq!(
                    frozen.number(task, &field),
                    number(&facts[fact][word]),
                    "{facts}"
                );
            }
        }
        let mut queued = 0;
        let mut next = partner(frozen, task, "pending.head");
        while let Some(signal) = next {
            queued += 1;
            next = partner(frozen, signal, "next");
        }
        assert_eq!(queued, number(&facts["pending_queue_len"]), "{facts}");
        let Some(sig) = partner(frozen, task, "sig") else {
            return;
        };
        assert_eq!(
            frozen.number(sig, "count.counter"),
            number(&facts["sig_count"])
        );
        for (signal, action) in facts["sigactions"].as_object().unwrap() {
            let signal: usize = signal.parse().unwrap();
            for field in ["handler", "flags", "restorer"] {
                let place = format!("action[{}].sa.sa_{field}", signal - 1);
                assert_eq!(
                    frozen.number(sig, &place),
                    number(&action[field]),
                    "{facts}"
                );
            }
        }
    });
}

/// Open files by descriptor: their objects.
fn descriptors(frozen: &Frozen, files: ObjectId) -> BTreeMap<u64, ObjectId> {
    let array = frozen.pointer(files, "fd");
    let (object, start) = frozen
        .image
        .find(KernelAddr(array))
        .expect("the array is saved");
    let bytes = frozen.bytes(object);
    let count = frozen.number(files, "max_fds") as usize;
    let pointers = bytes[start as usize..].chunks_exact(4).take(count);
    let pointers: Vec<u32> = pointers
        .map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    assert_eq!(pointers.len(), count);
    let open = (0..).zip(pointers).filter(|(_, pointer)| *pointer != 0);
    open.map(|(fd, at)| (fd, frozen.at(u64::from(at)).expect("every file is saved")))
        .collect()
}

#[test]
fn open_files() {
    for_every_task(|frozen, task, facts| {
        let Some(files) = partner(frozen, task, "files") else {
            return assert_eq!(facts.get("open_fds"), None);
        };
        assert_eq!(frozen.number(files, "max_fds"), number(&facts["max_fds"]));
        let open = descriptors(frozen, files);
        let expected = facts["open_fds"].as_object().unwrap();
        assert_eq!(open.len(), expected.len(), "{facts}");
        for (fd, file) in open {
            let fact = &expected[&fd.to_string()];
            assert_eq!(frozen.head().object(file).address.to_string(), fact["file"]);
            assert_eq!(frozen.number(file, "f_pos"), number(&fact["pos"]), "{fact}");
            assert_eq!(
                frozen.number(file, "f_flags"),
                number(&fact["flags"]),
                "{fact}"
            );
            assert_eq!(frozen.symbol(file, "f_op").as_deref(), fact["fop"].as_str());
            assert_eq!(
                frozen.resource_text(file, "f_dentry", "path"),
                path(&fact["path"])
            );
        }
    });
}

#[test]
fn directories_and_umask() {
    for_every_task(|frozen, task, facts| {
        let Some(fs) = partner(frozen, task, "fs") else {
            return assert_eq!(facts.get("cwd"), None);
        };
        assert_eq!(frozen.number(fs, "umask"), number(&facts["umask"]));
        assert_eq!(frozen.resource_text(fs, "pwd", "path"), path(&facts["cwd"]));
        assert_eq!(
            frozen.resource_text(fs, "root", "path"),
            path(&facts["root"])
        );
    });
}

#[test]
fn mappings() {
    for_every_task(|frozen, task, facts| {
        let Some(mm) = partner(frozen, task, "mm") else {
            return assert_eq!(facts.get("mm_counts"), None);
        };
        for (field, fact) in facts["mm_counts"].as_object().unwrap() {
            let counter = matches!(field.as_str(), "mm_users" | "mm_count");
            let field = if counter {
                format!("{field}.counter")
            } else {
                field.clone()
            };
            assert_eq!(frozen.number(mm, &field), number(fact), "{field} {facts}");
        }
        let mut next = partner(frozen, mm, "mmap");
        for fact in facts["vmas"].as_array().unwrap() {
            let vma = next.expect("as many mappings as there are");
            for (index, field) in ["vm_start", "vm_end", "vm_flags", "vm_pgoff"]
                .iter()
                .enumerate()
            {
                assert_eq!(
                    frozen.number(vma, field),
                    number(&fact[index + 1]),
                    "{fact}"
                );
            }
            let file = partner(frozen, vma, "vm_file");
            let mapped = file.and_then(|file| frozen.resource_text(file, "f_dentry", "path"));
            assert_eq!(mapped, path(&fact[5]), "{fact}");
            next = partner(frozen, vma, "vm_next");
        }
        assert_eq!(next, None);
    });
}

#[test]
fn user_registers() {
    for_every_task(|frozen, task, facts| {
        let home = frozen.head().object(task).address.0;
        let registers = frozen.at(home + 8192 - 60);
        let Some(expected) = facts["pt_regs"].as_object() else {
            return assert_eq!(registers, None, "{facts}");
        };
        let registers = registers.expect("a task with user memory has registers");
        assert_eq!(frozen.head().object(registers).owner, task);
        for (register, value) in expected {
            // Facts are bits; some registers are signed in struct pt_regs.
            let found = frozen.number(registers, register) as u32;
            assert_eq!(i128::from(found), number(value), "{register} {facts}");
        }
    });
}

#[test]
fn every_object_is_owned_by_a_task_that_comes_before_it() {
    for name in DUMPS {
        let frozen = Frozen::open(&image(name));
        let tasks: BTreeSet<_> = frozen.of_type("task_struct").into_iter().collect();
        for (id, object) in frozen.ids() {
            assert!(tasks.contains(&object.owner), "{object:?}");
            assert!(object.owner <= id, "{object:?}");
            assert_eq!(object.address, object.home);
        }
    }
}

/// A 32-bit number of a note.
fn word(note: &CoreNote, at: usize) -> u32 {
    u32::from_le_bytes(note.bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn core_notes_have_the_registers_of_every_task_with_user_memory() {
    const NT_PRSTATUS: u32 = 1;
    for name in DUMPS {
        let frozen = Frozen::open(&image(name));
        let facts = facts(name);
        let tasks = facts["tasks"].as_array().unwrap();
        let mut expected = tasks.iter().filter(|task| !task["pt_regs"].is_null());
        let notes = &frozen.head().core_notes;
        for note in notes.iter().filter(|note| note.kind == NT_PRSTATUS) {
            let fact = expected.next().expect("no note without a task");
            assert_eq!(i128::from(word(note, 24)), number(&fact["pid"]));
            // The registers follow 72 bytes in: ebx … eax, ds, es, fs, gs, orig_eax, eip, …, esp.
            for (register, index) in [
                ("ebx", 0),
                ("eax", 6),
                ("xds", 7),
                ("orig_eax", 11),
                ("eip", 12),
                ("esp", 15),
            ] {
                let found = word(note, 72 + 4 * index);
                assert_eq!(
                    i128::from(found),
                    number(&fact["pt_regs"][register]),
                    "{fact}"
                );
            }
            for (segment, index) in [("fs", 9), ("gs", 10)] {
                let found = word(note, 72 + 4 * index);
                assert_eq!(
                    i128::from(found),
                    number(&fact["thread"][segment]),
                    "{fact}"
                );
            }
        }
        assert_eq!(expected.next(), None);
        let first = frozen.at(number(&tasks[1]["mm"]) as u64).unwrap();
        assert_eq!(frozen.head().address_spaces[0].mm, first);
    }
}

#[test]
fn floating_point_registers_are_there_in_the_form_the_cpu_has() {
    const NT_FPREGSET: u32 = 2;
    const NT_PRXFPREG: u32 = 0x46e6_2b7f;
    // alpha loaded six numbers, pi and log2(e) the last two.
    let pi = [0x35, 0xc2, 0x68, 0x21, 0xa2, 0xda, 0x0f, 0xc9, 0x00, 0x40];
    for (name, extended) in [("2.4.36-i386-up", false), ("2.4.36-i386-smp", true)] {
        let frozen = Frozen::open(&image(name));
        let notes = &frozen.head().core_notes;
        let of_kind = |kind| notes.iter().filter(move |note| note.kind == kind);
        let fsave = &of_kind(NT_FPREGSET)
            .next()
            .expect("alpha used the FPU")
            .bytes;
        assert_eq!(fsave.len(), 108);
        assert_eq!(fsave[38..48], pi, "st(1) of {name}");
        // Two of eight registers are empty.
        let tags = u32::from_le_bytes(fsave[8..12].try_into().unwrap());
        assert_eq!(tags & 0xffff, 0x000f, "{name}");
        let fxsave = of_kind(NT_PRXFPREG).next();
        assert_eq!(fxsave.is_some(), extended, "{name}");
        if let Some(fxsave) = fxsave {
            assert_eq!(fxsave.bytes[48..58], pi, "st(1) of {name}");
        }
    }
}

#[test]
fn user_pages_are_those_of_the_dump() {
    for name in DUMPS {
        let frozen = Frozen::open(&image(name));
        let index = std::fs::read(frozen::dump(name).join("index.json")).unwrap();
        let index: Value = serde_json::from_slice(&index).unwrap();
        let bytes = std::fs::read(frozen::dump(name).join("pages.bin")).unwrap();
        let entries = index["pages"].as_array().unwrap();
        for entry in entries {
            let mm = frozen
                .at(number(&entry["mm"]) as u64)
                .expect("the mm is saved");
            let at = kconv_image::UserAddr(number(&entry["vaddr"]) as u64);
            let page = frozen
                .image
                .read_page(mm, at)
                .unwrap()
                .expect("the page is saved");
            let offset = number(&entry["offset"]) as usize;
            assert_eq!(page[..], bytes[offset..offset + 4096]);
        }
        let runs = frozen
            .head()
            .address_spaces
            .iter()
            .flat_map(|space| &space.runs);
        let pages: u64 = runs.map(|run| run.pages).sum();
        assert_eq!(pages, entries.len() as u64);
    }
}
