//! Names in the kernel image and its modules, as `/proc/kallsyms` lists them.

use kconv_image::KernelAddr;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The lowest address of code and data of the kernel and its modules on x86-64
/// (`Documentation/arch/x86/x86_64/mm.rst`). What is below is counted from a CPU's own memory.
const IMAGE: u64 = 0xffff_ffff_8000_0000;

/// How far from its symbol an address can be to belong to it: no table of operations and no
/// function is longer.
const REACH: u64 = 1 << 16;

/// A symbol: its address, and where its name stands.
#[derive(Copy, Clone, Debug)]
struct Symbol {
    at: u64,
    /// In bytes of the text.
    start: usize,
    /// In bytes.
    length: u32,
    /// Whether it is of the kernel itself, and not of a module.
    of_kernel: bool,
}

/// Symbols of a kernel. There are 200 thousand of them, of which some dozens are asked for: they are
/// left where they were read.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    /// What names are pieces of, in the order in which they were told.
    text: String,
    /// By address. Those of one address are in the order in which they were told.
    symbols: Vec<Symbol>,
    /// Addresses by the names that were asked for: each costs a look at all.
    asked: RefCell<BTreeMap<String, Option<KernelAddr>>>,
}

impl Symbols {
    /// Reads lines of `address type name [module]` (`kernel/kallsyms.c`: s_show). Others are skipped.
    pub(crate) fn parse(text: String) -> Symbols {
        let mut symbols = Vec::with_capacity(text.len() / 48);
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            symbols.extend(symbol_of(line, start));
            start += line.len();
        }
        symbols.sort_by_key(|symbol| symbol.at);
        Symbols {
            text,
            symbols,
            asked: RefCell::default(),
        }
    }

    /// Adds symbols, by their addresses and names. Where two have a name, that of the kernel itself
    /// counts, then the first; where two have an address, the first.
    pub(crate) fn extend<N: AsRef<str>>(
        &mut self,
        added: impl IntoIterator<Item = (u64, N)>,
        of_kernel: bool,
    ) {
        for (at, name) in added {
            let name = name.as_ref();
            self.symbols.push(Symbol {
                at,
                start: self.text.len(),
                length: name.len() as u32,
                of_kernel,
            });
            self.text.push_str(name);
        }
        self.symbols.sort_by_key(|symbol| symbol.at);
        self.asked.take();
    }

    /// Whether the addresses were withheld: all of them are zero.
    pub(crate) fn are_hidden(&self) -> bool {
        self.symbols.last().is_none_or(|last| last.at < IMAGE)
    }

    pub(crate) fn symbol(&self, name: &str) -> Option<KernelAddr> {
        if let Some(known) = self.asked.borrow().get(name) {
            return *known;
        }
        let of_kernel = self.symbols.iter().filter(|symbol| symbol.of_kernel);
        let named = of_kernel.filter(|symbol| self.name(symbol) == name);
        let first = named.min_by_key(|symbol| symbol.start);
        let found = first.map(|symbol| KernelAddr(symbol.at));
        self.asked.borrow_mut().insert(name.to_owned(), found);
        found
    }

    /// The name of what lies at `at` in the image or its modules, and how far into it that is.
    pub(crate) fn symbolise(&self, at: KernelAddr) -> Option<(String, u64)> {
        let after = self.symbols.partition_point(|symbol| symbol.at <= at.0);
        let start = self.symbols[..after].last()?.at;
        let first = self.symbols.partition_point(|symbol| symbol.at < start);
        let offset = at.0 - start;
        let is_near = start >= IMAGE && offset < REACH;
        is_near.then(|| (self.name(&self.symbols[first]).to_owned(), offset))
    }

    fn name(&self, symbol: &Symbol) -> &str {
        let end = symbol.start + symbol.length as usize;
        self.text.get(symbol.start..end).unwrap_or_default()
    }
}

/// The symbol that a line tells which begins at `start` of its text.
fn symbol_of(line: &str, start: usize) -> Option<Symbol> {
    let (at, rest) = line.split_once(' ')?;
    let (kind, rest) = rest.split_once(' ')?;
    let length = rest.bytes().position(|byte| byte.is_ascii_whitespace());
    let (name, module) = rest.split_at(length.unwrap_or(rest.len()));
    let is_told = kind.len() == 1 && !name.is_empty();
    Some(Symbol {
        at: u64::from_str_radix(at, 16).ok().filter(|_| is_told)?,
        start: start + line.len() - rest.len(),
        length: u32::try_from(name.len()).ok()?,
        of_kernel: module.trim_ascii().is_empty(),
    })
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
        let symbols = Symbols::parse(TEXT.to_owned());
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
    fn what_is_added_comes_after_what_was_there() {
        let mut symbols = Symbols::parse(TEXT.to_owned());
        assert_eq!(symbols.symbol("ext4_free"), None);
        let [image, module] = [0xffff_ffff_8100_0000, 0xffff_ffff_c000_3000];
        let added = [(image, "_start"), (module, "ext4_free"), (0, "ext4_ops")];
        symbols.extend(added, true);
        let found = |name| symbols.symbol(name).map(|at| at.0);
        assert_eq!(found("ext4_free"), Some(module));
        assert_eq!(found("ext4_ops"), Some(0xffff_ffff_8200_0040));
        let named = |at| symbols.symbolise(KernelAddr(at));
        assert_eq!(named(image), Some(("_stext".to_owned(), 0)));
        assert_eq!(named(module + 1), Some(("ext4_free".to_owned(), 1)));
        // What a module provides is found by its address alone.
        symbols.extend([(module + 8, "other")], false);
        assert_eq!(symbols.symbol("other"), None);
        assert_eq!(
            symbols.symbolise(KernelAddr(module + 8)),
            Some(("other".to_owned(), 0))
        );
    }

    #[test]
    fn addresses_that_are_withheld_are_told() {
        let hidden = TEXT
            .replace("ffffffff", "00000000")
            .replace("8200004", "0000000");
        assert!(Symbols::parse(hidden).are_hidden());
    }
}
