//! The rules by which a member is decided without a person: the state map's policy for it, else
//! the automatic rule for its types.

use super::builder::{Owner, Planner, Which};
use super::decision::{Decision, Part, Value};
use super::finding::Why;
use super::{Action, Meaning};
use crate::ctype::{self, Field, Scalar, ScalarKind, Shape};
use crate::overrides;
use kconv_rules::RuleKind;
use kernel_structs::layout::{Composite, FieldPath, Type, TypeId, padding};
use kernel_structs::state::{Initial, Missing, Policy, Rule, RuleFrom};

/// A rule and how it is carried out.
pub(super) type Ruled = Result<(RuleKind, Action), Why>;

/// What decides about a member: a rule of its own, or one for all values of its type.
#[derive(Copy, Clone)]
struct MemberRule<'a> {
    rule: &'a Rule,
    of_type: bool,
}

impl<'a> Planner<'a> {
    /// Decides a member that one side or both have.
    pub(super) fn by_rule(
        &mut self,
        owner: &Owner,
        old: Option<&Field>,
        new: Option<&Field>,
    ) -> Result<Decision, Why> {
        let old_rule = old.and_then(|field| self.member_rule(Which::Old, owner, field));
        let new_rule = new.and_then(|field| self.member_rule(Which::New, owner, field));
        match (old, new) {
            (Some(old), Some(new)) => {
                let decided = self.both_sided(owner, (old, old_rule), (new, new_rule))?;
                if decided.parts.iter().any(|part| is_carried(&part.action)) {
                    self.by_index(owner, old, new)?;
                }
                self.by_constants(owner, old, new, decided)
            }
            (None, Some(new)) => {
                let why = self.unnamed_union(Which::New, new).unwrap_or(Why::Added);
                self.one_sided(new_rule, None, Some(Value::of(new)), why)
            }
            (Some(old), None) => {
                let why = self.unnamed_union(Which::Old, old).unwrap_or(Why::Removed);
                self.one_sided(old_rule, Some(Value::of(old)), None, why)
            }
            (None, None) => Ok(Decision::automatic(Vec::new())),
        }
    }

    /// A number of an element means nothing where the array has fewer of them.
    fn by_index(&self, owner: &Owner, old: &Field, new: &Field) -> Result<(), Why> {
        let array = |which: Which, field: &Field| {
            let (names, member) = self.spoken_of(which, owner, field);
            names.into_iter().find_map(|name| {
                let index = self.pair.map.types.get(name)?.indexes.get(member)?;
                Some(format!("{name}.{}", index.array))
            })
        };
        // Of a field that has another name now, the map may know one alone.
        let array = array(Which::New, new).or_else(|| array(Which::Old, old));
        let Some(array) = array else {
            return Ok(());
        };
        let elements = |which: Which| overrides::elements(self.layout(which), &array);
        // One that is no more has none.
        let (was, is) = (elements(Which::Old), elements(Which::New).unwrap_or(0));
        match was {
            Some(was) if is < was => Err(Why::FewerElements { array, was, is }),
            _ => Ok(()),
        }
    }

