//! What the state map of Linux 6 refuses of an object by one field alone.

use super::{Made, ROOT};
use crate::linux6::bounds;
use crate::refused::refused;
use crate::walk::{Selection, walk};
use kconv_image::KernelAddr;
use kernel_structs::state::{Policy, Root, StateMap};

/// The map of Linux 6 with one object of type `ty` to be walked, and nothing that it leads to.
fn map_of_one(ty: &str) -> StateMap {
    let mut map = super::task_map();
    map.roots = vec![Root {
        symbol: "root".to_owned(),
        ty: ty.to_owned(),
        ring: None,
        threads: None,
        reason: "a test".to_owned(),
    }];
    map
}

/// What is refused of a `ty` that is zero but for an empty list and for `members`: the field with its value, the
/// code, and the words.
fn refused_of(ty: &str, members: &[(&str, u64)]) -> Vec<(String, Option<u64>, String, String)> {
    refused_in(Made::new(), ty, members)
}

/// As [`refused_of`], of the kernel of `made`.
fn refused_in(
    mut made: Made,
    ty: &str,
    members: &[(&str, u64)],
) -> Vec<(String, Option<u64>, String, String)> {
    made.name("root", ROOT);
    made.object(ty, ROOT, &[]);
    if ty == "task_struct" {
        let own = ROOT + made.offset(ty, "ptraced");
        made.set(ty, ROOT, "ptraced.next", own);
    }
    for (member, value) in members {
        made.set(ty, ROOT, member, *value);
    }
    let map = map_of_one(ty);
    let names = made.names();
    let mut walked = walk(made.memory(&names), &map, &Selection::All);
    assert_eq!(super::flaws(&walked), Vec::<String>::new());
    let found = refused(&mut walked);
    // A judge does not see again what is refused as a whole.
    let again = refused(&mut walked).len();
    let whole = found.iter().filter(|finding| {
        !finding.place.field.ends_with("flags") && !finding.place.field.ends_with("__state_perm")
    });
    assert_eq!(again, found.len() - whole.count());
    let told = found.into_iter().map(|finding| {
        let code = finding.flaw.code().name().to_owned();
        (
            finding.place.field,
            finding.place.value,
            code,
            finding.flaw.to_string(),
        )
    });
    told.collect()
}

#[test]
fn a_field_that_says_what_is_not_carried_is_refused_with_its_code_and_words() {
    for (ty, member, value, shown, code, what) in [
        (
            "task_struct",
            "flags",
            0x20_0000,
            Some("flags"),
            "task.kernel-thread",
            "a thread of the kernel",
        ),
        (
            "task_struct",
            "flags",
            0x10,
            Some("flags"),
            "task.io-worker",
            "a worker of io_uring",
        ),
        (
            "task_struct",
            "io_uring",
            8,
            Some("io_uring"),
            "task.io-uring",
            "an io_uring instance",
        ),
        (
            "task_struct",
            "utask",
            8,
            Some("utask"),
            "task.uprobe",
            "a uprobe in the program",
        ),
        (
            "task_struct",
            "ptraced.next",
            8,
            None,
            "task.tracer",
            "tracing other tasks",
        ),
        (
            "task_struct",
            "thread.ptrace_bps[2]",
            8,
            None,
            "task.breakpoint",
            "a breakpoint that a tracer set",
        ),
        (
            "task_struct",
            "thread.tls_array[1]",
            8,
            None,
            "task.tls-segments",
            "segments of a thread's own (set_thread_area)",
        ),
        (
            "task_struct",
            "thread.features",
            1,
            Some("thread.features"),
            "task.shadow-stack",
            "a shadow stack",
        ),
        (
            "task_struct",
            "thread.fpu.perm.__state_perm",
            1 << 18,
            Some("thread.fpu.perm.__state_perm"),
            "task.amx",
            "a permission to use AMX (ARCH_REQ_XCOMP_PERM)",
        ),
        (
            "mm_struct",
            "ioctx_table",
            8,
            Some("ioctx_table"),
            "mm.aio",
            "an asynchronous I/O context (io_setup)",
        ),
        (
            "vm_area_struct",
            "vm_userfaultfd_ctx.ctx",
            8,
            Some("vm_userfaultfd_ctx.ctx"),
            "mm.userfaultfd",
            "a userfaultfd",
        ),
    ] {
        let found = refused_of(ty, &[(member, value)]);
        let [(field, number, of, words)] = &found[..] else {
            panic!("{ty}.{member}: {found:?}");
        };
        let field_of = member
            .split(".next")
            .next()
            .unwrap()
            .split('[')
            .next()
            .unwrap();
        assert_eq!((field.as_str(), *number), (field_of, shown.map(|_| value)));
        assert_eq!(
            (of.as_str(), words.as_str()),
            (code, format!("{what} cannot be carried").as_str())
        );
    }
}

#[test]
fn a_mapping_that_is_refused_is_told_with_its_addresses() {
    const VM_HUGETLB: u64 = 0x40_0000;
    let members = [
        ("vm_flags", VM_HUGETLB | 0x73),
        ("vm_start", 0x7000),
        ("vm_end", 0x9000),
    ];
    let expected = (
        "vm_flags".to_owned(),
        Some(VM_HUGETLB | 0x73),
        "mm.hugetlb".to_owned(),
        "a mapping of hugetlbfs at 0x7000-0x9000 cannot be carried".to_owned(),
    );
    assert_eq!(refused_of("vm_area_struct", &members), [expected]);
}

