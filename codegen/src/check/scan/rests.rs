//! What a hunk changes without showing the whole of it: a declaration that begins before the hunk or
//! goes on behind it, one half of a condition, the comment of a member that is not there. Only a
//! hunk by itself has such rests; with the tree everything has its end.

use super::{Condition, Frame, FrameKind, MEMBERS, Open, Scanner};
use crate::check::item::{Constant, Item, Place, Rest, TypeKind};
use crate::check::lex::is_name;

/// Words that only code begins with.
const STATEMENTS: [&str; 12] = [
    "if", "else", "for", "while", "do", "switch", "case", "default", "goto", "return", "break",
    "continue",
];

/// Whether it is checked when the kernel is compiled, and declares nothing.
pub(super) fn is_check(tokens: &[&str]) -> bool {
    matches!(tokens.first(), Some(&("_Static_assert" | "static_assert")))
}

/// Whether a word at the start says that these are the tokens of a statement.
pub(super) fn begins_statement(tokens: &[&str]) -> bool {
    tokens
        .first()
        .is_some_and(|token| STATEMENTS.contains(token))
}

/// Whether these are the tokens of a statement, of a prototype that begins before the hunk or of a
/// macro's lines, and not of a member.
pub(super) fn is_statement(tokens: &[&str]) -> bool {
    // Macros that declare members are in capitals, or begin with an underscore.
    let lower = |token: &&str| token.starts_with(|c: char| c.is_ascii_lowercase());
    let calls = tokens.first().is_some_and(lower) && tokens.get(1) == Some(&"(");
    let no_member = |token: &&str| matches!(*token, "=" | "->" | "\\");
    let brackets = |token: &str| tokens.iter().filter(|other| **other == token).count();
    begins_statement(tokens)
        || calls
        || tokens.iter().any(no_member)
        || brackets(")") > brackets("(")
}

