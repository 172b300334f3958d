//! What a piece of C declares: structures, unions, enumerations, typedefs, constants, and the
//! changed lines of functions.
//!
//! The scanner is a push-down automaton over the tokens of each line. It keeps the braces, the
//! conditions of the preprocessor and the declaration that is open, and hands out an [`Item`] when
//! one is complete. It is made for what a patch has: text that begins and ends anywhere, macros
//! that are no C, branches of which each opens the same brace. It reads each line once, keeps the
//! one definition that is open, and cannot fail; what it does not understand it passes over to
//! the next semicolon or brace.
//!
//! A general parser does worse here. `tree-sitter-c` 0.24 finds 166 definitions of saved types and
//! of what they contain in Debian's 6.1.170 headers and has errors in 18 of them, among them
//! `task_struct`, `mm_struct`, `files_struct` and `maple_tree`: `randomized_struct_fields_start`,
//! `struct_group()` and `CACHELINE_PADDING()` are no C before the preprocessor. And a hunk from
//! the middle of a structure has no root at which a grammar could begin.

mod directives;
mod ends;
mod expand;
mod heads;
mod pointees;
mod rests;

use super::item::{CodeLine, Item, Member, Place, Rest, TypeDef, TypeKind};
use super::lex::{Lexer, Piece};
use super::macros;
use heads::{function_name, group_arguments, type_head, whole};
use pointees::Pointees;
use std::collections::BTreeSet;

/// Bytes of one declaration that are kept, and so the most that one can take.
const DECLARATION: usize = 64 * 1024;
/// Members kept of one type.
const MEMBERS: usize = 16 * 1024;
/// Open braces that are told apart.
const DEPTH: usize = 64;
/// Open conditions that are told apart.
const CONDITIONS: usize = 64;

/// Reads C line by line.
pub(super) struct Scanner<'a> {
    functions: &'a BTreeSet<String>,
    lexer: Lexer,
    frames: Vec<Frame>,
    /// Braces open beyond [`DEPTH`].
    deeper: usize,
    open: Open,
    conditions: Vec<Condition>,
    /// The name in the first condition, `#ifndef NAME`, if that was the last directive: what defines
    /// it then is the guard of a header, and no condition.
    guard: Option<String>,
    /// A directive that goes on: its text, its place, and whether a bracket follows its name.
    pending: (String, Place, bool),
    /// A type whose closing brace was seen.
    complete: Option<TypeDef>,
    /// Declarations of a hunk that may be members of something that begins before it.
    loose: Vec<Member>,
    fragment: bool,
    hunk: Hunk,
    /// The members whose place those take that a macro declares, and macros inside each other.
    takes: Vec<String>,
    expanding: usize,
    /// The last closing brace.
    closed: Option<Place>,
    /// What the variables of a watched function point at.
    pointees: Pointees,
    /// No token of the line was read.
    at_start: bool,
    /// Where the last member ended, for a comment behind it.
    ended: Option<u64>,
    behind: bool,
}

/// Bytes of a heading from which it may be cut off: GNU diff has 40 of them, without white space at the
/// end.
const CUT: usize = 39;

/// What is known of the place of a hunk.
#[derive(Copy, Clone)]
pub(super) struct Around {
    /// Nothing can be open before it.
    pub(super) at_top: bool,
    /// The file has a watched function whose head is too long for a heading.
    pub(super) long_heads: bool,
}

/// What is known of the hunk that is read.
#[derive(Default)]
struct Hunk {
    /// Its heading does not say what it is in.
    unheaded: bool,
    /// Nothing can be open where it begins: it is the first line of the file, or other hunks have
    /// a heading and before this one there was nothing to make one of.
    at_top: bool,
    /// Its heading may be that of a watched function, and is cut off before the name.
    cut: bool,
    /// It has statements outside of every brace, so that what is loose is in a function.
    statements: bool,
    /// What it changes and does not show the whole of.
    rests: Vec<Rest>,
}

