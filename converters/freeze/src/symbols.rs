//! Names in the kernel image and its modules, as the kernel's own table or `/proc/kallsyms` lists them.

use kconv_image::KernelAddr;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

/// The lowest address of code and data of the kernel and its modules on x86-64
/// (`Documentation/arch/x86/x86_64/mm.rst`). What is below is counted from a CPU's own memory.
const IMAGE: u64 = 0xffff_ffff_8000_0000;

/// How far from its symbol an address can be to belong to it: no table of operations and no
/// function is longer.
const REACH: u64 = 1 << 16;

/// What names are made of: their bytes, or bytes that each stand for a piece of text, and the first piece begins with
/// the letter of the symbol's type (`scripts/kallsyms.c`).
#[derive(Debug, Default)]
struct Names {
    bytes: Vec<u8>,
    pieces: Option<Box<Pieces>>,
}

/// Texts that the bytes of names stand for.
#[derive(Debug)]
pub(crate) struct Pieces {
    texts: [Box<str>; 256],
    /// Of each text, and of what a name has of it that begins with it.
    hashes: [(Hash, Hash); 256],
}

/// A hash that is that of one text followed by another if it is put together of theirs. Of 32 bits: what it finds is
/// looked at.
#[derive(Copy, Clone, Debug)]
struct Hash {
    value: u32,
    /// What a hash before this one is multiplied with.
    shift: u32,
}

impl Hash {
    /// Odd, so that no byte is lost by the multiplication.
    const FACTOR: u32 = 0x0100_0193;
    const EMPTY: Hash = Hash { value: 0, shift: 1 };

    fn of(text: &[u8]) -> Hash {
        let each = text.iter().map(|byte| Hash {
            value: u32::from(*byte),
            shift: Hash::FACTOR,
        });
        each.fold(Hash::EMPTY, Hash::then)
    }

    fn then(self, next: Hash) -> Hash {
        Hash {
            value: self.value.wrapping_mul(next.shift).wrapping_add(next.value),
            shift: self.shift.wrapping_mul(next.shift),
        }
    }
}

impl Pieces {
    pub(crate) fn new(texts: [Box<str>; 256]) -> Pieces {
        let hashes = texts.each_ref().map(|text| {
            let text = text.as_bytes();
            (Hash::of(text), Hash::of(text.get(1..).unwrap_or_default()))
        });
        Pieces { texts, hashes }
    }

    /// How long a name is with the letter of its type, in bytes.
    pub(crate) fn length(&self, name: &[u8]) -> usize {
        let texts = name.iter().map(|byte| &self.texts[usize::from(*byte)]);
        texts.map(|text| text.len()).sum()
    }
}

/// A symbol: its address, and where its name stands.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Symbol {
    pub(crate) at: u64,
    /// In bytes of the names.
    pub(crate) start: u32,
    /// In bytes.
    pub(crate) length: u16,
}

/// Symbols of a kernel or of its modules.
#[derive(Debug, Default)]
struct List {
    names: Names,
    /// By address. Those of one address are in the order in which they were told.
    symbols: Vec<Symbol>,
}

impl List {
    fn new(names: Names, mut symbols: Vec<Symbol>) -> List {
        symbols.sort_by_key(|symbol| symbol.at);
        List { names, symbols }
    }

    fn bytes(&self, symbol: &Symbol) -> &[u8] {
        let start = symbol.start as usize;
        let end = start + usize::from(symbol.length);
        self.names.bytes.get(start..end).unwrap_or_default()
    }

    fn hash(&self, symbol: &Symbol) -> u32 {
        let bytes = self.bytes(symbol);
        let Some(pieces) = &self.names.pieces else {
            return Hash::of(bytes).value;
        };
        let mut hash = Hash::EMPTY;
        if let Some((first, rest)) = bytes.split_first() {
            hash = pieces.hashes[usize::from(*first)].1;
            for byte in rest {
                hash = hash.then(pieces.hashes[usize::from(*byte)].0);
            }
        }
        hash.value
    }

    fn name(&self, symbol: &Symbol) -> String {
        let bytes = self.bytes(symbol);
        match &self.names.pieces {
            None => String::from_utf8_lossy(bytes).into_owned(),
            Some(pieces) => {
                let texts = bytes.iter().map(|byte| &*pieces.texts[usize::from(*byte)]);
                let name: String = texts.collect();
                name.chars().skip(1).collect()
            }
        }
    }

