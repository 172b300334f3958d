//! What a chain makes of a value besides carrying it from place to place.

use crate::plan::Action;
use kernel_structs::state::SymbolPlace;

/// How a value is made of the one before.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Made<'a> {
    pub(super) action: &'a Action,
    /// Width of the value read, in bits.
    pub(super) from: u64,
    /// Width of the value written, in bits.
    pub(super) to: u64,
}

/// The value of a field that takes none from the old object, however the rule is called.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum First<'a> {
    Number(i64),
    Symbol(&'a SymbolPlace),
    /// The address of the field, or of the list that it belongs to.
    Own,
    Object,
    Container,
}

/// What became of a value on a way of several steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way<'a> {
    /// The number that is made of it; `None` if that cannot be told.
    number: Option<Linear>,
    /// What else made it, in order.
    functions: Vec<Function<'a>>,
    /// Its width where it was first more than bits that are copied.
    width: Option<u64>,
    /// Steps in which only numbers of fewer bits go on, with how many those are.
    narrow: Vec<(usize, u64)>,
    /// The first step in which only numbers go on that have one sign.
    signed: Option<usize>,
}

/// What makes a value, and is not told by its number.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Function<'a> {
    /// One of people, with the numbers that it is given: it may go by them.
    Called { name: &'a str, constants: &'a [u64] },
    /// The sum of an array of so many bits, in one of so many.
    Sum { from: u64, to: u64 },
}

impl Function<'_> {
    const fn is_sum(&self) -> bool {
        matches!(self, Function::Sum { .. })
    }
}

/// `(value * multiply + add) / divide`, by smallest numbers.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Linear {
    multiply: i128,
    add: i128,
    divide: i128,
}

impl Linear {
    const SAME: Linear = Linear {
        multiply: 1,
        add: 0,
        divide: 1,
    };

    /// This, and then `* multiply / divide + add`. `None` if the numbers become too large.
    fn then(self, multiply: i64, divide: i64, add: i64) -> Option<Linear> {
        let (multiply, divide) = (i128::from(multiply), i128::from(divide));
        let divide_all = self.divide.checked_mul(divide)?;
        let added = divide_all.checked_mul(i128::from(add))?;
        let next = Linear {
            multiply: self.multiply.checked_mul(multiply)?,
            add: self.add.checked_mul(multiply)?.checked_add(added)?,
            divide: divide_all,
        };
        let common = [next.add, next.divide]
            .into_iter()
            .fold(next.multiply, common);
        match common {
            0 => None,
            common => Some(Linear {
                multiply: next.multiply / common,
                add: next.add / common,
                divide: next.divide / common,
            }),
        }
    }
}

/// The greatest number that divides both.
fn common(one: i128, other: i128) -> i128 {
    match other {
        0 => one.saturating_abs(),
        _ => common(other, one % other),
    }
}