struct Frame {
    kind: FrameKind,
    tag: String,
    members: Vec<Member>,
    place: Place,
    condition: String,
    /// Number of conditions around it.
    conditions: usize,
    outer: Open,
    /// Opened by the heading of a hunk, so that what stands between is not known.
    from_heading: bool,
    partial: bool,
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum FrameKind {
    Type(TypeKind),
    /// `struct_group()` with this many arguments still to come before the members.
    Group(u8),
    Function,
    Skip,
    /// Braces around declarations, as of `extern "C"`.
    Transparent,
}

impl FrameKind {
    /// Whether what is declared in it are members, and no enumerators.
    fn has_members(self) -> bool {
        match self {
            FrameKind::Type(kind) => kind != TypeKind::Enum,
            FrameKind::Group(_) => true,
            FrameKind::Function | FrameKind::Skip | FrameKind::Transparent => false,
        }
    }
}

/// A declaration that has no end yet.
#[derive(Clone, Default)]
struct Open {
    text: String,
    ends: Vec<usize>,
    place: Place,
    comment: String,
    commented: bool,
    /// Its first line begins with white space.
    indented: bool,
    /// Where its comment changed first.
    remark: Place,
    changed: bool,
    depth: usize,
    /// Tokens of it that stand on a line of their own at its start.
    alone: usize,
    /// It is a macro whose arguments are declarations: its tokens are kept as they are.
    raw: bool,
    line: u64,
    inner: Option<Inner>,
}

/// A structure declared inside a declaration.
#[derive(Clone)]
struct Inner {
    kind: &'static str,
    members: Vec<Member>,
}

struct Condition {
    text: String,
    frames: usize,
    open: Open,
    /// The first of its directives that the patch changes, with the type around it.
    rest: Option<Rest>,
}

impl Open {
    fn push(&mut self, token: &str) {
        if self.text.len() + token.len() <= DECLARATION {
            self.text.push_str(token);
            self.ends.push(self.text.len());
        }
    }

    fn tokens(&self) -> Vec<&str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| &self.text[start..*end])
            .collect()
    }

    fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.inner.is_none()
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.comment.clear();
        (self.depth, self.alone) = (0, 0);
        (self.inner, self.commented, self.changed) = (None, false, false);
        self.raw = false;
    }
}

impl<'a> Scanner<'a> {
    /// A scanner that keeps the changed lines of `functions`.
    pub(super) fn new(functions: &'a BTreeSet<String>) -> Scanner<'a> {
        Scanner {
            functions,
            lexer: Lexer::default(),
            frames: Vec::new(),
            deeper: 0,
            open: Open::default(),
            conditions: Vec::new(),
            guard: None,
            pending: Default::default(),
            complete: None,
            loose: Vec::new(),
            fragment: false,
            hunk: Hunk::default(),
            takes: Vec::new(),
            expanding: 0,
            closed: None,
            pointees: Pointees::default(),
            at_start: false,
            ended: None,
            behind: false,
        }
    }

    /// The functions whose changed lines are kept.
    pub(super) fn functions(&self) -> &'a BTreeSet<String> {
        self.functions
    }

    /// Begins a hunk whose heading ends with `section` and whose first line is `first`.
    pub(super) fn start_hunk(
        &mut self,
        section: &str,
        first: &str,
        around: Around,
        take: &mut dyn FnMut(Item),
    ) {
        self.fragment = true;
        let names_a_function = section.contains('(') || section.len() < CUT;
        self.hunk = Hunk {
            unheaded: section.is_empty() || section.starts_with('#'),
            at_top: around.at_top,
            cut: around.long_heads && !names_a_function,
            ..Hunk::default()
        };
        self.lexer = Lexer::default();
        if !section.is_empty() && !section.starts_with('#') {
            self.line(section, &Place::default(), take);
            self.heading();
        }
        self.lexer.start(first);
    }

    /// Makes a frame of a heading that opened none.
    fn heading(&mut self) {
        let tokens = self.open.tokens();
        if let Some(frame) = self.frames.last_mut() {
            frame.from_heading = true;
            frame.partial = true;
            self.open.clear();
            return;
        }
        let kind = if self.hunk.cut {
            Some((FrameKind::Function, String::new()))
        } else if tokens.contains(&"=") || tokens.is_empty() {
            None
        } else if tokens.contains(&"(") && macros::head(&tokens).is_none() {
            Some((FrameKind::Function, function_name(&tokens).to_owned()))
        } else {
            type_head(&tokens).map(|(kind, tag, _)| (FrameKind::Type(kind), tag.to_owned()))
        };
        let named = |(kind, tag): (FrameKind, String)| Frame {
            kind,
            tag,
            members: Vec::new(),
            place: Place::default(),
            condition: String::new(),
            conditions: 0,
            outer: Open::default(),
            from_heading: true,
            partial: true,
        };
        let frame = kind.map(named);
        self.frames.extend(frame);
        self.open.clear();
    }

