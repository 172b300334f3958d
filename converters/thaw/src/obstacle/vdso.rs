//! The code of the kernel in each program (the vDSO): that of this kernel has to be able to stand in
//! for it, and nobody may be in the middle of it.

use super::found::Obstacles;
use crate::plan::{Memory, Plan, Process, Thread};
use crate::vdso::{self, Redirected, Vdso};
use kconv_codes::Code;
use kconv_image::{Image, ImageError, ObjectId, PAGE_SIZE, UserAddr};
use kconv_tasks::model::{IP, SP};

/// What the kernel lays on the stack for a handler, and from which the handler's end restores the
/// program: `struct rt_sigframe` (`arch/x86/include/asm/sigframe.h`), in bytes. It begins with the
/// address that the handler returns to.
mod frame {
    /// `uc.uc_mcontext.sp`.
    pub(super) const SP: usize = 168;
    /// `uc.uc_mcontext.ip`.
    pub(super) const IP: usize = 176;
    /// `uc.uc_mcontext.cs`, 16 bits.
    pub(super) const CS: usize = 192;
    /// Bytes up to there.
    pub(super) const SIZE: usize = 200;
}

/// Selector of the code of 64-bit programs.
const USER_CODE: u16 = 0x33;

/// How much of a stack is looked at, in bytes: the usual limit of one.
const MOST: u64 = 8 << 20;

pub(super) fn check(plan: &Plan, image: &Image, found: &mut Obstacles<'_>) {
    let own = match Vdso::find() {
        Ok(own) => own,
        Err(error) => {
            let advice = "boot without vdso=0";
            found.add(
                Code::VdsoNone,
                None,
                "the vDSO",
                error.to_string(),
                "one",
                advice,
            );
            return;
        }
    };
    for process in &plan.processes {
        let Some(memory) = &process.memory else {
            continue;
        };
        // Pages were held against their digest before.
        let Ok(Some(old)) = own.redirected(image, memory) else {
            continue;
        };
        if let Some(problem) = &old.problem {
            found.add(
                Code::VdsoFunctions,
                Some(process.pid),
                "the vDSO",
                problem.to_string(),
                "the functions of the kernel of the freeze",
                "freeze again with this version of kconv",
            );
        }
        for thread in &process.threads {
            inside(image, process, memory, thread, &old, found);
        }
    }
}

/// Threads in the code of the kernel of the freeze, where another has other code.
pub(super) fn within(plan: &Plan, found: &mut Obstacles<'_>) {
    for (_, memory, thread) in threads_with_code(plan) {
        let at = thread.registers.values[IP];
        if holds(memory, at) {
            found.add(
                Code::VdsoInside,
                Some(thread.tid),
                "the vDSO",
                format!("the thread inside of that of the kernel of the freeze, at {at:#x}"),
                OTHER_CODE,
                "let it go on if it is stopped, and freeze it again, a moment later",
            );
        }
    }
}

/// Handlers of signals that return there. `image` is the one that the plan is of, with its pages.
pub(super) fn returning(plan: &Plan, image: &Image, found: &mut Obstacles<'_>) {
    for (process, memory, thread) in threads_with_code(plan) {
        let at = returns(image, process, memory, thread, found);
        for at in at.into_iter().filter(|at| holds(memory, *at)) {
            found.add(
                Code::VdsoHandler,
                Some(thread.tid),
                "the vDSO",
                format!(
                    "a handler of a signal that returns into that of the kernel of the freeze, to \
                     {at:#x}"
                ),
                OTHER_CODE,
                "freeze it again when the handler has returned",
            );
        }
    }
}

/// Functions that another kernel may lack, and nothing stands for. `image` is the one that the plan is of, with its pages.
pub(super) fn without_stand_in(plan: &Plan, image: &Image, found: &mut Obstacles<'_>) {
    for process in &plan.processes {
        let Some(memory) = &process.memory else {
            continue;
        };
        // Pages that cannot be read are told where the thaw needs them.
        let Ok(functions) = vdso::without_stand_in(image, memory) else {
            continue;
        };
        let told = match functions {
            Ok(functions) if functions.is_empty() => continue,
            Ok(functions) => functions.join(", "),
            Err(problem) => problem.to_string(),
        };
        found.add(
            Code::VdsoFunctions,
            Some(process.pid),
            "the vDSO",
            told,
            "functions for which a system call can stand, if another kernel lacks them",
            "thaw it on the kernel of the freeze, or with a later version of kconv",
        );
    }
}

const OTHER_CODE: &str = "it outside, for another kernel has other code there";

