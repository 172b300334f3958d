//! Files that never had a name: what memfd_create(2) makes.

use super::files::Location;
use super::unlinked::LONGEST;
use super::{Linux6, not_carried};
use crate::error::{Fault, Flaw};
use crate::memory::View;
use kconv_codes::Code;
use kconv_image::{Escaped, KernelAddr};
use kconv_resources::linux6::{File, FileType, Place, Resource};

/// The types that are read of it as the kernel itself tells them.
pub(super) const TYPES: [&str; 1] = ["shmem_inode_info"];

/// What the name of such a file begins with (`mm/memfd.c`: MFD_NAME_PREFIX).
const PREFIX: &str = "memfd:";

/// Seals after which nobody maps a file again as it may be mapped (`include/uapi/linux/fcntl.h`: F_SEAL_WRITE,
/// F_SEAL_FUTURE_WRITE).
const AGAINST_WRITING: u32 = 0x8 | 0x10;

impl Linux6<'_> {
    /// The file at `location`, which is a regular one that the kernel itself keeps, if memfd_create made it.
    pub(super) fn memfd(
        &self,
        location: &Location,
        inode: &View<'_>,
    ) -> Result<Option<Resource>, Flaw> {
        let own = self.own().filter(|own| own.source.is_running());
        let (true, true, Some(own)) = (location.path.starts_with(PREFIX), location.is_text, own)
        else {
            return Ok(None);
        };
        let size = inode.signed("i_size")?;
        if size > LONGEST {
            let path = Escaped(&location.path);
            let what = format!("{path}, which has {size} bytes, more than {LONGEST},");
            return Err(not_carried(Code::FdMemfd, what));
        }
        let around = own.names.find("shmem_inode_info")?;
        let into = own.names.offset_in(around, "vfs_inode")?;
        let around = KernelAddr(inode.at().0.wrapping_sub(into));
        let seals = own.read("shmem_inode_info", around)?.unsigned("seals")? as u32;
        Ok(Some(Resource::File(File {
            path: format!("/{}", location.path),
            file_type: FileType::Regular,
            inode: self.inode(inode)?,
            place: Place::Memfd { seals },
            build_id: None,
        })))
    }

    /// Files that were sealed against writing and are mapped shared: once they are sealed nobody maps them so again.
    pub(super) fn sealed_memfds(
        &self,
        refuse: &mut dyn FnMut(usize, &str, Flaw),
    ) -> Result<(), Fault> {
        for mapped in self.mapped()?.into_iter().filter(|mapped| mapped.is_shared) {
            if let Some(file) = self.file_resource(mapped.resource)
                && let Place::Memfd { seals } = file.place
                && seals & AGAINST_WRITING != 0
            {
                let (path, start) = (Escaped(&file.path), mapped.part.start);
                let what = format!(
                    "{path}, which is sealed against writing (F_ADD_SEALS) and mapped shared at {start:#x},"
                );
                refuse(mapped.part.mm, "mm_mt", not_carried(Code::FdMemfd, what));
            }
        }
        Ok(())
    }
}
