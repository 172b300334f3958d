//! Integers by what they are.

use kconv_plans::model::{By, Kind, Number, Numbers, Run};
use kconv_runtime::at::At;
use kconv_runtime::bits::bytemuck::{cast_slice, cast_slice_mut, pod_read_unaligned};
use kconv_runtime::bits::{self, Bytes, I16, I32, I64, U16, U32, U64};
use kconv_runtime::context::Context;
use kconv_runtime::flags::Flags;
use kconv_runtime::scalar::Scalar;

/// An expression in which `$T` is the type of an integer.
macro_rules! of_kind {
    ($kind:expr, $T:ident => $body:expr) => {
        match $kind {
            Kind::U8 => {
                type $T = u8;
                $body
            }
            Kind::I8 => {
                type $T = i8;
                $body
            }
            Kind::U16 => {
                type $T = U16;
                $body
            }
            Kind::I16 => {
                type $T = I16;
                $body
            }
            Kind::U32 => {
                type $T = U32;
                $body
            }
            Kind::I32 => {
                type $T = I32;
                $body
            }
            Kind::U64 => {
                type $T = U64;
                $body
            }
            Kind::I64 => {
                type $T = I64;
                $body
            }
        }
    };
}
pub(crate) use of_kind;

/// The bytes of an integer.
pub(crate) fn place(Number(offset, kind): Number) -> std::ops::Range<usize> {
    offset as usize..offset as usize + kind.size() as usize
}

/// The integer at the start of `bytes`, which has as many.
pub(crate) fn get<P: Scalar>(bytes: &[u8]) -> P {
    pod_read_unaligned(bytes)
}

/// Writes an integer over `bytes`, of which there are as many.
pub(crate) fn put<Q: Scalar>(bytes: &mut [u8], value: Q) {
    bytes.copy_from_slice(value.as_bytes());
}

/// Whether an old integer has all bits of a mask.
pub(crate) fn is_set(old: &[u8], number: Number, mask: u64) -> bool {
    let bytes = &old[place(number)];
    of_kind!(number.1, P => Flags::is_set(get::<P>(bytes), mask))
}

/// Makes one integer of another.
pub(crate) fn convert(
    cx: &mut Context<'_>,
    at: &At<'_>,
    (from, old): (Kind, &[u8]),
    (to, new): (Kind, &mut [u8]),
    by: &'static By,
) {
    if is_of_one_kind(by) {
        of_kind!(from, P => put(new, pointer::<P>(cx, at, get(old), by)));
    } else {
        of_kind!(from, P => of_kind!(to, Q => put(new, number::<P, Q>(cx, at, get(old), by))));
    }
}

/// Whether the new integer is of the kind of the old one; a plan that was read says nothing else.
fn is_of_one_kind(by: &By) -> bool {
    match by {
        By::Follow
        | By::Within
        | By::WithinRequired
        | By::LinkRequired
        | By::Stack
        | By::Symbol
        | By::Resource
        | By::ResetSymbol { .. } => true,
        By::Widen | By::Narrow | By::Reset { .. } | By::Enumerator(_) | By::Scale { .. } => false,
    }
}

fn pointer<P: Scalar>(cx: &mut Context<'_>, at: &At<'_>, old: P, by: &'static By) -> P {
    match by {
        By::Follow => cx.follow(at, old),
        By::Within => cx.within(at, old),
        By::WithinRequired => cx.within_required(at, old),
        By::LinkRequired => cx.link_required(at, old),
        By::Stack => cx.stack(at, old),
        By::Symbol => cx.symbol(at, old),
        By::Resource => cx.resource(at, old),
        By::ResetSymbol { symbol, strict } => {
            let symbol = (symbol.0.as_str(), symbol.1);
            match strict {
                true => cx.reset_symbol_strict(at, old, symbol),
                false => cx.reset_symbol(at, old, symbol),
            }
        }
        By::Widen | By::Narrow | By::Reset { .. } | By::Enumerator(_) | By::Scale { .. } => {
            number(cx, at, old, by)
        }
    }
}

fn number<P: Scalar, Q: Scalar>(cx: &mut Context<'_>, at: &At<'_>, old: P, by: &'static By) -> Q {
    match by {
        By::Reset {
            initial,
            strict: true,
        } => cx.reset_strict(at, old, *initial),
        By::Reset { initial, .. } => cx.reset(at, old, *initial),
        By::Enumerator(table) => cx.enumerator(at, old, table),
        By::Scale {
            multiply,
            divide,
            add,
        } => cx.offset(at, old, (*multiply, *divide), *add),
        // Where every value fits none is refused.
        _ => cx.narrow(at, old),
    }
}

/// Flags by name.
pub(crate) fn flags(
    cx: &mut Context<'_>,
    at: &At<'_>,
    (from, old): (Kind, &[u8]),
    (to, new): (Kind, &mut [u8]),
    flags: &Flags,
    called: &[(u64, u64, bool)],
) {
    of_kind!(from, P => of_kind!(to, Q => {
        put(new, cx.flags_and::<P, Q>(at, get(old), flags, called));
    }));
}

/// The sum of integers, or as many as there is room for.
pub(crate) fn sum(
    cx: &mut Context<'_>,
    at: &At<'_>,
    (from, old): (Numbers, &[u8]),
    (to, new): (Numbers, &mut [u8]),
) {
    let place = |Numbers(offset, count, kind): Numbers| {
        let start = offset as usize;
        start..start + (count * kind.size()) as usize
    };
    let (old, new) = (&old[place(from)], &mut new[place(to)]);
    of_kind!(from.2, P => of_kind!(to.2, Q => {
        let (old, new) = (cast_slice::<u8, P>(old), cast_slice_mut::<u8, Q>(new));
        match new {
            [new] => *new = cx.sum(at, old),
            new => cx.merge_into(at, old, new),
        }
    }));
}

/// A bit-field, or an integer that was one, or becomes one.
pub(crate) fn run(cx: &mut Context<'_>, at: &At<'_>, old: i128, to: Run, new: &mut [u8]) {
    match to {
        Run::Number(number) => {
            let new = &mut new[place(number)];
            of_kind!(number.1, Q => put(new, cx.integer::<Q>(at, old)));
        }
        Run::Unsigned(run) | Run::Signed(run) => {
            let is_signed = matches!(to, Run::Signed(_));
            let value = cx.bit_field(at, old, run.1, is_signed);
            bits::set(new, run.0, run.1, value);
        }
    }
}

/// The value of a bit-field or integer.
pub(crate) fn value(old: &[u8], from: Run) -> i128 {
    match from {
        Run::Number(number) => {
            let bytes = &old[place(number)];
            of_kind!(number.1, P => get::<P>(bytes).value())
        }
        Run::Unsigned(run) => bits::get(old, run.0, run.1, false),
        Run::Signed(run) => bits::get(old, run.0, run.1, true),
    }
}
