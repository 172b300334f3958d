//! Which of what the scanners find has to do with saved state, and is kept until the end of the file.

use super::declare::{is_annotation, is_guard};
use super::item::{CodeLine, Constant, Item, Member, Pragma, Rest, TypeDef, TypeKind, Typedef};
use super::saved::Saved;
use super::source::is_shared_header;
use super::uses::Uses;

/// What one side of a file has, each with the number of its hunk.
#[derive(Default)]
pub(super) struct Found {
    pub(super) types: Vec<(u64, TypeDef)>,
    pub(super) typedefs: Vec<(u64, Typedef)>,
    pub(super) constants: Vec<(u64, Constant)>,
    pub(super) code: Vec<CodeLine>,
    pub(super) rests: Vec<(u64, Rest)>,
    pub(super) pragmas: Vec<Pragma>,
}

/// What decides whether something is kept.
pub(super) struct Keeper<'a> {
    pub(super) saved: &'a Saved<'a>,
    pub(super) uses: &'a Uses,
    /// The file, from the top of the kernel tree.
    pub(super) path: &'a str,
    pub(super) hunk: u64,
}

impl Keeper<'_> {
    /// Keeps what has to do with saved state.
    pub(super) fn keep(&self, item: Item, found: &mut Found) {
        let watched = |name: &str| {
            let used = self.uses.of(name).is_some() || self.uses.makes(name).is_some();
            used || self.saved.watched_in(name, self.path).is_some()
        };
        let in_contract = |name: &str| self.saved.contract_of(name, self.path).is_some();
        let matters = |name: &str| self.uses.matters(name, self.path, self.saved);
        match item {
            Item::Type(def) => {
                let named = matters(&def.name);
                let known = |member: &Member| match def.kind {
                    TypeKind::Enum => watched(&member.name) || in_contract(&member.name),
                    _ => def.name.is_empty() && self.saved.has_member(&member.name),
                };
                // Both sides of what nothing names are needed to see what changed.
                let nameless = def.name.is_empty() && def.partial;
                if named || nameless || def.members.iter().any(known) {
                    found.types.push((self.hunk, def));
                }
            }
            Item::Typedef(typedef) => {
                if self.saved.get(&typedef.name).is_some() || in_contract(&typedef.name) {
                    found.typedefs.push((self.hunk, typedef));
                }
            }
            Item::Constant(constant) => {
                // Neither a text nor what takes arguments is a value, and a definition of an annotation
                // for those who have none of their own is no change of it.
                let uses = self.uses;
                let used =
                    uses.of(&constant.name).is_some() || uses.makes(&constant.name).is_some();
                let text = constant.body.starts_with('"') || constant.function && !used;
                let own = format!("!{}", constant.name);
                let mut around = constant.condition.split(" && ");
                let fallback = is_annotation(&constant.name) && around.any(|part| part == own);
                // What a format is made of may be texts and macros; a guard of its header has no body.
                let is_part =
                    in_contract(&constant.name) || self.saved.is_version(&constant.name, self.path);
                let guard = constant.body.is_empty() && is_guard(&constant.name);
                let is_part = is_part && !guard;
                if is_part || watched(&constant.name) && !text && !fallback {
                    found.constants.push((self.hunk, constant));
                }
            }
            Item::Code(line) => found.code.push(line),
            Item::Pragma(pragma) => {
                if is_shared_header(self.path) {
                    found.pragmas.push(pragma);
                }
            }
            Item::Rest(rest) => {
                if rest.owner.is_empty() || matters(&rest.owner) {
                    found.rests.push((self.hunk, rest));
                }
            }
        }
    }
}
