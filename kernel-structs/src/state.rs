//! State maps: which types of a kernel family are saved, and what each of their pointers means.
//!
//! A state map is data that people maintain (`state/*.toml`). It is read strictly: an unknown
//! key, an attribute that does not belong to its policy or a rule without a reason is an error.
//! [`StateMap::check`] holds a map against a layout and reports everything that is stale or
//! missing at once.

mod arms;
mod check;
mod contract;
mod derived;
mod error;
mod indexes;
mod initial;
mod lines;
mod parse;
mod places;
mod refusals;
mod tail;
#[cfg(test)]
mod tests;
mod unnamed;
mod walking;
mod watch;

pub use arms::union_of;
pub use check::StateFinding;
pub use contract::Contract;
pub use derived::{Derived, DerivedPlace};
pub use error::StateError;
pub use indexes::Index;
pub use initial::{SymbolPlace, SymbolSlot};
pub use places::{Go, Governing, Owner, Place, RuleFrom, Visit};
pub use refusals::{Refusal, Refused, RefusedFlags, RefusedPlace};
pub use tail::{Tail, TailPlace};
pub use walking::{Choice, Container, Count, Embedded, Fold, Number, Size, Telling, Threads};
pub use watch::{Ignored, Meaning, Unit, Watch, Watched};

use crate::layout::{CONSTANTS, FieldPath, Layout, Type, TypeId};
use std::collections::BTreeMap;

/// The state map of one kernel family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateMap {
    /// Name of the family, such as `linux-2.4`.
    pub family: String,
    /// Machines it holds for, such as `i386`.
    pub machines: Vec<String>,
    /// What the versions of its kernels begin with, each in whole numbers: `6` is 6.1 and 6.12, and not 60.1. None for a
    /// family that is no kernel.
    pub series: Vec<String>,
    /// Where the walk starts.
    pub roots: Vec<Root>,
    /// Objects found at a place computed from their owner.
    pub derived: Vec<Derived>,
    /// What is said of each type, by tag or typedef name.
    pub types: BTreeMap<String, TypeEntry>,
    /// Rules for the elements of arrays that a follow rule reaches, by element type as written
    /// there (`file *`).
    pub elements: BTreeMap<String, Rule>,
    /// Members read to name resources, of structures that are not saved. `a|b` is whichever of
    /// the two a layout has; a `?` stands behind a type or member that some kernels lack.
    pub walk: BTreeMap<String, Vec<String>>,
    /// Those of them whose size counts, for they are found one behind the other, or before what lies behind them.
    pub sized: Vec<String>,
    /// What no layout shows and yet changes what saved values mean.
    pub watch: Watch,
    /// Headers whose types are a format that one kernel writes and another reads; the first that fits
    /// counts.
    pub contracts: Vec<Contract>,
    /// Where it stands in its file.
    lines: lines::Lines,
}

/// A place where the walk starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Symbol of the kernel image at which the object lies.
    pub symbol: String,
    /// Type of the object.
    pub ty: String,
    /// Member of the type that leads to the next object of the same type, and from the last one
    /// back to this one, by a pointer or as an embedded `list_head`: all of them are roots.
    /// `None` if the root stands alone.
    pub ring: Option<String>,
    /// Lists that begin in the objects on the ring; their elements are roots as well.
    pub threads: Option<Threads>,
    /// Why the walk starts here.
    pub reason: String,
}

