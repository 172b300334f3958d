//! Images that are never written: one in memory, without user pages, shows to whoever reads images
//! all that can be said of it before any page is read.

use std::path::Path;

use super::{flawed, notes, seal};
use crate::geometry::{Geometry, OBJECT_ALIGN};
use crate::model::{AddressSpace, Head, folded_into};
use crate::{Digest, Image, WriteError, rules};

impl Image {
    /// The image of `head` without its pages. `objects` are the bytes of those that are not folded
    /// into another, in their order.
    ///
    /// # Errors
    ///
    /// If the head breaks a rule of the format, or the objects are not those of the head.
    pub fn without_pages<'b>(
        head: &Head,
        objects: impl IntoIterator<Item = &'b [u8]>,
    ) -> Result<Image, WriteError> {
        let path = Path::new("<memory>");
        let flawed = |flaw| flawed(path, flaw);
        let spaces = head.address_spaces.iter().map(|space| AddressSpace {
            mm: space.mm,
            runs: Vec::new(),
        });
        let head = Head {
            address_spaces: spaces.collect(),
            contents: Vec::new(),
            ..head.clone()
        };
        rules::check(&head).map_err(flawed)?;
        let machine = head.identity.machine;
        let geometry = Geometry::new(machine, &head.objects, head.page_index()).map_err(flawed)?;

        let declared = head.objects.iter().enumerate();
        let mut declared =
            declared.filter(|(_, object)| folded_into(&head.objects, object).is_none());
        let mut area = Vec::new();
        for bytes in objects {
            let (number, size) = match declared.next() {
                Some((number, object)) => (number, Some(object.size)),
                None => (head.objects.len(), None),
            };
            if size != Some(bytes.len() as u64) {
                return Err(WriteError::ObjectSize {
                    path: path.to_owned(),
                    object: number,
                    declared: size,
                    found: bytes.len(),
                });
            }
            area.extend_from_slice(bytes);
            area.resize(area.len().next_multiple_of(OBJECT_ALIGN as usize), 0);
        }
        if let Some((number, _)) = declared.next() {
            return Err(WriteError::MissingObjects {
                path: path.to_owned(),
                given: number,
                declared: head.objects.len(),
            });
        }

        let mut notes = notes::encode(&head).map_err(flawed)?;
        let complete = geometry.complete(notes.len() as u64).map_err(flawed)?;
        seal(
            &mut notes,
            &complete.head,
            Digest::of(&area),
            Digest::of(&[]),
        );
        let mut bytes = vec![0; complete.end as usize];
        for (start, part) in [
            (0, &complete.head),
            (geometry.objects(), &area),
            (geometry.notes(), &notes),
        ] {
            bytes[start as usize..][..part.len()].copy_from_slice(part);
        }
        Image::from_bytes(bytes).map_err(|source| WriteError::ReadBack {
            source: Box::new(source),
        })
    }
}
