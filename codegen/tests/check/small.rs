//! One patch, one kind of change, one verdict.

use super::{checked, patch, tree, words};

pub(super) fn expect(name: &str, alone: &[&str], with_tree: &[&str]) {
    let patch = patch(name);
    let found = words(&checked(&patch, None).unwrap());
    assert_eq!(found, alone, "{name}, the patch alone");
    let found = words(&checked(&patch, Some(&tree())).unwrap());
    assert_eq!(found, with_tree, "{name}, with the tree before it");
}

macro_rules! patches {
    ($($test:ident $name:literal: $same:expr;)*) => {
        $(#[test]
        fn $test() {
            expect($name, &$same, &$same);
        })*
    };
}

patches! {
    alignment "alignment": ["decided realigned task_struct.tgid"];
    annotation_only "annotation-only": [];
    array_length_by_number "array-length-by-number": ["undecided resized pid.numbers"];
    array_through_a_watched_constant "array-through-a-watched-constant": ["decided size TASK_COMM_LEN"];
    array_through_an_enumerator "array-through-an-enumerator": ["undecided size NR_MM_COUNTERS"];
    bit_field_added "bit-field-added": ["undecided added task_struct.in_fresh"];
    bit_field_becomes_a_field "bit-field-becomes-a-field": ["undecided retyped task_struct.sched_reset_on_fork"];
    bit_field_widened "bit-field-widened": ["decided resized task_struct.in_execve"];
    code_at_fork "code-at-fork": ["undecided code task_struct.exit_state"];
    code_elsewhere "code-elsewhere": [];
    comment_elsewhere "comment-elsewhere": [];
    comment_of_a_field "comment-of-a-field": ["undecided comment task_struct.start_time"];
    condition_around_a_field "condition-around-a-field": ["undecided condition task_struct.start_time"];
    declarations_joined "declarations-joined": [];
    define_added "define-added": ["undecided constant-added PF_FRESH"];
    define_nobody_watches "define-nobody-watches": [];
    define_removed "define-removed": ["undecided constant-removed PF_IDLE"];
    define_renumbered "define-renumbered": ["undecided constant-renumbered PF_EXITING"];
    define_written_otherwise "define-written-otherwise": [];
    enum_value_inserted "enum-value-inserted": ["undecided size PIDTYPE_FRESH", "undecided size PIDTYPE_TGID", "undecided size PIDTYPE_MAX"];
    field_after_a_macro "field-after-a-macro": ["undecided added task_struct.fresh"];
    field_at_the_end "field-at-the-end": ["undecided added task_struct.fresh"];
    field_behind_an_option_of_its_own "field-behind-an-option-of-its-own": ["undecided added task_struct.fresh"];
    field_behind_an_option "field-behind-an-option": ["undecided added task_struct.fresh"];
    field_in_a_nested_struct "field-in-a-nested-struct": ["undecided added sched_info.fresh"];
    field_in_a_typedef "field-in-a-typedef": ["undecided added mm_context_t.fresh"];
    field_in_an_anonymous_struct "field-in-an-anonymous-struct": ["undecided added mm_struct.fresh"];
    field_in_an_anonymous_union "field-in-an-anonymous-union": ["undecided added task_struct.fresh"];
    field_in_padding "field-in-padding": ["undecided added task_struct.fresh"];
    field_in_the_middle "field-in-the-middle": ["undecided added task_struct.fresh"];
    field_into_an_anonymous_union "field-into-an-anonymous-union": ["undecided regrouped task_struct.timer_slack_ns"];
    field_removed_behind_an_option "field-removed-behind-an-option": ["unknown removed task_struct.kcov_size"];
    field_removed "field-removed": ["undecided removed task_struct.nivcsw"];
    field_renamed "field-renamed": ["undecided renamed task_struct.nivcsw_count"];
    field_that_no_kernel_has "field-that-no-kernel-has": ["decided retyped task_struct.kcov_mode"];
    fields_swapped "fields-swapped": ["decided moved task_struct.ptrace"];
    lock_added "lock-added": ["decided added task_struct.fresh_lock"];
    macro_goes "macro-goes": ["undecided removed task_struct.randomized_struct_fields_start"];
    old_alignment "old-alignment": [];
    one_of_several_declared "one-of-several-declared": ["undecided added mm_struct.fresh_code"];
    pointer_added "pointer-added": ["undecided added task_struct.fresh_mm"];
    reset_by_the_state_map "reset-by-the-state-map": ["decided retyped sched_info.last_arrival"];
    struct_goes "struct-goes": ["undecided type-removed upid"];
    struct_group "struct-group": ["undecided added task_struct.fresh"];
    struct_to_another_header_changed "struct-to-another-header-changed": ["decided retyped upid.nr"];
    struct_to_another_header "struct-to-another-header": ["no effect moved-header upid"];
    type_changed "type-changed": ["undecided retyped task_struct.blocked"];
    type_through_a_typedef "type-through-a-typedef": ["decided typedef vm_flags_t"];
    type_widened "type-widened": ["decided retyped task_struct.personality"];
    typedef_to_a_struct "typedef-to-a-struct": ["undecided typedef vm_flags_t"];
    unit_in_a_name "unit-in-a-name": ["undecided renamed task_struct.timer_slack_us"];
    unrelated_struct "unrelated-struct": [];
    white_space_alone "white-space": [];
}

#[test]
fn array_through_a_constant() {
    expect(
        "array-through-a-constant",
        &[],
        &["decided size MAX_OF_TESTS"],
    );
}
