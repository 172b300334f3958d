//! What a conversion must give, found field by field.
//!
//! This reader shares no code with the planner, the emitter or the generated code. It knows the
//! two layouts as lists of scalars with their places, pairs them by path, asks the state map what
//! each means, and compares values one at a time. What people decided it is told in so many
//! words.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "a part of a test"
)]

use kconv_image::Slot;
use kconv_runtime::context::Outcome;
use kernel_structs::layout::{FieldPath, Layout, Leaf, Step, TypeId, leaves};
use kernel_structs::state::{Initial, Missing, Policy, StateMap};
use std::collections::{BTreeMap, BTreeSet};

/// A decision of a person, as the reader is told of it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// The new field is zero.
    Zero,
    /// The old field must be zero, and is gone.
    MustBeZero,
    /// The new field has this value; any other that the old one had is kept.
    Is(u64),
    /// The old value if its first bit is set, else all 32 bits, with the old value kept.
    WithFirstBit,
    /// The new array has one element, the sum of the old ones.
    Sum,
}

/// What is known of a type.
pub struct Known {
    old: BTreeMap<String, Leaf>,
    new: BTreeMap<String, Leaf>,
    old_size: u64,
    new_size: u64,
    meanings: BTreeMap<String, Meaning>,
}

/// What a scalar means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    Data,
    /// At or into a saved object; whether it has to be there.
    Pointer {
        required: bool,
    },
    /// A link of a ring at this path; without its neighbour it points there.
    Link {
        head: String,
    },
    Stack,
    Named,
    Reset {
        value: i64,
        strict: bool,
    },
    /// A link of the list at this path, which becomes empty.
    Empty {
        head: String,
        strict: bool,
    },
    Decided(Decided),
}

/// The reader for one pair of layouts.
pub struct Reader {
    types: BTreeMap<String, Known>,
}

/// Where objects are: types, and addresses before and after.
pub struct Place {
    pub ty: String,
    pub old: u64,
    pub new: u64,
}

/// Bytes that a task shares with its kernel stack.
const STACK: u64 = 8192;

impl Reader {
    /// Reads what there is to know of the saved types.
    pub fn new(old: &Layout, new: &Layout, map: &StateMap, decided: &[(&str, Decided)]) -> Reader {
        let mut types = BTreeMap::new();
        for ty in map.saved_in(old) {
            let sides = [old, new].map(|layout| {
                let id = layout.find(ty).unwrap();
                let scalars = leaves(layout, id, 100_000).unwrap();
                let by_path = scalars
                    .into_iter()
                    .map(|leaf| (leaf.path.to_string(), leaf));
                (
                    by_path.collect::<BTreeMap<_, _>>(),
                    layout.size_of(id).unwrap().0,
                )
            });
            let mut meanings = BTreeMap::new();
            for (layout, (scalars, _)) in [old, new].iter().zip(&sides) {
                for (path, leaf) in scalars {
                    let field = format!("{ty}.{path}");
                    let decision = decided.iter().find(|(name, _)| {
                        field
                            .strip_prefix(name)
                            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                    });
                    let meaning = match decision {
                        Some((_, decided)) => Meaning::Decided(*decided),
                        None => meaning(layout, map, ty, leaf),
                    };
                    meanings.insert(path.clone(), meaning);
                }
            }
            let [(old, old_size), (new, new_size)] = sides;
            types.insert(
                ty.to_owned(),
                Known {
                    old,
                    new,
                    old_size,
                    new_size,
                    meanings,
                },
            );
        }
        Reader { types }
    }

    /// Offsets of the pointers of a type, under the old layout, with whether they have to lead
    /// somewhere.
    pub fn pointers(&self, ty: &str) -> Vec<(u32, Use)> {
        let known = &self.types[ty];
        let of = |path: &String, leaf: &Leaf| {
            let used = match &known.meanings[path] {
                Meaning::Pointer { .. } | Meaning::Link { .. } => Use::Object,
                Meaning::Stack => Use::Stack,
                Meaning::Named => Use::Name,
                Meaning::Reset { .. } | Meaning::Empty { .. } | Meaning::Decided(_) => Use::Reset,
                Meaning::Data => return None,
            };
            Some((leaf.offset.byte().0 as u32, used))
        };
        known
            .old
            .iter()
            .filter_map(|(path, leaf)| of(path, leaf))
            .collect()
    }

    /// Paths of all scalars of the new type.
    pub fn new_scalars(&self, ty: &str) -> Vec<(String, Leaf)> {
        self.types[ty]
            .new
            .iter()
            .map(|(path, leaf)| (path.clone(), leaf.clone()))
            .collect()
    }

