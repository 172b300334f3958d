//! Objects that no pointer leads to: where they lie, and which layouts have them.

use super::StateMap;
use crate::layout::{FieldPath, Layout};

/// An object that no pointer leads to, at a fixed place behind its owner or behind what a member
/// of the owner points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// Type of the object.
    pub ty: String,
    /// Type of the owner.
    pub owner: String,
    /// Where it lies.
    pub place: DerivedPlace,
    /// Field of the owner that is not zero exactly when there is such an object.
    pub when: String,
    /// Members, `type.member`, all of which a layout has that has such objects.
    pub has: Vec<String>,
    /// Members none of which a layout has that has such objects.
    pub lacks: Vec<String>,
    /// Why it is there.
    pub reason: String,
}

/// Where an object lies that no pointer leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DerivedPlace {
    /// It ends a number of bytes from the start of the owner or of something else.
    Ends {
        /// The pointer in the owner from which `end` counts; `None` if it counts from the owner.
        base: Option<String>,
        /// In bytes.
        end: u64,
    },
    /// It begins where the type of the owner ends. The memory that the owner has by its
    /// [`size`](super::TypeEntry::size) is the memory of both.
    Behind,
}

impl Derived {
    /// Whether a layout has such objects. One that all layouts have is missed where the type is not
    /// there; where only some have it, a layout without the type has none.
    pub fn holds(&self, layout: &Layout) -> bool {
        let has = |name: &String| member(layout, name);
        let told = self.has.iter().all(has) && !self.lacks.iter().any(has);
        told && (!self.is_conditional() || layout.has(&self.ty))
    }

    /// Whether only some layouts have such objects.
    pub fn is_conditional(&self) -> bool {
        self.conditions().next().is_some()
    }

    /// The members that tell whether a layout has such objects.
    pub fn conditions(&self) -> impl Iterator<Item = &String> {
        self.has.iter().chain(&self.lacks)
    }
}

impl StateMap {
    /// What says that objects of the type `ty` lie right behind others under `layout`.
    pub fn behind(&self, layout: &Layout, ty: &str) -> Option<&Derived> {
        self.find_behind(layout, |derived| derived.ty == ty)
    }

    /// What says that other objects lie right behind those of the type `owner` under `layout`.
    pub fn follower(&self, layout: &Layout, owner: &str) -> Option<&Derived> {
        self.find_behind(layout, |derived| derived.owner == owner)
    }

    fn find_behind(&self, layout: &Layout, is: impl Fn(&Derived) -> bool) -> Option<&Derived> {
        self.derived.iter().find(|derived| {
            derived.place == DerivedPlace::Behind && is(derived) && derived.holds(layout)
        })
    }

    /// Whether objects of the saved type `name` can be met under `layout`: not those of a type of
    /// which the layout has only values in other objects.
    pub fn is_saved_in(&self, layout: &Layout, name: &str) -> bool {
        let mut derived = self.derived.iter().filter(|derived| derived.ty == name);
        let mut conditional = derived.clone().peekable();
        let only_conditional =
            conditional.peek().is_some() && conditional.all(Derived::is_conditional);
        let starts = self.roots.iter().any(|root| root.ty == name);
        starts || !only_conditional || derived.any(|derived| derived.holds(layout))
    }
}

