//! Lists and trees in a type, and what its bytes do not say by themselves.

use super::{Arm, ContainerKind, Edit, Field, Head, Search};
use kernel_structs::layout::{FieldPath, Layout, Type, TypeId};
use kernel_structs::state::{Choice, Fold, Owner, TypeEntry, union_of};

impl<'a> Search<'a> {
    /// Takes down what the state map says of the structure that `owner` is. What the layout does
    /// not have is not there to be walked.
    pub(super) fn walking(&mut self, owner: &Owner<'_>) {
        let map = self.map;
        let entries = owner
            .own_names()
            .iter()
            .filter_map(|name| map.types.get(*name));
        for entry in entries {
            self.containers(entry, owner);
            let at = Structure::of(self.layout, owner);
            let edits = &mut self.found.edits;
            edits.extend(
                entry
                    .folds
                    .iter()
                    .filter_map(|(member, fold)| at.fold(member, fold)),
            );
            edits.extend(entry.embedded.iter().filter_map(|(member, embedded)| {
                Some(Edit::Embedded {
                    field: at.member(member)?.1,
                    live: at.member(&embedded.live)?.1,
                })
            }));
            for choice in &entry.choices {
                if let Some((whole, arm)) = at.arm(choice) {
                    add_arm(edits, whole, arm);
                }
            }
        }
    }

    fn containers(&mut self, entry: &'a TypeEntry, owner: &Owner<'_>) {
        let at = Structure::of(self.layout, owner);
        let heads = entry.containers.iter().filter_map(|(member, container)| {
            let (kind, offset) = at.container(member)?;
            let path = match owner.path.as_str() {
                "" => member.clone(),
                path => format!("{path}.{member}"),
            };
            Some(Head {
                path,
                offset,
                kind,
                container,
            })
        });
        let first = self.found.containers.len();
        self.found.containers.extend(heads);
        self.found.containers[first..].sort_by_key(|head| head.offset);
    }
}

/// A structure in a value.
struct Structure<'l> {
    layout: &'l Layout,
    id: TypeId,
    /// Where it begins in the value, in bytes.
    base: u64,
}

impl Structure<'_> {
    fn of<'l>(layout: &'l Layout, owner: &Owner<'_>) -> Structure<'l> {
        Structure {
            layout,
            id: owner.ty,
            base: owner.base.byte().0,
        }
    }

    /// The member at `path`.
    fn member(&self, path: &str) -> Option<(TypeId, Field)> {
        let path = FieldPath::parse(path).ok()?;
        let found = self.layout.resolve(self.id, &path).ok()?;
        let field = Field {
            offset: self.base + found.offset.byte().0,
            width: self.layout.size_of(found.ty)?.0,
        };
        Some((found.ty, field))
    }

    /// What begins in `member`, and where the pointer is that leads to the first of it.
    fn container(&self, member: &str) -> Option<(ContainerKind, u64)> {
        let (ty, field) = self.member(member)?;
        let kind = match self.layout.names(ty).last() {
            Some(&"list_head") => ContainerKind::List,
            Some(&"hlist_head") => ContainerKind::Hlist,
            Some(&("rb_root" | "rb_root_cached")) => ContainerKind::Tree,
            Some(&"maple_tree") => ContainerKind::Maple,
            _ => return None,
        };
        let root = match kind {
            ContainerKind::Maple => self.member(&format!("{member}.ma_root"))?.1.offset,
            _ => field.offset,
        };
        Some((kind, root))
    }

    fn fold<'a>(&self, member: &str, fold: &Fold) -> Option<Edit<'a>> {
        let (pointer, percpu) = self.member(&fold.percpu)?;
        let Type::Pointer { target } = self.layout.get(self.layout.strip(pointer)) else {
            return None;
        };
        Some(Edit::Fold {
            number: self.number(member)?.0,
            percpu,
            part: width(self.layout.size_of(*target)?.0)?,
            signed: is_signed(self.layout, *target),
        })
    }

    fn arm<'a>(&self, choice: &'a Choice) -> Option<(Field, Arm<'a>)> {
        let (owner, name) = match choice.live.rsplit_once('.') {
            None => (self.id, choice.live.as_str()),
            Some((owner, name)) => (self.member(owner)?.0, name),
        };
        let (_, live) = self.member(&choice.live)?;
        let (union, _) = union_of(self.layout, owner, name)?;
        // All members of a union begin where it does.
        let whole = Field {
            offset: live.offset,
            width: self.layout.size_of(union)?.0,
        };
        let (when, signed) = self.number(&choice.when)?;
        let is = &choice.is;
        let arm = Arm {
            live,
            when,
            signed,
            is,
        };
        Some((whole, arm))
    }

    /// The member at `path`, which is a number or a pointer, and whether it has a sign.
    fn number(&self, path: &str) -> Option<(Field, bool)> {
        let (ty, field) = self.member(path)?;
        width(field.width)?;
        Some((field, is_signed(self.layout, ty)))
    }
}

/// Arms of one union stand together, in the order of the state map.
fn add_arm<'a>(edits: &mut Vec<Edit<'a>>, whole: Field, arm: Arm<'a>) {
    let known = edits.iter_mut().find_map(|edit| match edit {
        Edit::Union { whole: known, arms } if known.offset == whole.offset => Some(arms),
        _ => None,
    });
    match known {
        Some(arms) => arms.push(arm),
        None => edits.push(Edit::Union {
            whole,
            arms: vec![arm],
        }),
    }
}

fn width(bytes: u64) -> Option<u8> {
    u8::try_from(bytes)
        .ok()
        .filter(|width| (1..=8).contains(width))
}

fn is_signed(layout: &Layout, ty: TypeId) -> bool {
    match layout.get(layout.strip(ty)) {
        Type::Int(int) => int.signed,
        Type::Enum(e) => e.signed,
        _ => false,
    }
}
