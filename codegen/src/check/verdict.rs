//! Who decides a change: the state map, an automatic rule, an override, or nobody yet.

use super::change::{Change, Grade, Kind, Shown, joined};
use super::contract::Versions;
use super::number;
use super::options::Options;
use super::project::Project;
use super::saved::Saved;
use super::uses::Uses;
use crate::ctype::{self, Scalar, ScalarKind, Shape};
use kernel_structs::layout::Layout;
use kernel_structs::state::{Contract, Policy};
use serde::Serialize;
use std::collections::BTreeSet;

/// What becomes of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Verdict {
    /// Something in the project decides it.
    Decided {
        /// What.
        by: String,
        /// Why that is right; empty where the rule says it all.
        #[serde(skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// Nobody has decided it.
    Undecided {
        /// What can be done.
        help: String,
    },
    /// Neither the patch nor the tree shows what becomes of it.
    Unknown {
        /// What is not shown.
        why: String,
        /// What would tell.
        help: String,
    },
    /// An override is for a field that is there no more.
    StaleOverride {
        /// Where the override stands.
        place: String,
        /// What can be done.
        help: String,
    },
    /// A person looked at it.
    Acknowledged {
        /// Why it may stand.
        reason: String,
        /// The first day on which it may not.
        expires: String,
    },
    /// The command line lets it stand, this time.
    Allowed {
        /// What was allowed.
        by: String,
    },
    /// It makes no difference.
    Nothing {
        /// Why.
        why: String,
    },
}

impl Verdict {
    /// The word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Verdict::Decided { .. } => "decided",
            Verdict::Undecided { .. } => "undecided",
            Verdict::Unknown { .. } => "unknown",
            Verdict::StaleOverride { .. } => "stale override",
            Verdict::Acknowledged { .. } => "acknowledged",
            Verdict::Allowed { .. } => "allowed",
            Verdict::Nothing { .. } => "no effect",
        }
    }

    /// Whether somebody has to do something.
    pub const fn is_open(&self) -> bool {
        matches!(
            self,
            Verdict::Undecided { .. } | Verdict::Unknown { .. } | Verdict::StaleOverride { .. }
        )
    }
}

/// What is asked for a verdict.
pub(super) struct Judge<'a> {
    pub(super) saved: &'a Saved<'a>,
    pub(super) project: &'a Project,
    pub(super) uses: &'a Uses,
    pub(super) options: Option<&'a Options>,
    pub(super) versions: &'a Versions,
}

/// A constant that sizes saved fields is no constant of meaning; one that nobody watches and
/// nothing uses is none at all.
pub(super) fn classify(mut change: Change, saved: &Saved<'_>, uses: &Uses) -> Option<Change> {
    let constant = matches!(
        change.kind,
        Kind::ConstantAdded | Kind::ConstantRemoved | Kind::ConstantRenumbered
    );
    if constant && saved.is_version(&change.ty, &change.file) {
        change.kind = Kind::FormatVersion;
    } else if saved.contract(&change).is_some() {
        // It counts whatever uses it.
    } else if constant {
        let watched = saved.watched_in(&change.ty, &change.file);
        let sizes = watched.is_some_and(|entry| !entry.sizes.is_empty());
        if uses.of(&change.ty).is_some() || sizes {
            change.kind = Kind::Size;
        } else if watched.is_none() {
            // Watched constants that are made of it have another value now.
            let made = uses.makes(&change.ty)?;
            change.detail = joined(&change.detail, &several(made, "made of it"));
        }
    } else if let Some(inside) = uses.inside(&change.ty) {
        let fields: Vec<&str> = inside.keys().map(String::as_str).collect();
        let inside = format!("it lies in {}", fields.join(", "));
        change.detail = joined(&change.detail, &inside);
    }
    Some(change)
}