    /// The first symbol of the last address at or below `at`.
    fn at_or_below(&self, at: u64) -> Option<&Symbol> {
        let after = self.symbols.partition_point(|symbol| symbol.at <= at);
        let start = self.symbols[..after].last()?.at;
        let first = self.symbols.partition_point(|symbol| symbol.at < start);
        self.symbols.get(first)
    }
}

/// Symbols of a kernel. There are 200 thousand of them, of which some dozens are asked for: their names are left as
/// they were read.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    kernel: List,
    /// What modules have is found by its address alone.
    modules: List,
    /// Of the names of the kernel's symbols, in their order, once one is asked for.
    hashes: OnceCell<Vec<u32>>,
    /// Addresses by the names that were asked for: each costs a look at all.
    asked: RefCell<BTreeMap<String, Option<KernelAddr>>>,
}

impl Symbols {
    /// Of a kernel the names of whose symbols stand in `names`, as sequences of `pieces`.
    pub(crate) fn of_kernel(names: Vec<u8>, pieces: Pieces) -> Symbols {
        let names = Names {
            bytes: names,
            pieces: Some(Box::new(pieces)),
        };
        Symbols {
            kernel: List::new(names, Vec::new()),
            ..Symbols::default()
        }
    }

    /// What the kernel itself has.
    pub(crate) fn set_kernel(&mut self, symbols: Vec<Symbol>) {
        let names = std::mem::take(&mut self.kernel.names);
        self.kernel = List::new(names, symbols);
        self.hashes.take();
        self.asked.take();
    }

    /// Reads lines of `address type name [module]` (`kernel/kallsyms.c`: s_show). Others are skipped.
    pub(crate) fn parse(text: String) -> Symbols {
        let (mut kernel, mut modules) = (Vec::with_capacity(text.len() / 48), Vec::new());
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            match symbol_of(line, start) {
                Some((symbol, true)) => kernel.push(symbol),
                Some((symbol, false)) => modules.push(symbol),
                None => {}
            }
            start += line.len();
        }
        let own = modules.iter().map(|symbol| {
            let start = symbol.start as usize;
            let end = start + usize::from(symbol.length);
            (symbol.at, text.get(start..end).unwrap_or_default())
        });
        let mut symbols = Symbols::default();
        symbols.set_modules(own);
        let names = Names {
            bytes: text.into_bytes(),
            pieces: None,
        };
        symbols.kernel = List::new(names, kernel);
        symbols
    }

    /// What the kernel's modules have, by addresses and names. Where two have an address, the first counts.
    pub(crate) fn set_modules<N: AsRef<str>>(&mut self, told: impl IntoIterator<Item = (u64, N)>) {
        let (mut names, mut symbols) = (Names::default(), Vec::new());
        for (at, name) in told {
            let name = name.as_ref();
            let start = u32::try_from(names.bytes.len());
            if let (Ok(start), Ok(length)) = (start, u16::try_from(name.len())) {
                symbols.push(Symbol { at, start, length });
                names.bytes.extend_from_slice(name.as_bytes());
            }
        }
        self.modules = List::new(names, symbols);
    }

    /// Whether the addresses were withheld: all of them are zero.
    pub(crate) fn are_hidden(&self) -> bool {
        let last = self.kernel.symbols.last();
        last.is_none_or(|last| last.at < IMAGE)
    }

    /// The address of a symbol of the kernel itself. Where two have the name, the first counts.
    pub(crate) fn symbol(&self, name: &str) -> Option<KernelAddr> {
        if let Some(known) = self.asked.borrow().get(name) {
            return *known;
        }
        let list = &self.kernel;
        let hashes = self.hashes.get_or_init(|| {
            list.symbols
                .iter()
                .map(|symbol| list.hash(symbol))
                .collect()
        });
        let sought = Hash::of(name.as_bytes()).value;
        let alike = hashes.iter().zip(&list.symbols);
        let alike = alike.filter(|(hash, symbol)| **hash == sought && list.name(symbol) == name);
        let first = alike
            .map(|(_, symbol)| symbol)
            .min_by_key(|symbol| symbol.start);
        let found = first.map(|symbol| KernelAddr(symbol.at));
        self.asked.borrow_mut().insert(name.to_owned(), found);
        found
    }

    /// The name of what lies at `at` in the image or its modules, and how far into it that is.
    pub(crate) fn symbolise(&self, at: KernelAddr) -> Option<(String, u64)> {
        let lists = [&self.kernel, &self.modules].into_iter();
        let found = lists.filter_map(|list| Some((list, list.at_or_below(at.0)?)));
        // The kernel's own goes before one of a module at the same address.
        let (list, symbol) = found.rev().max_by_key(|(_, symbol)| symbol.at)?;
        let offset = at.0 - symbol.at;
        let is_near = symbol.at >= IMAGE && offset < REACH;
        is_near.then(|| (list.name(symbol), offset))
    }
}

