//! Types in the manner of pahole: C, with the offset and size of each member, and the holes.

use super::{Composite, CompositeKind, EnumType, Layout, Member, Qualifier, Type, TypeId};
use crate::units::BitOffset;
use std::cell::Cell;
use std::fmt::{self, Write as _};

/// What [`render_type`] shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderOptions {
    /// Show the members of structures with a tag inside others, too, as `pahole -E` does.
    pub expand: bool,
}

/// How many types a rendering names at most. C types are far below; in others, what comes after
/// is left out and shown as `...`.
const BUDGET: usize = 200_000;

/// Bytes of a cache line, as pahole counts them where nothing else is said.
const CACHE_LINE: u64 = 64;

/// A type as C, with the offset and size of each member in bytes, and of bit-fields with the
/// first bit in their storage unit: `offset: bit size`.
///
/// ```text
/// struct sigpending {
///         struct sigqueue *          head;                 /*     0     4 */
///         struct sigqueue * *        tail;                 /*     4     4 */
///         sigset_t                   signal;               /*     8     8 */
///
///         /* size: 16, cachelines: 1, members: 3 */
/// };
/// ```
pub fn render_type(layout: &Layout, id: TypeId, options: &RenderOptions) -> String {
    let mut render = Render {
        layout,
        expand: options.expand,
        budget: Cell::new(BUDGET),
        text: String::new(),
    };
    // Writing to a string cannot fail.
    let _ = render.definition(id);
    render.text
}

impl Layout {
    /// A type as C spells it, without a variable: `struct task_struct *`, `char [16]`.
    pub fn type_name(&self, id: TypeId) -> String {
        let render = Render {
            layout: self,
            expand: false,
            budget: Cell::new(BUDGET),
            text: String::new(),
        };
        let (base, declarator) = render.declaration(id, String::new());
        match declarator.is_empty() {
            true => base,
            false => format!("{base} {declarator}"),
        }
    }
}

struct Render<'a> {
    layout: &'a Layout,
    expand: bool,
    budget: Cell<usize>,
    text: String,
}

/// Where in the text, and in the type, a composite is shown.
#[derive(Copy, Clone)]
struct Place {
    indent: usize,
    /// Bit offset of the composite from the start of the type that is rendered.
    base: u64,
}

impl<'a> Render<'a> {
    fn definition(&mut self, id: TypeId) -> fmt::Result {
        let (opening, closing) = match self.layout.get(id) {
            Type::Typedef { name, .. } => ("typedef ", format!(" {name}")),
            _ => ("", String::new()),
        };
        match self.layout.get(self.layout.strip(id)) {
            Type::Composite(composite) => {
                writeln!(self.text, "{opening}{} {{", title(composite))?;
                self.members(composite, Place { indent: 1, base: 0 })?;
                self.summary(composite)?;
                writeln!(self.text, "}}{closing};")
            }
            Type::Enum(e) => {
                writeln!(self.text, "{opening}{} {{", enum_title(e))?;
                for (name, value) in &e.enumerators {
                    writeln!(self.text, "\t{name} = {value},")?;
                }
                writeln!(self.text, "}}{closing}; /* size: {} */", e.size)
            }
            _ => {
                let inner = match self.layout.get(id) {
                    Type::Typedef { target, .. } => *target,
                    _ => id,
                };
                let (base, declarator) = self.declaration(inner, closing.trim_start().to_owned());
                write!(self.text, "{opening}{base}")?;
                if !declarator.is_empty() {
                    write!(self.text, " {declarator}")?;
                }
                match self.layout.size_of(id) {
                    Some(size) => writeln!(self.text, "; /* size: {size} */"),
                    None => writeln!(self.text, ";"),
                }
            }
        }
    }

    fn members(&mut self, composite: &Composite, place: Place) -> fmt::Result {
        let mut end = 0;
        let mut unit_end = 0;
        for member in &composite.members {
            let gap = Gap {
                from: end,
                unit_end,
                to: member.offset.0,
            };
            if composite.kind == CompositeKind::Struct {
                self.hole(&gap, place.indent)?;
            }
            self.member(member, place)?;
            let size = self.bits(member.ty);
            end = member.offset.0 + member.bit_field.map_or(size, |width| width.0);
            unit_end = match member.bit_field {
                Some(_) => storage(member.offset, size).0 * 8 + size,
                None => end,
            };
        }
        Ok(())
    }