impl Judge<'_> {
    pub(super) fn judge(&self, change: &Change) -> Verdict {
        let contract = self.saved.contract(change);
        // That it is declared elsewhere changes nothing of a format.
        let contract = contract.filter(|_| change.kind != Kind::MovedHeader);
        if let Some(untold) = untold(change.kind).filter(|_| contract.is_none()) {
            return untold;
        }
        if let Some(why) = self.without_effect(change) {
            return Verdict::Nothing { why };
        }
        if let Some(contract) = contract {
            return self.contract(contract, change);
        }
        if change.kind.grade() == Grade::Meaning {
            return self.meaning(change);
        }
        if let Some(saved) = self.saved.get(&change.ty)
            && !saved.live
            && let Some((by, reason)) = &saved.covered
        {
            return Verdict::Decided {
                by: format!("the state map, {by}"),
                reason: reason.clone(),
            };
        }
        let decided = self
            .by_override(change)
            .or_else(|| self.by_state_map(change));
        if let Some(decided) = decided.or_else(|| self.by_rule(change)) {
            return decided;
        }
        if let Some(unknown) = self.behind_an_option(change) {
            return unknown;
        }
        let subject = change.subject();
        if matches!(change.kind, Kind::Removed | Kind::Renamed | Kind::Reused) {
            let before = format!(
                "{}.{}",
                change.ty,
                if change.was.is_empty() {
                    &change.field
                } else {
                    &change.was
                }
            );
            if let Some(stale) = self.project.writes(&before) {
                return Verdict::StaleOverride {
                    help: format!(
                        "{} is for {before}, which is there no more; say in the next converter what becomes of it\n{}",
                        stale.place,
                        entry(change)
                    ),
                    place: stale.place,
                };
            }
        }
        let mut help = match change.kind {
            Kind::Size => format!(
                "{subject} sizes {}; compare the layouts with --from and --to, or acknowledge it",
                self.users(&change.ty).join(", ")
            ),
            Kind::Typedef | Kind::TypeRemoved | Kind::Condition | Kind::Realigned | Kind::Build => {
                "compare the layouts with --from and --to, or acknowledge it".to_owned()
            }
            _ => entry(change),
        };
        if let Some(decision) = self.project.converts(&subject) {
            help.push_str(&format!(
                "\n{} converts this field between two releases; --from and --to tell whether this change is that one",
                decision.place
            ));
        }
        Verdict::Undecided { help }
    }

    /// What one kernel writes and another reads may change with the name of its version alone.
    fn contract(&self, contract: &Contract, change: &Change) -> Verdict {
        match self.versions.new_of(contract, change) {
            Some(version) => decided(&version, contract.reason.clone()),
            None => Verdict::Undecided {
                help: format!(
                    "one kernel writes what {} declares and another reads it: give {} another text in the same patches, or acknowledge it",
                    change.file,
                    contract.compatible.join(" or ")
                ),
            },
        }
    }

    fn meaning(&self, change: &Change) -> Verdict {
        let is_constant = matches!(
            change.kind,
            Kind::ConstantAdded | Kind::ConstantRemoved | Kind::ConstantRenumbered
        );
        if is_constant && let Some(decision) = self.project.of_flag(&change.ty) {
            return decided(&decision.place, decision.reason);
        }
        let field = self.saved.map.types.get(&change.ty);
        let rule = field.and_then(|ty| ty.fields.get(&change.field));
        if let Some(rule) = rule.filter(|rule| matches!(rule.policy, Policy::Reset { .. })) {
            return decided(
                &format!(
                    "the state map, [type.{}.fields] {}",
                    change.ty, change.field
                ),
                rule.reason.clone(),
            );
        }
        if let Some(saved) = self.saved.get(&change.ty)
            && !saved.live
            && !is_constant
            && let Some((by, reason)) = &saved.covered
        {
            return decided(&format!("the state map, {by}"), reason.clone());
        }
        if let Some(unknown) = self.behind_an_option(change) {
            return unknown;
        }
        let help = match change.kind {
            Kind::ConstantRenumbered => {
                "look whether a saved value has it; then decide it with `[[flags]]`, or acknowledge it"
            }
            Kind::ConstantAdded => {
                "look whether saved values are made of it; then decide it with `[[flags]]`, or acknowledge it"
            }
            Kind::ConstantRemoved => {
                "look what the new kernel makes of the value; then decide it with `[[flags]]`, or acknowledge it"
            }
            Kind::Option => {
                "look what it is set to in the kernels that are built of this, and compare their layouts; or give the configuration with --config, or acknowledge it"
            }
            Kind::Comment => {
                "look whether the field means something else now; then an override with `scale` or `call`, or acknowledge it"
            }
            _ => "look whether a carried value is still right; then an override, or acknowledge it",
        };
        Verdict::Undecided {
            help: help.to_owned(),
        }
    }

    /// Why a change makes no difference, by the conditions around it: neither side is compiled.
    fn without_effect(&self, change: &Change) -> Option<String> {
        let holds = |side: &Option<Shown>| {
            let condition = side.as_ref().map(|side| side.condition.as_str());
            condition.map(|condition| Options::holds(self.options, condition))
        };
        let (was, is) = (holds(&change.old), holds(&change.new));
        if change.kind == Kind::Option && self.options.is_some() {
            return Some("the given configuration says what it is set to".to_owned());
        }
        if change.kind == Kind::Condition {
            // Of a whole type the conditions are what is declared.
            let (was, is) = match change.field.as_str() {
                "" => {
                    let text = |side: &Option<Shown>| {
                        let side = side.as_ref()?;
                        Options::holds(self.options, &side.declared)
                    };
                    (text(&change.old), text(&change.new))
                }
                _ => (was.flatten(), is.flatten()),
            };
            return (was.is_some() && was == is)
                .then(|| "the conditions before and after come to the same".to_owned());
        }
        if let Some(inside) = self.uses.inside(&change.ty) {
            let off = |condition: &String| Options::holds(self.options, condition) == Some(false);
            let conditions: BTreeSet<&str> = inside.values().map(String::as_str).collect();
            if inside.values().all(off) {
                return Some(format!(
                    "it is behind {}, which does not hold in the given configuration",
                    Vec::from_iter(conditions).join(" and ")
                ));
            }
        }
        let mut sides = [was, is].into_iter().flatten().peekable();
        sides.peek()?;
        if !sides.all(|side| side == Some(false)) {
            return None;
        }
        let which = match self.options {
            Some(_) => "in the given configuration",
            None => "in any kernel",
        };
        Some(format!(
            "it is behind {}, which does not hold {which}",
            change.condition
        ))
    }

    /// The verdict on a member that no stored layout has and that is behind an option of which
    /// nothing says whether it is set: it may be there in other kernels.
    fn behind_an_option(&self, change: &Change) -> Option<Verdict> {
        // A member that has a comment now was there before.
        let had = change.old.is_some() || change.kind == Kind::Comment;
        let had = had && !change.field.is_empty();
        let saved = self.saved.get(&change.ty).filter(|_| had)?;
        let name = match change.was.as_str() {
            "" => &change.field,
            was => was,
        };
        let inner = |member: &String| member == name || member.ends_with(&format!(".{name}"));
        let known = saved.members.iter().any(inner);
        let conditions = [&change.old, &change.new].into_iter().flatten();
        let mut conditions = conditions.map(|side| side.condition.as_str());
        let untold = |condition: &str| {
            condition.contains("CONFIG_") && Options::holds(self.options, condition).is_none()
        };
        let is_member = !matches!(change.kind, Kind::Enumerator | Kind::Code | Kind::Condition);
        (is_member && !known && conditions.all(untold)).then(|| Verdict::Unknown {
            why: format!(
                "no stored layout has this member, and nothing shows whether {} holds",
                change.condition
            ),
            help: "give the configuration of the kernel with --config".to_owned(),
        })
    }

    fn by_override(&self, change: &Change) -> Option<Verdict> {
        let subject = change.subject();
        let decision = match change.kind {
            Kind::Added | Kind::Reused => self.project.writes(&subject),
            Kind::Removed => self.project.reads(&subject),
            Kind::Renamed => {
                let entry = self.project.writes(&subject);
                entry.filter(|_| {
                    self.project
                        .reads(&format!("{}.{}", change.ty, change.was))
                        .is_some()
                })
            }
            // What converts a field between two releases says nothing of its next change.
            _ => None,
        };
        decision.map(|decision| decided(&decision.place, decision.reason))
    }

    /// The fields that a constant, macro or typedef has to do with.
    pub(super) fn users(&self, name: &str) -> Vec<String> {
        let from_tree = self.uses.of(name).into_iter().flatten().cloned();
        let watched = self.saved.map.watch.concerning(name);
        let listed = watched
            .into_iter()
            .flat_map(|entry| entry.sizes.iter().cloned());
        let typed = self
            .saved
            .get(name)
            .into_iter()
            .flat_map(|ty| ty.used_by.iter().cloned());
        let mut all: Vec<String> = from_tree.chain(listed).chain(typed).collect();
        all.sort();
        all.dedup();
        all
    }

    /// The rule of the state map by which no value of the field `user` is carried.
    fn covered(&self, user: &str) -> Option<String> {
        let (ty, field) = user.split_once('.')?;
        let own = self.saved.map.types.get(ty);
        let rule = own.and_then(|ty| ty.fields.get(field));
        if rule.is_some_and(|rule| matches!(rule.policy, Policy::Reset { .. })) {
            return Some(format!("[type.{ty}.fields] {field}"));
        }
        let saved = self.saved.get(ty).filter(|saved| !saved.live)?;
        saved.covered.as_ref().map(|covered| covered.0.clone())
    }

    fn by_state_map(&self, change: &Change) -> Option<Verdict> {
        let map = self.saved.map;
        if matches!(change.kind, Kind::Typedef | Kind::Size) {
            let users = self.users(&change.ty);
            let all: Option<Vec<String>> = users.iter().map(|user| self.covered(user)).collect();
            let first = all?.into_iter().next()?;
            return Some(decided(&format!("the state map, {first}"), String::new()));
        }
        if let Some(inside) = self.uses.inside(&change.ty) {
            let all: Option<Vec<String>> = inside.keys().map(|user| self.covered(user)).collect();
            if let Some(first) = all.and_then(|all| all.into_iter().next()) {
                return Some(decided(&format!("the state map, {first}"), String::new()));
            }
        }
        let own = map.types.get(&change.ty);
        if let Some(arm) = own.and_then(|ty| ty.arms.get(&change.field)) {
            let place = format!("the state map, [type.{}.arms] {}", change.ty, change.field);
            return (change.kind == Kind::Regrouped).then(|| decided(&place, arm.clone()));
        }
        let one_sided = matches!(
            change.kind,
            Kind::Added | Kind::Removed | Kind::Renamed | Kind::Reused
        );
        let rule = own
            .and_then(|ty| ty.fields.get(&change.field))
            .filter(|_| !one_sided);
        if let Some(rule) = rule.filter(|rule| matches!(rule.policy, Policy::Reset { .. })) {
            let place = format!(
                "the state map, [type.{}.fields] {}",
                change.ty, change.field
            );
            return Some(decided(&place, rule.reason.clone()));
        }
        let types = change
            .old
            .iter()
            .chain(&change.new)
            .map(|side| side.ty.as_str());
        let rules: Option<Vec<_>> = types.map(|ty| self.saved.type_rule(ty)).collect();
        let rules = rules?;
        let (name, rule) = rules.first()?;
        let all = rules
            .iter()
            .all(|(_, rule)| matches!(rule.policy, Policy::Reset { .. }));
        all.then(|| {
            decided(
                &format!("the state map, [type.{name}]"),
                rule.reason.clone(),
            )
        })
    }

    fn by_rule(&self, change: &Change) -> Option<Verdict> {
        let rule = |name: &str| {
            Some(decided(
                &format!("the automatic rule `{name}`"),
                String::new(),
            ))
        };
        let sides = change.old.as_ref().zip(change.new.as_ref());
        match change.kind {
            // What packing or alignment makes of a whole type only its layouts show.
            Kind::Realigned if change.field.is_empty() => None,
            Kind::Moved | Kind::Realigned => rule("move"),
            Kind::Regrouped if sides.is_some_and(|(old, new)| !old.in_union && !new.in_union) => {
                rule("move")
            }
            Kind::Enumerator => rule("enum by name"),
            Kind::Resized => {
                let (old, new) = sides?;
                if old.length.starts_with(':') && new.length.starts_with(':') {
                    return rule("bit-field");
                }
                let scalar = self.scalar(&old.ty)?;
                let dimensions = |side: &Shown| side.length.matches('[').count();
                let plain = dimensions(old) == 1 && dimensions(new) == 1;
                (plain && scalar.kind != ScalarKind::Pointer).then(|| rule("array"))?
            }
            Kind::Retyped => {
                let (old, new) = sides?;
                if old.length != new.length {
                    return None;
                }
                rule(numbers(self.scalar(&old.ty)?, self.scalar(&new.ty)?)?)
            }
            Kind::Typedef => {
                let (old, new) = sides?;
                let scalar = |side: &Shown| {
                    let ty = side.declared.strip_suffix(change.ty.as_str())?;
                    self.scalar(ty.trim())
                };
                rule(numbers(scalar(old)?, scalar(new)?)?)
            }
            Kind::Size => {
                let number = |side: &Option<Shown>| -> Option<i128> {
                    let side = side.as_ref()?;
                    let body = side.declared.strip_prefix(change.ty.as_str())?;
                    number::value(body.trim().trim_start_matches("= "), &|_| None)
                };
                number(&change.old).zip(number(&change.new))?;
                let users = self.users(&change.ty);
                let plain = |user: &String| {
                    let (ty, field) = user.split_once('.')?;
                    let all = self.saved.member(ty, field);
                    let numbers = all.iter().all(|(layout, id)| {
                        let Shape::Array { element, .. } = ctype::shape(layout, *id) else {
                            return false;
                        };
                        let element = ctype::shape(layout, element);
                        matches!(element, Shape::Scalar(s) if s.kind == ScalarKind::Number)
                    });
                    (numbers && !all.is_empty()).then_some(())
                };
                (!users.is_empty() && users.iter().all(|user| plain(user).is_some()))
                    .then(|| rule("array"))?
            }
            _ => None,
        }
    }

    /// The integer that a type's text stands for.
    fn scalar(&self, ty: &str) -> Option<Scalar> {
        let layout: &Layout = self.saved.layouts.first()?;
        let ty = ty.trim();
        if ty == "long long" || ty == "unsigned long long" {
            return Some(Scalar {
                bytes: 8,
                signed: ty == "long long",
                kind: ScalarKind::Number,
            });
        }
        if let Some(scalar) = ctype::element_scalar(layout, ty) {
            return Some(scalar);
        }
        let known = [
            ("u8", 1, false),
            ("u16", 2, false),
            ("u32", 4, false),
            ("u64", 8, false),
        ];
        let plain = ty.trim_start_matches("__");
        if let Some((_, bytes, signed)) = known.iter().find(|known| known.0 == plain) {
            return Some(Scalar {
                bytes: *bytes,
                signed: *signed,
                kind: ScalarKind::Number,
            });
        }
        let known = [("s8", 1), ("s16", 2), ("s32", 4), ("s64", 8)];
        if let Some((_, bytes)) = known.iter().find(|known| known.0 == plain) {
            return Some(Scalar {
                bytes: *bytes,
                signed: true,
                kind: ScalarKind::Number,
            });
        }
        match ctype::shape(layout, layout.find(ty)?) {
            Shape::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }
}

