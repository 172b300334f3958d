//! The words of the walk over small memories made up for each, with what a hostile or a changing
//! kernel could have in them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod clock;
mod dumpable;
mod kinds;
mod refused;
mod symbols;
mod traced;
mod trailing;
mod unions;
mod works;

use super::{Selection, Walked, walk};
use crate::error::Flaw;
use crate::memory::Memory;
use crate::source::{MemorySource, PresentPage, ReadError, Space};
use kconv_image::{KernelAddr, UserAddr};
use kconv_objects::Names;
use kconv_resources::Source;
use kernel_structs::layout::{FieldPath, Layout};
use kernel_structs::releases::Registry;
use kernel_structs::state::{Policy, StateMap};
use kernel_structs_bits as bits;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// Memory in which everything not written is absent.
struct Made {
    layout: Layout,
    bytes: BTreeMap<u64, u8>,
    symbols: BTreeMap<String, u64>,
}

/// A layout of Linux 6 and its state map, which take a while to read.
fn builtin() -> &'static (Layout, StateMap) {
    static BUILTIN: OnceLock<(Layout, StateMap)> = OnceLock::new();
    BUILTIN.get_or_init(|| {
        let registry = Registry::builtin().unwrap();
        let release = registry
            .release("6.12.117+deb12-amd64", None, None)
            .unwrap();
        let map = registry.state_map("linux-6").unwrap();
        let layout = map.live(&registry.layout(&release.layout).unwrap());
        (layout, map)
    })
}

impl Made {
    fn new() -> Made {
        Made::of(builtin().0.clone())
    }

    /// Of the newest kernel.
    fn newest() -> Made {
        let registry = Registry::builtin().unwrap();
        let release = registry.release("7.3.4+deb13-amd64", None, None).unwrap();
        Made::of(builtin().1.live(&registry.layout(&release.layout).unwrap()))
    }

    fn of(layout: Layout) -> Made {
        Made {
            layout,
            bytes: BTreeMap::new(),
            symbols: BTreeMap::new(),
        }
    }

    fn offset(&self, ty: &str, path: &str) -> u64 {
        let id = self.layout.find(ty).unwrap();
        let path = FieldPath::parse(path).unwrap();
        self.layout.resolve(id, &path).unwrap().offset.byte().0
    }

    fn width(&self, ty: &str, path: &str) -> u64 {
        let id = self.layout.find(ty).unwrap();
        let path = FieldPath::parse(path).unwrap();
        let found = self.layout.resolve(id, &path).unwrap();
        self.layout.size_of(found.ty).unwrap().0
    }

    fn raw(&mut self, at: u64, bytes: &[u8]) {
        self.bytes.extend((at..).zip(bytes.iter().copied()));
    }

    fn word(&mut self, at: u64, value: u64) {
        self.raw(at, &value.to_le_bytes());
    }

    /// A `ty` at `at`, zero but for the members given.
    fn object(&mut self, ty: &str, at: u64, members: &[(&str, u64)]) {
        let id = self.layout.find(ty).unwrap();
        let size = self.layout.size_of(id).unwrap().0;
        self.raw(at, &vec![0; size as usize]);
        for (path, value) in members {
            self.set(ty, at, path, *value);
        }
    }

    fn set(&mut self, ty: &str, at: u64, path: &str, value: u64) {
        let id = self.layout.find(ty).unwrap();
        let found = self.layout.resolve(id, &FieldPath::parse(path).unwrap());
        let found = found.unwrap();
        if let Some(width) = found.bit_field {
            let (byte, bit) = (found.offset.byte().0, found.offset.0 % 8);
            let mut bytes = [0; 8];
            self.read(KernelAddr(at + byte), &mut bytes).unwrap();
            bits::set(&mut bytes, bit as u32, width.0 as u32, value.into());
            return self.raw(at + byte, &bytes);
        }
        let (offset, width) = (self.offset(ty, path), self.width(ty, path) as usize);
        self.raw(at + offset, &value.to_le_bytes()[..width]);
    }

    fn name(&mut self, name: &str, at: u64) {
        self.symbols.insert(name.to_owned(), at);
    }

    fn names(&self) -> Names<'_> {
        Names::new(&self.layout)
    }

    fn memory<'m>(&'m self, names: &'m Names<'m>) -> Memory<'m> {
        Memory {
            source: self,
            names,
        }
    }
}