/// Threads with their processes and memory.
fn threads_with_code(plan: &Plan) -> impl Iterator<Item = (&Process, &Memory, &Thread)> {
    plan.processes.iter().flat_map(|process| {
        let memory = process.memory.iter();
        memory.flat_map(move |memory| {
            let threads = process.threads.iter();
            threads.map(move |thread| (process, memory, thread))
        })
    })
}

fn holds(memory: &Memory, at: u64) -> bool {
    let within = |(start, end): (u64, u64)| (start..end).contains(&at);
    memory.vdso.is_some_and(within)
}

/// A thread in the old code, or which comes back into it from the handler of a signal.
fn inside(
    image: &Image,
    process: &Process,
    memory: &Memory,
    thread: &Thread,
    old: &Redirected,
    found: &mut Obstacles<'_>,
) {
    let within = |at: &u64| (old.start..old.end).contains(at);
    let at = thread.registers.values[IP];
    if within(&at) {
        found.add(
            Code::VdsoInside,
            Some(thread.tid),
            "the vDSO",
            format!("the thread inside of the old one, at {at:#x}"),
            "it outside",
            "freeze it again, a moment later",
        );
    }
    for at in returns(image, process, memory, thread, found) {
        if within(&at) {
            found.add(
                Code::VdsoHandler,
                Some(thread.tid),
                "the vDSO",
                format!("a handler of a signal that returns into the old one, to {at:#x}"),
                "it outside",
                "freeze it again when the handler has returned",
            );
        }
    }
}

/// Where the handlers of signals that a thread is in return to. A stack that cannot be read is in the way: nobody knows
/// what is on it.
fn returns(
    image: &Image,
    process: &Process,
    memory: &Memory,
    thread: &Thread,
    found: &mut Obstacles<'_>,
) -> Vec<u64> {
    let actions = process.actions.iter();
    let restorers: Vec<u64> = actions.map(|action| action.restorer).collect();
    let interrupted = Stacks {
        image,
        memory,
        restorers: &restorers,
    };
    interrupted
        .instructions(thread.registers.values[SP])
        .unwrap_or_else(|error| {
            found.add(
                Code::MmUnreadable,
                Some(thread.tid),
                "its stack",
                error.to_string(),
                "memory that can be read",
                "use another copy of the image",
            );
            Vec::new()
        })
}

/// The stacks of a process, on which handlers run.
struct Stacks<'a> {
    image: &'a Image,
    memory: &'a Memory,
    restorers: &'a [u64],
}

impl Stacks<'_> {
    /// Where handlers that run on the stack at `sp`, and on those that they interrupted, return to.
    fn instructions(&self, sp: u64) -> Result<Vec<u64>, ImageError> {
        let (mut instructions, mut seen, mut open) = (Vec::new(), Vec::new(), vec![sp]);
        while let Some(sp) = open.pop() {
            let mut mappings = self.memory.mappings.iter();
            let holds = mappings.find(|one| (one.start..one.end).contains(&sp));
            // One mapping is looked at from the top of its stack, which comes first.
            let Some(mapping) = holds.filter(|one| !seen.contains(&one.start)) else {
                continue;
            };
            seen.push(mapping.start);
            let end = mapping.end.min(sp.saturating_add(MOST));
            for frame in self.frames(sp.next_multiple_of(8), end)? {
                instructions.push(number(&frame, frame::IP));
                open.push(number(&frame, frame::SP));
            }
        }
        Ok(instructions)
    }

    /// What looks like a frame between two addresses.
    fn frames(&self, start: u64, end: u64) -> Result<Vec<Frame>, ImageError> {
        let stack = read(self.image, self.memory.mm, start, end)?;
        let runs = stack.iter().map(|run| frames(run, self.restorers));
        Ok(runs.flatten().collect())
    }
}

type Frame = [u8; frame::SIZE];

/// What looks like a frame in the bytes of a stack, of which the first is at a multiple of 8.
fn frames<'a>(stack: &'a [u8], restorers: &'a [u64]) -> impl Iterator<Item = Frame> + 'a {
    let windows = stack.windows(frame::SIZE).step_by(8);
    let windows = windows.filter_map(|window| Frame::try_from(window).ok());
    windows.filter(|frame| {
        let returns = number(frame, 0);
        returns != 0 && restorers.contains(&returns) && number(frame, frame::CS) as u16 == USER_CODE
    })
}

fn number(frame: &Frame, at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&frame[at..at + 8]);
    u64::from_le_bytes(word)
}

