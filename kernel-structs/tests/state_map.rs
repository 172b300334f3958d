//! The state maps against the stored layouts, and what a map that does not fit is told.
#![allow(clippy::unwrap_used)]

use kernel_structs::layout::Layout;
use kernel_structs::releases::Registry;
use kernel_structs::state::StateMap;
use std::fs;
use std::path::Path;

/// The map of Linux 2.4 with one text in place of another.
fn changed(from: &str, to: &str) -> StateMap {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("state/linux-2.4.toml");
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{from}");
    StateMap::parse(&text.replace(from, to)).unwrap()
}

fn layouts() -> Vec<Layout> {
    let registry = Registry::builtin().unwrap();
    let layouts = registry
        .layouts()
        .filter(|entry| entry.family == "linux-2.4");
    layouts
        .map(|entry| registry.layout(&entry.id).unwrap())
        .collect()
}

/// What is found wrong with a map.
fn findings(map: &StateMap) -> Vec<String> {
    let layouts = layouts();
    let findings = map.check(&layouts.iter().collect::<Vec<_>>());
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn the_map_of_linux_2_4_fits_its_layouts() {
    let map = Registry::builtin().unwrap().state_map("linux-2.4").unwrap();
    assert_eq!(findings(&map), Vec::<String>::new());
    assert_eq!(map.roots[0].ring.as_deref(), Some("next_task"));
}

#[test]
fn a_pointer_without_a_policy_is_told_also_in_the_elements_of_an_array() {
    // `struct k_sigaction action[64]` of a signal_struct has a sigaction in each.
    let mut map = Registry::builtin().unwrap().state_map("linux-2.4").unwrap();
    let fields = &mut map.types.get_mut("sigaction").unwrap().fields;
    assert!(fields.remove("sa_handler").is_some());
    let expected = "sigaction.sa_handler is a pointer (*fn) without a policy; say under [type.sigaction.fields] what it means";
    assert_eq!(findings(&map), [expected]);
}

#[test]
fn a_ring_is_a_pointer_to_the_same_type() {
    for member in ["mm", "pid", "nextt_task"] {
        let map = changed("ring = \"next_task\"", &format!("ring = \"{member}\""));
        assert_eq!(
            findings(&map),
            [format!(
                "[[root]] ring: the layout's task_struct has no member `{member}` that points at another task_struct or is a list_head"
            )]
        );
    }
}

#[test]
fn an_initial_value_is_of_a_member_that_some_layout_has() {
    let map = changed("{ lock = 1, ", "{ lokc = 1, ");
    assert_eq!(
        findings(&map),
        [
            "[type.spinlock_t] initial: no layout's spinlock_t has a member `lokc`; remove it or correct its name"
        ]
    );
    let map = changed("\"magic?\" = 0xdead4ead", "magic = 0xdead4ead");
    assert_eq!(findings(&map).len(), 1);
    let map = changed(
        "run_list = { policy = \"reset\", initial = { next",
        "run_list = { policy = \"reset\", initial = { first",
    );
    assert!(findings(&map)[0].contains("`run_list.first`"));
}

#[test]
fn a_root_is_of_a_saved_type() {
    let map = changed(
        "type = \"task_struct\"\nring = \"next_task\"",
        "type = \"inode\"",
    );
    assert_eq!(
        findings(&map),
        ["[[root]] names inode, which is not saved; add [type.inode] or correct the name"]
    );
}

#[test]
fn a_tail_is_the_flexible_array_at_the_end_of_a_saved_type() {
    // No type of Linux 2.4 that is saved ends in one.
    for (entry, told) in [
        (
            "[type.task_struct]\ntail = { member = \"files\", count = \"pid\" }\n",
            "[type.task_struct] tail: the layout's `files` is not a flexible array at its end",
        ),
        (
            "[type.task_struct]\ntail = { member = \"nowhere\", count = \"pid\" }\n",
            "[type.task_struct] tail: the layout's `nowhere` is not a flexible array at its end",
        ),
    ] {
        let map = changed("[type.task_struct]\n", entry);
        assert_eq!(findings(&map), [told]);
    }
}

/// What the map of Linux 6 says of its layouts, with `from` replaced by `to`.
fn changed_linux_6(from: &str, to: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("state/linux-6.toml");
    let text = fs::read_to_string(path).unwrap();
    let registry = Registry::builtin().unwrap();
    let of_family = registry.layouts().filter(|entry| entry.family == "linux-6");
    let layouts: Vec<Layout> = of_family
        .map(|entry| registry.layout(&entry.id).unwrap())
        .collect();
    let layouts: Vec<&Layout> = layouts.iter().collect();
    assert_eq!(text.matches(from).count(), 1, "{from}");
    let map = StateMap::parse(&text.replace(from, to)).unwrap();
    let findings = map.check(&layouts);
    findings.iter().map(ToString::to_string).collect()
}

/// The same for Linux 6, where some do.
#[test]
fn a_tail_is_counted_by_an_integer_of_its_type() {
    let counted = "count = \"ngroups\"";
    assert_eq!(changed_linux_6(counted, counted), Vec::<String>::new());
    assert_eq!(
        changed_linux_6(counted, "count = \"gid\""),
        ["[type.group_info] tail: the layout's `gid` is not an integer that counts elements"]
    );
    assert_eq!(
        changed_linux_6("count = \"level\"", "count = \"lock\""),
        ["[type.pid] tail: the layout's `lock` is not an integer that counts elements"]
    );
}

/// What lies behind a type belongs to its objects.
#[test]
fn an_array_without_a_length_at_the_end_of_a_type_is_not_passed_over() {
    assert_eq!(
        changed_linux_6("tail = { member = \"gid\", count = \"ngroups\" }\n", ""),
        [
            "[type.group_info] ends in `gid`, an array without a length: say with `tail` how many elements it has, or under [type.group_info.fields] what it means"
        ]
    );
    let found = changed_linux_6("\ncpu_bitmap = {", "\ncpu_bitmaps = {");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[1].starts_with("[type.mm_struct] ends in `cpu_bitmap`"),
        "{found:?}"
    );
}

