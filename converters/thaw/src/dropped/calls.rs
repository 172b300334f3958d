//! Calls that end before their time.

use super::Dropped;
use crate::plan::{CutShort, Ends, Plan, Process};
use kconv_codes::Code;
use kconv_resources::linux6::Resource;

/// What is known to be dropped before anything is made.
pub(super) fn of<'p>(plan: &'p Plan, process: &'p Process) -> impl Iterator<Item = Dropped> + 'p {
    let threads = process.threads.iter();
    let cut = threads.filter_map(|thread| Some((thread.tid, thread.cut_short?)));
    cut.filter_map(|(tid, cut)| of_call(plan, process, tid, cut))
}

fn of_call(plan: &Plan, process: &Process, tid: i32, cut: CutShort) -> Option<Dropped> {
    let CutShort { call, ends } = cut;
    let (what, instead) = match ends {
        Ends::Interrupted => (
            format!("a wait with a time limit in {call}"),
            "it ends with EINTR, as after SIGSTOP and SIGCONT".to_owned(),
        ),
        Ends::WithPart {
            done,
            wanted,
            descriptor,
        } => {
            if descriptor.is_some_and(|number| !waits_for_room(plan, process, number)) {
                return None;
            }
            let wanted = wanted.map_or("what there was".to_owned(), |n| format!("{n} bytes"));
            (
                format!("a wait in {call} to be done with the rest of {wanted}"),
                format!("it returns {done}, as after SIGSTOP and SIGCONT"),
            )
        }
    };
    Some(Dropped {
        code: Code::TaskCall,
        task: Some(tid),
        what,
        instead,
    })
}

/// Whether a write to a descriptor waits until there is room for all: that to a disk does a part if the disk is full or
/// the file as long as it may be, and one that does not wait (O_NONBLOCK) at any time.
fn waits_for_room(plan: &Plan, process: &Process, number: i32) -> bool {
    let mut descriptors = process.descriptors.iter();
    let Some(descriptor) = descriptors.find(|descriptor| descriptor.number == number) else {
        return false;
    };
    let file = &plan.files[descriptor.file];
    let is_stream = match plan.resources.get(file.resource) {
        Some(Resource::Pipe(_) | Resource::JournalStream(_) | Resource::PairedSocket(_)) => true,
        Some(Resource::File(file)) => file.is_fifo() || file.device_number().is_some(),
        _ => false,
    };
    is_stream && file.flags & libc::O_NONBLOCK as u32 == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Descriptor, OpenFile};
    use crate::testing::{file, head, mount, pipe, pipe_state};
    use kconv_image::{ObjectId, ResourceId};
    use kconv_resources::linux6::{FileType, Resources};

    #[test]
    fn a_part_of_a_call_is_told_if_it_waited_for_room() {
        let fifo = kconv_resources::linux6::File {
            file_type: FileType::Fifo(Some(pipe_state(1, b""))),
            ..file("/run/fifo")
        };
        let resources = [
            mount(0xef53),
            Resource::Pipe(pipe(77, pipe_state(1, b""))),
            Resource::File(fifo),
            Resource::File(file("/var/log/a")),
        ];
        let head = head(resources.to_vec());
        let open = |resource, flags: i32| OpenFile {
            object: ObjectId(resource),
            resource: ResourceId(resource),
            flags: flags as u32,
            position: 0,
            owner: None,
            write_hint: 0,
        };
        let plan = Plan {
            files: vec![
                open(1, libc::O_WRONLY),
                open(2, libc::O_WRONLY),
                open(1, libc::O_WRONLY | libc::O_NONBLOCK),
                open(3, libc::O_WRONLY),
            ],
            resources: Resources::read(&head.resources),
            ..Plan::default()
        };
        let descriptor = |file| Descriptor {
            number: file as i32,
            file,
            close_on_exec: false,
        };
        let process = Process {
            descriptors: (0..4).map(descriptor).collect(),
            ..Process::bare(7, None)
        };
        let told = |ends| {
            let cut = CutShort {
                call: "write",
                ends,
            };
            let dropped = of_call(&plan, &process, 8, cut);
            dropped.map(|dropped| dropped.to_string())
        };
        let part = |descriptor, wanted| {
            told(Ends::WithPart {
                done: 65536,
                wanted,
                descriptor,
            })
        };
        let said = "task 8: a wait in write to be done with the rest of 1048576 bytes: it returns 65536, as \
                    after SIGSTOP and SIGCONT";
        for descriptor in [Some(0), Some(1), None] {
            assert_eq!(part(descriptor, Some(1 << 20)).as_deref(), Some(said));
        }
        let said = "task 8: a wait in write to be done with the rest of what there was: it returns 65536, as \
                    after SIGSTOP and SIGCONT";
        assert_eq!(part(Some(0), None).as_deref(), Some(said));
        // One that does not wait, a file on a disk, and nothing that is open.
        for descriptor in [2, 3, 4] {
            assert_eq!(part(Some(descriptor), Some(1 << 20)), None);
        }
        let said = "task 8: a wait with a time limit in write: it ends with EINTR, as after SIGSTOP and SIGCONT";
        assert_eq!(told(Ends::Interrupted).as_deref(), Some(said));
    }
}