    /// Decides a member that both sides have.
    fn both_sided(
        &mut self,
        owner: &Owner,
        (old, old_rule): (&Field, Option<MemberRule<'_>>),
        (new, new_rule): (&Field, Option<MemberRule<'_>>),
    ) -> Result<Decision, Why> {
        let (old, new) = (Value::of(old), Value::of(new));
        // An array of no elements: what lies behind an object is not what its members say.
        if old.len == 0 && new.len == 0 {
            return Ok(Decision::automatic(Vec::new()));
        }
        // A structure around a number, like refcount_t, is carried whatever the state map says of
        // the structures inside.
        let (wrapped, rules) = match self.wrapped(&old, &new) {
            Some(wrapped) => {
                let carried = |rule: Option<MemberRule<'_>>| {
                    rule.is_none_or(|rule| matches!(rule.rule.policy, Policy::Carry))
                };
                match carried(old_rule) && carried(new_rule) {
                    true => (wrapped, (None, None)),
                    false => ((old, new), (old_rule, new_rule)),
                }
            }
            None => ((old, new), (old_rule, new_rule)),
        };
        let (old, new) = wrapped;
        match rules {
            (None, None) => {
                let fallback = format!("{}.{}", owner.name, new.path);
                let (rule, action) = self.values(&old, &new, &fallback)?;
                let moved = rule == RuleKind::Carry && old.offset != new.offset;
                let rule = if moved { RuleKind::Move } else { rule };
                let part = Part {
                    rule,
                    action,
                    from: Some(old),
                    to: Some(new),
                };
                Ok(Decision::automatic(vec![part]))
            }
            (Some(old_rule), Some(new_rule)) => {
                let (was, is) = (&old_rule.rule.policy, &new_rule.rule.policy);
                let resets = matches!((was, is), (Policy::Reset { .. }, Policy::Reset { .. }));
                if was != is && !resets {
                    return Err(Why::MeaningChanged {
                        old: was.name(),
                        new: is.name(),
                    });
                }
                // What was said of an address says nothing of the members of a structure.
                let are_addresses = (
                    self.is_address(Which::Old, old.ty),
                    self.is_address(Which::New, new.ty),
                );
                let says_nothing = matches!(
                    is,
                    Policy::Reset {
                        initial: None | Some(Initial::Default),
                        ..
                    }
                );
                if says_nothing && are_addresses.0 != are_addresses.1 {
                    return Err(Why::TypeChanged);
                }
                let fallback = format!("{}.{}", owner.name, new.path);
                let parts = self.by_policy(new_rule, old, new, &fallback)?;
                Ok(Decision::state_map(&new_rule.rule.reason, parts))
            }
            _ => Err(Why::TypeChanged),
        }
    }

    /// Whether a value is an address, or an array of some.
    fn is_address(&self, which: Which, ty: TypeId) -> bool {
        match ctype::shape(self.layout(which), ty) {
            Shape::Scalar(scalar) => scalar.kind == ScalarKind::Pointer,
            Shape::Array { element, .. } => self.is_address(which, element),
            _ => false,
        }
    }

    /// Two numbers of one width of which one has a structure around it that the other has not: an
    /// `int` that became an `atomic_t`, an `atomic_t` that became a `refcount_t`. Two structures of
    /// which neither is in the other are two things, like a `kuid_t` and a `kgid_t`.
    fn wrapped(&self, old: &Value, new: &Value) -> Option<(Value, Value)> {
        if old.bit_field || new.bit_field || old.len != new.len {
            return None;
        }
        let (was, around_old) = self.unwrapped(Which::Old, old)?;
        let (is, around_new) = self.unwrapped(Which::New, new)?;
        let one_more = match (around_old.first(), around_new.first()) {
            (None, None) => false,
            (Some(old), Some(new)) => {
                old != new && (around_old.contains(new) || around_new.contains(old))
            }
            _ => true,
        };
        one_more.then_some((was, is))
    }

    /// The number that a value is or is a wrapper around, and the names of the structures around
    /// it, the outermost first.
    fn unwrapped(&self, which: Which, value: &Value) -> Option<(Value, Vec<&'a str>)> {
        let layout = self.layout(which);
        match ctype::shape(layout, value.ty) {
            Shape::Scalar(scalar) if scalar.kind == ScalarKind::Number => {
                Some((value.clone(), Vec::new()))
            }
            Shape::Struct(..) => {
                let (path, ty) = ctype::wrapped_number(layout, value.ty)?;
                let mut around = vec![ctype::type_name(layout, value.ty)?];
                for end in 1..path.steps().len() {
                    let part = FieldPath::from(path.steps()[..end].to_vec());
                    let inside = layout.lookup(value.ty, &part)?;
                    around.extend(ctype::type_name(layout, inside.ty));
                }
                Some((value.wrapped(&path, ty), around))
            }
            _ => None,
        }
    }

    /// The state map's rule for a member by its name.
    pub(super) fn own_rule(&self, which: Which, owner: &Owner, field: &Field) -> Option<&'a Rule> {
        let (names, member) = self.spoken_of(which, owner, field);
        let own = self.pair.map.own_rule(&names, member);
        own.map(|(rule, _)| rule)
    }