impl<'a> Way<'a> {
    /// The way of a value that nothing has been made of.
    pub(super) const fn new() -> Way<'a> {
        Way {
            number: Some(Linear::SAME),
            functions: Vec::new(),
            width: None,
            narrow: Vec::new(),
            signed: None,
        }
    }

    /// What `made` in step `step` adds.
    pub(super) fn go(&mut self, step: usize, made: &Made<'a>) {
        let Made { action, from, to } = *made;
        let width = *self.width.get_or_insert(from);
        match action {
            Action::Scale { multiply, divide } => self.scale(*multiply, *divide, 0),
            Action::Offset {
                multiply,
                divide,
                add,
            } => self.scale(*multiply, *divide, *add),
            Action::Call {
                function,
                constants,
                ..
            } => self.functions.push(Function::Called {
                name: function,
                constants,
            }),
            Action::Sum => {
                // The elements that are left of a sum are summed again: one sum of all of them.
                let from = match self.functions.pop_if(|last| last.is_sum()) {
                    Some(Function::Sum { from, .. }) => from,
                    Some(Function::Called { .. }) | None => from,
                };
                self.functions.push(Function::Sum { from, to });
            }
            Action::Narrow if to >= from => {
                self.signed.get_or_insert(step);
            }
            Action::Narrow | Action::BitField if to < width => self.narrow.push((step, to)),
            _ => {}
        }
    }

    fn scale(&mut self, multiply: i64, divide: i64, add: i64) {
        let number = self.number.take();
        self.number = number.and_then(|number| number.then(multiply, divide, add));
    }

    /// The first value `first`, after this way; `None` if it cannot be told.
    pub(super) fn of<'f>(&self, first: First<'f>) -> Option<First<'f>> {
        let number = self.number.filter(|_| self.functions.is_empty())?;
        match first {
            _ if number == Linear::SAME => Some(first),
            First::Number(value) => {
                let product = i128::from(value).checked_mul(number.multiply)?;
                let value = product.checked_add(number.add)? / number.divide;
                Some(First::Number(i64::try_from(value).ok()?))
            }
            _ => None,
        }
    }

    /// Whether the same number comes out as after `other`.
    pub(super) fn counts_as(&self, other: &Way<'_>) -> bool {
        self.number.is_some() && self.number == other.number
    }

    /// Whether the same functions make the value.
    pub(super) fn is_called_as(&self, other: &Way<'_>) -> bool {
        self.functions == other.functions
    }

    /// The first step in which values stop that go `direct`.
    pub(super) fn refuses_more_than(&self, direct: &Way<'_>) -> Option<usize> {
        let least = direct.narrow.iter().map(|(_, width)| *width).min();
        let mut narrow = self.narrow.iter();
        let narrower = narrow.find(|(_, width)| least.is_none_or(|least| *width < least));
        let signed = self
            .signed
            .filter(|_| direct.signed.is_none() && least.is_none());
        let narrower = narrower.map(|(step, _)| *step);
        [narrower, signed].into_iter().flatten().min()
    }
}

impl<'a> First<'a> {
    /// The value that an action gives a field of which it takes nothing from the old object.
    pub(super) fn of(action: &'a Action) -> Option<First<'a>> {
        match action {
            Action::Zero => Some(First::Number(0)),
            Action::Set { value } | Action::Reset { initial: value, .. } => {
                Some(First::Number(*value))
            }
            Action::SetSymbol { symbol } | Action::ResetSymbol { symbol, .. } => {
                Some(First::Symbol(symbol))
            }
            Action::OwnAddress { .. } | Action::EmptyLink { .. } => Some(First::Own),
            Action::ObjectAddress => Some(First::Object),
            Action::ContainerAddress => Some(First::Container),
            Action::Copy
            | Action::Widen
            | Action::Narrow
            | Action::Pointer { .. }
            | Action::Link { .. }
            | Action::BitField
            | Action::Enumerator { .. }
            | Action::Recurse { .. }
            | Action::Elements { .. }
            | Action::Tail { .. }
            | Action::Sum
            | Action::Scale { .. }
            | Action::Offset { .. }
            | Action::Flags(_)
            | Action::Call { .. }
            | Action::Make { .. }
            | Action::Fold { .. }
            | Action::DropContainer
            | Action::Drop { .. }
            | Action::DropLink { .. }
            | Action::DropSymbol { .. }
            | Action::Used { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_undoes_what_was_done_is_nothing() {
        let there = Linear::SAME.then(10, 1, 3).unwrap();
        assert_eq!(
            (there.multiply, there.add, there.divide),
            (10, 3, 1),
            "{there:?}"
        );
        assert_eq!(
            there.then(1, 1, -3).unwrap().then(1, 10, 0),
            Some(Linear::SAME)
        );
        assert_ne!(there.then(1, 10, 0).unwrap(), Linear::SAME);
        assert_eq!(
            there.then(7, 7, -3).unwrap().then(3, 30, 0),
            Some(Linear::SAME)
        );
    }

    #[test]
    fn numbers_too_large_to_tell_are_told_apart() {
        let large = Linear::SAME.then(i64::MAX, 1, 0).unwrap();
        assert_eq!(
            large.then(i64::MAX, 1, 0).unwrap().then(i64::MAX, 1, 0),
            None
        );
    }
}