/// Whether `layout` has the member `name`, written `type.member`.
pub(super) fn member(layout: &Layout, name: &str) -> bool {
    let found = name.split_once('.').and_then(|(ty, member)| {
        let path = FieldPath::parse(member).ok()?;
        layout.lookup(layout.find(ty)?, &path)
    });
    found.is_some()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::layout::testing::{I386, int, member, structure};
    use crate::layout::{LayoutBuilder, TypeId};

    const MAP: &str = "family = \"f\"
machines = []
[[root]]
symbol = \"init_task\"
type = \"task\"
reason = \"r\"
[[derived]]
type = \"fpu\"
owner = \"task\"
behind = true
when = \"mm\"
lacks = [\"thread.fpu\"]
reason = \"r\"
[type.task]
saved = true
[type.fpu]
saved = true
";

    /// `struct task { int mm; struct thread thread; }`, whose thread has its `fpu` inside or not.
    fn layout(inside: bool) -> Layout {
        let mut builder = LayoutBuilder::new(I386);
        let number = builder.push(int("int", 4, true));
        let fpu = builder.push(structure("fpu", 8, vec![member("state", 0, number)]));
        let mut members = vec![member("sp", 0, number)];
        if inside {
            members.push(member("fpu", 32, fpu));
        }
        let thread = builder.push(structure("thread", 12, members));
        let members = vec![member("mm", 0, number), member("thread", 32, thread)];
        let _: TypeId = builder.push(structure("task", 16, members));
        builder.finish().unwrap()
    }

    fn refused(from: &str, to: &str) -> String {
        assert_eq!(MAP.matches(from).count(), 1, "{from}");
        let map = StateMap::parse(&MAP.replace(from, to));
        map.unwrap_err().to_string()
    }

    fn findings(map: &StateMap, layouts: &[&Layout]) -> Vec<String> {
        let found = map.check(layouts);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_lies_behind_is_an_object_where_it_is_no_member() {
        let map = StateMap::parse(MAP).unwrap();
        let (inside, behind) = (layout(true), layout(false));
        assert_eq!(map.saved_in(&inside), ["task"]);
        assert_eq!(map.saved_in(&behind), ["fpu", "task"]);
        let owner = |layout| map.behind(layout, "fpu").map(|found| found.owner.as_str());
        assert_eq!((owner(&inside), owner(&behind)), (None, Some("task")));
        assert!(map.follower(&inside, "task").is_none());
        assert_eq!(map.follower(&behind, "task").unwrap().ty, "fpu");
        assert!(map.behind(&behind, "task").is_none());
        assert_eq!(findings(&map, &[&inside, &behind]), [""; 0]);
        // What the fingerprint of a layout says does not change with a word on other layouts.
        let without = MAP.replace("[type.fpu]\nsaved = true\n", "");
        let without = StateMap::parse(&without).unwrap();
        let print = |map: &StateMap| inside.fingerprint(&map.saved_in(&inside)).unwrap();
        assert_eq!(print(&map), print(&without));
    }

    #[test]
    fn a_type_that_is_saved_anyway_is_saved_everywhere() {
        let unconditional = MAP.replace("lacks = [\"thread.fpu\"]\n", "");
        let map = StateMap::parse(&unconditional).unwrap();
        assert_eq!(map.saved_in(&layout(true)), ["fpu", "task"]);
        let has = MAP.replace("lacks =", "has =");
        let map = StateMap::parse(&has).unwrap();
        assert_eq!(map.saved_in(&layout(true)), ["fpu", "task"]);
        assert_eq!(map.saved_in(&layout(false)), ["task"]);
    }

    #[test]
    fn where_an_object_lies_is_said_once() {
        for (from, to, expected) in [
            (
                "behind = true",
                "behind = true\nend = 8",
                "`end` is `there`, expected `end` or `behind`, not both",
            ),
            (
                "behind = true",
                "behind = true\nbase = \"mm\"",
                "`base` is `there`, expected no base of what lies behind its owner",
            ),
            (
                "behind = true\n",
                "",
                "`end` is `nowhere`, expected `end`, or `behind = true`",
            ),
            (
                "\"thread.fpu\"",
                "\"thread\"",
                "`lacks` is `thread`, expected members, as `type.member`",
            ),
        ] {
            let told = refused(from, to);
            assert_eq!(told, format!("7: [[derived]] fpu: {expected}"), "{to}");
        }
    }

    #[test]
    fn what_tells_and_what_it_lies_behind_is_held_against_the_layouts() {
        let (inside, behind) = (layout(true), layout(false));
        for (from, to, expected) in [
            (
                "\"thread.fpu\"",
                "\"thread.fpv\"",
                "[[derived]] thread.fpv: the layout has no member of this name there",
            ),
            (
                "type = \"task\"",
                "type = \"fpu\"",
                "[[derived]] task: the layout has no root, which a trailing object is found by, there",
            ),
            (
                "[type.task]\nsaved = true\n",
                "[type.task]\nsaved = true\nextent = 8192\n",
                "[[derived]] task: the layout has no end to lie behind there",
            ),
            (
                "when = \"mm\"",
                "when = \"nn\"",
                "[type.task.fields] nn: the layout's task has no such member; remove the rule or correct its name",
            ),
        ] {
            assert_eq!(MAP.matches(from).count(), 1, "{from}");
            let map = StateMap::parse(&MAP.replace(from, to)).unwrap();
            let found = findings(&map, &[&inside, &behind]);
            assert!(found.contains(&expected.to_owned()), "{to}: {found:?}");
        }
    }
}
