//! Functions of people, as plans call them: by name, with values by their places.

use kconv_plans::model::{Argument, Call};
use kconv_runtime::at::At;
use kconv_runtime::bits::bytemuck::{Pod, try_from_bytes};
use kconv_runtime::context::Context;
use std::fmt;

/// A function of people that plans can call.
#[derive(Copy, Clone, Debug)]
pub struct Callee {
    /// Its name.
    pub name: &'static str,
    /// What it takes and gives.
    pub signature: Signature,
    /// Calls it; the result is written to the bytes, or is the answer. `None` if it was not given
    /// what its signature says.
    pub call: fn(&mut Context<'_>, &At<'_>, &mut Given<'_>, &mut [u8]) -> Option<bool>,
}

/// What a function of people takes and gives.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// How many answers it takes, before all else.
    pub flags: usize,
    /// Sizes of the old fields that it takes behind them, in bytes.
    pub fields: &'static [usize],
    /// How many offsets of members.
    pub offsets: usize,
    /// How many constants.
    pub constants: usize,
    /// What it gives.
    pub result: Result,
}

/// What a function of people gives.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Result {
    /// So many bytes.
    Bytes(usize),
    /// Whether a flag is set.
    Answer,
}

impl Signature {
    /// Whether a plan gives the function what it takes, behind `first` answers, and takes what it gives.
    pub(crate) fn fits(&self, first: usize, call: &Call, result: Result) -> bool {
        let flags = call.arguments.iter().filter(|of| of.is_flag()).count();
        let in_order = call.arguments.iter().skip(flags);
        let sizes = in_order.filter_map(|of| match of {
            Argument::Field(_, size) => Some(*size as usize),
            Argument::Flag(..) => None,
        });
        self.flags == first + flags
            && sizes.eq(self.fields.iter().copied())
            && self.offsets == call.offsets.len()
            && self.constants == call.constants.len()
            && self.result == result
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Signature {
            flags,
            fields,
            offsets,
            constants,
            ..
        } = self;
        write!(
            f,
            "{flags} flags, fields of {fields:?} bytes, {offsets} offsets, {constants} constants"
        )?;
        match self.result {
            Result::Bytes(bytes) => write!(f, ", for {bytes} bytes"),
            Result::Answer => f.write_str(", for a flag"),
        }
    }
}

/// What a function is given, one after the other.
pub struct Given<'a> {
    old: &'a [u8],
    first: Option<bool>,
    call: &'a Call,
    next: usize,
}

impl<'a> Given<'a> {
    /// What `call` says of the old value; `first` is given before that.
    pub(crate) fn new(old: &'a [u8], first: Option<bool>, call: &'a Call) -> Given<'a> {
        Given {
            old,
            first,
            call,
            next: 0,
        }
    }

    fn argument(&mut self) -> Option<&'a Argument> {
        self.next += 1;
        self.call.arguments.get(self.next - 1)
    }

    /// The next answer.
    pub fn flag(&mut self) -> Option<bool> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        match self.argument()? {
            Argument::Flag(number, mask) => Some(crate::number::is_set(self.old, *number, *mask)),
            Argument::Field(..) => None,
        }
    }

    /// The next field.
    pub fn field<T: Pod>(&mut self) -> Option<&'a T> {
        let Argument::Field(offset, size) = self.argument()? else {
            return None;
        };
        let start = *offset as usize;
        let bytes = self.old.get(start..start + *size as usize)?;
        try_from_bytes(bytes).ok()
    }

    /// All offsets, in bytes.
    pub fn offsets<const N: usize>(&self) -> Option<[usize; N]> {
        let offsets: &[u32; N] = self.call.offsets.as_slice().try_into().ok()?;
        Some(offsets.map(|offset| offset as usize))
    }

    /// All constants.
    pub fn constants<const N: usize>(&self) -> Option<[u64; N]> {
        self.call.constants.as_slice().try_into().ok()
    }
}

/// The functions of people in a module, as [`Callee`]s: of each its name, how it takes answers, the
/// types of its fields, how many offsets and constants, and the type of what it gives. The compiler
/// holds all of that against the function.
///
/// ```text
/// functions! { linux_6:
///     maps_top_down [bool] [U64] [1] [] => (bool);
/// }
/// ```
#[macro_export]
macro_rules! functions {
    ($module:ident: $(
        $name:ident [$($flag:ident),*] [$($field:ty),*] [$($offsets:literal)?] [$($constants:literal)?]
            => ($($result:tt)+)
    );* $(;)?) => {
        &[$($crate::Callee {
            name: stringify!($name),
            signature: $crate::Signature {
                flags: <[&str]>::len(&[$(stringify!($flag)),*]),
                fields: &[$(size_of::<$field>()),*],
                offsets: 0 $(+ $offsets)?,
                constants: 0 $(+ $constants)?,
                result: $crate::functions!(@result $($result)+),
            },
            call: |cx, at, given, new| {
                let _ = &new;
                $crate::functions!(@give new, $($result)+, $module::$name(
                    cx,
                    at
                    $(, { let flag: $flag = given.flag()?; flag })*
                    $(, given.field::<$field>()?)*
                    $(, given.offsets::<$offsets>()?)?
                    $(, given.constants::<$constants>()?)?
                ))
            },
        }),*]
    };
    (@result bool) => { $crate::CallResult::Answer };
    (@result $result:ty) => { $crate::CallResult::Bytes(size_of::<$result>()) };
    (@give $new:ident, bool, $call:expr) => { Some($call) };
    (@give $new:ident, $result:ty, $call:expr) => {{
        let result: $result = $call;
        let bytes = $crate::private::bytes_of(&result);
        if bytes.len() != $new.len() {
            return None;
        }
        $new.copy_from_slice(bytes);
        Some(true)
    }};
}
