//! The resources of an image, read once.

use super::file::File;
use super::kinds::{Resource, TIME_NAMESPACE};
use super::named::{Mount, TimeNamespace};
use crate::error::ResourceError;
use crate::kind::{self, Kind};
use kconv_image::ResourceId;

/// The resources of an image. Those that cannot be understood are kept with why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    list: Vec<Result<Resource, ResourceError>>,
}

impl Resources {
    /// Reads all of them.
    pub fn read(resources: &[kconv_image::Resource]) -> Resources {
        let read = resources.iter().map(Resource::read);
        let read = Resources {
            list: read.collect(),
        };
        let list = resources.iter().zip(&read.list);
        let list = list.map(|(resource, one)| match one {
            Ok(Resource::File(file)) => read.file_with_mount(file, resource),
            other => other.clone(),
        });
        Resources {
            list: list.collect(),
        }
    }

    /// That the mount of a file is a mount.
    fn file_with_mount(
        &self,
        file: &File,
        resource: &kconv_image::Resource,
    ) -> Result<Resource, ResourceError> {
        let found = match file.mount().map(|id| self.list.get(id.0 as usize)) {
            // What is wrong with the mount itself is told of that.
            None | Some(Some(Ok(Resource::Mount(_)) | Err(_))) => {
                return Ok(Resource::File(file.clone()));
            }
            Some(None) => "a number that no resource has".to_owned(),
            Some(Some(Ok(other))) => format!("a resource of the kind {}", other.kind()),
        };
        Err(ResourceError {
            resource: format!("attribute `mount` of {}", crate::error::name_of(resource)),
            attribute: Some("mount".to_owned()),
            found,
            expected: "a mount".to_owned(),
        })
    }

    /// A resource; `None` if there is none of this number, or it cannot be understood.
    pub fn get(&self, id: ResourceId) -> Option<&Resource> {
        self.list.get(id.0 as usize)?.as_ref().ok()
    }

    /// Why a resource cannot be understood, if it cannot.
    pub fn error(&self, id: ResourceId) -> Option<&ResourceError> {
        self.list.get(id.0 as usize)?.as_ref().err()
    }

    /// A resource that is a file.
    pub fn file(&self, id: ResourceId) -> Option<&File> {
        match self.get(id)? {
            Resource::File(file) => Some(file),
            _ => None,
        }
    }

    /// The mount that a file is seen through.
    pub fn mount_of(&self, file: &File) -> Option<&Mount> {
        match self.get(file.mount()?)? {
            Resource::Mount(mount) => Some(mount),
            _ => None,
        }
    }

    /// All that can be understood.
    pub fn iter(&self) -> impl Iterator<Item = (ResourceId, &Resource)> {
        let ids = (0..).map(ResourceId);
        ids.zip(&self.list)
            .filter_map(|(id, one)| Some((id, one.as_ref().ok()?)))
    }

    /// Those that cannot be understood, and why.
    pub fn errors(&self) -> impl Iterator<Item = (ResourceId, &ResourceError)> {
        let ids = (0..).map(ResourceId);
        ids.zip(&self.list)
            .filter_map(|(id, one)| Some((id, one.as_ref().err()?)))
    }
}

/// The time namespaces among resources.
///
/// # Errors
/// If one of them cannot be understood.
pub fn time_namespaces(
    resources: &[kconv_image::Resource],
) -> Result<Vec<TimeNamespace>, ResourceError> {
    let of_time = resources.iter().filter(|one| one.kind == TIME_NAMESPACE);
    of_time.map(kind::read).collect()
}

impl FromIterator<Resource> for Resources {
    fn from_iter<T: IntoIterator<Item = Resource>>(resources: T) -> Resources {
        Resources {
            list: resources.into_iter().map(Ok).collect(),
        }
    }
}
