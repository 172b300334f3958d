//! The canonical form of a layout, and its fingerprint.
//!
//! Two kernels whose saved types lie in memory in the same way have the same canonical text, by
//! whichever route their layouts were found. The text therefore does not depend on type ids, on
//! the order of the type table, on types that are not saved, or on what C calls an integer;
//! typedefs and qualifiers are transparent, and plain `char` is spelled as signed whatever the
//! compiler makes of it. A structure or union behind a pointer is named and
//! not described, so the text is as long as the saved types are and no longer.
//!
//! Every structure, union and enumeration contained in a saved type is described once:
//!
//! ```text
//! struct sigpending size 12
//!   0 head: *struct sigqueue
//!   32 tail: **struct sigqueue
//!   64 signal: struct #5d1c…
//! ```
//!
//! Offsets are in bits, sizes in bytes. A type without a tag, or with a tag that several
//! different contained types have, is named by the digest of its description.
//!
//! What a bit of a value means is part of a layout as well. A fingerprint therefore covers, behind
//! this text, the constants that the layout has, each as `  NAME = value` in the order of their
//! names under the line `constants`; a layout without constants has none of these lines.

use super::{Composite, CompositeKind, EnumType, IntType, Layout, Type, TypeId};
use crate::nearest::nearest;
use crate::units::ByteSize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::str::FromStr;
use thiserror::Error;

/// First line of every canonical text. It changes whenever the form does, so that fingerprints of
/// different forms are never taken for one another.
const DOMAIN: &str = "kconv layout 1";

/// Digits of a digest in a canonical text: 128 bits.
const DIGEST_DIGITS: usize = 32;

/// BLAKE3 of the canonical text of a layout's saved types, and of the constants that their values
/// are made of.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// A name that stands for no type of a layout.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct UnknownType {
    /// The name.
    pub name: String,
    /// Whether the layout has several different types of that name.
    pub ambiguous: bool,
    /// The most similar name that the layout has.
    pub nearest: Option<String>,
}

impl fmt::Display for UnknownType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ambiguous {
            return write!(f, "several different types are called `{}`", self.name);
        }
        write!(f, "no type is called `{}`", self.name)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; the nearest name is `{nearest}`"),
            None => Ok(()),
        }
    }
}

/// A text that is no fingerprint: not 64 hexadecimal digits in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no fingerprint: 64 hexadecimal digits in lower case are expected")]
pub struct FingerprintError(pub String);

impl Fingerprint {
    fn of(text: &str) -> Fingerprint {
        Fingerprint(*blake3::hash(text.as_bytes()).as_bytes())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Fingerprint, FingerprintError> {
        let digit = |byte: &u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let digits: Option<Vec<u8>> = text.as_bytes().iter().map(digit).collect();
        match digits {
            Some(digits) if digits.len() == 64 => Ok(Fingerprint(std::array::from_fn(|i| {
                digits[2 * i] << 4 | digits[2 * i + 1]
            }))),
            _ => Err(FingerprintError(text.to_owned())),
        }
    }
}

/// The canonical text of the types named in `saved` and everything they contain by value.
///
/// # Errors
/// If a name stands for no type of `layout`, or for several different ones.
pub fn canonical_text(layout: &Layout, saved: &[&str]) -> Result<String, UnknownType> {
    let saved = saved
        .iter()
        .map(|name| Ok((*name, layout.require(name)?)))
        .collect::<Result<BTreeMap<_, _>, UnknownType>>()?;
    let mut speller = Speller::new(layout);

    let mut described: BTreeMap<_, TypeId> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut pending: Vec<TypeId> = saved.values().copied().collect();
    while let Some(id) = pending.pop() {
        let id = layout.strip(id);
        if !seen.insert(id) {
            continue;
        }
        match layout.get(id) {
            Type::Array { element, .. } => pending.push(*element),
            Type::Composite(composite) => {
                pending.extend(composite.members.iter().map(|member| member.ty));
                described.insert(speller.key(id), id);
            }
            Type::Enum(_) => {
                described.insert(speller.key(id), id);
            }
            _ => {}
        }
    }
    for (tag, keyword, _) in described.keys() {
        let same = described
            .keys()
            .filter(|key| key.0 == *tag && key.1 == *keyword);
        if !tag.is_empty() && same.count() == 1 {
            speller.unique.insert((keyword, tag.clone()));
        }
    }

    let mut text = format!("{DOMAIN}\npointer {}\n", layout.target.pointer_size);
    for (name, id) in saved {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "saved {name}: {}", speller.spell(id));
    }
    for id in described.into_values() {
        text.push('\n');
        text.push_str(&speller.describe(id));
    }
    Ok(text)
}

