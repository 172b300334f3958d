//! Kernels and packages, byte by byte.

/// A kernel's machine, as far as its ELF file tells it.
#[derive(Copy, Clone)]
pub enum Machine {
    /// ELF32, EM_386.
    I386,
    /// ELF64, EM_X86_64.
    Amd64,
}

/// An ELF file with the types `btf` and a banner, as of a kernel that calls itself `release` and that Debian
/// calls `version`.
pub fn kernel(machine: Machine, release: &str, version: &str, btf: &[u8]) -> Vec<u8> {
    let banner = format!("Linux version {release} (a@b) (gcc) #1 SMP Debian {version}-1 (x)\n\0");
    let names = b"\0.BTF\0.rodata\0.shstrtab\0";
    let sections: [(u32, u32, &[u8]); 3] = [(1, 1, btf), (6, 1, banner.as_bytes()), (14, 3, names)];
    let is_wide = matches!(machine, Machine::Amd64);
    // Sizes of the headers (elf(5)): Elf32_Ehdr and Elf32_Shdr, Elf64_Ehdr and Elf64_Shdr.
    let (header, entry) = if is_wide { (64, 64) } else { (52, 40) };
    let word = |value: usize| match is_wide {
        true => (value as u64).to_le_bytes().to_vec(),
        false => (value as u32).to_le_bytes().to_vec(),
    };
    let mut contents = Vec::new();
    let mut table = vec![0; entry];
    for (name, kind, data) in sections {
        table.extend(name.to_le_bytes());
        table.extend(kind.to_le_bytes());
        table.extend(word(0));
        table.extend(word(0));
        table.extend(word(header + contents.len()));
        table.extend(word(data.len()));
        table.extend([0; 8]);
        table.extend(word(1));
        table.extend(word(0));
        contents.extend_from_slice(data);
        contents.resize(contents.len().next_multiple_of(8), 0);
    }
    let mut elf = b"\x7fELF".to_vec();
    elf.extend([if is_wide { 2 } else { 1 }, 1, 1, 0]);
    elf.resize(16, 0);
    elf.extend(2u16.to_le_bytes());
    elf.extend((if is_wide { 62u16 } else { 3 }).to_le_bytes());
    elf.extend(1u32.to_le_bytes());
    elf.extend(word(0));
    elf.extend(word(0));
    elf.extend(word(header + contents.len()));
    elf.extend(0u32.to_le_bytes());
    for half in [header, 0, 0, entry, sections.len() + 1, sections.len()] {
        elf.extend((half as u16).to_le_bytes());
    }
    elf.extend(contents);
    elf.extend(table);
    elf
}

/// A package with a control file and other files (deb(5)), none of it compressed.
pub fn deb(name: &str, version: &str, depends: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let control = format!("Package: {name}\nVersion: {version}\nDepends: {depends}\nSize: 7\n");
    let mut data = b"!<arch>\n".to_vec();
    for (member, bytes) in [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar", tar(&[("control", control.as_bytes())])),
        ("data.tar", tar(files)),
    ] {
        let length = bytes.len();
        let header = format!(
            "{member:<16}{:<12}{:<6}{:<6}{:<8}{length:<10}`\n",
            0, 0, 0, 100644
        );
        data.extend_from_slice(header.as_bytes());
        data.extend_from_slice(&bytes);
        data.resize(data.len().next_multiple_of(2), b'\n');
    }
    data
}

/// A tar file (tar(5), ustar).
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (path, data) in files {
        let mut header = [0u8; 512];
        let mut put = |at: usize, text: &str| {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(0, &format!("./{path}"));
        put(100, "0000644");
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{:011o}", data.len()));
        put(136, "00000000000");
        put(148, "        ");
        put(156, "0");
        put(257, "ustar");
        put(263, "00");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend(header);
        tar.extend_from_slice(data);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}
