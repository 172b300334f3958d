//! What can go wrong with an image, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::elf::ET_CORE;
use crate::model::{FileOffset, ObjectId, PageOf};
use crate::{Digest, FORMAT_VERSION, Fingerprint, Flaw, OLDEST_VERSION};

/// An image that cannot be read, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct ImageError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

/// A rule of the image format that a file breaks.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file cannot be opened.
    #[error("cannot open the image: {0}")]
    Open(io::Error),
    /// A read failed.
    #[error("cannot read {length} bytes at {offset}: {error}")]
    Read {
        /// Where.
        offset: FileOffset,
        /// How much.
        length: u64,
        /// What the operating system said.
        error: io::Error,
    },
    /// A directory, a device, a pipe.
    #[error("not a regular file")]
    NotAFile,
    /// The file does not begin as ELF files do.
    #[error("not an ELF file: begins with {found:02x?}, not with 7f 45 4c 46")]
    NotElf {
        /// Its first bytes, at most four.
        found: Vec<u8>,
    },
    /// A class or machine that no saved kernel has, or one that does not go with the other.
    #[error(
        "ELF class {class} with machine {machine}; images have class 1 with 3 (i386) or class 2 with 62 (x86-64)"
    )]
    Machine {
        /// `e_ident[EI_CLASS]`.
        class: u8,
        /// `e_machine`, read as little-endian.
        machine: u16,
    },
    /// Not little-endian.
    #[error("ELF data encoding {found}; images have 1, little-endian")]
    Endianness {
        /// `e_ident[EI_DATA]`.
        found: u8,
    },
    /// An ELF file, but not a core file.
    #[error("ELF type {found}; images have {ET_CORE}, a core file")]
    NotACore {
        /// `e_type`.
        found: u16,
    },
    /// A core file of another making.
    #[error("a core file, but not an image: its first note is not a KCONV identity")]
    NotAnImage,
    /// An image of another version of the format.
    #[error(
        "image format version {found}; this program reads versions {OLDEST_VERSION} to {FORMAT_VERSION}"
    )]
    Version {
        /// The version of the image.
        found: u32,
    },
    /// A value kept in an image of version 1, of which that does not say which conversion kept it.
    #[error(
        "remainder {entry} is of the layout {layout}, and {steps} conversions can have kept it; version 1 of the format does not say which"
    )]
    KeptBy {
        /// The entry.
        entry: usize,
        /// The layout that it is said to have stood in.
        layout: Fingerprint,
        /// Number of conversions from that layout after which values can be left.
        steps: usize,
    },
    /// Most of the file is holes.
    #[error(
        "{what} would end at {end}, but {there} bytes of the file are there, and the rest is holes"
    )]
    Holes {
        /// What is too long.
        what: &'static str,
        /// Where it would end, in bytes.
        end: u64,
        /// How many bytes of the file are there.
        there: u64,
    },
    /// The file ends too early.
    #[error("truncated: the file is {length} bytes long, but {what} would end at {needed}")]
    Truncated {
        /// What does not fit.
        what: &'static str,
        /// Length of the file in bytes.
        length: u64,
        /// The least length that would do.
        needed: u64,
    },
    /// The file goes on after its end.
    #[error("the file is {length} bytes long, but the image ends at {end}")]
    TooLong {
        /// Length of the file in bytes.
        length: u64,
        /// Where it should end.
        end: u64,
    },
    /// The program headers leave no room for the notes, or the other way around.
    #[error("the notes begin at {notes}, before the end of the program headers at {headers:#x}")]
    NotesInHeaders {
        /// Where the notes begin.
        notes: FileOffset,
        /// Where the program headers end.
        headers: u64,
    },
    /// Somebody wrote to the file while it was in use.
    #[error("bytes {offset} to {end} were changed after their signature was checked")]
    Changed {
        /// Where the block begins of which they are.
        offset: FileOffset,
        /// Where it ends.
        end: FileOffset,
    },
    /// A part of the file is not what was written.
    #[error("{part} are damaged: BLAKE3 {found}, recorded is {expected}")]
    Digest {
        /// Which part.
        part: &'static str,
        /// The digest of the bytes.
        found: Digest,
        /// The digest in the image.
        expected: Digest,
    },
    /// A byte before the objects is not what the object index makes of it.
    #[error(
        "{part} at {offset} disagrees with the object index: {found:02x} instead of {expected:02x}"
    )]
    Header {
        /// ELF header, program headers, or section header.
        part: &'static str,
        /// Where the byte is.
        offset: FileOffset,
        /// What stands there.
        found: u8,
        /// What should.
        expected: u8,
    },
    /// The program headers are fewer or more than the index makes.
    #[error("the objects begin at {found}, but by the object index at {expected}")]
    HeaderLength {
        /// Where they begin by the ELF header.
        found: FileOffset,
        /// Where they should.
        expected: FileOffset,
    },
    /// Notes lie elsewhere than the index says.
    #[error("the notes begin at {found}, but by the object index at {expected}")]
    NotesPosition {
        /// Where they begin by the program header.
        found: FileOffset,
        /// Where they should.
        expected: FileOffset,
    },
    /// Padding that is not zero.
    #[error("padding at {offset} is {found:02x}, not 00")]
    Padding {
        /// Where.
        offset: FileOffset,
        /// What stands there.
        found: u8,
    },
    /// A note does not fit the note area.
    #[error("the note at {offset} needs {needed} bytes; the note area has {left} left")]
    NoteSize {
        /// Where the note begins.
        offset: FileOffset,
        /// Length of it with its header, or of the header.
        needed: u64,
        /// Length of the rest of the note area.
        left: u64,
    },
    /// A note stands where another one belongs.
    #[error("the note at {offset} is {found}; here belongs {expected}")]
    NoteOrder {
        /// Where the note begins.
        offset: FileOffset,
        /// Owner and type of the note.
        found: String,
        /// Name of the note that belongs there.
        expected: &'static str,
    },
    /// A note's owner is not a string closed by NUL.
    #[error("the owner of the note at {offset} is not text closed by one NUL")]
    NoteOwner {
        /// Where the note begins.
        offset: FileOffset,
    },
    /// A field runs past the end of its note.
    #[error("{note} at {offset}: {needed} bytes are wanted, {left} are left in the note")]
    NoteEnds {
        /// Name of the note.
        note: &'static str,
        /// Where the field begins.
        offset: FileOffset,
        /// Its length.
        needed: u64,
        /// What is left.
        left: u64,
    },
    /// A note goes on after its last field.
    #[error("{note} at {offset}: {left} bytes are left after the last field")]
    NoteRest {
        /// Name of the note.
        note: &'static str,
        /// Where its last field ends.
        offset: FileOffset,
        /// What is left.
        left: u64,
    },
    /// A list counts more elements than its note can hold.
    #[error("{note} at {offset}: a list of {count} elements, but {left} bytes hold at most {room}")]
    Count {
        /// Name of the note.
        note: &'static str,
        /// Where the count stands.
        offset: FileOffset,
        /// The count.
        count: u32,
        /// What is left of the note.
        left: u64,
        /// How many elements fit in there at the least length of one.
        room: u64,
    },
    /// A string is not UTF-8.
    #[error("{note} at {offset}: the string is not UTF-8")]
    Text {
        /// Name of the note.
        note: &'static str,
        /// Where the string begins.
        offset: FileOffset,
    },
    /// A number stands for nothing.
    #[error("{note} at {offset}: {found} is no {what}")]
    Unknown {
        /// Name of the note.
        note: &'static str,
        /// Where the number stands.
        offset: FileOffset,
        /// What it should name.
        what: &'static str,
        /// The number.
        found: u32,
    },
    /// Lists in lists in lists.
    #[error("{note} at {offset}: lists nested too deep")]
    Depth {
        /// Name of the note.
        note: &'static str,
        /// Where the innermost list begins.
        offset: FileOffset,
    },
    /// The parts do not go together.
    #[error("{0}")]
    Flaw(Flaw),
    /// An object was asked for that the image does not have.
    #[error("there is no object {}: the image has {count}", object.0)]
    NoObject {
        /// The object.
        object: ObjectId,
        /// Number of objects.
        count: usize,
    },
}

