//! The functions of people, for plans that were read from files to call.
//!
//! A function that is not here is one that no file can name; a test asks for every plan between
//! registered layouts whether its functions are.

use kconv_interpreter::{Callee, functions};
use kconv_overrides::{kho, linux_2_4, linux_6};
use kconv_runtime::bits::{I32, I64, U16, U32, U64};
use kernel_structs_views::linux_6::layouts::v5_10_0_46_amd64 as of_5_10;
use kernel_structs_views::linux_6::layouts::v6_1_0_47_amd64 as of_6_1;
use kernel_structs_views::linux_6::layouts::v6_12_117_deb12_amd64 as of_6_12;
use kernel_structs_views::linux_6::layouts::v7_2_12_deb13_amd64 as of_7_2;

/// The functions for a kernel family.
pub(crate) fn of_family(family: &str) -> &'static [Callee] {
    match family {
        "kho" => KHO,
        "linux-2.4" => LINUX_2_4,
        "linux-6" => LINUX_6,
        // A family that nobody wrote functions for.
        _ => &[],
    }
}

// Of each: answers, fields, number of offsets, number of constants, result.
static KHO: &[Callee] = functions! { kho:
    files_of_no_session [] [U64] [] [] => (U64);
};

static LINUX_2_4: &[Callee] = functions! { linux_2_4:
    allowed_on_fewer [] [U32] [] [1] => (U32);
};

static LINUX_6: &[Callee] = functions! { linux_6:
    // From 6.1 up, and from 5.10.
    capability_word [] [of_6_1::kernel_cap_struct] [] [1] => (of_6_12::kernel_cap_t);
    maps_top_down [bool] [U64] [1] [] => (bool);
    rss_stat_by_cpu [] [of_6_1::mm_rss_stat] [2] [] => ([of_6_1::percpu_counter; 4]);
    timers_as_chain [] [of_6_1::list_head] [] [] => (of_6_1::hlist_head);
    timer_link_of_chain [] [of_6_1::list_head, U64] [1] [] => (of_6_1::hlist_node);
    restart_with_futex_size [] [[u8; 40], U64] [1] [] => ([u8; 40]);
    rseq_len [] [U64] [] [] => (U32);
    mm_cid_active [] [U64] [] [] => (I32);
    own_fpstate [] [[u8; 4096]] [1] [] => (U64);
    fpstate_of_state [] [[u8; 4096]] [1] [1] => (of_6_1::fpstate);
    permission_of_state [] [[u8; 4096]] [1] [] => (of_6_1::fpu_state_perm);
    pkru_of_state [] [of_5_10::fpu] [2] [] => (U32);
    syscall_work [bool, bool, bool, bool, bool] [] [] [5] => (U64);
    state_has [bool] [I64] [] [1] => (bool);
    restart_of_status [] [U64] [2] [2] => (U64);
    nodes_of_policy [] [[u8; 128], U16] [] [1] => (of_6_1::nodemask_t);
    counter_by_cpu [] [of_6_1::atomic64_t] [] [] => (of_6_1::percpu_counter);
    context_flags [] [U16] [] [2] => (U16);
    context_flags [] [U16] [] [2] => (U64);
    quick_threads [] [of_6_1::atomic_t] [] [] => (I32);
    siginfo_fields [] [[u8; 32]] [] [] => ([u8; 32]);
    // And down.
    capability_words [] [of_6_12::kernel_cap_t] [] [1] => (of_6_1::kernel_cap_struct);
    unmapped_area [bool] [] [] [] => (U64);
    rss_stat_by_task [] [[of_6_1::percpu_counter; 4]] [] [] => (of_6_1::mm_rss_stat);
    timers_as_ring [] [of_6_1::hlist_head] [1] [] => (of_6_1::list_head);
    timer_link_of_ring [] [of_6_1::hlist_node, U64] [1] [] => (of_6_1::list_head);
    thread_group [] [of_6_1::list_head, U64, U64] [3] [] => (of_6_1::list_head);
    restart_without_futex_size [] [[u8; 40], U64] [1] [] => ([u8; 40]);
    selector [] [U64] [] [] => (U64);
    mm_beside_cid_active [] [U64, I32] [1] [] => (U64);
    rseq_of_32_bytes [] [U64, U32] [1] [] => (U64);
    extended_registers_state [bool] [[u8; 4096]] [] [1] => (bool);
    shadow_stack_state [bool] [[u8; 4096]] [] [1] => (bool);
    state_of_fpstate [] [U64, of_6_1::fpstate, of_6_1::fpu_state_perm] [3] [1] => ([u8; 4096]);
    first_mapping [] [I32] [1] [] => (U64);
    highest_end [] [I32] [2] [] => (U64);
    next_mapping [] [U64, U64] [2] [] => (U64);
    previous_mapping [] [U64] [1] [] => (U64);
    is_syscall_work [bool] [U64] [] [1] => (bool);
    restart_is_compat [bool] [U32] [2] [1] => (bool);
    compat_of_flags [] [U16] [] [2] => (U16);
    compat_of_flags [] [U64] [] [2] => (U16);
    nodes_by_mode [] [of_6_1::nodemask_t, U16] [] [2] => ([u8; 128]);
    counter_of_all [] [of_6_1::percpu_counter] [] [] => (of_6_1::atomic64_t);
    siginfo_fields_back [] [[u8; 32]] [] [] => ([u8; 32]);
    is_ia32 [bool, bool] [] [3] [] => (bool);
    is_x32 [bool, bool] [] [3] [] => (bool);
    // Of 6.19 and later.
    rseq_data [] [U64, U32, U32] [] [] => (of_7_2::rseq_data);
    rseq_data_of_32_bytes [] [U64, U32] [] [] => (of_7_2::rseq_data);
    rseq_address [] [of_7_2::rseq_data] [] [] => (U64);
    rseq_address_of_32_bytes [] [of_7_2::rseq_data] [] [] => (U64);
    rseq_length [] [of_7_2::rseq_data] [] [] => (U32);
    rseq_signature [] [of_7_2::rseq_data] [] [] => (U32);
    no_clamps [] [U32] [] [] => ([of_7_2::uclamp_se; 2]);
    real_fs [] [U64] [] [] => (U64);
    fs_beside_real_fs [] [U64, U64] [1] [] => (U64);
    timer_with_links [] [[u8; 120], I32] [2] [] => ([u8; 136]);
    timer_without_links [] [[u8; 136], I32] [2] [] => ([u8; 120]);
    timer_linked_node [] [of_6_12::timerqueue_node] [] [] => (of_7_2::timerqueue_linked_node);
    timer_node [] [of_7_2::timerqueue_linked_node] [] [] => (of_6_12::timerqueue_node);
    byte_as_bool [] [u8] [] [] => (u8);
    timer_status [] [I32, I32, I64] [2] [] => (I32);
    timer_active [] [I32] [1] [] => (I32);
    timer_requeue_pending [] [I32] [] [] => (I32);
    timer_pid_type [] [I32] [] [2] => (U32);
    next_timer_as_atomic [] [U32] [] [] => (of_7_2::atomic_t);
    next_timer [] [of_7_2::atomic_t] [] [] => (U32);
    restart_as_before [] [[u8; 40]] [] [] => ([u8; 40]);
};