    fn member(&mut self, member: &Member, place: Place) -> fmt::Result {
        let offset = BitOffset(place.base + member.offset.0);
        let size = self.bits(member.ty);
        let name = member.name.clone().unwrap_or_default();
        let (base, declarator) = self.declaration(member.ty, name);
        let tabs = "\t".repeat(place.indent);
        let left = 26usize.saturating_sub(8 * (place.indent - 1));
        let right = left + 22;
        if let Some(width) = member.bit_field {
            let (byte, bit) = storage(member.offset, size);
            let byte = byte + place.base / 8;
            let field = format!("{base:<left$} {declarator}:{};", width.0);
            let size = size / 8;
            return writeln!(
                self.text,
                "{tabs}{field:<right$} /* {byte:5}:{bit:2} {size:2} */"
            );
        }
        let comment = format!("/* {:5} {:5} */", offset.byte().0, size / 8);
        let field = match self.expanded(member.ty) {
            None => format!("{base:<left$} {declarator};"),
            Some(inner) => {
                writeln!(self.text, "{tabs}{} {{", title(inner))?;
                let indent = place.indent + 1;
                self.members(
                    inner,
                    Place {
                        indent,
                        base: offset.0,
                    },
                )?;
                match declarator.is_empty() {
                    true => "};".to_owned(),
                    false => format!("}} {declarator};"),
                }
            }
        };
        writeln!(self.text, "{tabs}{field:<right$} {comment}")
    }

