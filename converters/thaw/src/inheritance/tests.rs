use super::*;
use crate::testing::head;
use kconv_image::{AddressSpace, ObjectId, PageRun, UserAddr};

/// An address or a position by the number of a page.
const fn at(page: u64) -> u64 {
    page * PAGE_SIZE
}

fn mapping(start: u64, end: u64) -> Mapping {
    Mapping::bare(at(start), at(end), VM_ACCOUNT)
}

/// Processes with their mappings and pages.
#[derive(Default)]
struct Family {
    plan: Plan,
    spaces: Vec<AddressSpace>,
}

impl Family {
    /// One more, with pages as (address, how many, position).
    fn with(
        mut self,
        parent: Option<usize>,
        mappings: Vec<Mapping>,
        pages: &[(u64, u64, u64)],
    ) -> Family {
        let number = self.spaces.len();
        let memory = Memory::bare(ObjectId(number as u32), mappings);
        let run = |(start, pages, position): &(u64, u64, u64)| PageRun {
            start: UserAddr(at(*start)),
            pages: *pages,
            access: 6,
            position: at(*position),
        };
        self.spaces.push(AddressSpace {
            mm: memory.mm,
            runs: pages.iter().map(run).collect(),
        });
        self.plan.processes.push(Process {
            memory: Some(memory),
            ..Process::bare(100 + number as i32, parent)
        });
        self
    }

    fn births(&self) -> Vec<Birth> {
        let mut head = head(Vec::new());
        head.address_spaces = self.spaces.clone();
        Inheritance::of(&self.plan, &head).births
    }
}

/// As (address, how many, position), in pages.
fn told(pages: &Pages) -> Vec<(u64, u64, u64)> {
    let pieces = pages.pieces().iter();
    let page = |bytes| bytes / PAGE_SIZE;
    pieces
        .map(|one| {
            (
                page(one.start),
                page(one.end - one.start),
                page(one.position),
            )
        })
        .collect()
}

fn written(births: &[Birth]) -> Vec<u64> {
    births
        .iter()
        .map(|birth| birth.written() / PAGE_SIZE)
        .collect()
}

#[test]
fn what_a_child_has_not_written_it_has_from_its_parent() {
    let one = || vec![mapping(10, 20)];
    let births = Family::default()
        .with(None, one(), &[(10, 5, 0), (15, 1, 5)])
        .with(
            Some(0),
            one(),
            &[(10, 2, 0), (12, 1, 6), (13, 2, 3), (16, 1, 7)],
        )
        .with(Some(0), one(), &[(10, 4, 0), (19, 1, 8)])
        .births();
    assert!(births[0].stages());
    assert_eq!(births[0].early, [0].into());
    // The last of its pages nobody else has.
    assert_eq!(told(&births[0].staged), [(10, 5, 0)]);
    assert_eq!(told(&births[1].born), [(10, 5, 0)]);
    assert_eq!(births[1].inherited, [0].into());
    assert!(!births[1].stages());
    let (born, own) = (&births[1].born, &births[1].own);
    assert_eq!(told(&born.to_write(own)), [(12, 1, 6), (16, 1, 7)]);
    // The second has taken one away.
    let (born, own) = (&births[2].born, &births[2].own);
    assert_eq!(born.to_drop(own), [(at(14), at(15))]);
    assert_eq!(written(&births), [6, 2, 1]);
}

#[test]
fn who_has_nothing_in_common_has_nothing_from_its_parent() {
    let one = || vec![mapping(10, 20)];
    // The same page elsewhere is not the same page in common, nor is one of a mapping of another kind.
    for (mappings, pages) in [
        (one(), [(10, 5, 20)]),
        (one(), [(11, 5, 0)]),
        (vec![mapping(10, 21)], [(10, 5, 0)]),
        (
            vec![Mapping {
                flags: VM_ACCOUNT | VM_SHARED,
                ..mapping(10, 20)
            }],
            [(10, 5, 0)],
        ),
        (
            vec![Mapping {
                flags: 0,
                ..mapping(10, 20)
            }],
            [(10, 5, 0)],
        ),
        (
            vec![Mapping {
                droppable: true,
                ..mapping(10, 20)
            }],
            [(10, 5, 0)],
        ),
        (
            vec![Mapping {
                file: Some(0),
                ..mapping(10, 20)
            }],
            [(10, 5, 0)],
        ),
    ] {
        let births = Family::default()
            .with(None, one(), &[(10, 5, 0)])
            .with(Some(0), mappings.clone(), &pages)
            .births();
        assert!(!births[0].stages(), "{mappings:?} {pages:?}");
        assert!(births[1].inherited.is_empty(), "{mappings:?}");
        assert_eq!(written(&births), [5, 5], "{mappings:?}");
    }
}

