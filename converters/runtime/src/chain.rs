//! The way from one layout to another through the converters there are.

use crate::table::Converter;
use kconv_image::{Head, KernelId, Step};
use std::collections::{BTreeMap, VecDeque};

/// The shortest chain of `converters` from layout `from` to layout `to`, both names of nodes in
/// `releases.toml`; empty if they are the same, `None` if there is no way.
///
/// Among chains of one length the first by the order of `converters` is taken, so that the
/// answer does not depend on anything else.
pub fn find_chain(
    converters: &[&'static Converter],
    from: &str,
    to: &str,
) -> Option<Vec<&'static Converter>> {
    let mut reached: BTreeMap<&str, Option<&'static Converter>> = BTreeMap::from([(from, None)]);
    let mut queue = VecDeque::from([from]);
    while let Some(node) = queue.pop_front() {
        if node == to {
            break;
        }
        for converter in converters.iter().filter(|c| c.from.layout == node) {
            if !reached.contains_key(converter.to.layout) {
                reached.insert(converter.to.layout, Some(converter));
                queue.push_back(converter.to.layout);
            }
        }
    }
    let mut chain = Vec::new();
    let mut node = to;
    while let Some(converter) = *reached.get(node)? {
        chain.push(converter);
        node = converter.from.layout;
    }
    chain.reverse();
    Some(chain)
}

/// The chain of `converters` that takes an image with the head `head` to the layout of `target`.
///
/// To a layout that it has been on it goes the way back that it came, so that what was kept on each
/// kernel is put back there; the shortest way may lead through others. To any other layout it goes
/// by [`find_chain`].
pub fn find_way(
    converters: &[&'static Converter],
    head: &Head,
    target: &KernelId,
) -> Option<Vec<&'static Converter>> {
    let now = head.identity.kernel.layout.as_str();
    let is_target = |step: &Step| {
        step.from.layout == target.layout && step.from.fingerprint == target.fingerprint
    };
    let left = head.provenance.iter().rposition(is_target);
    let back = left.and_then(|left| {
        let been = head.provenance[left..].iter().rev();
        way_back(converters, now, been.map(|step| step.from.layout.as_str()))
    });
    back.or_else(|| find_chain(converters, now, &target.layout))
}

/// The chain through the layouts `been`, the last of which was left first, without the turns that led
/// back to where they began. `None` if there is no converter for one of the steps.
fn way_back<'a>(
    converters: &[&'static Converter],
    now: &'a str,
    been: impl Iterator<Item = &'a str>,
) -> Option<Vec<&'static Converter>> {
    let mut layouts = vec![now];
    for layout in been {
        match layouts.iter().position(|known| *known == layout) {
            Some(known) => layouts.truncate(known + 1),
            None => layouts.push(layout),
        }
    }
    let steps = layouts.iter().zip(layouts.iter().skip(1));
    let converter = |(from, to): (&&str, &&str)| {
        let mut all = converters.iter().copied();
        all.find(|converter| (converter.from.layout, converter.to.layout) == (*from, *to))
    };
    steps.map(converter).collect()
}

/// What takes an image with the head `head` to `target`, of `chain`, which leads to its layout, and
/// `identity`, which carries what there is between releases of that.
///
/// An image of which something was kept on another release of the layout goes through that one, so
/// that it is put back, and then done with what is done between releases. So it is on `target`
/// what it would have been if it had gone there at once.
pub fn way(
    head: &Head,
    chain: Vec<&'static Converter>,
    identity: Option<&'static Converter>,
    target: &KernelId,
) -> Vec<&'static Converter> {
    let mut way = chain;
    let been = head.last_on(&target.layout, target.fingerprint);
    let through_another = been.is_some_and(|been| {
        let mut kept_on = head.remainder.iter().map(|entry| head.kept_on(entry));
        !been.is_release(target) && kept_on.any(|kernel| kernel.is_release(been))
    });
    let comes_back = head.identity.kernel.layout != target.layout;
    if way.is_empty() || comes_back && through_another {
        way.extend(identity);
    }
    way
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Node, TaskLabel};
    use kconv_image::model::{Fingerprint, Machine};

    const fn node(layout: &'static str) -> Node {
        Node {
            layout,
            release: layout,
            fingerprint: Fingerprint([0; 32]),
        }
    }

    const fn converter(name: &'static str, from: &'static str, to: &'static str) -> Converter {
        Converter {
            name,
            tool: "test",
            family: "test",
            machine: Machine::I386,
            from: node(from),
            to: node(to),
            task: Some(TaskLabel {
                ty: "task",
                pid: 0,
                comm: 0,
                comm_len: 0,
            }),
            changed: &[],
            carried: &[],
            gone: &[],
            read: &[],
        }
    }

    static AB: Converter = converter("a-b", "a", "b");
    static BC: Converter = converter("b-c", "b", "c");
    static AC: Converter = converter("a-c", "a", "c");
    static CA: Converter = converter("c-a", "c", "a");

    fn names(chain: Option<Vec<&'static Converter>>) -> Option<Vec<&'static str>> {
        chain.map(|chain| chain.iter().map(|converter| converter.name).collect())
    }

    #[test]
    fn a_layout_leads_to_itself_without_a_step() {
        assert_eq!(names(find_chain(&[&AB], "a", "a")), Some(vec![]));
        assert_eq!(names(find_chain(&[], "x", "x")), Some(vec![]));
    }

    #[test]
    fn the_shortest_chain_is_taken() {
        assert_eq!(
            names(find_chain(&[&AB, &BC], "a", "c")),
            Some(vec!["a-b", "b-c"])
        );
        assert_eq!(
            names(find_chain(&[&AB, &BC, &AC], "a", "c")),
            Some(vec!["a-c"])
        );
    }

    #[test]
    fn a_way_of_more_steps_is_not_taken_because_it_was_found_first() {
        static CD: Converter = converter("c-d", "c", "d");
        static DE: Converter = converter("d-e", "d", "e");
        static BE: Converter = converter("b-e", "b", "e");
        let all = [&AB, &AC, &CD, &DE, &BE];
        assert_eq!(names(find_chain(&all, "a", "e")), Some(vec!["a-b", "b-e"]));
    }

    #[test]
    fn the_way_back_is_the_way_that_the_image_came() {
        static BA: Converter = converter("b-a", "b", "a");
        static CB: Converter = converter("c-b", "c", "b");
        let all = [&CA, &CB, &BA, &AB];
        // From `a` by `b`, though there is a shorter way; with turns, and between releases.
        for been in [
            &["b", "a"][..],
            &["b", "b", "a", "a"],
            &["b", "a", "b", "a"],
        ] {
            let chain = way_back(&all, "c", been.iter().copied());
            assert_eq!(names(chain), Some(vec!["c-b", "b-a"]), "{been:?}");
        }
        let turned = way_back(&all, "c", ["b", "c", "a"].into_iter());
        assert_eq!(names(turned), Some(vec!["c-a"]));
        assert_eq!(
            names(way_back(&all, "a", ["b", "a"].into_iter())),
            Some(vec![])
        );
        assert_eq!(
            names(way_back(&[&CB, &AB], "c", ["b", "a"].into_iter())),
            None
        );
    }

    #[test]
    fn a_ring_of_converters_ends_the_search() {
        assert_eq!(
            names(find_chain(&[&AB, &BC, &CA], "b", "a")),
            Some(vec!["b-c", "c-a"])
        );
        assert_eq!(names(find_chain(&[&AB, &BC, &CA], "a", "z")), None);
    }
}
