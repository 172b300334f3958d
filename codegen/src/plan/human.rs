//! What overrides decide.

use super::builder::{Owner, Planner, Which, member_of};
use super::decision::{Decision, Part, Value};
use super::finding::Why;
use super::numbers::{Parts, both, is_enumerator, is_value};
use super::reset::empty_list;
use super::zero::other_than_zero;
use super::{Action, Argument, Bits, MemberOffset, Reason};
use crate::ctype::{self, Field, ScalarKind, Shape, fits};
use crate::overrides::{
    self, CONVERTERS, FOLDER, Function, Init, Origin, Override, OverrideAction, OverrideProblem,
};
use crate::steps::folder_of;
use kconv_rules::{PartKind, RuleKind, Source};
use kernel_structs::layout::{FieldPath, Layout, Type, TypeId};
use kernel_structs::nearest::nearest;
use kernel_structs::state::{Initial, Policy};
use std::collections::BTreeMap;

impl<'a> Planner<'a> {
    /// Old fields that an override for a new field reads in place of a rule of their own, with
    /// that override.
    pub(super) fn claimed(
        &self,
        owner: &Owner,
        old: &[Field],
        new: &[Field],
    ) -> BTreeMap<String, &'a Override> {
        let mut claimed = BTreeMap::new();
        for field in new {
            let Some(entry) = self.override_for(owner, &field.name, false) else {
                continue;
            };
            let names = match &entry.action {
                OverrideAction::Call(call) => arguments(&call.from, &field.name),
                action => action.reads().into_iter().map(String::from).collect(),
            };
            for name in names {
                let is_old = old.iter().any(|field| field.name == name);
                // A field that goes on under its own name is carried by its own rule, and only
                // looked at here.
                let goes_on = name != field.name && new.iter().any(|new| new.name == name);
                if is_old && !goes_on {
                    claimed.insert(name, entry);
                }
            }
        }
        claimed
    }

    /// What becomes of an old field that the override `entry` reads; `None` if the new field's
    /// own decision says so.
    pub(super) fn used_by(
        &self,
        owner: &Owner,
        entry: &Override,
        field: &Field,
    ) -> Option<Decision> {
        let by = member_of(&owner.name, entry)?;
        match &entry.action {
            OverrideAction::Call(_) if by != field.name => Some(decision(
                entry,
                vec![Part {
                    rule: RuleKind::Call,
                    action: Action::Used {
                        by: FieldPath::parse(by).ok()?,
                    },
                    from: Some(Value::of(field)),
                    to: None,
                }],
            )),
            _ => None,
        }
    }

    /// Decides a new field by an override. `other` is the old field of its name.
    pub(super) fn by_human(
        &mut self,
        owner: &Owner,
        entry: &'a Override,
        other: Option<&Field>,
        field: &Field,
        old: &[Field],
    ) -> Result<Decision, Why> {
        let decided = self.written(owner, entry, other, field, old);
        self.not_stale_if_wrong(entry, &decided);
        decided
    }

    /// Decides by an override what becomes of an old field.
    pub(super) fn human_drop(
        &mut self,
        owner: &Owner,
        entry: &'a Override,
        field: &Field,
        in_new: bool,
    ) -> Result<Decision, Why> {
        let decided = self.dropped(owner, entry, field, in_new);
        self.not_stale_if_wrong(entry, &decided);
        decided
    }

    /// The error of an entry for which its field gives no place.
    pub(super) fn misplaced(&mut self, entry: &Override, problem: OverrideProblem) -> Why {
        self.add_needed(entry.index);
        self.in_line(entry, problem)
    }

    /// What is wrong with an entry, with its place: the line, and the file from the project's folder on.
    fn in_line(&self, entry: &Override, problem: OverrideProblem) -> Why {
        let family = &self.pair.map.family;
        let file = match &entry.origin {
            Some(Origin { file, .. }) => format!("{CONVERTERS}/{FOLDER}/{family}/{file}"),
            // What a step alone needs stands in its own file.
            None => format!("{CONVERTERS}/{}/step.toml", folder_of(self.pair.converter)),
        };
        Why::Override {
            line: entry.line,
            file,
            problem: problem.to_string(),
        }
    }

    /// An entry that cannot be carried out has an error, and need not be told to be stale.
    fn not_stale_if_wrong(&mut self, entry: &Override, decided: &Result<Decision, Why>) {
        if decided.is_err() {
            self.add_needed(entry.index);
        }
    }

    fn written(
        &mut self,
        owner: &Owner,
        entry: &'a Override,
        other: Option<&Field>,
        field: &Field,
        old: &[Field],
    ) -> Result<Decision, Why> {
        let own = old.iter().find(|old| old.name == field.name);
        let dropped = self.override_for(owner, &field.name, true).is_some();
        let rest = if dropped { None } else { other };
        let without = self.speculate(|planner| planner.by_rule(owner, rest, Some(field)));
        let changed = own.map_or_else(Vec::new, |own| self.differing(owner, own, field));
        if changed.is_empty()
            && let Some(what) = self.undecidable_count(owner, &entry.action, own, field)
        {
            return Err(self.in_line(entry, OverrideProblem::Counts { what }));
        }
        let parts = match &entry.action {
            OverrideAction::Rename { old: name } => {
                return self.rename(owner, entry, name, field, own, old);
            }
            OverrideAction::Scale { .. }
            | OverrideAction::Call(_)
            | OverrideAction::MergeSum
            | OverrideAction::Init(_)
            | OverrideAction::Rest { .. }
                if !changed.is_empty() =>
            {
                if let Some(own) = own {
                    self.need_flags(owner, own, field, &changed);
                }
                let names = changed.iter().map(ToString::to_string).collect();
                Err(OverrideProblem::FlagsDiffer { names })
            }
            OverrideAction::Init(_) if own.is_some() && !dropped => {
                Err(OverrideProblem::InitWithoutDrop)
            }
            OverrideAction::Init(init) => self.init(owner, init, field),
            OverrideAction::Scale {
                multiply,
                divide,
                offset,
                from,
            } => source(from, own, old)
                .and_then(|own| self.scaled((*multiply, *divide, *offset), own, field)),
            OverrideAction::Rest { value } => self.rest(owner, *value, own, field),
            OverrideAction::Make { ty } => self.part(ty, PartKind::Made, owner, own, field),
            OverrideAction::Fold { ty } => self.part(ty, PartKind::Folded, owner, own, field),
            OverrideAction::MergeSum => self.sum(own, field),
            OverrideAction::Call(function) => self.call(owner, function, own, field, old),
            OverrideAction::Drop { .. } | OverrideAction::DropContainer => Ok(Vec::new()),
        };
        let decided = decision(
            entry,
            parts.map_err(|problem| self.in_line(entry, problem))?,
        );
        if matches!(entry.action, OverrideAction::Init(_)) && own.is_none() {
            self.not_against_map(owner, entry, (Which::New, field), (&decided, &without))?;
        }
        self.note_need(entry, &decided, without);
        Ok(decided)
    }

    /// That a decision about a field that comes or goes is not another one than the state map's, which resets
    /// the field: nobody is asked about that, and of two sources that differ one is wrong.
    fn not_against_map(
        &self,
        owner: &Owner,
        entry: &Override,
        (which, field): (Which, &Field),
        (decided, without): (&Decision, &Result<Decision, Why>),
    ) -> Result<(), Why> {
        let rule = self.own_rule(which, owner, field);
        let is_reset = rule.is_some_and(|rule| matches!(rule.policy, Policy::Reset { .. }));
        let differs = |without: &Decision| effect(&without.parts) != effect(&decided.parts);
        match without {
            Ok(without) if is_reset && differs(without) => {
                let family = self.pair.map.family.clone();
                Err(self.in_line(entry, OverrideProblem::AgainstMap { family }))
            }
            _ => Ok(()),
        }
    }

    fn dropped(
        &mut self,
        owner: &Owner,
        entry: &'a Override,
        field: &Field,
        in_new: bool,
    ) -> Result<Decision, Why> {
        let other = self.override_for(owner, &field.name, false);
        let init = other.and_then(|other| match &other.action {
            OverrideAction::Init(init) => Some(init),
            _ => None,
        });
        if in_new && init.is_none() {
            return Err(self.in_line(entry, OverrideProblem::DropWithoutInit));
        }
        if entry.action == OverrideAction::DropContainer {
            let layout = self.layout(Which::Old);
            if !is_pointer(layout, field) {
                let problem = OverrideProblem::WrongType {
                    action: "drop = \"container\"",
                    declared: ctype::declared(layout, field),
                    needs: "a pointer",
                };
                return Err(self.in_line(entry, problem));
            }
            self.add_needed(entry.index);
            return Ok(decision(
                entry,
                vec![Part {
                    rule: RuleKind::Drop,
                    action: Action::DropContainer,
                    from: Some(Value::of(field)),
                    to: None,
                }],
            ));
        }
        let OverrideAction::Drop { only_if_initial } = entry.action else {
            return Ok(decision(entry, Vec::new()));
        };
        if only_if_initial && entry.back == Some(Init::Object) {
            return Err(self.in_line(entry, OverrideProblem::StrictSelf));
        }
        let without = self.speculate(|planner| planner.by_rule(owner, Some(field), None));
        let map = self.pair.map;
        let stated = match self
            .own_rule(Which::Old, owner, field)
            .map(|rule| &rule.policy)
        {
            Some(Policy::Reset { initial, .. }) => initial.clone(),
            _ => None,
        };
        // The value that stands for every old one is carried back as it is, and what the way back
        // writes is not lost.
        let written = if in_new { init } else { entry.back.as_ref() };
        let initial = match (stated, written) {
            (Some(Initial::Default) | None, Some(Init::Value(value)))
                if in_new || self.is_scalar(field) =>
            {
                Initial::Value(*value)
            }
            (Some(Initial::Default) | None, Some(Init::Symbol(symbol)))
                if self.may_point(Which::Old, field) =>
            {
                Initial::Symbol(symbol.clone())
            }
            (Some(Initial::Default) | None, _) if self.names_symbol(owner, field) => {
                let decided = decision(entry, vec![named_drop(field, only_if_initial)]);
                self.note_need(entry, &decided, without);
                return Ok(decided);
            }
            (Some(Initial::Default) | None, _) => map.initial(self.layout(Which::Old), field.ty),
            (Some(initial), _) => initial,
        };
        let mut parts = Vec::new();
        let reset = self.reset_value(
            Some(Value::of(field)),
            None,
            &initial,
            only_if_initial,
            &mut parts,
        );
        // What the way back gives the field is said here, and not by the state map.
        reset.map_err(|why| match (why, written) {
            (Why::InitialDoesNotFit { number }, Some(Init::Value(value))) if number == *value => {
                let declared = ctype::declared(self.layout(Which::Old), field);
                let key = "init";
                self.in_line(
                    entry,
                    OverrideProblem::NumberDoesNotFit {
                        key,
                        number,
                        declared,
                    },
                )
            }
            (Why::PolicyDoesNotFit { .. }, Some(Init::Value(_))) => {
                let declared = ctype::declared(self.layout(Which::Old), field);
                self.in_line(
                    entry,
                    OverrideProblem::WrongType {
                        action: "init",
                        declared,
                        needs: "a number",
                    },
                )
            }
            (why, _) => why,
        })?;
        let decided = decision(entry, parts);
        if !in_new {
            self.not_against_map(owner, entry, (Which::Old, field), (&decided, &without))?;
        }
        self.note_need(entry, &decided, without);
        Ok(decided)
    }

    /// Whether a number says what an old field is: a scalar, perhaps in structures around it alone.
    fn is_scalar(&self, field: &Field) -> bool {
        let layout = self.layout(Which::Old);
        let shape = ctype::shape(layout, field.ty);
        matches!(shape, Shape::Scalar(_) | Shape::Enum(_))
            || ctype::wrapped_number(layout, field.ty).is_some()
    }

    /// Whether a field can hold an address.
    fn may_point(&self, which: Which, field: &Field) -> bool {
        ctype::holds_pointer(self.layout(which), field.ty, field.bit_field)
    }

    /// Whether an old field is a pointer into the kernel image by the state map. The number that it
    /// is says nothing on another kernel than that of the freeze.
    fn names_symbol(&self, owner: &Owner, field: &Field) -> bool {
        let rule = self.own_rule(Which::Old, owner, field);
        rule.is_some_and(|rule| rule.policy == Policy::Symbol) && self.may_point(Which::Old, field)
    }

    /// An override is needed if without it the field would be open, or treated differently.
    fn note_need(&mut self, entry: &Override, decided: &Decision, without: Result<Decision, Why>) {
        if without.is_ok_and(|without| effect(&without.parts) == effect(&decided.parts)) {
            return;
        }
        self.add_needed(entry.index);
    }

    /// What `decide` gives, without it leaving anything behind.
    fn speculate<T>(&mut self, decide: impl FnOnce(&mut Planner<'a>) -> T) -> T {
        let before = self.state();
        let result = decide(self);
        self.restore(&before);
        result
    }

    fn rename(
        &mut self,
        owner: &Owner,
        entry: &'a Override,
        name: &str,
        field: &Field,
        own: Option<&Field>,
        old: &[Field],
    ) -> Result<Decision, Why> {
        if own.is_some() {
            return Err(self.in_line(entry, OverrideProblem::NothingToRename));
        }
        let was = old_field(name, old).map_err(|problem| self.in_line(entry, problem))?;
        let led = self.by_rule(owner, Some(was), Some(field));
        if let Ok(led) = &led
            && !led.parts.is_empty()
            && led.parts.iter().all(|part| part.rule == RuleKind::Reset)
        {
            let old = name.to_owned();
            let problem = OverrideProblem::RenameOfReset { old };
            return Err(self.in_line(entry, problem));
        }
        let rules = [
            self.own_rule(Which::Old, owner, was).is_some(),
            self.own_rule(Which::New, owner, field).is_some(),
        ];
        let mut decided = led.map_err(|why| match why {
            Why::TypeChanged if rules[0] != rules[1] => {
                let (has, lacks) = match rules[0] {
                    true => (name, &*field.name),
                    false => (&*field.name, name),
                };
                let problem = OverrideProblem::RuleOfOneName {
                    has: format!("{}.{has}", owner.name),
                    lacks: lacks.to_owned(),
                    family: self.pair.map.family.clone(),
                };
                self.in_line(entry, problem)
            }
            Why::TypeChanged | Why::UnionChanged => {
                let problem = OverrideProblem::RenameOfOther {
                    old: name.to_owned(),
                    was: ctype::declared(self.layout(Which::Old), was),
                    is: ctype::declared(self.layout(Which::New), field),
                };
                self.in_line(entry, problem)
            }
            why => why,
        })?;
        for part in &mut decided.parts {
            if matches!(part.rule, RuleKind::Carry | RuleKind::Move) {
                part.rule = RuleKind::Rename;
            }
        }
        self.add_needed(entry.index);
        Ok(decision(entry, decided.parts))
    }

    fn init(&self, owner: &Owner, init: &Init, field: &Field) -> Parts {
        let layout = self.layout(Which::New);
        let mut shape = ctype::shape(layout, field.ty);
        let wrong = |action, needs| {
            Err(OverrideProblem::WrongType {
                action,
                declared: ctype::declared(layout, field),
                needs,
            })
        };
        let pointer = matches!(shape, Shape::Scalar(s) if s.kind == ScalarKind::Pointer);
        let mut to = Value::of(field);
        let action = match init {
            Init::Null if pointer => Action::Set { value: 0 },
            Init::Null => return wrong("init = \"null\"", "a pointer"),
            Init::Zero if field.bit_field => Action::Set { value: 0 },
            Init::Zero => {
                if let Some(inside) = other_than_zero(self.pair.map, layout, field.ty) {
                    let path = field.path();
                    let steps = path.steps().iter().chain(inside.steps());
                    let path = FieldPath::from(steps.cloned().collect::<Vec<_>>());
                    return Err(OverrideProblem::NotZero {
                        place: format!("{}.{path}", owner.name),
                    });
                }
                Action::Zero
            }
            Init::Value(value) => {
                if let Some((path, ty)) = ctype::wrapped_number(layout, to.ty) {
                    (to, shape) = (to.wrapped(&path, ty), ctype::shape(layout, ty));
                }
                match shape {
                    Shape::Scalar(s) if is_value(s, to.len, *value) => {
                        Action::Set { value: *value }
                    }
                    Shape::Enum(s)
                        if fits(*value, to.len, s.signed)
                            && is_enumerator(layout, field.ty, *value) =>
                    {
                        Action::Set { value: *value }
                    }
                    Shape::Scalar(_) | Shape::Enum(_) => {
                        return Err(OverrideProblem::NumberDoesNotFit {
                            key: "init",
                            number: *value,
                            declared: ctype::declared(layout, field),
                        });
                    }
                    _ => return wrong("init", "a number"),
                }
            }
            Init::EmptyList => {
                let Shape::Struct(_, composite) = shape else {
                    return wrong("init = \"empty-list\"", "a list_head");
                };
                let fields = ctype::fields(layout, composite);
                let mut parts = Vec::new();
                let emptied = match ctype::list_links(layout, composite) {
                    Some(_) => empty_list(None, Some((to, fields.as_slice())), false, &mut parts),
                    None => return wrong("init = \"empty-list\"", "a list_head"),
                };
                if emptied.is_err() {
                    return wrong("init = \"empty-list\"", "a list_head");
                }
                for part in &mut parts {
                    part.rule = RuleKind::Init;
                }
                return Ok(parts);
            }
            Init::Symbol(symbol) if self.may_point(Which::New, field) => Action::SetSymbol {
                symbol: symbol.clone(),
            },
            Init::Symbol(_) => {
                return wrong(
                    "init = { symbol = … }",
                    "a pointer, or an integer as large as one",
                );
            }
            Init::Container if !pointer => return wrong("init = \"container\"", "a pointer"),
            Init::Container => Action::ContainerAddress,
            Init::Object if !pointer => return wrong("init = \"self\"", "a pointer"),
            Init::Object => {
                let leads_to = match layout.get(layout.strip(to.ty)) {
                    Type::Pointer { target } => *target,
                    _ => TypeId::VOID,
                };
                let names = layout.names(leads_to);
                let is_own = |name: &&str| {
                    owner.names[Which::New as usize]
                        .iter()
                        .any(|own| own == name)
                };
                if layout.strip(leads_to) != TypeId::VOID && !names.iter().any(is_own) {
                    return wrong(
                        "init = \"self\"",
                        "a pointer at the structure that the field is in",
                    );
                }
                let entry = self.pair.map.types.get(&owner.name);
                if !entry.is_some_and(|entry| entry.saved) {
                    return Err(OverrideProblem::NotAnObject {
                        action: "init = \"self\"",
                    });
                }
                Action::ObjectAddress
            }
        };
        Ok(vec![Part {
            rule: RuleKind::Init,
            action,
            from: None,
            to: Some(to),
        }])
    }

    /// A structure of type `ty` that becomes an object, or an object that becomes a structure.
    fn part(
        &mut self,
        ty: &str,
        kind: PartKind,
        owner: &Owner,
        own: Option<&Field>,
        field: &Field,
    ) -> Parts {
        let (word, rule) = match kind {
            PartKind::Made => ("make", RuleKind::Make),
            PartKind::Folded => ("fold", RuleKind::Fold),
        };
        let own = own.ok_or(OverrideProblem::NeedsBoth { action: word })?;
        let ((inside, outside), (structure, pointer)) = match kind {
            PartKind::Made => ((Which::Old, Which::New), (own, field)),
            PartKind::Folded => ((Which::New, Which::Old), (field, own)),
        };
        let wrong = |which: Which, field: &Field| OverrideProblem::OtherPart {
            action: word,
            ty: ty.to_owned(),
            inside: match kind {
                PartKind::Made => "old",
                PartKind::Folded => "new",
            },
            declared: ctype::declared(self.layout(which), field),
        };
        if !self.layout(inside).names(structure.ty).contains(&ty) {
            return Err(wrong(inside, structure));
        }
        let layout = self.layout(outside);
        let target = match layout.get(layout.strip(pointer.ty)) {
            Type::Pointer { target } if layout.names(*target).contains(&ty) => *target,
            _ => {
                return Err(wrong(outside, pointer));
            }
        };
        let saved = |name: &str| {
            self.pair
                .map
                .types
                .get(name)
                .is_some_and(|entry| entry.saved)
        };
        if !saved(ty) || !saved(&owner.name) {
            return Err(OverrideProblem::NotAnObject { action: word });
        }
        let (old, new) = match kind {
            PartKind::Made => (structure.ty, target),
            PartKind::Folded => (target, structure.ty),
        };
        // Objects of a list that the map names are none's part.
        let entries = self.pair.map.types.values();
        let mut lists = entries.flat_map(|entry| entry.containers.values());
        let alone = lists.any(|list| list.element == ty);
        let ty = self.plan_type(old, new, ty);
        let action = match kind {
            PartKind::Made => Action::Make { ty },
            PartKind::Folded => Action::Fold { ty, alone },
        };
        Ok(both(rule, action, own, field))
    }

    fn call(
        &self,
        owner: &Owner,
        function: &Function,
        own: Option<&Field>,
        field: &Field,
        old: &[Field],
    ) -> Parts {
        let names = arguments(&function.from, &field.name);
        self.declared_for(function, &names, field, old)?;
        let mut arguments = Vec::new();
        for name in &names {
            arguments.push(match name.contains(':') {
                true => {
                    let wrong = |what| OverrideProblem::Flag {
                        name: name.clone(),
                        what,
                    };
                    self.argument(owner, name).map_err(wrong)?
                }
                false => Argument {
                    field: old_field(name, old)?.path(),
                    flag: None,
                },
            });
        }
        let action = Action::Call {
            function: function.name.clone(),
            arguments,
            offsets: self.offsets(function)?,
            constants: self.constants_given(function)?,
            ends: match &function.ends {
                Some(name) => {
                    let field = old_field(name, old)?;
                    let (offset, len) = (field.offset, field.len);
                    Some(Bits { offset, len })
                }
                None => None,
            },
        };
        let own = own.filter(|own| names.contains(&own.name));
        Ok(vec![Part {
            rule: RuleKind::Call,
            action,
            from: own.map(Value::of),
            to: Some(Value::of(field)),
        }])
    }

    /// The members whose offsets a function of people is given.
    pub(super) fn offsets(
        &self,
        function: &Function,
    ) -> Result<Vec<MemberOffset>, OverrideProblem> {
        let old = function.offsets.iter().map(|name| (Which::Old, name));
        let new = function.new_offsets.iter().map(|name| (Which::New, name));
        let offset = |(which, name): (Which, &String)| {
            let missing = || OverrideProblem::NoMember {
                name: name.clone(),
                side: match which {
                    Which::Old => "old",
                    Which::New => "new",
                },
            };
            let layout = self.layout(which);
            let (of, member) = name.split_once('.').ok_or_else(missing)?;
            let member = FieldPath::parse(member).map_err(|_| missing())?;
            let ty = layout.find(of).ok_or_else(missing)?;
            let field = layout.resolve(ty, &member).map_err(|_| missing())?;
            match field.bit_field {
                Some(_) => Err(missing()),
                None => Ok(MemberOffset {
                    new: which == Which::New,
                    of: of.to_owned(),
                    ty,
                    member,
                    bytes: field.offset.0 / 8,
                }),
            }
        };
        old.chain(new).map(offset).collect()
    }

    /// The values of constants, and the numbers of elements, that a function of people is given.
    pub(super) fn constants_given(&self, function: &Function) -> Result<Vec<u64>, OverrideProblem> {
        let old = function.constants.iter().map(|name| (Which::Old, name));
        let new = function.new_constants.iter().map(|name| (Which::New, name));
        let value = |(which, name): (Which, &String)| {
            let (layout, side) = match which {
                Which::Old => (self.layout(which), "old"),
                Which::New => (self.layout(which), "new"),
            };
            let name = name.clone();
            match name.contains('.') {
                true => overrides::elements(layout, &name)
                    .ok_or(OverrideProblem::NoArray { name, side }),
                false => layout
                    .constant(&name)
                    .and_then(|value| u64::try_from(value).ok())
                    .ok_or(OverrideProblem::NoConstant { name, side }),
            }
        };
        old.chain(new).map(value).collect()
    }
}

