//! The way from one layout to another through the converters there are.

use crate::table::Converter;
use kconv_image::{Head, KernelId};
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
            task: TaskLabel {
                ty: "task",
                pid: 0,
                comm: 0,
                comm_len: 0,
            },
            changed: &[],
            carried: &[],
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
    fn a_ring_of_converters_ends_the_search() {
        assert_eq!(
            names(find_chain(&[&AB, &BC, &CA], "b", "a")),
            Some(vec!["b-c", "c-a"])
        );
        assert_eq!(names(find_chain(&[&AB, &BC, &CA], "a", "z")), None);
    }
}
