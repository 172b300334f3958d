//! Objects that end before or behind the end of their type.

use std::borrow::Cow;

/// The bytes of a value of `size` bytes at least. An object that ends before its type does has zeros
/// there, which no conversion changes.
pub(crate) fn whole(bytes: &[u8], size: usize) -> Cow<'_, [u8]> {
    match size.checked_sub(bytes.len()) {
        None | Some(0) => Cow::Borrowed(bytes),
        Some(missing) => Cow::Owned([bytes, &vec![0; missing]].concat()),
    }
}

/// Copies what an old value has behind its type to where the new one has it.
pub(crate) fn copy_behind((old, from): (&[u8], usize), (new, to): (&mut [u8], usize)) {
    let (Some(behind), Some(place)) = (old.get(from..), new.get_mut(to..)) else {
        return;
    };
    let count = behind.len().min(place.len());
    place[..count].copy_from_slice(&behind[..count]);
}
