//! Files whose last name was removed while tasks have them: nobody finds them by a path, and the image has what is
//! in them.

use super::descriptors::Descriptor;
use super::files::Location;
use super::in_memory::VM_SHARED;
use super::{Linux6, not_carried};
use crate::error::{Fault, Flaw};
use crate::family::{Family, Reference};
use crate::memory::{Memory, View};
use kconv_codes::Code;
use kconv_image::{Escaped, KernelAddr};
use kconv_resources::linux6::{File, FileType, Place, Resource};
use std::collections::{BTreeMap, BTreeSet};

/// The types that are read of it as the kernel itself tells them.
pub(super) const TYPES: [&str; 3] = ["inode", "dentry", "inode_state_flags_enum"];

/// The longest that is carried, in bytes: an image has all of it.
pub(super) const LONGEST: i64 = 1 << 30;

/// The most names of one file that are looked at.
const MAX_NAMES: usize = 1 << 12;

/// File systems on which the kernel makes the files, and nobody could make one again.
const MADE_BY_KERNEL: [&str; 9] = [
    "proc",
    "sysfs",
    "cgroup",
    "cgroup2",
    "debugfs",
    "tracefs",
    "securityfs",
    "devpts",
    "mqueue",
];

/// How tasks have files.
pub(super) struct Held {
    /// The names of files that tasks have open, or mapped shared.
    in_use: BTreeSet<KernelAddr>,
    /// How often each open file is had, by descriptors, mappings, and as a program.
    files: BTreeMap<KernelAddr, u64>,
}