    /// Size of a type before.
    pub fn old_size(&self, ty: &str) -> u64 {
        self.types[ty].old_size
    }

    /// Compares a converted object with what it must be. Returns everything that is wrong.
    pub fn compare(
        &self,
        places: &[Place],
        object: usize,
        old: &[u8],
        slots: &[Slot],
        (new, outcome): (&[u8], &Outcome),
    ) -> Vec<String> {
        let known = &self.types[&places[object].ty];
        let mut wrong = Vec::new();
        if new.len() as u64 != known.new_size {
            wrong.push(format!("{} bytes instead of {}", new.len(), known.new_size));
            return wrong;
        }
        let mut expected = Expected::default();
        let mut covered = vec![false; new.len() * 8];
        let paths: BTreeSet<&String> = known.old.keys().chain(known.new.keys()).collect();
        for path in paths {
            let was = known.old.get(path).map(|leaf| number(old, leaf));
            let value = self.expect(places, object, path, was, old, slots, &mut expected);
            let Some(leaf) = known.new.get(path) else {
                continue;
            };
            for bit in leaf.offset.0..leaf.offset.0 + leaf.size.0 {
                covered[bit as usize] = true;
            }
            let found = number(new, leaf);
            if value.is_some_and(|value| value != found) {
                wrong.push(format!(
                    "{path}: {found:#x} instead of {:#x}",
                    value.unwrap()
                ));
            }
        }
        for (bit, _) in covered.iter().enumerate().filter(|(_, covered)| !**covered) {
            if new[bit / 8] >> (bit % 8) & 1 != 0 {
                wrong.push(format!("padding bit {bit} is set"));
            }
        }
        let refused: BTreeSet<String> = outcome.findings.iter().map(|f| f.field.clone()).collect();
        if refused != expected.refused {
            wrong.push(format!(
                "refused {refused:?} instead of {:?}",
                expected.refused
            ));
        }
        let kept = outcome
            .remainder
            .iter()
            .map(|kept| (kept.offset, kept.bytes.to_vec()));
        let kept: BTreeMap<u32, Vec<u8>> = kept.collect();
        if kept != expected.kept {
            wrong.push(format!("kept {kept:?} instead of {:?}", expected.kept));
        }
        let moved: BTreeSet<u32> = outcome.slots.iter().map(|slot| slot.offset).collect();
        if moved != expected.slots {
            wrong.push(format!(
                "slots at {moved:?} instead of {:?}",
                expected.slots
            ));
        }
        wrong.extend(outcome.faults.iter().cloned());
        wrong
    }

    /// The value that the scalar `path` must have, if the new type has it.
    #[allow(clippy::too_many_arguments)]
    fn expect(
        &self,
        places: &[Place],
        object: usize,
        path: &str,
        was: Option<u64>,
        old: &[u8],
        slots: &[Slot],
        expected: &mut Expected,
    ) -> Option<u64> {
        let place = &places[object];
        let known = &self.types[&place.ty];
        let before = known.old.get(path);
        let after = known.new.get(path);
        let keep = |expected: &mut Expected| {
            let leaf = before.unwrap();
            let first = leaf.offset.byte().0 as usize;
            let bytes = old[first..first + (leaf.size.0 / 8) as usize].to_vec();
            expected.kept.insert(first as u32, bytes);
        };
        let refuse = |expected: &mut Expected| {
            expected.refused.insert(path.to_owned());
        };
        match &known.meanings[path] {
            Meaning::Data => match (was, after) {
                (Some(was), Some(after)) => {
                    assert_eq!(before.unwrap().size, after.size, "{path}");
                    Some(was)
                }
                // The rest of a longer array.
                (None, Some(_)) => Some(0),
                (was, None) => {
                    if was != Some(0) {
                        refuse(expected);
                    }
                    None
                }
            },
            Meaning::Pointer { required } => match self.translate(places, was.unwrap()) {
                Some(new) => Some(new),
                None if *required => {
                    refuse(expected);
                    Some(0)
                }
                None => {
                    keep(expected);
                    Some(0)
                }
            },
            Meaning::Link { head } => match self.translate(places, was.unwrap()) {
                Some(new) => Some(new),
                None => {
                    keep(expected);
                    Some(place.new + first(&known.new, head))
                }
            },
            Meaning::Stack => {
                let into = was.unwrap().wrapping_sub(place.old);
                match was.unwrap() {
                    0 => Some(0),
                    _ if (1..=STACK).contains(&into) => Some(place.new + into),
                    _ => {
                        keep(expected);
                        Some(0)
                    }
                }
            }
            Meaning::Named => {
                let offset = before.unwrap().offset.byte().0 as u32;
                if slots.iter().any(|slot| slot.offset == offset) {
                    expected.slots.insert(after.unwrap().offset.byte().0 as u32);
                } else if was != Some(0) {
                    refuse(expected);
                }
                Some(0)
            }
            Meaning::Reset { value, strict } => {
                let initial = *value as u64 & 0xffff_ffff;
                match was {
                    Some(was) if was != initial && *strict => refuse(expected),
                    Some(was) if was != initial => keep(expected),
                    _ => {}
                }
                Some(initial)
            }
            Meaning::Empty { head, strict } => {
                if was.is_some_and(|was| was != place.old + first(&known.old, head)) {
                    if *strict {
                        refuse(expected)
                    } else {
                        keep(expected)
                    }
                }
                after.map(|_| place.new + first(&known.new, head))
            }
            Meaning::Decided(Decided::Zero) => Some(0),
            Meaning::Decided(Decided::MustBeZero) => {
                if was != Some(0) {
                    refuse(expected);
                }
                None
            }
            Meaning::Decided(Decided::Is(value)) => {
                if was != Some(*value) {
                    keep(expected);
                }
                Some(*value)
            }
            Meaning::Decided(Decided::WithFirstBit) => match was {
                Some(was) if was & 1 != 0 => Some(was),
                _ => {
                    keep(expected);
                    Some(0xffff_ffff)
                }
            },
            Meaning::Decided(Decided::Sum) => self.sum(path, known, old, expected),
        }
    }

