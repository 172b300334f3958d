//! What is asked of a resource whatever the kernel family is.

use crate::error::attribute;
use crate::{Kind, ResourceError, Source, linux6, linux24};
use kconv_image::{Head, Resource, ResourceId, Value};

/// The path of a resource that has one, to show it.
pub fn path(resource: &Resource) -> Option<&str> {
    match attribute(resource, "path")? {
        Value::Text(path) => Some(path),
        _ => None,
    }
}

/// What a resource is shown by: its path, or its kind.
pub fn name(resource: &Resource) -> &str {
    path(resource).unwrap_or(&resource.kind)
}

/// The name of a controlling terminal of this image, if it is known, and the session whose it is; `None` if the
/// resource is another.
pub fn terminal(head: &Head, resource: &Resource) -> Option<(String, i64)> {
    match head.identity.family.as_str() {
        linux6::FAMILY => match linux6::Resource::read(resource).ok()? {
            linux6::Resource::Terminal(terminal) => Some((terminal.name, terminal.session)),
            _ => None,
        },
        linux24::FAMILY => match linux24::Resource::read(resource).ok()? {
            linux24::Resource::Terminal(terminal) => Some((terminal.name?, terminal.session)),
            _ => None,
        },
        _ => None,
    }
}

/// What is wrong with the resources of an image, and with what it knows of the machine and of where it comes from;
/// nothing of a family that is not known.
pub fn errors(head: &Head) -> Vec<(Option<ResourceId>, ResourceError)> {
    let mut errors = of_family(head);
    if let Err(error) = Source::read(&head.facts) {
        errors.push((None, error));
    }
    errors
}

fn of_family(head: &Head) -> Vec<(Option<ResourceId>, ResourceError)> {
    match head.identity.family.as_str() {
        linux6::FAMILY => {
            let resources = linux6::Resources::read(&head.resources);
            let errors = resources.errors();
            let errors = errors.map(|(id, error)| (Some(id), error.clone()));
            let of_machine = linux6::Machine::read(&head.facts).err();
            errors
                .chain(of_machine.map(|error| (None, error)))
                .collect()
        }
        linux24::FAMILY => {
            let resources = (0..).map(ResourceId).zip(&head.resources);
            let errors = resources.filter_map(|(id, resource)| {
                let error = linux24::Resource::read(resource).err()?;
                Some((Some(id), error))
            });
            let of_machine = linux24::Machine::read(&head.facts).err();
            errors
                .chain(of_machine.map(|error| (None, error)))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Whether this image has what is in a file for the programs that have it mapped.
pub fn is_kept(head: &Head, resource: &Resource) -> bool {
    head.identity.family == linux6::FAMILY
        && matches!(
            linux6::Resource::read(resource),
            Ok(linux6::Resource::File(file)) if file.is_kept()
        )
}