impl ImageError {
    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        match &self.fault {
            Fault::Open(error) if error.kind() == io::ErrorKind::NotFound => {
                "check the name of the image"
            }
            Fault::Open(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                "images are readable by their owner alone; become the user who made it, or root"
            }
            Fault::Open(_) | Fault::Read { .. } => {
                "check the disk and the file system that hold the image"
            }
            Fault::NotAFile => "give the path of an image file; an image cannot come from a pipe",
            Fault::NotElf { .. }
            | Fault::Endianness { .. }
            | Fault::NotACore { .. }
            | Fault::NotAnImage => "is this an image? `kconv freeze` makes them",
            Fault::Machine { .. } => "this program knows tasks of i386 and x86-64 kernels alone",
            Fault::Version { .. } | Fault::KeptBy { .. } => {
                "use a kconv of the release that wrote the image, or freeze the tasks again with this one"
            }
            Fault::Holes { .. } => {
                "if it is a real image that was copied to few blocks, say --sparse, or copy it without holes"
            }
            Fault::Truncated { .. } | Fault::TooLong { .. } => {
                "fetch the image again from where it was made, and compare the lengths"
            }
            Fault::Digest { .. } => {
                "the image was damaged or edited after it was written; use another copy"
            }
            Fault::Changed { .. } => {
                "see who writes to it; keep images where their owner alone may write"
            }
            Fault::NoObject { .. } => "`kconv inspect` lists the objects of an image",
            Fault::NotesInHeaders { .. }
            | Fault::Header { .. }
            | Fault::HeaderLength { .. }
            | Fault::NotesPosition { .. }
            | Fault::Padding { .. }
            | Fault::NoteSize { .. }
            | Fault::NoteOrder { .. }
            | Fault::NoteOwner { .. }
            | Fault::NoteEnds { .. }
            | Fault::NoteRest { .. }
            | Fault::Count { .. }
            | Fault::Text { .. }
            | Fault::Unknown { .. }
            | Fault::Depth { .. }
            | Fault::Flaw(_) => {
                "the program that wrote this image broke the format: report it to its makers, with this message"
            }
        }
    }
}

