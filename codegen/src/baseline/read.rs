//! Baselines out of text. Every line is understood or is an error that names it; there is at most one
//! type for each word of the text, so that memory grows with the file.

use super::{Accepted, Baseline, HEAD};
use kernel_structs::layout::{
    Composite, CompositeKind, EnumType, IntType, LayoutBuilder, LayoutError, MAX_DEPTH, Member,
    Qualifier, Target, Type, TypeId,
};
use kernel_structs::units::{BitOffset, BitSize, ByteSize};
use std::collections::{BTreeMap, HashMap};

/// Why a text is no baseline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// It does not begin as one.
    #[error("line 1: `{HEAD}` is expected; `kconv-gen baseline write` makes a baseline")]
    Head,
    /// A line that is not what stands there.
    #[error("line {line}: `{text}` is not {expected}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What stands there.
        text: String,
        /// What does in a baseline.
        expected: &'static str,
    },
    /// A type that is described nowhere.
    #[error("line {line}: no line describes `{name}`")]
    Unknown {
        /// The line, from 1.
        line: usize,
        /// Its name.
        name: String,
    },
    /// A type that is described twice.
    #[error("line {line}: `{name}` is described a second time")]
    Twice {
        /// The line, from 1.
        line: usize,
        /// Its name.
        name: String,
    },
    /// The file ends before it says what a baseline says.
    #[error("there is no line `{what} …`")]
    Missing {
        /// The first word of the line.
        what: &'static str,
    },
    /// What it describes is no layout.
    #[error("what it describes is no layout: {0}")]
    Layout(#[from] LayoutError),
}

/// A line: its number from 1, how far it is indented, and the rest.
#[derive(Copy, Clone)]
struct Line<'t> {
    number: usize,
    depth: usize,
    text: &'t str,
}

impl Line<'_> {
    fn wrong(&self, expected: &'static str) -> BaselineError {
        BaselineError::Line {
            line: self.number,
            text: self.text.to_owned(),
            expected,
        }
    }
}

/// Reads a baseline.
///
/// # Errors
/// [`BaselineError`], with the line.
pub fn read(text: &str) -> Result<Baseline, BaselineError> {
    let mut lines = text.lines().zip(1..).map(|(line, number)| {
        let rest = line.trim_start_matches(' ');
        Line {
            number,
            depth: line.len() - rest.len(),
            text: rest.trim_end(),
        }
    });
    if lines.next().map(|line| line.text) != Some(HEAD) {
        return Err(BaselineError::Head);
    }
    // Comments are a person's, and go when the file is written again.
    let lines: Vec<Line<'_>> = lines
        .filter(|line| !line.text.is_empty() && !line.text.starts_with("# "))
        .collect();
    // Deeper than any layout is.
    let deep = lines.iter().find(|line| line.depth > 2 * MAX_DEPTH);
    if let Some(deep) = deep {
        return Err(deep.wrong("as far in as structures lie in one another"));
    }
    let (mut family, mut pointer, mut source) = (None, None, None);
    let (mut lacks, mut accepted) = (Vec::new(), Vec::new());
    let mut start = 0;
    for line in &lines {
        let Some((word, rest)) = line.text.split_once(' ').filter(|_| line.depth == 0) else {
            break;
        };
        match word {
            "family" => family = Some(rest.to_owned()),
            "pointer" => pointer = Some(rest.parse().map_err(|_| line.wrong("`pointer SIZE`"))?),
            "source" => source = Some(rest.to_owned()),
            "lacks" => lacks.push(rest.to_owned()),
            "accepted" => accepted.push(acceptance(line, rest)?),
            _ => break,
        }
        start += 1;
    }
    let pointer_size = pointer.ok_or(BaselineError::Missing { what: "pointer" })?;
    let mut reader = Reader {
        lines: &lines[start..],
        at: 0,
        builder: LayoutBuilder::new(Target { pointer_size }),
        named: BTreeMap::new(),
        forward: BTreeMap::new(),
        made: HashMap::new(),
    };
    reader.names()?;
    while reader.at < reader.lines.len() {
        reader.block()?;
    }
    Ok(Baseline {
        family: family.ok_or(BaselineError::Missing { what: "family" })?,
        source: source.ok_or(BaselineError::Missing { what: "source" })?,
        layout: reader.builder.finish()?,
        lacks,
        accepted,
    })
}

