//! Initial values: what a field of the state map's policy `reset` gets, and where nothing says it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use fixture::Fixture;
use kconv_codegen::plan::{Action, FieldPlan, Made, Pair, Plan, Side, Why};
use kconv_runtime::table::{RuleKind, Source};
use kernel_structs::layout::Fingerprint;

fn field<'m>(made: &'m Made, ty: &str, path: &str) -> &'m FieldPlan {
    let plan = &made.plan.types[ty];
    let mut all = plan.fields.iter().chain(&plan.drops);
    all.find(|field| field.path.to_string() == path)
        .unwrap_or_else(|| panic!("{ty}.{path}"))
}

fn open(made: &Made) -> Vec<String> {
    made.undecided.iter().map(ToString::to_string).collect()
}

#[test]
fn a_new_member_that_is_reset_gets_the_initial_value_with_nobody_asked() {
    let fixture = Fixture::of(
        "struct s { int a; };",
        "struct list_head { struct list_head *next; struct list_head *prev; }; struct s { int a; int cid; struct list_head list; void *cache; };",
    );
    let made = fixture
        .rules(
            "[type.s.fields]
cid = { policy = \"reset\", initial = -1, reason = \"off the CPU\" }
list = { policy = \"reset\", initial = \"empty-list\", reason = \"on no list\" }
cache = { policy = \"reset\", strict = true, reason = \"nothing yet\" }
",
        )
        .make();
    assert_eq!(open(&made), [""; 0]);
    let cid = field(&made, "s", "cid");
    assert_eq!(cid.action, Action::Set { value: -1 });
    assert_eq!((cid.source, cid.rule), (Source::StateMap, RuleKind::Init));
    assert!(matches!(
        field(&made, "s", "list.next").action,
        Action::OwnAddress { .. }
    ));
    assert_eq!(field(&made, "s", "cache").action, Action::Set { value: 0 });
}

#[test]
fn a_member_that_is_reset_and_goes_is_kept_or_refused_with_nobody_asked() {
    let fixture = Fixture::of(
        "struct s { int a; int cid; void *cache; };",
        "struct s { int a; };",
    );
    let made = fixture
        .rules(
            "[type.s.fields]
cid = { policy = \"reset\", initial = -1, reason = \"off the CPU\" }
cache = { policy = \"reset\", strict = true, reason = \"nothing yet\" }
",
        )
        .make();
    assert_eq!(open(&made), [""; 0]);
    let drop = |initial, strict| Action::Drop { initial, strict };
    assert_eq!(field(&made, "s", "cid").action, drop(-1, false));
    assert_eq!(field(&made, "s", "cache").action, drop(0, true));
}

const LOCKS: (&str, &str) = (
    "typedef struct { int lock; } spinlock_t; struct s { int a; spinlock_t guard; };",
    "typedef struct { int lock; unsigned magic; } spinlock_t; struct s { int a; spinlock_t guard; };",
);

#[test]
fn a_new_member_of_a_type_that_is_reset_has_a_stated_value_or_is_undecided() {
    let rule = |initial: &str| {
        format!("[type.spinlock_t]\npolicy = \"reset\"\n{initial}reason = \"free\"\n")
    };
    let make = |initial: &str| Fixture::of(LOCKS.0, LOCKS.1).rules(&rule(initial)).make();
    let made = make("initial = { lock = 1 }\n");
    assert_eq!(
        open(&made),
        ["spinlock_t is reset, and nothing says the initial value of its new member `magic`"]
    );
    let made = make("initial = { lock = 1, magic = 0xdead4ead }\n");
    assert_eq!(open(&made), [""; 0]);
    assert_eq!(
        field(&made, "spinlock_t", "magic").action,
        Action::Set { value: 0xdead_4ead }
    );
    // So it is if the state map says that perhaps no kernel has it.
    let made = make("initial = { lock = 1, \"magic?\" = 0xdead4ead }\n");
    assert_eq!(open(&made), [""; 0]);
    // The layout without the member has no use for what is said of it.
    let back = Fixture::of(LOCKS.1, LOCKS.0).rules(&rule("initial = { lock = 1, magic = 7 }\n"));
    assert_eq!(
        field(&back.make(), "spinlock_t", "magic").action,
        Action::Drop {
            initial: 7,
            strict: false
        }
    );
    // A lock that only one side has is of the same type.
    let alone = Fixture::of(&LOCKS.0.replace("spinlock_t guard;", ""), LOCKS.1);
    let made = alone.rules(&rule("initial = { lock = 1 }\n")).make();
    assert_eq!(
        open(&made),
        ["s.guard is reset, and nothing says the initial value of its new member `guard.magic`"]
    );
}

#[test]
fn a_new_member_whose_own_type_is_reset_needs_no_word() {
    let fixture = Fixture::of(
        "struct head { void *next; void *func; }; struct work { int a; }; struct s { int a; struct work work; };",
        "struct head { void *next; void *func; }; struct work { int a; struct head head; }; struct s { int a; struct work work; };",
    );
    let made = fixture
        .rules(
            "[type.work]
policy = \"reset\"
reason = \"idle\"
[type.head]
policy = \"reset\"
initial = { next = \"self\", func = \"null\" }
reason = \"points at itself when idle\"
",
        )
        .make();
    assert_eq!(open(&made), [""; 0]);
    assert!(matches!(
        field(&made, "work", "head.next").action,
        Action::OwnAddress { .. }
    ));
}

#[test]
fn a_number_is_not_sprayed_over_a_structure_or_an_array() {
    for (old, new) in [
        (
            "struct s { int cid; };",
            "struct cid { int active; void *node; }; struct s { struct cid cid; };",
        ),
        ("struct s { int cid; };", "struct s { int cid[2]; };"),
        (
            "struct s { int a; };",
            "struct cid { int active; void *node; }; struct s { int a; struct cid cid; };",
        ),
    ] {
        let rule =
            "[type.s.fields]\ncid = { policy = \"reset\", initial = -1, reason = \"none\" }\n";
        for (old, new) in [(old, new), (new, old)] {
            let made = Fixture::of(old, new).rules(rule).make();
            let misfit = Why::PolicyDoesNotFit { policy: "reset" };
            let cid = made.undecided.iter().find(|open| open.field == "cid");
            assert_eq!(cid.map(|open| &open.why), Some(&misfit), "{old} -> {new}");
        }
    }
}

#[test]
fn a_number_may_get_a_structure_around_it() {
    let (int, atomic) = (
        "struct s { int count; };",
        "typedef struct { int counter; } atomic_t; struct s { atomic_t count; };",
    );
    let refcount = "typedef struct { int counter; } atomic_t; typedef struct { atomic_t refs; } refcount_t; struct s { refcount_t count; };";
    for (old, new, from, to) in [
        (int, atomic, "count", "count.counter"),
        (atomic, int, "count.counter", "count"),
        (atomic, refcount, "count.counter", "count.refs.counter"),
        (refcount, atomic, "count.refs.counter", "count.counter"),
    ] {
        let carry = "[type.refcount_t]\npolicy = \"carry\"\nreason = \"a number\"\n";
        let made = Fixture::of(old, new).rules(carry).make();
        assert_eq!(open(&made), [""; 0], "{old} -> {new}");
        let count = field(&made, "s", to);
        assert_eq!(count.action, Action::Copy);
        let old_path = count.old_path.as_ref().unwrap_or(&count.path);
        assert_eq!(old_path.to_string(), from);
    }
    // The number that is reset stays one.
    let reset =
        "[type.s.fields]\ncount = { policy = \"reset\", initial = 7, reason = \"seven\" }\n";
    let made = Fixture::of(int, atomic).rules(reset).make();
    assert_eq!(open(&made), [""; 0]);
    assert_eq!(
        field(&made, "s", "count.counter").action,
        Action::Reset {
            initial: 7,
            strict: false
        }
    );
    // Two structures of one number are two things.
    let (user, group) = (
        "struct kuid { int val; }; struct s { struct kuid owner; };",
        "struct kgid { int val; }; struct s { struct kgid owner; };",
    );
    let made = Fixture::of(user, group).make();
    assert_eq!(made.undecided[0].why, Why::TypeChanged);
    // Of another width it is another number.
    let wide = "typedef struct { long long counter; } atomic64_t; struct s { atomic64_t count; };";
    assert_eq!(
        Fixture::of(int, wide).make().undecided[0].why,
        Why::TypeChanged
    );
}

#[test]
fn words_say_what_numbers_cannot() {
    let list = "struct list_head { struct list_head *next; struct list_head *prev; };";
    let fixture = Fixture::of(
        "struct s { int a; };",
        &format!("{list} struct s {{ int a; struct list_head list; }};"),
    );
    let links = "[type.list_head]
policy = \"reset\"
initial = \"empty-list\"
reason = \"empty\"
[type.s.fields]
list = { policy = \"reset\", initial = WORD, reason = \"not queued\" }
";
    for word in ["{ next = \"null\", prev = \"null\" }", "\"zero\""] {
        let fixture = Fixture::of(
            "struct s { int a; };",
            &format!("{list} struct s {{ int a; struct list_head list; }};"),
        );
        let made = fixture.rules(&links.replace("WORD", word)).make();
        assert_eq!(open(&made), [""; 0], "{word}");
        assert_eq!(
            field(&made, "s", "list.next").action,
            Action::Set { value: 0 }
        );
    }
    let made = fixture.rules(&links.replace("WORD", "0")).make();
    assert!(matches!(
        made.undecided[0].why,
        Why::PolicyDoesNotFit { .. }
    ));
    // Null is no number, and no structure.
    let fixture = Fixture::of("struct s { int a; };", "struct s { int a; int b; };");
    let made = fixture
        .rules("[type.s.fields]\nb = { policy = \"reset\", initial = \"null\", reason = \"r\" }\n")
        .make();
    assert!(matches!(
        made.undecided[0].why,
        Why::PolicyDoesNotFit { .. }
    ));
}

#[test]
fn new_elements_have_a_stated_value() {
    let arrays = ("struct s { int a[2]; };", "struct s { int a[3]; };");
    let entry = "[[override]]\nfield = \"s.a\"\nrest = -1\nreason = \"no limit\"\n";
    for (old, new) in [arrays, (arrays.1, arrays.0)] {
        let made = Fixture::of(old, new).decided(entry).make();
        assert_eq!(open(&made), [""; 0]);
        assert!(matches!(
            field(&made, "s", "a").action,
            Action::Elements { rest: -1, .. }
        ));
    }
    let made = Fixture::of(arrays.0, arrays.0).decided(entry).make();
    assert_eq!(made.undecided.len(), 1);
}

#[test]
fn a_count_is_counted_from_another_number() {
    let made = Fixture::of(
        "typedef struct { int counter; } atomic_t; struct s { atomic_t f_count; };",
        "typedef struct { int refs; } ref_t; struct s { ref_t f_ref; };",
    )
    .decided(
        "[[override]]\nfield = \"s.f_ref\"\nscale = { offset = -1 }\nfrom = [\"f_count\"]\nreason = \"the first is not counted\"\n",
    )
    .make();
    assert_eq!(open(&made), [""; 0]);
    let count = field(&made, "s", "f_ref.refs");
    assert_eq!(
        count.old_path.as_ref().unwrap().to_string(),
        "f_count.counter"
    );
    assert_eq!(
        count.action,
        Action::Offset {
            multiply: 1,
            divide: 1,
            add: -1
        }
    );
}

#[test]
fn a_member_moves_into_another_structure_of_the_object_and_back() {
    let flat = "struct s { int a; unsigned rseq_len; void *rseq; };";
    let deep = "struct rseq_data { void *usrptr; unsigned len; int ids; }; struct s { int a; struct rseq_data rseq; };";
    let user = "[type.s.fields]\nrseq = { policy = \"user\", reason = \"in the program\" }\n[type.rseq_data.fields]\nusrptr = { policy = \"user\", reason = \"in the program\" }\n";
    let entry = |field: &str, action: &str| {
        format!("[[override]]\nfield = \"{field}\"\n{action}\nreason = \"r\"\n")
    };
    let made = Fixture::of(flat, deep)
        .rules(user)
        .decided(
            &[
                entry("s.rseq.len", "rename = \"rseq_len\""),
                entry("s.rseq.usrptr", "rename = \"rseq\""),
                entry("s.rseq.ids", "init = 0"),
            ]
            .concat(),
        )
        .make();
    assert_eq!(open(&made), [""; 0]);
    let len = field(&made, "s", "rseq.len");
    assert_eq!(len.old_path.as_ref().unwrap().to_string(), "rseq_len");
    assert_eq!((len.rule, &len.action), (RuleKind::Rename, &Action::Copy));
    assert_eq!(field(&made, "s", "rseq.usrptr").rule, RuleKind::User);
    let made = Fixture::of(deep, flat)
        .rules(user)
        .decided(
            &[
                entry("s.rseq_len", "rename = \"rseq.len\""),
                entry("s.rseq", "rename = \"rseq.usrptr\""),
                entry("s.rseq.ids", "drop = \"always\""),
            ]
            .concat(),
        )
        .make();
    assert_eq!(open(&made), [""; 0]);
    let len = field(&made, "s", "rseq_len");
    assert_eq!(len.old_path.as_ref().unwrap().to_string(), "rseq.len");
    // Nothing of a structure that is told member by member is forgotten.
    let made = Fixture::of(flat, deep)
        .rules(user)
        .decided(&entry("s.rseq.len", "rename = \"rseq_len\""))
        .make();
    let fields: Vec<&str> = made
        .undecided
        .iter()
        .map(|open| open.field.as_str())
        .collect();
    assert_eq!(fields, ["rseq.usrptr", "rseq.ids", "rseq"]);
}

#[test]
fn a_saved_type_that_only_some_layouts_have_is_planned_where_both_have_it() {
    let rules = "[type.extra]\nsaved = true\n";
    let with = "struct extra { int x; }; struct s { int a; };";
    let without = "struct s { int a; };";
    for (old, new) in [(with, without), (without, with), (without, without)] {
        let made = Fixture::of(old, new).rules(rules).make();
        assert_eq!(open(&made), [""; 0]);
        assert!(!made.plan.types.contains_key("extra"));
    }
    assert!(
        Fixture::of(with, with)
            .rules(rules)
            .make()
            .plan
            .types
            .contains_key("extra")
    );
    // What leads to it is decided, or not.
    let leads = "struct extra { int x; }; struct s { int a; struct extra *more; };";
    let follow = "[type.extra]\nsaved = true\n[type.s.fields]\nmore = { policy = \"follow\", reason = \"more\" }\n";
    let made = Fixture::of(without, leads).rules(follow).make();
    assert_eq!(made.undecided[0].why, Why::Added);
    let element = follow.replace(
        "\"follow\",",
        "\"follow\", element = \"extra\", count = \"a\",",
    );
    let made = Fixture::of(without, leads).rules(&element).make();
    assert!(
        made.undecided
            .iter()
            .any(|open| matches!(open.why, Why::NoSuchType { .. }))
    );
}

/// A stack lies at the end of its task's memory, unless a pointer of the task says where.
#[test]
fn an_object_that_a_pointer_leads_to_does_not_move_with_its_owner() {
    let text = "struct regs { int ip; }; struct s { struct s *stack; int user; };";
    let derived = |base: &str| {
        format!(
            "[[derived]]\ntype = \"regs\"\nowner = \"s\"\n{base}end = 8192\nwhen = \"user\"\nreason = \"r\"\n[type.regs]\nsaved = true\n[type.s.fields]\nstack = {{ policy = \"within\", reason = \"r\" }}\n"
        )
    };
    let anchor = |base: &str| {
        let made = Fixture::of(text, text).rules(&derived(base)).make();
        assert_eq!(open(&made), [""; 0]);
        made.plan.types["regs"].anchor_end
    };
    assert_eq!(anchor(""), Some(8192));
    assert_eq!(anchor("base = \"stack\"\n"), None);
}

/// A root, and an object that is found by the name of its type, are not left out in silence.
#[test]
fn a_saved_type_that_something_leads_to_by_name_has_to_be_on_both_sides() {
    let with = "struct extra { int x; }; struct s { int a; };";
    let without = "struct s { int a; };";
    let rules = "[[derived]]\ntype = \"extra\"\nowner = \"s\"\nend = 64\nwhen = \"a\"\nreason = \"r\"\n[type.extra]\nsaved = true\n";
    let why = |old: &str, new: &str| {
        let fixture = Fixture::of(old, new);
        let map = fixture::state_map(&["s"], rules);
        let side = |release, layout| Side {
            release,
            layout_name: release,
            fingerprint: Fingerprint([0; 32]),
            layout,
        };
        let made = Plan::make(&Pair {
            converter: "convert-old-new",
            machine: "i386",
            from: side("old", &fixture.old),
            to: side("new", &fixture.new),
            map: &map,
            overrides: &fixture.overrides,
        });
        made.undecided
            .into_iter()
            .map(|open| open.why)
            .collect::<Vec<_>>()
    };
    let lacks = |layout: &str| Why::NoSuchType {
        layout: layout.to_owned(),
    };
    assert_eq!(why(with, without), [lacks("new")]);
    assert_eq!(why(without, with), [lacks("old")]);
    assert_eq!(why(with, with), []);
}

#[test]
fn elements_that_begin_as_something_else_than_zero_are_not_zeroed() {
    let lock = "[type.lock_t]\npolicy = \"reset\"\ninitial = { slock = 1 }\nreason = \"free\"\n[type.s.fields]\nlocks = { policy = \"reset\", reason = \"nobody waits\" }\n";
    let lock_t = "typedef struct { unsigned int slock; } lock_t; ";
    let with = format!("{lock_t} struct s {{ int a; lock_t locks[2]; }};");
    let without = format!("{lock_t} struct s {{ int a; }};");
    for (old, new) in [(&with, &without), (&without, &with)] {
        let made = Fixture::of(old, new).rules(lock).make();
        let why: Vec<&Why> = made.undecided.iter().map(|open| &open.why).collect();
        assert!(
            matches!(why.as_slice(), [Why::PolicyDoesNotFit { .. }]),
            "{why:?}"
        );
    }
}
