//! Locks of kernels of Linux 6 that are built with CONFIG_DEBUG_SPINLOCK, of which no layout is
//! stored: the rules of the committed state map, over layouts that are made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use fixture::Fixture;
use kconv_codegen::plan::{Action, FieldPlan, Made};

const MAP: &str = include_str!("../../kernel-structs/state/linux-6.toml");

/// What the state map says of `ty`.
fn rules_of(ty: &str) -> String {
    let mut said = String::new();
    let mut own = false;
    for line in MAP.lines() {
        if line.starts_with('[') {
            own = line.trim_matches(['[', ']']).starts_with("type.")
                && line[6..].trim_end_matches(']').split('.').next() == Some(ty);
        }
        if own {
            said.push_str(&format!("{line}\n"));
        }
    }
    assert!(!said.is_empty(), "{ty}");
    said
}

/// The locks of include/linux/spinlock_types.h, with what a configuration adds to a raw one and to
/// its owner.
fn locks(debug: &str, lockdep: &str) -> String {
    let (dep_map, other) = match lockdep {
        "" => ("", ""),
        _ => (
            "struct lockdep_map dep_map;",
            "struct { char padding[4]; struct lockdep_map dep_map; };",
        ),
    };
    format!(
        "struct lockdep_map {{ void *key; }};
        struct qspinlock {{ union {{ int val; char locked; }}; }};
        struct qrwlock {{ int cnts; struct qspinlock wait_lock; }};
        typedef struct raw_spinlock {{ struct qspinlock raw_lock; {debug} {dep_map} }} raw_spinlock_t;
        typedef struct spinlock {{ union {{ struct raw_spinlock rlock; {other} }}; }} spinlock_t;
        typedef struct {{ struct qrwlock raw_lock; {debug} }} rwlock_t;
        struct s {{ raw_spinlock_t raw; spinlock_t lock; rwlock_t shared; }};"
    )
}

const DEBUG: &str = "unsigned magic; unsigned owner_cpu; void *owner;";

fn made(old: &str, new: &str) -> Made {
    let rules: Vec<String> = ["spinlock_t", "raw_spinlock_t", "rwlock_t"]
        .map(rules_of)
        .into();
    let mut fixture = Fixture::of(old, new).rules(&rules.concat());
    fixture.old = fixture.map.live(&fixture.old);
    fixture.new = fixture.map.live(&fixture.new);
    fixture.make()
}

fn open(made: &Made) -> Vec<String> {
    made.undecided.iter().map(ToString::to_string).collect()
}

fn field<'m>(made: &'m Made, ty: &str, path: &str) -> &'m FieldPlan {
    let plan = &made.plan.types[ty];
    let mut all = plan.fields.iter().chain(&plan.drops);
    all.find(|field| field.path.to_string() == path)
        .unwrap_or_else(|| panic!("{ty}.{path}"))
}

#[test]
fn a_lock_is_made_with_what_a_debugging_kernel_looks_for() {
    let up = made(&locks("", ""), &locks(DEBUG, ""));
    assert_eq!(open(&up), [""; 0]);
    for (ty, inside, magic) in [
        ("raw_spinlock_t", "", 0xdead_4ead_u32),
        ("spinlock_t", "rlock.", 0xdead_4ead),
        ("rwlock_t", "", 0xdeaf_1eed),
    ] {
        let set = |member: &str| field(&up, ty, &format!("{inside}{member}")).action.clone();
        let value = i64::from(magic);
        assert_eq!(set("magic"), Action::Set { value }, "{ty}");
        let value = i64::from(u32::MAX);
        assert_eq!(set("owner_cpu"), Action::Set { value }, "{ty}");
        assert_eq!(set("owner"), Action::Set { value: -1 }, "{ty}: nowhere");
    }
    // The way back finds a free lock, or keeps what it finds.
    let down = made(&locks(DEBUG, ""), &locks("", ""));
    assert_eq!(open(&down), [""; 0]);
    assert_eq!(
        field(&down, "spinlock_t", "rlock.magic").action,
        Action::Drop {
            initial: 0xdead_4ead,
            strict: false
        }
    );
}

#[test]
fn what_the_map_does_not_name_is_undecided() {
    let told = open(&made(&locks("", ""), &locks("unsigned canary;", "")));
    for place in ["canary", "rlock.canary"] {
        assert!(
            told.iter().any(|told| told.contains(&format!("`{place}`"))),
            "{told:?}"
        );
    }
    // Lockdep's part is none that the map knows of.
    let told = open(&made(&locks(DEBUG, ""), &locks(DEBUG, "lockdep")));
    assert!(
        told.iter().any(|told| told.contains("rlock.dep_map.key")),
        "{told:?}"
    );
}