impl Scanner<'_> {
    /// The tag of the type that is open, and whether nothing says that one is; `None` inside of
    /// code and where the heading says that there is no type.
    fn owner(&self) -> Option<(String, bool)> {
        let is_type =
            |frame: &&Frame| matches!(frame.kind, FrameKind::Type(_) | FrameKind::Group(_));
        let code = |frame: &Frame| matches!(frame.kind, FrameKind::Function | FrameKind::Skip);
        if !self.fragment || self.frames.iter().any(code) {
            return None;
        }
        let mut types = self.frames.iter().rev().filter(is_type).peekable();
        if types.peek().is_some() {
            let tagged = types.find(|frame| !frame.tag.is_empty());
            return Some((
                tagged.map_or(String::new(), |frame| frame.tag.clone()),
                false,
            ));
        }
        self.hunk.unheaded.then(|| (String::new(), true))
    }

    fn rest(&self, text: String, place: &Place) -> Option<Rest> {
        let (owner, loose) = self.owner()?;
        (place.changed && self.hunk.rests.len() < MEMBERS).then(|| Rest {
            owner,
            loose,
            text,
            place: place.clone(),
        })
    }

    /// The directive that is read, if the patch changes it where a type may be open.
    pub(super) fn directive_rest(&self, text: String) -> Option<Rest> {
        let rest = self.rest(text, &self.pending.1);
        // At the top of a file nothing is open.
        rest.filter(|rest| !(rest.loose && self.hunk.at_top))
    }

    /// The declaration whose end is read, in case that it declares nothing: it begins before the
    /// hunk, then.
    pub(super) fn bare(&self) -> Option<Rest> {
        let tokens = self.open.tokens();
        let tag = matches!(tokens.first(), Some(&"struct" | &"union" | &"enum"));
        let nothing = tokens.is_empty() || tag || is_statement(&tokens) || is_check(&tokens);
        if self.open.inner.is_none() && nothing || !self.open.changed {
            return None;
        }
        self.rest(self.open.seen(), &self.open.place)
    }

    /// The name behind the end of a type of which nothing else is seen.
    pub(super) fn rest_of_end(&mut self, name: &str, placed: &str) {
        if self.open.changed && !(name.is_empty() && placed.is_empty()) {
            let text = format!("}} {placed} {name}").replace("  ", " ");
            let rest = self.rest(text.trim_end().to_owned(), &self.open.place);
            self.hunk.rests.extend(rest);
        }
    }

    /// Leaves a declaration or comment that has no end in the hunk.
    pub(super) fn leave_open(&mut self) {
        if !self.fragment {
            return;
        }
        let kind = self.frames.last().map(|frame| frame.kind);
        if kind == Some(FrameKind::Type(TypeKind::Enum)) {
            // The last enumerator has no comma.
            if !self.open.is_empty() {
                self.enumerator();
            }
            return;
        }
        let tokens = self.open.tokens();
        let rest = if self.open.is_empty() {
            let comment = format!("/* {} */", self.open.comment);
            let rest = self.rest(comment, &self.open.remark);
            rest.filter(|rest| self.open.commented && !rest.owner.is_empty())
        } else if !self.open.changed {
            None
        } else if tokens.first() == Some(&"typedef") {
            Some(Rest {
                owner: String::new(),
                loose: false,
                text: self.open.seen(),
                place: self.open.place.clone(),
            })
        } else {
            let rest = self.rest(self.open.seen(), &self.open.place);
            let declares = tokens.first().is_none_or(|token| is_name(token));
            let declares = declares && self.open.indented && !is_statement(&tokens);
            let macros = tokens.contains(&"\\");
            rest.filter(|rest| !macros && (!rest.loose || declares))
        };
        self.hunk.rests.extend(rest);
    }

    /// Leaves a structure inside of a type whose end is not in the hunk: its members may be those
    /// of the outer type, or of a union.
    pub(super) fn leave_frame(&mut self, frame: &Frame) {
        let word = match frame.kind {
            FrameKind::Type(TypeKind::Struct) => "struct",
            FrameKind::Type(TypeKind::Union) => "union",
            FrameKind::Group(_) => "struct_group",
            // Enumerators are known by their own names.
            FrameKind::Type(TypeKind::Enum)
            | FrameKind::Function
            | FrameKind::Skip
            | FrameKind::Transparent => return,
        };
        if frame.from_heading || !frame.place.changed {
            return;
        }
        let rest = self.rest(
            format!("{word} {} {{", frame.tag).replace("  ", " "),
            &frame.place,
        );
        // A type by itself is one, whole or not.
        let inside = |rest: &Rest| !rest.loose || frame.tag.is_empty();
        self.hunk.rests.extend(rest.filter(inside));
    }

    /// Ends directives at the end of a hunk or file.
    pub(super) fn end_directives(&mut self, take: &mut dyn FnMut(Item)) {
        if !self.fragment {
            return;
        }
        // A constant whose value goes on is known by its name and what is seen of its value.
        let text = std::mem::take(&mut self.pending.0);
        let rest = text.strip_prefix('#').unwrap_or(&text).trim_start();
        let define: Option<Constant> = rest
            .strip_prefix("define ")
            .and_then(|rest| self.define_of(rest));
        if let Some(define) = define {
            take(Item::Constant(define));
        }
        let left = self.conditions.iter_mut();
        let left: Vec<Rest> = left
            .filter_map(|condition: &mut Condition| condition.rest.take())
            .collect();
        self.hunk.rests.extend(left);
    }

    /// Hands out the rests of the hunk.
    pub(super) fn give_rests(&mut self, take: &mut dyn FnMut(Item)) {
        let statements = self.hunk.statements;
        for rest in std::mem::take(&mut self.hunk.rests) {
            if !(rest.loose && statements) {
                take(Item::Rest(rest));
            }
        }
    }
}

impl Open {
    /// What is seen of it.
    fn seen(&self) -> String {
        let text = self.tokens().join(" ");
        match &self.inner {
            Some(_) => format!("}} {text}").trim_end().to_owned(),
            None => text,
        }
    }
}
