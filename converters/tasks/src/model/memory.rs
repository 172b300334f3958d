//! An address space: its bounds and its mappings.

use super::scheduling::MemoryPolicy;
use kconv_image::{ObjectId, PAGE_SIZE};
use kconv_objects::{FieldError, Saved, Structure};
use kernel_structs_bits::little_endian;

/// Where the parts of a program lie, as `struct prctl_mm_map` has them (`include/uapi/linux/prctl.h`).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of mm_struct")]
pub struct Bounds {
    pub start_code: u64,
    pub end_code: u64,
    pub start_data: u64,
    pub end_data: u64,
    pub start_brk: u64,
    pub brk: u64,
    pub start_stack: u64,
    pub arg_start: u64,
    pub arg_end: u64,
    pub env_start: u64,
    pub env_end: u64,
}

/// A mapping (`struct vm_area_struct`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// Past its last.
    pub end: u64,
    /// `VM_` flags.
    pub flags: u64,
    /// Where it begins in its file, in pages; of one without a file, in nothing.
    pub page_offset: u64,
    /// The `struct file` that is mapped.
    pub file: Option<ObjectId>,
    /// Its protection key; 0 for none.
    pub key: u32,
    /// Whether it may be changed no more (mseal).
    pub sealed: bool,
    /// Whether the kernel may empty it when memory is short (MAP_DROPPABLE).
    pub droppable: bool,
    /// Whether it is one of those that the kernel maps into each program (`mm/mmap.c`:
    /// _install_special_mapping): the vDSO and what that reads.
    pub special: bool,
    /// Memory policy, if one was set.
    pub policy: Option<MemoryPolicy>,
}

/// Of the rest of an `mm_struct` what is state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// Its bounds.
    pub bounds: Bounds,
    /// The auxiliary vector, as the kernel gave it.
    pub auxv: Vec<u8>,
    /// The `struct file` of the program.
    pub program: Option<ObjectId>,
    /// Bits of `mm_struct.flags`.
    pub flags: u64,
    /// `VM_` flags that new mappings begin with: whether they are locked (mlockall(2), MCL_FUTURE).
    pub new_mappings: u64,
    /// The protection keys that a program was given, one bit each. The one for memory that may only be
    /// executed is the kernel's, and given again with that memory.
    pub keys: u32,
    /// Its segments (LDT): descriptors of 8 bytes each, as the CPU takes them.
    pub segments: Vec<u64>,
}

/// The bits of a protection key in `vm_area_struct.vm_flags`, from the lowest on; the CPU has four
/// (`arch/x86/include/asm/pkeys.h`: vma_pkey).
const KEY_BITS: [&str; 4] = [
    "VM_PKEY_BIT0",
    "VM_PKEY_BIT1",
    "VM_PKEY_BIT2",
    "VM_PKEY_BIT3",
];

impl Bounds {
    /// Their names, in the order of `struct prctl_mm_map`.
    pub const NAMES: [&'static str; 11] = [
        "start_code",
        "end_code",
        "start_data",
        "end_data",
        "start_brk",
        "brk",
        "start_stack",
        "arg_start",
        "arg_end",
        "env_start",
        "env_end",
    ];

    /// Those of an `mm_struct`.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn of<B: AsRef<[u8]>>(mm: &Structure<'_, B>) -> Result<Bounds, FieldError> {
        Ok(Bounds {
            start_code: mm.unsigned("start_code")?,
            end_code: mm.unsigned("end_code")?,
            start_data: mm.unsigned("start_data")?,
            end_data: mm.unsigned("end_data")?,
            start_brk: mm.unsigned("start_brk")?,
            brk: mm.unsigned("brk")?,
            start_stack: mm.unsigned("start_stack")?,
            arg_start: mm.unsigned("arg_start")?,
            arg_end: mm.unsigned("arg_end")?,
            env_start: mm.unsigned("env_start")?,
            env_end: mm.unsigned("env_end")?,
        })
    }

    /// In the order of [`Bounds::NAMES`].
    pub fn in_order(&self) -> [u64; 11] {
        [
            self.start_code,
            self.end_code,
            self.start_data,
            self.end_data,
            self.start_brk,
            self.brk,
            self.start_stack,
            self.arg_start,
            self.arg_end,
            self.env_start,
            self.env_end,
        ]
    }
}