fn acceptance(line: &Line<'_>, rest: &str) -> Result<Accepted, BaselineError> {
    let wrong = || line.wrong("`accepted DAY ID KIND SUBJECT: REASON`");
    let (head, reason) = rest.split_once(": ").ok_or_else(wrong)?;
    let words: Vec<&str> = head.splitn(4, ' ').collect();
    let &[day, id, kind, subject] = words.as_slice() else {
        return Err(wrong());
    };
    Ok(Accepted {
        day: day.to_owned(),
        id: id.to_owned(),
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        reason: reason.to_owned(),
    })
}

struct Reader<'t> {
    lines: &'t [Line<'t>],
    at: usize,
    builder: LayoutBuilder,
    /// What lines describe, by keyword and name.
    named: BTreeMap<(&'t str, &'t str), TypeId>,
    /// Structures and unions that are only pointed at.
    forward: BTreeMap<(&'t str, &'t str), TypeId>,
    /// Pointers, arrays and the like, each once.
    made: HashMap<Type, TypeId>,
}

/// What begins the description of something with a name.
const DESCRIBED: [&str; 6] = ["int", "float", "typedef", "struct", "union", "enum"];

impl<'t> Reader<'t> {
    /// Finds what is described, so that it can be named before it is.
    fn names(&mut self) -> Result<(), BaselineError> {
        for line in self.lines.iter().filter(|line| line.depth == 0) {
            let (keyword, rest) = line.text.split_once(' ').unwrap_or((line.text, ""));
            if !DESCRIBED.contains(&keyword) {
                return Err(line.wrong("the description of a type"));
            }
            let name = match keyword {
                "int" | "float" => rest.split_once(": ").map(|(_, name)| name),
                "typedef" => rest.split_once(": ").map(|(name, _)| name),
                _ => rest.split_once(' ').map(|(name, _)| name),
            };
            let name = name.ok_or_else(|| line.wrong("the description of a type"))?;
            // Numbers and typedefs are named without a keyword.
            let keyword = match keyword {
                "int" | "float" | "typedef" => "",
                keyword => keyword,
            };
            let id = self.builder.reserve();
            if self.named.insert((keyword, name), id).is_some() {
                return Err(BaselineError::Twice {
                    line: line.number,
                    name: name.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The next line, which describes something with a name, and those that belong to it.
    fn block(&mut self) -> Result<(), BaselineError> {
        let line = self.lines[self.at];
        self.at += 1;
        let (keyword, rest) = line.text.split_once(' ').unwrap_or((line.text, ""));
        let wrong = |expected| move || line.wrong(expected);
        let (name, ty) = match keyword {
            "int" => {
                let expected = wrong("`int SIZE KIND: NAME`");
                let (head, name) = rest.split_once(": ").ok_or_else(expected)?;
                let (size, kind) = head.split_once(' ').ok_or_else(expected)?;
                let (signed, character, boolean) = match kind {
                    "bool" => (false, false, true),
                    "signed character" => (true, true, false),
                    "character" => (false, true, false),
                    "signed" => (true, false, false),
                    "unsigned" => (false, false, false),
                    _ => return Err(expected()),
                };
                let int = IntType {
                    name: name.to_owned(),
                    size: ByteSize(size.parse().map_err(|_| expected())?),
                    signed,
                    character,
                    boolean,
                };
                (name, Type::Int(int))
            }
            "float" => {
                let expected = wrong("`float SIZE: NAME`");
                let (size, name) = rest.split_once(": ").ok_or_else(expected)?;
                let size = ByteSize(size.parse().map_err(|_| expected())?);
                let float = Type::Float {
                    name: name.to_owned(),
                    size,
                };
                (name, float)
            }
            "typedef" => {
                let (name, ty) = rest
                    .split_once(": ")
                    .ok_or_else(wrong("`typedef NAME: TYPE`"))?;
                let typedef = Type::Typedef {
                    name: plain(name).to_owned(),
                    target: self.spelt(ty, &line)?,
                };
                (name, typedef)
            }
            "enum" => {
                let (name, head) = rest
                    .split_once(' ')
                    .ok_or_else(wrong("`enum NAME SIZE SIGN`"))?;
                let own = self.enumeration(Some(name), head, &line)?;
                (name, Type::Enum(own))
            }
            _ => {
                let expected = wrong("`struct NAME SIZE` or `union NAME SIZE`");
                let (name, size) = rest.split_once(' ').ok_or_else(expected)?;
                let size = size.parse().map_err(|_| expected())?;
                let kind = kind_of(keyword).ok_or_else(expected)?;
                let own = self.composite(kind, Some(name), size, &line)?;
                (name, Type::Composite(own))
            }
        };
        let keyword = match keyword {
            "int" | "float" | "typedef" => "",
            keyword => keyword,
        };
        // `names` found it.
        if let Some(id) = self.named.get(&(keyword, name)) {
            self.builder.set(*id, ty);
        }
        Ok(())
    }

    /// The lines that belong to `line`: those further in.
    fn inside(&mut self, line: &Line<'_>) -> Option<Line<'t>> {
        let next = self.lines.get(self.at).copied()?;
        (next.depth > line.depth).then(|| {
            self.at += 1;
            next
        })
    }

    fn enumeration(
        &mut self,
        name: Option<&str>,
        head: &str,
        line: &Line<'t>,
    ) -> Result<EnumType, BaselineError> {
        let wrong = || line.wrong("the size of an enumeration, `signed` or `unsigned`");
        let (size, sign) = head.split_once(' ').ok_or_else(wrong)?;
        let signed = match sign {
            "signed" => true,
            "unsigned" => false,
            _ => return Err(wrong()),
        };
        let size = ByteSize(size.parse().map_err(|_| wrong())?);
        let mut enumerators = Vec::new();
        while let Some(inner) = self.inside(line) {
            let value = inner.text.split_once(" = ");
            let value =
                value.and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
            enumerators.push(value.ok_or_else(|| inner.wrong("`NAME = VALUE`"))?);
        }
        Ok(EnumType {
            name: name.map(|name| plain(name).to_owned()),
            size,
            signed,
            enumerators,
        })
    }

    fn composite(
        &mut self,
        kind: CompositeKind,
        name: Option<&str>,
        size: u64,
        line: &Line<'t>,
    ) -> Result<Composite, BaselineError> {
        let mut members = Vec::new();
        while let Some(inner) = self.inside(line) {
            let expected = || inner.wrong("`OFFSET NAME: TYPE`");
            let (head, ty) = inner.text.split_once(": ").ok_or_else(expected)?;
            let (place, name) = head.split_once(' ').ok_or_else(expected)?;
            let (offset, width) = match place.split_once('+') {
                Some((offset, width)) => (offset, Some(width)),
                None => (place, None),
            };
            let number = |text: &str| text.parse::<u64>().map_err(|_| expected());
            let ty = self.spelt(ty, &inner)?;
            members.push(Member {
                name: (name != "-").then(|| name.to_owned()),
                ty,
                offset: BitOffset(number(offset)?),
                bit_field: width.map(number).transpose()?.map(BitSize),
            });
        }
        Ok(Composite {
            kind,
            name: name.map(|name| plain(name).to_owned()),
            size: ByteSize(size),
            members,
        })
    }

    /// The type that `text`, which stands on `line`, spells; the lines further in are its members.
    fn spelt(&mut self, text: &'t str, line: &Line<'t>) -> Result<TypeId, BaselineError> {
        let mut around = Vec::new();
        let mut rest = text;
        let inner = loop {
            let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
            let outer = match word {
                "ptr" => Around::Pointer,
                "fn" => Around::Function,
                "const" => Around::Qualifier(Qualifier::Const),
                "volatile" => Around::Qualifier(Qualifier::Volatile),
                "restrict" => Around::Qualifier(Qualifier::Restrict),
                "tag" => {
                    let (tag, behind) = behind
                        .split_once(' ')
                        .ok_or_else(|| line.wrong("`tag NAME TYPE`"))?;
                    rest = behind;
                    around.push(Around::Qualifier(Qualifier::TypeTag(tag.to_owned())));
                    continue;
                }
                "array" => {
                    let (count, behind) = behind
                        .split_once(' ')
                        .ok_or_else(|| line.wrong("`array COUNT TYPE`"))?;
                    let count = count
                        .parse()
                        .map_err(|_| line.wrong("`array COUNT TYPE`"))?;
                    rest = behind;
                    around.push(Around::Array(count));
                    continue;
                }
                _ => break self.innermost(rest, line)?,
            };
            around.push(outer);
            rest = behind;
        };
        let made = around.into_iter().rev().fold(inner, |id, around| {
            let ty = match around {
                Around::Pointer => Type::Pointer { target: id },
                Around::Function => Type::FunctionProto {
                    returns: id,
                    parameters: Vec::new(),
                },
                Around::Qualifier(qualifier) => Type::Qualified {
                    qualifier,
                    target: id,
                },
                Around::Array(count) => Type::Array { element: id, count },
            };
            let builder = &mut self.builder;
            let made = self.made.entry(ty);
            *made.or_insert_with_key(|ty| builder.push(ty.clone()))
        });
        Ok(made)
    }

    /// What nothing is around: a name, or a structure or enumeration that is described here.
    fn innermost(&mut self, text: &'t str, line: &Line<'t>) -> Result<TypeId, BaselineError> {
        if text == "void" {
            return Ok(TypeId::VOID);
        }
        let unknown = || BaselineError::Unknown {
            line: line.number,
            name: text.to_owned(),
        };
        let (keyword, rest) = match text.split_once(' ') {
            Some((keyword @ ("struct" | "union" | "enum"), rest)) => (keyword, rest),
            _ => return self.named.get(&("", text)).copied().ok_or_else(unknown),
        };
        if let Some(id) = self.named.get(&(keyword, rest)) {
            return Ok(*id);
        }
        if rest.starts_with(|first: char| first.is_ascii_digit()) {
            let id = self.builder.reserve();
            let ty = match kind_of(keyword) {
                None => Type::Enum(self.enumeration(None, rest, line)?),
                Some(kind) => {
                    let size = rest.parse().map_err(|_| line.wrong("a size in bytes"))?;
                    Type::Composite(self.composite(kind, None, size, line)?)
                }
            };
            self.builder.set(id, ty);
            return Ok(id);
        }
        let kind = kind_of(keyword).ok_or_else(unknown)?;
        let builder = &mut self.builder;
        let forward = self.forward.entry((keyword, rest));
        Ok(*forward.or_insert_with(|| {
            builder.push(Type::Forward {
                kind,
                name: rest.to_owned(),
            })
        }))
    }
}

/// What stands around a type.
enum Around {
    Pointer,
    Function,
    Qualifier(Qualifier),
    Array(u64),
}

fn kind_of(keyword: &str) -> Option<CompositeKind> {
    match keyword {
        "struct" => Some(CompositeKind::Struct),
        "union" => Some(CompositeKind::Union),
        _ => None,
    }
}

/// A name without the number that tells several of one name apart.
fn plain(name: &str) -> &str {
    name.split('#').next().unwrap_or(name)
}
