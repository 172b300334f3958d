//! What can be wrong with decisions, and how it is told.

use super::{Direction, FlagDirection};
use kernel_structs::layout::Fingerprint;
use std::fmt;

/// What is wrong with an entry of an overrides file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverrideFinding {
    /// Line in the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: OverrideProblem,
}

impl fmt::Display for OverrideFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

/// The rule that an entry breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverrideProblem {
    /// Not TOML, or not the shape of the file.
    #[error("{0}")]
    Toml(String),
    /// An entry without action.
    #[error(
        "`{field}`: no action; one of rename, init, drop, make, fold, scale, merge, rest, call is needed"
    )]
    NoAction {
        /// The entry.
        field: String,
    },
    /// An entry with more than one action.
    #[error("`{field}`: {} are two actions; an entry of a step has one, so write an entry for each", .actions.join(" and "))]
    TwoActions {
        /// The entry.
        field: String,
        /// The actions.
        actions: Vec<&'static str>,
    },
    /// A field that the step and its family decide.
    #[error("`{field}` is decided for the whole family, on {place}; remove one of the two")]
    DecidedByFamily {
        /// The field.
        field: String,
        /// Where the family's decision stands.
        place: String,
    },
    /// Several old fields for an action that reads one.
    #[error("`{field}`: only `call` reads several old fields; `from` has one here")]
    SeveralForOne {
        /// The entry.
        field: String,
    },
    /// A change with neither direction.
    #[error("`{field}`: no direction; {expected} is needed")]
    NoDirection {
        /// The entry.
        field: String,
        /// What is needed.
        expected: &'static str,
    },
    /// Directions of both kinds, or conditions without their directions.
    #[error(
        "`{field}`: `appears` and `disappears` need no condition, `to-one` and `to-other` both `one` and `other`, `fewer` and `more` the array in `elements`; an entry has directions of one kind"
    )]
    MixedDirections {
        /// The entry.
        field: String,
    },
    /// A condition that says nothing, or is no field.
    #[error(
        "`{field}`: a condition has fields as `type.member` in `has`, `lacks` or `declared`, or constants in the first two; found {found}"
    )]
    BadCondition {
        /// The entry.
        field: String,
        /// What stands there.
        found: String,
    },
    /// An array that is no field.
    #[error("`{field}`: `elements` is {found:?}; an array is expected, as `type.member`")]
    BadElements {
        /// The entry.
        field: String,
        /// What stands there.
        found: String,
    },
    /// A reason that does not say where it can be read.
    #[error(
        "`{field}`: the reason cites {}; say where it can be read, as `path/file.c: function`",
        match .header {
            Some(header) => format!("{header} alone, which says what number a constant has and not what becomes of a value"),
            None => "no source of the kernel".to_owned(),
        }
    )]
    NothingCited {
        /// The entry.
        field: String,
        /// The header that it cites, and that is not enough.
        header: Option<String>,
    },
    /// A reason that cites a file of code, and nothing in it.
    #[error(
        "`{field}`: the reason cites {file} and nothing in it; write what is meant there, as `{file}: function`"
    )]
    NoFunctionCited {
        /// The entry.
        field: String,
        /// The file.
        file: String,
    },
    /// An entry with no field.
    #[error(
        "an entry names one member as `field = \"TYPE.MEMBER\"`, or several of one type as `fields = [\"TYPE.MEMBER\", …]`"
    )]
    FieldOrFields,
    /// A field in the file of another type.
    #[error(
        "`{field}` belongs to {expected}{}",
        meant.as_ref().map(|meant| format!("; or is `{meant}` meant?")).unwrap_or_default()
    )]
    WrongFile {
        /// The field.
        field: String,
        /// The file of its type.
        expected: String,
        /// The field of the file's own type, if that has nearly the same name.
        meant: Option<String>,
    },
    /// Two actions that do not go together, or none.
    #[error(
        "`{field}`, {direction}: {}; a direction has one action, or an `init` with a `drop` for a field that both sides have",
        match .actions.as_slice() { [] => "no action".to_owned(), actions => actions.join(" and ") }
    )]
    ActionsOfDirection {
        /// The entry.
        field: String,
        /// The direction.
        direction: Direction,
        /// The actions.
        actions: Vec<&'static str>,
    },
    /// More than one thing, or nothing that can be, said of a flag.
    #[error(
        "`{field}`, {direction}: a flag that appears has a `call`, a `rename` or nothing beside the reason; one that disappears `drop`, `into`, `rename` or `call`; one that is renumbered or reset nothing"
    )]
    ActionsOfFlag {
        /// The field.
        field: String,
        /// The direction.
        direction: FlagDirection,
    },
    /// A flag that is not carried, and more said of it.
    #[error("`{field}`: a flag that is `reset` is never carried; remove what else is said of it")]
    ResetAndMore {
        /// The field.
        field: String,
    },
    /// A decision about a flag that no two layouts need.
    #[error(
        "`{name}` of `{field}`, {direction}: no two layouts need it; remove it{}",
        suggestion(nearest)
    )]
    FlagNeverNeeded {
        /// The constant.
        name: String,
        /// The field.
        field: String,
        /// The direction.
        direction: FlagDirection,
        /// The most similar constant of the family, if this is none.
        nearest: Option<String>,
    },
    /// A decision about a flag of a field that is not made of any.
    #[error(
        "`{field}`: the state map says of no constants that its values are made of them; name it in the `fields` of a [[watch]] entry"
    )]
    NotOfConstants {
        /// The field.
        field: String,
    },
    /// Two decisions about one flag.
    #[error("`{name}` of `{field}`, {direction}, is decided twice, also on {place}")]
    FlagTwice {
        /// The constant.
        name: String,
        /// The field.
        field: String,
        /// The direction.
        direction: FlagDirection,
        /// Where the other decision stands.
        place: String,
    },
    /// A field as a whole is decided although its flags differ.
    #[error(
        "what the field's bits mean differs ({}); say what becomes of them by name, with `[[flags]]`",
        .names.join(", ")
    )]
    FlagsDiffer {
        /// The constants.
        names: Vec<String>,
    },
    /// A decision about a flag that cannot be carried out.
    #[error("`{name}`: {what}")]
    Flag {
        /// The constant.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// A condition on a member that no layout has.
    #[error(
        "a condition names `{name}`, which no layout of the family has{}",
        suggestion(nearest)
    )]
    UnknownCondition {
        /// The member.
        name: String,
        /// The most similar name there is.
        nearest: Option<String>,
    },
    /// A direction that holds between no two layouts.
    #[error(
        "`{field}`, {direction}: between no two layouts of the family does this change lie{}",
        why.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
    )]
    NeverHolds {
        /// The entry.
        field: String,
        /// The direction.
        direction: Direction,
        /// What of its condition no layout fulfils, if that is all there is to it.
        why: Option<String>,
    },
    /// A unit that is another one in one step alone.
    #[error(
        "`{field}`: `scale` says that its unit is another one, and a step says nothing of the way back, nor of other steps; say it for both directions in converters/overrides/FAMILY/TYPE.toml"
    )]
    UnitOfStep {
        /// The entry.
        field: String,
    },
    /// A unit that is another one in one direction alone.
    #[error(
        "`{field}`: `scale` says that its unit is another one, and only for {direction}; say for the other direction as well what becomes of it"
    )]
    OneWayUnit {
        /// The entry.
        field: String,
        /// The direction that is there.
        direction: Direction,
    },
    /// A value for elements without counterpart in one direction alone.
    #[error(
        "`{field}`: `rest` says what elements without counterpart are, and only for {direction}; the other direction would refuse them or take zeros, so say `rest` for both"
    )]
    OneWayRest {
        /// The entry.
        field: String,
        /// The direction that is there.
        direction: Direction,
    },
    /// Two values for the same elements.
    #[error(
        "`{field}`: `rest` is {there} in one direction and {back} in the other: elements that were added would be refused on the way back; say one value for both"
    )]
    TwoRests {
        /// The entry.
        field: String,
        /// The one.
        there: i64,
        /// The other.
        back: i64,
    },
    /// Two units that do not lead back to the same number.
    #[error(
        "`{field}`: the `scale` of one direction does not undo that of the other: a number there and back would be another one; a `call` says what no such unit is"
    )]
    UnitWithoutWayBack {
        /// The entry.
        field: String,
    },
    /// A `scale` that no value of the field survives.
    #[error(
        "`scale` makes of every number of {was} one that {declared} does not hold; say another offset, multiplier or divisor"
    )]
    ScaleDoesNotFit {
        /// The type before.
        was: String,
        /// The type after.
        declared: String,
    },
    /// A decision that goes into its own field.
    #[error("`{field}`, {direction}: goes `into` itself; leave `into` out")]
    IntoItself {
        /// The entry.
        field: String,
        /// The direction.
        direction: Direction,
    },
    /// A direction that nothing needs.
    #[error(
        "`{field}`, {direction}: no two layouts need it: without it the same is decided; remove it"
    )]
    NeverNeeded {
        /// The entry.
        field: String,
        /// The direction.
        direction: Direction,
    },
    /// An entry that has an error between all layouts that it is for.
    #[error(
        "`{field}`: no two layouts can carry this out; from {from} to {to}, for one: {problem}"
    )]
    NeverCarriedOut {
        /// The field, or the flag of one.
        field: String,
        /// The layout read.
        from: String,
        /// The layout written.
        to: String,
        /// What is wrong between these.
        problem: String,
    },
    /// Two changes that decide one field between the same two layouts.
    #[error("`{field}` is decided twice from {from} to {to}, also on {place}")]
    TwoChanges {
        /// The field.
        field: String,
        /// The layout read.
        from: String,
        /// The layout written.
        to: String,
        /// Where the other decision stands.
        place: String,
    },
    /// An attribute without the action it belongs to.
    #[error("`{field}`: `from` belongs to `call` or `scale`, and there is none")]
    ForeignAttribute {
        /// The entry.
        field: String,
    },
    /// A value that is not one of those there are.
    #[error("`{field}`: `{key}` is {found}; expected {expected}")]
    BadValue {
        /// The entry.
        field: String,
        /// The key.
        key: &'static str,
        /// The value.
        found: String,
        /// What it can be.
        expected: &'static str,
    },
    /// An entry without a reason.
    #[error("`{field}`: the reason is empty; say why the decision is right")]
    NoReason {
        /// The entry.
        field: String,
    },
    /// A field path that is not `type.member`.
    #[error("`{field}` is no field: `type.member` is expected")]
    NotAField {
        /// What stands there.
        field: String,
    },
    /// Two entries for one field.
    #[error("`{field}` is decided twice, first on line {first}")]
    Duplicate {
        /// The field.
        field: String,
        /// Line of the first entry.
        first: usize,
    },
    /// Not a name that a Rust item can have.
    #[error("`{found}` is no name for a Rust {what}")]
    BadName {
        /// What stands there.
        found: String,
        /// What it is to name.
        what: &'static str,
    },
    /// A pin that is not a fingerprint.
    #[error("{0}")]
    BadFingerprint(String),
    /// A file without pairs converts nothing.
    #[error("no [[pair]]: the file names no releases to convert between")]
    NoPair,
    /// A module named twice.
    #[error("module `{module}` is named twice")]
    DuplicateModule {
        /// The module.
        module: String,
    },
    /// A step whose folder does not have the name of its converter.
    #[error(
        "the converter is `{converter}`, and the folder {found}; {}",
        match (expected, would_be) {
            (Some(expected), _) => format!("rename the folder to `{expected}`, or correct `converter`"),
            (None, Some(name)) => format!("correct `converter`: in this folder it is `{name}`"),
            (None, None) => "a converter is called `convert-FROM-TO`, its folder `linux-FROM-TO`".to_owned(),
        }
    )]
    WrongFolder {
        /// Name of the converter.
        converter: String,
        /// The folder.
        found: String,
        /// The name that the folder of the converter has; `None` if the converter's is none.
        expected: Option<String>,
        /// The name that the converter of the folder has.
        would_be: Option<String>,
    },
    /// A pair of releases of which one is not known.
    #[error("{0}; correct the name, or remove the pair")]
    NoRelease(String),
    /// A pair of releases of another family than the step's.
    #[error("the releases are not of the family {family}; correct `family`")]
    OtherFamily {
        /// The family that the step names.
        family: String,
    },
    /// A step's folder without the file that says what it converts between.
    #[error(
        "there is no such file, and what is in its folder is linked into kconv; put it back, or remove the folder"
    )]
    NoStep,
    /// Two layouts that two steps convert between, or one step twice.
    #[error(
        "from {from} to {to} there is a converter already, at {place}; one step converts from one layout to another: remove one of the two"
    )]
    PairTwice {
        /// The layout read.
        from: String,
        /// The layout written.
        to: String,
        /// Where the other pair stands.
        place: String,
    },
    /// A pair whose releases have one layout.
    #[error(
        "{from} and {to} have one layout, {layout}, between whose releases nothing is to be converted; correct the names, or remove the pair"
    )]
    OneLayout {
        /// The release read.
        from: String,
        /// The release written.
        to: String,
        /// Their layout.
        layout: String,
    },
    /// A file of decisions that is named after no type.
    #[error(
        "no kernel of the family has a type `{ty}`, which the file is named after, and the state map has none{}; rename the file, or remove it",
        suggestion(nearest)
    )]
    FileOfNoType {
        /// The name.
        ty: String,
        /// The most similar type there is.
        nearest: Option<String>,
    },
    /// The type is in no plan.
    #[error("`{field}`: no planned type is called `{ty}`{}", suggestion(nearest))]
    UnknownType {
        /// The field.
        field: String,
        /// The type.
        ty: String,
        /// The most similar type there is.
        nearest: Option<String>,
    },
    /// The type has no such member under any layout.
    #[error(
        "`{field}`: no layout of any pair has this member{}",
        suggestion(nearest)
    )]
    UnknownField {
        /// The field.
        field: String,
        /// The most similar field there is.
        nearest: Option<String>,
    },
    /// The entry decides what is decided without it.
    #[error("`{field}`: the entry changes nothing: without it the same is decided; remove it")]
    NotNeeded {
        /// The field.
        field: String,
    },
    /// The layout is not the one the decisions were made for.
    #[error(
        "{release} has fingerprint {found}, but the decisions were made for {pinned}; review them, then write the new fingerprint here"
    )]
    WrongFingerprint {
        /// The release.
        release: String,
        /// Its fingerprint.
        found: Fingerprint,
        /// The one in the file.
        pinned: Fingerprint,
    },
    /// The old type has no such field.
    #[error("the old type has no field `{name}`{}", suggestion(nearest))]
    NoOldField {
        /// The name.
        name: String,
        /// The most similar name there is.
        nearest: Option<String>,
    },
    /// An old field that becomes what the entry is for, and something else.
    #[error(
        "the old field `{name}` goes on as the new `{by}`, and a value goes to one place; if both are to come of it, let a `call` with `from = [\"{name}\"]` look at it, which leaves it where it goes"
    )]
    SecondFate {
        /// The old field.
        name: String,
        /// The other field that it becomes.
        by: String,
    },
    /// An old field of the same name that the entry does not read.
    #[error(
        "the entry reads other fields, and nothing says what becomes of the old `{name}`; name it in `from` of a `call` as well"
    )]
    NoFate {
        /// The old field.
        name: String,
    },
    /// A call of a function that is not there.
    #[error(
        "calls `{name}`, which is no public function of the family's sources in converters/overrides/src{}",
        suggestion(nearest)
    )]
    NoFunction {
        /// The name.
        name: String,
        /// The most similar name there is.
        nearest: Option<String>,
    },
    /// A call that does not fit the function's declaration.
    #[error(
        "calls `{name}` with other arguments than it has in converters/overrides/{file}; the decision gives {expected}; the function takes {found}; correct `from`, `offsets`, `constants` or their `new-` kin, or the function"
    )]
    WrongArguments {
        /// The function.
        name: String,
        /// The file that declares it, in the folder of the decisions.
        file: String,
        /// What the decision gives.
        expected: String,
        /// What the function takes.
        found: String,
    },
    /// A call of a function that has other types than the fields.
    #[error(
        "calls `{name}` of converters/overrides/{file}, and these two layouts want {expected}; the function has {found}; correct the function, or say with `one` and `other` between which layouts the change lies"
    )]
    WrongTypes {
        /// The function.
        name: String,
        /// The file that declares it, in the folder of the decisions.
        file: String,
        /// What the layouts have, and for what.
        expected: String,
        /// What the function has there.
        found: String,
    },
    /// A layout has no such member.
    #[error("the {side} layout has no member `{name}` whose offset could be given")]
    NoMember {
        /// The name, as `type.member`.
        name: String,
        /// `old` or `new`.
        side: &'static str,
    },
    /// A layout has no such constant.
    #[error(
        "the {side} layout has no constant `{name}` whose value could be given; the state map says in [[watch]] which a layout has"
    )]
    NoConstant {
        /// The name.
        name: String,
        /// `old` or `new`.
        side: &'static str,
    },
    /// A layout has no such array.
    #[error("the {side} layout has no array `{name}` whose number of elements could be given")]
    NoArray {
        /// The name, as `type.member`.
        name: String,
        /// `old` or `new`.
        side: &'static str,
    },
    /// A decision about a number that says how much there is.
    #[error(
        "the state map says that the field tells how many elements, or how many bytes, {what} has, of which there are as many as before; another number would be wrong: remove the entry"
    )]
    Counts {
        /// The member, or the object.
        what: String,
    },
    /// The new type has no field for an action that writes one.
    #[error("only the old type has the field; of all actions only `drop` is for such a field")]
    NoNewField,
    /// A rename of a field that both sides have.
    #[error("the field has the same name in both layouts; there is nothing to rename")]
    NothingToRename,
    /// A decision that differs from what the state map says of a field that it resets.
    #[error(
        "kernel-structs/state/{family}.toml resets the field, to another value or more strictly or less; where both kernels can have their own, `initial` says it there: remove the entry"
    )]
    AgainstMap {
        /// The family.
        family: String,
    },
    /// A rename of what is reset.
    #[error(
        "the state map resets both `{old}` and the field, so that a `rename` carries nothing; remove the entry, or the map's rules"
    )]
    RenameOfReset {
        /// The old name.
        old: String,
    },
    /// A rename between names of which the state map has a rule for one alone.
    #[error(
        "kernel-structs/state/{family}.toml has a rule for `{has}` and none for `{lacks}`, which by this entry is the same field; give both names the same rule"
    )]
    RuleOfOneName {
        /// The field with a rule, as `type.member`.
        has: String,
        /// The other name.
        lacks: String,
        /// The family.
        family: String,
    },
    /// An old address of the object itself, which a strict `drop` cannot compare.
    #[error(
        "`appears` gives the field the address of its object, with which `only-if-initial` compares nothing; write `drop = \"always\"`"
    )]
    StrictSelf,
    /// A rename between types that no automatic rule leads between.
    #[error(
        "it was `{old}`, {was}, and is {is}, to which no automatic rule leads; make it with a `call` that has `from = [\"{old}\"]`"
    )]
    RenameOfOther {
        /// The old name.
        old: String,
        /// The old type.
        was: String,
        /// The new one.
        is: String,
    },
    /// A structure that becomes an object, or the other way, of another type than the field has.
    #[error(
        "`{action} = \"{ty}\"` needs a field that is a `struct {ty}` {}, and there it is {declared}; name the type that it has",
        match *inside { "old" => "in the old layout and a pointer at it in the new one", _ => "in the new layout and a pointer at it in the old one" }
    )]
    OtherPart {
        /// The action.
        action: &'static str,
        /// The type that it names.
        ty: String,
        /// `old` or `new`: the side of the structure.
        inside: &'static str,
        /// How the field is declared on the side that does not fit.
        declared: String,
    },
    /// An `init` of a field that the old side has too.
    #[error(
        "the field is in both layouts; `init` needs a `drop` as well, which says what becomes of the old value: in one direction of a change, or in two entries of a step"
    )]
    InitWithoutDrop,
    /// A `drop` of a field that the new side has too.
    #[error(
        "the field is in both layouts; `drop` needs an `init` as well, which says what the new field gets: in one direction of a change, or in two entries of a step"
    )]
    DropWithoutInit,
    /// A `drop` of a field that another entry reads.
    #[error("the field is read by the entry for `{by}`; it is not dropped")]
    DropOfUsed {
        /// The other entry's field.
        by: String,
    },
    /// A `drop` of a field that the old side does not have.
    #[error("the old type has no such field to drop")]
    NothingToDrop,
    /// An action that needs the old field of the same name.
    #[error("`{action}` needs the field in both layouts")]
    NeedsBoth {
        /// The action.
        action: &'static str,
    },
    /// An action on a field of a type it cannot work with.
    #[error("`{action}` does not work on {declared}; it needs {needs}")]
    WrongType {
        /// The action.
        action: &'static str,
        /// The field's type.
        declared: String,
        /// What the action needs.
        needs: &'static str,
    },
    /// A number that its field cannot hold.
    #[error("`{key} = {number}` is no value of `{declared}`; write one that it can hold")]
    NumberDoesNotFit {
        /// What it is said as.
        key: &'static str,
        /// The number.
        number: i64,
        /// The field's type.
        declared: String,
    },
    /// Zeros where something inside is something else at first.
    #[error(
        "`init = \"zero\"` would put zeros into {place}, for which the state map has another initial value; decide the members one by one, as `field = \"TYPE.MEMBER.MEMBER\"`, and leave that one to the map"
    )]
    NotZero {
        /// It, as `type.member`.
        place: String,
    },
    /// An action that needs the address of an object, in a type that is never one.
    #[error("`{action}` needs types whose values are objects of their own")]
    NotAnObject {
        /// The action.
        action: &'static str,
    },
}

fn suggestion(nearest: &Option<String>) -> String {
    match nearest {
        Some(nearest) => format!("; the nearest name is `{nearest}`"),
        None => String::new(),
    }
}
