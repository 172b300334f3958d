//! Names in the kernel image and its modules, as `/proc/kallsyms` lists them.

use kconv_image::KernelAddr;
use std::collections::BTreeMap;

/// The lowest address of code and data of the kernel and its modules on x86-64
/// (`Documentation/arch/x86/x86_64/mm.rst`). What is below is counted from a CPU's own memory.
const IMAGE: u64 = 0xffff_ffff_8000_0000;

/// How far from its symbol an address can be to belong to it: no table of operations and no
/// function is longer.
const REACH: u64 = 1 << 16;

/// Symbols of a kernel.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    by_name: BTreeMap<String, u64>,
    /// Names by address, in the image and its modules.
    by_address: BTreeMap<u64, String>,
}

impl Symbols {
    /// Reads lines of `address type name [module]`. Others are skipped.
    pub(crate) fn parse(text: &str) -> Symbols {
        let mut symbols = Symbols::default();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(at), Some(_), Some(name)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            if let Ok(at) = u64::from_str_radix(at, 16) {
                symbols.add(at, name, words.next().is_none());
            }
        }
        symbols
    }

    /// Adds a symbol. Where two have a name, that of the kernel itself counts, then the first;
    /// where two have an address, the first.
    pub(crate) fn add(&mut self, at: u64, name: &str, of_kernel: bool) {
        if of_kernel {
            self.by_name.entry(name.to_owned()).or_insert(at);
        }
        if at >= IMAGE {
            self.by_address.entry(at).or_insert_with(|| name.to_owned());
        }
    }

    /// Whether the addresses were withheld: all of them are zero.
    pub(crate) fn are_hidden(&self) -> bool {
        self.by_address.is_empty()
    }

    pub(crate) fn symbol(&self, name: &str) -> Option<KernelAddr> {
        self.by_name.get(name).copied().map(KernelAddr)
    }

    pub(crate) fn symbolise(&self, at: KernelAddr) -> Option<(String, u64)> {
        let (start, name) = self.by_address.range(..=at.0).next_back()?;
        let offset = at.0 - start;
        (offset < REACH).then(|| (name.clone(), offset))
    }
}

/// The symbols of a kernel image as its `System.map` lists them, without those of modules.
#[derive(Debug)]
pub(crate) struct SystemMap {
    /// Names that stand for one address.
    by_name: BTreeMap<String, u64>,
    /// The first name of each address.
    by_address: BTreeMap<u64, String>,
    /// Where the image ends.
    end: u64,
}

impl SystemMap {
    /// Reads lines of `address type name`.
    ///
    /// # Errors
    /// The first line that is none, and its number.
    pub(crate) fn parse(text: &str) -> Result<SystemMap, (usize, String)> {
        let mut by_name: BTreeMap<String, Option<u64>> = BTreeMap::new();
        let mut by_address = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let parsed = match words.as_slice() {
                [at, kind, name] if kind.len() == 1 => u64::from_str_radix(at, 16)
                    .ok()
                    .map(|at| (at, (*name).to_owned())),
                _ => None,
            };
            let (at, name) = parsed.ok_or_else(|| (number + 1, line.to_owned()))?;
            by_address.entry(at).or_insert_with(|| name.clone());
            let known = by_name.entry(name).or_insert(Some(at));
            // Functions of several files can have one name; it then means none of them.
            *known = known.filter(|known| *known == at);
        }
        let last = by_address.keys().next_back().copied();
        let unique = by_name.into_iter();
        let by_name: BTreeMap<String, u64> =
            unique.filter_map(|(name, at)| Some((name, at?))).collect();
        let end = by_name.get("_end").copied().or(last);
        Ok(SystemMap {
            by_name,
            by_address,
            end: end.unwrap_or(0),
        })
    }

    pub(crate) fn symbol(&self, name: &str) -> Option<KernelAddr> {
        self.by_name.get(name).copied().map(KernelAddr)
    }

    pub(crate) fn symbolise(&self, at: KernelAddr) -> Option<(String, u64)> {
        let (start, name) = self.by_address.range(..=at.0).next_back()?;
        let offset = at.0 - start;
        (at.0 < self.end && offset < REACH).then(|| (name.clone(), offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
0000000000014c80 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff82000040 r ext4_ops
ffffffffc0001000 t ext4_ops\t[ext4]
ffffffffc0002000 d ext4_file_operations\t[ext4]
nonsense
";

    #[test]
    fn names_and_addresses_are_found_both_ways() {
        let symbols = Symbols::parse(TEXT);
        assert!(!symbols.are_hidden());
        assert_eq!(
            symbols.symbol("ext4_ops"),
            Some(KernelAddr(0xffff_ffff_8200_0040))
        );
        assert_eq!(
            symbols.symbol("fixed_percpu_data"),
            Some(KernelAddr(0x14c80))
        );
        let named = |at| symbols.symbolise(KernelAddr(at));
        assert_eq!(
            named(0xffff_ffff_8100_0010),
            Some(("_stext".to_owned(), 16))
        );
        assert_eq!(
            named(0xffff_ffff_c000_2000),
            Some(("ext4_file_operations".to_owned(), 0))
        );
        assert_eq!(named(0xffff_ffff_9000_0000), None);
        assert_eq!(named(0x14c80), None);
    }

    #[test]
    fn addresses_that_are_withheld_are_told() {
        let hidden = TEXT
            .replace("ffffffff", "00000000")
            .replace("8200004", "0000000");
        assert!(Symbols::parse(&hidden).are_hidden());
    }
}
