//! What the scanner finds.

use std::collections::BTreeMap;

/// Where something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Line of the file, from 1; 0 if not known.
    pub(super) line: u64,
    /// Line of the patch, from 1; 0 if the patch does not have the line.
    pub(super) patch: u64,
    /// Whether the patch removes or adds the line.
    pub(super) changed: bool,
    /// The line itself.
    pub(super) text: String,
}

impl Place {
    /// The same place with its text, cut to what is shown.
    pub(super) fn with(&self, text: &str) -> Place {
        Place {
            text: crate::patch::shown(text.as_bytes()),
            ..self.clone()
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Type(TypeDef),
    Typedef(Typedef),
    Constant(Constant),
    Code(CodeLine),
    Rest(Rest),
    Pragma(Pragma),
}

/// A changed `#pragma pack`: the types behind it lie otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pragma {
    pub(super) text: String,
    pub(super) place: Place,
}

/// What a hunk changes and shows too little of to be a declaration, comment or condition: where
/// it begins or ends is not in the hunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// The tag of the type around it; empty if the patch does not say.
    pub(super) owner: String,
    /// Nothing around it says that it is in a type.
    pub(super) loose: bool,
    /// Its tokens, as far as they are seen.
    pub(super) text: String,
    pub(super) place: Place,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TypeKind {
    Struct,
    Union,
    Enum,
}

/// A structure, union or enumeration with its members or enumerators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypeDef {
    /// Its tag, or the typedef of one without; empty if the patch does not say.
    pub(super) name: String,
    pub(super) kind: TypeKind,
    pub(super) members: Vec<Member>,
    /// Whether its start or its end was not seen.
    pub(super) partial: bool,
    /// Whether neither a tag nor a heading says what it is, nor statements that it is no type.
    pub(super) untold: bool,
    pub(super) condition: String,
    pub(super) place: Place,
    /// Attributes of the whole.
    pub(super) placed: String,
    /// Where its closing brace is, if that was seen.
    pub(super) end: Option<Place>,
}

/// A member, or an enumerator with its value as `length`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its path in the type: through members that are structures without a tag, too.
    pub(super) name: String,
    /// Its type; empty for an enumerator.
    pub(super) ty: String,
    pub(super) length: String,
    pub(super) text: String,
    pub(super) placed: String,
    /// The unnamed unions and structures around it.
    pub(super) group: String,
    pub(super) condition: String,
    pub(super) comment: String,
    pub(super) comment_changed: bool,
    /// Where its comment changed first.
    pub(super) remark: Place,
    /// The members whose place it takes, as a macro says.
    pub(super) takes: Vec<String>,
    pub(super) place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Typedef {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) condition: String,
    pub(super) place: Place,
}

/// A `#define`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Constant {
    pub(super) name: String,
    pub(super) body: String,
    /// Whether it takes arguments.
    pub(super) function: bool,
    pub(super) condition: String,
    pub(super) place: Place,
}

/// A changed line of a watched function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CodeLine {
    /// The name of the function; empty if the heading of the hunk is cut off before it.
    pub(super) function: String,
    pub(super) text: String,
    /// The structures that variables in it point at, as far as their declarations are shown.
    pub(super) pointees: BTreeMap<String, String>,
    pub(super) place: Place,
}
