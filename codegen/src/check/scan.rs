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

use super::declare::{self, Declared};
use super::item::{CodeLine, Constant, Item, Member, Place, TypeDef, TypeKind, Typedef};
use super::lex::{Lexer, Piece, is_name};
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
    /// A directive that goes on: its text, its place, and whether a bracket follows its name.
    pending: (String, Place, bool),
    /// A type whose closing brace was seen.
    complete: Option<TypeDef>,
    /// Declarations of a hunk that may be members of something that begins before it.
    loose: Vec<Member>,
    fragment: bool,
    /// Where the last member ended, for a comment behind it.
    ended: Option<u64>,
    behind: bool,
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

/// A declaration that has no end yet.
#[derive(Clone, Default)]
struct Open {
    text: String,
    ends: Vec<usize>,
    place: Place,
    comment: String,
    commented: bool,
    changed: bool,
    depth: usize,
    /// Tokens of it that stand on a line of their own at its start.
    alone: usize,
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
            pending: Default::default(),
            complete: None,
            loose: Vec::new(),
            fragment: false,
            ended: None,
            behind: false,
        }
    }

    /// The functions whose changed lines are kept.
    pub(super) fn functions(&self) -> &'a BTreeSet<String> {
        self.functions
    }

    /// Begins a hunk whose heading ends with `section` and whose first line is `first`.
    pub(super) fn start_hunk(&mut self, section: &str, first: &str, take: &mut dyn FnMut(Item)) {
        self.fragment = true;
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
        let kind = if tokens.contains(&"=") || tokens.is_empty() {
            None
        } else if tokens.contains(&"(") {
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
        let mut code = String::new();
        let watched = place.changed && self.in_watched_function();
        self.open.line = place.line;
        let before = self.open.ends.len();
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
                    text: code.trim_end().to_owned(),
                    place: place.with(text),
                }));
            }
        }
    }

    fn in_watched_function(&self) -> bool {
        self.frames
            .iter()
            .any(|frame| frame.kind == FrameKind::Function && self.functions.contains(&frame.tag))
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
            _ => false,
        }
    }

    /// Ends a file or a hunk: what is open is handed out as far as it was seen.
    pub(super) fn finish(&mut self, take: &mut dyn FnMut(Item)) {
        self.close_all(take);
        self.conditions.clear();
        self.lexer = Lexer::default();
    }

    fn close_all(&mut self, take: &mut dyn FnMut(Item)) {
        self.deeper = 0;
        if let Some(def) = self.complete.take() {
            take(Item::Type(def));
        }
        while let Some(mut frame) = self.frames.pop() {
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
        self.give_loose(String::new(), take);
        self.open.clear();
    }

    fn give_loose(&mut self, name: String, take: &mut dyn FnMut(Item)) {
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
            condition: String::new(),
            placed: String::new(),
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
        let (comment, changed) = match target {
            Some(member) => (&mut member.comment, &mut member.comment_changed),
            None => (&mut self.open.comment, &mut self.open.commented),
        };
        *changed |= place.changed;
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
        let kind = self.frames.last().map(|frame| frame.kind);
        if self.open.is_empty() {
            self.open.place = place.with(line);
        }
        self.open.changed |= place.changed;
        if place.changed && !self.open.place.changed {
            self.open.place = place.with(line);
        }
        match (kind, token) {
            (_, "{") => self.brace(place, line),
            (_, "}") => self.close(line, take),
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
            (Some(FrameKind::Type(_) | FrameKind::Group(_)), "(")
                if group_arguments(&self.open.text).is_some() =>
            {
                let arguments = group_arguments(&self.open.text).unwrap_or(1);
                self.push(FrameKind::Group(arguments), String::new(), place);
            }
            (None, ",") if self.fragment && self.open.depth == 0 && self.looks_enumerated() => {
                self.loose_member(line, true);
            }
            (_, ";") => self.semicolon(line, take),
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
        let text = |all: &[Condition]| joined(all.iter().map(|condition| condition.text.as_str()));
        // What is around a hunk is not known.
        let condition = match self.fragment {
            true => String::new(),
            false => text(&self.conditions),
        };
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
        if let Some(FrameKind::Type(TypeKind::Enum)) = self.frames.last().map(|frame| frame.kind) {
            self.enumerator();
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
            FrameKind::Function | FrameKind::Transparent => self.open.clear(),
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

    fn semicolon(&mut self, line: &str, take: &mut dyn FnMut(Item)) {
        self.ended = Some(self.open.line);
        let typed = self.frames.iter().rev().find_map(|frame| match frame.kind {
            FrameKind::Type(kind) => Some(kind),
            FrameKind::Group(_) => Some(TypeKind::Struct),
            _ => None,
        });
        match typed {
            Some(_) => self.member(line),
            None => self.external(line, take),
        }
        self.open.clear();
    }

    /// The end of a declaration outside of every type.
    fn external(&mut self, line: &str, take: &mut dyn FnMut(Item)) {
        let condition = joined(
            self.conditions
                .iter()
                .map(|condition| condition.text.as_str()),
        );
        if let Some(mut def) = self.complete.take() {
            let tokens = self.open.tokens();
            def.placed = whole(&tokens);
            // `typedef struct tag { … } name;` is known by both.
            let alias = tokens
                .iter()
                .rev()
                .find(|token| is_name(token) && !declare::places(token));
            let alias = alias.filter(|alias| **alias != def.name);
            if let Some(alias) = alias.filter(|_| tokens.first() == Some(&"typedef")) {
                let name = (*alias).to_owned();
                take(Item::Type(TypeDef {
                    name,
                    ..def.clone()
                }));
            }
            take(Item::Type(def));
            return;
        }
        if let Some(inner) = self.open.inner.take() {
            let tokens = self.open.tokens();
            let keyword = |name: &str| {
                let words = [
                    "typedef", "struct", "union", "enum", "const", "static", "extern",
                ];
                words.contains(&name) || declare::places(name)
            };
            let names = tokens.iter().copied().rev();
            let mut names = names.filter(|token| is_name(token) && !keyword(token));
            let typedef = tokens.first() == Some(&"typedef");
            if inner.kind == "loose" {
                self.loose = inner.members;
                // What follows the end of a function is another declaration.
                let plain = tokens
                    .iter()
                    .all(|token| is_name(token) || matches!(*token, "(" | ")"));
                let alone = names.next().filter(|_| plain && names.next().is_none());
                let name = alone.unwrap_or_default().to_owned();
                self.give_loose(name, take);
            } else if typedef || inner.kind == "enum" {
                let name = names.next().filter(|_| typedef);
                take(Item::Type(TypeDef {
                    name: name.unwrap_or_default().to_owned(),
                    kind: match inner.kind {
                        "enum" => TypeKind::Enum,
                        "union" => TypeKind::Union,
                        _ => TypeKind::Struct,
                    },
                    place: self.open.place.clone(),
                    members: inner.members,
                    partial: false,
                    condition,
                    placed: whole(&tokens),
                }));
            }
            return;
        }
        let tokens = self.open.tokens();
        if tokens.first() == Some(&"typedef") {
            for one in declare::declared(&tokens[1..]) {
                take(Item::Typedef(Typedef {
                    name: one.name.clone(),
                    text: one.text,
                    condition: condition.clone(),
                    place: self.open.place.clone(),
                }));
            }
            return;
        }
        if self.fragment && self.frames.is_empty() && line.starts_with([' ', '\t']) {
            self.loose_member(line, false);
        }
    }

    fn looks_enumerated(&self) -> bool {
        let tokens = self.open.tokens();
        let named = tokens.first().is_some_and(|token| is_name(token));
        named && (tokens.len() == 1 || tokens.get(1) == Some(&"="))
    }

    fn loose_member(&mut self, line: &str, enumerator: bool) {
        if self.loose.len() >= MEMBERS || !line.starts_with([' ', '\t']) {
            self.open.clear();
            return;
        }
        let condition = joined(
            self.conditions
                .iter()
                .map(|condition| condition.text.as_str()),
        );
        let members = match enumerator {
            true => self.enumerated(condition).into_iter().collect(),
            false => self.declared_members(condition),
        };
        // Statements of a function are no declarations.
        let plain = |member: &Member| !member.name.is_empty() && !member.text.contains('=');
        self.loose.extend(
            members
                .into_iter()
                .filter(|member| enumerator || plain(member)),
        );
        self.ended = Some(self.open.line);
        self.open.clear();
    }

    fn member(&mut self, _line: &str) {
        let base = self
            .frames
            .iter()
            .rev()
            .find(|frame| matches!(frame.kind, FrameKind::Type(_)));
        let base = base.map_or(0, |frame| frame.conditions);
        let own = self.conditions.get(base..).unwrap_or_default();
        let condition = joined(own.iter().map(|condition| condition.text.as_str()));
        let members = self.declared_members(condition);
        if let Some(frame) = self.frames.last_mut()
            && frame.members.len() < MEMBERS
        {
            frame.members.extend(members);
        }
    }

    /// The members that the open declaration declares.
    fn declared_members(&mut self, condition: String) -> Vec<Member> {
        let mut found = Vec::new();
        let inner = self.open.inner.take();
        let place = self.open.place.clone();
        let comment = std::mem::take(&mut self.open.comment);
        let alone = self.open.alone;
        let mut tokens = self.open.tokens();
        let member = |declared: Declared| Member {
            name: declared.name,
            ty: declared.ty,
            length: declared.length,
            text: declared.text,
            placed: declared.placed,
            group: String::new(),
            condition: condition.clone(),
            comment: comment.clone(),
            comment_changed: self.open.commented,
            place: place.clone(),
        };
        if let Some(inner) = inner {
            // What stands before the brace is no declarator.
            while tokens.first().is_some_and(|token| {
                matches!(*token, "struct" | "union" | "enum" | "const" | "volatile")
            }) {
                tokens.remove(0);
            }
            if inner.kind == "enum" {
                let values: Vec<&str> = inner.members.iter().map(|one| one.text.as_str()).collect();
                let ty = format!("enum {{ {} }}", values.join(" , "));
                let mut with_type = vec!["enum", ty.as_str()];
                with_type.extend(tokens.iter().filter(|token| **token != "enum"));
                return declare::declared(&with_type)
                    .into_iter()
                    .map(member)
                    .collect();
            }
            let kind = inner.kind;
            let mut with_type = vec!["struct", "{}"];
            with_type.extend(&tokens);
            let names = declare::declared(&with_type);
            for name in names {
                let prefix = match name.name.is_empty() {
                    true => String::new(),
                    false => format!("{}.", name.name),
                };
                let prefixed = !prefix.is_empty();
                for one in &inner.members {
                    let mut one = one.clone();
                    one.name = format!("{prefix}{}", one.name);
                    one.group = match (kind, one.group.as_str()) {
                        ("", group) => group.to_owned(),
                        ("struct", group) if prefixed || group.is_empty() => group.to_owned(),
                        (kind, "") => kind.to_owned(),
                        (kind, group) => format!("{kind} {group}"),
                    };
                    one.condition = joined([condition.as_str(), &one.condition].into_iter());
                    if !name.length.is_empty() {
                        one.length = format!("{} {}", one.length, name.length).trim().to_owned();
                        one.text = format!("{} in {}", one.text, name.length);
                    }
                    found.push(one);
                }
            }
            return found;
        }
        if let Some(split) = macro_before(&tokens, alone) {
            let (before, rest) = tokens.split_at(split);
            let text = before.join(" ");
            found.push(member(Declared {
                name: text.clone(),
                text,
                ty: before[0].to_owned(),
                ..Declared::default()
            }));
            tokens = rest.to_vec();
        }
        // A type that is declared without a member is none.
        let is_member = |one: &Declared| !one.name.is_empty() || !one.length.is_empty();
        found.extend(
            declare::declared(&tokens)
                .into_iter()
                .filter(is_member)
                .map(member),
        );
        found
    }

    fn enumerated(&mut self, condition: String) -> Option<Member> {
        let comment = std::mem::take(&mut self.open.comment);
        let tokens = self.open.tokens();
        let (name, rest) = tokens.split_first()?;
        let rest = match rest.first() {
            Some(&"=") => &rest[1..],
            _ => &rest[rest.len()..],
        };
        is_name(name).then(|| Member {
            name: (*name).to_owned(),
            ty: String::new(),
            length: rest.join(" "),
            text: tokens.join(" "),
            placed: String::new(),
            group: String::new(),
            condition,
            comment,
            comment_changed: self.open.commented,
            place: self.open.place.clone(),
        })
    }

    fn enumerator(&mut self) {
        let base = self.frames.last().map_or(0, |frame| frame.conditions);
        let own = self.conditions.get(base..).unwrap_or_default();
        let condition = joined(own.iter().map(|condition| condition.text.as_str()));
        let member = self.enumerated(condition);
        if let Some(frame) = self.frames.last_mut()
            && frame.members.len() < MEMBERS
        {
            frame.members.extend(member);
        }
        self.ended = Some(self.open.line);
        self.open.clear();
    }

    fn directive(
        &mut self,
        text: &str,
        (continued, goes_on): (bool, bool),
        line: &str,
        place: &Place,
        take: &mut dyn FnMut(Item),
    ) {
        if !continued {
            self.pending.0.clear();
            self.pending.1 = place.with(line);
            let name = line
                .split_once("define")
                .map_or("", |(_, rest)| rest.trim_start());
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            self.pending.2 = end.is_some_and(|end| name[end..].starts_with('('));
        } else if self.pending.0.len() + text.len() < DECLARATION {
            self.pending.0.push(' ');
        }
        if self.pending.0.len() + text.len() < DECLARATION {
            self.pending.0.push_str(text);
        }
        if place.changed && !self.pending.1.changed {
            self.pending.1 = place.with(line);
        }
        if goes_on {
            return;
        }
        let text = std::mem::take(&mut self.pending.0);
        let rest = text.strip_prefix('#').unwrap_or(&text).trim_start();
        let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "define" => {
                if let Some(define) = self.define_of(rest) {
                    take(Item::Constant(define));
                }
            }
            "if" | "ifdef" | "ifndef" => self.condition(word, rest),
            "elif" | "else" => self.branch(word, rest),
            "endif" => {
                self.conditions.pop();
            }
            _ => {}
        }
    }

    fn define_of(&self, rest: &str) -> Option<Constant> {
        let (name, body) = rest.split_once(' ').unwrap_or((rest, ""));
        is_name(name).then(|| Constant {
            name: name.to_owned(),
            body: body.to_owned(),
            function: self.pending.2,
            condition: joined(
                self.conditions
                    .iter()
                    .map(|condition| condition.text.as_str()),
            ),
            place: self.pending.1.clone(),
        })
    }

    fn condition(&mut self, word: &str, rest: &str) {
        let text = match word {
            "ifndef" => format!("!{}", condition_text(rest)),
            _ => condition_text(rest),
        };
        if self.conditions.len() < CONDITIONS {
            self.conditions.push(Condition {
                text,
                frames: self.frames.len(),
                open: self.open.clone(),
            });
        }
    }

    fn branch(&mut self, word: &str, rest: &str) {
        let Some(condition) = self.conditions.last_mut() else {
            return;
        };
        let not = match condition.text.strip_prefix('!') {
            Some(plain) if !plain.contains(' ') => plain.to_owned(),
            _ => format!("!({})", condition.text),
        };
        condition.text = match word {
            "elif" => condition_text(rest),
            _ => not,
        };
        // Each branch begins where the first one did.
        if self.frames.len() > condition.frames {
            self.frames.truncate(condition.frames);
        }
        self.open = condition.open.clone();
    }
}

impl Frame {
    fn definition(&mut self, kind: TypeKind) -> TypeDef {
        TypeDef {
            name: std::mem::take(&mut self.tag),
            kind,
            members: std::mem::take(&mut self.members),
            partial: self.partial,
            condition: std::mem::take(&mut self.condition),
            place: self.place.clone(),
            placed: String::new(),
        }
    }
}

/// Kind and tag of the type whose members a brace opens behind `tokens`, and where it begins.
fn type_head<'t>(tokens: &[&'t str]) -> Option<(TypeKind, &'t str, usize)> {
    let at = tokens
        .iter()
        .rposition(|token| matches!(*token, "struct" | "union" | "enum"))?;
    let kind = match tokens[at] {
        "struct" => TypeKind::Struct,
        "union" => TypeKind::Union,
        _ => TypeKind::Enum,
    };
    let mut tag = "";
    let mut depth = 0usize;
    for token in &tokens[at + 1..] {
        match *token {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            // The type of an enumeration: `enum tag : u8 {`.
            ":" if kind == TypeKind::Enum && depth == 0 => break,
            _ if depth > 0 => {}
            word if declare::places(word) => {}
            word if is_name(word) && tag.is_empty() => tag = word,
            _ => return None,
        }
    }
    Some((kind, tag, at))
}