impl Layout {
    /// The fingerprint of the types named in `saved` and of the constants that their values are
    /// made of ([`Layout::constants`]).
    ///
    /// # Errors
    /// If a name stands for no type of the layout, or for several different ones.
    pub fn fingerprint(&self, saved: &[&str]) -> Result<Fingerprint, UnknownType> {
        let mut text = canonical_text(self, saved)?;
        let constants = self.constants();
        if !constants.is_empty() {
            text.push_str("\nconstants\n");
        }
        for (name, value) in constants {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name} = {value}");
        }
        Ok(Fingerprint::of(&text))
    }

    /// The fingerprint of the types named in `saved` alone: all that a running kernel tells of
    /// itself.
    ///
    /// # Errors
    /// As [`Layout::fingerprint`].
    pub fn types_fingerprint(&self, saved: &[&str]) -> Result<Fingerprint, UnknownType> {
        Ok(Fingerprint::of(&canonical_text(self, saved)?))
    }

    /// The canonical spelling of a type: the same in two layouts with pointers of one size
    /// exactly if values of the type, and of all it contains, lie in memory in the same way.
    ///
    /// ```text
    /// s32   *struct task_struct   [16]s8   struct sigpending#0f3e…
    /// ```
    pub fn canonical_type(&self, id: TypeId) -> String {
        Speller::new(self).spell(id)
    }

    /// The type that `name` stands for ([`Layout::find`]), or an error that suggests another.
    ///
    /// # Errors
    /// If it stands for no type, or for several different ones.
    pub fn require(&self, name: &str) -> Result<TypeId, UnknownType> {
        self.find(name).ok_or_else(|| {
            let tables = [&self.composites, &self.typedefs, &self.enums];
            let (keyword, bare) = match name.split_once(' ') {
                Some((keyword, bare)) => (&name[..=keyword.len()], bare),
                None => ("", name),
            };
            let known = tables
                .iter()
                .flat_map(|table| table.keys().map(String::as_str));
            UnknownType {
                name: name.to_owned(),
                ambiguous: tables.iter().any(|table| table.contains_key(bare)),
                nearest: nearest(bare, known).map(|known| format!("{keyword}{known}")),
            }
        })
    }
}

/// Spells types, remembering the digests of the descriptions it has made.
pub(super) struct Speller<'a> {
    layout: &'a Layout,
    digests: BTreeMap<TypeId, String>,
    /// Keywords and tags that name one type without its digest.
    unique: BTreeSet<(&'static str, String)>,
}

impl<'a> Speller<'a> {
    pub(super) fn new(layout: &'a Layout) -> Speller<'a> {
        Speller {
            layout,
            digests: BTreeMap::new(),
            unique: BTreeSet::new(),
        }
    }

    /// What a composite or enumeration is sorted by: tag, keyword, digest.
    fn key(&mut self, id: TypeId) -> (String, &'static str, String) {
        let (keyword, tag) = self.heading(id);
        (tag.to_owned(), keyword, self.digest(id))
    }

    fn heading(&self, id: TypeId) -> (&'static str, &'a str) {
        match self.layout.get(id) {
            Type::Composite(composite) => (
                composite.kind.keyword(),
                composite.name.as_deref().unwrap_or(""),
            ),
            Type::Enum(e) => ("enum", e.name.as_deref().unwrap_or("")),
            _ => ("", ""),
        }
    }

    fn digest(&mut self, id: TypeId) -> String {
        if let Some(digest) = self.digests.get(&id) {
            return digest.clone();
        }
        let digest =
            blake3::hash(self.describe(id).as_bytes()).to_hex()[..DIGEST_DIGITS].to_owned();
        self.digests.insert(id, digest.clone());
        digest
    }

    /// The description of a composite or enumeration.
    fn describe(&mut self, id: TypeId) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = match self.layout.get(id) {
            Type::Composite(composite) => self.describe_composite(composite, &mut text),
            Type::Enum(e) => describe_enum(e, &mut text),
            _ => Ok(()),
        };
        text
    }

