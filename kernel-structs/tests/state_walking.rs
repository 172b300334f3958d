//! The words of the walk: each read, and each told where it does not fit.
#![allow(clippy::unwrap_used, clippy::panic)]

use kernel_structs::layout::Layout;
use kernel_structs::releases::Registry;
use kernel_structs::state::{DerivedPlace, Number, StateMap, Telling};
use std::fs;
use std::path::Path;

fn text() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("state/linux-6.toml");
    fs::read_to_string(path).unwrap()
}

/// The map of Linux 6 with one text in place of another.
fn changed(from: &str, to: &str) -> String {
    let text = text();
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

fn findings(map: &str) -> Vec<String> {
    let registry = Registry::builtin().unwrap();
    let of_family = registry.layouts().filter(|entry| entry.family == "linux-6");
    let layouts: Vec<Layout> = of_family
        .map(|entry| registry.layout(&entry.id).unwrap())
        .collect();
    let found = StateMap::parse(map)
        .unwrap()
        .check(&layouts.iter().collect::<Vec<_>>());
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn the_map_of_linux_6_says_what_the_walk_needs_and_fits_its_layouts() {
    let map = StateMap::parse(&text()).unwrap();
    assert_eq!(findings(&text()), Vec::<String>::new());
    let root = &map.roots[0];
    assert_eq!(root.ring.as_deref(), Some("tasks"));
    assert_eq!(root.threads.as_ref().unwrap().link, "thread_node");
    let DerivedPlace::Ends { base, end } = &map.derived[0].place else {
        panic!("{:?}", map.derived[0]);
    };
    assert_eq!((base.as_deref(), *end), (Some("stack"), 16384));
    let task = &map.types["task_struct"];
    let variable = Number::Variable("arch_task_struct_size".to_owned());
    assert_eq!(task.size.as_ref().unwrap().of, variable);
    let timer = &map.types["k_itimer"].choices;
    assert_eq!(timer[0].is, Telling::Negative);
    assert_eq!(timer[1].is, Telling::Numbers(vec![8, 9]));
    assert_eq!(timer[2].is, Telling::Other);
}

#[test]
fn what_does_not_fit_the_layouts_is_told() {
    let threads = "threads = { head = \"signal.thread_head\", link = \"thread_node\" }";
    let sigqueue = "list = { element = \"sigqueue\", link = \"list\"";
    let cases = [
        (
            threads,
            "threads = { head = \"signal.thread_heads\", link = \"thread_node\" }",
            "[[root.threads]] signal.thread_heads: the layout has no list_head there",
        ),
        (
            threads,
            "threads = { head = \"signal.thread_head\", link = \"pid\" }",
            "[[root.threads]] pid: the layout has no list_head there",
        ),
        (
            "base = \"stack\"\nend = 16384",
            "base = \"flags\"\nend = 16384",
            "[[derived]] flags: the layout has no pointer there",
        ),
        (
            sigqueue,
            "list = { element = \"sigqueue\", link = \"flags\"",
            "[type.sigpending.containers] list: the layout has no container whose elements have such a `link` there",
        ),
        (
            sigqueue,
            "list = { element = \"sigqueue\", link = \"info\"",
            "[type.sigpending.containers] list: the layout has no container whose elements have such a `link` there",
        ),
        (
            sigqueue,
            "list = { element = \"dentry\", link = \"list\"",
            "[type.sigpending.containers] list: the layout has no container of a saved type there",
        ),
        (
            sigqueue,
            "signal = { element = \"sigqueue\", link = \"list\"",
            "[type.sigpending.containers] signal: the layout has no list_head, hlist_head, rb_root, rb_root_cached or maple_tree there",
        ),
        (
            "mm_mt = { element = \"vm_area_struct\"",
            "mm_mt = { element = \"vm_area_struct\", link = \"vm_start\"",
            "[type.mm_struct.containers] mm_mt: the layout has no container with `link`: a maple tree has none there",
        ),
        (
            "count = { percpu = \"counters\"",
            "count = { percpu = \"lock\"",
            "[type.percpu_counter.folds] lock: the layout has no pointer at a number there",
        ),
        (
            "fdtab = { live = \"fdt\"",
            "fdtab = { live = \"next_fd\"",
            "[type.files_struct.embedded] next_fd: the layout has no pointer there",
        ),
        (
            "live = \"it.cpu\"",
            "live = \"it_id\"",
            "[[type.k_itimer.arm]] it_id: the layout has no member of a union there",
        ),
        (
            "size = { member = \"size\", from = \"regs\" }",
            "size = { member = \"size\", from = \"regsters\" }",
            "[type.fpstate] regsters: the layout has no member of this name there",
        ),
        (
            "count = { member = \"max_fds\", divide = 64 }",
            "count = { member = \"max_fd\", divide = 64 }",
            "[type.fdtable.fields] full_fds_bits: names `max_fd`, which the layout's fdtable does not have",
        ),
    ];
    for (from, to, expected) in cases {
        assert_eq!(findings(&changed(from, to)), [expected], "{to}");
    }
}

#[test]
fn words_that_make_no_sense_are_refused() {
    let count = "count = { variable = \"nr_cpu_ids\" }";
    for (from, to, expected) in [
        (
            count,
            "count = { variable = \"nr_cpu_ids\", member = \"flags\" }",
            "[type.task_struct.fields] user_cpus_ptr: `count` is `both`, expected either `member` or `variable`",
        ),
        (
            count,
            "count = { variable = \"nr_cpu_ids\", divide = 0 }",
            "[type.task_struct.fields] user_cpus_ptr: `divide` is `0`, expected a number above zero",
        ),
        (
            "is = [8, 9]",
            "is = [8, \"nine\"]",
            "[[type.k_itimer.arm]]: `is` is `[8, \"nine\"]`, expected a list of symbols, a list of integers, `\"negative\"` or `\"other\"`",
        ),
    ] {
        let text = changed(from, to);
        let error = StateMap::parse(&text).unwrap_err().to_string();
        let (line, what) = error.split_once(": ").unwrap();
        assert_eq!(what, expected);
        // The line is that of the entry, which begins there or a few lines above.
        let word = text.lines().position(|line| line.contains(to)).unwrap() + 1;
        let line: usize = line.parse().unwrap();
        assert!((word - 3..=word).contains(&line), "{line}, {word}: {what}");
    }
}
