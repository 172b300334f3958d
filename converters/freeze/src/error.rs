//! What can stop a freeze.

use crate::judge::{Judgement, Unjudged};
use crate::source::ReadError;
use kconv_codes::Code;
use kconv_image::{Escaped, KernelAddr, TaskName, TaskNames, UserAddr, WriteError};
use kconv_objects::FieldError;
use std::fmt;

/// A freeze that made no image, and why.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// There is no code for the kernel family.
    #[error("kernels of the family {family} cannot be frozen; {known} can")]
    UnknownFamily {
        /// The family of the state map.
        family: String,
        /// The families known.
        known: &'static str,
    },
    /// The state map is not for the machine.
    #[error("the state map of {family} is not for {machine}")]
    Machine {
        /// The family.
        family: String,
        /// The machine.
        machine: &'static str,
    },
    /// Nobody knows how long a tick is.
    #[error("the source does not tell the kernel's HZ")]
    NoTickRate,
    /// The kernel counts in other ticks than the release that it calls itself.
    #[error("the kernel has {found} ticks a second, and {release} has {expected}")]
    OtherTicks {
        /// The release.
        release: String,
        /// Ticks a second in memory.
        found: u32,
        /// Ticks a second of the registered release.
        expected: u32,
    },
    /// The state has parts that an image cannot hold. All of them are listed.
    #[error("{}", list(.0))]
    Refused(Vec<Finding>),
    /// Whether the image could be thawed is not known.
    #[error(transparent)]
    Unjudged(#[from] Unjudged),
    /// The image could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl FreezeError {
    /// What the user can do about it; for findings see [`Finding::advice`].
    pub fn advice(&self) -> &'static str {
        match self {
            FreezeError::UnknownFamily { .. }
            | FreezeError::Machine { .. }
            | FreezeError::OtherTicks { .. } => "name the release of the kernel that was running",
            FreezeError::NoTickRate => "take the dump with its HZ noted",
            FreezeError::Refused(_) => "no image was written; each finding says what can be done",
            FreezeError::Unjudged(_) => "this is a fault of kconv; please report it",
            FreezeError::Write(error) => error.advice(),
        }
    }
}

pub(crate) fn list(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    lines.join("\n")
}

/// One thing in a kernel's memory that cannot be saved.
#[derive(Debug)]
pub struct Finding {
    /// Where it is.
    pub place: Place,
    /// What is wrong.
    pub flaw: Flaw,
}

/// A place in a kernel's memory, in words a kernel engineer would use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The task through which the object was reached, if any.
    pub task: Option<TaskName>,
    /// Type of the object.
    pub ty: String,
    /// Address of the object, if it has one.
    pub at: Option<KernelAddr>,
    /// Path of the field; empty for the object itself.
    pub field: String,
    /// Value of the field.
    pub value: Option<u64>,
}

