//! Where tasks may run, and where their memory may be: CPUs and nodes that the machine has to have.

use super::found::Obstacles;
use crate::plan::Plan;
use kconv_codes::Code;
use kconv_tasks::model::MemoryPolicy;
use std::collections::BTreeSet;
use std::fs;

pub(super) fn check(plan: &Plan, found: &mut Obstacles<'_>) {
    let read = |path: &str| fs::read_to_string(path).ok();
    let cpus = read("/sys/devices/system/cpu/online");
    // A kernel without NUMA has no such folder, and one node.
    let nodes = read("/sys/devices/system/node/has_memory");
    let numbers = |text: Option<String>| text.and_then(|text| numbers(&text));
    held_against(plan, numbers(cpus).as_ref(), numbers(nodes).as_ref(), found);
}

/// `None` is what the machine does not say.
fn held_against(
    plan: &Plan,
    cpus: Option<&BTreeSet<usize>>,
    nodes: Option<&BTreeSet<usize>>,
    found: &mut Obstacles<'_>,
) {
    for process in &plan.processes {
        for thread in &process.threads {
            if let Some(cpus) = cpus {
                without_cpus(thread.tid, &thread.affinity, cpus, found);
            }
            if let (Some(nodes), Some(policy)) = (nodes, &thread.memory_policy) {
                without_nodes(thread.tid, policy, nodes, found);
            }
        }
        let mappings = process.memory.iter().flat_map(|memory| &memory.mappings);
        let policies = mappings.filter_map(|mapping| mapping.policy.as_ref());
        // Once for a process: many mappings may have the same.
        let mut told: BTreeSet<(&[u8], Option<u32>)> = BTreeSet::new();
        for policy in policies {
            if let Some(nodes) = nodes
                && told.insert((&policy.nodes, policy.home_node))
            {
                without_nodes(process.pid, policy, nodes, found);
            }
        }
    }
}

/// That the machine has none of the CPUs of a mask.
fn without_cpus(task: i32, mask: &[u8], cpus: &BTreeSet<usize>, found: &mut Obstacles<'_>) {
    let wanted = set_bits(mask);
    if !wanted.is_empty() && wanted.is_disjoint(cpus) {
        found.add(
            Code::MachineCpus,
            Some(task),
            "CPUs to run on",
            format!("none but {}", list(cpus)),
            format!("one of {}", list(&wanted)),
            "set CPUs online (/sys/devices/system/cpu/cpuN/online), or let the program ask for others (sched_setaffinity) before the freeze",
        );
    }
}

/// That the machine has none of the nodes of a policy, or not the one that it begins with.
fn without_nodes(
    task: i32,
    policy: &MemoryPolicy,
    nodes: &BTreeSet<usize>,
    found: &mut Obstacles<'_>,
) {
    /// MPOL_F_RELATIVE_NODES (include/uapi/linux/mempolicy.h): the first of those there are, and so on.
    const RELATIVE: u32 = 1 << 14;
    let wanted = set_bits(&policy.nodes);
    let home = policy.home_node.map(|node| node as usize);
    let no_nodes = policy.mode & RELATIVE == 0 && !wanted.is_empty() && wanted.is_disjoint(nodes);
    let expected = match home.filter(|home| !nodes.contains(home)) {
        _ if no_nodes => format!("one of {}", list(&wanted)),
        Some(home) => home.to_string(),
        None => return,
    };
    found.add(
        Code::MachineNodes,
        Some(task),
        "nodes to have memory from",
        format!("none but {}", list(nodes)),
        expected,
        "thaw on a machine with these nodes, or let the program ask for others (mbind, set_mempolicy) before the freeze",
    );
}

/// The numbers in a list of the kernel's, such as `0-3,8` (`Documentation/admin-guide/cputopology.rst`).
fn numbers(text: &str) -> Option<BTreeSet<usize>> {
    let mut all = BTreeSet::new();
    for range in text.trim().split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        all.extend(first..=last.min(first.saturating_add(MOST)));
    }
    Some(all)
}