/// A kernel was imported before, or the name is wrong.
#[test]
fn a_watched_constant_is_one_that_some_layout_has() {
    let entry = "[[watch]]\nconstants = [\"PF_*\", \"FOO_*\"]\nas = \"masks\"\nfields = [\"task_struct.exit_code\"]\nheaders = [\"linux/sched.h\"]\nreason = \"r (include/linux/sched.h)\"\n[type.sigqueue]\n";
    assert_eq!(
        changed_linux_6("[type.sigqueue]\n", entry),
        [
            "[[watch]] FOO_*: no layout has the value of such a constant, so that nothing is known by it; correct the name, or give the layouts their constants with `kconv-gen layout constants`"
        ]
    );
}

/// No kernel keeps an address in an `int`, though it is as wide on i386.
#[test]
fn a_number_that_is_an_address_is_long() {
    let rule = "[type.task_struct.fields]\nlock_depth = { policy = \"follow\", reason = \"r\" }\n";
    let map = changed("[type.task_struct.fields]\n", rule);
    assert_eq!(
        findings(&map),
        [
            "[type.task_struct.fields] lock_depth: the layout has no pointer or number, as its policy wants it, there"
        ]
    );
}

#[test]
fn an_initial_value_is_one_that_the_member_can_have() {
    for initial in ["\"null\"", "\"empty-list\""] {
        let rule = format!(
            "[type.task_struct.fields]\nlock_depth = {{ policy = \"reset\", initial = {initial}, reason = \"r\" }}\n"
        );
        let map = changed("[type.task_struct.fields]\n", &rule);
        assert_eq!(
            findings(&map),
            [
                "[type.task_struct.fields] lock_depth: the layout has no value that can have its `initial` there"
            ]
        );
    }
}

#[test]
fn a_number_of_the_layout_is_one_that_some_layout_has() {
    let declared = "declared = \"task_struct.ret_stack\"";
    let missing = "[type.task_struct.fields] curr_ret_stack: no layout has a member task_struct.ret_stacks of one of the types that `declared` names; correct its name, or the types";
    assert_eq!(
        changed_linux_6(declared, "declared = \"task_struct.ret_stacks\""),
        [missing]
    );
    assert_eq!(
        changed_linux_6("\"long unsigned int *\" = 0", "\"long int *\" = 0"),
        [
            "[type.task_struct.fields] curr_ret_stack: no layout declares task_struct.ret_stack as `long int *`, but as `long unsigned int *`, `struct ftrace_ret_stack *`; correct the type, or write `long int *?` if only kernels that are not stored do"
        ]
    );
    let perhaps = changed_linux_6(
        "\"long unsigned int *\" = 0",
        "\"long unsigned int *\" = 0, \"int *?\" = 1",
    );
    assert_eq!(perhaps, [""; 0]);
    let reset = "numa_scan_offset = { policy = \"reset\",";
    assert_eq!(
        changed_linux_6(
            reset,
            "numa_scan_offset = { policy = \"reset\", initial = { constant = \"PF_NEVER\" },"
        ),
        [
            "[type.mm_struct.fields] numa_scan_offset: no layout has a constant PF_NEVER that a [[watch]] entry names; correct its name, or watch it"
        ]
    );
    // Also of a member of a structure, and of one of the values of a type.
    let inside = "cid_work = { policy = \"reset\", initial = { next = \"self\" },";
    let found = changed_linux_6(
        inside,
        "cid_work = { policy = \"reset\", initial = { next = { constant = \"PF_NEVER\" } },",
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]
            .starts_with("[type.task_struct.fields] cid_work: no layout has a constant PF_NEVER")
    );
}