    /// The first element of an array that becomes a sum; nothing for the others.
    fn sum(&self, path: &str, known: &Known, old: &[u8], expected: &mut Expected) -> Option<u64> {
        let array = path.strip_suffix("[0]")?;
        let elements = known.old.iter().filter(|(path, _)| {
            path.strip_prefix(array)
                .is_some_and(|rest| rest.starts_with('['))
        });
        let values: Vec<(u64, i64)> = elements
            .map(|(_, leaf)| (leaf.offset.byte().0, number(old, leaf) as i32 as i64))
            .collect();
        let start = values.iter().map(|(at, _)| *at).min().unwrap();
        if values.iter().any(|(at, value)| *at != start && *value != 0) {
            let bytes = &old[start as usize..start as usize + values.len() * 4];
            expected.kept.insert(start as u32, bytes.to_vec());
        }
        let sum: i64 = values.iter().map(|(_, value)| value).sum();
        match i32::try_from(sum) {
            Ok(sum) => Some(u64::from(sum as u32)),
            Err(_) => {
                expected.refused.insert(array.to_owned());
                Some(0)
            }
        }
    }

    /// Where an address is now; `None` if it is in no object, or in one at a place that the new
    /// layout does not have.
    fn translate(&self, places: &[Place], address: u64) -> Option<u64> {
        if address == 0 {
            return Some(0);
        }
        for place in places {
            let known = &self.types[&place.ty];
            let Some(into) = address
                .checked_sub(place.old)
                .filter(|into| *into < known.old_size)
            else {
                continue;
            };
            if into == 0 {
                return Some(place.new);
            }
            for (path, leaf) in known.old.iter().filter(|(_, leaf)| !leaf.bit_field) {
                let start = leaf.offset.byte().0;
                // What is written anew is nothing that the old value went to.
                if let Meaning::Decided(Decided::Is(_)) = known.meanings[path] {
                    continue;
                }
                if (start..start + leaf.size.0 / 8).contains(&into)
                    && let Some(after) = known.new.get(path)
                {
                    return Some(place.new + after.offset.byte().0 + (into - start));
                }
            }
            return None;
        }
        None
    }
}

/// What a pointer is to be filled with in a test.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Use {
    Object,
    Stack,
    Name,
    Reset,
}

#[derive(Default)]
struct Expected {
    refused: BTreeSet<String>,
    kept: BTreeMap<u32, Vec<u8>>,
    slots: BTreeSet<u32>,
}

/// Byte offset of the first scalar at or inside `path`.
fn first(leaves: &BTreeMap<String, Leaf>, path: &str) -> u64 {
    let inside = leaves.iter().filter(|(name, _)| {
        name.strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    });
    inside.map(|(_, leaf)| leaf.offset.byte().0).min().unwrap()
}