    fn describe_composite(&mut self, composite: &Composite, text: &mut String) -> fmt::Result {
        let keyword = composite.kind.keyword();
        writeln!(
            text,
            "{} size {}",
            titled(keyword, &composite.name),
            composite.size
        )?;
        for member in &composite.members {
            write!(
                text,
                "  {} {}",
                member.offset.0,
                member.name.as_deref().unwrap_or("-")
            )?;
            if let Some(width) = member.bit_field {
                write!(text, ":{}", width.0)?;
            }
            writeln!(text, ": {}", self.spell(member.ty))?;
        }
        Ok(())
    }

    pub(super) fn spell(&mut self, id: TypeId) -> String {
        let id = self.layout.strip(id);
        match self.layout.get(id) {
            Type::Array { element, count } => format!("[{count}]{}", self.spell(*element)),
            Type::Composite(_) | Type::Enum(_) => {
                let (keyword, tag) = self.heading(id);
                if self.unique.contains(&(keyword, tag.to_owned())) {
                    format!("{keyword} {tag}")
                } else {
                    format!("{keyword} {tag}#{}", self.digest(id))
                }
            }
            _ => self.spell_pointee(id),
        }
    }

    /// A type that is named and not followed. The name must not change when the type behind it
    /// is reduced to a forward declaration.
    fn spell_pointee(&self, mut id: TypeId) -> String {
        // A structure without a tag goes by the typedef that is next to it.
        let mut typedef = None;
        loop {
            let tag = |name: &Option<String>, keyword| {
                let name = name.as_ref().or(typedef);
                titled(keyword, &name.cloned())
            };
            return match self.layout.get(id) {
                Type::Typedef { name, target } => {
                    typedef = Some(name);
                    id = *target;
                    continue;
                }
                Type::Qualified { target, .. } => {
                    id = *target;
                    continue;
                }
                Type::Void => "void".to_owned(),
                Type::Int(int) => spell_int(int),
                Type::Float { size, .. } => format!("f{}", bits(*size)),
                Type::Pointer { target } => format!("*{}", self.spell_pointee(*target)),
                Type::Array { element, count } => {
                    format!("[{count}]{}", self.spell_pointee(*element))
                }
                Type::Composite(composite) => tag(&composite.name, composite.kind.keyword()),
                Type::Forward { kind, name } => CompositeKind::titled(*kind, name),
                Type::Enum(EnumType {
                    name: Some(name), ..
                }) => format!("enum {name}"),
                Type::Enum(e) => format!("{}{}", if e.signed { 's' } else { 'u' }, bits(e.size)),
                Type::FunctionProto { .. } => "fn".to_owned(),
            };
        }
    }
}

impl CompositeKind {
    fn titled(self, name: &str) -> String {
        format!("{} {name}", self.keyword())
    }
}

fn titled(keyword: &str, name: &Option<String>) -> String {
    match name {
        Some(name) => format!("{keyword} {name}"),
        None => keyword.to_owned(),
    }
}

fn spell_int(int: &IntType) -> String {
    let kind = match int {
        IntType { boolean: true, .. } => 'b',
        IntType { signed: true, .. } => 's',
        // Which sign a compiler gives it is no difference between two layouts.
        int if int.is_plain_char() => 's',
        _ => 'u',
    };
    format!("{kind}{}", bits(int.size))
}

fn bits(size: ByteSize) -> u128 {
    u128::from(size.0) * 8
}

fn describe_enum(e: &EnumType, text: &mut String) -> fmt::Result {
    let sign = if e.signed { " signed" } else { "" };
    writeln!(text, "{} size {}{sign}", titled("enum", &e.name), e.size)?;
    for (name, value) in &e.enumerators {
        writeln!(text, "  {name} = {value}")?;
    }
    Ok(())
}
