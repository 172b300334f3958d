//! Directives of the preprocessor: constants that are defined, and conditions with their branches.

use super::{CONDITIONS, Condition, DECLARATION, Scanner, joined};
use crate::check::item::{Constant, Item, Place, Pragma};
use crate::check::lex::is_name;

impl Scanner<'_> {
    pub(super) fn directive(
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
        let guard = self.guard.take();
        match word {
            "define" if guard.is_some_and(|name| rest == name || rest == format!("{name} 1")) => {
                if let Some(condition) = self.conditions.first_mut() {
                    condition.text.clear();
                    condition.rest = None;
                }
            }
            "define" => {
                if let Some(define) = self.define_of(rest) {
                    take(Item::Constant(define));
                }
            }
            "if" | "ifdef" | "ifndef" => self.condition(word, rest),
            "elif" | "else" => self.branch(word, rest),
            "endif" => {
                let rest = self.directive_rest("#endif".to_owned());
                let begun = self.conditions.pop().is_some();
                self.hunk.rests.extend(rest.filter(|_| !begun));
            }
            "pragma" if rest.starts_with("pack") && self.pending.1.changed => {
                take(Item::Pragma(Pragma {
                    text: format!("#pragma {}", rest.replace(' ', "")),
                    place: self.pending.1.clone(),
                }));
            }
            _ => {}
        }
    }

    pub(super) fn define_of(&self, rest: &str) -> Option<Constant> {
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
        if self.conditions.is_empty() && self.frames.is_empty() {
            let name = text.strip_prefix('!').filter(|name| is_name(name));
            self.guard = name.filter(|name| !name.contains(' ')).map(String::from);
        }
        let rest = self.directive_rest(format!("#if {text}"));
        if self.conditions.len() < CONDITIONS {
            self.conditions.push(Condition {
                text,
                frames: self.frames.len(),
                open: self.open.clone(),
                rest,
            });
        }
    }

    fn branch(&mut self, word: &str, rest: &str) {
        let of_branch = self.directive_rest(format!("#{word} {rest}").trim_end().to_owned());
        let Some(condition) = self.conditions.last_mut() else {
            self.hunk.rests.extend(of_branch);
            return;
        };
        condition.rest = condition.rest.take().or(of_branch);
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
