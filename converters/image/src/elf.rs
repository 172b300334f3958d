//! The ELF header and the program headers, by the System V ABI, chapters "ELF Header" and
//! "Program Header", and elf(5).
//!
//! An image has no freedom here: the object index and the page runs decide every byte. So there
//! is one function that makes the head of the file. The writer writes what it returns, and the
//! reader compares.

use crate::model::Machine;

pub(crate) const PT_LOAD: u32 = 1;
pub(crate) const PT_NOTE: u32 = 4;
pub(crate) const PF_X: u32 = 1;
pub(crate) const PF_W: u32 = 2;
pub(crate) const PF_R: u32 = 4;
pub(crate) const ET_CORE: u16 = 4;

/// `e_phnum` where the number of program headers does not fit: it then stands in `sh_info` of
/// section header 0 (elf(5)).
pub(crate) const PN_XNUM: u16 = 0xffff;

/// Offsets and sizes of an ELF class.
pub(crate) struct Class {
    /// `e_ident[EI_CLASS]`.
    pub(crate) ident: u8,
    /// `e_machine`.
    pub(crate) machine: u16,
    /// Size of the ELF header, and the offset of the first program header.
    pub(crate) header: u64,
    /// `e_phentsize`.
    pub(crate) program_header: u64,
    /// `e_shentsize`.
    pub(crate) section_header: u64,
    /// Offset of `e_shoff` in the ELF header.
    pub(crate) e_shoff: usize,
    /// Offset of `e_phnum` in the ELF header.
    pub(crate) e_phnum: usize,
    /// Offset of `p_offset` in a program header.
    pub(crate) p_offset: usize,
    /// Offset of `p_filesz` in a program header.
    pub(crate) p_filesz: usize,
    /// Offset of `sh_info` in a section header.
    pub(crate) sh_info: usize,
}

const CLASS32: Class = Class {
    ident: 1,
    machine: 3,
    header: 52,
    program_header: 32,
    section_header: 40,
    e_shoff: 32,
    e_phnum: 44,
    p_offset: 4,
    p_filesz: 16,
    sh_info: 28,
};

const CLASS64: Class = Class {
    ident: 2,
    machine: 62,
    header: 64,
    program_header: 56,
    section_header: 64,
    e_shoff: 40,
    e_phnum: 56,
    p_offset: 8,
    p_filesz: 32,
    sh_info: 44,
};

/// The ELF class of a machine.
pub(crate) const fn class(machine: Machine) -> &'static Class {
    match machine {
        Machine::I386 => &CLASS32,
        Machine::X86_64 => &CLASS64,
    }
}

/// One program header.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) offset: u64,
    pub(crate) address: u64,
    pub(crate) file_size: u64,
    pub(crate) memory_size: u64,
    pub(crate) align: u64,
}

/// The length of what [`head`] returns for so many segments.
pub(crate) fn head_length(machine: Machine, segments: u64) -> u64 {
    let class = class(machine);
    let sections = u64::from(segments >= u64::from(PN_XNUM));
    (class.header + segments * class.program_header + sections * class.section_header)
        .next_multiple_of(16)
}

/// ELF header, program headers, section header 0 if there are too many of those for `e_phnum`,
/// and zeros up to the next multiple of 16.
pub(crate) fn head(machine: Machine, segments: &[Segment]) -> Vec<u8> {
    let class = class(machine);
    let length = head_length(machine, segments.len() as u64);
    let mut out = Head {
        machine,
        bytes: Vec::with_capacity(length as usize),
    };
    let count = u16::try_from(segments.len())
        .ok()
        .filter(|&count| count < PN_XNUM);
    let sections_offset = class.header + segments.len() as u64 * class.program_header;

    out.bytes
        .extend([0x7f, b'E', b'L', b'F', class.ident, 1, 1, 0]);
    out.bytes.extend([0; 8]);
    out.u16(ET_CORE);
    out.u16(class.machine);
    out.u32(1); // e_version
    out.word(0); // e_entry
    out.word(class.header); // e_phoff
    out.word(if count.is_some() { 0 } else { sections_offset });
    out.u32(0); // e_flags
    out.u16(class.header as u16);
    out.u16(class.program_header as u16);
    out.u16(count.unwrap_or(PN_XNUM));
    out.u16(if count.is_some() {
        0
    } else {
        class.section_header as u16
    });
    out.u16(u16::from(count.is_none())); // e_shnum
    out.u16(0); // e_shstrndx

    for segment in segments {
        out.segment(segment);
    }
    if count.is_none() {
        out.u32(0); // sh_name
        out.u32(0); // sh_type
        out.word(0); // sh_flags
        out.word(0); // sh_addr
        out.word(0); // sh_offset
        out.word(1); // sh_size: the number of section headers
        out.u32(0); // sh_link: the index of the string table, none
        out.u32(segments.len() as u32); // sh_info: the number of program headers
        out.word(0); // sh_addralign
        out.word(0); // sh_entsize
    }
    out.bytes.resize(length as usize, 0);
    out.bytes
}

struct Head {
    machine: Machine,
    bytes: Vec<u8>,
}

impl Head {
    fn u16(&mut self, value: u16) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn word(&mut self, value: u64) {
        match self.machine {
            Machine::I386 => self.u32(value as u32),
            Machine::X86_64 => self.bytes.extend(value.to_le_bytes()),
        }
    }

    fn segment(&mut self, segment: &Segment) {
        self.u32(segment.kind);
        if self.machine == Machine::X86_64 {
            self.u32(segment.flags);
        }
        self.word(segment.offset);
        self.word(segment.address);
        self.word(0); // p_paddr
        self.word(segment.file_size);
        self.word(segment.memory_size);
        if self.machine == Machine::I386 {
            self.u32(segment.flags);
        }
        self.word(segment.align);
    }
}