impl MemorySource for Made {
    fn read(&self, at: KernelAddr, into: &mut [u8]) -> Result<(), ReadError> {
        let size = into.len() as u64;
        for (at_byte, byte) in (at.0..).zip(into) {
            let found = self.bytes.get(&at_byte);
            *byte = *found.ok_or(ReadError::Missing { at, size })?;
        }
        Ok(())
    }

    fn symbol(&self, name: &str) -> Option<KernelAddr> {
        self.symbols.get(name).copied().map(KernelAddr)
    }

    fn symbolise(&self, at: KernelAddr) -> Option<(String, u64)> {
        let mut all = self.symbols.iter();
        let found = all.find(|(_, symbol)| **symbol == at.0)?;
        Some((found.0.clone(), 0))
    }

    fn pages(&self, _: &Space<'_>) -> Result<Vec<PresentPage>, ReadError> {
        Ok(Vec::new())
    }

    fn read_pages(&self, space: &Space<'_>, at: UserAddr, _: &mut [u8]) -> Result<(), ReadError> {
        Err(ReadError::NoPage { mm: space.mm, at })
    }

    fn tick_rate(&self) -> Option<u32> {
        None
    }

    fn facts(&self) -> Source {
        Source::default()
    }
}

/// A state map with one root of type `ty` at the symbol `root`, and `rest`.
fn map(ty: &str, rest: &str) -> StateMap {
    let head = format!(
        "family = \"linux-6\"\nmachines = [\"amd64\"]\n\
         [[root]]\nsymbol = \"root\"\ntype = \"{ty}\"\nreason = \"a test\"\n"
    );
    StateMap::parse(&(head + rest)).unwrap()
}

/// Addresses of the objects of type `ty`, in their order.
fn found(walked: &Walked<'_>, ty: &str) -> Vec<u64> {
    walked
        .objects_of(ty)
        .map(|object| walked.objects[object].at.0)
        .collect()
}

fn flaws(walked: &Walked<'_>) -> Vec<String> {
    let flaws = walked.findings.iter();
    flaws.map(|finding| finding.flaw.to_string()).collect()
}

const ROOT: u64 = 0xffff_8880_0000_1000;

// --- roots ------------------------------------------------------------------------------------

/// Addresses of three tasks, 64 KiB apart, of which the second and third are threads of one
/// process.
fn tasks() -> (Made, [u64; 3]) {
    tasks_of(Made::new())
}

/// As [`tasks`], of the kernel of `made`.
fn tasks_of(mut made: Made) -> (Made, [u64; 3]) {
    made.name("init_task", ROOT);
    let at = [ROOT, ROOT + 0x10000, ROOT + 0x20000];
    let tasks = made.offset("task_struct", "tasks");
    let node = made.offset("task_struct", "thread_node");
    let head = made.offset("signal_struct", "thread_head");
    let signal = |task: u64| task + 0x8000;
    let leaders = [(at[0], at[1]), (at[1], at[0])];
    for (leader, next) in leaders {
        let pid = (leader - ROOT) / 0x10000;
        made.object(
            "task_struct",
            leader,
            &[
                ("tasks.next", next + tasks),
                ("signal", signal(leader)),
                ("pid", pid),
                ("tgid", pid),
                ("thread_node.next", signal(leader) + head),
            ],
        );
        made.object(
            "signal_struct",
            signal(leader),
            &[("thread_head.next", leader + node)],
        );
    }
    made.set("task_struct", at[1], "thread_node.next", at[2] + node);
    made.object(
        "task_struct",
        at[2],
        &[
            ("pid", 2),
            ("tgid", 1),
            ("signal", signal(at[1])),
            ("thread_node.next", signal(at[1]) + head),
        ],
    );
    (made, at)
}

/// The map of Linux 6 with every member being data, but for those that are refused, and no lists or trees
/// in objects.
fn task_map() -> StateMap {
    let mut map = builtin().1.clone();
    for (name, entry) in &mut map.types {
        // What is refused is a list that is not empty.
        let of_type = entry.rule.as_mut().filter(|_| name != "list_head");
        let rules = entry.fields.values_mut().chain(of_type);
        for rule in rules.filter(|rule| rule.policy.refusal().is_none()) {
            rule.policy = Policy::Carry;
        }
        entry.containers.clear();
        entry.choices.clear();
        entry.folds.clear();
        entry.embedded.clear();
        entry.size = None;
    }
    map.derived.clear();
    map
}

