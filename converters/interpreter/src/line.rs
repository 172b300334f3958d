//! The lines of a type, and how each is carried out.

use crate::call::{Callee, Given};
use crate::number::{self, get, of_kind, place, put};
use kconv_plans::model::{Act, Array, By, Call, Kind, Number, Place, Rest, Run};
use kconv_runtime::at::At;
use kconv_runtime::bits::{self, I16, I32, I64, U16, U32, U64};
use kconv_runtime::context::Context;
use kconv_runtime::flags::Flags;
use kconv_runtime::table::{Bits, Convert};

/// How many flags of one field functions of people may decide about.
pub(crate) const MOST_CALLED: usize = 16;

/// What converts values of one type.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) from_size: usize,
    pub(crate) to_size: usize,
    pub(crate) lines: Vec<Line>,
}

/// One thing that is done with a value.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) at: Option<&'static Place>,
    pub(crate) step: Step,
}

/// It: what a plan says, where that has all that is needed, else with what it names found.
#[derive(Debug)]
pub(crate) enum Step {
    Plain(&'static Act),
    Flags {
        old: Number,
        new: Number,
        flags: Flags,
        called: Vec<Called>,
    },
    Inside {
        program: &'static Program,
        old: usize,
        new: usize,
    },
    Each {
        old: Array,
        new: Array,
        each: Element,
        rest: Option<Rest>,
    },
    Call {
        callee: Callee,
        call: &'static Call,
        new: (u32, u32),
    },
}

/// A flag that a function of people decides about.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) callee: Callee,
    pub(crate) call: &'static Call,
}

/// What is done with each element of an array.
#[derive(Debug)]
pub(crate) enum Element {
    Copy,
    Number {
        old: Kind,
        new: Kind,
        by: &'static By,
    },
    Inside(&'static Program),
    Array {
        count: usize,
        old: usize,
        new: usize,
        each: Box<Element>,
    },
}

impl Convert for Program {
    fn convert(&self, cx: &mut Context<'_>, at: &At<'_>, old: &[u8], new: &mut [u8]) {
        if (old.len(), new.len()) != (self.from_size, self.to_size) {
            cx.fault(&format!(
                "`{}` has {} bytes on the way in and {} on the way out, not the sizes of its types",
                self.name,
                old.len(),
                new.len()
            ));
            return;
        }
        for line in &self.lines {
            let inside;
            let here = match line.at {
                None => at,
                Some(Place(name, old, new)) => {
                    inside = at.field(name, *old as usize, *new as usize);
                    &inside
                }
            };
            line.step.run(cx, [at, here], old, new);
        }
    }
}

impl Step {
    /// Carries it out; `at` is the value's place, `here` that of the field.
    fn run(&self, cx: &mut Context<'_>, [at, here]: [&At<'_>; 2], old: &[u8], new: &mut [u8]) {
        match self {
            Step::Plain(act) => plain(act, cx, [at, here], old, new),
            Step::Flags {
                old: from,
                new: to,
                flags,
                called,
            } => {
                let mut set = [(0, 0, false); MOST_CALLED];
                for (set, flag) in set.iter_mut().zip(called) {
                    let was = number::is_set(old, *from, flag.from);
                    let mut given = Given::new(old, Some(was), flag.call);
                    let answer = (flag.callee.call)(cx, here, &mut given, &mut []);
                    if answer.is_none() {
                        cx.fault(&not_given(here, flag.callee.name));
                    }
                    *set = (flag.from, flag.to, answer.unwrap_or(was));
                }
                let (old, new) = (&old[place(*from)], &mut new[place(*to)]);
                let called = &set[..called.len().min(MOST_CALLED)];
                number::flags(cx, here, (from.1, old), (to.1, new), flags, called);
            }
            Step::Inside {
                program,
                old: from,
                new: to,
            } => {
                let old = &old[*from..*from + program.from_size];
                program.convert(cx, here, old, &mut new[*to..*to + program.to_size]);
            }
            Step::Each {
                old: from,
                new: to,
                each,
                rest,
            } => {
                let (old, new) = (&old[area(*from)], &mut new[area(*to)]);
                let count = from.1.min(to.1) as usize;
                let sizes = (from.2 as usize, to.2 as usize);
                each.elements(cx, here, count, (old, sizes.0), (new, sizes.1));
                if let Some(rest) = rest {
                    left_over(*rest, cx, here, (old, *from), (new, *to));
                }
            }
            Step::Call {
                callee,
                call,
                new: to,
            } => {
                let mut given = Given::new(old, None, call);
                let new = &mut new[to.0 as usize..(to.0 + to.1) as usize];
                if (callee.call)(cx, here, &mut given, new).is_none() {
                    cx.fault(&not_given(here, callee.name));
                }
            }
        }
    }
}

