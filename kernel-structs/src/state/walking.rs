//! What the walk has to know beyond the meaning of pointers: lists and trees, how large an object
//! is, which part of it is in use.
//!
//! None of this changes what becomes of the bytes of a member; that is said by its rule.

/// Lists that begin in an object on a root's ring, and whose elements are roots as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threads {
    /// Way from the object to the `list_head` that heads the list; it may go through pointers
    /// (`signal.thread_head`).
    pub head: String,
    /// The `list_head` in each element by which it is on the list.
    pub link: String,
}

/// A list or a tree that begins in a member, with elements saved with the owner.
///
/// Which kind of container it is follows from the type of the member: `list_head`, `hlist_head`,
/// `rb_root`, `rb_root_cached` or `maple_tree`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Type of the elements.
    pub element: String,
    /// Member of an element by which it is in the container; `None` for a maple tree, which
    /// points at its elements.
    pub link: Option<String>,
    /// Why the elements are saved.
    pub reason: String,
}

/// Where a number is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// In a member beside the one with the rule, or of the type itself.
    Member(String),
    /// In an `unsigned int` variable of the kernel image.
    Variable(String),
}

impl Number {
    /// The name of the member or variable.
    pub fn name(&self) -> &str {
        match self {
            Number::Member(name) | Number::Variable(name) => name,
        }
    }
}

/// How many elements, or bits, an array has: a number found in memory, divided by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The number.
    pub of: Number,
    /// What it is divided by, rounded up; at least 1.
    pub divide: u64,
}

/// How many bytes an object has, where that is not the size of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// The number of bytes.
    pub of: Number,
    /// A member at whose offset those bytes begin; `None` if they are the whole object.
    pub from: Option<String>,
}

/// A number of which every CPU holds a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// Member beside it with the per-CPU pointer at the parts.
    pub percpu: String,
    /// Why number and parts together are the value.
    pub reason: String,
}

/// A member that is in use only while another member points at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// The pointer.
    pub live: String,
    /// Why it is stale otherwise.
    pub reason: String,
}

/// A member of a union, and the values of another member that say that it is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The member, by its path; it may be in an unnamed union.
    pub live: String,
    /// The member that tells.
    pub when: String,
    /// Its telling values.
    pub is: Telling,
    /// Why.
    pub reason: String,
}

/// Values of a member that tell which member of a union is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Telling {
    /// It points at one of these symbols of the kernel image.
    Symbols(Vec<String>),
    /// It is one of these numbers.
    Numbers(Vec<i64>),
    /// It is below zero.
    Negative,
    /// It is nothing that an earlier choice names.
    Other,
}