impl Place {
    /// The object: its type and address; nothing if the place is none.
    pub fn object(&self) -> String {
        match self.at {
            Some(at) => format!("{} at {at}", self.ty),
            None => self.ty.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", TaskNames(self.task.as_slice()), self.object())?;
        if !self.field.is_empty() {
            write!(f, ", field {}", self.field)?;
        }
        match self.value {
            Some(value) => write!(f, " = {value:#x}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", TaskNames(self.tasks()), self.text())
    }
}

/// What is wrong at a [`Place`].
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// A value cannot be had.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The symbol at which the walk should start is not known.
    #[error("the symbol {symbol}, where the walk starts, is not known")]
    NoRoot {
        /// The symbol.
        symbol: String,
    },
    /// The ring of tasks does not come back to where it began.
    #[error("the ring leads back to an object that is not its first, {first}")]
    OpenRing {
        /// The first object.
        first: KernelAddr,
    },
    /// The ring of tasks ends.
    #[error("the ring ends here; it should lead back to {first}")]
    EndOfRing {
        /// The first object.
        first: KernelAddr,
    },
    /// More tasks than there can be.
    #[error("there are more than {limit} objects on the ring")]
    LongRing {
        /// The most there can be.
        limit: usize,
    },
    /// The task where the ring begins is not the idle task.
    #[error("the first task has number {pid}, and the idle task has 0")]
    NotIdle {
        /// Its number.
        pid: i64,
    },
    /// A task's number is none.
    #[error("{pid} is no number of a task; they are 1 to {most}")]
    NoPid {
        /// What stands there.
        pid: i64,
        /// The most there can be.
        most: i64,
    },
    /// Two tasks have one number.
    #[error("another task has the number {pid}, too")]
    PidTwice {
        /// The number.
        pid: i64,
    },
    /// There is no such process.
    #[error("there is no process {pid}")]
    NoProcess {
        /// Its id.
        pid: i64,
    },
    /// A list that should be closed ends.
    #[error("the list ends; it should lead back to its head")]
    EndOfList,
    /// A list or a tree has more elements than there can be.
    #[error("there are more than {limit} elements")]
    LongList {
        /// The most there can be.
        limit: u64,
    },
    /// A tree is higher than one can be.
    #[error("the tree is higher than {limit} levels")]
    Height {
        /// The most there can be.
        limit: usize,
    },
    /// A tree leads to something that is no node of it.
    #[error("{found:#x} is no pointer at a node of the tree")]
    NotANode {
        /// What stands in the place of one.
        found: u64,
    },
    /// An object has no bytes, or more than any.
    #[error("{of} says {size} bytes, and {most} are the most there can be")]
    Size {
        /// The member or variable that says it.
        of: String,
        /// What it says.
        size: u64,
        /// The most there can be.
        most: u64,
    },
    /// A list leads to an object that it, or another, has been through.
    #[error("the list leads to an object that is already on a list")]
    Loop,
    /// An array is shorter than nothing or longer than any.
    #[error("{member} says {count} {unit}, and {limit} are the most there can be")]
    Count {
        /// The member beside the pointer that has the number.
        member: String,
        /// What the kernel's memory says.
        count: i64,
        /// What is counted.
        unit: &'static str,
        /// The most there can be.
        limit: u64,
    },
    /// Two objects claim the same memory.
    #[error("{ty} of {size} bytes would overlap {other} at {at}")]
    Overlap {
        /// The type that should be there.
        ty: String,
        /// Its size.
        size: u64,
        /// The type that was found there first.
        other: String,
        /// Where that begins.
        at: KernelAddr,
    },
    /// More objects than any machine has.
    #[error("more than {limit} objects were reached")]
    TooManyObjects {
        /// The most that are saved.
        limit: usize,
    },
    /// A pointer nobody said anything about.
    #[error("the state map has no policy for this pointer")]
    NoPolicy,
    /// A rule that needs a pointer stands at something else.
    #[error(
        "the state map has policy `{policy}` here, but this is no pointer or number of its size"
    )]
    NotAPointer {
        /// The policy.
        policy: &'static str,
    },
    /// A followed pointer leads to a type that is not saved.
    #[error("the state map follows this pointer, but does not save {ty}")]
    NotSaved {
        /// What the pointer is declared to point at.
        ty: String,
    },
    /// A pointer into the kernel image that belongs to no known symbol.
    #[error("this should point into the kernel image, but no known symbol is there")]
    NoSymbol,
    /// State that an image has no place for, or that a thaw could not make again.
    #[error("{what} cannot be carried")]
    NotCarried {
        /// Its kind.
        code: Code,
        /// What it is.
        what: String,
    },
    /// What is in a file cannot be had, or not be brought to its disk.
    #[error("{name} cannot be {step}: {source}")]
    File {
        /// The file.
        name: String,
        /// What was done with it.
        step: &'static str,
        /// Why not.
        source: ReadError,
    },
    /// A pipe that others have open as well.
    #[error("{pipe} is {other} by others, who are not frozen with it ({count} of its ends)")]
    OtherEnd {
        /// The pipe.
        pipe: String,
        /// What they do with it.
        other: &'static str,
        /// How many of its ends they have.
        count: u64,
    },
    /// A namespace other than those that the machine starts with.
    #[error("{} {kind} namespace of its own ({number}) cannot be carried{}", article(kind), reached(*with))]
    Namespace {
        /// Its kind.
        kind: String,
        /// Its number, as `/proc/PID/ns` shows it.
        number: u64,
        /// How many findings are counted with it, because they are only of what is in it.
        with: usize,
    },
    /// Something in a mount namespace other than that of the first process.
    #[error("{} in mount namespace {number} cannot be carried", Escaped(path))]
    InNamespace {
        /// Its path from the root of all mounts there.
        path: String,
        /// The number of the namespace.
        number: u64,
    },
    /// Another process traces the task.
    #[error("being traced{} cannot be carried{}", tracer.as_ref().map_or(String::new(), |by| format!(" by {by}")), of_threads(*threads))]
    Traced {
        /// The process it is of.
        process: i64,
        /// The tracer.
        tracer: Option<TaskName>,
        /// How many threads of the process it is said of.
        threads: usize,
    },
    /// The task does not come out of the kernel.
    #[error("it does not stop (state {state}); it waits inside the kernel")]
    Stuck {
        /// Its state, as ps shows it.
        state: char,
    },
    /// The task waits for a child that has its memory.
    #[error("it waits in a vfork until its child, {child}, calls execve or ends")]
    WaitsInVfork {
        /// The child.
        child: TaskName,
    },
    /// A thaw would refuse it.
    #[error("{}", .0.text)]
    NotThawed(Box<Judgement>),
    /// The end of the task would be seen by others.
    #[error("{what} keeps it from being killed: others would see its end")]
    LeavesTrace {
        /// Its kind.
        code: Code,
        /// By what they would see it.
        what: String,
    },
    /// A resource of a kind that nobody can describe.
    #[error("nobody knows how to describe a resource of kind {kind}")]
    UnknownKind {
        /// The kind.
        kind: String,
    },
    /// The task was running, and the CPU has what was not yet written to memory.
    #[error("the floating-point registers are in the CPU, and what memory has of them is stale")]
    InTheCpu,
    /// A page of user memory that no mapping covers.
    #[error("page {at} is present, but no mapping covers it")]
    StrayPage {
        /// The page.
        at: UserAddr,
    },
}