/// Some of many names, and what they are.
fn several(names: &BTreeSet<String>, what: &str) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let is = if names.len() == 1 { "is" } else { "are" };
    format!("{}{more} {is} {what}", shown.join(", "))
}

/// The verdict that a kind has whatever it is about.
fn untold(kind: Kind) -> Option<Verdict> {
    let unknown = |why: &str, help: &str| {
        Some(Verdict::Unknown {
            why: why.to_owned(),
            help: help.to_owned(),
        })
    };
    match kind {
        Kind::MovedHeader => Some(Verdict::Nothing {
            why: "the declaration is the same".to_owned(),
        }),
        Kind::Unnamed => unknown(
            "it cannot be told which type this is",
            "give the tree before the patch with --old, or make the patch with headings (`git diff`, `diff -urNp`)",
        ),
        Kind::Incomplete => unknown(
            "it cannot be told what becomes of it",
            "give the tree before the patch with --old, or make the patch with more lines around each change",
        ),
        Kind::Unread => unknown(
            "it cannot be told what changed",
            "make the patch with `git diff --text`, and without `--irreversible-delete`",
        ),
        _ => None,
    }
}

/// The automatic rule by which a number of one type becomes one of another.
fn numbers(old: Scalar, new: Scalar) -> Option<&'static str> {
    if old.kind != ScalarKind::Number || new.kind != ScalarKind::Number {
        return None;
    }
    let wider = match (old.signed, new.signed) {
        (true, false) => false,
        (false, true) => new.bytes > old.bytes,
        _ => new.bytes >= old.bytes,
    };
    Some(if wider { "widen" } else { "narrow (checked)" })
}