#[test]
fn the_ring_leads_through_embedded_links_and_each_process_to_its_threads() {
    let (made, at) = tasks();
    let map = task_map();
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &Selection::All);
    assert_eq!(flaws(&walked), Vec::<String>::new());
    assert_eq!(walked.tasks, 3);
    assert_eq!(found(&walked, "task_struct"), at);
}

#[test]
fn processes_are_chosen_with_their_threads_and_missed_by_name() {
    let (made, at) = tasks();
    let map = task_map();
    let chosen = |ids: &[i64]| Selection::Processes(BTreeSet::from_iter(ids.iter().copied()));
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &chosen(&[1]));
    assert_eq!(found(&walked, "task_struct"), at[1..]);
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &chosen(&[1, 7]));
    assert_eq!(flaws(&walked), ["there is no process 7"]);
}

#[test]
fn a_ring_that_does_not_come_back_ends() {
    let links = made_offset("task_struct", "tasks");
    for (next, flaw) in [
        (
            ROOT + 0x10000 + links,
            "the ring leads back to an object that is not its first, 0xffff888000001000",
        ),
        (
            0,
            "the ring ends here; it should lead back to 0xffff888000001000",
        ),
        (
            8,
            "the ring leads back to an object that is not its first, 0xffff888000001000",
        ),
    ] {
        let (mut made, at) = tasks();
        made.set("task_struct", at[1], "tasks.next", next);
        let map = task_map();
        let names = made.names();
        let walked = walk(made.memory(&names), &map, &Selection::All);
        assert_eq!(flaws(&walked), [flaw], "{next:#x}");
    }
}

#[test]
fn a_list_of_threads_that_loops_ends() {
    let (mut made, at) = tasks();
    let node = made.offset("task_struct", "thread_node");
    made.set("task_struct", at[2], "thread_node.next", at[1] + node);
    let map = task_map();
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &Selection::All);
    assert_eq!(flaws(&walked), [Flaw::Loop.to_string()]);
}

fn made_offset(ty: &str, path: &str) -> u64 {
    Made::new().offset(ty, path)
}

// --- containers -------------------------------------------------------------------------------

const SIGNALS: &str = r#"
[type.sigpending]
saved = true
[type.sigpending.containers]
list = { element = "sigqueue", link = "list", reason = "a test" }
[type.sigqueue]
saved = true
[type.list_head]
policy = "carry"
reason = "a test"
[type.sigqueue.fields]
ucounts = { policy = "carry", reason = "a test" }
info = { policy = "carry", reason = "a test" }
"#;

/// A list of signals whose links lead through `links`, head excluded, to `last`.
fn signals(elements: &[u64], last: u64) -> Made {
    let mut made = Made::new();
    made.name("root", ROOT);
    let link = made.offset("sigqueue", "list");
    let head = ROOT + made.offset("sigpending", "list");
    let first = elements.first().map_or(head, |element| element + link);
    made.object("sigpending", ROOT, &[("list.next", first)]);
    for (number, element) in elements.iter().enumerate() {
        let next = elements.get(number + 1).map_or(last, |next| next + link);
        made.object("sigqueue", *element, &[("list.next", next)]);
    }
    made
}

#[test]
fn elements_of_a_list_stand_in_its_order() {
    let elements = [ROOT + 0x3000, ROOT + 0x1000, ROOT + 0x2000];
    let made = signals(&elements, ROOT + made_offset("sigpending", "list"));
    let map = map("sigpending", SIGNALS);
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &Selection::All);
    assert_eq!(flaws(&walked), Vec::<String>::new());
    assert_eq!(found(&walked, "sigqueue"), elements);
}

#[test]
fn an_empty_list_has_no_elements() {
    let made = signals(&[], 0);
    let map = map("sigpending", SIGNALS);
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &Selection::All);
    assert_eq!(flaws(&walked), Vec::<String>::new());
    assert_eq!(walked.objects.len(), 1);
}

