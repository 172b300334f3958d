//! Initial values: what a field of the state map's policy `reset` gets, and where nothing says it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use fixture::Fixture;
use kconv_codegen::overrides::Changes;
use kconv_codegen::plan::{Action, FieldPlan, Made, Meaning, Pair, Plan, Side, Why};
use kconv_runtime::table::{RuleKind, Source};
use kernel_structs::layout::Fingerprint;
use kernel_structs::state::SymbolPlace;

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

/// What people decide of a number in structures around it is said as a number, there and back.
#[test]
fn a_number_in_a_structure_is_given_as_a_number() {
    let entry = |field: &str, action: &str| {
        format!("[[override]]\nfield = \"{field}\"\n{action}\nreason = \"r (fs/a.c: f)\"\n")
    };
    let entries = [
        entry("s.id", "init = 65534"),
        entry("s.both", "init = 7"),
        entry("s.both", "drop = \"only-if-initial\""),
        entry("s.far", "scale = { offset = -200 }"),
    ];
    let made = Fixture::of(
        "struct n { unsigned v; }; struct b { unsigned char v; }; struct s { struct n both; struct b far; };",
        "struct n { unsigned v; }; struct b { unsigned char v; }; struct s { struct n id; struct n both; struct b far; };",
    )
    .decided(&entries.concat())
    .make();
    assert_eq!(open(&made), [""; 0]);
    assert_eq!(
        field(&made, "s", "id.v").action,
        Action::Set { value: 65534 }
    );
    assert_eq!(field(&made, "s", "both.v").action, Action::Set { value: 7 });
    let dropped = made.plan.types["s"].drops.iter().map(|field| &field.action);
    assert_eq!(
        dropped.collect::<Vec<_>>(),
        [&Action::Drop {
            initial: 7,
            strict: true
        }]
    );
    let far = Action::Offset {
        multiply: 1,
        divide: 1,
        add: -200,
    };
    assert_eq!(field(&made, "s", "far.v").action, far);
}

/// Zeros in all of a structure are no list that is empty, and no lock that is free.
#[test]
fn zeros_do_not_take_the_place_of_what_the_map_says_of_a_member() {
    let entry = |field: &str| {
        format!("[[override]]\nfield = \"{field}\"\ninit = \"zero\"\nreason = \"r (fs/a.c: f)\"\n")
    };
    let made = |entries: &str| {
        Fixture::of(
            "struct list_head { struct list_head *next; struct list_head *prev; }; struct s { int a; };",
            "struct list_head { struct list_head *next; struct list_head *prev; }; struct q { int n; struct list_head l; }; struct p { long m; }; struct s { int a; struct q q; struct q two[2]; struct p p; struct list_head own; };",
        )
        .rules("[type.list_head]\npolicy = \"reset\"\ninitial = \"empty-list\"\nreason = \"on no list\"\n")
        .decided(entries)
        .make()
    };
    let wrong = made(&[entry("s.q"), entry("s.two"), entry("s.p"), entry("s.own")].concat());
    let told = open(&wrong);
    assert_eq!(told.len(), 3, "{told:#?}");
    for (told, place) in told.iter().zip(["s.q.l", "s.two.l", "s.own"]) {
        let said = format!("would put zeros into {place}, for which the state map");
        assert!(told.contains(&said), "{told}");
    }
    let right = made(&[entry("s.q.n"), entry("s.p")].concat());
    let told = open(&right);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("s.two"), "{told:#?}");
    assert!(matches!(
        field(&right, "s", "q.l.next").action,
        Action::OwnAddress { .. }
    ));
}

