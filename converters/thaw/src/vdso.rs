//! The code that the kernel maps into each program (the vDSO), at the place where the program
//! expects it.
//!
//! A program remembers where its functions are. If this kernel's code is that of the kernel of the
//! freeze, it is moved to where that was. If not, the old code stays, as memory of the program's
//! own, with a jump to the new function at the beginning of each old one that needs a kernel.

mod redirect;

use crate::call::CallError;
use crate::dropped::Dropped;
use crate::plan::{Memory, Plan};
use crate::remote::{Remote, TASK_SIZE};
use kconv_codes::Code;
use kconv_image::{Image, ImageError, ObjectId, PAGE_SIZE, UserAddr};
use nix::errno::Errno;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Below this nothing is put, whatever `vm.mmap_min_addr` allows.
const MIN_ADDRESS: u64 = 0x1_0000;

/// What the kernel has mapped: clocks (vvar) and the code that reads them, one behind the other.
pub(crate) struct Vdso {
    /// Each mapping: start and end, in kconv.
    parts: Vec<(u64, u64)>,
    /// The last of them is the code.
    pub(crate) code: Vec<u8>,
}

impl Vdso {
    /// Those of kconv itself, which all it makes inherit.
    pub(crate) fn find() -> Result<Vdso, CallError> {
        let maps = std::fs::read_to_string("/proc/self/maps")
            .map_err(|error| CallError::io("open", &error))?;
        let mut parts = Vec::new();
        let mut code = None;
        for line in maps.lines() {
            let Some(name) = ["[vvar]", "[vvar_vclock]", "[vdso]"]
                .into_iter()
                .find(|name| line.ends_with(name))
            else {
                continue;
            };
            let range = line.split_once(' ').and_then(|(range, _)| {
                let (start, end) = range.split_once('-')?;
                Some((
                    u64::from_str_radix(start, 16).ok()?,
                    u64::from_str_radix(end, 16).ok()?,
                ))
            });
            let Some(range) = range else {
                continue;
            };
            parts.push(range);
            if name == "[vdso]" {
                code = Some(range);
            }
        }
        let adjoin = parts.windows(2).all(|pair| pair[0].1 == pair[1].0);
        let Some((start, end)) = code.filter(|code| adjoin && parts.last() == Some(code)) else {
            return Err(CallError::Result {
                call: "/proc/self/maps",
                problem: "no vDSO with its data before it".to_owned(),
            });
        };
        let mut bytes = vec![0; (end - start) as usize];
        std::fs::File::open("/proc/self/mem")
            .and_then(|memory| memory.read_exact_at(&mut bytes, start))
            .map_err(|error| CallError::io("pread", &error))?;
        Ok(Vdso { parts, code: bytes })
    }

    /// First address of all of it, in kconv.
    pub(crate) fn start(&self) -> u64 {
        self.parts.first().map_or(0, |part| part.0)
    }

    /// Bytes of all of it.
    pub(crate) fn size(&self) -> u64 {
        self.parts.last().map_or(0, |part| part.1) - self.start()
    }

    /// Bytes before the code.
    pub(crate) fn data_size(&self) -> u64 {
        self.size() - self.code.len() as u64
    }

    /// Moves all of it in a process, from one place to another.
    pub(crate) fn move_to(&self, remote: &Remote, from: u64, to: u64) -> Result<(), CallError> {
        const MOVE: u64 = (libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED) as u64;
        for (start, end) in &self.parts {
            let (into, size) = (start - self.start(), end - start);
            let arguments = [from + into, size, size, MOVE, to + into];
            remote.call("mremap", libc::SYS_mremap, &arguments)?;
        }
        Ok(())
    }

    /// Puts all of it where the program expects the code, in a process whose memory is `own`.
    pub(crate) fn place(
        &self,
        remote: &Remote,
        own: &File,
        image: &Image,
        memory: &Memory,
    ) -> Result<(), CallError> {
        let waiting = remote.trampoline().vdso();
        let Some((start, end)) = memory.vdso else {
            // The program had given it away.
            remote.call("munmap", libc::SYS_munmap, &[waiting, self.size()])?;
            return Ok(());
        };
        let mut old = saved(image, memory.mm, start, end)?;
        if self.fits(&old, memory, start, end) {
            return self.move_to(remote, waiting, start - self.data_size());
        }
        let place = self.place_beside(memory, start, end)?;
        self.move_to(remote, waiting, place)?;
        let new = place + self.data_size();
        redirect::redirect(&mut old, &self.code, new).map_err(|problem| CallError::Result {
            call: "the vDSO",
            problem: problem.to_string(),
        })?;
        let access = (libc::PROT_READ | libc::PROT_EXEC) as u64;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        let arguments = [start, end - start, access, flags as u64, u64::MAX, 0];
        remote.call("mmap", libc::SYS_mmap, &arguments)?;
        own.write_all_at(&old, start)
            .map_err(|error| CallError::io("pwrite", &error))
    }