pub(super) fn decided(by: &str, reason: String) -> Verdict {
    Verdict::Decided {
        by: by.to_owned(),
        reason,
    }
}

/// The entry that decides a change, to be completed.
fn entry(change: &Change) -> String {
    let subject = change.subject();
    let directed =
        |direction: &str, action: &str| format!("{direction} = {{ {action}, reason = \"\" }}");
    let init = match change.new.as_ref().or(change.old.as_ref()) {
        Some(side) if side.declared.contains('*') => "init = \"null\"",
        _ => "init = 0",
    };
    let lines = match change.kind {
        Kind::Added | Kind::Removed | Kind::Reused => vec![
            directed("appears", init),
            directed("disappears", "drop = \"always\""),
        ],
        Kind::Renamed if !change.detail.is_empty() => {
            let action = format!(
                "scale = {{ multiply = 1, divide = 1 }}, from = [\"{}\"]",
                change.was
            );
            vec![directed("appears", &action)]
        }
        Kind::Renamed => vec![directed("appears", &format!("rename = \"{}\"", change.was))],
        _ => vec![
            "one = { has = [\"\"] }".to_owned(),
            "other = { has = [\"\"] }".to_owned(),
            directed("to-other", "call = \"a_function\""),
        ],
    };
    format!("[[change]]\nfield = \"{subject}\"\n{}", lines.join("\n"))
}