/// An image that could not be written, and why. The destination is as it was before, unless it is
/// [`WriteError::NotDurable`].
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The directory of the destination does not take a new file.
    #[error("{}: cannot write into this directory: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The destination exists and is a directory, a device, a socket.
    #[error("{}: not a regular file, so it is not replaced", path.display())]
    NotAFile {
        /// The destination.
        path: PathBuf,
    },
    /// A symbolic link on the way to the destination that somebody else may have put there.
    #[error("{}: the symbolic link {} is not followed: {why}", path.display(), link.display())]
    Planted {
        /// The destination.
        path: PathBuf,
        /// The link.
        link: PathBuf,
        /// Whose it may be.
        why: String,
    },
    /// The file is in its place, and its folder cannot be flushed.
    #[error(
        "{}: the new file is in its place, but may not be there after a crash: cannot flush the folder: {source}",
        path.display()
    )]
    NotDurable {
        /// The destination.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file system does not take the file.
    #[error("{}: cannot write the image: {source}", path.display())]
    Write {
        /// The destination.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The image that pages are copied from cannot be read.
    #[error("cannot copy user pages: {source}")]
    Source {
        /// Which image, and why.
        source: ImageError,
    },
    /// The pages that were written are not those that were read.
    #[error("{}: the user pages that were written have BLAKE3 {found}, those they were copied from {expected}", path.display())]
    CopiedPages {
        /// The destination.
        path: PathBuf,
        /// What is in the file.
        found: Digest,
        /// What was copied.
        expected: Digest,
    },
    /// A page was not to be had.
    #[error("cannot get {of}: {source}")]
    Page {
        /// Which.
        of: PageOf,
        /// Why.
        source: io::Error,
    },
    /// An object has another size than declared, or is one too many.
    #[error(
        "{}: object {object} is {found} bytes long, but {}", path.display(),
        declared.map_or_else(|| "was not declared".to_owned(), |size| format!("was declared as {size}"))
    )]
    ObjectSize {
        /// The destination.
        path: PathBuf,
        /// Which object.
        object: usize,
        /// The size in the index, if the index has the object.
        declared: Option<u64>,
        /// The size of what was given.
        found: usize,
    },
    /// The image was finished too early.
    #[error("{}: {given} of {declared} objects were given", path.display())]
    MissingObjects {
        /// The destination.
        path: PathBuf,
        /// Number of objects given.
        given: usize,
        /// Number of objects declared.
        declared: usize,
    },
    /// Sizes, addresses or runs changed between start and end.
    #[error("{}: the head has other objects or page runs than the image was started with", path.display())]
    OtherHead {
        /// The destination.
        path: PathBuf,
    },
    /// The image to copy pages from has more or fewer of them.
    #[error("{}: the page runs take {expected} bytes, the page area to copy has {found}", path.display())]
    PageArea {
        /// The destination.
        path: PathBuf,
        /// By the runs of the head.
        expected: u64,
        /// By the image to copy from.
        found: u64,
    },
    /// Runs that are streamed do not follow one another.
    #[error(
        "{}: {first} has position {found:#x}, but comes at {expected:#x}",
        path.display()
    )]
    RunPosition {
        /// The destination.
        path: PathBuf,
        /// The first page of the run.
        first: PageOf,
        /// Where its pages come.
        expected: u64,
        /// Where it says they are.
        found: u64,
    },
    /// What was made is no image.
    #[error("what was made cannot be read: {source}")]
    ReadBack {
        /// Why not.
        source: Box<ImageError>,
    },
    /// The parts do not go together.
    #[error("{}: {flaw}", path.display())]
    Flaw {
        /// The destination.
        path: PathBuf,
        /// What does not.
        flaw: Flaw,
    },
}