#[test]
fn a_list_that_loops_or_ends_is_told() {
    let element = ROOT + 0x1000;
    let link = element + made_offset("sigqueue", "list");
    let missing = 0xdead_0000_0000_0100;
    for (last, flaw) in [
        (link, Flaw::Loop.to_string()),
        (0, Flaw::EndOfList.to_string()),
        (
            missing,
            format!("8 bytes at {missing:#x} are not in memory, or not in the dump"),
        ),
    ] {
        let made = signals(&[element], last);
        let map = map("sigpending", SIGNALS);
        let names = made.names();
        let walked = walk(made.memory(&names), &map, &Selection::All);
        assert_eq!(flaws(&walked), [flaw]);
        assert!(found(&walked, "sigqueue").is_empty());
    }
}

/// A map of one type with one container in it, whose elements have no pointers to speak of.
fn container(ty: &str, member: &str, element: &str, link: &str) -> StateMap {
    let link = match link {
        "" => String::new(),
        link => format!(", link = \"{link}\""),
    };
    let mut map = task_map();
    let said = self::map(
        ty,
        &format!(
            "[type.{ty}]\nsaved = true\n[type.{ty}.containers]\n{member} = {{ element = \"{element}\"{link}, reason = \"a test\" }}\n"
        ),
    );
    map.roots = said.roots;
    let entry = map.types.entry(ty.to_owned()).or_default();
    entry.saved = true;
    entry.containers.clone_from(&said.types[ty].containers);
    map
}

#[test]
fn a_hash_chain_ends_or_loops() {
    let map = container("signal_struct", "posix_timers", "k_itimer", "list");
    let elements = [ROOT + 0x5000, ROOT + 0x3000];
    for (last, expected) in [(0, Vec::new()), (elements[0], vec![Flaw::Loop.to_string()])] {
        let mut made = Made::new();
        made.name("root", ROOT);
        made.object(
            "signal_struct",
            ROOT,
            &[("posix_timers.first", elements[0])],
        );
        made.object("k_itimer", elements[0], &[("list.next", elements[1])]);
        made.object("k_itimer", elements[1], &[("list.next", last)]);
        let names = made.names();
        let walked = walk(made.memory(&names), &map, &Selection::All);
        assert_eq!(flaws(&walked), expected);
        if last == 0 {
            assert_eq!(found(&walked, "k_itimer"), elements);
        }
    }
}

#[test]
fn a_red_black_tree_is_read_from_left_to_right_and_cannot_go_round() {
    let link = "it.cpu.node.node";
    let map = container("timerqueue_head", "rb_root", "k_itimer", link);
    let [left, root, right] = [ROOT + 0x1000, ROOT + 0x2000, ROOT + 0x3000];
    let node = made_offset("k_itimer", link);
    for right_of_right in [0, root + node] {
        let mut made = Made::new();
        made.name("root", ROOT);
        made.object(
            "timerqueue_head",
            ROOT,
            &[("rb_root.rb_root.rb_node", root + node)],
        );
        let (rb_left, rb_right) = (format!("{link}.rb_left"), format!("{link}.rb_right"));
        made.object(
            "k_itimer",
            root,
            &[(&rb_left, left + node), (&rb_right, right + node)],
        );
        made.object("k_itimer", left, &[]);
        made.object("k_itimer", right, &[(&rb_right, right_of_right)]);
        let names = made.names();
        let walked = walk(made.memory(&names), &map, &Selection::All);
        if right_of_right == 0 {
            assert_eq!(flaws(&walked), Vec::<String>::new());
            assert_eq!(found(&walked, "k_itimer"), [left, root, right]);
        } else {
            assert_eq!(flaws(&walked), [Flaw::Loop.to_string()]);
        }
    }
}

// --- maple trees ------------------------------------------------------------------------------

const LEAF: u64 = 1 << 3 | 4;
const RANGE: u64 = 2 << 3 | 4;
const ARANGE: u64 = 3 << 3 | 4;
/// What the pointer at the root has besides.
const TOP: u64 = 2;

/// An address space with the tree root `root`, and VMAs at `vmas`.
fn space(root: u64, vmas: &[u64]) -> Made {
    let mut made = Made::new();
    made.name("root", ROOT);
    made.object("mm_struct", ROOT, &[("mm_mt.ma_root", root)]);
    for vma in vmas {
        made.object("vm_area_struct", *vma, &[]);
    }
    made
}

