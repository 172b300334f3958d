//! Macros among members: what those of the table stand for is read in their place, and another one
//! without a semicolon is a member of its own, so that it takes nothing else with it.

use super::{FrameKind, MEMBERS, Open, Scanner, joined};
use crate::check::declare;
use crate::check::item::{Item, Member, Place, TypeKind};
use crate::check::lex::is_name;
use crate::check::macros;

/// Macros inside the arguments of others at most.
const INSIDE: usize = 4;

impl Scanner<'_> {
    /// Whether the bracket that follows is of a macro whose arguments are declarations of members.
    pub(super) fn begins_raw(&self) -> bool {
        let kind = self.frames.last().map(|frame| frame.kind);
        let here = match kind {
            Some(FrameKind::Type(TypeKind::Struct | TypeKind::Union) | FrameKind::Group(0)) => true,
            None => self.fragment && self.open.indented,
            Some(_) => false,
        };
        here && self.open.depth == 0
            && self.open.ends.len() == 1
            && self.expanding < INSIDE
            && macros::declares_members(&self.open.text)
    }

    /// Takes one token of such a macro, and with the last bracket reads what it stands for.
    pub(super) fn raw(&mut self, token: &str, place: &Place, take: &mut dyn FnMut(Item)) {
        match token {
            "(" | "[" | "{" => self.open.depth += 1,
            ")" | "]" | "}" => self.open.depth = self.open.depth.saturating_sub(1),
            _ => {}
        }
        if place.changed && !self.open.place.changed {
            self.open.place = place.with(&self.open.place.text);
        }
        self.open.changed |= place.changed;
        self.open.push(token);
        if self.open.depth > 0 {
            return;
        }
        let expanded = macros::members(&self.open.tokens());
        let (place, changed) = (self.open.place.clone(), self.open.changed);
        let said = (std::mem::take(&mut self.open.comment), self.open.commented);
        self.open.clear();
        let Some(expanded) = expanded else {
            return;
        };
        let text = place.text.clone();
        let before = std::mem::replace(&mut self.takes, expanded.takes);
        self.expanding += 1;
        for declaration in expanded.declarations {
            (self.open.comment, self.open.commented) = said.clone();
            for token in &declaration {
                self.token(token, &text, &place, take);
            }
            self.open.changed |= changed;
            self.token(";", &text, &place, take);
        }
        self.expanding -= 1;
        self.takes = before;
    }

    /// Whether what is open is a macro by itself, with its brackets or a name alone.
    pub(super) fn is_macro(&self) -> bool {
        if self.open.depth > 0 || self.open.inner.is_some() {
            return false;
        }
        let name = self.open.ends.len() == 1 && is_name(&self.open.text);
        name || self.open.is_macro_call()
    }

    /// Whether what is open is a macro without a semicolon, and `token`, the first of a line, begins
    /// something else.
    pub(super) fn ends_a_macro(&self, token: &str) -> bool {
        let kind = self.frames.last().map(|frame| frame.kind);
        let among_members = matches!(
            kind,
            Some(FrameKind::Type(TypeKind::Struct | TypeKind::Union) | FrameKind::Group(0))
        );
        among_members
            && is_name(token)
            && !declare::is_annotation(token)
            && self.open.depth == 0
            && self.open.inner.is_none()
            && self.open.is_macro_call()
    }

    /// Ends what is open as a member by a macro.
    pub(super) fn macro_member(&mut self) {
        let tokens = self.open.tokens();
        let text = tokens.join(" ");
        let ty = tokens
            .first()
            .map_or(String::new(), |first| (*first).to_owned());
        let member = Member {
            name: text.clone(),
            ty,
            length: String::new(),
            text,
            placed: String::new(),
            group: String::new(),
            condition: self.member_condition(),
            comment: std::mem::take(&mut self.open.comment),
            comment_changed: self.open.commented,
            remark: self.open.remark.clone(),
            takes: Vec::new(),
            place: self.open.place.clone(),
        };
        if let Some(frame) = self.frames.last_mut()
            && frame.members.len() < MEMBERS
        {
            frame.members.push(member);
        }
        self.open.clear();
    }

    /// The conditions around a member of the type that is open.
    pub(super) fn member_condition(&self) -> String {
        let mut types = self.frames.iter().rev();
        let base = types.find(|frame| matches!(frame.kind, FrameKind::Type(_)));
        let base = base.map_or(0, |frame| frame.conditions);
        let own = self.conditions.get(base..).unwrap_or_default();
        joined(own.iter().map(|condition| condition.text.as_str()))
    }
}

impl Open {
    fn token(&self, at: usize) -> Option<&str> {
        let start = match at {
            0 => 0,
            at => *self.ends.get(at - 1)?,
        };
        self.ends.get(at).map(|end| &self.text[start..*end])
    }

    /// Whether it is `NAME(...)`, a name as macros have it, and nothing else. It looks no further than
    /// the bracket that closes the first one.
    fn is_macro_call(&self) -> bool {
        let capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let name = self.token(0).unwrap_or("");
        let named = is_name(name) && name.bytes().all(capital) && !declare::is_annotation(name);
        if !named || self.token(1) != Some("(") {
            return false;
        }
        let mut depth = 0usize;
        for at in 1..self.ends.len() {
            match self.token(at) {
                Some("(") => depth += 1,
                Some(")") if depth == 1 => return at + 1 == self.ends.len(),
                Some(")") => depth -= 1,
                _ => {}
            }
        }
        false
    }
}
