//! Files that are nowhere but in memory: their contents go with the tasks, for a boot leaves nothing of
//! them, and those of programs that are to be kept; and files on disks that are mapped shared, which have to be on
//! the disk before the tasks end.

use super::Linux6;
use super::mappings::access_of;
use crate::error::Fault;
use crate::family::{FileToSave, MappedPart};
use crate::memory::View;
use crate::source::FileOf;
use kconv_image::{Escaped, KernelAddr, PAGE_SIZE, ResourceId};
use kconv_resources::linux6::{File, Resource};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Bits of `vm_area_struct.vm_flags` (`include/linux/mm.h`).
pub(super) const VM_SHARED: u64 = 8;
const VM_MAYWRITE: u64 = 0x20;

/// File systems that a boot fills anew, or not at all. What the kernel itself makes the contents of
/// (proc, sysfs) is none.
const IN_MEMORY: [&str; 4] = ["tmpfs", "ramfs", "rootfs", "devtmpfs"];

/// A file that a task has mapped.
pub(super) struct Mapped {
    pub(super) resource: ResourceId,
    inode: KernelAddr,
    file: FileOf,
    pub(super) part: MappedPart,
    pub(super) is_shared: bool,
    may_be_written: bool,
}

impl Linux6<'_> {
    /// See [`Family::files_to_save`](crate::family::Family::files_to_save).
    pub(super) fn to_save(&self) -> Result<Vec<FileToSave>, Fault> {
        let mut files: BTreeMap<ResourceId, FileToSave> = BTreeMap::new();
        for mapped in self.mapped()? {
            let is_kept = self
                .file_resource(mapped.resource)
                .is_some_and(File::is_kept);
            if !is_kept && !self.is_in_memory(mapped.resource) {
                continue;
            }
            let file = files.entry(mapped.resource).or_insert(FileToSave {
                resource: mapped.resource,
                inode: mapped.inode,
                name: self.name_of_resource(mapped.resource),
                is_kept,
                file: mapped.file,
                mapped: Vec::new(),
            });
            if mapped.is_shared {
                file.mapped.push(mapped.part);
            }
        }
        for open in self.descriptors()? {
            let view = self.walked.view(open.file)?;
            let Some((resource, inode)) = self.resource_of(&view)? else {
                continue;
            };
            if let Entry::Vacant(none) = files.entry(resource)
                && self.is_in_memory(resource)
            {
                let process = self.walked.view(open.task)?.signed("tgid")?;
                let number = open.number as u64;
                none.insert(FileToSave {
                    resource,
                    inode,
                    name: self.name_of_resource(resource),
                    is_kept: false,
                    file: FileOf::Descriptor { process, number },
                    mapped: Vec::new(),
                });
            }
        }
        Ok(files.into_values().collect())
    }

    /// See [`Family::files_to_sync`](crate::family::Family::files_to_sync).
    pub(super) fn to_sync(&self) -> Result<Vec<(String, FileOf)>, Fault> {
        let mut files = BTreeMap::new();
        for mapped in self.mapped()? {
            let is_regular = self
                .file_resource(mapped.resource)
                .is_some_and(File::is_regular);
            let is_written = mapped.is_shared && mapped.may_be_written;
            if is_written && is_regular && !self.is_in_memory(mapped.resource) {
                files.entry(mapped.resource).or_insert(mapped.file);
            }
        }
        let named = |(id, file)| (self.name_of_resource(id), file);
        Ok(files.into_iter().map(named).collect())
    }

    fn name_of_resource(&self, id: ResourceId) -> String {
        self.file_resource(id).map_or_else(
            || "memory shared without a file".to_owned(),
            |file| Escaped(&file.path).to_string(),
        )
    }

    /// Whether a resource is a regular file, or memory without a name, that goes with the tasks: it is in memory alone
    /// and neither a program nor a library, or nobody finds it by a path.
    pub(super) fn is_in_memory(&self, resource: ResourceId) -> bool {
        match self.resources.get(resource) {
            Some(Resource::SharedMemory(_)) => true,
            Some(Resource::File(file)) => {
                let is_in_memory = IN_MEMORY.contains(&file.inode.file_system.as_str());
                let is_lost = is_in_memory && file.build_id.is_none();
                file.is_regular() && (is_lost || file.is_nameless())
            }
            _ => false,
        }
    }

    /// A resource that is a file.
    pub(super) fn file_resource(&self, id: ResourceId) -> Option<&File> {
        match self.resources.get(id)? {
            Resource::File(file) => Some(file),
            _ => None,
        }
    }

    /// All that is mapped of files.
    pub(super) fn mapped(&self) -> Result<Vec<Mapped>, Fault> {
        let mut all = Vec::new();
        for mm in self.walked.objects_of("mm_struct") {
            let process = self.walked.space(mm, &[]).process;
            for vma in self.vmas(mm)? {
                let Some(file) = vma.pointer("vm_file")? else {
                    continue;
                };
                let file = self.walked.memory.read("file", file)?;
                let Some((resource, inode)) = self.resource_of(&file)? else {
                    continue;
                };
                let flags = vma.unsigned("vm_flags")?;
                let (start, end) = (vma.unsigned("vm_start")?, vma.unsigned("vm_end")?);
                all.push(Mapped {
                    resource,
                    inode,
                    file: FileOf::Mapping {
                        process,
                        start,
                        end,
                    },
                    part: MappedPart {
                        mm,
                        start,
                        end,
                        offset: vma.unsigned("vm_pgoff")?.saturating_mul(PAGE_SIZE),
                        access: access_of(flags),
                    },
                    is_shared: flags & VM_SHARED != 0,
                    may_be_written: flags & VM_MAYWRITE != 0,
                });
            }
        }
        Ok(all)
    }

    /// What an image has of an open file, and its inode.
    pub(super) fn resource_of(
        &self,
        file: &View<'_>,
    ) -> Result<Option<(ResourceId, KernelAddr)>, Fault> {
        let Some(dentry) = file.pointer("f_path.dentry")? else {
            return Ok(None);
        };
        let mount = file.pointer("f_path.mnt")?;
        let Some(resource) = self.resources.known("file", dentry, mount) else {
            return Ok(None);
        };
        let dentry = self.walked.memory.read("dentry", dentry)?;
        Ok(Some((resource, dentry.address("d_inode")?)))
    }
}
