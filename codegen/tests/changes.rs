//! A pair of layouts for every kind of change, and what becomes of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use fixture::Fixture;
use kconv_codegen::plan::Why;
use kconv_codegen::{coverage, diff, show};
use kconv_rules::RuleKind;

/// What a fixture gives, for a snapshot: the diff, the plan of `s` and of what it contains, and
/// what is undecided.
///
/// Whatever the change, each side against itself is no change: an empty diff, and a plan whose
/// every field stays where it is.
fn told(fixture: &Fixture) -> String {
    for layout in [&fixture.old, &fixture.new] {
        assert_eq!(diff::diff(layout, layout, &["s"]).unwrap(), []);
        let undecided = fixture::Fixture {
            old: layout.clone(),
            new: layout.clone(),
            map: fixture.map.clone(),
            overrides: Default::default(),
            back: None,
        }
        .make();
        // What the state map does not say right is no matter of a change.
        let of_change = |why: &Why| !matches!(why, Why::NoPolicy | Why::PolicyDoesNotFit { .. });
        let open = undecided.undecided.iter().find(|open| of_change(&open.why));
        assert_eq!(open, None);
        for field in undecided.plan.types.values().flat_map(|ty| &ty.fields) {
            let places = (field.from.as_ref(), field.to.as_ref());
            match places {
                (Some(from), Some(to)) => assert_eq!(from, to),
                _ => assert_eq!(field.rule, RuleKind::Padding),
            }
        }
    }
    let made = fixture.make();
    let mut text = show::diff(&diff::diff(&fixture.old, &fixture.new, &["s"]).unwrap());
    let mut plan = made.plan.clone();
    plan.types.remove("task");
    text.push_str(&show::plan(&plan));
    text.push('\n');
    let names = ("old".to_owned(), "new".to_owned());
    let undecided: Vec<_> = made
        .undecided
        .iter()
        .map(|open| (names.clone(), open.clone()))
        .collect();
    text.push_str(&show::undecided(&undecided));
    if undecided.is_empty() {
        assert_eq!(coverage::check(&made.plan, &fixture.old, &fixture.new), []);
    }
    text
}

macro_rules! change {
    ($name:ident, $old:expr, $new:expr $(, rules $rules:expr)? $(, decided $decided:expr)?) => {
        #[test]
        fn $name() {
            let fixture = Fixture::of($old, $new)$(.rules($rules))?$(.decided($decided))?;
            insta::assert_snapshot!(told(&fixture));
        }
    };
}