/// What a state map says of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeEntry {
    /// Whether values of the type are saved as objects of their own.
    pub saved: bool,
    /// Bytes of kernel memory that belong to an object of this type from its start, if more than
    /// the object: a task and its kernel stack. Pointers in there move with the object.
    pub extent: Option<u64>,
    /// The rule for every member of this type that has no rule of its own.
    pub rule: Option<Rule>,
    /// Rules for the members of this type, by name.
    pub fields: BTreeMap<String, Rule>,
    /// Members that stand for the unnamed union they are in, because no other member of it is in
    /// use while the object is saved; each with the reason.
    pub arms: BTreeMap<String, String>,
    /// Members that say which elements of an array are meant, by name.
    pub indexes: BTreeMap<String, Index>,
    /// Bits of members that a freeze refuses.
    pub refused: Vec<RefusedFlags>,
    /// Members of unions that are in use for some values of another member, in the order in which
    /// they are tried. Where none is in use, the union means nothing.
    pub choices: Vec<Choice>,
    /// How many bytes an object has, where that is not the size of the type.
    pub size: Option<Size>,
    /// Members that begin a list or a tree, by name.
    pub containers: BTreeMap<String, Container>,
    /// Members of which every CPU holds a part, by name.
    pub folds: BTreeMap<String, Fold>,
    /// Members in use only while they are pointed at, by name.
    pub embedded: BTreeMap<String, Embedded>,
    /// The flexible array that belongs to objects of this type.
    pub tail: Option<Tail>,
}

/// A policy and why it is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What is done.
    pub policy: Policy,
    /// Why.
    pub reason: String,
}

/// What a value means, and so what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Plain data, carried although it is or contains pointers.
    Carry,
    /// A pointer whose target is saved with its owner.
    Follow(Follow),
    /// A pointer at, or into, an object saved for another reason.
    Within {
        /// What to do when the target was not saved.
        missing: Missing,
    },
    /// An address in the block of memory that a task shares with its kernel stack
    /// ([`TypeEntry::extent`]); it moves with the task.
    Stack,
    /// A pointer into the kernel image.
    Symbol,
    /// An address in the task's own memory.
    User,
    /// A pointer to something outside the image.
    Resource {
        /// What it is to be named as.
        kind: String,
        /// The member beside it with the `vfsmount` that a path starts from.
        mount: Option<String>,
    },
    /// Kernel-private; rebuilt by the thaw and written as its initial value.
    Reset {
        /// The initial value; `None` for the initial value of its type ([`StateMap::initial`]).
        initial: Option<Initial>,
        /// Whether any other value than the initial one stops the conversion.
        strict: bool,
        /// What a freeze says of any other value, if it refuses that.
        refusal: Option<Refusal>,
    },
}

/// Whether values of a type are addresses, or integers that are as large as one; of an array, its
/// elements.
fn holds_address(layout: &Layout, ty: TypeId) -> bool {
    match layout.get(layout.strip(ty)) {
        Type::Pointer { .. } => true,
        // An `int` is as wide on i386, and no kernel has an address in one.
        Type::Int(int) => {
            let long = int.name.split(' ').any(|word| word == "long");
            long && int.size.0 >= u64::from(layout.target().pointer_size)
        }
        Type::Array { element, .. } => holds_address(layout, *element),
        _ => false,
    }
}

/// Whether values of a type are structures or unions; of an array, its elements.
fn is_composite(layout: &Layout, ty: TypeId) -> bool {
    match layout.get(layout.strip(ty)) {
        Type::Composite(_) => true,
        Type::Array { element, .. } => is_composite(layout, *element),
        _ => false,
    }
}

impl Policy {
    /// Whether this can be said of a member of type `ty`: what one release points at, another may
    /// have in its place, where the rules of its members hold.
    pub fn is_for(&self, layout: &Layout, ty: TypeId) -> bool {
        match self {
            Policy::Follow(_)
            | Policy::Stack
            | Policy::Symbol
            | Policy::User
            | Policy::Resource { .. } => holds_address(layout, ty),
            // Links are structures of pointers.
            Policy::Within { .. } => is_composite(layout, ty) || holds_address(layout, ty),
            Policy::Carry | Policy::Reset { .. } => true,
        }
    }

    /// The word for it in a state map.
    pub const fn name(&self) -> &'static str {
        match self {
            Policy::Carry => "carry",
            Policy::Follow(_) => "follow",
            Policy::Within { .. } => "within",
            Policy::Stack => "stack",
            Policy::Symbol => "symbol",
            Policy::User => "user",
            Policy::Resource { .. } => "resource",
            Policy::Reset {
                refusal: Some(_), ..
            } => "refuse",
            Policy::Reset { .. } => "reset",
        }
    }
}