impl Space {
    /// What an `mm_struct` says.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(mm: &Saved<'_>) -> Result<Space, FieldError> {
        let program = mm.follow("exe_file")?;
        let keys = mm.unsigned("context.pkey_allocation_map")? as u32;
        Ok(Space {
            bounds: Bounds::of(mm)?,
            auxv: mm.bytes("saved_auxv")?.to_vec(),
            program: program.map(|file| file.id()),
            flags: mm.unsigned("flags.__mm_flags[0]|flags")?,
            new_mappings: mm.unsigned("def_flags")?,
            keys: match mm.int("context.execute_only_pkey")? {
                key @ 1..=15 => keys & !(1 << key),
                _ => keys,
            },
            segments: segments(mm)?,
        })
    }
}

impl Space {
    /// Types and values of the auxiliary vector, without the closing AT_NULL.
    pub fn auxiliary_vector(&self) -> Vec<[u64; 2]> {
        auxiliary_vector(&self.auxv)
    }
}

/// Types and values of an auxiliary vector, without the closing AT_NULL (`fs/proc/base.c`: proc_pid_auxv).
pub fn auxiliary_vector(saved: &[u8]) -> Vec<[u64; 2]> {
    let pairs = saved.chunks_exact(16);
    let pairs = pairs.map(|pair| [little_endian(&pair[..8]), little_endian(&pair[8..])]);
    pairs.take_while(|[ty, _]| *ty != 0).collect()
}

/// The LDT of an `mm_struct`, if a program has written one.
fn segments(mm: &Saved<'_>) -> Result<Vec<u64>, FieldError> {
    const DESCRIPTOR: u64 = 8;
    // LDT_ENTRIES (arch/x86/include/uapi/asm/ldt.h).
    const MOST: u64 = 8192;
    let Some(ldt) = mm.follow("context.ldt")? else {
        return Ok(Vec::new());
    };
    let count = ldt.unsigned("nr_entries")?;
    if count > MOST {
        return Err(ldt.absurd("nr_entries", count, "an LDT has 8192 entries at most"));
    }
    let entries = ldt.bytes_at("entries", DESCRIPTOR * count)?;
    let entries = entries.chunks_exact(DESCRIPTOR as usize);
    Ok(entries.map(little_endian).collect())
}

impl Mapping {
    /// What a `vm_area_struct` says.
    ///
    /// # Errors
    /// If it cannot be read, or is not one or more whole pages.
    pub fn of(vma: &Saved<'_>) -> Result<Mapping, FieldError> {
        let (start, end) = (vma.unsigned("vm_start")?, vma.unsigned("vm_end")?);
        if !start.is_multiple_of(PAGE_SIZE) || !end.is_multiple_of(PAGE_SIZE) || start >= end {
            return Err(vma.absurd("vm_end", end, "a mapping is one or more whole pages"));
        }
        let flags = vma.unsigned("vm_flags")?;
        // A kernel that has no name for a flag has no such mappings.
        let has = |name: &str| {
            let bit = vma.names().constant(name);
            bit.is_some_and(|bit| flags & bit as u64 != 0)
        };
        let bits = (0..).zip(KEY_BITS);
        Ok(Mapping {
            start,
            end,
            flags,
            page_offset: vma.unsigned("vm_pgoff")?,
            file: vma.follow("vm_file")?.map(|file| file.id()),
            key: bits
                .map(|(place, name)| u32::from(has(name)) << place)
                .sum(),
            sealed: has("VM_SEALED"),
            droppable: has("VM_DROPPABLE"),
            special: vma.symbol_name("vm_ops")? == Some("special_mapping_vmops"),
            policy: MemoryPolicy::of(vma, "vm_policy")?,
        })
    }
}