fn not_given(at: &At<'_>, function: &str) -> String {
    format!("{at}: `{function}` was not given what it takes")
}

fn area(Array(offset, count, size): Array) -> std::ops::Range<usize> {
    let start = offset as usize;
    start..start + (count * size) as usize
}

impl Element {
    /// Converts so many elements; both arrays with the size of an element, which can be none.
    fn elements(
        &self,
        cx: &mut Context<'_>,
        at: &At<'_>,
        count: usize,
        (old, from): (&[u8], usize),
        (new, to): (&mut [u8], usize),
    ) {
        for index in 0..count {
            let at = at.index(index, from, to);
            let old = &old[index * from..(index + 1) * from];
            let new = &mut new[index * to..(index + 1) * to];
            match self {
                Element::Copy => new.copy_from_slice(old),
                Element::Number {
                    old: from,
                    new: to,
                    by,
                } => {
                    number::convert(cx, &at, (*from, old), (*to, new), by);
                }
                Element::Inside(program) => program.convert(cx, &at, old, new),
                Element::Array {
                    count,
                    old: from,
                    new: to,
                    each,
                } => {
                    each.elements(cx, &at, *count, (old, *from), (new, *to));
                }
            }
        }
    }
}

/// What becomes of the elements that one array has alone.
fn left_over(
    rest: Rest,
    cx: &mut Context<'_>,
    at: &At<'_>,
    (old, from): (&[u8], Array),
    (new, to): (&mut [u8], Array),
) {
    let common = from.1.min(to.1);
    let new = &mut new[(common * to.2) as usize..];
    match rest {
        Rest::Cut(kind, initial) => of_kind!(kind, P => {
            let old = bits::bytemuck::cast_slice::<u8, P>(old);
            cx.cut(at, old, common as usize, initial);
        }),
        Rest::Fill(kind, value) => {
            let value = value.to_le_bytes();
            let size = kind.size() as usize;
            for element in new.chunks_exact_mut(size) {
                element.copy_from_slice(&value[..size]);
            }
        }
        Rest::Zero => new.fill(0),
    }
}