/// How far a followed pointer leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Follow {
    /// Element type of the array pointed at; `None` if the pointer is to one object of the type
    /// it is declared with.
    pub element: Option<String>,
    /// How many elements there are.
    pub count: Option<Count>,
    /// What `count` counts.
    pub unit: CountUnit,
}

/// What the count of a follow rule counts.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum CountUnit {
    /// Elements.
    #[default]
    Elements,
    /// Bits of a bit set made of the elements.
    Bits,
}

/// What becomes of a `within` pointer whose target is not in the image.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// It is written as its initial value: null, or an empty list.
    #[default]
    Reset,
    /// The conversion stops.
    Refuse,
}

/// The value of a kernel-private field when nothing has happened to it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Initial {
    /// All bytes zero, but for members whose own type says otherwise.
    Default,
    /// A `list_head` that points at itself.
    EmptyList,
    /// An integer or a pointer's number.
    Value(i64),
    /// The number of a constant, as the layout has it.
    Constant(String),
    /// A value that depends on how a member is declared, which tells what the kernel does with the
    /// field, or what the field itself is.
    Declared(Declared),
    /// A pointer to nothing.
    Null,
    /// A pointer of which all bits are set, by which the kernel says that there is none: -1.
    Nowhere,
    /// All bytes zero, whatever the types of members say.
    Zero,
    /// The address of the value itself.
    OwnAddress,
    /// The address of something in the kernel image: a table of operations, a function.
    Symbol(SymbolPlace),
    /// What some members have, by path; the rest as for [`Initial::Default`]. A `?` behind a path
    /// says that perhaps no stored layout has the member, only kernels built in another way.
    Members(BTreeMap<String, Initial>),
}

/// Initial values by how a member is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The member, as `type.member`.
    pub member: String,
    /// The value for each type, as C writes it; never one that depends on a declaration again. A `?`
    /// behind a type says that perhaps no stored layout declares the member so.
    pub values: BTreeMap<String, Initial>,
}

impl StateMap {
    /// Reads a state map from TOML.
    ///
    /// # Errors
    /// Whatever breaks the rules of the format, with its place in the text.
    pub fn parse(text: &str) -> Result<StateMap, StateError> {
        parse::parse(text)
    }

    /// Names of all types that the map asks a layout for: what [`StateMap::keep_of`] gives depends on
    /// no others.
    pub fn named_types(&self) -> impl Iterator<Item = &str> {
        let derived = self.derived.iter().flat_map(|derived| {
            let members = derived.conditions();
            let types = members.filter_map(|member| Some(member.split_once('.')?.0));
            types.chain([derived.ty.as_str(), derived.owner.as_str()])
        });
        let roots = self.roots.iter().map(|root| root.ty.as_str());
        let types = self.types.keys().chain(self.walk.keys());
        let all = types.map(String::as_str).chain(roots).chain(derived);
        // A name may have a keyword ahead of it, `enum pid_type`, and a member behind it that stands for a
        // type without a name.
        all.chain([CONSTANTS])
            .map(|name| name.rsplit(' ').next().unwrap_or(name))
            .map(|name| name.split('.').next().unwrap_or(name))
            .map(|name| name.trim_end_matches(OPTIONAL))
    }