/// No kernel has more CPUs or nodes (`arch/x86/Kconfig`: NR_CPUS, NODES_SHIFT).
const MOST: usize = 8192;

fn set_bits(mask: &[u8]) -> BTreeSet<usize> {
    let bits = 0..8 * mask.len();
    bits.filter(|bit| mask[bit / 8] >> (bit % 8) & 1 == 1)
        .collect()
}

/// `0-3,8`.
fn list(numbers: &BTreeSet<usize>) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let ranges = ranges.into_iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    ranges.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::obstacle::ObstacleOf;
    use crate::plan::{Mapping, Memory, Process};
    use kconv_image::ObjectId;

    fn told(check: impl FnOnce(&BTreeSet<usize>, &mut Obstacles<'_>)) -> Vec<String> {
        let plan = Plan::default();
        let mut found = Obstacles::of(&plan, ObstacleOf::Machine);
        check(&BTreeSet::from([0, 1]), &mut found);
        let found = found.into_list().into_iter();
        found.map(|one| one.text()).collect()
    }

    #[test]
    fn cpus_that_there_are_not_are_in_the_way() {
        let of = |mask: &[u8]| told(|cpus, found| without_cpus(7, mask, cpus, found));
        for right in [&[0xff; 4][..], &[0b110], &[]] {
            assert_eq!(of(right), [""; 0]);
        }
        let said = "CPUs to run on: found none but 0-1, expected one of 2,9-11";
        assert_eq!(of(&[4, 0b1110]), [said]);
    }

    fn policy(mode: u32, nodes: u8, home_node: Option<u32>) -> MemoryPolicy {
        MemoryPolicy {
            mode,
            nodes: vec![nodes],
            home_node,
        }
    }

    const BIND: u32 = 2;

    #[test]
    fn nodes_that_there_are_not_are_in_the_way() {
        let of = |policy| told(|nodes, found| without_nodes(7, &policy, nodes, found));
        // Of those that count from the first that there is, each is there.
        let relative = policy(BIND | 1 << 14, 0b1000, None);
        for right in [policy(BIND, 0b101, Some(1)), policy(1, 0, None), relative] {
            assert_eq!(of(right), [""; 0]);
        }
        let said = |expected: &str| {
            format!("nodes to have memory from: found none but 0-1, expected {expected}")
        };
        for (wrong, expected) in [
            (policy(BIND, 0b1100, None), "one of 2-3"),
            (policy(BIND, 0b1000, Some(3)), "one of 3"),
            (policy(BIND, 0b11, Some(3)), "3"),
        ] {
            assert_eq!(of(wrong), [said(expected)]);
        }
    }

    #[test]
    fn mappings_with_one_policy_are_told_once() {
        let mapping = |at: u64, policy| Mapping {
            policy: Some(policy),
            ..Mapping::bare(at, at + 4096, 0)
        };
        let mappings = vec![
            mapping(4096, policy(BIND, 4, None)),
            mapping(8192, policy(BIND, 4, None)),
            mapping(12288, policy(BIND, 1, Some(9))),
        ];
        let plan = Plan {
            processes: vec![Process {
                memory: Some(Memory::bare(ObjectId(0), mappings)),
                ..Process::bare(7, None)
            }],
            ..Plan::default()
        };
        let mut found = Obstacles::of(&plan, ObstacleOf::Machine);
        held_against(&plan, None, Some(&BTreeSet::from([0])), &mut found);
        assert_eq!(found.into_list().len(), 2);
        let mut found = Obstacles::of(&plan, ObstacleOf::Machine);
        held_against(&plan, None, None, &mut found);
        assert!(found.into_list().is_empty(), "a kernel without nodes");
    }

    #[test]
    fn lists_of_the_kernel_are_read_and_written() {
        for text in ["", "0", "0-3", "0-3,8", "1,3,5-6"] {
            let read = numbers(&format!("{text}\n")).unwrap();
            assert_eq!(list(&read), text);
        }
        assert_eq!(numbers("0-x\n"), None);
        // As much memory as there can be CPUs.
        assert!(numbers("0-18446744073709551615\n").unwrap().len() <= 1 + MOST);
    }
}
