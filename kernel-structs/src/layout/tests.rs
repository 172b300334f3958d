//! Tests of the layout model, by module.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod canonical;
mod check;
mod constants;
mod minimise;
mod path;
mod render;
mod shape;

use super::testing::*;
use super::*;

/// What a small kernel could have: anonymous members, bit-fields, arrays of structures, pointers
/// back, types behind typedefs.
fn sample() -> Layout {
    layout(vec![
        int("int", 4, true),          // 1
        int("char", 1, true),         // 2
        pointer(id(9)),               // 3: struct task *
        array(id(2), 16),             // 4: char [16]
        structure("", 0, vec![]),     // 5
        typedef("spinlock_t", id(5)), // 6
        structure(
            "head",
            8,
            vec![member("next", 0, id(8)), member("prev", 32, id(8))],
        ), // 7
        pointer(id(7)),               // 8: struct head *
        structure(
            "task",
            104,
            vec![
                member("next", 0, id(3)),
                bit_field("stopped", 32, 1, id(1)),
                bit_field("level", 33, 4, id(1)),
                member("name", 64, id(4)),
                member("lock", 192, id(6)),
                member("", 192, id(10)),
                member("queues", 256, id(12)),
                member("state", 768, id(13)),
            ],
        ), // 9
        union("", 8, vec![member("", 0, id(11)), member("raw", 0, id(14))]), // 10
        structure(
            "",
            8,
            vec![member("low", 0, id(1)), member("high", 32, id(1))],
        ), // 11
        array(id(15), 4),             // 12: struct queue [4]
        enumeration("state", &[("RUNNING", 0), ("STOPPED", 4)]), // 13
        int("long long int", 8, true), // 14
        structure(
            "queue",
            16,
            vec![member("head", 0, id(7)), member("first", 64, id(2))],
        ), // 15
        int("long int", 4, true),     // 16
    ])
}
