//! Seccomp filters: a chain, each with the classic program it was compiled from.

use super::{Linux6, not_carried};
use crate::error::{Fault, Flaw};
use kconv_codes::Code;
use kconv_image::KernelAddr;
use kconv_resources::linux6::{Filter, SeccompFilter};

/// The most filters on a chain: together they have at most 32768 instructions
/// (`kernel/seccomp.c`: MAX_INSNS_PER_PATH).
const MAX_FILTERS: usize = 32768;

/// The most instructions of one (`include/uapi/linux/bpf_common.h`: BPF_MAXINSNS), and the size
/// of one (`struct sock_filter`).
const MAX_INSTRUCTIONS: u64 = 4096;
const INSTRUCTION: u64 = 8;

impl Linux6<'_> {
    /// The filters of a task, the newest first (`kernel/seccomp.c`: get_nth_filter).
    pub(super) fn seccomp_filter(&self, at: KernelAddr) -> Result<SeccompFilter, Flaw> {
        let memory = self.walked.memory;
        let mut filters = Vec::new();
        let mut next = Some(at);
        while let Some(filter) = next {
            if filters.len() >= MAX_FILTERS {
                let what = "seccomp filters";
                let limit = MAX_FILTERS;
                return Err(Fault::Chain { what, at, limit }.into());
            }
            let filter = memory.read("seccomp_filter", filter)?;
            if filter.pointer("notif")?.is_some() {
                let what = "a seccomp filter with a listener";
                return Err(not_carried(Code::TaskSeccompListener, what));
            }
            let program = filter.address("prog")?;
            let original = memory.read("bpf_prog", program)?.pointer("orig_prog")?;
            let original = original.ok_or_else(|| {
                let what = "a seccomp filter of which the kernel keeps no original";
                not_carried(Code::TaskSeccompOriginal, what)
            })?;
            let original = memory.read("sock_fprog_kern", original)?;
            let length = original.unsigned("len")?;
            if length > MAX_INSTRUCTIONS {
                return Err(Flaw::Count {
                    member: "len".to_owned(),
                    count: length as i64,
                    unit: "instructions",
                    limit: MAX_INSTRUCTIONS,
                });
            }
            let start = original.address("filter")?;
            let program = memory.bytes(start, INSTRUCTION * length)?;
            filters.push(Filter {
                log: filter.unsigned("log")? != 0,
                program,
            });
            next = filter.pointer("prev")?;
        }
        Ok(SeccompFilter { filters })
    }
}
