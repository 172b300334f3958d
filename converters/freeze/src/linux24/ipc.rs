//! Semaphore adjustments, and whom a vfork keeps waiting.

use super::{Linux24, object_id};
use crate::error::{Fault, Flaw};
use crate::resources::Attributes;
use kconv_image::{KernelAddr, Resource, Value};
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
    pub(super) fn sem_undo(&self, at: KernelAddr) -> Result<Resource, Fault> {
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
            let mut set = vec![Value::Signed(view.signed("semid")?)];
            if let Some(array) = view.pointer("semadj")? {
                let size = memory.source.object_size(array);
                let known = size.filter(|size| *size / 2 <= MAX_SEMAPHORES);
                let bytes = known.map(|size| memory.bytes(array, size)).transpose()?;
                let adjustments = bytes.iter().flat_map(|bytes| bytes.chunks_exact(2));
                let adjustments = adjustments
                    .map(|bytes| Value::Signed(i64::from(little_endian(bytes) as u16 as i16)));
                set.push(Value::List(adjustments.collect()));
            }
            sets.push(Value::List(set));
            next = view.pointer("proc_next")?;
        }
        let mut attributes = Attributes::default();
        attributes.put("sets", Value::List(sets));
        Ok(attributes.resource("sem-undo", at))
    }

    /// The parent on whose stack the completion lies that ends its vfork.
    pub(super) fn vfork(&self, at: KernelAddr) -> Result<Resource, Flaw> {
        let mut attributes = Attributes::default();
        if let Some(parent) = self.walked.task_around(at) {
            attributes.signed("parent-pid", self.pid(parent)?);
            attributes.put("parent", Value::Object(object_id(parent)));
        }
        Ok(attributes.resource("vfork", at))
    }
}