    /// Names of the types whose values are saved as objects, sorted.
    pub fn saved_types(&self) -> Vec<&str> {
        self.types
            .iter()
            .filter(|(_, entry)| entry.saved)
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The saved types that a layout has, sorted, and those that it has to have: the ones that the
    /// walk starts from. Others may be of some layouts of a family only, or objects under some
    /// ([`StateMap::is_saved_in`]).
    pub fn saved_in(&self, layout: &Layout) -> Vec<&str> {
        let starts = |name: &str| {
            self.roots.iter().any(|root| root.ty == name)
                || self.derived.iter().any(|derived| derived.ty == name)
        };
        let mut saved = self.saved_types();
        saved.retain(|name| self.is_saved_in(layout, name));
        saved.retain(|name| starts(name) || layout.has(name));
        saved
    }

    /// What is said of a type that goes by `names` ([`Layout::names`]); the outermost name that
    /// has an entry counts.
    pub fn type_entry<'a>(&'a self, names: &[&str]) -> Option<&'a TypeEntry> {
        names.iter().find_map(|name| self.types.get(*name))
    }

    /// The rule for every value of type `ty`, or of an array of it.
    pub fn type_rule<'a>(&'a self, layout: &Layout, ty: TypeId) -> Option<&'a Rule> {
        self.named_type_rule(layout, ty).map(|(_, rule)| rule)
    }

    /// As [`StateMap::type_rule`], with the name that the map has it under.
    fn named_type_rule<'a>(&'a self, layout: &Layout, ty: TypeId) -> Option<(&'a str, &'a Rule)> {
        let mut id = ty;
        loop {
            let rule = layout.names(id).iter().find_map(|name| {
                let (name, entry) = self.types.get_key_value(*name)?;
                Some((name.as_str(), entry.rule.as_ref()?))
            });
            if rule.is_some() {
                return rule;
            }
            match layout.get(layout.strip(id)) {
                Type::Array { element, .. } => id = *element,
                _ => return None,
            }
        }
    }

    /// The initial value that values of type `ty` have on their own account.
    pub fn initial(&self, layout: &Layout, ty: TypeId) -> Initial {
        layout
            .names(ty)
            .iter()
            .find_map(|name| match &self.types.get(*name)?.rule.as_ref()?.policy {
                Policy::Reset {
                    initial: Some(initial),
                    ..
                } => Some(initial.clone()),
                _ => None,
            })
            .unwrap_or(Initial::Default)
    }

    /// The types and members that a layout may have to have for this map.
    pub fn keep(&self) -> crate::layout::Keep {
        let trimmed = |name: &String| name.trim_end_matches(OPTIONAL).to_owned();
        let walked = |(name, paths): (&String, &Vec<String>)| {
            let paths = paths.iter().map(trimmed).collect();
            (trimmed(name), paths)
        };
        crate::layout::Keep {
            whole: self.saved_types().into_iter().map(String::from).collect(),
            partial: self.walk.iter().map(walked).collect(),
        }
    }

    /// The types and members that a stored layout has to keep of `layout` for this map.
    pub fn keep_of(&self, layout: &Layout) -> crate::layout::Keep {
        let saved = self.saved_in(layout).into_iter();
        let constants = layout.has_constants().then(|| format!("enum {CONSTANTS}"));
        crate::layout::Keep {
            whole: saved.map(String::from).chain(constants).collect(),
            partial: self.walked_in(layout),
        }
    }

    /// What is read of structures that are not saved, without the types and members that some kernels of the family
    /// lack and `layout` does.
    fn walked_in(&self, layout: &Layout) -> BTreeMap<String, Vec<String>> {
        let mut walked = BTreeMap::new();
        for (name, paths) in &self.walk {
            let ty = name.trim_end_matches(OPTIONAL);
            if ty != name && !layout.has(ty) {
                continue;
            }
            let asked = paths.iter().filter_map(|path| {
                let Some(path) = path.strip_suffix(OPTIONAL) else {
                    return Some(path.clone());
                };
                let id = layout.require(ty).ok()?;
                let parsed = FieldPath::parse(path).ok()?;
                layout.resolve(id, &parsed).ok()?;
                Some(path.to_owned())
            });
            walked.insert(ty.to_owned(), asked.collect());
        }
        walked
    }
}

/// What stands behind the name of a type or member that is walked and that some kernels of the family lack.
const OPTIONAL: char = '?';
