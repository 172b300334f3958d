//! Resources of a kernel family.

use crate::attributes::{Part, Reader, Writer};
use crate::error::ResourceError;
use kconv_image::{KernelAddr, Resource, Value};

/// The resources of a kernel family, by kind.
pub trait Kind: Sized {
    /// What kinds there are, as images have them.
    const KINDS: &'static [&'static str];

    /// The kind of this one, as images have it.
    fn kind(&self) -> &'static str;

    /// What stands in the place of a resource that cannot be carried, in the image that a freeze has judged.
    fn not_carried() -> Self;

    /// Reads a resource of an image.
    ///
    /// # Errors
    /// If an attribute is missing, not what it should be, or not known; or the kind is not.
    fn read(resource: &Resource) -> Result<Self, ResourceError>;

    /// Its attributes, in the order in which images have them.
    fn attributes(&self) -> Vec<(String, Value)>;

    /// The resource as an image has it, for which `origin` stood on the kernel of the freeze.
    fn write(&self, origin: KernelAddr) -> Resource {
        Resource {
            kind: self.kind().to_owned(),
            origin,
            attributes: self.attributes(),
        }
    }
}

/// Reads the attributes of one kind, and nothing but these.
pub(crate) fn read<T: Part>(resource: &Resource) -> Result<T, ResourceError> {
    let from = Reader::of(resource);
    let read = T::read(&from)?;
    from.finish()?;
    Ok(read)
}

pub(crate) fn written(part: &impl Part) -> Vec<(String, Value)> {
    let mut to = Writer::default();
    part.write(&mut to);
    to.0
}