change!(
    a_field_that_moves,
    "struct s { int a; int b; };",
    "struct s { int b; int a; };"
);
change!(
    a_new_field_is_undecided,
    "struct s { int a; };",
    "struct s { int a; int b; };"
);
change!(
    a_new_field_in_old_padding_is_undecided,
    "struct s { char a; int b; };",
    "struct s { char a; char c; int b; };"
);
change!(
    a_removed_field_is_undecided,
    "struct s { int a; int b; };",
    "struct s { int b; };"
);
change!(
    a_field_that_looks_renamed_is_offered_and_not_taken,
    "struct s { int a; unsigned long blocked_mask; };",
    "struct s { int a; unsigned long block_mask; };"
);
change!(
    integers_widen_where_no_value_is_lost,
    "struct s { short a; unsigned short b; unsigned char c; _Bool d; };",
    "struct s { int a; unsigned int b; int c; int d; };"
);
change!(
    integers_narrow_with_a_check_where_one_could_be,
    "struct s { int a; unsigned int b; int c; unsigned long long d; int e; };",
    "struct s { short a; int b; unsigned int c; unsigned long d; unsigned long long e; };"
);
change!(
    a_number_does_not_become_a_bool,
    "struct s { char a; };",
    "struct s { _Bool a; };"
);
change!(
    enumerators_go_by_name,
    "enum e { A, B, C = 7 }; struct s { enum e a; };",
    "enum e { B, A, D = 7 }; struct s { enum e a; };"
);
change!(
    an_enumerator_with_two_names_that_part_is_undecided,
    "enum e { A = 1, B = 1 }; struct s { enum e a; };",
    "enum e { A = 1, B = 2 }; struct s { enum e a; };"
);
change!(
    bit_fields_go_by_width_and_sign,
    "struct s { int a : 1; unsigned int b : 3; unsigned int c : 9; int d; };",
    "struct s { int a : 1; unsigned int b : 2; int c : 9; unsigned int d : 30; };"
);
change!(
    a_longer_array_ends_in_zeros,
    "struct s { int a[1]; int b; };",
    "struct s { int a[4]; int b; };"
);
change!(
    a_longer_array_of_structures_is_undecided,
    "struct p { int x; int y; }; struct s { struct p a[2]; int b[2][2]; };",
    "struct p { int x; int y; }; struct s { struct p a[4]; int b[3][2]; };"
);
change!(
    a_member_that_goes_into_a_union_is_for_the_state_map,
    "struct s { int a; int b; };",
    "struct s { union { int a; long long u; }; int b; };"
);
change!(
    a_shorter_array_must_lose_nothing,
    "struct s { unsigned short a[4]; };",
    "struct s { unsigned int a[2]; };"
);
change!(
    a_shorter_array_of_structures_is_undecided,
    "struct p { int x; int y; }; struct s { struct p a[4]; };",
    "struct p { int x; int y; }; struct s { struct p a[2]; };"
);
change!(
    structures_change_inside,
    "struct p { int x; short y; }; struct s { struct p a; struct p b[2]; };",
    "struct p { int x; int y; }; struct s { struct p a; struct p b[2]; };"
);
change!(
    plain_structures_are_carried_whole_and_padded_ones_are_not,
    "struct p { int x; int y; }; struct q { int x; char y; }; struct s { struct p a; struct q b; };",
    "struct p { int x; int y; }; struct q { int x; char y; }; struct s { struct q b; struct p a; };"
);
change!(
    a_structure_under_another_tag_is_undecided,
    "struct p { int x; }; struct s { struct p a; };",
    "struct q { int x; int y; }; struct s { struct q a; };"
);
change!(
    unions_are_carried_only_if_they_are_the_same,
    "union u { int x; char y[4]; }; union v { int x; }; struct s { union u a; union v b; };",
    "union u { int x; char y[4]; }; union v { int x; int z; }; struct s { union u a; union v b; };"
);
change!(
    a_union_with_a_pointer_needs_a_policy,
    "union u { int x; void *p; }; struct s { union u a; int b; };",
    "union u { int x; void *p; }; struct s { int b; union u a; };"
);
change!(
    an_array_of_none_says_nothing_of_one_of_some,
    "struct s { int a[0]; int b[2]; };",
    "struct s { int a[2]; int b[0]; };"
);
change!(
    members_of_anonymous_structures_are_members_and_unions_stay_together,
    "struct s { struct { int a; int b; }; union { int c; char d[4]; }; };",
    "struct s { int b; int a; union { int c; char d[4]; }; };"
);
change!(
    two_dimensions,
    "struct p { short x; }; struct s { struct p a[2][3]; int b[2][2]; };",
    "struct p { int x; }; struct s { struct p a[2][3]; int b[2][2]; };"
);
change!(
    a_pointer_needs_a_policy,
    "struct s { struct s *a; int b; };",
    "struct s { int b; struct s *a; };"
);
change!(
    pointers_go_by_their_policy,
    "struct f; struct s { struct s *a; struct s *b; unsigned long c; struct f *d; void *e; void *f; struct s *g[2]; };",
    "struct f; struct s { int new; struct s *a; struct s *b; unsigned long c; struct f *d; void *e; void *f; struct s *g[3]; };",
    rules "[type.s.fields]
a = { policy = \"follow\", reason = \"next\" }
b = { policy = \"within\", missing = \"refuse\", reason = \"previous\" }
c = { policy = \"stack\", reason = \"on the stack\" }
d = { policy = \"symbol\", reason = \"operations\" }
e = { policy = \"resource\", kind = \"file\", reason = \"a file\" }
f = { policy = \"user\", reason = \"the program's\" }
g = { policy = \"within\", reason = \"neighbours\" }
",
    decided "[[override]]\nfield = \"s.new\"\ninit = 0\nreason = \"counts from the thaw on (fs/a.c: f)\"\n"
);
change!(
    a_followed_pointer_to_another_type_is_undecided,
    "struct f; struct g; struct s { struct f *a; };",
    "struct f; struct g; struct s { struct g *a; };",
    rules "[type.s.fields]\na = { policy = \"follow\", reason = \"next\" }\n"
);
change!(
    a_policy_that_does_not_fit_is_undecided,
    "struct p { int x; int y; }; struct s { struct p a; int b : 3; };",
    "struct p { int x; int y; int z; }; struct s { struct p a; int b : 3; };",
    rules "[type.s.fields]
a = { policy = \"within\", reason = \"no\" }
b = { policy = \"stack\", reason = \"no\" }
"
);

change!(
    a_number_is_an_address_only_as_long_as_it_was_one,
    "struct t; struct s { struct t *a; struct t *b; int c; unsigned long d; short e; };",
    "struct t; struct s { unsigned char a; unsigned long b; struct t *c; unsigned long d; struct t *e; };",
    rules "[type.s.fields]
a = { policy = \"within\", reason = \"a pointer\" }
b = { policy = \"within\", reason = \"a pointer\" }
c = { policy = \"symbol\", reason = \"a pointer\" }
d = { policy = \"stack\", reason = \"an address\" }
e = { policy = \"within\", reason = \"a pointer\" }
"
);

change!(
    a_carried_bit_field_of_another_width_is_undecided,
    "struct s { unsigned int a : 3; unsigned int b : 3; };",
    "struct s { unsigned int a : 4; unsigned int b : 3; };",
    rules "[type.s.fields]
a = { policy = \"carry\", reason = \"a count\" }
b = { policy = \"carry\", reason = \"a count\" }
"
);
change!(
    a_pointer_that_means_something_else_is_undecided,
    "typedef void *hook_t; typedef void *data_t; struct s { hook_t a; data_t b; };",
    "typedef void *hook_t; typedef void *data_t; struct s { data_t a; data_t b; };",
    rules "[type.hook_t]
policy = \"symbol\"
reason = \"a function\"
[type.data_t]
policy = \"user\"
reason = \"the program's\"
"
);

const LISTS: &str = "[type.list_head]
policy = \"reset\"
initial = \"empty-list\"
reason = \"rebuilt\"
[type.lock_t]
policy = \"reset\"
initial = { slock = 1 }
reason = \"free\"
[type.s.fields]
ring = { policy = \"within\", reason = \"siblings\" }
strict = { policy = \"reset\", strict = true, reason = \"busy\" }
null = { policy = \"reset\", initial = { next = \"null\", prev = \"null\" }, reason = \"not queued\" }
";
change!(
    lists_are_emptied_or_followed,
    "struct list_head { struct list_head *next; struct list_head *prev; };
     struct s { struct list_head plain; struct list_head ring; struct list_head strict; struct list_head null; };",
    "struct list_head { struct list_head *next; struct list_head *prev; };
     struct s { struct list_head ring; struct list_head null; struct list_head plain; struct list_head strict; };",
    rules LISTS
);
change!(
    kernel_private_types_come_and_go,
    "struct list_head { struct list_head *next; struct list_head *prev; };
     typedef struct { unsigned int slock; unsigned int magic; } lock_t;
     struct s { lock_t a; lock_t gone; struct list_head left; };",
    "struct list_head { struct list_head *next; struct list_head *prev; };
     typedef struct { unsigned int slock; struct list_head waiters; } lock_t;
     struct s { lock_t a; lock_t b; struct list_head c; };",
    rules LISTS
);
change!(
    a_lock_that_becomes_empty,
    "typedef struct { unsigned int slock; } lock_t; struct s { lock_t a; int b; };",
    "typedef struct { } lock_t; struct s { lock_t a; int b; };",
    rules LISTS
);
change!(
    a_reset_that_means_something_else_on_the_other_side,
    "typedef struct { unsigned int slock; } lock_t; struct s { lock_t a; };",
    "struct s { int a; };",
    rules LISTS
);

change!(
    all_decisions,
    "struct list_head { struct list_head *next; struct list_head *prev; };
     struct s { int was; long ticks; unsigned long flags; long cpu[4]; int lo; int hi; int stale; int busy; int swapped; };",
    "struct list_head { struct list_head *next; struct list_head *prev; };
     struct s { int is; long ticks; unsigned long flags; long cpu[1]; long long both; struct s *self; struct list_head list; struct s *none; unsigned short number; struct s *swapped; };",
    rules "[type.list_head]\npolicy = \"reset\"\nreason = \"x\"\n[type.s.fields]\nself = { policy = \"within\", reason = \"itself\" }\nnone = { policy = \"within\", reason = \"nothing\" }\nswapped = { policy = \"within\", reason = \"nothing\" }\n",
    decided "
[[override]]
field = \"s.is\"
rename = \"was\"
reason = \"renamed (fs/a.c: f)\"
[[override]]
field = \"s.ticks\"
scale = { multiply = 1000, divide = 100 }
reason = \"HZ (fs/a.c: f)\"
[[override]]
field = \"s.cpu\"
merge = \"sum\"
reason = \"one processor (fs/a.c: f)\"
[[override]]
field = \"s.both\"
call = \"both\"
from = [\"lo\", \"hi\"]
reason = \"one number (fs/a.c: f)\"
[[override]]
field = \"s.self\"
init = \"self\"
reason = \"leads itself (fs/a.c: f)\"
[[override]]
field = \"s.list\"
init = \"empty-list\"
reason = \"empty (fs/a.c: f)\"
[[override]]
field = \"s.none\"
init = \"null\"
reason = \"nothing (fs/a.c: f)\"
[[override]]
field = \"s.number\"
init = 65535
reason = \"none (fs/a.c: f)\"
[[override]]
field = \"s.stale\"
drop = \"always\"
reason = \"a cache (fs/a.c: f)\"
[[override]]
field = \"s.busy\"
drop = \"only-if-initial\"
reason = \"work in hand (fs/a.c: f)\"
[[override]]
field = \"s.swapped\"
drop = \"always\"
reason = \"a number no more (fs/a.c: f)\"
[[override]]
field = \"s.swapped\"
init = \"null\"
reason = \"a pointer now (fs/a.c: f)\"
"
);