    /// Whether it can be where the old one was, and is the same code.
    fn fits(&self, old: &[u8], memory: &Memory, start: u64, end: u64) -> bool {
        let data = start.checked_sub(self.data_size());
        old == self.code && data.is_some_and(|data| is_free(memory, data, end))
    }

    /// What becomes of the old one in a program; `None` if this one takes its place.
    pub(crate) fn redirected(
        &self,
        image: &Image,
        memory: &Memory,
    ) -> Result<Option<Redirected>, ImageError> {
        let Some((start, end)) = memory.vdso else {
            return Ok(None);
        };
        let mut old = saved(image, memory.mm, start, end)?;
        if self.fits(&old, memory, start, end) {
            return Ok(None);
        }
        let (stay, problem) = match redirect::redirect(&mut old, &self.code, 0) {
            Ok(stay) => (stay, None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        Ok(Some(Redirected {
            start,
            end,
            stay,
            problem,
        }))
    }

    /// A free place for all of it, as near as can be to where the code was.
    fn place_beside(&self, memory: &Memory, start: u64, end: u64) -> Result<u64, CallError> {
        // Pages that nobody has between it and its neighbours.
        const GAP: u64 = 16 * PAGE_SIZE;
        let below = (1..1 << 16).filter_map(|n| start.checked_sub(n * GAP + self.size()));
        let above = (1..1 << 16).filter_map(|n| end.checked_add(n * GAP));
        let mut places = below.zip(above).flat_map(|(below, above)| [below, above]);
        places
            .find(|place| {
                let past = place + self.size();
                *place >= MIN_ADDRESS && past <= TASK_SIZE && is_free(memory, *place, past)
            })
            .ok_or(CallError::new("mremap", Errno::ENOMEM))
    }
}

/// An old vDSO whose functions are led to those of the new one.
pub(crate) struct Redirected {
    /// Where it begins; no thread may be in it.
    pub(crate) start: u64,
    /// Past its end.
    pub(crate) end: u64,
    /// Its functions that this kernel has not and that go on without it.
    pub(crate) stay: Vec<String>,
    /// Why that is not possible.
    pub(crate) problem: Option<redirect::RedirectError>,
}

/// The functions of the vDSO of a program that nothing stands for on a kernel without them. A page that cannot be read
/// is told with all others.
pub(crate) fn without_stand_in(
    image: &Image,
    memory: &Memory,
) -> Result<Result<Vec<String>, redirect::RedirectError>, ImageError> {
    let Some((start, end)) = memory.vdso else {
        return Ok(Ok(Vec::new()));
    };
    saved(image, memory.mm, start, end).map(|old| redirect::without_stand_in(&old))
}

/// What functions that go on without a kernel no longer have from it.
pub(crate) fn dropped(plan: &Plan, image: &Image) -> Vec<Dropped> {
    // A machine without code to lead to, and pages that cannot be read, are in the way of a thaw and told as such.
    let Ok(own) = Vdso::find() else {
        return Vec::new();
    };
    let told = plan.processes.iter().filter_map(|process| {
        let redirected = own.redirected(image, process.memory.as_ref()?);
        let stay = redirected.ok()??.stay;
        (!stay.is_empty()).then(|| Dropped {
            code: Code::VdsoUnlock,
            task: Some(process.pid),
            what: format!(
                "that no signal comes into the middle of {}",
                stay.join(", ")
            ),
            instead: "this kernel does not know it; the function does all else".to_owned(),
        })
    });
    told.collect()
}

/// The code that the image has.
fn saved(image: &Image, mm: ObjectId, start: u64, end: u64) -> Result<Vec<u8>, ImageError> {
    let mut code = Vec::new();
    for at in (start..end).step_by(PAGE_SIZE as usize) {
        let page = image.read_page(mm, UserAddr(at))?;
        code.extend(page.unwrap_or([0; PAGE_SIZE as usize]));
    }
    Ok(code)
}

/// Whether nothing of the program lies between two addresses, nor its stack or heap near them.
fn is_free(memory: &Memory, start: u64, end: u64) -> bool {
    let mut mappings = memory.mappings.iter();
    mappings.all(|mapping| mapping.end <= start || mapping.start >= end)
}
