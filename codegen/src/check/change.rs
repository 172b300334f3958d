//! What a patch changes of saved types and of what gives their values meaning.

use super::item::Place;
use crate::patch::clean;
use serde::Serialize;

/// How much a change weighs.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// Nothing becomes of it.
    Note,
    /// What changes cannot be told; a person looks, or gives what tells it.
    Unknown,
    /// Saved values may mean something else; a person looks and acknowledges.
    Meaning,
    /// The layout of saved values changes.
    Layout,
}

impl Grade {
    /// All of them.
    pub const ALL: [Grade; 4] = [Grade::Layout, Grade::Meaning, Grade::Unknown, Grade::Note];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Grade::Layout => "layout",
            Grade::Meaning => "meaning",
            Grade::Unknown => "unknown",
            Grade::Note => "note",
        }
    }
}

/// What changed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A member that was not there.
    Added,
    /// A member that is there no more.
    Removed,
    /// A member under another name.
    Renamed,
    /// A member in the place of a reserved one, or of another that a macro keeps.
    Reused,
    /// A member of another type.
    Retyped,
    /// An array of another length, or a bit-field of another width.
    Resized,
    /// A member at another place among the others.
    Moved,
    /// A member that went into or out of an unnamed union or structure.
    Regrouped,
    /// Another alignment or packing.
    Realigned,
    /// Other conditions of the preprocessor around a member.
    Condition,
    /// A typedef that names another type.
    Typedef,
    /// A saved type that is not declared any more.
    TypeRemoved,
    /// An enumerator of a saved enumeration that was added, removed or renumbered.
    Enumerator,
    /// A constant or macro that the declaration of a saved type uses.
    Size,
    /// Constants that a saved member is made of are not the same, as only layouts tell.
    Flags,
    /// A flag of the compiler, or a pragma, by which types lie otherwise.
    Build,
    /// What an option is set to that saved state has to do with.
    Option,
    /// The version of a format that one kernel writes and another reads.
    FormatVersion,
    /// A watched constant that was not there.
    ConstantAdded,
    /// A watched constant that is there no more.
    ConstantRemoved,
    /// A watched constant with another number.
    ConstantRenumbered,
    /// The comment of an unchanged member.
    Comment,
    /// Code at fork or exec that has to do with a saved field.
    Code,
    /// A type that went to another header as it is.
    MovedHeader,
    /// A change inside of a structure that the patch does not name.
    Unnamed,
    /// A change of something that begins or ends outside of what the patch shows.
    Incomplete,
    /// A file that the patch changes without its text.
    Unread,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 27] = [
        Kind::Added,
        Kind::Removed,
        Kind::Renamed,
        Kind::Reused,
        Kind::Retyped,
        Kind::Resized,
        Kind::Moved,
        Kind::Regrouped,
        Kind::Realigned,
        Kind::Condition,
        Kind::Typedef,
        Kind::TypeRemoved,
        Kind::Enumerator,
        Kind::Size,
        Kind::Flags,
        Kind::Build,
        Kind::Option,
        Kind::FormatVersion,
        Kind::ConstantAdded,
        Kind::ConstantRemoved,
        Kind::ConstantRenumbered,
        Kind::Comment,
        Kind::Code,
        Kind::MovedHeader,
        Kind::Unnamed,
        Kind::Incomplete,
        Kind::Unread,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Added => "added",
            Kind::Removed => "removed",
            Kind::Renamed => "renamed",
            Kind::Reused => "reused",
            Kind::Retyped => "retyped",
            Kind::Resized => "resized",
            Kind::Moved => "moved",
            Kind::Regrouped => "regrouped",
            Kind::Realigned => "realigned",
            Kind::Condition => "condition",
            Kind::Typedef => "typedef",
            Kind::TypeRemoved => "type-removed",
            Kind::Enumerator => "enumerator",
            Kind::Size => "size",
            Kind::Flags => "flags",
            Kind::Build => "build",
            Kind::Option => "option",
            Kind::FormatVersion => "format-version",
            Kind::ConstantAdded => "constant-added",
            Kind::ConstantRemoved => "constant-removed",
            Kind::ConstantRenumbered => "constant-renumbered",
            Kind::Comment => "comment",
            Kind::Code => "code",
            Kind::MovedHeader => "moved-header",
            Kind::Unnamed => "unnamed",
            Kind::Incomplete => "incomplete",
            Kind::Unread => "unread",
        }
    }

    /// A sentence about it.
    pub const fn describe(self) -> &'static str {
        match self {
            Kind::Added => "a member that was not there",
            Kind::Removed => "a member that is there no more",
            Kind::Renamed => "a member under another name",
            Kind::Reused => "a member in the place of a reserved one",
            Kind::Retyped => "a member of another type",
            Kind::Resized => "an array of another length, or a bit-field of another width",
            Kind::Moved => "a member at another place among the others",
            Kind::Regrouped => "a member that went into or out of an unnamed union or structure",
            Kind::Realigned => "another alignment or packing",
            Kind::Condition => "other conditions of the preprocessor around a member",
            Kind::Typedef => "a typedef that names another type",
            Kind::TypeRemoved => "a saved type that is not declared any more",
            Kind::Enumerator => "an enumerator of a saved enumeration",
            Kind::Size => "a constant or macro that the declaration of a saved type uses",
            Kind::Flags => "a member whose bits mean something else",
            Kind::Build => "a flag of the compiler, or a pragma, by which types lie otherwise",
            Kind::Option => "what an option is set to that saved state has to do with",
            Kind::FormatVersion => {
                "the version of a format that one kernel writes and another reads"
            }
            Kind::ConstantAdded => "a watched constant that was not there",
            Kind::ConstantRemoved => "a watched constant that is there no more",
            Kind::ConstantRenumbered => "a watched constant with another number",
            Kind::Comment => "the comment of an unchanged member",
            Kind::Code => "code at fork or exec that has to do with a saved field",
            Kind::MovedHeader => "a type that went to another header as it is",
            Kind::Unnamed => "a change inside of a structure that the patch does not name",
            Kind::Incomplete => {
                "a change of something that begins or ends outside of what the patch shows"
            }
            Kind::Unread => "a file that the patch changes without its text",
        }
    }

    /// Whether the patch shows too little to tell what changed.
    pub const fn is_untold(self) -> bool {
        matches!(self, Kind::Unnamed | Kind::Incomplete | Kind::Unread)
    }

    /// How much it weighs.
    pub const fn grade(self) -> Grade {
        match self {
            Kind::MovedHeader => Grade::Note,
            Kind::Unnamed | Kind::Incomplete | Kind::Unread => Grade::Unknown,
            Kind::FormatVersion
            | Kind::ConstantAdded
            | Kind::ConstantRemoved
            | Kind::ConstantRenumbered
            | Kind::Option
            | Kind::Comment
            | Kind::Code => Grade::Meaning,
            _ => Grade::Layout,
        }
    }
}