impl WriteError {
    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            WriteError::Directory { source, .. } | WriteError::Write { source, .. } => {
                io_advice(source)
            }
            WriteError::Planted { .. } => {
                "name the file itself that is to be written, and write where nobody else may"
            }
            WriteError::NotDurable { .. } => {
                "check the disk and the file system, and see that the file is whole (kconv verify) before you rely on it"
            }
            WriteError::NotAFile { .. } => "choose the path of a file for the output",
            WriteError::Source { source } => source.advice(),
            WriteError::CopiedPages { .. } => {
                "check the disk and the memory of this machine: what it writes it does not read again"
            }
            WriteError::Page { .. } => "check the source of the pages, and start again",
            WriteError::Flaw {
                flaw: Flaw::FileSize | Flaw::NoteSize { .. } | Flaw::ListSize { .. },
                ..
            } => "freeze fewer tasks into one image",
            WriteError::ObjectSize { .. }
            | WriteError::MissingObjects { .. }
            | WriteError::OtherHead { .. }
            | WriteError::PageArea { .. }
            | WriteError::RunPosition { .. }
            | WriteError::ReadBack { .. }
            | WriteError::Flaw { .. } => "this is a fault of kconv: please report it",
        }
    }
}

fn io_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => {
            "free some space there, or choose another file system for the output"
        }
        io::ErrorKind::QuotaExceeded => {
            "raise the quota, or choose another file system for the output"
        }
        io::ErrorKind::FileTooLarge => {
            "raise the file size limit (ulimit -f), or choose a file system for larger files"
        }
        io::ErrorKind::PermissionDenied => {
            "choose a directory that you may write to for the output"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "this file system is read-only; choose another one for the output"
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            "create the directory first, or check its name"
        }
        _ => "check the disk and the file system of the output",
    }
}