#[test]
fn what_is_idle_or_says_something_else_is_not_refused() {
    for (ty, members) in [
        // PF_RANDOMIZE; x87, SSE and AVX; a debug register of a breakpoint that is gone.
        (
            "task_struct",
            &[
                ("flags", 0x40_0000),
                ("thread.fpu.perm.__state_perm", 0x2e7),
                ("thread.virtual_dr6", 1),
                ("ptrace_entry.next", 1),
            ][..],
        ),
        // Locked memory, VM_IO and the flags of a stack.
        ("mm_struct", &[("def_flags", 0x8_2000)]),
        (
            "vm_area_struct",
            &[("vm_flags", 0x100 | 0x2000 | 0x4000 | 0x73)],
        ),
    ] {
        assert_eq!(refused_of(ty, members), []);
    }
}

#[test]
fn every_value_of_an_array_is_looked_at() {
    let rules = r#"
[type.ldt_struct]
saved = true
[type.ldt_struct.fields]
entries = { policy = "follow", element = "desc_struct", count = "nr_entries", reason = "a test" }
[type.desc_struct]
saved = true
[type.desc_struct.fields]
base0 = { policy = "refuse", code = "task.tls-segments", what = "a segment", reason = "a test" }
"#;
    let mut made = Made::new();
    made.name("root", ROOT);
    let entries = ROOT + 0x1000;
    made.object(
        "ldt_struct",
        ROOT,
        &[("entries", entries), ("nr_entries", 3)],
    );
    for number in 0..3 {
        made.object("desc_struct", entries + 8 * number, &[("base0", number)]);
    }
    let map = super::map("ldt_struct", rules);
    let names = made.names();
    let mut walked = walk(made.memory(&names), &map, &Selection::All);
    assert_eq!(super::flaws(&walked), Vec::<String>::new());
    let found = refused(&mut walked);
    let values: Vec<_> = found.iter().map(|finding| finding.place.value).collect();
    assert_eq!(values, [Some(1), Some(2)]);
}

#[test]
fn an_object_that_ends_before_what_may_be_refused_is_told() {
    let rules = r#"
[type.fpstate]
saved = true
size = { variable = "short" }
[type.fpregs_state]
policy = "carry"
reason = "a test"
[type.fpstate.fields]
user_xfeatures = { policy = "refuse", code = "task.amx", what = "it", reason = "a test" }
"#;
    let mut made = Made::new();
    made.name("root", ROOT);
    made.object("fpstate", ROOT, &[]);
    made.name("short", ROOT - 0x1000);
    made.raw(ROOT - 0x1000, &8u32.to_le_bytes());
    let map = super::map("fpstate", rules);
    let names = made.names();
    let mut walked = walk(made.memory(&names), &map, &Selection::All);
    assert_eq!(super::flaws(&walked), Vec::<String>::new());
    let found = refused(&mut walked);
    let [finding] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(finding.flaw.code().name(), "kernel.unreadable");
    assert_eq!(finding.place.field, "user_xfeatures");
}

/// What 6.12 has not.
#[test]
fn what_only_newer_kernels_have_is_refused_there() {
    for (ty, member, value, code, what) in [
        (
            "task_struct",
            "io_uring_restrict",
            8,
            "task.io-uring",
            "restrictions of the io_uring instances that it may make",
        ),
        (
            "signal_struct",
            "autoreap",
            1,
            "task.autoreap",
            "that nobody waits for it (CLONE_AUTOREAP)",
        ),
        (
            "signal_struct",
            "timer_create_restore_ids",
            1,
            "task.timer-numbers",
            "that it numbers its timers itself (PR_TIMER_CREATE_RESTORE_IDS)",
        ),
        (
            "vm_area_struct",
            "vm_flags",
            1 << 11,
            "mm.guard-pages",
            "guard pages (MADV_GUARD_INSTALL) in 0x0-0x0",
        ),
    ] {
        let found = refused_in(Made::newest(), ty, &[(member, value)]);
        let [(field, shown, found_code, words)] = &found[..] else {
            panic!("{ty}.{member}: {found:?}");
        };
        assert_eq!((field.as_str(), *shown), (member, Some(value)));
        assert_eq!(found_code, code);
        assert_eq!(words, &format!("{what} cannot be carried"));
        assert_eq!(refused_in(Made::newest(), ty, &[(member, 0)]), []);
    }
}

#[test]
fn bounds_of_the_utilization_are_those_that_were_asked_for() {
    let asked = |mut made: Made, members: &[(&str, u64)]| {
        made.object("task_struct", ROOT, members);
        let names = made.names();
        let task = made.memory(&names).read("task_struct", KernelAddr(ROOT));
        bounds(&task.unwrap()).unwrap()
    };
    for field in ["uclamp_req[0].user_defined", "uclamp_req[1].user_defined"] {
        assert_eq!(asked(Made::newest(), &[(field, 1)]), [field]);
    }
    // The highest of a task that asked for nothing; 6.12 has no bounds.
    let highest = ("uclamp_req[1].value", 1024);
    assert_eq!(asked(Made::newest(), &[highest]), [""; 0]);
    assert_eq!(asked(Made::new(), &[]), [""; 0]);
}

/// Each entry of the map is one that a test above has.
#[test]
fn no_refusal_of_the_map_is_without_a_test() {
    let entries = super::builtin().1.types.values().map(|entry| {
        let refuses = |policy: &Policy| policy.refusal().is_some();
        let rules = entry.fields.values().filter(|rule| refuses(&rule.policy));
        rules.count() + entry.refused.len()
    });
    assert_eq!(entries.sum::<usize>(), 16);
}