/// One side of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// What is declared, in one of the ways to write it.
    pub declared: String,
    /// Line of the file, from 1; 0 if not known.
    pub line: u64,
    /// Line of the patch, from 1; 0 if the patch does not have the line.
    pub patch_line: u64,
    /// Whether the patch changes this very line.
    #[serde(skip)]
    pub changed: bool,
    /// The type of a member, without its name.
    #[serde(skip)]
    pub ty: String,
    /// What stands between the brackets of an array, or behind the colon of a bit-field.
    #[serde(skip)]
    pub length: String,
    /// Whether it is in an unnamed union.
    #[serde(skip)]
    pub in_union: bool,
    /// The conditions of the preprocessor around it, as far as the patch or the tree shows them.
    #[serde(skip)]
    pub condition: String,
    /// The line as it stands.
    pub text: String,
}

impl Shown {
    pub(super) fn new(declared: &str, place: &Place) -> Shown {
        Shown {
            declared: clean(declared),
            line: place.line,
            patch_line: place.patch,
            changed: place.changed,
            ty: String::new(),
            length: String::new(),
            in_union: false,
            condition: String::new(),
            text: place.text.clone(),
        }
    }
}

/// A change, before anybody asked who decides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) kind: Kind,
    /// The type, constant or function.
    pub(super) ty: String,
    /// The member or enumerator; empty if the whole is meant.
    pub(super) field: String,
    /// The name before, of a renamed member.
    pub(super) was: String,
    pub(super) file: String,
    pub(super) old: Option<Shown>,
    pub(super) new: Option<Shown>,
    /// The conditions around it.
    pub(super) condition: String,
    /// What else there is to say; empty if nothing.
    pub(super) detail: String,
}

impl Change {
    /// What it is about: `type.member`, or the name of a constant.
    pub(super) fn subject(&self) -> String {
        match self.field.as_str() {
            "" => self.ty.clone(),
            field => format!("{}.{field}", self.ty),
        }
    }
}

/// Two details in one.
pub(super) fn joined(first: &str, second: &str) -> String {
    match first {
        "" => second.to_owned(),
        first => format!("{first}; {second}"),
    }
}
