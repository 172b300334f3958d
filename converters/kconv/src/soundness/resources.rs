//! Whether an image knows of things outside of it what it has to, and has of the files that it keeps what it says.

use kconv_image::{Escaped, Head, PAGE_SIZE};
use kconv_resources::{any, linux6};
use std::collections::BTreeMap;

/// What is wrong with the resources, and with what is known of the machine.
pub(crate) fn resources(head: &Head) -> Vec<String> {
    let errors = any::errors(head).into_iter();
    let errors = errors.map(|(id, error)| match id {
        Some(id) => format!("resource {}: {error}", id.0),
        None => error.to_string(),
    });
    let mut findings: Vec<String> = errors.collect();
    if head.identity.family == linux6::FAMILY {
        kept(head, &mut findings);
        watches(head, &mut findings);
        pairs(head, &mut findings);
    }
    findings
}

/// What is waited for by what is no epoll, or at what is no open file.
fn watches(head: &Head, findings: &mut Vec<String>) {
    for (id, resource) in linux6::Resources::read(&head.resources).iter() {
        let linux6::Resource::EpollWatch(watch) = resource else {
            continue;
        };
        for (attribute, object) in [("epoll", watch.epoll), ("file", watch.file)] {
            let ty = head.objects.get(object.0 as usize);
            let ty = ty.and_then(|object| head.types.get(object.ty.0 as usize));
            if ty.is_none_or(|ty| ty != "file") {
                let what = format!("object {}, which is no open file", object.0);
                findings.push(format!("resource {}: its `{attribute}` is {what}", id.0));
            }
        }
    }
}

/// What is wrong with pairs of sockets: each is the other's other.
fn pairs(head: &Head, findings: &mut Vec<String>) {
    let resources = linux6::Resources::read(&head.resources);
    let sockets = resources
        .iter()
        .filter_map(|(id, resource)| match resource {
            linux6::Resource::PairedSocket(socket) => Some((id, socket)),
            _ => None,
        });
    let sockets: Vec<_> = sockets.collect();
    let peers: BTreeMap<u64, Option<u64>> = sockets
        .iter()
        .map(|(_, one)| (one.inode, one.peer))
        .collect();
    for (id, socket) in sockets {
        let Some(peer) = socket.peer else {
            continue;
        };
        let what = match peers.get(&peer) {
            Some(of_peer) if *of_peer == Some(socket.inode) => continue,
            Some(_) => format!("socket {peer}, which has another"),
            None => format!("socket {peer}, which the image does not have"),
        };
        findings.push(format!("resource {}: its `peer` is {what}", id.0));
    }
}

/// What is wrong with the files that are kept.
fn kept(head: &Head, findings: &mut Vec<String>) {
    for (id, resource) in linux6::Resources::read(&head.resources).iter() {
        let linux6::Resource::File(file) = resource else {
            continue;
        };
        if !file.is_kept() && !file.is_nameless() {
            continue;
        }
        let path = Escaped(&file.path);
        let mut found = |what: String| findings.push(format!("resource {}, {path}: {what}", id.0));
        let size = file.inode.size.bytes();
        match head.contents_of(id) {
            None => found("it is kept, and the image does not have what is in it".to_owned()),
            Some(contents) => {
                let last = contents.runs.last();
                let end = last.map_or(0, |run| run.offset + run.pages * PAGE_SIZE);
                if end > size.next_multiple_of(PAGE_SIZE) {
                    found(format!("it has {size} bytes, and pages up to byte {end}"));
                }
            }
        }
    }
}