#[test]
fn a_derived_object_depends_on_a_member_of_its_owner() {
    let map = changed("when = \"mm\"", "when = \"mmm\"");
    assert_eq!(
        findings(&map),
        [
            "[type.task_struct.fields] mmm: the layout's task_struct has no such member; remove the rule or correct its name"
        ]
    );
}

/// Where some layout points at it, others may have it in its place.
#[test]
fn a_policy_of_a_pointer_is_for_a_member_that_is_one_somewhere() {
    for policy in ["\"symbol\"", "\"user\"", "\"follow\""] {
        let rule = format!(
            "[type.task_struct.fields]\npending = {{ policy = {policy}, reason = \"r\" }}\n"
        );
        let map = changed("[type.task_struct.fields]\n", &rule);
        assert!(
            findings(&map).contains(&String::from(
                "[type.task_struct.fields] pending: the layout has no pointer or number, as its policy wants it, there"
            )),
            "{:?}",
            findings(&map)
        );
    }
}

#[test]
fn the_watch_list_is_read_strictly() {
    let parse = |entry: &str| {
        let head = "family = \"f\"\nmachines = []\n[type.a]\nsaved = true\n";
        StateMap::parse(&format!("{head}{entry}")).map_err(|error| error.to_string())
    };
    let map = parse(
        "[[watch]]\nconstants = [\"PF_*\"]\nreason = \"r\"\n\
         [[watch]]\nconstants = [\"PF_LEN\"]\nsizes = [\"a.b\"]\nreason = \"r\"\n\
         [[ignore]]\npaths = [\"tools/\"]\nreason = \"r\"\n",
    )
    .unwrap();
    // An entry with the name itself comes before a pattern.
    assert_eq!(map.watch.constant("PF_LEN").unwrap().sizes, ["a.b"]);
    assert_eq!(map.watch.constant("PF_X").unwrap().constants, ["PF_*"]);
    assert!(map.watch.constant("XPF_X").is_none());
    assert!(map.watch.is_ignored("tools/x.c") && !map.watch.is_ignored("mm/tools/x.c"));
    for (entry, expected) in [
        (
            "[[watch]]\nconstants = [\"A\"]\nreason = \" \"\n",
            "[[watch]] A: the reason is empty",
        ),
        (
            "[[watch]]\nreason = \"r\"\n",
            "expected constants, or functions",
        ),
        (
            "[[watch]]\nconstants = [\"*\"]\nreason = \"r\"\n",
            "`constants` is `*`",
        ),
        (
            "[[watch]]\nconstants = [\"A\"]\nsizes = [\"b\"]\nreason = \"r\"\n",
            "`sizes` is `b`",
        ),
        (
            "[[ignore]]\npaths = [\"\"]\nreason = \"r\"\n",
            "expected starts of paths",
        ),
        (
            "[[watch]]\nconstant = [\"A\"]\nreason = \"r\"\n",
            "unknown field",
        ),
    ] {
        let error = parse(entry).unwrap_err();
        assert!(error.contains(expected), "{entry}: {error}");
    }
}

#[test]
fn a_watched_size_of_no_member_is_told() {
    let map = changed(
        "[[watch]]\nconstants = [\"HZ\"",
        "[[watch]]\nconstants = [\"X\"]\nsizes = [\"task_struct.com\"]\nreason = \"r\"\n[[watch]]\nconstants = [\"HZ\"",
    );
    assert_eq!(
        findings(&map),
        ["[[watch]]: no layout has task_struct.com; remove it or correct its name"]
    );
}