    /// Reads one line.
    pub(super) fn line(&mut self, text: &str, place: &Place, take: &mut dyn FnMut(Item)) {
        if self.fragment && self.begins_anew(text) {
            self.close_all(take);
        }
        let mut lexer = std::mem::take(&mut self.lexer);
        // Another comment is not the one behind the member above.
        self.behind &= lexer.goes_on();
        let mut code = String::new();
        let watched = place.changed && self.in_watched_function();
        self.open.line = place.line;
        let before = self.open.ends.len();
        self.at_start = true;
        lexer.line(text, &mut |piece| match piece {
            Piece::Token(token) => {
                if watched {
                    code.push_str(token);
                    code.push(' ');
                }
                self.token(token, text, place, take);
            }
            Piece::Comment(comment) => self.comment(comment, place),
            Piece::Directive {
                text: directive,
                continued,
                goes_on,
            } => self.directive(directive, (continued, goes_on), text, place, take),
        });
        self.lexer = lexer;
        if before == 0 && !self.open.ends.is_empty() && self.open.line == place.line {
            self.open.alone = self.open.ends.len();
        }
        if watched && !code.is_empty() {
            let function = self
                .frames
                .iter()
                .find(|frame| frame.kind == FrameKind::Function);
            if let Some(frame) = function {
                take(Item::Code(CodeLine {
                    function: frame.tag.clone(),
                    pointees: self.pointees.named_in(&code),
                    text: code.trim_end().to_owned(),
                    place: place.with(text),
                }));
            }
        }
    }

    fn in_watched_function(&self) -> bool {
        let functions = self.frames.iter();
        let mut functions = functions.filter(|frame| frame.kind == FrameKind::Function);
        let cut = |frame: &Frame| self.hunk.cut && frame.from_heading;
        functions.any(|frame| self.functions.contains(&frame.tag) || cut(frame))
    }

    /// Whether a line of a hunk can only stand outside of every brace.
    fn begins_anew(&self, text: &str) -> bool {
        if self.frames.is_empty() && self.loose.is_empty() {
            return false;
        }
        let first = text.split([' ', '\t', '(']).next().unwrap_or("");
        match first {
            "typedef" | "static" | "extern" | "SYSCALL_DEFINE0" | "EXPORT_SYMBOL" => true,
            "struct" | "union" | "enum" => text.trim_end().ends_with('{'),
            first if macros::is_head(first) => text.trim_end().ends_with('{'),
            _ => false,
        }
    }

    /// Ends a file or a hunk: what is open is handed out as far as it was seen.
    pub(super) fn finish(&mut self, take: &mut dyn FnMut(Item)) {
        self.end_directives(take);
        self.close_all(take);
        self.give_rests(take);
        self.conditions.clear();
        self.pointees.forget();
        self.lexer = Lexer::default();
    }

    fn close_all(&mut self, take: &mut dyn FnMut(Item)) {
        self.deeper = 0;
        self.leave_open();
        if let Some(def) = self.complete.take() {
            take(Item::Type(def));
        }
        while let Some(mut frame) = self.frames.pop() {
            self.leave_frame(&frame);
            frame.partial = true;
            let inner = frame.kind;
            let members = std::mem::take(&mut frame.members);
            match (inner, self.frames.last_mut()) {
                // A structure inside another whose end is not to be seen.
                (FrameKind::Type(_) | FrameKind::Group(_), Some(outer))
                    if matches!(outer.kind, FrameKind::Type(_) | FrameKind::Group(_))
                        && frame.tag.is_empty() =>
                {
                    outer.members.extend(members);
                }
                (FrameKind::Type(kind), _) => {
                    frame.members = members;
                    take(Item::Type(frame.definition(kind)));
                }
                _ => {}
            }
        }
        self.give_loose((String::new(), String::new()), take);
        self.open.clear();
    }

    fn give_loose(&mut self, (name, placed): (String, String), take: &mut dyn FnMut(Item)) {
        let members = std::mem::take(&mut self.loose);
        if members.is_empty() {
            return;
        }
        let enumerators = members.iter().filter(|member| member.ty.is_empty()).count();
        let kind = match enumerators * 2 > members.len() {
            true => TypeKind::Enum,
            false => TypeKind::Struct,
        };
        take(Item::Type(TypeDef {
            name,
            kind,
            place: members[0].place.clone(),
            members,
            partial: true,
            untold: self.hunk.unheaded && !self.hunk.at_top && !self.hunk.statements,
            condition: String::new(),
            placed,
            end: None,
        }));
    }