/// A node of type `ty` with pairs of pivot and slot.
fn node(made: &mut Made, ty: &str, at: u64, slots: &[(u64, u64)]) {
    made.object(ty, at, &[]);
    for (number, (pivot, slot)) in slots.iter().enumerate() {
        if number < made.width(ty, "pivot") as usize / 8 {
            made.set(ty, at, &format!("pivot[{number}]"), *pivot);
        }
        made.set(ty, at, &format!("slot[{number}]"), *slot);
    }
}

fn mappings(made: &Made) -> (Vec<u64>, Vec<String>) {
    let map = container("mm_struct", "mm_mt", "vm_area_struct", "");
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &Selection::All);
    (found(&walked, "vm_area_struct"), flaws(&walked))
}

#[test]
fn mappings_of_a_tree_of_two_levels_come_by_address() {
    let vmas = [4, 3, 2, 1].map(|n| ROOT + 0x10000 * n);
    let (top, low, high) = (ROOT + 0x4000, ROOT + 0x4100, ROOT + 0x4200);
    let mut made = space(top | ARANGE | TOP, &vmas);
    node(
        &mut made,
        "maple_arange_64",
        top,
        &[(0x4fff, low | LEAF), (u64::MAX, high | LEAF)],
    );
    // Gaps are null; what looks like an entry is not always one (a value, XA_ZERO_ENTRY).
    node(
        &mut made,
        "maple_range_64",
        low,
        &[
            (0xfff, 0),
            (0x1fff, vmas[0]),
            (0x2fff, 0x406),
            (0x3fff, 0x7),
            (0x4fff, vmas[1]),
            (0xbad, ROOT),
        ],
    );
    // The last slot has no pivot, or one of 0.
    node(
        &mut made,
        "maple_range_64",
        high,
        &[(0x5fff, vmas[2]), (0, vmas[3]), (0, ROOT)],
    );
    assert_eq!(mappings(&made), (vmas.to_vec(), Vec::new()));
}

#[test]
fn a_full_leaf_has_sixteen_slots() {
    let vmas: Vec<u64> = (1..=16).map(|n| ROOT + 0x10000 * n).collect();
    let mut made = space((ROOT + 0x4000) | LEAF | TOP, &vmas);
    let slots: Vec<_> = (1..).zip(vmas.iter().copied()).collect();
    node(&mut made, "maple_range_64", ROOT + 0x4000, &slots);
    assert_eq!(mappings(&made), (vmas, Vec::new()));
}

#[test]
fn a_tree_of_one_entry_or_none_has_no_node() {
    let vma = ROOT + 0x10000;
    assert_eq!(mappings(&space(vma, &[vma])), (vec![vma], Vec::new()));
    assert_eq!(mappings(&space(0, &[])), (Vec::new(), Vec::new()));
}

#[test]
fn a_node_that_leads_to_itself_ends() {
    let top = ROOT + 0x4000;
    let mut made = space(top | RANGE | TOP, &[]);
    node(&mut made, "maple_range_64", top, &[(u64::MAX, top | RANGE)]);
    assert_eq!(mappings(&made).1, [Flaw::Loop.to_string()]);
}

#[test]
fn a_tree_that_grows_without_end_ends() {
    let mut made = space((ROOT + 0x4000) | RANGE | TOP, &[]);
    for level in 0..40 {
        let at = ROOT + 0x4000 + 256 * level;
        node(
            &mut made,
            "maple_range_64",
            at,
            &[(u64::MAX, (at + 256) | RANGE)],
        );
    }
    let flaw = Flaw::Height { limit: 31 };
    assert_eq!(mappings(&made).1, [flaw.to_string()]);
}

#[test]
fn what_is_no_node_is_told() {
    let top = ROOT + 0x4000;
    for slot in [0x1200, (top + 0x100) | 7 << 3 | 4] {
        let mut made = space(top | RANGE | TOP, &[]);
        node(&mut made, "maple_range_64", top, &[(u64::MAX, slot)]);
        assert_eq!(
            mappings(&made).1,
            [Flaw::NotANode { found: slot }.to_string()]
        );
    }
    let dense = (top & !255) | 2;
    let made = space(dense, &[]);
    assert_eq!(
        mappings(&made).1,
        [Flaw::NotANode { found: dense }.to_string()]
    );
}

