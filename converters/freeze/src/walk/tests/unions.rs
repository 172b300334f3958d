//! Unions of which one member at most is in use.

use super::{Made, ROOT, container, made_offset, made_size, made_width, map};
use crate::walk::{Selection, walk};
use kernel_structs::releases::Registry;

const RESTART: &str = r#"
[type.restart_block]
saved = true
[type.restart_block.fields]
fn = { policy = "carry", reason = "a test" }
futex = { policy = "carry", reason = "a test" }
nanosleep = { policy = "carry", reason = "a test" }
poll = { policy = "carry", reason = "a test" }
[[type.restart_block.arm]]
live = "futex"
when = "fn"
is = ["futex_wait_restart"]
reason = "a test"
[[type.restart_block.arm]]
live = "poll"
when = "fn"
is = ["do_restart_poll"]
reason = "a test"
"#;

#[test]
fn of_a_union_that_member_is_kept_that_a_symbol_tells_of() {
    let map = map("restart_block", RESTART);
    let union = made_offset("restart_block", "futex") as usize;
    let futex = made_width("restart_block", "futex") as usize;
    let poll = made_width("restart_block", "poll") as usize;
    for (function, kept) in [(0x100, futex), (0x200, poll), (0x300, 0)] {
        let mut made = Made::new();
        made.name("root", ROOT);
        made.name("futex_wait_restart", 0x100);
        made.name("do_restart_poll", 0x200);
        made.object("restart_block", ROOT, &[]);
        let size = made_size("restart_block");
        made.raw(ROOT + union as u64, &vec![0xaa; size - union]);
        made.set("restart_block", ROOT, "fn", function);
        let names = made.names();
        let walked = walk(made.memory(&names), &map, &Selection::All);
        let bytes = &walked.objects[0].bytes;
        assert!(bytes[union..union + kept].iter().all(|byte| *byte == 0xaa));
        assert!(
            bytes[union + kept..].iter().all(|byte| *byte == 0),
            "{function:#x}"
        );
    }
}

#[test]
fn of_a_union_that_member_is_kept_that_a_number_tells_of() {
    let mut map = container("k_itimer", "list", "k_itimer", "list");
    let full = Registry::builtin().unwrap().state_map("linux-6").unwrap();
    let entry = map.types.get_mut("k_itimer").unwrap();
    entry.containers.clear();
    entry.choices.clone_from(&full.types["k_itimer"].choices);
    for (clock, arm) in [(-6i32, "it.cpu"), (9, "it.alarm"), (1, "it.real")] {
        let mut made = Made::new();
        made.name("root", ROOT);
        made.object("k_itimer", ROOT, &[]);
        let (offset, width) = (made.offset("k_itimer", "it"), made.width("k_itimer", "it"));
        made.raw(ROOT + offset, &vec![0xaa; width as usize]);
        made.set("k_itimer", ROOT, "it_clock", clock as u32 as u64);
        let kept = made.width("k_itimer", arm);
        let names = made.names();
        let walked = walk(made.memory(&names), &map, &Selection::All);
        let bytes = &walked.objects[0].bytes[offset as usize..(offset + width) as usize];
        let alive = bytes.iter().filter(|byte| **byte == 0xaa).count();
        assert_eq!(alive as u64, kept, "{clock}");
    }
}
