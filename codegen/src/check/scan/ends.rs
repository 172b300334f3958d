//! What a declaration has declared when its end is seen.

use super::heads::{macro_before, whole};
use super::rests::{begins_statement, is_check, is_statement};
use super::{FrameKind, MEMBERS, Scanner, joined};
use crate::check::declare::{self, Declared};
use crate::check::item::{Item, Member, TypeDef, TypeKind, Typedef};
use crate::check::lex::is_name;
use crate::check::macros;

impl Scanner<'_> {
    pub(super) fn semicolon(&mut self, take: &mut dyn FnMut(Item)) {
        self.ended = Some(self.open.line);
        let typed = self.frames.iter().rev().find_map(|frame| match frame.kind {
            FrameKind::Type(kind) => Some(kind),
            FrameKind::Group(_) => Some(TypeKind::Struct),
            _ => None,
        });
        match typed {
            Some(_) => self.member(),
            None => self.external(take),
        }
        self.open.clear();
    }

    /// The end of a declaration outside of every type.
    fn external(&mut self, take: &mut dyn FnMut(Item)) {
        let condition = joined(
            self.conditions
                .iter()
                .map(|condition| condition.text.as_str()),
        );
        if let Some(mut def) = self.complete.take() {
            let tokens = self.open.tokens();
            def.placed = whole(&tokens);
            def.end = self.closed.take();
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
        // A structure that a member of something before the hunk is made of.
        let nested = self.open.inner.as_ref().is_some_and(|inner| {
            let typedef = self.open.text.starts_with("typedef");
            matches!(inner.kind, "struct" | "union") && !typedef
        });
        if nested && self.fragment && self.frames.is_empty() && self.open.indented {
            self.loose_member(false);
            return;
        }
        if let Some(inner) = self.open.inner.take() {
            let tokens = self.open.tokens();
            let keyword = |name: &str| {
                let words = [
                    "typedef", "struct", "union", "enum", "const", "static", "extern",
                ];
                words.contains(&name)
            };
            let names = declare::without_annotations(&tokens).into_iter().rev();
            let mut names = names.filter(|token| is_name(token) && !keyword(token));
            let typedef = tokens.first() == Some(&"typedef");
            if inner.kind == "loose" {
                self.loose = inner.members;
                // What follows the end of a function is another declaration.
                let plain = tokens
                    .iter()
                    .all(|token| is_name(token) || matches!(*token, "(" | ")"));
                // Attributes that stand alone behind the brace are the structure's.
                let attribute = tokens.first() == Some(&"__attribute__");
                let placed = match plain || attribute {
                    true => whole(&tokens),
                    false => String::new(),
                };
                let alone = names.next().filter(|_| plain && names.next().is_none());
                let name = alone.unwrap_or_default().to_owned();
                if self.loose.is_empty() {
                    self.rest_of_end(&name, &placed);
                }
                self.give_loose((name, placed), take);
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
                    untold: false,
                    condition,
                    placed: whole(&tokens),
                    end: self.closed.clone(),
                }));
            }
            return;
        }
        let tokens = self.open.tokens();
        if tokens.first() == Some(&"typedef") {
            for one in declare::declared(&tokens[1..]) {
                let text = match one.placed.as_str() {
                    "" => one.text,
                    placed => format!("{} {placed}", one.text),
                };
                take(Item::Typedef(Typedef {
                    name: one.name.clone(),
                    text,
                    condition: condition.clone(),
                    place: self.open.place.clone(),
                }));
            }
            return;
        }
        if self.fragment && self.frames.is_empty() && self.open.indented {
            self.loose_member(false);
        }
    }

    pub(super) fn looks_enumerated(&self) -> bool {
        let tokens = self.open.tokens();
        let named = tokens.first().is_some_and(|token| is_name(token));
        let by_macro = macros::enumerator(&tokens).is_some();
        named && (tokens.len() == 1 || tokens.get(1) == Some(&"=") || by_macro)
    }

    pub(super) fn loose_member(&mut self, enumerator: bool) {
        if self.loose.len() >= MEMBERS || !self.open.indented {
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
            false => {
                let tokens = self.open.tokens();
                // `return ns;` is no member `ns` of a type `return`.
                let none = begins_statement(&tokens);
                if is_statement(&tokens) {
                    self.hunk.statements = true;
                }
                let bare = self.bare();
                let members = self.declared_members(condition);
                if members.is_empty() {
                    self.hunk.rests.extend(bare);
                }
                if none { Vec::new() } else { members }
            }
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

    fn member(&mut self) {
        let condition = self.member_condition();
        let bare = self.bare();
        let members = self.declared_members(condition);
        if members.is_empty() {
            self.hunk.rests.extend(bare);
        }
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
        let takes = self.takes.clone();
        let mut tokens = self.open.tokens();
        if is_check(&tokens) {
            return found;
        }
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
            remark: self.open.remark.clone(),
            takes: takes.clone(),
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
        // With -fms-extensions, which kernels have by now, a structure with a tag and without a name is the
        // members that it has, and so is a typedef of one; a macro alone may be any members.
        let unnamed = match tokens.as_slice() {
            ["struct" | "union", tag] => Some((*tag, tokens.join(" "))),
            [name] if !is_statement(&tokens) => Some((*name, String::new())),
            _ => None,
        };
        let unnamed = unnamed.filter(|(name, _)| is_name(name));
        if let Some((name, ty)) = unnamed
            && self.frames.last().is_some_and(|frame| {
                // The first name of a hunk may be the end of a declaration of two lines.
                let begins = !frame.from_heading || !frame.members.is_empty() || !ty.is_empty();
                frame.kind.has_members() && begins
            })
        {
            found.push(member(Declared {
                name: name.to_owned(),
                text: if ty.is_empty() {
                    name.to_owned()
                } else {
                    ty.clone()
                },
                ty,
                ..Declared::default()
            }));
            return found;
        }
        // A type that is declared without a member is none.
        let is_member = |one: &Declared| {
            let declares = !one.name.is_empty() || !one.length.is_empty();
            declares && !one.function
        };
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
        let expanded = macros::enumerator(&tokens);
        let tokens: Vec<&str> = match &expanded {
            Some(expanded) => expanded.iter().map(String::as_str).collect(),
            None => tokens,
        };
        let (name, rest) = tokens.split_first()?;
        // Of a macro that nobody knows all is its value.
        let rest = match rest.first() {
            Some(&"=") => &rest[1..],
            Some(&"(") => rest,
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
            remark: self.open.remark.clone(),
            takes: Vec::new(),
            place: self.open.place.clone(),
        })
    }

    pub(super) fn enumerator(&mut self) {
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
}