/// Why a value in a kernel's memory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The memory cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A field cannot be read.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A variable of the kernel is not to be found.
    #[error("the symbol {name} is not known")]
    NoSymbol {
        /// The symbol.
        name: String,
    },
    /// A chain of kernel objects is longer than any can be.
    #[error("the chain of {what} from {at} has more than {limit} links")]
    Chain {
        /// What is chained.
        what: &'static str,
        /// Where it begins.
        at: KernelAddr,
        /// The most there can be.
        limit: usize,
    },
}

impl Fault {
    fn code(&self) -> Code {
        match self {
            Fault::Read(ReadError::Swapped { .. }) => Code::KernelSwapped,
            Fault::Read(
                ReadError::Missing { .. } | ReadError::NoPage { .. } | ReadError::Io(_),
            ) => Code::KernelUnreadable,
            Fault::Field(error) => match error {
                FieldError::NoType { .. }
                | FieldError::NoField { .. }
                | FieldError::Kind { .. } => Code::KernelLayout,
                FieldError::PastEnd { .. } => Code::KernelUnreadable,
                FieldError::Null { .. }
                | FieldError::Dangling { .. }
                | FieldError::OtherType { .. } => Code::KernelNull,
                FieldError::Endless { .. } => Code::KernelList,
                FieldError::Absurd { .. } => Code::KernelSize,
            },
            Fault::NoSymbol { .. } => Code::KernelSymbol,
            Fault::Chain { .. } => Code::KernelList,
        }
    }
}

impl Flaw {
    /// What kind it is of.
    pub fn code(&self) -> Code {
        match self {
            Flaw::Fault(fault) => fault.code(),
            Flaw::NoRoot { .. } | Flaw::NoSymbol => Code::KernelSymbol,
            Flaw::OpenRing { .. }
            | Flaw::EndOfRing { .. }
            | Flaw::LongRing { .. }
            | Flaw::EndOfList
            | Flaw::LongList { .. }
            | Flaw::Loop => Code::KernelList,
            Flaw::NotIdle { .. } | Flaw::NoPid { .. } | Flaw::PidTwice { .. } => Code::KernelPid,
            Flaw::NoProcess { .. } => Code::TaskNone,
            Flaw::Height { .. } | Flaw::NotANode { .. } => Code::KernelTree,
            Flaw::Size { .. } | Flaw::Count { .. } | Flaw::TooManyObjects { .. } => {
                Code::KernelSize
            }
            Flaw::Overlap { .. } => Code::KernelOverlap,
            Flaw::NoPolicy
            | Flaw::NotAPointer { .. }
            | Flaw::NotSaved { .. }
            | Flaw::UnknownKind { .. } => Code::KernelPolicy,
            Flaw::NotCarried { code, .. } | Flaw::LeavesTrace { code, .. } => *code,
            Flaw::File { .. } => Code::FileIo,
            Flaw::OtherEnd { .. } => Code::FdPipeEnd,
            Flaw::Namespace { .. } => Code::NamespaceOwn,
            Flaw::InNamespace { .. } => Code::NamespaceFile,
            Flaw::Traced { .. } => Code::TaskTraced,
            Flaw::Stuck { .. } => Code::TaskStuck,
            Flaw::WaitsInVfork { .. } => Code::TaskVfork,
            Flaw::NotThawed(judgement) => judgement.code,
            Flaw::InTheCpu => Code::TaskRunning,
            Flaw::StrayPage { .. } => Code::MmStrayPage,
        }
    }