#[test]
fn a_file_is_the_same_at_the_same_place() {
    let of_file = |start, offset| Mapping {
        file: Some(3),
        offset: at(offset),
        ..mapping(start, start + 2)
    };
    let all = || Mapping {
        end: at(20),
        ..of_file(10, 4)
    };
    for (part, expected) in [(of_file(12, 6), vec![0]), (of_file(12, 7), vec![])] {
        let births = Family::default()
            .with(None, vec![all()], &[(12, 1, 0)])
            .with(Some(0), vec![part], &[(12, 1, 0)])
            .births();
        let inherited: Vec<usize> = births[1].inherited.iter().copied().collect();
        assert_eq!(inherited, expected);
    }
}

#[test]
fn what_a_child_does_not_have_of_a_mapping_it_gives_away() {
    let births = Family::default()
        .with(
            None,
            vec![mapping(10, 20), mapping(30, 40), mapping(50, 60)],
            &[(10, 10, 0), (30, 10, 10), (50, 10, 20)],
        )
        // It has a part of the first, the second again with other pages, and nothing of the third.
        .with(
            Some(0),
            vec![mapping(12, 14), mapping(16, 17), mapping(30, 40)],
            &[(12, 2, 2), (16, 1, 6), (30, 10, 40)],
        )
        .with(
            Some(0),
            vec![mapping(30, 40), mapping(50, 60)],
            &[(30, 10, 10)],
        )
        .births();
    assert_eq!(births[0].early, [0, 1].into());
    assert_eq!(births[1].inherited, [0, 1].into());
    let pages = |from, to| (at(from), at(to));
    let given = [pages(10, 12), pages(14, 16), pages(17, 20), pages(30, 40)];
    assert_eq!(births[1].given_away, given);
    assert_eq!(told(&births[1].born), [(12, 2, 2), (16, 1, 6)]);
    assert_eq!(births[2].given_away, [pages(10, 20)]);
    assert_eq!(written(&births), [30, 10, 0]);
}

#[test]
fn a_page_goes_through_whoever_has_written_it_since() {
    let one = || vec![mapping(10, 20)];
    // The parent has written the first, two children and a child of the second have what it was. The
    // second has written the second, and its child has what the grandparent has.
    let births = Family::default()
        .with(None, one(), &[(10, 1, 9), (11, 1, 1)])
        .with(Some(0), one(), &[(10, 2, 0)])
        .with(Some(0), one(), &[(10, 1, 0), (11, 1, 7)])
        .with(Some(2), one(), &[(10, 2, 0)])
        .births();
    assert_eq!(told(&births[0].staged), [(10, 2, 0)]);
    assert_eq!(told(&births[3].born), [(10, 2, 0)]);
    // Each position once, but that the first is written twice at its place.
    assert_eq!(written(&births), [3, 0, 1, 0]);
    // One that does not have it any more hands it on as well.
    let births = Family::default()
        .with(None, one(), &[(11, 1, 1)])
        .with(Some(0), one(), &[(10, 2, 0)])
        .with(Some(0), one(), &[(10, 2, 0)])
        .births();
    let (staged, own) = (&births[0].staged, &births[0].own);
    assert_eq!(staged.to_drop(own), [(at(10), at(11))]);
    assert_eq!(written(&births), [2, 0, 0]);
    // But nobody has it through one that has no such mapping.
    let births = Family::default()
        .with(None, one(), &[(10, 2, 0)])
        .with(Some(0), Vec::new(), &[])
        .with(Some(1), one(), &[(10, 2, 0)])
        .births();
    assert_eq!(written(&births), [2, 0, 2]);
}

#[test]
fn what_is_not_in_the_image_hands_nothing_on() {
    let one = || vec![mapping(10, 20)];
    let births = Family::default()
        .with(None, one(), &[(10, 2, 0)])
        .with(None, one(), &[(10, 2, 0)])
        .births();
    assert!(births.iter().all(|birth| !birth.stages()));
    assert_eq!(written(&births), [2, 2]);
}

#[test]
fn a_child_that_has_ended_has_nothing() {
    let one = || vec![mapping(10, 20)];
    let mut family = Family::default()
        .with(None, one(), &[(10, 2, 0)])
        .with(Some(0), one(), &[(10, 2, 0)])
        .with(Some(0), Vec::new(), &[]);
    family.plan.processes[2].memory = None;
    let births = family.births();
    assert_eq!(births[2].given_away, [(at(10), at(20))]);
    assert_eq!(written(&births), [2, 0, 0]);
}

#[test]
fn memory_that_is_locked_is_complete_before_it_is_locked() {
    let locked = || Mapping {
        flags: VM_ACCOUNT | VM_LOCKED,
        ..mapping(10, 20)
    };
    let births = Family::default()
        .with(None, vec![locked()], &[(10, 2, 0), (12, 3, 5)])
        // Locks are not inherited.
        .with(Some(0), vec![mapping(10, 20)], &[(10, 2, 0), (15, 1, 30)])
        .with(Some(0), vec![mapping(10, 20)], &[(10, 2, 0), (15, 1, 30)])
        .births();
    assert_eq!(births[0].locked_early, [0].into());
    // What others have and it has not cannot be staged there.
    assert_eq!(births[0].staged, births[0].own);
    assert_eq!(births[1].born.to_drop(&births[1].own), [(at(12), at(15))]);
    assert_eq!(written(&births), [5, 1, 1]);
}