/// The symbol that a line tells which begins at `start` of its text, and whether it is of the kernel itself.
fn symbol_of(line: &str, start: usize) -> Option<(Symbol, bool)> {
    let (at, rest) = line.split_once(' ')?;
    let (kind, rest) = rest.split_once(' ')?;
    let length = rest.bytes().position(|byte| byte.is_ascii_whitespace());
    let (name, module) = rest.split_at(length.unwrap_or(rest.len()));
    let is_told = kind.len() == 1 && !name.is_empty();
    let symbol = Symbol {
        at: u64::from_str_radix(at, 16).ok().filter(|_| is_told)?,
        start: u32::try_from(start + line.len() - rest.len()).ok()?,
        length: u16::try_from(name.len()).ok()?,
    };
    Some((symbol, module.trim_ascii().is_empty()))
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
    fn the_first_counts_and_what_modules_have_is_found_by_its_address() {
        let mut symbols = Symbols::parse(TEXT.to_owned() + "ffffffff83000000 d ext4_ops\n");
        let found = |symbols: &Symbols, name| symbols.symbol(name).map(|at| at.0);
        assert_eq!(found(&symbols, "ext4_ops"), Some(0xffff_ffff_8200_0040));
        assert_eq!(found(&symbols, "ext4_file_operations"), None);
        assert_eq!(found(&symbols, "ext4_op"), None);
        let [image, module] = [0xffff_ffff_8100_0000, 0xffff_ffff_c000_3000];
        symbols.set_modules([(module, "ext4_free"), (image, "_start"), (module, "other")]);
        assert_eq!(found(&symbols, "ext4_free"), None);
        let named = |at| symbols.symbolise(KernelAddr(at));
        assert_eq!(named(image), Some(("_stext".to_owned(), 0)));
        assert_eq!(named(module + 1), Some(("ext4_free".to_owned(), 1)));
        // Those of before are no more.
        assert_eq!(named(0xffff_ffff_c000_2000), None);
    }

    #[test]
    fn a_name_is_more_than_its_hash() {
        let alike = ["btrfs_copy_table_rcu", "epoll_get_bio_fast"];
        let [one, other] = alike.map(|name| Hash::of(name.as_bytes()).value);
        assert_eq!(one, other);
        let text = format!(
            "ffffffff81000010 t {}\nffffffff81000020 t {}\n",
            alike[0], alike[1]
        );
        let symbols = Symbols::parse(text);
        let found = alike.map(|name| symbols.symbol(name).map(|at| at.0 - IMAGE));
        assert_eq!(found, [Some(0x0100_0010), Some(0x0100_0020)]);
    }

    #[test]
    fn names_are_put_together_of_pieces() {
        let mut texts: [Box<str>; 256] = std::array::from_fn(|_| Box::from(""));
        for (index, text) in [(1, "Text4"), (2, "d"), (3, "_"), (4, "ops"), (5, "ext4")] {
            texts[index] = Box::from(text);
        }
        let names = vec![1, 3, 4, 2, 5, 3, 4, 2];
        let symbol = |at: u64, start, length| Symbol {
            at: IMAGE + at,
            start,
            length,
        };
        // The second name is the first one with another type, the third has no text at all.
        let told = vec![symbol(32, 3, 4), symbol(16, 0, 3), symbol(48, 7, 1)];
        let mut symbols = Symbols::of_kernel(names, Pieces::new(texts));
        symbols.set_kernel(told);
        assert_eq!(symbols.symbol("ext4_ops"), Some(KernelAddr(IMAGE + 16)));
        assert_eq!(symbols.symbol("Text4_ops"), None);
        assert_eq!(symbols.symbol("ext4"), None);
        let named = |at| symbols.symbolise(KernelAddr(IMAGE + at));
        assert_eq!(named(15), None);
        assert_eq!(named(16), Some(("ext4_ops".to_owned(), 0)));
        assert_eq!(named(40), Some(("ext4_ops".to_owned(), 8)));
        assert_eq!(named(48), Some((String::new(), 0)));
    }

    #[test]
    fn addresses_that_are_withheld_are_told() {
        let hidden = TEXT
            .replace("ffffffff", "00000000")
            .replace("8200004", "0000000");
        assert!(Symbols::parse(hidden).are_hidden());
    }
}