impl Linux6<'_> {
    /// The regular file that `dentry` under `mount` was, if it is of those that are carried: a program or library that
    /// is only mapped is not, which is [kept](super::Linux6::path_of_kept) if that is asked for.
    pub(super) fn unlinked(
        &mut self,
        (dentry, mount): (KernelAddr, KernelAddr),
        location: &Location,
        inode: &View<'_>,
    ) -> Result<Option<Resource>, Flaw> {
        let file_system = self.file_system_of(inode)?;
        let is_made_by_kernel = MADE_BY_KERNEL.contains(&file_system.as_str());
        // Another name may lead to it, and nobody knows which; of a dump nobody can read what is in it.
        let has_name = inode.unsigned("i_nlink")? != 0;
        let is_linkable = match self.own().filter(|own| own.source.is_running()) {
            Some(own) => is_linkable(own, inode.at())?,
            None => None,
        };
        if has_name || is_made_by_kernel || !location.is_text || !self.is_open_or_shared(dentry)? {
            return Ok(None);
        }
        let Some(is_linkable) = is_linkable else {
            return Ok(None);
        };
        let size = inode.signed("i_size")?;
        if size > LONGEST {
            let path = Escaped(&location.path);
            let what = format!(
                "{path}, which was unlinked while it was open and has {size} bytes, more than {LONGEST},"
            );
            return Err(not_carried(Code::FdUnlinked, what));
        }
        let reference = Reference {
            kind: "mount",
            at: mount,
            mount: None,
        };
        Ok(Some(Resource::File(File {
            path: location.path.clone(),
            file_type: FileType::Regular,
            inode: self.inode(inode)?,
            place: Place::Unlinked {
                mount: Family::resource(self, &reference)?,
                is_linkable,
            },
            build_id: None,
        })))
    }

    /// Whether tasks have the file of this name open, or mapped shared: what is in it is not only a program's.
    pub(super) fn is_open_or_shared(&self, dentry: KernelAddr) -> Result<bool, Fault> {
        Ok(self.held()?.in_use.contains(&dentry))
    }

    fn held(&self) -> Result<&Held, Fault> {
        if let Some(held) = self.held.get() {
            return Ok(held);
        }
        let held = self.all_held()?;
        Ok(self.held.get_or_init(|| held))
    }

    fn all_held(&self) -> Result<Held, Fault> {
        let mut held = Held {
            in_use: BTreeSet::new(),
            files: BTreeMap::new(),
        };
        for open in self.descriptors()? {
            let view = self.walked.view(open.file)?;
            held.in_use.extend(view.pointer("f_path.dentry")?);
            *held.files.entry(view.at()).or_default() += 1;
        }
        for mm in self.walked.objects_of("mm_struct") {
            for vma in self.vmas(mm)? {
                let Some(file) = vma.pointer("vm_file")? else {
                    continue;
                };
                *held.files.entry(file).or_default() += 1;
                if vma.unsigned("vm_flags")? & VM_SHARED != 0 {
                    let file = self.walked.memory.read("file", file)?;
                    held.in_use.extend(file.pointer("f_path.dentry")?);
                }
            }
            if let Some(program) = self.walked.view(mm)?.pointer("exe_file")? {
                *held.files.entry(program).or_default() += 1;
            }
        }
        Ok(held)
    }

    /// Files without a name that others have as well, or that are programs of tasks: each would have one of its own.
    pub(super) fn nameless_elsewhere(
        &self,
        descriptors: &[Descriptor],
        refuse: &mut dyn FnMut(usize, &str, Flaw),
    ) -> Result<(), Fault> {
        let mut by_inode: BTreeMap<KernelAddr, Vec<usize>> = BTreeMap::new();
        for file in self.walked.objects_of("file") {
            let view = self.walked.view(file)?;
            if let Some(Resource::File(of)) = self.named(&view)?
                && of.is_nameless()
                && let Some((_, inode)) = self.resource_of(&view)?
            {
                by_inode.entry(inode).or_default().push(file);
            }
        }
        let user = |file: usize| {
            let mut descriptors = descriptors.iter();
            let open = descriptors.find(|open| open.file == file);
            open.map_or((file, "f_path.dentry"), |open| (open.task, "files"))
        };
        for (inode, files) in by_inode {
            let how = match self.is_program(&files)? {
                true => "which is the program of a task",
                false if self.have_others(inode, &files)? => "which others have as well",
                false => continue,
            };
            let (code, what) = match self.named(&self.walked.view(files[0])?)? {
                Some(Resource::File(of)) if of.is_unlinked() => {
                    let path = Escaped(&of.path);
                    let what = format!("{path}, which was unlinked while it was open, and {how},");
                    (Code::FdUnlinked, what)
                }
                Some(Resource::File(of)) => {
                    (Code::FdMemfd, format!("{}, {how},", Escaped(&of.path)))
                }
                _ => continue,
            };
            let (object, field) = user(files[0]);
            refuse(object, field, not_carried(code, what));
        }
        Ok(())
    }

    fn is_program(&self, files: &[usize]) -> Result<bool, Fault> {
        for mm in self.walked.objects_of("mm_struct") {
            let program = self.walked.view(mm)?.pointer("exe_file")?;
            if files
                .iter()
                .any(|file| Some(self.walked.objects[*file].at) == program)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether somebody else has the file with this inode, of which these are the open files that tasks have.
    fn have_others(&self, inode: KernelAddr, files: &[usize]) -> Result<bool, Fault> {
        let Some(memory) = self.own() else {
            return Ok(true);
        };
        let held = self.held()?;
        let mut names: BTreeMap<KernelAddr, u64> = BTreeMap::new();
        for file in files {
            let view = self.walked.view(*file)?;
            let own = held.files.get(&view.at()).copied().unwrap_or(0);
            if super::events::references(&view)? > own {
                return Ok(true);
            }
            *names.entry(view.address("f_path.dentry")?).or_default() += 1;
        }
        // Each open file has a hold on the name by which it was opened.
        for (name, own) in &names {
            let dentry = memory.read("dentry", *name)?;
            if dentry.unsigned("d_lockref.count")? > *own {
                return Ok(true);
            }
        }
        // Names that it had before, by which somebody may have opened it, are gone when nobody has them (fs/dcache.c:
        // d_delete, dentry_kill).
        let into = memory.names.find("dentry")?;
        let into = memory.names.offset_in(into, "d_u.d_alias|d_alias")?;
        let inode = memory.read("inode", inode)?;
        let mut next = inode.pointer("i_dentry.first")?;
        for _ in 0..MAX_NAMES {
            let Some(link) = next else {
                return Ok(false);
            };
            let name = KernelAddr(link.0.wrapping_sub(into));
            if !names.contains_key(&name) {
                return Ok(true);
            }
            let dentry = memory.read("dentry", name)?;
            next = dentry.pointer("d_u.d_alias.next|d_alias.next")?;
        }
        Ok(true)
    }
}

/// Whether a file without a name can be given one (`fs/namei.c`: vfs_tmpfile, vfs_link); `None` if the kernel does not
/// tell how it keeps that.
fn is_linkable(memory: Memory<'_>, inode: KernelAddr) -> Result<Option<bool>, Fault> {
    /// I_LINKABLE (`include/linux/fs.h`), as long as the states of an inode are a number and no enumeration.
    const LINKABLE: i128 = 1 << 10;
    let inode = memory.read("inode", inode)?;
    let (state, flag) = match inode.optional("i_state.__state")? {
        Some(state) => (state, memory.names.constant("I_LINKABLE")),
        None => (inode.unsigned("i_state")?, Some(LINKABLE)),
    };
    Ok(flag.map(|flag| i128::from(state) & flag != 0))
}
