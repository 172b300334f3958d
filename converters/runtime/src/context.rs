//! What a converter's functions are called with: the rules that need to know more than a value.
//!
//! No method allocates unless there is something to tell: a finding, or a value to keep.

mod overrides;
mod parts;
mod symbols;

use crate::at::{At, Paths};
use crate::bits;
use crate::finding::{Finding, Problem};
use crate::flags::Flags;
use crate::placement::{Map, Placed};
use crate::scalar::{Scalar, Widen, address, stored};
use kconv_image::TaskName;
use kconv_image::model::{ObjectId, Remainder, Slot, Symbol};
use kconv_rules::{Bits, RuleKind, StepRules, reason_of};
use kernel_structs_bits::Bytes;
use kernel_structs_bits::bytemuck::{Pod, try_from_bytes, try_from_bytes_mut};
use std::rc::Rc;

/// The conversion of one object in one step.
pub struct Context<'a> {
    rules: &'a StepRules,
    /// The number of the conversion in the provenance of the image that is made.
    step: u32,
    map: &'a Map,
    object: ObjectId,
    /// The object that the new bytes are a part of: another one if the old object comes out of, or
    /// goes into, another.
    target: ObjectId,
    slots: &'a [Slot],
    namer: &'a dyn Namer,
    outcome: &'a mut Outcome,
}

/// What a conversion of one object may ask about the others: how findings name them, what is in
/// them, and what becomes of it.
pub trait Namer {
    /// A task, by any object that belongs to it.
    fn task(&self, object: ObjectId) -> Option<TaskName>;
    /// An object: type and address.
    fn object(&self, object: ObjectId) -> String;
    /// Converts `old`, a value of the type that `object` has, in the context of that object.
    fn convert(
        &self,
        context: &mut Context<'_>,
        object: ObjectId,
        at: &At<'_>,
        old: &[u8],
        new: &mut [u8],
    );
    /// The symbols of the image.
    fn symbols(&self) -> &[Symbol] {
        &[]
    }
    /// An object under the layout converted from.
    fn old(&self, _object: ObjectId) -> Option<Old> {
        None
    }
    /// The objects that point at `address`, by ascending number.
    fn referrers(&self, _pointer: &Pointer, _address: u64) -> Rc<[Referrer]> {
        Rc::default()
    }
}

/// A pointer that objects of one element have, and what is wanted of those that have it. In bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer {
    /// The type of the objects.
    pub ty: &'static str,
    /// Where in them the pointer is.
    pub at: u32,
    /// Where what is wanted begins, and how long it is.
    pub part: (u32, u32),
}

/// An object that points at another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// The object.
    pub object: ObjectId,
    /// What is wanted of it, as far as it goes.
    pub part: Box<[u8]>,
}

/// An object on its way.
#[derive(Clone, Debug, Default)]
pub struct Old {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its slots, by offset.
    pub slots: Vec<Slot>,
    /// Whether a step of this conversion has made it, and nothing was put back since.
    pub(crate) is_made: bool,
    /// Memory of the bytes before.
    pub(crate) spare: Vec<u8>,
}

impl Old {
    /// An object as it comes from an image, with its slots by offset.
    pub fn new(bytes: Vec<u8>, slots: Vec<Slot>) -> Old {
        Old {
            bytes,
            slots,
            ..Old::default()
        }
    }
}

/// What conversions leave behind besides the new bytes.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Values that were not carried.
    pub remainder: Vec<Remainder>,
    /// Slots under the new layout.
    pub slots: Vec<Slot>,
    /// Symbols that the image did not have, numbered on from those that it has.
    pub symbols: Vec<Symbol>,
    /// What stops the conversion.
    pub findings: Vec<Finding>,
    /// Broken invariants of the converter itself.
    pub faults: Vec<String>,
    /// Paths of the fields whose values were not carried, which kept values of one field share.
    fields: Paths,
}

impl<'a> Context<'a> {
    /// The context for `object` in the conversion that does what `rules` say, and that has the number
    /// `step` in the provenance; the object's slots under the layout before are `slots`, by offset.
    pub fn new(
        (rules, step): (&'a StepRules, u32),
        map: &'a Map,
        object: ObjectId,
        slots: &'a [Slot],
        namer: &'a dyn Namer,
        outcome: &'a mut Outcome,
    ) -> Context<'a> {
        Context {
            rules,
            step,
            map,
            object,
            target: object,
            slots,
            namer,
            outcome,
        }
    }