    /// The composite whose members are shown in place of its name.
    fn expanded(&self, mut id: TypeId) -> Option<&'a Composite> {
        loop {
            match self.layout.get(id) {
                Type::Array { element, .. } => id = *element,
                Type::Qualified { target, .. } => id = *target,
                Type::Typedef { target, .. } if self.expand => id = *target,
                Type::Composite(composite) => {
                    let wanted = self.expand || composite.name.is_none();
                    return (wanted && self.spend()).then_some(composite);
                }
                _ => return None,
            }
        }
    }

    fn hole(&mut self, gap: &Gap, indent: usize) -> fmt::Result {
        let tabs = "\t".repeat(indent);
        let (bits, bytes) = gap.parts();
        for (size, unit) in [(bits, "bit"), (bytes, "byte")] {
            if size != 0 {
                let plural = if size == 1 { "" } else { "s" };
                writeln!(
                    self.text,
                    "\n{tabs}/* XXX {size} {unit}{plural} hole, try to pack */\n"
                )?;
            }
        }
        Ok(())
    }

    fn summary(&mut self, composite: &Composite) -> fmt::Result {
        let size = composite.size.0;
        writeln!(
            self.text,
            "\n\t/* size: {size}, cachelines: {}, members: {} */",
            size.div_ceil(CACHE_LINE),
            composite.members.len(),
        )?;
        let ends = composite.members.iter().map(|member| {
            let bits = self.bits(member.ty);
            let end = member.offset.0 + member.bit_field.map_or(bits, |width| width.0);
            let unit_end = match member.bit_field {
                Some(_) => storage(member.offset, bits).0 * 8 + bits,
                None => end,
            };
            (end, unit_end)
        });
        let (from, unit_end) = ends.max().unwrap_or((0, 0));
        let (bits, bytes) = Gap {
            from,
            unit_end,
            to: size * 8,
        }
        .parts();
        if bytes != 0 {
            writeln!(self.text, "\t/* padding: {bytes} */")?;
        }
        if bits != 0 {
            writeln!(self.text, "\t/* bit_padding: {bits} bits */")?;
        }
        Ok(())
    }

    /// The parts of a C declaration left and right of the column between them: what it is made
    /// of, and the name with all that C writes around it.
    fn declaration(&self, id: TypeId, name: String) -> (String, String) {
        if !self.spend() {
            return ("...".to_owned(), name);
        }
        match self.layout.get(id) {
            Type::Pointer { target } => match self.layout.get(self.unqualified(*target)) {
                Type::FunctionProto { .. } | Type::Array { .. } => {
                    self.declaration(*target, format!("(*{name})"))
                }
                _ => {
                    let (base, declarator) = self.declaration(*target, name);
                    (format!("{base} *"), declarator)
                }
            },
            Type::Array { element, count: 0 } => self.declaration(*element, format!("{name}[]")),
            Type::Array { element, count } => {
                self.declaration(*element, format!("{name}[{count}]"))
            }
            Type::FunctionProto {
                returns,
                parameters,
            } => {
                let parameters = self.parameters(parameters);
                self.declaration(*returns, format!("{name}({parameters})"))
            }
            Type::Qualified { qualifier, target } => {
                let word = match qualifier {
                    Qualifier::Const => "const",
                    Qualifier::Volatile => "volatile",
                    Qualifier::Restrict => "restrict",
                    // It is no C of its own; what it means shows in the state map.
                    Qualifier::TypeTag(_) => return self.declaration(*target, name),
                };
                let (base, declarator) = self.declaration(*target, name);
                match self.layout.get(self.unqualified(*target)) {
                    Type::Pointer { .. } => (format!("{base} {word}"), declarator),
                    _ => (format!("{word} {base}"), declarator),
                }
            }
            Type::Void => ("void".to_owned(), name),
            Type::Int(int) => (int.name.clone(), name),
            Type::Float { name: base, .. } | Type::Typedef { name: base, .. } => {
                (base.clone(), name)
            }
            Type::Composite(composite) => (title(composite), name),
            Type::Enum(e) => (enum_title(e), name),
            Type::Forward { kind, name: tag } => (format!("{} {tag}", kind.keyword()), name),
        }
    }

    fn parameters(&self, parameters: &[(String, TypeId)]) -> String {
        let spelled: Vec<String> = parameters
            .iter()
            .map(|(name, ty)| {
                if *ty == TypeId::VOID && name.is_empty() {
                    return "...".to_owned();
                }
                // pahole leaves the names out, and so the lines short.
                let (base, declarator) = self.declaration(*ty, String::new());
                match declarator.is_empty() {
                    true => base,
                    false => format!("{base} {declarator}"),
                }
            })
            .collect();
        match spelled.is_empty() {
            true => "void".to_owned(),
            false => spelled.join(", "),
        }
    }

    fn unqualified(&self, mut id: TypeId) -> TypeId {
        while let Type::Qualified { target, .. } = self.layout.get(id) {
            id = *target;
        }
        id
    }

    fn bits(&self, id: TypeId) -> u64 {
        self.layout.size_of(id).map_or(0, |size| size.0 * 8)
    }

    fn spend(&self) -> bool {
        let left = self.budget.get();
        self.budget.set(left.saturating_sub(1));
        left > 0
    }
}

/// Bits between one member and the next, or the end.
struct Gap {
    from: u64,
    /// Where the storage unit of the bit-field before ends; `from` if there is none.
    unit_end: u64,
    to: u64,
}

impl Gap {
    /// The bits left in the storage unit of the bit-field before, and the bytes after that.
    fn parts(&self) -> (u64, u64) {
        let unit_end = self.unit_end.clamp(self.from, self.to.max(self.from));
        (unit_end - self.from, self.to.saturating_sub(unit_end) / 8)
    }
}

/// The byte at which the storage unit of a bit-field begins, and the bit-field's place in it:
/// units of the size of its type, one after the other.
fn storage(offset: BitOffset, unit_bits: u64) -> (u64, u64) {
    let unit = offset.0.checked_div(unit_bits).unwrap_or(0) * unit_bits;
    (unit / 8, offset.0 - unit)
}

fn title(composite: &Composite) -> String {
    match &composite.name {
        Some(name) => format!("{} {name}", composite.kind.keyword()),
        None => composite.kind.keyword().to_owned(),
    }
}

fn enum_title(e: &EnumType) -> String {
    match &e.name {
        Some(name) => format!("enum {name}"),
        None => "enum".to_owned(),
    }
}
