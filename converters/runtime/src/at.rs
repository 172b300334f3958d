//! Where in an object a conversion is.
//!
//! An [`At`] lives on the stack and points at the one around it, so that a path exists without
//! anything being allocated until a finding or a remainder needs it in writing.

use rustc_hash::{FxHashMap, FxHasher};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A place in the object under conversion, under both layouts.
#[derive(Copy, Clone, Debug)]
pub struct At<'a> {
    around: Option<&'a At<'a>>,
    name: Name,
    /// Offset in the old object, in bytes.
    pub(crate) old: u32,
    /// Offset in the new object, in bytes.
    pub(crate) new: u32,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    /// The object itself, or what it has only one of.
    Object,
    Field(&'static str),
    Index(u32),
}

impl<'a> At<'a> {
    /// The object itself.
    pub const fn object() -> At<'static> {
        At {
            around: None,
            name: Name::Object,
            old: 0,
            new: 0,
        }
    }

    /// A structure that is an object itself under the old layout and `new` bytes into one under the
    /// new layout.
    pub(crate) const fn folded(new: u32) -> At<'static> {
        At {
            new,
            ..At::object()
        }
    }

    /// A field `old` bytes into the old value here and `new` bytes into the new one.
    pub const fn field(&'a self, name: &'static str, old: usize, new: usize) -> At<'a> {
        At {
            around: Some(self),
            name: Name::Field(name),
            old: self.old + old as u32,
            new: self.new + new as u32,
        }
    }

    /// A field of the value that this place is a field of, `old` and `new` bytes into it.
    pub const fn beside(&self, name: &'static str, old: usize, new: usize) -> At<'a> {
        match self.around {
            Some(around) => around.field(name, old, new),
            None => *self,
        }
    }

    /// Element `index` of the array here, with elements of the given sizes in bytes.
    pub const fn index(&'a self, index: usize, old_size: usize, new_size: usize) -> At<'a> {
        At {
            around: Some(self),
            name: Name::Index(index as u32),
            old: self.old + (index * old_size) as u32,
            new: self.new + (index * new_size) as u32,
        }
    }
}

/// Paths in writing, each once, found again without being written.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    /// By a hash of the names.
    known: FxHashMap<u64, Vec<Written>>,
}

/// A path: its names, from the innermost to the outermost, and how it is written.
type Written = (Box<[Name]>, Arc<str>);

impl Paths {
    /// The path of the place `at`.
    pub(crate) fn of(&mut self, at: &At<'_>) -> Arc<str> {
        let mut hasher = FxHasher::default();
        at.names().for_each(|name| name.hash(&mut hasher));
        let alike = self.known.entry(hasher.finish()).or_default();
        let known = alike
            .iter()
            .find(|(names, _)| at.names().eq(names.iter().copied()));
        if let Some((_, path)) = known {
            return Arc::clone(path);
        }
        let path: Arc<str> = at.to_string().into();
        alike.push((at.names().collect(), Arc::clone(&path)));
        path
    }
}

impl fmt::Display for At<'_> {
    /// The path from the object's type: `pending.signal.sig[1]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(around) = self.around else {
            return Ok(());
        };
        around.fmt(f)?;
        match self.name {
            Name::Object => Ok(()),
            Name::Field(name) if around.is_object() || name.starts_with('[') => f.write_str(name),
            Name::Field(name) => write!(f, ".{name}"),
            Name::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl<'a> At<'a> {
    fn is_object(&self) -> bool {
        matches!(self.name, Name::Object)
    }

    /// From the innermost to the outermost.
    fn names<'n>(&'n self) -> impl Iterator<Item = Name> + 'n {
        let around = |at: &&'n At<'n>| at.around;
        std::iter::successors(Some(self), around).map(|at| at.name)
    }
}

/// `at!(at.mm)`: the field `mm` of the value at `at`, where `Old` and `New` name its types under
/// the two layouts. `at!(at.mm, old)` and `at!(at.mm, new)` are for a field that only one side
/// has; the other offset is then 0 and means nothing. `at!(at.was => is)` is for a field with
/// another name.
#[macro_export]
macro_rules! at {
    ($at:ident . $($field:ident).+) => {
        $at.field(
            stringify!($($field).+),
            ::core::mem::offset_of!(Old, $($field).+),
            ::core::mem::offset_of!(New, $($field).+),
        )
    };
    ($at:ident . $($field:ident).+, old) => {
        $at.field(stringify!($($field).+), ::core::mem::offset_of!(Old, $($field).+), 0)
    };
    ($at:ident . $($field:ident).+, new) => {
        $at.field(stringify!($($field).+), 0, ::core::mem::offset_of!(New, $($field).+))
    };
    ($at:ident . $old:ident => $new:ident) => {
        $at.field(
            stringify!($new),
            ::core::mem::offset_of!(Old, $old),
            ::core::mem::offset_of!(New, $new),
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_in_c() {
        let object = At::object();
        let pending = object.field("pending", 1384, 1400);
        let signal = pending.field("signal", 8, 8);
        let word = signal.index(1, 4, 8);
        assert_eq!(word.to_string(), "pending.signal[1]");
        assert_eq!((word.old, word.new), (1396, 1416));
    }

    #[test]
    fn a_field_beside_another_is_counted_from_what_both_are_in() {
        let object = At::object();
        let block = object.field("restart_block", 100, 200);
        let futex = block.field("futex", 16, 16);
        let function = futex.beside("fn", 8, 12);
        assert_eq!(function.to_string(), "restart_block.fn");
        assert_eq!((function.old, function.new), (108, 212));
    }

    #[test]
    fn a_path_is_written_once() {
        let mut paths = Paths::default();
        let object = At::object();
        let pending = object.field("pending", 8, 8);
        let signal = pending.field("signal", 8, 16);
        let first = paths.of(&signal.index(0, 4, 8));
        // Somewhere else, and called the same.
        let other = object.field("pending", 16, 16);
        let again = paths.of(&other.field("signal", 0, 0).index(0, 8, 8));
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(&*first, "pending.signal[0]");
        for (at, path) in [
            (signal.index(1, 4, 8), "pending.signal[1]"),
            (signal, "pending.signal"),
            (object.field("signal", 8, 16), "signal"),
        ] {
            assert_eq!(&*paths.of(&at), path);
        }
    }

    #[test]
    fn elements_of_an_array_object_begin_with_their_index() {
        let object = At::object();
        let third = object.index(2, 4, 8);
        assert_eq!(third.to_string(), "[2]");
        assert_eq!((third.old, third.new), (8, 16));
    }
}