// --- counts and sizes -------------------------------------------------------------------------

const BITMAP: &str = r#"
[type.fdtable]
saved = true
[type.callback_head]
policy = "carry"
reason = "a test"
[type.fdtable.fields]
fd = { policy = "carry", reason = "a test" }
open_fds = { policy = "follow", element = "unsigned long", count = { variable = "nr_cpu_ids" }, unit = "bits", reason = "a test" }
close_on_exec = { policy = "carry", reason = "a test" }
full_fds_bits = { policy = "follow", element = "unsigned long", count = { member = "max_fds", divide = 64 }, unit = "bits", reason = "a test" }
"#;

fn bitmaps(max_fds: u64, cpus: u32) -> Made {
    let mut made = Made::new();
    made.name("root", ROOT);
    made.name("nr_cpu_ids", 0x5000);
    made.raw(0x5000, &cpus.to_le_bytes());
    let pointers = [
        ("max_fds", max_fds),
        ("open_fds", 0x7000),
        ("full_fds_bits", 0x8000),
    ];
    made.object("fdtable", ROOT, &pointers);
    made.raw(0x7000, &[0x11; 64]);
    made.raw(0x8000, &[0x22; 64]);
    made
}

#[test]
fn counts_are_divided_and_read_from_variables() {
    for (max_fds, cpus, words) in [(64, 1, (1, 1)), (4096, 65, (2, 1)), (4097, 64, (1, 2))] {
        let made = bitmaps(max_fds, cpus);
        let map = map("fdtable", BITMAP);
        let names = made.names();
        let walked = walk(made.memory(&names), &map, &Selection::All);
        assert_eq!(flaws(&walked), Vec::<String>::new());
        let counts: Vec<u32> = walked.objects[1..].iter().map(|o| o.count).collect();
        assert_eq!(counts, [words.0, words.1], "{max_fds} {cpus}");
    }
}

#[test]
fn an_absurd_count_is_told_by_what_says_it() {
    let made = bitmaps(64, u32::MAX);
    let map = map("fdtable", BITMAP);
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &Selection::All);
    assert_eq!(
        flaws(&walked),
        ["nr_cpu_ids says 4294967295 bits, and 1048576 are the most there can be"]
    );
}

const STATE: &str = r#"
[type.fpstate]
saved = true
size = { member = "size", from = "regs" }
[type.fpregs_state]
policy = "carry"
reason = "a test"
"#;

#[test]
fn an_object_is_as_long_as_it_says() {
    let regs = made_offset("fpstate", "regs");
    let map = map("fpstate", STATE);
    for size in [832, 11008] {
        let mut made = Made::new();
        made.name("root", ROOT);
        made.object("fpstate", ROOT, &[("size", size)]);
        // What comes after it is not there.
        made.raw(ROOT + regs, &vec![7; size as usize]);
        made.bytes = made.bytes.split_off(&ROOT);
        let _ = made.bytes.split_off(&(ROOT + regs + size));
        let names = made.names();
        let walked = walk(made.memory(&names), &map, &Selection::All);
        assert_eq!(flaws(&walked), Vec::<String>::new());
        assert_eq!(walked.objects[0].bytes.len() as u64, regs + size);
    }
}

#[test]
fn an_absurd_size_is_told() {
    let map = map("fpstate", STATE);
    for (size, said) in [
        (0, "size says 0 bytes"),
        (1 << 20, "size says 1048576 bytes"),
    ] {
        let mut made = Made::new();
        made.name("root", ROOT);
        made.object("fpstate", ROOT, &[("size", size)]);
        let names = made.names();
        let walked = walk(made.memory(&names), &map, &Selection::All);
        assert!(flaws(&walked)[0].starts_with(said), "{:?}", flaws(&walked));
    }
}

const GROUPS: &str = r#"
[type.group_info]
saved = true
tail = { member = "gid", count = "ngroups" }
[type.atomic_t]
policy = "carry"
reason = "a test"
[type.refcount_t]
policy = "carry"
reason = "a test"
"#;