    fn comment(&mut self, text: &str, place: &Place) {
        if self.ended == Some(place.line) {
            self.behind = true;
        }
        let behind = self.behind;
        let members = self.frames.last_mut().map(|frame| &mut frame.members);
        let target = members
            .filter(|_| behind)
            .and_then(|members| members.last_mut());
        let (comment, changed, remark) = match target {
            Some(member) => (
                &mut member.comment,
                &mut member.comment_changed,
                &mut member.remark,
            ),
            None => (
                &mut self.open.comment,
                &mut self.open.commented,
                &mut self.open.remark,
            ),
        };
        if place.changed && !*changed {
            *changed = true;
            *remark = place.with(text);
        }
        for word in text.split_ascii_whitespace().filter(|word| *word != "*") {
            if comment.len() + word.len() > 4096 {
                break;
            }
            if !comment.is_empty() {
                comment.push(' ');
            }
            comment.push_str(word);
        }
    }

    fn token(&mut self, token: &str, line: &str, place: &Place, take: &mut dyn FnMut(Item)) {
        self.behind = false;
        self.pointees.token(token);
        if self.frames.is_empty() && token == ";" {
            self.pointees.forget();
        }
        let at_start = std::mem::take(&mut self.at_start);
        if self.open.raw {
            self.raw(token, place, take);
            return;
        }
        if at_start && self.ends_a_macro(token) {
            self.macro_member();
        }
        let kind = self.frames.last().map(|frame| frame.kind);
        if self.open.is_empty() {
            self.open.indented = line.starts_with([' ', '\t']);
            self.open.place = place.with(line);
        }
        self.open.changed |= place.changed;
        if place.changed && !self.open.place.changed {
            self.open.place = place.with(line);
        }
        match (kind, token) {
            (_, "{") => self.brace(place, line),
            (_, "}") => {
                self.closed = Some(place.with(line));
                self.close(line, take);
            }
            (Some(FrameKind::Skip | FrameKind::Function), _) => {}
            (Some(FrameKind::Type(TypeKind::Enum)), ",") if self.open.depth == 0 => {
                self.enumerator();
            }
            (Some(FrameKind::Group(left)), ",") if left > 0 && self.open.depth == 0 => {
                self.open.clear();
                if let Some(frame) = self.frames.last_mut() {
                    frame.kind = FrameKind::Group(left - 1);
                }
            }
            (Some(FrameKind::Group(_)), ")") if self.open.depth == 0 => self.close(line, take),
            (_, "(") if self.begins_raw() => {
                self.open.raw = true;
                self.open.depth = 1;
                self.open.push(token);
            }
            (Some(FrameKind::Type(_) | FrameKind::Group(_)), "(")
                if group_arguments(&self.open.text).is_some() =>
            {
                let arguments = group_arguments(&self.open.text).unwrap_or(1);
                self.push(FrameKind::Group(arguments), String::new(), place);
            }
            (None, ",") if self.fragment && self.open.depth == 0 && self.looks_enumerated() => {
                self.loose_member(true);
            }
            (_, ";") => self.semicolon(take),
            (_, token) => {
                match token {
                    "(" | "[" => self.open.depth += 1,
                    ")" | "]" => self.open.depth = self.open.depth.saturating_sub(1),
                    _ => {}
                }
                self.open.push(token);
            }
        }
    }

    fn push(&mut self, kind: FrameKind, tag: String, place: &Place) {
        if self.frames.len() >= DEPTH {
            self.deeper += 1;
            return;
        }
        let mut outer = std::mem::take(&mut self.open);
        self.open.line = outer.line;
        // Of a hunk these are the conditions that it shows; what is around it both sides have.
        let shown = self.conditions.iter();
        let condition = joined(shown.map(|condition| condition.text.as_str()));
        outer.alone = 0;
        self.frames.push(Frame {
            kind,
            tag,
            members: Vec::new(),
            place: place.clone(),
            condition,
            conditions: self.conditions.len(),
            outer,
            from_heading: false,
            partial: false,
        });
    }