/// The name before the first bracket that no attribute has.
fn function_name<'t>(tokens: &[&'t str]) -> &'t str {
    let mut last = "";
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "(" if !declare::places(last) => return last,
            _ if is_name(token) => last = tokens[at],
            _ => {}
        }
    }
    last
}

/// Arguments of a `struct_group()` before its members; `None` for any other text.
fn group_arguments(text: &str) -> Option<u8> {
    match text {
        "struct_group" => Some(1),
        "struct_group_attr" | "struct_group_tagged" => Some(2),
        "__struct_group" => Some(3),
        _ => None,
    }
}

/// Number of tokens at the start that are a macro without a semicolon, on a line of its own.
fn macro_before(tokens: &[&str], alone: usize) -> Option<usize> {
    if alone == 0 || alone >= tokens.len() || !is_name(tokens[0]) {
        return None;
    }
    let one = alone == 1 || tokens.get(1) == Some(&"(") && tokens[alone - 1] == ")";
    let word = tokens[0];
    if !one
        || matches!(
            word,
            "struct" | "union" | "enum" | "unsigned" | "signed" | "const"
        )
    {
        return None;
    }
    // A type on its own line is followed by a name alone.
    let names = tokens[alone..]
        .iter()
        .take_while(|token| !matches!(**token, "[" | ":" | "("))
        .filter(|token| is_name(token));
    (names.count() >= 2).then_some(alone)
}

/// The attributes of a type among the tokens around its braces.
fn whole(tokens: &[&str]) -> String {
    let tokens = tokens.strip_prefix(&["typedef"]).unwrap_or(tokens);
    let declared = declare::declared(tokens);
    declared
        .into_iter()
        .next()
        .map_or_else(String::new, |declared| declared.placed)
}

/// A condition in one of the ways to write it.
fn condition_text(rest: &str) -> String {
    let mut text = rest.to_owned();
    for (from, to) in [("defined ( ", ""), ("IS_ENABLED ( ", "")] {
        while let Some(at) = text.find(from) {
            let Some(end) = text[at..].find(" )") else {
                break;
            };
            text.replace_range(at + end..at + end + 2, "");
            text.replace_range(at..at + from.len(), to);
        }
    }
    text.replace("defined ", "").replace("! ", "!")
}

fn joined<'t>(parts: impl Iterator<Item = &'t str>) -> String {
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    parts.join(" && ")
}
