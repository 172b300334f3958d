//! The rule for one field.

use serde::{Deserialize, Serialize};

/// What was decided for one field, for people to read.
#[derive(Copy, Clone, Debug)]
pub struct FieldRule {
    /// Path of the field in its type: of the new type, or of the old one for a dropped field.
    pub field: &'static str,
    /// Its path in the old type, where that is another; else empty.
    pub old_field: &'static str,
    /// The rule.
    pub rule: RuleKind,
    /// The type whose rules go on inside this field, if there is one.
    pub nested: Option<&'static str>,
    /// How many values of `nested` there are, or how many elements the rule is applied to.
    pub times: u32,
    /// Who decided.
    pub source: Source,
    /// Why: the reason of the override or of the state map; empty where the rule says it all.
    pub reason: &'static str,
    /// The patch hunk or commit behind the decision; empty where there is none.
    pub evidence: &'static str,
}

impl FieldRule {
    /// For a field that had another name.
    pub const fn was(self, old_field: &'static str) -> FieldRule {
        FieldRule { old_field, ..self }
    }

    /// Which goes on by the rules of `ty`.
    pub const fn inside(self, ty: &'static str) -> FieldRule {
        FieldRule {
            nested: Some(ty),
            ..self
        }
    }

    /// For so many elements.
    pub const fn times(self, times: u32) -> FieldRule {
        FieldRule { times, ..self }
    }

    /// As the state map says.
    pub const fn by_map(self, reason: &'static str) -> FieldRule {
        FieldRule {
            source: Source::StateMap,
            reason,
            ..self
        }
    }

    /// As an override says.
    pub const fn by_override(self, reason: &'static str) -> FieldRule {
        FieldRule {
            source: Source::Override,
            reason,
            ..self
        }
    }

    /// With the change behind the decision.
    pub const fn evidence(self, evidence: &'static str) -> FieldRule {
        FieldRule { evidence, ..self }
    }
}

/// Who decided on a rule.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The generator, because nothing else was possible.
    Automatic,
    /// The state map of the family.
    StateMap,
    /// An override in the converter's crate.
    Override,
}

/// The rules by which a field is written or dropped.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleKind {
    /// Same type: copied.
    Carry,
    /// Same type at another place: copied. Plans tell it from a carry; where rules are written down
    /// both are one, because the layouts say where a field is.
    Move,
    /// A longer integer.
    Widen,
    /// A shorter integer or one of another sign; a value that does not fit is refused.
    Narrow,
    /// An enumeration, by the names of its enumerators.
    EnumByName,
    /// Elements by index, for arrays of different length.
    Array,
    /// A structure with a change inside.
    Recurse,
    /// A bit-field.
    BitField,
    /// A union that is the same on both sides.
    Union,
    /// A pointer whose target is saved.
    Follow,
    /// A pointer into a saved object.
    Within,
    /// A pointer into the task's own kernel stack.
    Stack,
    /// A pointer into the kernel image.
    Symbol,
    /// An address of the task's own memory.
    User,
    /// A pointer to an outside resource.
    Resource,
    /// Kernel-private; written as its initial value.
    Reset,
    /// Bytes between members: written as zero.
    Padding,
    /// By override: the field had another name.
    Rename,
    /// By override: a new field gets a stated value.
    Init,
    /// A field that is no more.
    Drop,
    /// By override: another unit.
    Scale,
    /// By override: flags by name.
    Flags,
    /// By override: one value becomes several.
    Split,
    /// By override: several values become one.
    Merge,
    /// By override: a structure becomes an object that a pointer leads to.
    Make,
    /// By override: the object that a pointer leads to becomes a structure.
    Fold,
    /// By override: a function in the converter's crate.
    Call,
}

impl RuleKind {
    /// This rule for the field `field`, decided by the generator itself.
    pub const fn of(self, field: &'static str) -> FieldRule {
        FieldRule {
            field,
            old_field: "",
            rule: self,
            nested: None,
            times: 1,
            source: Source::Automatic,
            reason: "",
            evidence: "",
        }
    }

    /// The word for it in reports and in the book.
    pub const fn name(self) -> &'static str {
        match self {
            RuleKind::Carry => "carry",
            RuleKind::Move => "move",
            RuleKind::Widen => "widen",
            RuleKind::Narrow => "narrow",
            RuleKind::EnumByName => "enum-by-name",
            RuleKind::Array => "array",
            RuleKind::Recurse => "recurse",
            RuleKind::BitField => "bit-field",
            RuleKind::Union => "union",
            RuleKind::Follow => "follow",
            RuleKind::Within => "within",
            RuleKind::Stack => "stack",
            RuleKind::Symbol => "symbol",
            RuleKind::User => "user",
            RuleKind::Resource => "resource",
            RuleKind::Reset => "reset",
            RuleKind::Padding => "padding",
            RuleKind::Rename => "rename",
            RuleKind::Init => "init",
            RuleKind::Drop => "drop",
            RuleKind::Scale => "scale",
            RuleKind::Flags => "flags",
            RuleKind::Split => "split",
            RuleKind::Merge => "merge",
            RuleKind::Make => "make",
            RuleKind::Fold => "fold",
            RuleKind::Call => "call",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_says_who_decided_and_why() {
        let told = |rule: FieldRule| (rule.source, rule.reason, rule.evidence);
        let rule = RuleKind::Drop.of("a");
        assert_eq!(told(rule), (Source::Automatic, "", ""));
        let by_map = rule.by_map("rebuilt");
        assert_eq!(told(by_map), (Source::StateMap, "rebuilt", ""));
        let by_override = rule.by_override("no more").evidence("1a2b");
        assert_eq!(told(by_override), (Source::Override, "no more", "1a2b"));
    }

    /// Reports have rules by their words as keys, and as values by what serde makes of them.
    #[test]
    fn the_word_for_a_rule_is_the_one_it_is_written_down_by() {
        let all = [
            RuleKind::Carry,
            RuleKind::Move,
            RuleKind::Widen,
            RuleKind::Narrow,
            RuleKind::EnumByName,
            RuleKind::Array,
            RuleKind::Recurse,
            RuleKind::BitField,
            RuleKind::Union,
            RuleKind::Follow,
            RuleKind::Within,
            RuleKind::Stack,
            RuleKind::Symbol,
            RuleKind::User,
            RuleKind::Resource,
            RuleKind::Reset,
            RuleKind::Padding,
            RuleKind::Rename,
            RuleKind::Init,
            RuleKind::Drop,
            RuleKind::Scale,
            RuleKind::Flags,
            RuleKind::Split,
            RuleKind::Merge,
            RuleKind::Make,
            RuleKind::Fold,
            RuleKind::Call,
        ];
        for rule in all {
            let written = serde_json::to_value(rule).ok();
            assert_eq!(written, Some(rule.name().into()));
        }
    }
}