    fn brace(&mut self, place: &Place, line: &str) {
        if self.deeper > 0 {
            self.deeper += 1;
            return;
        }
        let tokens = self.open.tokens();
        let inside = self.frames.last().map(|frame| frame.kind);
        let (kind, tag) = match inside {
            Some(FrameKind::Skip | FrameKind::Function) => (FrameKind::Skip, String::new()),
            _ if self.open.depth > 0 || tokens.contains(&"=") => (FrameKind::Skip, String::new()),
            _ => match type_head(&tokens) {
                Some((kind, tag, _)) => (FrameKind::Type(kind), tag.to_owned()),
                None if inside.is_none() && tokens.contains(&"(") => {
                    (FrameKind::Function, function_name(&tokens).to_owned())
                }
                None if tokens.first() == Some(&"extern") => {
                    (FrameKind::Transparent, String::new())
                }
                None => (FrameKind::Skip, String::new()),
            },
        };
        if inside.is_none() && rests::begins_statement(&tokens) {
            self.hunk.statements = true;
        }
        // The first token of a line may be the brace.
        let mut place = place.with(line);
        if self.open.place.line != 0 && !self.open.is_empty() {
            place = self.open.place.clone();
        }
        self.push(kind, tag, &place);
        if matches!(kind, FrameKind::Transparent) {
            self.open.clear();
        }
    }

    fn close(&mut self, line: &str, take: &mut dyn FnMut(Item)) {
        if self.deeper > 0 {
            self.deeper -= 1;
            return;
        }
        match self.frames.last().map(|frame| frame.kind) {
            Some(FrameKind::Type(TypeKind::Enum)) => self.enumerator(),
            Some(FrameKind::Type(_) | FrameKind::Group(_)) if self.is_macro() => {
                self.macro_member();
            }
            _ => {}
        }
        let Some(mut frame) = self.frames.pop() else {
            // The end of something that began before the hunk.
            self.open.clear();
            if self.fragment {
                self.open.inner = Some(Inner {
                    kind: "loose",
                    members: std::mem::take(&mut self.loose),
                });
            }
            return;
        };
        let indented = line.starts_with([' ', '\t']);
        if frame.from_heading && indented && matches!(frame.kind, FrameKind::Type(_)) {
            // A structure inside the one of the heading ends here; where it began is not known.
            let members = std::mem::take(&mut frame.members);
            self.open.clear();
            self.open.inner = Some(Inner {
                kind: "struct",
                members,
            });
            self.frames.push(frame);
            return;
        }
        if frame.from_heading && indented && frame.kind == FrameKind::Function {
            self.frames.push(frame);
            return;
        }
        self.open = std::mem::take(&mut frame.outer);
        match frame.kind {
            FrameKind::Type(kind) => self.close_type(frame, kind, take),
            FrameKind::Group(_) => {
                self.open.inner = Some(Inner {
                    kind: "",
                    members: std::mem::take(&mut frame.members),
                });
                self.open.text.clear();
                self.open.ends.clear();
            }
            FrameKind::Function | FrameKind::Transparent => {
                self.pointees.forget();
                self.open.clear();
            }
            FrameKind::Skip => {
                if self.frames.is_empty() && !self.open.tokens().contains(&"=") {
                    self.open.clear();
                } else {
                    self.open.push("{}");
                }
            }
        }
    }

    fn close_type(&mut self, mut frame: Frame, kind: TypeKind, take: &mut dyn FnMut(Item)) {
        let top = !self
            .frames
            .iter()
            .any(|frame| matches!(frame.kind, FrameKind::Type(_) | FrameKind::Group(_)));
        if frame.tag.is_empty() {
            // Its name, or that of a member, comes behind the brace.
            self.open.inner = Some(Inner {
                kind: match kind {
                    TypeKind::Struct => "struct",
                    TypeKind::Union => "union",
                    TypeKind::Enum => "enum",
                },
                members: std::mem::take(&mut frame.members),
            });
            if top {
                self.open.place = frame.place;
            }
            return;
        }
        let def = frame.definition(kind);
        match top {
            // Attributes of the whole may follow.
            true => self.complete = Some(def),
            false => take(Item::Type(def)),
        }
    }
}

impl Frame {
    fn definition(&mut self, kind: TypeKind) -> TypeDef {
        let tag_is_empty = self.tag.is_empty();
        // Of one whose end the hunk does not have, those before the brace are all that is known.
        let placed = whole(&self.outer.tokens());
        TypeDef {
            name: std::mem::take(&mut self.tag),
            kind,
            members: std::mem::take(&mut self.members),
            partial: self.partial,
            untold: self.partial && tag_is_empty,
            condition: std::mem::take(&mut self.condition),
            place: self.place.clone(),
            placed,
            end: None,
        }
    }
}

fn joined<'t>(parts: impl Iterator<Item = &'t str>) -> String {
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    parts.join(" && ")
}