/// The bits of a scalar as a number, bit by bit.
fn number(bytes: &[u8], leaf: &Leaf) -> u64 {
    (0..leaf.size.0.min(64)).fold(0, |value, index| {
        let bit = leaf.offset.0 + index;
        let set = bytes[(bit / 8) as usize] >> (bit % 8) & 1;
        value | u64::from(set) << index
    })
}

/// What the state map says of a scalar: the rule for the outermost member around it that has one.
fn meaning(layout: &Layout, map: &StateMap, ty: &str, leaf: &Leaf) -> Meaning {
    let root = layout.find(ty).unwrap();
    let mut owner = root;
    let mut shown = ty.to_owned();
    let steps = leaf.path.steps();
    for (index, step) in steps.iter().enumerate() {
        let so_far = FieldPath::from(steps[..=index].to_vec());
        let here = layout.resolve(root, &so_far).unwrap().ty;
        let Step::Member(name) = step else {
            owner = here;
            continue;
        };
        let mut names = layout.names(owner);
        if names.is_empty() {
            names.push(&shown);
        }
        if let Some((rule, _)) = map.member_rule(layout, &names, name, here) {
            // An array's rule is for each of its elements.
            let mut part = index + 1;
            while matches!(steps.get(part), Some(Step::Element(_))) {
                part += 1;
            }
            return by_policy(layout, map, root, &rule.policy, leaf, part);
        }
        shown = format!("{shown}.{name}");
        owner = here;
    }
    Meaning::Data
}

/// The meaning of a scalar inside a value with a policy, whose path has `part` steps.
fn by_policy(
    layout: &Layout,
    map: &StateMap,
    root: TypeId,
    policy: &Policy,
    leaf: &Leaf,
    part: usize,
) -> Meaning {
    let steps = leaf.path.steps();
    match policy {
        Policy::Carry | Policy::User => Meaning::Data,
        Policy::Stack => Meaning::Stack,
        Policy::Symbol | Policy::Resource { .. } => Meaning::Named,
        Policy::Follow(_) => Meaning::Pointer { required: true },
        Policy::Within { .. } if part < steps.len() => Meaning::Link {
            head: FieldPath::from(steps[..part].to_vec()).to_string(),
        },
        Policy::Within { missing } => Meaning::Pointer {
            required: *missing == Missing::Refuse,
        },
        Policy::Reset {
            initial, strict, ..
        } => {
            let strict = *strict;
            // The innermost value around the scalar that has an initial value of its own.
            let mut value = initial.clone();
            let mut from = part;
            for end in part..=steps.len() {
                let path = FieldPath::from(steps[..end].to_vec());
                let ty = layout.resolve(root, &path).unwrap().ty;
                let fixed = match &value {
                    Some(Initial::Members(members)) => {
                        let inside = FieldPath::from(steps[from..].to_vec()).to_string();
                        members.contains_key(&inside)
                    }
                    Some(Initial::Default) | None => false,
                    Some(_) => true,
                };
                let own = map.initial(layout, ty);
                if !fixed && own != Initial::Default {
                    (value, from) = (Some(own), end);
                }
            }
            if let Some(Initial::Members(members)) = value {
                let inside = FieldPath::from(steps[from..].to_vec()).to_string();
                value = members.get(&inside).cloned();
            }
            match value {
                Some(Initial::OwnAddress) => Meaning::Empty {
                    head: FieldPath::from(steps.to_vec()).to_string(),
                    strict,
                },
                Some(Initial::EmptyList) => Meaning::Empty {
                    head: FieldPath::from(steps[..from].to_vec()).to_string(),
                    strict,
                },
                Some(Initial::Value(value)) => Meaning::Reset { value, strict },
                Some(Initial::Nowhere) => Meaning::Reset { value: -1, strict },
                Some(Initial::Constant(name)) => {
                    let value = layout.constant(&name).unwrap();
                    Meaning::Reset {
                        value: i64::try_from(value).unwrap(),
                        strict,
                    }
                }
                Some(Initial::Declared(declared)) => {
                    // No map of a stored layout says anything else than a number.
                    let Some(Initial::Value(value)) = declared.under(layout) else {
                        unimplemented!("{declared:?}");
                    };
                    let value = *value;
                    Meaning::Reset { value, strict }
                }
                // No map of a stored layout says it.
                Some(Initial::Symbol(symbol)) => unimplemented!("{symbol}"),
                Some(Initial::Default | Initial::Null | Initial::Zero | Initial::Members(_))
                | None => Meaning::Reset { value: 0, strict },
            }
        }
    }
}