/// Carries out what a plan says by itself.
fn plain(
    act: &'static Act,
    cx: &mut Context<'_>,
    [base, at]: [&At<'_>; 2],
    old: &[u8],
    new: &mut [u8],
) {
    match act {
        Act::Zero(run) => zero(new, run.0, run.1),
        Act::Copy(from, to, len) => {
            let old = &old[*from as usize..(from + len) as usize];
            new[*to as usize..(to + len) as usize].copy_from_slice(old);
        }
        Act::Number {
            old: from,
            new: to,
            by,
        } => {
            let (old, new) = (&old[place(*from)], &mut new[place(*to)]);
            number::convert(cx, at, (from.1, old), (to.1, new), by);
        }
        Act::Sum { old: from, new: to } => number::sum(cx, at, (*from, old), (*to, new)),
        Act::Bits { old: from, new: to } => {
            number::run(cx, at, number::value(old, *from), *to, new);
        }
        Act::Set { new: to, value } => {
            let to = place(*to);
            let len = to.len();
            new[to].copy_from_slice(&value.to_le_bytes()[..len]);
        }
        Act::SetBits { new: to, value } => bits::set(new, to.0, to.1, i128::from(*value)),
        Act::OwnAddress { new: to } => {
            let new = &mut new[place(*to)];
            of_kind!(to.1, Q => put(new, cx.own_address::<Q>(at)));
        }
        Act::ObjectAddress { new: to } => {
            let new = &mut new[place(*to)];
            of_kind!(to.1, Q => put(new, cx.own_address::<Q>(&At::object())));
        }
        Act::Container { new: to } => {
            let new = &mut new[place(*to)];
            of_kind!(to.1, Q => put(new, cx.container::<Q>(at)));
        }
        Act::DropContainer { old: from } => {
            let old = &old[place(*from)];
            of_kind!(from.1, P => cx.drop_container(at, get::<P>(old)));
        }
        Act::SetSymbol { new: to, symbol } => {
            let symbol = (symbol.0.as_str(), symbol.1);
            let new = &mut new[place(*to)];
            of_kind!(to.1, Q => put(new, cx.at_symbol::<Q>(at, symbol)));
        }
        Act::Make { old: from, new: to } => {
            let old = &old[from.0 as usize..(from.0 + from.1) as usize];
            let new = &mut new[place(*to)];
            of_kind!(to.1, Q => put(new, cx.make::<Q>(at, old)));
        }
        Act::Fold { old: from, new: to } => {
            let old = &old[place(*from)];
            let new = &mut new[to.0 as usize..(to.0 + to.1) as usize];
            of_kind!(from.1, P => cx.fold(at, get::<P>(old), new));
        }
        Act::Link {
            old: from,
            new: to,
            head,
        } => {
            let head = &base.field(&head.0, head.1 as usize, head.2 as usize);
            let (old, new) = (&old[place(*from)], &mut new[place(*to)]);
            of_kind!(from.1, P => put(new, cx.link::<P, P>(at, head, get(old))));
        }
        Act::EmptyLink {
            old: from,
            new: to,
            head,
            strict,
        } => {
            let head = &base.field(&head.0, head.1 as usize, head.2 as usize);
            let (old, new) = (&old[place(*from)], &mut new[place(*to)]);
            of_kind!(from.1, P => put(new, match strict {
                true => cx.empty_link_strict::<P, P>(at, head, get(old)),
                false => cx.empty_link::<P, P>(at, head, get(old)),
            }));
        }
        Act::DropLink {
            old: from,
            head,
            strict,
        } => {
            let head = &base.field(&head.0, head.1 as usize, head.2 as usize);
            let old = &old[place(*from)];
            of_kind!(from.1, P => match strict {
                true => cx.drop_link_strict(at, head, get::<P>(old)),
                false => cx.drop_link(at, head, get::<P>(old)),
            });
        }
        Act::DropSymbol {
            old: from,
            symbol,
            strict,
        } => {
            let symbol = symbol.as_ref().map(|symbol| (symbol.0.as_str(), symbol.1));
            let old = &old[place(*from)];
            of_kind!(from.1, P => match strict {
                true => cx.drop_symbol_strict(at, get::<P>(old), symbol),
                false => cx.drop_symbol(at, get::<P>(old), symbol),
            });
        }
        Act::Drop {
            old: from,
            initial,
            strict: true,
        } => {
            let old = &old[place(*from)];
            of_kind!(from.1, P => cx.drop_strict(at, get::<P>(old), *initial));
        }
        Act::Drop {
            old: from, initial, ..
        } => {
            let initial = initial.to_le_bytes();
            let old = &old[place(*from)];
            cx.drop_kept(at, old, &initial[..old.len()]);
        }
        Act::DropBytes { old: from, strict } => {
            let old = &old[from.0 as usize..(from.0 + from.1) as usize];
            if *strict {
                cx.drop_zero(at, old);
            } else if old.iter().any(|byte| *byte != 0) {
                cx.keep(at, old);
            }
        }
        Act::DropBits {
            old: from,
            signed,
            name,
            initial,
            strict,
        } => {
            let run = Bits::new(from.0, from.1);
            let value = match signed {
                true => number::value(old, Run::Signed(*from)),
                false => number::value(old, Run::Unsigned(*from)),
            };
            if *strict {
                cx.drop_bit_field(base, name, run, value, *initial);
            } else if value != i128::from(*initial) {
                cx.keep_bits(base, name, old, run);
            }
        }
        // What these name was found when the plan was loaded.
        Act::Flags { .. } | Act::Inside { .. } | Act::Each { .. } | Act::Call { .. } => {
            cx.fault(&format!("{at}: a line that was not prepared"));
        }
    }
}

/// Clears `len` bits from the bit `start` on.
fn zero(new: &mut [u8], start: u32, len: u32) {
    if start.is_multiple_of(8) && len.is_multiple_of(8) {
        new[(start / 8) as usize..((start + len) / 8) as usize].fill(0);
        return;
    }
    let (mut start, mut left) = (start, len);
    while left > 0 {
        let width = left.min(56);
        bits::set(new, start, width, 0);
        start += width;
        left -= width;
    }
}