#[test]
fn a_flexible_array_belongs_to_its_object() {
    let map = map("group_info", GROUPS);
    for (groups, expected) in [(3, Ok(8 + 12)), (1 << 22, Err("4194304 elements"))] {
        let mut made = Made::new();
        made.name("root", ROOT);
        made.object("group_info", ROOT, &[("ngroups", groups)]);
        made.raw(ROOT + 8, &[9; 12]);
        let names = made.names();
        let walked = walk(made.memory(&names), &map, &Selection::All);
        match expected {
            Ok(size) => assert_eq!(walked.objects[0].bytes.len(), size),
            Err(said) => assert!(flaws(&walked)[0].contains(said), "{:?}", flaws(&walked)),
        }
    }
}

// --- what is alive ----------------------------------------------------------------------------

#[test]
fn parts_of_all_possible_cpus_are_added_up() {
    let map = map(
        "percpu_counter",
        "[type.percpu_counter]\nsaved = true\n[type.percpu_counter.folds]\n\
         count = { percpu = \"counters\", reason = \"a test\" }\n\
         [type.percpu_counter.fields]\ncounters = { policy = \"reset\", reason = \"a test\" }\n\
         [type.raw_spinlock_t]\npolicy = \"carry\"\nreason = \"a test\"\n\
         [type.list_head]\npolicy = \"carry\"\nreason = \"a test\"\n",
    );
    let mut made = Made::new();
    made.name("root", ROOT);
    made.object(
        "percpu_counter",
        ROOT,
        &[("count", 100), ("counters", 0x10)],
    );
    made.name("nr_cpu_ids", 0x5000);
    made.raw(0x5000, &4u32.to_le_bytes());
    made.name("__cpu_possible_mask", 0x5010);
    made.raw(0x5010, &[0b1011]);
    made.name("__per_cpu_offset", 0x5020);
    for (cpu, part) in [(0u64, 5i32), (1, -30), (2, 1000), (3, 7)] {
        let base = 0xffff_9000_0000_0000 + 0x1000 * cpu;
        made.word(0x5020 + 8 * cpu, base);
        made.raw(base + 0x10, &part.to_le_bytes());
    }
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &Selection::All);
    assert_eq!(flaws(&walked), Vec::<String>::new());
    assert_eq!(walked.view(0).unwrap().signed("count").unwrap(), 82);
}

#[test]
fn a_table_that_is_no_longer_pointed_at_is_cleared() {
    let registry = Registry::builtin().unwrap();
    let mut map = registry.state_map("linux-6").unwrap();
    map.roots = self::map("files_struct", "[type.files_struct]\nsaved = true\n").roots;
    map.derived.clear();
    let fdtab = ROOT + made_offset("files_struct", "fdtab");
    for live in [true, false] {
        let mut made = Made::new();
        made.name("root", ROOT);
        let fdt = if live { fdtab } else { ROOT + 0x2000 };
        // A file that was closed long ago.
        made.object("files_struct", ROOT, &[("fdt", fdt), ("fdtab.fd", 0xdead)]);
        made.object("fdtable", ROOT + 0x2000, &[]);
        let names = made.names();
        let walked = walk(made.memory(&names), &map, &Selection::All);
        assert_eq!(flaws(&walked), Vec::<String>::new());
        let stale = walked.view(0).unwrap().unsigned("fdtab.fd").unwrap();
        assert_eq!(stale, if live { 0xdead } else { 0 });
    }
}

fn made_width(ty: &str, path: &str) -> u64 {
    Made::new().width(ty, path)
}

fn made_size(ty: &str) -> usize {
    let made = Made::new();
    let id = made.layout.find(ty).unwrap();
    made.layout.size_of(id).unwrap().0 as usize
}

#[test]
fn registers_are_found_from_the_stack_that_a_member_points_at() {
    let mut map = task_map();
    let full = Registry::builtin().unwrap().state_map("linux-6").unwrap();
    map.derived = full.derived;
    let (mut made, at) = tasks();
    let stack = ROOT + 0x40000;
    made.set("task_struct", at[2], "stack", stack);
    made.set("task_struct", at[2], "mm", 1);
    let regs = stack + 16384 - made_size("pt_regs") as u64;
    made.object("pt_regs", regs, &[]);
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &Selection::All);
    assert_eq!(flaws(&walked), Vec::<String>::new());
    assert_eq!(found(&walked, "pt_regs"), [regs]);
}