/// The old field that an action reads: the one it names, else the one of the same name.
fn source<'f>(
    from: &Option<String>,
    own: Option<&'f Field>,
    old: &'f [Field],
) -> Result<Option<&'f Field>, OverrideProblem> {
    match from {
        Some(name) => old_field(name, old).map(Some),
        None => Ok(own),
    }
}

/// The old fields that a function is given.
pub(super) fn arguments(from: &[String], field: &str) -> Vec<String> {
    if from.is_empty() {
        vec![field.to_owned()]
    } else {
        from.to_vec()
    }
}

fn old_field<'f>(name: &str, old: &'f [Field]) -> Result<&'f Field, OverrideProblem> {
    old.iter().find(|field| field.name == name).ok_or_else(|| {
        let known = old.iter().map(|field| field.name.as_str());
        OverrideProblem::NoOldField {
            name: name.to_owned(),
            nearest: nearest(name, known).map(String::from),
        }
    })
}

/// What parts do, whatever rule they do it by and however zeros are written: which bits become
/// zero, and what else is done.
fn effect(parts: &[Part]) -> (Vec<(u64, u64)>, Vec<Part>) {
    let (mut zero, mut other): (Vec<(u64, u64)>, Vec<Part>) = Default::default();
    for part in parts {
        match (&part.action, &part.from, &part.to) {
            (Action::Zero | Action::Set { value: 0 }, None, Some(to)) => {
                zero.push((to.offset, to.offset + to.len));
            }
            _ => other.push(Part {
                rule: RuleKind::Init,
                ..part.clone()
            }),
        }
    }
    zero.sort_unstable();
    zero.dedup_by(|next, last| {
        let adjacent = last.1 == next.0;
        if adjacent {
            last.1 = next.1;
        }
        adjacent
    });
    (zero, other)
}

/// A pointer into the kernel image that is no more, and whose initial value is null.
fn named_drop(field: &Field, strict: bool) -> Part {
    Part {
        rule: RuleKind::Drop,
        action: Action::DropSymbol {
            symbol: None,
            strict,
        },
        from: Some(Value::of(field)),
        to: None,
    }
}

fn decision(entry: &Override, parts: Vec<Part>) -> Decision {
    Decision {
        source: Source::Override,
        reason: Reason::one(&entry.reason),
        evidence: entry.evidence.clone(),
        parts,
    }
}

fn is_pointer(layout: &Layout, field: &Field) -> bool {
    let shape = ctype::shape(layout, field.ty);
    matches!(shape, Shape::Scalar(scalar) if scalar.kind == ScalarKind::Pointer)
}
