//! Pointers that are at a symbol of the kernel image when nothing has happened to them yet.
//!
//! The image has such a pointer by name. What else was there is kept as the number that it was on
//! the kernel of the freeze, which the image knows of every symbol that was named there.

use super::{Context, Scalar, address};
use crate::at::At;
use crate::finding::Problem;
use kconv_image::model::{KernelAddr, Slot, SlotTarget, Symbol, SymbolId};
use kconv_rules::RuleKind;
use kernel_structs_bits::Bytes;

/// Name of a symbol, and bytes past it.
pub(super) type Named = (&'static str, u64);

impl Context<'_> {
    /// The address of a symbol, in a pointer that the old layout did not have.
    pub fn at_symbol<Q: Scalar>(&mut self, at: &At<'_>, symbol: Named) -> Q {
        self.point_at(RuleKind::Init, at, symbol)
    }

    /// A kernel-private pointer: the address of `symbol`. What was there is kept if it was another.
    pub fn reset_symbol<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, old: P, symbol: Named) -> Q {
        self.keep_unless(at, old, Some(symbol));
        self.point_at(RuleKind::Reset, at, symbol)
    }

    /// As [`Context::reset_symbol`], but any other address stops the conversion.
    pub fn reset_symbol_strict<P: Scalar, Q: Scalar>(
        &mut self,
        at: &At<'_>,
        old: P,
        symbol: Named,
    ) -> Q {
        self.expect_symbol(RuleKind::Reset, at, old, Some(symbol));
        self.point_at(RuleKind::Reset, at, symbol)
    }

    /// A pointer into the kernel image that is no more: kept unless it is at `symbol`, or null if
    /// that is its initial value.
    pub fn drop_symbol<P: Scalar>(&mut self, at: &At<'_>, old: P, symbol: Option<Named>) {
        self.keep_unless(at, old, symbol);
    }

    /// As [`Context::drop_symbol`], but anything else stops the conversion.
    pub fn drop_symbol_strict<P: Scalar>(&mut self, at: &At<'_>, old: P, symbol: Option<Named>) {
        self.expect_symbol(RuleKind::Drop, at, old, symbol);
    }

    fn keep_unless<P: Scalar>(&mut self, at: &At<'_>, old: P, initial: Option<Named>) {
        if self.is_initial(at, old, initial) {
            return;
        }
        // The number on the kernel of the freeze: here the pointer may have none.
        match self.symbol_at(at).map(|found| found.origin.0) {
            // A conversion has made it out of what is there anyway, and makes it again.
            Some(0) => {}
            Some(number) => self.keep(at, &number.to_le_bytes()[..size_of::<P>()]),
            None => self.keep(at, old.as_bytes()),
        }
    }

    fn expect_symbol<P: Scalar>(
        &mut self,
        rule: RuleKind,
        at: &At<'_>,
        old: P,
        initial: Option<Named>,
    ) {
        if !self.is_initial(at, old, initial) {
            self.refuse_other(rule, at, old, initial);
        }
    }

    fn is_initial<P: Scalar>(&self, at: &At<'_>, old: P, initial: Option<Named>) -> bool {
        match (self.symbol_at(at), initial) {
            (Some(found), Some(symbol)) => is(found, symbol),
            (None, None) => address(old) == 0,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    fn refuse_other<P: Scalar>(
        &mut self,
        rule: RuleKind,
        at: &At<'_>,
        old: P,
        initial: Option<Named>,
    ) {
        let value = match self.symbol_at(at) {
            Some(found) => text(&found.name, found.offset),
            None => format!("{:#x}", address(old)),
        };
        let initial = match initial {
            Some((name, offset)) => text(name, offset),
            None => String::from("null"),
        };
        let reason = self.reason(rule, at);
        let problem = Problem::NotInitial { initial, reason };
        self.refuse(rule, at, value, problem);
    }

    /// The symbol that the old pointer at `at` is named by.
    pub(super) fn symbol_at(&self, at: &At<'_>) -> Option<&Symbol> {
        let slot = self
            .slots
            .binary_search_by(|slot| slot.offset.cmp(&at.old))
            .ok()?;
        let SlotTarget::Symbol(id) = self.slots[slot].target else {
            return None;
        };
        let known = self.namer.symbols();
        let id = id.0 as usize;
        known
            .get(id)
            .or_else(|| self.outcome.symbols.get(id.checked_sub(known.len())?))
    }

    /// A new pointer at `at` to a symbol, which the image need not have had. The number is null as
    /// in every slot of another kernel than the origin.
    pub(super) fn point_at<Q: Scalar>(
        &mut self,
        rule: RuleKind,
        at: &At<'_>,
        (name, offset): (&str, u64),
    ) -> Q {
        let known = self.namer.symbols().len();
        let is_it = |symbol: &Symbol| is(symbol, (name, offset));
        let found = self.namer.symbols().iter().position(is_it);
        let made = || {
            let index = self.outcome.symbols.iter().position(is_it);
            index.map(|index| known + index)
        };
        let id = found.or_else(made).unwrap_or_else(|| {
            self.outcome.symbols.push(Symbol {
                name: name.to_owned(),
                offset,
                origin: KernelAddr(0),
            });
            known + self.outcome.symbols.len() - 1
        });
        self.outcome.slots.push(Slot {
            object: self.target,
            offset: at.new,
            target: SlotTarget::Symbol(SymbolId(id as u32)),
        });
        self.pointer(rule, at, 0)
    }
}

fn is(symbol: &Symbol, (name, offset): (&str, u64)) -> bool {
    symbol.name == name && symbol.offset == offset
}

fn text(name: &str, offset: u64) -> String {
    match offset {
        0 => name.to_owned(),
        offset => format!("{name}+{offset:#x}"),
    }
}
