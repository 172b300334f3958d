//! The files that programs are made of: kept in the image if that is asked for, so that a thaw need not find
//! them as they were.

use super::files::Location;
use super::in_memory::VM_SHARED;
use super::{Linux6, not_carried};
use crate::error::{Fault, Flaw};
use crate::memory::View;
use kconv_codes::Code;
use kconv_image::{Escaped, KernelAddr, ResourceId};
use kconv_machine::path_of_copy;
use kconv_resources::linux6::{File, Place, Resource};
use std::collections::BTreeSet;

impl Linux6<'_> {
    /// The path of a regular file to which none leads, but of which the image is to have what is in it for those that
    /// have it mapped: a copy that a thaw made of a program, and a file that was unlinked, if programs are kept.
    pub(super) fn path_of_kept(
        &self,
        kind: &str,
        (dentry, location): (KernelAddr, &Location),
    ) -> Result<Option<String>, Fault> {
        if kind != "regular file" || !location.is_text || location.namespace.is_some() {
            return Ok(None);
        }
        Ok(match location.internal {
            true if !location.of_kernel => None,
            true => path_of_copy(&location.path).map(str::to_owned),
            // What is open, or mapped shared, has to be the file itself.
            false
                if !self.keeps_programs
                    || !location.deleted
                    || self.is_open_or_shared(dentry)? =>
            {
                None
            }
            false => Some(location.path.clone()),
        })
    }

    /// Marks the files that the image keeps. That is to be when the build IDs are known: what has none and is in
    /// memory alone is saved as such.
    pub(super) fn mark_kept(&mut self) -> Result<(), Fault> {
        if !self.keeps_programs {
            return Ok(());
        }
        let mapped = self.mapped()?;
        // What others write to through a mapping is no file of the program's own.
        let shared: BTreeSet<ResourceId> = mapped
            .iter()
            .filter(|one| one.is_shared)
            .map(|one| one.resource)
            .collect();
        for id in mapped.into_iter().map(|one| one.resource) {
            let is_regular = self.file_resource(id).is_some_and(File::is_regular);
            if is_regular
                && !shared.contains(&id)
                && !self.is_in_memory(id)
                && let Some(Resource::File(file)) = self.resources.get_mut(id)
                && let Place::Mounted { is_kept, .. } = &mut file.place
            {
                *is_kept = true;
            }
        }
        Ok(())
    }

    /// What is used of copies that a thaw could not give back: it makes mappings of them, and these are of the
    /// task's own.
    pub(super) fn uses_of_copies(
        &self,
        refuse: &mut dyn FnMut(usize, &str, Flaw),
    ) -> Result<(), Fault> {
        let copy = |id: ResourceId| {
            let file = self.file_resource(id)?;
            (file.place == Place::Copy).then_some(file)
        };
        let is_copy = |id: ResourceId| copy(id).is_some();
        let mapped: BTreeSet<ResourceId> = self.mapped()?.iter().map(|one| one.resource).collect();
        let mut told = |object: usize, field: &str, id: ResourceId, how: &str| {
            let path = Escaped(copy(id).map_or("", |file| &file.path));
            let what = format!("{path}, to which no path leads any more, and which is {how}");
            refuse(object, field, not_carried(Code::FdUnlinked, what));
        };
        for open in self.descriptors()? {
            let view = self.walked.view(open.file)?;
            if let Some((id, _)) = self.resource_of(&view)?
                && is_copy(id)
            {
                let how = format!("open as descriptor {},", open.number);
                told(open.task, "files", id, &how);
            }
        }
        for mm in self.walked.objects_of("mm_struct") {
            for vma in self.vmas(mm)? {
                if let Some(id) = self.file_of(&vma, "vm_file")?
                    && is_copy(id)
                    && vma.unsigned("vm_flags")? & VM_SHARED != 0
                {
                    told(mm, "mm_mt", id, "mapped shared,");
                }
            }
            let view = self.walked.view(mm)?;
            if let Some(id) = self.file_of(&view, "exe_file")?
                && is_copy(id)
                && !mapped.contains(&id)
            {
                told(mm, "exe_file", id, "not mapped any more,");
            }
        }
        Ok(())
    }

    fn file_of(&self, view: &View<'_>, field: &str) -> Result<Option<ResourceId>, Fault> {
        let Some(file) = view.pointer(field)? else {
            return Ok(None);
        };
        let file = self.walked.memory.read("file", file)?;
        Ok(self.resource_of(&file)?.map(|(id, _)| id))
    }
}