/// What was said of an address says nothing of the members of a structure that takes its place.
#[test]
fn a_pointer_that_is_reset_and_becomes_a_structure_is_undecided() {
    let rules = "[type.s.fields]\npgd = { policy = \"reset\", reason = \"page tables\" }\nmask = { policy = \"reset\", strict = true, reason = \"nobody asks\" }\nevents = { policy = \"reset\", reason = \"none\" }\n";
    let pointers = "struct s { void *pgd; int *mask; void *events[2]; };";
    let structures = "struct s { struct { int owner; int magic; } pgd; int mask; void *events; };";
    for (old, new) in [(pointers, structures), (structures, pointers)] {
        let told = open(&Fixture::of(old, new).rules(rules).make());
        assert_eq!(told.len(), 2, "{told:#?}");
        for (told, field) in told.iter().zip(["s.pgd", "s.mask"]) {
            assert!(told.contains(field), "{told}");
        }
    }
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
fn a_list_with_a_third_member_is_more_than_a_list() {
    let list = |more: &str| {
        format!(
            "struct list_head {{ struct list_head *next; struct list_head *prev; {more} }}; struct s {{ struct list_head own; }};"
        )
    };
    let rule = "[type.list_head]\npolicy = \"reset\"\ninitial = \"empty-list\"\nreason = \"nobody waits\"\n";
    let open_between =
        |old: &str, new: &str| open(&Fixture::of(&list(old), &list(new)).rules(rule).make());
    assert_eq!(open_between("", ""), [""; 0]);
    assert_eq!(
        open_between("", "long magic;"),
        ["list_head is reset, and nothing says the initial value of its new member `magic`"]
    );
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
    let entry = "[[override]]\nfield = \"s.a\"\nrest = -1\nreason = \"no limit (fs/a.c: f)\"\n";
    for (old, new) in [arrays, (arrays.1, arrays.0)] {
        let made = Fixture::of(old, new).decided(entry).make();
        assert_eq!(open(&made), [""; 0]);
        assert!(matches!(
            field(&made, "s", "a").action,
            Action::Elements { rest: -1, .. }
        ));
    }
    // Without new elements there is nothing to state, whatever becomes of the others.
    let widened = ("struct s { short a[2]; };", "struct s { int a[2]; };");
    for (old, new) in [(arrays.0, arrays.0), widened] {
        let made = Fixture::of(old, new).decided(entry).make();
        assert_eq!(made.undecided.len(), 1);
    }
}

#[test]
fn a_count_is_counted_from_another_number() {
    let made = Fixture::of(
        "typedef struct { int counter; } atomic_t; struct s { atomic_t f_count; };",
        "typedef struct { int refs; } ref_t; struct s { ref_t f_ref; };",
    )
    .decided(
        "[[override]]\nfield = \"s.f_ref\"\nscale = { offset = -1 }\nfrom = [\"f_count\"]\nreason = \"the first is not counted (fs/a.c: f)\"\n",
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
        format!("[[override]]\nfield = \"{field}\"\n{action}\nreason = \"r (fs/a.c: f)\"\n")
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

const OPS: &str = "struct ops; ";

fn symbol(name: &str, offset: u64) -> SymbolPlace {
    SymbolPlace {
        name: name.to_owned(),
        offset,
    }
}

/// `ops` of `struct s`, reset to a symbol.
fn ops(more: &str) -> String {
    format!(
        "[type.s.fields]\nops = {{ policy = \"reset\"{more}, initial = {{ symbol = \"table\", offset = 8 }}, reason = \"as a new one has it\" }}\n"
    )
}

#[test]
fn a_pointer_may_be_at_a_symbol() {
    let (with, without) = (
        format!("{OPS}struct s {{ int a; struct ops *ops; }};"),
        String::from("struct s { int a; };"),
    );
    let symbol = symbol("table", 8);
    for (more, strict) in [("", false), (", strict = true", true)] {
        let action = |old: &str, new: &str| {
            let made = Fixture::of(old, new).rules(&ops(more)).make();
            assert_eq!(open(&made), [""; 0]);
            let field = field(&made, "s", "ops");
            assert_eq!(field.source, Source::StateMap);
            (field.rule, field.action.clone())
        };
        let reset = Action::ResetSymbol {
            symbol: symbol.clone(),
            strict,
        };
        assert_eq!(action(&with, &with), (RuleKind::Reset, reset));
        let set = Action::SetSymbol {
            symbol: symbol.clone(),
        };
        assert_eq!(action(&without, &with), (RuleKind::Init, set));
        let drop = Action::DropSymbol {
            symbol: Some(symbol.clone()),
            strict,
        };
        assert_eq!(action(&with, &without), (RuleKind::Drop, drop));
    }
    // A function's address may be kept in an integer.
    let word = "struct s { int a; unsigned long ops; };";
    let made = Fixture::of(word, &with).rules(&ops("")).make();
    assert_eq!(open(&made), [""; 0]);
}

#[test]
fn what_cannot_hold_an_address_is_at_no_symbol() {
    let pointer = format!("{OPS}struct s {{ int a; struct ops *ops; }};");
    for declared in [
        "short ops;",
        "long long ops;",
        "unsigned int ops : 32;",
        "_Bool ops;",
        "struct ops *ops[2];",
        "struct { void *open; } ops;",
        "union { void *open; long n; } ops;",
        "enum { A } ops;",
    ] {
        let declared = declared.replace("enum { A }", "enum e { A }");
        let other = format!("{OPS}struct s {{ int a; {declared} }};");
        for (old, new) in [
            (&pointer, &other),
            (&other, &pointer),
            (&other, &other),
            (&String::from("struct s { int a; };"), &other),
            (&other, &String::from("struct s { int a; };")),
        ] {
            let made = Fixture::of(old, new).rules(&ops("")).make();
            let misfit = Why::PolicyDoesNotFit { policy: "reset" };
            let found = made.undecided.iter().find(|open| open.field == "ops");
            assert_eq!(found.map(|open| &open.why), Some(&misfit), "{declared}");
        }
    }
}

#[test]
fn a_symbol_may_be_said_of_a_member() {
    let of = |member: &str| {
        format!("struct work {{ int n; void *func; }}; struct s {{ int a; {member} }};")
    };
    let rules = "[type.work]\npolicy = \"reset\"\ninitial = { func = { symbol = \"run\" } }\nreason = \"idle\"\n";
    let made = Fixture::of(&of("struct work work;"), &of("struct work work;"))
        .rules(rules)
        .make();
    assert_eq!(open(&made), [""; 0]);
    assert_eq!(
        field(&made, "work", "func").action,
        Action::ResetSymbol {
            symbol: symbol("run", 0),
            strict: false
        }
    );
    let made = Fixture::of(&of(""), &of("struct work work;"))
        .rules(rules)
        .make();
    assert_eq!(
        field(&made, "s", "work.func").action,
        Action::SetSymbol {
            symbol: symbol("run", 0)
        }
    );
    // A number that became a pointer is at the symbol, and is checked, as a pointer.
    let made = Fixture::of(
        &of("struct work work;").replace("void *func", "short func"),
        &of("struct work work;"),
    )
    .rules(rules)
    .make();
    assert_eq!(
        open(&made),
        ["work is reset by the state map to an `initial` that a value of this type cannot have"]
    );
}

#[test]
fn an_override_may_say_a_symbol() {
    let (with, without) = (
        format!("{OPS}struct s {{ int a; struct ops *ops; }};"),
        String::from("struct s { int a; };"),
    );
    let policy = "[type.s.fields]\nops = { policy = \"symbol\", reason = \"operations\" }\n";
    let changes = Changes::parse([(
        "s.toml",
        "[[change]]
field = \"s.ops\"
appears = { init = { symbol = \"table\", offset = 8 }, reason = \"the only one there was (fs/a.c: f)\" }
disappears = { drop = \"only-if-initial\", reason = \"the older kernel knows no other (fs/a.c: f)\" }
",
    )])
    .unwrap();
    let make = |old: &str, new: &str, rules: &str| {
        let mut fixture = Fixture::of(old, new).rules(rules);
        fixture.overrides = changes.between(&fixture.old, &fixture.new);
        (fixture.make(), fixture.overrides.entries.len())
    };
    let (made, entries) = make(&without, &with, policy);
    assert_eq!((open(&made).len(), made.needed.len(), entries), (0, 1, 1));
    let set = field(&made, "s", "ops");
    assert_eq!((set.source, set.rule), (Source::Override, RuleKind::Init));
    assert_eq!(
        set.action,
        Action::SetSymbol {
            symbol: symbol("table", 8)
        }
    );
    // What the way back writes may be left out, and nothing else.
    let (made, _) = make(&with, &without, policy);
    assert_eq!(
        field(&made, "s", "ops").action,
        Action::DropSymbol {
            symbol: Some(symbol("table", 8)),
            strict: true
        }
    );
    // An entry that says what the state map says is not needed.
    let (made, _) = make(&without, &with, &ops(""));
    assert_eq!((open(&made).len(), made.needed.len()), (0, 0));
    // What cannot hold an address cannot get one.
    let short = "struct s { int a; short ops; };";
    let (made, _) = make(&without, short, "");
    let told = open(&made);
    assert!(
        told[0].contains("`init = { symbol = … }` does not work on short; it needs a pointer, or an integer as large as one"),
        "{told:?}"
    );
}

/// The number that such a pointer is on the kernel of the freeze is none on any other.
#[test]
fn a_pointer_into_the_kernel_image_that_goes_is_dropped_by_its_name() {
    let made = Fixture::of(
        &format!("{OPS}struct s {{ int a; struct ops *ops; }};"),
        "struct s { int a; };",
    )
    .rules("[type.s.fields]\nops = { policy = \"symbol\", reason = \"operations\" }\n")
    .decided("[[override]]\nfield = \"s.ops\"\ndrop = \"always\"\nreason = \"r (fs/a.c: f)\"\n")
    .make();
    assert_eq!(open(&made), [""; 0]);
    assert_eq!(
        field(&made, "s", "ops").action,
        Action::DropSymbol {
            symbol: None,
            strict: false
        }
    );
}

/// The value that the way back writes is not lost, and any other is.
#[test]
fn a_number_that_goes_is_held_against_what_the_way_back_writes() {
    let (with, without) = ("struct s { int a; int n; };", "struct s { int a; };");
    for (init, drop, initial) in [
        ("1000", "always", 1000),
        ("1000", "only-if-initial", 1000),
        ("\"zero\"", "always", 0),
    ] {
        let text = format!(
            "[[change]]\nfield = \"s.n\"\nappears = {{ init = {init}, reason = \"r (fs/a.c: f)\" }}\ndisappears = {{ drop = \"{drop}\", reason = \"r (fs/a.c: f)\" }}\n"
        );
        let mut fixture = Fixture::of(with, without);
        let changes = Changes::parse([("s.toml", text.as_str())]).unwrap();
        fixture.overrides = changes.between(&fixture.old, &fixture.new);
        let made = fixture.make();
        assert_eq!(open(&made), [""; 0]);
        let strict = drop != "always";
        assert_eq!(
            field(&made, "s", "n").action,
            Action::Drop { initial, strict }
        );
    }
}

#[test]
fn elements_that_only_one_side_has_get_their_initial_value_or_are_held_against_it() {
    let locks = "[type.lock]\npolicy = \"reset\"\ninitial = { held = 1 }\nreason = \"free\"\n";
    let of = |count: &str| format!("struct lock {{ int held; }}; struct s {{ int a; {count} }};");
    let (two, three, none) = (
        of("struct lock locks[2];"),
        of("struct lock locks[3];"),
        of(""),
    );
    let value = |made: &Made, path: &str| field(made, "s", path).action.clone();
    let drop = Action::Drop {
        initial: 1,
        strict: false,
    };
    let made = Fixture::of(&two, &three).rules(locks).make();
    assert_eq!(open(&made), [""; 0]);
    assert_eq!(value(&made, "locks[2].held"), Action::Set { value: 1 });
    assert!(matches!(
        value(&made, "locks"),
        Action::Elements { old: 2, new: 2, .. }
    ));
    let made = Fixture::of(&three, &two).rules(locks).make();
    assert_eq!(value(&made, "locks[2].held"), drop);
    let made = Fixture::of(&none, &two).rules(locks).make();
    assert_eq!(value(&made, "locks[1].held"), Action::Set { value: 1 });
    let made = Fixture::of(&two, &none).rules(locks).make();
    assert_eq!(value(&made, "locks[0].held"), drop);
    // A strict rule of the member holds for every element.
    let strict = "[type.s.fields]\nlocks = { policy = \"reset\", strict = true, initial = { held = 7 }, reason = \"free\" }\n";
    let made = Fixture::of(&two, &three).rules(strict).make();
    assert_eq!(open(&made), [""; 0]);
    assert_eq!(
        value(&made, "locks[1].held"),
        Action::Reset {
            initial: 7,
            strict: true
        }
    );
    // One that states no value leaves each element that of its type.
    let plain = "[type.s.fields]\nlocks = { policy = \"reset\", reason = \"free\" }\n";
    let made = Fixture::of(&two, &three)
        .rules(&format!("{locks}{plain}"))
        .make();
    assert_eq!(open(&made), [""; 0]);
    assert_eq!(value(&made, "locks[2].held"), Action::Set { value: 1 });
    // Two dimensions.
    let grid = of("struct lock locks[2][2];");
    let made = Fixture::of(&none, &grid).rules(locks).make();
    assert_eq!(value(&made, "locks[1][0].held"), Action::Set { value: 1 });
    // More than any kernel has in an object is not written out.
    let many = of("struct lock locks[257];");
    let made = Fixture::of(&none, &many).rules(locks).make();
    assert!(matches!(
        made.undecided[0].why,
        Why::PolicyDoesNotFit { .. }
    ));
}

/// What one layout points at and another has in its place goes by one name, and what was said of
/// the pointer says nothing of the structure.
#[test]
fn a_policy_of_a_pointer_is_not_one_of_the_structure_that_has_its_name() {
    let inside = "struct data { void *usrptr; int len; }; struct s { int a; struct data rseq; };";
    for policy in ["\"user\"", "\"symbol\"", "\"stack\"", "\"follow\""] {
        let rules = format!(
            "[type.s.fields]\nrseq = {{ policy = {policy}, reason = \"r\" }}\n[type.data.fields]\nusrptr = {{ policy = \"user\", reason = \"r\" }}\n"
        );
        let made = Fixture::of(inside, inside).rules(&rules).make();
        assert_eq!(open(&made), [""; 0], "{policy}");
        assert_eq!(field(&made, "data", "usrptr").rule, RuleKind::User);
        // Its members want rules of their own.
        let rules = rules.split("[type.data").next().unwrap();
        let made = Fixture::of(inside, inside).rules(rules).make();
        assert_eq!(
            open(&made),
            ["data.usrptr is or holds a pointer of which the state map says nothing"]
        );
    }
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

/// A chain that ends in null has no head that an emptied one could lead to.
#[test]
fn a_chain_of_saved_objects_is_whole() {
    let node = "struct node { struct node *next; struct node **pprev; };";
    let made = Fixture::of(
        &format!("{node} struct s {{ struct node link; int a; }};"),
        &format!("{node} struct s {{ int a; struct node link; }};"),
    )
    .rules("[type.s.fields]\nlink = { policy = \"within\", reason = \"others like it\" }\n")
    .make();
    assert_eq!(open(&made), [""; 0]);
    for path in ["link.next", "link.pprev"] {
        let pointer = field(&made, "s", path);
        let meaning = Meaning::LinkRequired;
        assert_eq!(pointer.action, Action::Pointer { meaning });
        assert_eq!(pointer.rule, RuleKind::Within);
    }
}

/// A number that goes with the type of another member: each layout has its own, and one that
/// declares the member in a way of which the map says nothing is undecided.
#[test]
fn an_initial_value_may_follow_from_how_a_member_is_declared() {
    let rule = "[type.s.fields]\nfill = { policy = \"reset\", initial = { declared = \"s.stack\", as = { \"int\" = -1, \"long\" = 0 } }, reason = \"r\" }\n";
    let with = |ty: &str| format!("struct s {{ int fill; {ty} stack; }};");
    let between = |old: &str, new: &str| {
        Fixture::of(&with(old), &with(new))
            .rules(rule)
            .decided(
                "[[override]]\nfield = \"s.stack\"\ncall = \"f\"\nreason = \"r (fs/a.c: f)\"\n",
            )
            .make()
    };
    let made = between("int", "int");
    assert!(matches!(
        field(&made, "s", "fill").action,
        Action::Reset { initial: -1, .. }
    ));
    let made = between("int", "long");
    let plan = &made.plan.types["s"];
    let of_fill = |all: &[FieldPlan]| {
        let found = all.iter().find(|field| field.path.to_string() == "fill");
        found.unwrap().action.clone()
    };
    assert_eq!(of_fill(&plan.fields), Action::Set { value: 0 });
    assert!(matches!(
        of_fill(&plan.drops),
        Action::Drop { initial: -1, .. }
    ));
    let made = between("int", "short");
    let expected = Why::DeclaredOtherwise {
        member: String::from("s.stack"),
    };
    let why = made.undecided.iter().map(|open| &open.why);
    assert!(
        why.into_iter().any(|why| *why == expected),
        "{:?}",
        open(&made)
    );
}

/// A number that became a structure with a pointer in it (6.19's `mm_cid`): each layout has the value of
/// what the field is there, both ways, and nothing of the structure is made up.
#[test]
fn an_initial_value_may_follow_from_what_the_field_itself_is() {
    const NODE: &str = "struct cid { unsigned active; unsigned cid; struct node *next; };";
    let made = |of_struct: &str, back: bool| {
        let rule = format!(
            "[type.s.fields]\ncid = {{ policy = \"reset\", strict = true, initial = {{ declared = \"s.cid\", as = {{ \"int\" = -1, \"struct cid\" = {of_struct} }} }}, reason = \"r\" }}\n"
        );
        let (number, structure) = (
            "struct s { int a; int cid; };".to_owned(),
            format!("{NODE} struct s {{ int a; struct cid cid; }};"),
        );
        let fixture = match back {
            false => Fixture::of(&number, &structure),
            true => Fixture::of(&structure, &number),
        };
        fixture.rules(&rule).make()
    };
    let whole = "{ active = 0, cid = 0x80000000, next = \"null\" }";
    let there = made(whole, false);
    assert_eq!(open(&there), [""; 0]);
    let written = [("active", 0), ("cid", 0x8000_0000), ("next", 0)];
    for (member, value) in written {
        let path = format!("cid.{member}");
        assert_eq!(field(&there, "s", &path).action, Action::Set { value });
    }
    let dropped = |initial| Action::Drop {
        initial,
        strict: true,
    };
    assert_eq!(field(&there, "s", "cid").action, dropped(-1));
    let back = made(whole, true);
    assert_eq!(open(&back), [""; 0]);
    assert_eq!(field(&back, "s", "cid").action, Action::Set { value: -1 });
    for (member, value) in written {
        let path = format!("cid.{member}");
        assert_eq!(field(&back, "s", &path).action, dropped(value));
    }
    // What the value of the structure does not name is nobody's to guess.
    let told = made("{ active = 0, next = \"null\" }", false);
    let why = Why::NoInitial {
        member: String::from("cid.cid"),
    };
    assert_eq!(told.undecided[0].why, why, "{:?}", open(&told));
    assert_eq!(
        told.undecided[0].advice(),
        "say in the state map, in `initial` of s.cid, what value `cid.cid` has"
    );
}

/// Where the map's number no longer fits, it is told how it can say both.
#[test]
fn a_field_that_became_another_thing_is_told_how_its_values_are_said() {
    let made = Fixture::of(
        "struct s { int a; int cid; };",
        "struct c { unsigned id; void *next; }; struct s { int a; struct c cid; };",
    )
    .rules("[type.s.fields]\ncid = { policy = \"reset\", initial = -1, reason = \"r\" }\n")
    .make();
    let misfit = Why::PolicyDoesNotFit { policy: "reset" };
    assert_eq!(made.undecided[0].why, misfit);
    assert_eq!(
        made.undecided[0].advice(),
        "say in the state map, for each of the two, what it is initially: `initial = { declared = \"s.cid\", as = { \"int\" = …, \"struct c\" = … } }`"
    );
}

/// A number that the field cannot be would refuse every task.
#[test]
fn an_initial_number_has_the_width_and_the_sign_of_its_field() {
    let made = |ty: &str, number: i64| {
        let rule = format!(
            "[type.s.fields]\nfill = {{ policy = \"reset\", initial = {number}, reason = \"r\" }}\n"
        );
        let text = format!("struct s {{ int a; {ty} fill; }};");
        let new = format!("struct s {{ int a; int b; {ty} fill; }};");
        let decided = "[[override]]\nfield = \"s.b\"\ninit = 0\nreason = \"r (fs/a.c: f)\"\n";
        let changed = Fixture::of(&text, &new).rules(&rule).decided(decided);
        let appears = Fixture::of("struct s { int a; };", &text).rules(&rule);
        [changed.make(), appears.make()]
    };
    for (ty, number) in [
        ("int", -1),
        ("unsigned int", 0xffff_ffff),
        ("char", 127),
        // No addresses: a flag in its place, and an error.
        ("void *", 0xfff),
        ("void *", -1),
        ("_Bool", 1),
    ] {
        for made in made(ty, number) {
            assert_eq!(open(&made), [""; 0], "{ty} {number}");
        }
    }
    // It has to be that of both sides.
    for other in ["unsigned cid;", "_Bool cid;", "enum e cid;"] {
        let rule =
            "[type.s.fields]\ncid = { policy = \"reset\", initial = -1, reason = \"none\" }\n";
        let new = format!("enum e {{ A, B }}; struct s {{ {other} }};");
        let made = Fixture::of("struct s { int cid; };", &new)
            .rules(rule)
            .make();
        assert_eq!(
            open(&made),
            ["s.cid is -1 initially by the state map, which it cannot hold"],
            "{other}"
        );
    }
    for (ty, number) in [
        ("unsigned int", -1),
        ("int", 0xffff_ffff),
        ("char", 128),
        ("void *", 0x1000),
        ("_Bool", 2),
        ("long long", 0x1_0000_0000_0000 << 15),
    ] {
        let expected = Why::InitialDoesNotFit { number };
        for made in made(ty, number) {
            let holds = ty == "long long";
            let found = made.undecided.iter().any(|open| open.why == expected);
            assert_eq!(found, !holds, "{ty} {number}");
        }
    }
}