/// Memory from `start` to `end` as far as the image has it, each unbroken run of pages by itself.
fn read(image: &Image, mm: ObjectId, start: u64, end: u64) -> Result<Vec<Vec<u8>>, ImageError> {
    let mut runs = vec![Vec::new()];
    let mut at = start;
    while at < end {
        let page = at - at % PAGE_SIZE;
        let past = end.min(page + PAGE_SIZE);
        match (image.read_page(mm, UserAddr(page))?, runs.last_mut()) {
            (Some(bytes), Some(run)) => {
                run.extend_from_slice(&bytes[(at - page) as usize..(past - page) as usize]);
            }
            _ => runs.push(Vec::new()),
        }
        at = past;
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::obstacle::ObstacleOf;
    use crate::plan::Mapping;
    use crate::testing;
    use kconv_image::{AddressSpace, ImageWriter, KernelAddr, Object, PageRun, PageSource, TypeIx};

    const STACK: u64 = 0x7000_0000;

    /// An image of one address space with two pages at [`STACK`], of which as many bytes are in the file as are left.
    fn stack(left: u64) -> Image {
        let mut head = testing::head(Vec::new());
        head.types.push("mm_struct".to_owned());
        head.objects.push(Object {
            ty: TypeIx(0),
            count: 1,
            size: 8,
            address: KernelAddr(0x1000),
            home: KernelAddr(0x1000),
            owner: ObjectId(0),
            part_of: None,
        });
        head.address_spaces.push(AddressSpace {
            mm: ObjectId(0),
            runs: vec![PageRun {
                start: UserAddr(STACK),
                pages: 2,
                position: 0,
                access: 6,
            }],
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let machine = head.identity.machine;
        let mut writer =
            ImageWriter::create(&path, machine, &head.objects, head.page_index()).unwrap();
        writer.object(&[0; 8]).unwrap();
        writer
            .finish(&head, PageSource::Stream(&mut |_, _| Ok(())))
            .unwrap();
        let image = Image::open(&path).unwrap();
        let (start, _) = image.page_area();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(start.0 + left).unwrap();
        image
    }

    /// A stack of which nothing can be said is not one without handlers on it.
    #[test]
    fn a_stack_that_cannot_be_read_is_an_error() {
        let mapping = Mapping::bare(STACK, STACK + 2 * PAGE_SIZE, 0);
        let memory = Memory::bare(ObjectId(0), vec![mapping]);
        let at = |image: &Image, sp: u64| {
            let stacks = Stacks {
                image,
                memory: &memory,
                restorers: &[1],
            };
            stacks.instructions(sp).is_ok()
        };
        let whole = stack(2 * PAGE_SIZE);
        assert!(at(&whole, STACK));
        let cut = stack(PAGE_SIZE + 100);
        assert!(!at(&cut, STACK));
        assert!(!at(&cut, STACK + PAGE_SIZE));
        // Nothing is mapped there, so that nothing is read.
        assert!(at(&cut, STACK + 2 * PAGE_SIZE));
    }

    /// Code that is no library leads nowhere on another kernel.
    #[test]
    fn what_nothing_stands_for_is_in_the_way_of_another_kernel() {
        let image = stack(2 * PAGE_SIZE);
        let memory = |vdso| Memory {
            vdso,
            ..Memory::bare(ObjectId(0), Vec::new())
        };
        let told = |memory| {
            let mut plan = Plan::default();
            plan.processes.push(Process {
                memory: Some(memory),
                ..Process::bare(7, None)
            });
            let mut found = Obstacles::of(&plan, ObstacleOf::Image);
            without_stand_in(&plan, &image, &mut found);
            let list = found.into_list();
            list.into_iter().map(|one| one.found).collect::<Vec<_>>()
        };
        let code = Some((STACK, STACK + 2 * PAGE_SIZE));
        let expected = "the vDSO of the image is no library with symbols";
        assert_eq!(told(memory(code)), [expected]);
        assert_eq!(told(memory(None)), [""; 0]);
    }

    #[test]
    fn a_frame_is_told_by_its_restorer_and_its_mode() {
        let mut stack = vec![0xEE; 40];
        stack.extend(0x1000_u64.to_le_bytes());
        stack.resize(40 + frame::IP, 0xEE);
        stack.extend(0x2000_u64.to_le_bytes());
        stack.resize(40 + frame::CS, 0xEE);
        stack.extend(USER_CODE.to_le_bytes());
        stack.resize(400, 0xEE);
        let found = |stack: &[u8], restorer| -> Vec<u64> {
            let restorers = [0, restorer];
            let frames = frames(stack, &restorers);
            frames.map(|frame| number(&frame, frame::IP)).collect()
        };
        assert_eq!(found(&stack, 0x1000), [0x2000]);
        assert!(found(&stack, 0x1008).is_empty());
        // One that the stack ends in, or of another kind of code.
        assert!(found(&stack[..40 + frame::SIZE - 1], 0x1000).is_empty());
        stack[40 + frame::CS] = 0x23;
        assert!(found(&stack, 0x1000).is_empty());
        // A signal without a handler has no restorer.
        assert!(found(&[0; 400], 0x1000).is_empty());
    }
}