    /// The names of the type that a member is of, and its name in there.
    pub(super) fn spoken_of<'f>(
        &'f self,
        which: Which,
        owner: &'f Owner,
        field: &'f Field,
    ) -> (Vec<&'f str>, &'f str) {
        match (field.inside, field.name.rsplit_once('.')) {
            (Some(inside), Some((_, member))) => (self.layout(which).names(inside), member),
            _ => {
                let names = owner.names[which as usize].iter();
                (names.map(String::as_str).collect(), field.name.as_str())
            }
        }
    }

    /// The names of a member: `type.member`.
    pub(super) fn full_names(&self, which: Which, owner: &Owner, field: &Field) -> Vec<String> {
        let (names, member) = self.spoken_of(which, owner, field);
        let names = names.into_iter();
        names.map(|name| format!("{name}.{member}")).collect()
    }

    /// The state map's rule for a member.
    fn member_rule(&self, which: Which, owner: &Owner, field: &Field) -> Option<MemberRule<'a>> {
        let (names, member) = self.spoken_of(which, owner, field);
        let (map, layout) = (self.pair.map, self.layout(which));
        match map.member_rule(layout, &names, member, field.ty) {
            Some((rule, RuleFrom::Member { .. })) => Some(MemberRule {
                rule,
                of_type: false,
            }),
            // A union without a name is called by its members.
            of_type => match self.union_rule(which, owner, field) {
                Some(rule) => Some(MemberRule {
                    rule,
                    of_type: false,
                }),
                None => of_type.map(|(rule, _)| MemberRule {
                    rule,
                    of_type: true,
                }),
            },
        }
    }

    /// That a field which one side has alone is an unnamed union, of which only the state map can
    /// speak.
    fn unnamed_union(&self, which: Which, field: &Field) -> Option<Why> {
        let Shape::Union(_, union) = ctype::shape(self.layout(which), field.ty) else {
            return None;
        };
        let first = union
            .members
            .iter()
            .find_map(|member| member.name.clone())?;
        let unnamed = field.name.starts_with("union_");
        unnamed.then_some(Why::UnnamedUnion {
            first,
            appears: which == Which::New,
        })
    }

    /// The rule for an unnamed union, if it is plain data by the rules of all of its members.
    fn union_rule(&self, which: Which, owner: &Owner, field: &Field) -> Option<&'a Rule> {
        let layout = self.layout(which);
        let Shape::Union(_, union) = ctype::shape(layout, field.ty) else {
            return None;
        };
        let names = &owner.names[which as usize];
        let map = self.pair.map;
        let rules: Vec<&Rule> = union
            .members
            .iter()
            .map(|member| {
                let name = member.name.as_deref()?;
                map.own_rule(names, name).map(|(rule, _)| rule)
            })
            .collect::<Option<_>>()?;
        let carried = |rule: &&Rule| matches!(rule.policy, Policy::Carry);
        let unnamed = field.name.starts_with("union_");
        (unnamed && rules.iter().all(carried)).then(|| rules.first().copied())?
    }

    /// A member that only one side has is decided if it is reset: it gets its initial value, or is
    /// kept unless it has it.
    fn one_sided(
        &mut self,
        rule: Option<MemberRule<'_>>,
        old: Option<Value>,
        new: Option<Value>,
        open: Why,
    ) -> Result<Decision, Why> {
        if old.iter().chain(&new).all(|value| value.len == 0) {
            return Ok(Decision::automatic(Vec::new()));
        }
        let Some(MemberRule { rule, of_type }) = rule else {
            return Err(open);
        };
        let Policy::Reset {
            initial, strict, ..
        } = &rule.policy
        else {
            return Err(open);
        };
        let initial = match (initial, &old, &new) {
            (Some(initial), ..) => initial.clone(),
            (None, _, Some(new)) => self.pair.map.initial(self.layout(Which::New), new.ty),
            (None, Some(old), None) => self.pair.map.initial(self.layout(Which::Old), old.ty),
            (None, None, None) => Initial::Default,
        };
        let mut parts = Vec::new();
        self.reset_value(old, new, &initial, *strict, &mut parts)?;
        for part in &mut parts {
            // What was said of this member is told as what a new member gets.
            if !of_type && part.from.is_none() && part.rule == RuleKind::Reset {
                part.rule = RuleKind::Init;
            }
        }
        Ok(Decision::state_map(&rule.reason, parts))
    }

    /// Applies a policy to a member that both sides have.
    fn by_policy(
        &mut self,
        member: MemberRule<'_>,
        old: Value,
        new: Value,
        fallback: &str,
    ) -> Result<Vec<Part>, Why> {
        let policy = &member.rule.policy;
        match policy {
            Policy::Reset {
                initial, strict, ..
            } => {
                let of_its_type = member.of_type || (initial.is_none() && !strict);
                if of_its_type && let Some(action) = self.reset_function(&old, &new, fallback) {
                    let rule = RuleKind::Reset;
                    return Ok(vec![Part {
                        rule,
                        action,
                        from: Some(old),
                        to: Some(new),
                    }]);
                }
                let initial = match initial {
                    Some(initial) => initial.clone(),
                    None => self.pair.map.initial(self.layout(Which::New), new.ty),
                };
                let mut parts = Vec::new();
                self.reset_value(Some(old), Some(new), &initial, *strict, &mut parts)?;
                Ok(parts)
            }
            Policy::Carry => match self.same(old.ty, new.ty) && old.len == new.len {
                true => {
                    let moved = old.offset != new.offset;
                    let rule = if moved {
                        RuleKind::Move
                    } else {
                        RuleKind::Carry
                    };
                    Ok(vec![Part {
                        rule,
                        action: Action::Copy,
                        from: Some(old),
                        to: Some(new),
                    }])
                }
                false => Err(Why::TypeChanged),
            },
            Policy::Within { .. } if self.is_list(&old, &new) => Ok(self.ring(&old, &new)),
            Policy::Within { .. } if self.is_chain(&old, &new) => Ok(self.chain(&old, &new)),
            _ => {
                if old.bit_field || new.bit_field {
                    return Err(Why::PolicyDoesNotFit {
                        policy: policy.name(),
                    });
                }
                let (rule, action) = self.policy_of_values(policy, old.ty, new.ty)?;
                Ok(vec![Part {
                    rule,
                    action,
                    from: Some(old),
                    to: Some(new),
                }])
            }
        }
    }

    /// A policy for a pointer, or for each pointer of an array.
    fn policy_of_values(&mut self, policy: &Policy, old: TypeId, new: TypeId) -> Ruled {
        let shapes = (
            ctype::shape(self.layout(Which::Old), old),
            ctype::shape(self.layout(Which::New), new),
        );
        match shapes {
            (Shape::Scalar(was), Shape::Scalar(is)) => {
                let pointee_counts = matches!(policy, Policy::Follow(_) | Policy::Within { .. });
                let pointers = was.kind == ScalarKind::Pointer && is.kind == ScalarKind::Pointer;
                if pointee_counts && pointers && !self.same(old, new) {
                    return Err(Why::TypeChanged);
                }
                self.scalar_policy(policy, was, is)
            }
            (
                Shape::Array {
                    element: was,
                    count: old_count,
                },
                Shape::Array {
                    element: is,
                    count: new_count,
                },
            ) => {
                one_sided(old_count, new_count)?;
                let (rule, each) = self.policy_of_values(policy, was, is)?;
                even(&each)?;
                if old_count != new_count && !self.is_number(is) {
                    return Err(Why::ElementsLeftOver);
                }
                Ok(elements((rule, each), old_count, new_count))
            }
            _ => Err(Why::PolicyDoesNotFit {
                policy: policy.name(),
            }),
        }
    }

    /// A policy for one pointer, or an integer that holds one.
    pub(super) fn scalar_policy(&self, policy: &Policy, old: Scalar, new: Scalar) -> Ruled {
        // A number is an address because somebody says so of it, and that somebody has to say again.
        let same_kind = old.kind == new.kind || *policy == Policy::User;
        let pointer = |rule, meaning| match same_kind {
            true => Ok((rule, Action::Pointer { meaning })),
            false => Err(Why::TypeChanged),
        };
        match policy {
            Policy::Follow(_) => pointer(RuleKind::Follow, Meaning::Follow),
            Policy::Within {
                missing: Missing::Reset,
            } => pointer(RuleKind::Within, Meaning::Within),
            Policy::Within {
                missing: Missing::Refuse,
            } => pointer(RuleKind::Within, Meaning::WithinRequired),
            Policy::Stack => pointer(RuleKind::Stack, Meaning::Stack),
            Policy::Symbol => pointer(RuleKind::Symbol, Meaning::Symbol),
            Policy::Resource { .. } => pointer(RuleKind::Resource, Meaning::Resource),
            Policy::User => {
                let number = |scalar: Scalar| Scalar {
                    kind: ScalarKind::Number,
                    ..scalar
                };
                let (_, action) = self.numbers(number(old), number(new))?;
                Ok((RuleKind::User, action))
            }
            Policy::Carry | Policy::Reset { .. } => Err(Why::PolicyDoesNotFit {
                policy: policy.name(),
            }),
        }
    }

    fn is_list(&self, old: &Value, new: &Value) -> bool {
        let links = |which: Which, value: &Value| {
            let layout = self.layout(which);
            match ctype::shape(layout, value.ty) {
                Shape::Struct(_, composite) => ctype::list_links(layout, composite).is_some(),
                _ => false,
            }
        };
        links(Which::Old, old) && links(Which::New, new)
    }

    /// Whether both are the head or a link of a chain that ends in null, such as `hlist_head` and
    /// `hlist_node`: one structure of nothing but pointers.
    fn is_chain(&mut self, old: &Value, new: &Value) -> bool {
        let fields = self.fields(Which::Old, old);
        let is_pointer = |field: &Field| {
            let shape = ctype::shape(self.layout(Which::Old), field.ty);
            matches!(shape, Shape::Scalar(scalar) if scalar.kind == ScalarKind::Pointer)
        };
        let pointers = !fields.is_empty() && fields.iter().all(is_pointer);
        pointers && self.same(old.ty, new.ty)
    }

    /// The pointers of a chain of saved objects. None may lead out of the image: the rest of the
    /// chain would be lost.
    fn chain(&self, old: &Value, new: &Value) -> Vec<Part> {
        let fields = self.fields(Which::Old, old);
        fields
            .into_iter()
            .zip(self.fields(Which::New, new))
            .map(|(was, is)| Part {
                rule: RuleKind::Within,
                action: Action::Pointer {
                    meaning: Meaning::LinkRequired,
                },
                from: Some(old.member(&was)),
                to: Some(new.member(&is)),
            })
            .collect()
    }

    /// Both links of a ring of saved objects.
    fn ring(&self, old: &Value, new: &Value) -> Vec<Part> {
        let links = self
            .fields(Which::Old, old)
            .into_iter()
            .zip(self.fields(Which::New, new));
        links
            .map(|(was, is)| Part {
                rule: RuleKind::Within,
                action: Action::Link {
                    head: new.path.clone(),
                },
                from: Some(old.member(&was)),
                to: Some(new.member(&is)),
            })
            .collect()
    }

    /// The members of a structure, none of anything else.
    fn fields(&self, which: Which, value: &Value) -> Vec<Field> {
        let layout = self.layout(which);
        match ctype::shape(layout, value.ty) {
            Shape::Struct(_, composite) => ctype::fields(layout, composite),
            _ => Vec::new(),
        }
    }

    /// The automatic rule for two values.
    pub(super) fn values(&mut self, old: &Value, new: &Value, fallback: &str) -> Ruled {
        if !old.bit_field && !new.bit_field {
            return self.types(old.ty, new.ty, fallback);
        }
        let shapes = (
            ctype::shape(self.layout(Which::Old), old.ty),
            ctype::shape(self.layout(Which::New), new.ty),
        );
        match shapes {
            (Shape::Scalar(was), Shape::Scalar(is)) => {
                let pointer = [was, is].iter().any(|s| s.kind == ScalarKind::Pointer);
                let same = was.signed == is.signed && old.len == new.len;
                match (old.bit_field && new.bit_field && same, was.kind == is.kind) {
                    _ if pointer => Err(Why::TypeChanged),
                    (true, true) => Ok((RuleKind::Carry, Action::Copy)),
                    _ => Ok((RuleKind::BitField, Action::BitField)),
                }
            }
            (Shape::Enum(_), Shape::Enum(_))
                if old.bit_field
                    && new.bit_field
                    && old.len == new.len
                    && self.same(old.ty, new.ty) =>
            {
                Ok((RuleKind::Carry, Action::Copy))
            }
            _ => Err(Why::TypeChanged),
        }
    }

    /// The automatic rule for two types.
    fn types(&mut self, old: TypeId, new: TypeId, fallback: &str) -> Ruled {
        let (old_layout, new_layout) = (self.layout(Which::Old), self.layout(Which::New));
        match (ctype::shape(old_layout, old), ctype::shape(new_layout, new)) {
            (Shape::Scalar(was), Shape::Scalar(is)) => self.numbers(was, is),
            (Shape::Enum(_), Shape::Enum(_)) if self.same(old, new) => {
                Ok((RuleKind::Carry, Action::Copy))
            }
            (Shape::Enum(_), Shape::Enum(_)) => self.enumerators(old, new),
            (Shape::Struct(..), Shape::Struct(..)) => {
                if self.same(old, new) && self.plain(old, new) {
                    return Ok((RuleKind::Carry, Action::Copy));
                }
                if ctype::type_name(old_layout, old) != ctype::type_name(new_layout, new) {
                    return Err(Why::TypeChanged);
                }
                let ty = self.plan_type(old, new, fallback);
                Ok((RuleKind::Recurse, Action::Recurse { ty }))
            }
            (Shape::Union(..), Shape::Union(..)) => match self.same(old, new) {
                true if self.has_pointer(new) => Err(Why::NoPolicy),
                true => Ok((RuleKind::Union, Action::Copy)),
                false => Err(Why::UnionChanged),
            },
            (
                Shape::Array {
                    element: was,
                    count: old_count,
                },
                Shape::Array {
                    element: is,
                    count: new_count,
                },
            ) => self.arrays((was, old_count), (is, new_count), fallback),
            (Shape::Opaque { .. }, Shape::Opaque { .. }) if self.same(old, new) => {
                Ok((RuleKind::Carry, Action::Copy))
            }
            _ => Err(Why::TypeChanged),
        }
    }

    fn arrays(
        &mut self,
        (old, old_count): (TypeId, u64),
        (new, new_count): (TypeId, u64),
        fallback: &str,
    ) -> Ruled {
        let (rule, each) = self.types(old, new, fallback)?;
        even(&each)?;
        if old_count == new_count {
            return Ok(match (rule, &each) {
                (RuleKind::Carry | RuleKind::Union, Action::Copy) => (rule, Action::Copy),
                _ => elements((rule, each), old_count, new_count),
            });
        }
        one_sided(old_count, new_count)?;
        match &each {
            // The initial value of what is not a number may be anything but zero.
            Action::Copy if self.is_number(new) => {}
            Action::Widen | Action::Narrow => {}
            _ => return Err(Why::ElementsLeftOver),
        }
        Ok(elements((rule, each), old_count, new_count))
    }

    /// Whether a new type is a number, or a pointer.
    fn is_number(&self, new: TypeId) -> bool {
        let shape = ctype::shape(self.layout(Which::New), new);
        matches!(shape, Shape::Scalar(_))
    }

    /// The automatic rule for two integers.
    pub(super) fn numbers(&self, old: Scalar, new: Scalar) -> Ruled {
        use ScalarKind::{Bool, Number, Pointer};
        match (old.kind, new.kind) {
            (Pointer, _) | (_, Pointer) => Err(Why::NoPolicy),
            (Number, Bool) => Err(Why::TypeChanged),
            _ if old == new => Ok((RuleKind::Carry, Action::Copy)),
            _ => {
                let wider = new.bytes > old.bytes && (new.signed || !old.signed);
                let unsigned_bool = old.kind == Bool && new.bytes == old.bytes && !new.signed;
                Ok(match (wider, unsigned_bool) {
                    (_, true) => (RuleKind::Carry, Action::Copy),
                    (true, _) => (RuleKind::Widen, Action::Widen),
                    _ => (RuleKind::Narrow, Action::Narrow),
                })
            }
        }
    }

    fn enumerators(&self, old: TypeId, new: TypeId) -> Ruled {
        let get = |which: Which, id: TypeId| {
            let layout = self.layout(which);
            match layout.get(layout.strip(id)) {
                Type::Enum(e) => e.enumerators.as_slice(),
                _ => &[],
            }
        };
        let mut table: Vec<(i64, i64)> = Vec::new();
        for (name, was) in get(Which::Old, old) {
            let Some((_, is)) = get(Which::New, new).iter().find(|(other, _)| other == name) else {
                continue;
            };
            let (Ok(was), Ok(is)) = (i64::try_from(*was), i64::try_from(*is)) else {
                return Err(Why::TypeChanged);
            };
            match table.iter().find(|(value, _)| *value == was) {
                Some((_, other)) if *other != is => {
                    return Err(Why::EnumeratorSplit { name: name.clone() });
                }
                Some(_) => {}
                None => table.push((was, is)),
            }
        }
        table.sort_unstable();
        Ok((RuleKind::EnumByName, Action::Enumerator { table }))
    }

    /// Whether values of two identical types are plain data: nothing in them has a rule or an
    /// override, is a pointer, or is padding.
    fn plain(&self, old: TypeId, new: TypeId) -> bool {
        let no_padding = |which: Which, ty: TypeId| {
            padding(self.layout(which), ty, usize::MAX).is_ok_and(|holes| holes.is_empty())
        };
        no_padding(Which::Old, old)
            && no_padding(Which::New, new)
            && self.has_no_rules(Which::Old, old)
            && self.has_no_rules(Which::New, new)
            && !self.has_pointer(new)
    }

    fn has_no_rules(&self, which: Which, ty: TypeId) -> bool {
        let (layout, map) = (self.layout(which), self.pair.map);
        let names = layout.names(ty);
        let spoken_of = |name: &&str| {
            let prefix = format!("{name}.");
            let mut overrides = self.pair.overrides.entries.iter();
            overrides.any(|entry| entry.field.starts_with(&prefix))
                || self
                    .meanings(Which::Old)
                    .differ_in(self.meanings(Which::New), name)
                || map
                    .types
                    .get(*name)
                    .is_some_and(|entry| entry.rule.is_some() || !entry.fields.is_empty())
        };
        !names.iter().any(spoken_of)
            && match ctype::shape(layout, ty) {
                Shape::Array { element, .. } => self.has_no_rules(which, element),
                Shape::Struct(_, composite) | Shape::Union(_, composite) => {
                    self.members_have_no_rules(which, composite)
                }
                _ => true,
            }
    }

    fn members_have_no_rules(&self, which: Which, composite: &Composite) -> bool {
        composite
            .members
            .iter()
            .all(|member| self.has_no_rules(which, member.ty))
    }

    fn has_pointer(&self, ty: TypeId) -> bool {
        let layout = self.layout(Which::New);
        match ctype::shape(layout, ty) {
            Shape::Scalar(scalar) => scalar.kind == ScalarKind::Pointer,
            Shape::Array { element, .. } => self.has_pointer(element),
            Shape::Struct(_, composite) | Shape::Union(_, composite) => composite
                .members
                .iter()
                .any(|member| self.has_pointer(member.ty)),
            Shape::Enum(_) | Shape::Opaque { .. } => false,
        }
    }
}

/// Whether the value goes on as the same number.
pub(super) const fn is_carried(action: &Action) -> bool {
    matches!(action, Action::Copy | Action::Widen | Action::Narrow)
}

/// Of arrays in an array, each has as many elements as before: no rule is for the others.
fn even(each: &Action) -> Result<(), Why> {
    match each {
        Action::Elements { old, new, .. } if old != new => Err(Why::ElementsLeftOver),
        _ => Ok(()),
    }
}

/// An array without elements says nothing of what one with elements holds.
fn one_sided(old: u64, new: u64) -> Result<(), Why> {
    match (old == 0) == (new == 0) {
        true => Ok(()),
        false => Err(Why::ElementsLeftOver),
    }
}

/// A rule for the elements of two arrays, as a rule for the arrays.
pub(super) fn elements((rule, each): (RuleKind, Action), old: u64, new: u64) -> (RuleKind, Action) {
    let rule = if old == new { rule } else { RuleKind::Array };
    (
        rule,
        Action::Elements {
            each: Box::new(each),
            old,
            new,
            rest: 0,
        },
    )
}
