//! Pointers that are reset to a symbol: what is there has a name in the image, if it has one.

use super::{Made, ROOT, flaws, map, trailing};
use crate::error::Flaw;
use crate::family::{Family, Reference};
use crate::slots::{Slots, slots};
use crate::source::Mapping;
use crate::walk::{Selection, walk};
use kconv_image::{Clocks, CoreNote, KernelAddr, Resource, ResourceId, Value};
use kernel_structs::state::Policy;

/// A family that is not asked for anything: the objects have no resources.
struct Nothing;

impl Family for Nothing {
    fn resource(&mut self, _: &Reference<'_>) -> Result<ResourceId, Flaw> {
        unreachable!()
    }

    fn not_carried(&mut self, at: KernelAddr) -> ResourceId {
        ResourceId(at.0 as u32)
    }

    fn unbound_resources(&mut self, _: &mut dyn FnMut(usize, Flaw)) {}

    fn unsaved_state(&self, _: &mut dyn FnMut(usize, &str, Flaw)) {}

    fn resources(&self) -> Vec<Resource> {
        unreachable!()
    }

    fn clocks(&self, _: u32) -> Result<Clocks, Flaw> {
        unreachable!()
    }

    fn facts(&self) -> Result<Vec<(String, Value)>, Flaw> {
        unreachable!()
    }

    fn mappings(&self, _: usize) -> Result<Vec<Mapping>, Flaw> {
        unreachable!()
    }

    fn core_notes(&self) -> Result<Vec<CoreNote>, Flaw> {
        unreachable!()
    }
}

/// Offset and name of every slot of the object at [`ROOT`].
fn names(made: &Made, rules: &str) -> (Vec<(u64, String)>, Vec<String>) {
    let map = map("hrtimer", rules);
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &Selection::All);
    assert_eq!(flaws(&walked), Vec::<String>::new());
    let Slots {
        slots,
        symbols,
        findings,
        ..
    } = slots(&walked, &mut Nothing);
    let named = slots.iter().map(|slot| {
        let kconv_image::SlotTarget::Symbol(id) = slot.target else {
            unreachable!();
        };
        let name = symbols[id.0 as usize].name.clone();
        (u64::from(slot.offset), name)
    });
    let flaws = findings.iter().map(|finding| finding.flaw.to_string());
    (named.collect(), flaws.collect())
}

const CARRIED: &str = "[type.hrtimer]
saved = true
[type.timerqueue_node]
policy = \"carry\"
reason = \"a test\"
[type.hrtimer.fields]
function = { policy = \"reset\", initial = { symbol = \"it_real_fn\" }, reason = \"a test\" }
base = { policy = \"reset\", reason = \"a test\" }
";

fn timer(function: u64) -> Made {
    let mut made = Made::new();
    made.name("root", ROOT);
    made.name("it_real_fn", 0xffff_ffff_8100_0000);
    made.name("other_fn", 0xffff_ffff_8100_1000);
    // What is reset to anything else has no name, wherever it points.
    let base = 0xffff_ffff_8100_1000;
    made.object("hrtimer", ROOT, &[("function", function), ("base", base)]);
    made
}

#[test]
fn what_is_reset_to_a_symbol_is_named_if_it_can_be() {
    let function = timer(0).offset("hrtimer", "function");
    for (value, name) in [
        (0xffff_ffff_8100_0000, Some("it_real_fn")),
        (0xffff_ffff_8100_1000, Some("other_fn")),
        // Null, and a pointer at something that is no symbol: the number is all there is.
        (0, None),
        (0xffff_8880_0000_4000, None),
    ] {
        let (names, flaws) = names(&timer(value), CARRIED);
        let expected: Vec<(u64, String)> = name
            .map(|name| (function, name.to_owned()))
            .into_iter()
            .collect();
        assert_eq!(names, expected, "{value:#x}");
        assert_eq!(flaws, Vec::<String>::new());
    }
}

#[test]
fn a_symbol_may_be_said_of_a_member_of_what_is_reset_or_by_its_type() {
    let function = timer(0).offset("hrtimer", "node.node.rb_left");
    let mut made = timer(0);
    made.set("hrtimer", ROOT, "node.node.rb_left", 0xffff_ffff_8100_1000);
    for rule in [
        "[type.timerqueue_node]
policy = \"reset\"
initial = { \"node.rb_left\" = { symbol = \"it_real_fn\" } }
reason = \"a test\"
",
        "[type.timerqueue_node]
policy = \"reset\"
reason = \"a test\"
[type.rb_node]
policy = \"reset\"
initial = { rb_left = { symbol = \"it_real_fn\" } }
reason = \"a test\"
",
    ] {
        let rest = CARRIED.replace(
            "[type.timerqueue_node]\npolicy = \"carry\"\nreason = \"a test\"\n",
            rule,
        );
        let (names, flaws) = names(&made, &rest);
        assert_eq!(names, [(function, String::from("other_fn"))], "{rule}");
        assert_eq!(flaws, Vec::<String>::new());
    }
}

#[test]
fn a_pointer_that_the_memory_of_its_object_ends_before_is_told() {
    // A task of 20 bytes, with a pointer from the sixteenth on.
    let mut made = trailing::made(true, 64);
    made.raw(0x5000, &20u32.to_le_bytes());
    let mut map = trailing::map(trailing::BY_VARIABLE);
    let fpu = map.types.get_mut("fpu").unwrap();
    fpu.fields.get_mut("current").unwrap().policy = Policy::Symbol;
    let names = made.names();
    let walked = walk(made.memory(&names), &map, &Selection::All);
    assert_eq!(flaws(&walked), Vec::<String>::new());
    let found = slots(&walked, &mut Nothing);
    assert!(found.slots.is_empty());
    let told: Vec<String> = found
        .findings
        .iter()
        .map(|one| one.flaw.to_string())
        .collect();
    let expected = "task.fpu.current at 0xffff888000001000: found an end after 20 bytes, expected 24 bytes at least";
    assert_eq!(told, [expected]);
}
