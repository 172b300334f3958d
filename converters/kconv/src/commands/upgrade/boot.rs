//! What tasks have that ends with the machine's run.

use crate::failure::Failure;
use crate::told::{Severity, Told};
use kconv_codes::Code;
use kconv_image::{Escaped, Image, ResourceId};
use kconv_resources::linux6::{Resource, Resources};
use kconv_units::{Systemd, Wiped};
use std::path::Path;

/// That the tasks of an image have nothing which ends with the machine's run: a terminal goes with its session, and a file
/// that the boot removes takes with it what is in it.
///
/// # Errors
/// If they have; if it cannot be told what the boot removes.
pub(super) fn outlived(image: &Image) -> Result<(), Failure> {
    let wiped = match Systemd::booted() {
        Some(_) => Wiped::read(Path::new("/"))?,
        None => Wiped::default(),
    };
    let head = image.head();
    let is_in_image = |id| head.contents_of(id).is_some();
    let ended = ended(&Resources::read(&head.resources), is_in_image, &wiped);
    match ended.is_empty() {
        true => Ok(()),
        false => Err(Failure::Boot(ended)),
    }
}

fn ended(
    resources: &Resources,
    is_in_image: impl Fn(ResourceId) -> bool,
    wiped: &Wiped,
) -> Vec<Told> {
    let ended = resources.iter().filter_map(|(id, resource)| match resource {
        Resource::Terminal(terminal) => {
            let name = Escaped(&terminal.name);
            Some(told(
                Code::TerminalBoot,
                format!("terminal {name}"),
                format!(
                    "the controlling terminal {name}, which ends when the machine is booted, cannot be \
                     carried"
                ),
                "start them with setsid, with their input and output in files".to_owned(),
            ))
        }
        // What is in it is in the image as well.
        Resource::File(file) if file.is_kept() || is_in_image(id) => None,
        Resource::File(file) => {
            let rule = wiped.by(Path::new(&file.path))?.display().to_string();
            let name = format!("{} {}", file.file_type.name(), Escaped(&file.path));
            Some(told(
                Code::FileWiped,
                name.clone(),
                format!("{name}, which the boot removes, by {}, cannot be carried", Escaped(&rule)),
                "have the program keep its files elsewhere (TMPDIR=/var/tmp); or have the boot leave them: a \
                 file in /etc/tmpfiles.d takes the place of one of its name"
                    .to_owned(),
            ))
        }
        _ => None,
    });
    ended.collect()
}

fn told(code: Code, object: String, text: String, advice: String) -> Told {
    Told {
        severity: Severity::Refused,
        code,
        tasks: Vec::new(),
        object: Some(object),
        field: None,
        text,
        advice: Some(advice),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kconv_image::KernelAddr;
    use kconv_resources::linux6::{File, FileType, Inode, Mount, Place, Terminal};
    use kconv_resources::{Bytes, Device, FileSize, Kind};
    use std::fs;

    const DEVICE: Device = Device { major: 8, minor: 1 };

    fn file(path: &str, file_type: FileType, place: Place) -> Resource {
        Resource::File(File {
            path: path.to_owned(),
            file_type,
            inode: Inode {
                mode: 0o644,
                inode: 7,
                device: DEVICE,
                links: 1,
                uid: 0,
                gid: 0,
                size: FileSize::new(1).unwrap(),
                mtime: 0,
                mtime_nanoseconds: 0,
                file_system: "ext4".to_owned(),
            },
            place,
            build_id: None,
        })
    }

    #[test]
    fn what_ends_with_the_machines_run_is_told() {
        let root = tempfile::tempdir().unwrap();
        let rules = root.path().join("usr/lib/tmpfiles.d");
        fs::create_dir_all(&rules).unwrap();
        fs::write(rules.join("tmp.conf"), "D /tmp\n").unwrap();
        let wiped = Wiped::read(root.path()).unwrap();
        let mounted = |is_kept| Place::Mounted {
            mount: ResourceId(8),
            is_kept,
        };
        let terminal = Resource::Terminal(Terminal {
            driver: None,
            driver_prefix: None,
            name: "pts\n0".to_owned(),
            device: DEVICE,
            index: 0,
            pgrp: 0,
            session: 0,
            rows: 0,
            columns: 0,
            termios: Bytes(Vec::new()),
        });
        let mount = Resource::Mount(Mount {
            path: "/".to_owned(),
            is_internal: false,
            id: 1,
            device_name: None,
            device: DEVICE,
            file_system: "ext4".to_owned(),
            magic: 0xef53,
            flags: 0,
            super_block_flags: 0,
        });
        let all = [
            file("/tmp/a\nb", FileType::Regular, mounted(false)),
            file("/tmp/folder", FileType::Directory, mounted(false)),
            terminal,
            // Neither of these is lost.
            file("/tmp", FileType::Directory, mounted(false)),
            file("/srv/a", FileType::Regular, mounted(false)),
            file("/tmp/library", FileType::Regular, mounted(true)),
            file("/tmp/gone", FileType::Regular, Place::Copy),
            file("/tmp/in-memory", FileType::Regular, mounted(false)),
            mount,
        ];
        let all = all.map(|one| one.write(KernelAddr(0)));
        let ended = ended(&Resources::read(&all), |id| id == ResourceId(7), &wiped);
        let mut out = Vec::new();
        for told in &ended {
            told.write(&mut out).unwrap();
        }
        let text = String::from_utf8(out).unwrap();
        let text = anstream::adapter::strip_str(&text).to_string();
        insta::assert_snapshot!(text.replace(root.path().to_str().unwrap(), ""));
    }
}
