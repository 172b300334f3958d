//! A converter: the rules of each type ([`kconv_rules`]) with the function that carries them out.
//!
//! They are constants, so that `kconv explain`, the report and the search for a chain need not
//! run the converter.

use crate::at::At;
use crate::context::Context;
use kconv_image::model::{Fingerprint, Machine};
use kconv_rules::StepRules;
pub use kconv_rules::{
    Anchor, Bits, FieldRule, Part, PartKind, RuleKind, Source, Span, Tail, TypeRules,
};
use std::fmt;
use std::ops::Deref;

/// One converter: everything needed to carry objects from one layout to another.
#[derive(Debug)]
pub struct Converter {
    /// Its name, such as `convert-2.4.36.8-2.4.36.9`.
    pub name: &'static str,
    /// Name and version of the tool that generated it.
    pub tool: &'static str,
    /// Kernel family.
    pub family: &'static str,
    /// Machine.
    pub machine: Machine,
    /// The layout it reads.
    pub from: Node,
    /// The layout it writes.
    pub to: Node,
    /// How a finding names a task, under the layout it reads; `None` if no task is in it.
    pub task: Option<TaskLabel>,
    /// The types that differ between the two layouts, sorted by name: those of objects, and those
    /// nested in them.
    pub changed: &'static [TypeConverter],
    /// The types as they are carried between releases of the layout it reads, sorted by name. One
    /// that is among `changed` too is not used.
    pub carried: &'static [&'static TypeConverter],
    /// Types of objects among `carried` that the layout written has not. What leads to such an object
    /// has a decision; there is none for the object itself.
    pub gone: &'static [&'static str],
    /// Of a converter that was read from a file, what converts values of its types, sorted by their
    /// names. Its types have no functions.
    pub read: &'static [(&'static str, &'static dyn Convert)],
}

impl Converter {
    /// What is done with the type `name`.
    pub fn find(&self, name: &str) -> Option<&'static TypeConverter> {
        if let Some(changed) = self.changed(name) {
            return Some(changed);
        }
        if self.gone.contains(&name) {
            return None;
        }
        self.carried(name)
    }

    fn changed(&self, name: &str) -> Option<&'static TypeConverter> {
        let changed = self.changed.binary_search_by(|ty| ty.name.cmp(name));
        changed.ok().map(|index| &self.changed[index])
    }

    fn carried(&self, name: &str) -> Option<&'static TypeConverter> {
        let carried = self.carried.binary_search_by(|ty| ty.name.cmp(name));
        carried.ok().map(|index| self.carried[index])
    }

    /// Whether a type, and what an object of it ends in, is carried as between releases of one layout.
    pub(crate) fn is_carried(&self, name: &str) -> bool {
        let is_read = self.read.iter().any(|(ty, _)| *ty == name);
        let found = self
            .find(name)
            .filter(|_| !is_read && self.changed(name).is_none());
        found.is_some_and(|ty| ty.tail.is_none_or(|tail| self.is_carried(tail.element)))
    }

    /// Whether a pointer into a value of the type leads to the same place before and after, if it does between
    /// releases of one layout.
    pub(crate) fn keeps_places(&self, name: &str) -> bool {
        match (self.changed(name), self.carried(name)) {
            (None, carried) => carried.is_some(),
            (Some(_), None) => false,
            (Some(changed), Some(carried)) => {
                let places = |ty: &TypeRules| (ty.from_size, ty.to_size, ty.spans);
                let stays = |tail: Tail| tail.from == tail.to && self.keeps_places(tail.element);
                places(changed) == places(carried) && changed.tail.is_none_or(stays)
            }
        }
    }

    /// As [`Converter::find`], the rules alone.
    pub fn rules_of(&self, name: &str) -> Option<&'static TypeRules> {
        self.find(name).map(|ty| &ty.rules)
    }

    /// What it does, without its functions.
    pub fn rules(&self) -> StepRules {
        let mut rules = StepRules::new(self.name, [self.from.layout, self.to.layout]);
        for ty in self.types() {
            rules.add(&ty.rules, self.function(ty.name).is_some());
        }
        rules
    }

    /// What converts one value of the type `name`; `None` for a type that is only ever nested.
    pub fn function(&self, name: &str) -> Option<Function> {
        let read = self.read.binary_search_by(|(ty, _)| (*ty).cmp(name));
        if let Ok(index) = read {
            return Some(Function::Read(self.read[index].1));
        }
        let compiled = self.find(name).and_then(|ty| ty.convert);
        compiled.map(Function::Compiled)
    }

    /// All types.
    pub fn types(&self) -> impl Iterator<Item = &'static TypeConverter> + use<'_> {
        let is_changed = |name: &str| {
            let found = self.changed.binary_search_by(|ty| ty.name.cmp(name));
            found.is_ok()
        };
        let carried = self.carried.iter().copied();
        let carried =
            carried.filter(move |ty| !is_changed(ty.name) && !self.gone.contains(&ty.name));
        self.changed.iter().chain(carried)
    }
}

/// A layout, as a node of the graph of releases.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name of the node in `releases.toml`.
    pub layout: &'static str,
    /// The release that the converter is named after, among those that have the layout:
    /// `2.4.36.9-up`. A stand-alone converter writes images of this one.
    pub release: &'static str,
    /// Fingerprint of its saved types.
    pub fingerprint: Fingerprint,
}

/// Where a task keeps pid and comm. Offsets in bytes.
#[derive(Copy, Clone, Debug)]
pub struct TaskLabel {
    /// The type of a task.
    pub ty: &'static str,
    /// Offset of the 32-bit pid.
    pub pid: u32,
    /// Offset of the name.
    pub comm: u32,
    /// Length of the name.
    pub comm_len: u32,
}

/// The function that converts one value of a type from old bytes to new.
pub type ConvertFn = fn(&mut Context<'_>, &At<'_>, &[u8], &mut [u8]);

/// Converts values of one type by what was read from a file.
pub trait Convert: fmt::Debug + Sync {
    /// Converts one value from old bytes to new. Every new byte is written.
    fn convert(&self, cx: &mut Context<'_>, at: &At<'_>, old: &[u8], new: &mut [u8]);
}

/// What converts one value of a type.
#[derive(Copy, Clone, Debug)]
pub enum Function {
    /// Code of the program.
    Compiled(ConvertFn),
    /// Data.
    Read(&'static dyn Convert),
}

impl Function {
    /// Converts one value from old bytes to new.
    pub fn call(self, cx: &mut Context<'_>, at: &At<'_>, old: &[u8], new: &mut [u8]) {
        match self {
            Function::Compiled(function) => function(cx, at, old, new),
            Function::Read(data) => data.convert(cx, at, old, new),
        }
    }
}

/// What a converter does with one type.
#[derive(Debug)]
pub struct TypeConverter {
    /// The rules.
    pub rules: TypeRules,
    /// Converts one value; `None` for a type that is only ever nested.
    pub convert: Option<ConvertFn>,
}

impl Deref for TypeConverter {
    type Target = TypeRules;

    fn deref(&self) -> &TypeRules {
        &self.rules
    }
}