    /// Calls `convert` on typed views of one value. Generated tables wrap their functions in it.
    pub fn typed<Old, New>(
        &mut self,
        at: &At<'_>,
        old: &[u8],
        new: &mut [u8],
        convert: impl FnOnce(&mut Context<'_>, &At<'_>, &Old, &mut New),
    ) where
        Old: Pod,
        New: Pod,
    {
        match (try_from_bytes(old), try_from_bytes_mut(new)) {
            (Ok(old), Ok(new)) => convert(self, at, old, new),
            _ => self.fault(&format!(
                "{} bytes on the way in and out, not the sizes of its types",
                size_of::<Old>(),
            )),
        }
    }

    /// Notes that a rule of the converter itself is broken: nothing is written then.
    pub fn fault(&mut self, what: &str) {
        let object = self.namer.object(self.object);
        let fault = format!("{}: {object}: {what}", self.rules.name);
        self.outcome.faults.push(fault);
    }

    /// An integer in a type that holds every value of the old one.
    pub fn widen<P: Widen<Q>, Q>(&self, old: P) -> Q {
        old.widen()
    }

    /// Converts the elements of two arrays, by index; the longer one's others are left alone.
    pub fn each<Old, New>(
        &mut self,
        at: &At<'_>,
        old: &[Old],
        new: &mut [New],
        mut convert: impl FnMut(&mut Context<'_>, &At<'_>, &Old, &mut New),
    ) {
        for (index, (old, new)) in old.iter().zip(new).enumerate() {
            let at = at.index(index, size_of::<Old>(), size_of::<New>());
            convert(self, &at, old, new);
        }
    }

