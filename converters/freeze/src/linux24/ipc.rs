//! Semaphore adjustments, and whom a vfork keeps waiting.

use super::{Linux24, object_id};
use crate::error::{Fault, Flaw};
use kconv_image::KernelAddr;
use kconv_resources::linux24::{Adjustments, Parent, SemUndo, Vfork};
use kernel_structs_bits::little_endian;

/// The most semaphore sets there can be (`include/linux/ipc.h`: IPCMNI).
const MAX_SETS: usize = 32768;

/// The most semaphores in a set; SEMMSL of `include/linux/sem.h` is 250 unless it was raised.
const MAX_SEMAPHORES: u64 = 65536;

impl Linux24<'_> {
    /// What semaphores are adjusted by when the task exits (`ipc/sem.c: sem_exit`).
    ///
    /// How many semaphores a set has stands with the set, which no saved object leads to. The
    /// adjustments are there only if the source knows how long their array is.
    pub(super) fn sem_undo(&self, at: KernelAddr) -> Result<SemUndo, Fault> {
        let memory = self.walked.memory;
        let mut sets = Vec::new();
        let mut next = Some(at);
        while let Some(undo) = next {
            if sets.len() >= MAX_SETS {
                let what = "semaphore adjustments";
                return Err(Fault::Chain {
                    what,
                    at,
                    limit: MAX_SETS,
                });
            }
            let view = memory.read("sem_undo", undo)?;
            let by = match view.pointer("semadj")? {
                Some(array) => {
                    let size = memory.source.object_size(array);
                    let known = size.filter(|size| *size / 2 <= MAX_SEMAPHORES);
                    let bytes = known.map(|size| memory.bytes(array, size)).transpose()?;
                    let adjustments = bytes.iter().flat_map(|bytes| bytes.chunks_exact(2));
                    let adjustment = |bytes| i64::from(little_endian(bytes) as u16 as i16);
                    Some(adjustments.map(adjustment).collect())
                }
                None => None,
            };
            sets.push(Adjustments {
                id: view.signed("semid")?,
                by,
            });
            next = view.pointer("proc_next")?;
        }
        Ok(SemUndo { sets })
    }

    /// The parent on whose stack the completion lies that ends its vfork.
    pub(super) fn vfork(&self, at: KernelAddr) -> Result<Vfork, Flaw> {
        let parent = self.walked.task_around(at);
        let parent = parent.map(|parent| -> Result<Parent, Flaw> {
            Ok(Parent {
                pid: self.pid(parent)?,
                task: object_id(parent),
            })
        });
        Ok(Vfork {
            parent: parent.transpose()?,
        })
    }
}