    /// Whether it is of state that was read and understood, and cannot be carried; otherwise the
    /// memory could not be made sense of.
    pub(crate) fn is_of_state(&self) -> bool {
        match self {
            Flaw::NotCarried { .. }
            | Flaw::OtherEnd { .. }
            | Flaw::InNamespace { .. }
            | Flaw::LeavesTrace { .. }
            | Flaw::NotThawed(_) => true,
            other => other.is_cause(),
        }
    }

    /// Whether more is wrong because of it.
    pub(crate) fn is_cause(&self) -> bool {
        matches!(
            self,
            Flaw::Namespace { .. }
                | Flaw::Traced { .. }
                | Flaw::Stuck { .. }
                | Flaw::WaitsInVfork { .. }
        )
    }
}

const NO_FIT: &str =
    "the state map does not fit this layout; name the right release, or correct the map";

fn article(kind: &str) -> &'static str {
    match kind.starts_with('i') {
        true => "an",
        false => "a",
    }
}

fn reached(with: usize) -> String {
    match with {
        0 => String::new(),
        1 => ", and with it one file, folder or mapping".to_owned(),
        _ => format!(", and with it {with} files, folders and mappings"),
    }
}

fn of_threads(threads: usize) -> String {
    match threads {
        0 | 1 => String::new(),
        _ => format!(" ({threads} threads)"),
    }
}

impl Finding {
    /// The tasks that it is of.
    pub fn tasks(&self) -> &[TaskName] {
        match &self.flaw {
            Flaw::NotThawed(judgement) => &judgement.tasks,
            _ => self.place.task.as_slice(),
        }
    }

    /// Where and what it is, without the tasks.
    pub fn text(&self) -> String {
        let place = Place {
            task: None,
            ..self.place.clone()
        };
        // A flaw of what was asked for lies at no place.
        match self.place == Place::default() {
            true => self.flaw.to_string(),
            false => format!("{place}: {}", self.flaw),
        }
    }

    /// What the user can do about it.
    pub fn advice(&self) -> &str {
        match &self.flaw {
            Flaw::NoPolicy
            | Flaw::NotAPointer { .. }
            | Flaw::NotSaved { .. }
            | Flaw::UnknownKind { .. } => NO_FIT,
            Flaw::Fault(Fault::Field(error)) if error.is_of_layout() => NO_FIT,
            Flaw::NoRoot { .. } | Flaw::NoSymbol | Flaw::Fault(Fault::NoSymbol { .. }) => {
                "give the symbols of the very kernel that was running"
            }
            Flaw::NoProcess { .. } => {
                "name processes that this kernel has, or had when the dump was made"
            }
            Flaw::NotCarried {
                code: Code::FdUnlinked,
                ..
            } => {
                "let the program close it, or give the file a name; what is mapped of it alone, as of a program or \
                 library that was patched, a freeze with --with-programs keeps"
            }
            Flaw::NotCarried { .. } | Flaw::Namespace { .. } | Flaw::InNamespace { .. } => {
                "let the program give it up before the freeze, or freeze another task"
            }
            Flaw::File { .. } => {
                "see why it cannot be read or written (a full or failing disk, a limit of memory), and try again"
            }
            Flaw::OtherEnd { .. } => {
                "freeze the processes at the other end with it (`kconv freeze --tree`)"
            }
            Flaw::LeavesTrace { .. } => {
                "let the program give it up before the freeze, or freeze the task without killing it"
            }
            Flaw::Traced { .. } => "let the debugger detach first",
            Flaw::Stuck { .. } => "wait until its disk or network answers, and try again",
            Flaw::WaitsInVfork { .. } => {
                "freeze them when the child has called execve or has ended"
            }
            Flaw::NotThawed(judgement) => &judgement.advice,
            Flaw::Fault(Fault::Read(ReadError::Swapped { .. })) => {
                "freeze the running task instead, which brings its memory in"
            }
            Flaw::InTheCpu => "stop the task before its memory is dumped",
            _ => {
                "the memory is damaged, was changing, or is of another release; freeze or dump again and name the right release"
            }
        }
    }
}
