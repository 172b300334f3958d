//! `VMCOREINFO`: lines of `KEY=VALUE` in which a kernel describes itself to readers of dumps
//! (`Documentation/admin-guide/kdump/vmcoreinfo.rst`).

use crate::physical::Physical;
use kconv_image::PAGE_SIZE;
use kernel_structs::layout::{FieldPath, Layout};
use std::collections::BTreeMap;

/// What a kernel says of itself.
pub(crate) struct Info {
    bytes: Vec<u8>,
    values: BTreeMap<String, String>,
}

impl Info {
    /// Reads the lines; others than `KEY=VALUE` are skipped.
    pub(crate) fn parse(bytes: &[u8]) -> Info {
        let end = bytes.iter().position(|byte| *byte == 0);
        let bytes = &bytes[..end.unwrap_or(bytes.len())];
        let text = String::from_utf8_lossy(bytes);
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let values = lines.map(|(key, value)| (key.to_owned(), value.trim().to_owned()));
        Info {
            bytes: bytes.to_vec(),
            values: values.collect(),
        }
    }

    /// Looks for the page in which the kernel keeps it (`kernel/crash_core.c`: vmcoreinfo_data).
    /// A dump made from outside of the machine has no note of it.
    pub(crate) fn find(physical: &dyn Physical) -> Option<Info> {
        const START: &[u8] = b"OSRELEASE=";
        let mut page = [0; PAGE_SIZE as usize];
        for (start, end) in physical.ranges() {
            let mut at = start.next_multiple_of(PAGE_SIZE);
            while at.saturating_add(PAGE_SIZE) <= end {
                if physical.read(at, &mut page).is_ok() && page.starts_with(START) {
                    let info = Info::parse(&page);
                    if info.number("SYMBOL(init_top_pgt)").is_some() {
                        return Some(info);
                    }
                }
                at += PAGE_SIZE;
            }
        }
        None
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// A number: addresses are written in hexadecimal, the values of variables in decimal.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        let text = self.text(key)?;
        if key.starts_with("SYMBOL(") || key == "KERNELOFFSET" {
            return u64::from_str_radix(text, 16).ok();
        }
        let signed = text.parse::<i64>().ok().map(|number| number as u64);
        signed.or_else(|| text.parse().ok())
    }

    /// What `types` has otherwise than the kernel says of itself in `SIZE(type)` and
    /// `OFFSET(type.member)`. Of types and members that `types` lacks nothing is said.
    pub(crate) fn mismatches(&self, types: &Layout) -> Vec<String> {
        let inside = |key: &'_ str, word: &str| {
            let rest = key.strip_prefix(word)?;
            Some(rest.strip_prefix('(')?.strip_suffix(')')?.to_owned())
        };
        let mut found = Vec::new();
        for key in self.values.keys() {
            let Some(said) = self.number(key) else {
                continue;
            };
            if let Some(ty) = inside(key, "SIZE") {
                let size = types.find(&ty).and_then(|id| types.size_of(id));
                if let Some(size) = size.filter(|size| size.0 != said) {
                    found.push(format!("{ty} has {} bytes, not {said}", size.0));
                }
            } else if let Some(place) = inside(key, "OFFSET") {
                let offset = place.split_once('.').and_then(|(ty, member)| {
                    let path = FieldPath::parse(member).ok()?;
                    let found = types.resolve(types.find(ty)?, &path).ok()?;
                    Some(found.offset.byte().0)
                });
                if let Some(offset) = offset.filter(|offset| *offset != said) {
                    found.push(format!("{place} is at {offset}, not at {said}"));
                }
            }
        }
        found
    }

    /// The build id of the kernel, empty if there is none.
    pub(crate) fn build_id(&self) -> Vec<u8> {
        let digits = self.text("BUILD-ID").unwrap_or_default().as_bytes();
        let pairs = digits.chunks_exact(2);
        let pairs = pairs.filter_map(|pair| str::from_utf8(pair).ok());
        pairs
            .filter_map(|pair| u8::from_str_radix(pair, 16).ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What the kernel says of its types is held against the types that are read.
    #[test]
    fn types_of_another_kernel_are_told_by_name() {
        let registry = kernel_structs::releases::Registry::builtin().unwrap();
        let id = kernel_structs::releases::LayoutId("6.1.0-47-amd64".to_owned());
        let types = registry.layout(&id).unwrap();
        let right = "SIZE(list_head)=16\nOFFSET(list_head.next)=0\nOFFSET(list_head.prev)=8\n\
                     SIZE(no_such)=3\nOFFSET(list_head.none)=3\nOFFSET(plain)=1\n";
        assert_eq!(
            Info::parse(right.as_bytes()).mismatches(&types),
            [] as [&str; 0]
        );
        let wrong = right.replace("=16", "=24").replace("prev)=8", "prev)=12");
        assert_eq!(
            Info::parse(wrong.as_bytes()).mismatches(&types),
            [
                "list_head.prev is at 8, not at 12",
                "list_head has 16 bytes, not 24"
            ]
        );
    }

    #[test]
    fn numbers_are_read_in_their_base() {
        let info = Info::parse(
            b"OSRELEASE=6.1.0-47-amd64\nBUILD-ID=0aff\nSYMBOL(init_top_pgt)=ffffffffa2a10000\n\
              NUMBER(phys_base)=-16777216\nKERNELOFFSET=20000000\n\0\0rest=1\n",
        );
        assert_eq!(info.text("OSRELEASE"), Some("6.1.0-47-amd64"));
        assert_eq!(
            info.number("SYMBOL(init_top_pgt)"),
            Some(0xffff_ffff_a2a1_0000)
        );
        assert_eq!(
            info.number("NUMBER(phys_base)"),
            Some(-16_777_216i64 as u64)
        );
        assert_eq!(info.number("KERNELOFFSET"), Some(0x2000_0000));
        assert_eq!(info.build_id(), [0x0a, 0xff]);
        assert_eq!(info.text("rest"), None);
    }
}
