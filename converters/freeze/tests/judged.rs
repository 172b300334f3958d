//! What could not be thawed is refused before any page of user memory is read, and the judge sees the
//! image as it would be, but for its pages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod frozen;

use frozen::{dump, freeze_all};
use kconv_codes::Code;
use kconv_freeze::{
    Dump, FreezeError, Judgement, MemorySource, PresentPage, ReadError, Space, Unjudged, anything,
};
use kconv_image::{Image, KernelAddr, TaskName, UserAddr};
use kconv_resources::Source;
use std::cell::Cell;

/// A dump that counts how often it is asked for user memory.
struct Counted {
    dump: Dump,
    asked: Cell<usize>,
}

impl Counted {
    fn new() -> Counted {
        Counted {
            dump: Dump::open(&dump("2.4.36-i386-up")).unwrap(),
            asked: Cell::new(0),
        }
    }

    fn asked(&self) {
        self.asked.set(self.asked.get() + 1);
    }
}

impl MemorySource for Counted {
    fn read(&self, at: KernelAddr, into: &mut [u8]) -> Result<(), ReadError> {
        self.dump.read(at, into)
    }

    fn symbol(&self, name: &str) -> Option<KernelAddr> {
        self.dump.symbol(name)
    }

    fn symbolise(&self, at: KernelAddr) -> Option<(String, u64)> {
        self.dump.symbolise(at)
    }

    fn object_size(&self, at: KernelAddr) -> Option<u64> {
        self.dump.object_size(at)
    }

    fn pages(&self, space: &Space<'_>) -> Result<Vec<PresentPage>, ReadError> {
        self.asked();
        self.dump.pages(space)
    }

    fn read_pages(
        &self,
        space: &Space<'_>,
        at: UserAddr,
        into: &mut [u8],
    ) -> Result<(), ReadError> {
        self.asked();
        self.dump.read_pages(space, at, into)
    }

    fn tick_rate(&self) -> Option<u32> {
        self.dump.tick_rate()
    }

    fn facts(&self) -> Source {
        self.dump.facts()
    }
}

#[test]
fn the_judge_is_asked_before_memory_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("image");
    let source = Counted::new();
    let mut refuse = |image: &Image, _: &_| {
        let head = image.head();
        let task = head.objects.iter().zip(0..);
        let (_, number) = task
            .into_iter()
            .find(|(object, _)| head.type_name(object) == "task_struct")
            .unwrap();
        assert_eq!(number, 0);
        Ok(vec![Judgement {
            code: Code::FdResource,
            tasks: vec![TaskName {
                pid: 21,
                comm: "hotel".to_owned(),
            }],
            object: "wings".to_owned(),
            field: None,
            text: "wings: found two, expected none".to_owned(),
            advice: "stay on the ground".to_owned(),
            is_unclear: false,
        }])
    };
    let error = freeze_all(&source, &mut refuse, &made).unwrap_err();
    assert_eq!(
        error.to_string(),
        "task 21 (hotel): wings: found two, expected none"
    );
    let FreezeError::Refused(findings) = error else {
        panic!("{error}");
    };
    assert_eq!(findings[0].advice(), "stay on the ground");
    assert_eq!(findings[0].flaw.code(), Code::FdResource);
    assert_eq!(source.asked.get(), 0);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);

    let mut cannot = |_: &Image, _: &_| Err(Unjudged);
    let error = freeze_all(&source, &mut cannot, &made).unwrap_err();
    assert!(matches!(error, FreezeError::Unjudged(_)), "{error}");
    assert_eq!(source.asked.get(), 0);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);

    freeze_all(&source, &mut anything, &made).unwrap();
    assert!(source.asked.get() > 60, "{}", source.asked.get());
}

#[test]
fn the_judge_sees_the_image_without_its_pages() {
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("image");
    let mut seen = None;
    let mut judge = |image: &Image, _: &_| {
        let head = image.head().clone();
        let mut objects = Vec::new();
        let mut stream = image.objects();
        while let Some((_, bytes)) = stream.next_object().unwrap() {
            objects.push(bytes.to_vec());
        }
        seen = Some((head, objects));
        Ok(Vec::new())
    };
    freeze_all(&Counted::new(), &mut judge, &made).unwrap();
    let (mut head, objects) = seen.unwrap();
    let image = Image::open(&made).unwrap();
    let mut stream = image.objects();
    for seen in &objects {
        assert_eq!(stream.next_object().unwrap().unwrap().1, seen.as_slice());
    }
    assert!(stream.next_object().unwrap().is_none());
    assert!(
        head.address_spaces
            .iter()
            .all(|space| space.runs.is_empty())
    );
    assert_eq!(head.address_spaces.len(), image.head().address_spaces.len());
    // Notes for debuggers have what stands in user memory.
    head.address_spaces.clone_from(&image.head().address_spaces);
    head.core_notes.clone_from(&image.head().core_notes);
    assert!(head == *image.head());
}