    /// A pointer at a saved object, which has to be in the image.
    pub fn follow<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, old: P) -> Q {
        self.required(RuleKind::Follow, at, old)
    }

    /// A pointer at or into a saved object, which has to be in the image.
    pub fn within_required<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, old: P) -> Q {
        self.required(RuleKind::Within, at, old)
    }

    /// A pointer at or into a saved object; null, with the old value kept, if that is not in the
    /// image.
    pub fn within<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, old: P) -> Q {
        let new = self.place(at, old).unwrap_or_else(|_| {
            self.keep(at, old.as_bytes());
            0
        });
        self.pointer(RuleKind::Within, at, new)
    }

    /// A link of a ring of saved objects; the ring's `head` itself, with the old value kept, if
    /// the neighbour is not in the image.
    pub fn link<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, head: &At<'_>, old: P) -> Q {
        let new = self.place_of_member(old).unwrap_or_else(|_| {
            self.keep(at, old.as_bytes());
            self.map.new_address(self.target).0 + u64::from(head.new)
        });
        self.pointer(RuleKind::Within, at, new)
    }

    /// A pointer at a link of a list of saved objects, or at a head, which has to be in the image.
    pub fn link_required<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, old: P) -> Q {
        let new = self.place_of_member(old);
        self.found(RuleKind::Within, at, old, new)
    }

    /// An address on the kernel stack that shares the object's memory; null, with the old value
    /// kept, for an address elsewhere.
    pub fn stack<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, old: P) -> Q {
        let from = self.map.old_address(self.object).0;
        let extent = self.map.extent(self.object);
        let new = match address(old).checked_sub(from) {
            Some(offset) if (1..=extent).contains(&offset) => {
                self.map.new_address(self.target).0 + offset
            }
            _ => {
                if address(old) != 0 {
                    self.keep(at, old.as_bytes());
                }
                0
            }
        };
        self.pointer(RuleKind::Stack, at, new)
    }

    /// A pointer into the kernel image. Its number stays behind; its slot moves.
    pub fn symbol<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, old: P) -> Q {
        self.slot(RuleKind::Symbol, at, old)
    }

    /// A pointer to an outside resource. Its number stays behind; its slot moves.
    pub fn resource<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, old: P) -> Q {
        self.slot(RuleKind::Resource, at, old)
    }

    /// An integer in a type that does not hold every value of the old one.
    pub fn narrow<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, old: P) -> Q {
        self.checked(RuleKind::Narrow, at, old.value())
    }

    /// An integer of another unit: `old * multiply / divide`, rounded towards zero. What
    /// rounding takes away is kept.
    pub fn scale<P: Scalar, Q: Scalar>(
        &mut self,
        at: &At<'_>,
        old: P,
        multiply: i64,
        divide: i64,
    ) -> Q {
        self.offset(at, old, (multiply, divide), 0)
    }

    /// As [`Context::scale`], by `multiply` and `divide`, counted from another number: `add` is
    /// added afterwards.
    pub fn offset<P: Scalar, Q: Scalar>(
        &mut self,
        at: &At<'_>,
        old: P,
        (multiply, divide): (i64, i64),
        add: i64,
    ) -> Q {
        let product = old.value() * i128::from(multiply);
        let divide = i128::from(divide.max(1));
        if product % divide != 0 {
            self.keep(at, old.as_bytes());
        }
        self.checked(RuleKind::Scale, at, product / divide + i128::from(add))
    }

    /// The sum of `old`, whose parts are kept.
    pub fn sum<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, old: &[P]) -> Q {
        if old.iter().skip(1).any(|part| part.value() != 0) {
            self.keep(at, old.as_bytes());
        }
        self.checked(
            RuleKind::Merge,
            at,
            old.iter().map(|part| part.value()).sum(),
        )
    }

    /// The first of `old`, of which the first of all also gets the sum of those for which the new
    /// array has no place. All of `old` are kept for the way back, where that sum is not zero.
    pub fn merge<P: Scalar, Q: Scalar, const N: usize>(
        &mut self,
        at: &At<'_>,
        old: &[P],
    ) -> [Q; N] {
        let mut new = [zero(); N];
        self.merge_into(at, old, &mut new);
        new
    }

    /// As [`Context::merge`], into an array of any length.
    pub fn merge_into<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, old: &[P], new: &mut [Q]) {
        let (first, rest) = old.split_at(old.len().min(new.len()));
        if rest.iter().any(|part| part.value() != 0) {
            self.keep(at, old.as_bytes());
        }
        let more: i128 = rest.iter().map(|part| part.value()).sum();
        for (index, new) in new.iter_mut().enumerate() {
            let own = first.get(index).map_or(0, |part| part.value());
            let at = at.index(index, size_of::<P>(), size_of::<Q>());
            let value = if index == 0 { own + more } else { own };
            *new = self.checked(RuleKind::Merge, &at, value);
        }
    }

    /// The first of `old`, whose other elements have to be `initial` because the new array has no
    /// place for them.
    pub fn cut<P: Scalar>(&mut self, at: &At<'_>, old: &[P], kept: usize, initial: i64) {
        for (index, element) in old.iter().enumerate().skip(kept) {
            if element.value() != i128::from(initial) {
                let at = at.index(index, size_of::<P>(), 0);
                let problem = Problem::NotInitial {
                    initial: initial.to_string(),
                    reason: "the new array is shorter",
                };
                self.refuse(RuleKind::Array, &at, element.value().to_string(), problem);
            }
        }
    }

    /// An enumerator, by a table of old and new values.
    pub fn enumerator<P: Scalar, Q: Scalar>(
        &mut self,
        at: &At<'_>,
        old: P,
        table: &[(i64, i64)],
    ) -> Q {
        let value = old.value();
        match table.iter().find(|(from, _)| i128::from(*from) == value) {
            Some((_, to)) => self.checked(RuleKind::EnumByName, at, i128::from(*to)),
            None => {
                let problem = Problem::NoSuchEnumerator;
                self.refuse(RuleKind::EnumByName, at, value.to_string(), problem);
                self.checked(RuleKind::EnumByName, at, 0)
            }
        }
    }

    /// Flags, by their names under both layouts.
    pub fn flags<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, old: P, flags: &Flags) -> Q {
        self.flags_and(at, old, flags, &[])
    }

    /// As [`Context::flags`], with flags of which functions of people said whether they are set:
    /// their masks before and after, and that.
    pub fn flags_and<P: Scalar, Q: Scalar>(
        &mut self,
        at: &At<'_>,
        old: P,
        flags: &Flags,
        called: &[(u64, u64, bool)],
    ) -> Q {
        let value = address(old);
        let converted = flags.convert(value, called);
        if converted.kept {
            self.keep(at, old.as_bytes());
        }
        if !converted.refused.is_empty() || converted.unnamed != 0 {
            let problem = Problem::NoSuchFlag {
                names: converted.refused,
                bits: converted.unnamed,
            };
            self.refuse(RuleKind::Flags, at, format!("{value:#x}"), problem);
        }
        self.pointer(RuleKind::Flags, at, converted.value)
    }

    /// A kernel-private integer or pointer: the initial value of the new kernel. The old value is
    /// kept if it is not the old kernel's initial value, `initial`.
    pub fn reset<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, old: P, initial: i64) -> Q {
        if old.value() != stored::<P>(initial) {
            self.keep(at, old.as_bytes());
        }
        self.checked(RuleKind::Reset, at, stored::<Q>(initial))
    }

    /// As [`Context::reset`], but any other value than `initial` stops the conversion.
    pub fn reset_strict<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, old: P, initial: i64) -> Q {
        self.expect_initial(RuleKind::Reset, at, old, initial);
        self.checked(RuleKind::Reset, at, stored::<Q>(initial))
    }

    /// A link of a kernel-private list: the new `head` itself, so that the list is empty. The old
    /// link is kept if the old list was not empty.
    pub fn empty_link<P: Scalar, Q: Scalar>(&mut self, at: &At<'_>, head: &At<'_>, old: P) -> Q {
        let own = self.map.old_address(self.object).0 + u64::from(head.old);
        if address(old) != own {
            self.keep(at, old.as_bytes());
        }
        let own = self.map.new_address(self.target).0 + u64::from(head.new);
        self.pointer(RuleKind::Reset, at, own)
    }

    /// As [`Context::empty_link`], but a list that is not empty stops the conversion.
    pub fn empty_link_strict<P: Scalar, Q: Scalar>(
        &mut self,
        at: &At<'_>,
        head: &At<'_>,
        old: P,
    ) -> Q {
        let own = self.map.old_address(self.object).0 + u64::from(head.old);
        if address(old) != own {
            let problem = Problem::NotInitial {
                initial: format!("{own:#x} (the empty list)"),
                reason: self.reason(RuleKind::Reset, at),
            };
            self.refuse(RuleKind::Reset, at, format!("{:#x}", address(old)), problem);
        }
        let own = self.map.new_address(self.target).0 + u64::from(head.new);
        self.pointer(RuleKind::Reset, at, own)
    }

    /// The address of the new value's own field: a link of a list that the old layout did not
    /// have, and that is empty.
    pub fn own_address<Q: Scalar>(&mut self, at: &At<'_>) -> Q {
        let own = self.map.new_address(self.target).0 + u64::from(at.new);
        self.pointer(RuleKind::Init, at, own)
    }

    /// A field that is no more and can be rebuilt: kept if it is not all `initial`.
    pub fn drop_kept(&mut self, at: &At<'_>, old: &[u8], initial: &[u8]) {
        if old != initial {
            self.keep(at, old);
        }
    }

    /// A list link that is no more: kept if the list was not empty.
    pub fn drop_link<P: Scalar>(&mut self, at: &At<'_>, head: &At<'_>, old: P) {
        let own = self.map.old_address(self.object).0 + u64::from(head.old);
        if address(old) != own {
            self.keep(at, old.as_bytes());
        }
    }

    /// A field that is no more; any other value than `initial` stops the conversion.
    pub fn drop_strict<P: Scalar>(&mut self, at: &At<'_>, old: P, initial: i64) {
        self.expect_initial(RuleKind::Drop, at, old, initial);
    }

    /// A field of several bytes that is no more; any byte that is not zero stops the conversion.
    pub fn drop_zero(&mut self, at: &At<'_>, old: &[u8]) {
        if old.iter().any(|byte| *byte != 0) {
            let problem = Problem::NotInitial {
                initial: String::from("all zero"),
                reason: self.reason(RuleKind::Drop, at),
            };
            let value = old.iter().map(|byte| format!("{byte:02x}")).collect();
            self.refuse(RuleKind::Drop, at, value, problem);
        }
    }

    /// A list link that is no more; a list that is not empty stops the conversion.
    pub fn drop_link_strict<P: Scalar>(&mut self, at: &At<'_>, head: &At<'_>, old: P) {
        let own = self.map.old_address(self.object).0 + u64::from(head.old);
        if address(old) != own {
            let problem = Problem::NotInitial {
                initial: format!("{own:#x} (the empty list)"),
                reason: self.reason(RuleKind::Drop, at),
            };
            self.refuse(RuleKind::Drop, at, format!("{:#x}", address(old)), problem);
        }
    }

    /// A bit-field of the value at `base` that is no more; any other value than `initial` stops
    /// the conversion.
    pub fn drop_bit_field(
        &mut self,
        base: &At<'_>,
        name: &'static str,
        run: Bits,
        value: i128,
        initial: i64,
    ) {
        if value != i128::from(initial) {
            let at = base.field(name, (run.offset / 8) as usize, 0);
            let problem = Problem::NotInitial {
                initial: initial.to_string(),
                reason: self.reason(RuleKind::Drop, &at),
            };
            self.refuse(RuleKind::Drop, &at, value.to_string(), problem);
        }
    }

    /// An integer that was a bit-field with the value `value`.
    pub fn integer<Q: Scalar>(&mut self, at: &At<'_>, value: i128) -> Q {
        self.checked(RuleKind::BitField, at, value)
    }

    /// A bit-field read from the old value as `value`, for a new one of `width` bits.
    pub fn bit_field(&mut self, at: &At<'_>, value: i128, width: u32, signed: bool) -> i128 {
        if bits::fits(value, width, signed) {
            return value;
        }
        let least = if signed { -(1i128 << (width - 1)) } else { 0 };
        let problem = Problem::OutOfRange {
            least,
            most: least + (1i128 << width) - 1,
        };
        self.refuse(RuleKind::BitField, at, value.to_string(), problem);
        0
    }

    /// Keeps `len` bits at `offset` bits into the object, which no field holds, if they are not
    /// zero.
    pub(crate) fn keep_padding(&mut self, base: &At<'_>, old: &[u8], padding: &[Bits]) {
        for run in padding {
            if !bits::all_zero(old, run.offset, run.len) {
                self.keep_bits(base, "(padding)", old, *run);
            }
        }
    }

    /// Keeps a bit-field of the value `old` at `base`.
    pub fn keep_bits(&mut self, base: &At<'_>, name: &'static str, old: &[u8], run: Bits) {
        let first = (run.offset / 8) as usize;
        let last = (run.offset + run.len).div_ceil(8) as usize;
        let at = base.field(name, first, 0);
        let mut mask = vec![0; last - first];
        for bit in run.offset..run.offset + run.len {
            mask[(bit / 8) as usize - first] |= 1 << (bit % 8);
        }
        let bytes = old[first..last]
            .iter()
            .zip(&mask)
            .map(|(byte, mask)| byte & mask)
            .collect();
        self.push_remainder(&at, bytes, mask.into());
    }

    /// Why `rule` is the rule of the field at `at`. Only a finding asks, so that it may search.
    fn reason(&self, rule: RuleKind, at: &At<'_>) -> &'static str {
        let find = |name: &str| self.rules.find(name);
        let reason =
            |object: ObjectId, path: &str| reason_of(&find, self.map.ty(object), rule, path);
        let path = at.to_string();
        let of_object = reason(self.object, &path);
        if !of_object.is_empty() || self.object == self.target {
            return of_object;
        }
        // Inside of what becomes an object of its own, its type's rules hold.
        let mut inside = path.as_str();
        while let Some((_, inner)) = inside.split_once('.') {
            match reason(self.target, inner) {
                "" => inside = inner,
                reason => return reason,
            }
        }
        ""
    }

    /// Stops the conversion for a reason that an override's function found.
    pub fn refuse_call(&mut self, at: &At<'_>, value: String, why: &'static str) {
        self.refuse(RuleKind::Call, at, value, Problem::Refused { why });
    }

    /// Keeps the old bytes at `at` in the image, so that the way back restores them.
    pub fn keep(&mut self, at: &At<'_>, old: &[u8]) {
        self.push_remainder(at, old.into(), vec![0xff; old.len()].into());
    }

    fn push_remainder(&mut self, at: &At<'_>, bytes: Box<[u8]>, mask: Box<[u8]>) {
        let field = self.outcome.fields.of(at);
        self.outcome.remainder.push(Remainder {
            step: self.step,
            object: self.object,
            offset: at.old,
            field,
            mask,
            bytes,
        });
    }

    fn required<P: Scalar, Q: Scalar>(&mut self, rule: RuleKind, at: &At<'_>, old: P) -> Q {
        let new = self.place(at, old);
        self.found(rule, at, old, new)
    }

    /// A pointer at `new`; if it leads nowhere now, it is refused.
    fn found<P: Scalar, Q: Scalar>(
        &mut self,
        rule: RuleKind,
        at: &At<'_>,
        old: P,
        new: Result<u64, Placed>,
    ) -> Q {
        let new = new.unwrap_or_else(|nowhere| {
            let problem = match nowhere {
                Placed::NoSuchPlace { object, offset } => Problem::NoSuchPlace {
                    target: self.namer.object(object),
                    offset,
                },
                _ => Problem::NotSaved,
            };
            self.refuse(rule, at, format!("{:#x}", address(old)), problem);
            0
        });
        self.pointer(rule, at, new)
    }

    /// Where the pointer `old` leads now, or why it leads nowhere. What the way back could not tell
    /// by the new pointer is kept.
    fn place<P: Scalar>(&mut self, at: &At<'_>, old: P) -> Result<u64, Placed> {
        match self.map.place(address(old)) {
            Placed::Null => Ok(0),
            Placed::At(new) => Ok(new.0),
            Placed::AtFirst(new) => {
                self.keep(at, old.as_bytes());
                Ok(new.0)
            }
            nowhere => Err(nowhere),
        }
    }

    /// As [`Context::place`], of a pointer at a member. The way back is as sure of it.
    fn place_of_member<P: Scalar>(&self, old: P) -> Result<u64, Placed> {
        match self.map.place_of_member(address(old)) {
            Placed::Null => Ok(0),
            Placed::At(new) | Placed::AtFirst(new) => Ok(new.0),
            nowhere => Err(nowhere),
        }
    }

    fn slot<P: Scalar, Q: Scalar>(&mut self, rule: RuleKind, at: &At<'_>, old: P) -> Q {
        match self.slots.binary_search_by(|slot| slot.offset.cmp(&at.old)) {
            Ok(index) => self.outcome.slots.push(Slot {
                object: self.target,
                offset: at.new,
                target: self.slots[index].target,
            }),
            Err(_) if address(old) != 0 => {
                self.refuse(rule, at, format!("{:#x}", address(old)), Problem::Unnamed);
            }
            Err(_) => {}
        }
        self.pointer(rule, at, 0)
    }

    fn expect_initial<P: Scalar>(&mut self, rule: RuleKind, at: &At<'_>, old: P, initial: i64) {
        if old.value() != stored::<P>(initial) {
            let value = match old.value() {
                value if value > 0xffff => format!("{value:#x}"),
                value => value.to_string(),
            };
            let problem = Problem::NotInitial {
                initial: initial.to_string(),
                reason: self.reason(rule, at),
            };
            self.refuse(rule, at, value, problem);
        }
    }

    fn checked<Q: Scalar>(&mut self, rule: RuleKind, at: &At<'_>, value: i128) -> Q {
        if let Some(new) = Q::from_value(value) {
            return new;
        }
        let bits = 8 * size_of::<Q>() as u32;
        let signed = Q::from_value(-1).is_some();
        let least = if signed { -(1i128 << (bits - 1)) } else { 0 };
        let problem = Problem::OutOfRange {
            least,
            most: least + (1i128 << bits) - 1,
        };
        self.refuse(rule, at, value.to_string(), problem);
        zero()
    }

    fn pointer<Q: Scalar>(&mut self, rule: RuleKind, at: &At<'_>, value: u64) -> Q {
        if let Some(new) = from_address(value) {
            return new;
        }
        self.checked(rule, at, i128::from(value))
    }

    fn refuse(&mut self, rule: RuleKind, at: &At<'_>, value: String, problem: Problem) {
        self.outcome.findings.push(Finding {
            converter: self.rules.name.to_owned(),
            task: self.namer.task(self.object),
            object: self.namer.object(self.object),
            field: at.to_string(),
            value,
            rule,
            problem,
        });
    }
}

/// The integer whose bits are an address, signed or not.
fn from_address<Q: Scalar>(value: u64) -> Option<Q> {
    Q::from_value(i128::from(value)).or_else(|| {
        let bits = 8 * size_of::<Q>() as u32;
        let wrapped = i128::from(value) - (1i128 << bits);
        (i128::from(value) < 1i128 << bits)
            .then(|| Q::from_value(wrapped))
            .flatten()
    })
}

fn zero<Q: Scalar>() -> Q {
    match Q::from_value(0) {
        Some(zero) => zero,
        None => unreachable!("every integer type holds 0"),
    }
}
