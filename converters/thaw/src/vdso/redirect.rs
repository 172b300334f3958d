//! Jumps from the functions of an old vDSO to those of a new one.

use kernel_structs_bits::little_endian;

/// Why the functions of an old vDSO cannot lead to those of a new one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RedirectError {
    /// One of them is no ELF library with symbols.
    #[error("{which} is no library with symbols")]
    Library {
        /// Which.
        which: &'static str,
    },
    /// There is nothing for a function to lead to.
    #[error("{name} is neither in the new one nor a system call")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// A function has no room for a jump.
    #[error("{name} has {size} bytes; a jump needs {needed}")]
    Short {
        /// Its name.
        name: String,
        /// Its size.
        size: u64,
        /// What is needed.
        needed: usize,
    },
}

/// A function: its name, where it begins from the start of the library, how long it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Function {
    name: String,
    start: u64,
    size: u64,
}

/// Functions that ask nothing of the kernel and read nothing of it: they give a robust futex free and clear the
/// pointer to it, the one with 64 bits and the other with 32 (7.2 `arch/x86/entry/vdso/common/vfutex.c`). A kernel that
/// has them lets no signal come between the two (7.2 `include/linux/futex.h`: futex_fixup_robust_unlock).
const WITHOUT_KERNEL: [&str; 2] = [
    "__vdso_futex_robust_list64_try_unlock",
    "__vdso_futex_robust_list32_try_unlock",
];

/// Writes a jump to the function of the same name in `new`, which lies at `new_at`, over the
/// beginning of each function of `old`. One that `new` has not becomes the system call that it is
/// faster than, or stays if it needs no kernel. Gives the names of those that stay.
pub(crate) fn redirect(
    old: &mut [u8],
    new: &[u8],
    new_at: u64,
) -> Result<Vec<String>, RedirectError> {
    let functions = functions(old).ok_or(RedirectError::Library {
        which: "the vDSO of the image",
    })?;
    let targets = self::functions(new).ok_or(RedirectError::Library {
        which: "the vDSO of this kernel",
    })?;
    let mut stay = Vec::new();
    for function in functions {
        let target = targets.iter().find(|target| target.name == function.name);
        let code = match target {
            Some(target) => jump(new_at.wrapping_add(target.start)),
            None if WITHOUT_KERNEL.contains(&function.name.as_str()) => {
                stay.push(function.name);
                continue;
            }
            None => system_call(&function.name).ok_or_else(|| RedirectError::Unknown {
                name: function.name.clone(),
            })?,
        };
        let start = function.start as usize;
        let place = old.get_mut(start..start.saturating_add(code.len()));
        let fits = function.size >= code.len() as u64;
        match place {
            Some(place) if fits => place.copy_from_slice(&code),
            _ => {
                return Err(RedirectError::Short {
                    name: function.name,
                    size: function.size,
                    needed: code.len(),
                });
            }
        }
    }
    Ok(stay)
}

/// The functions of `old` that nothing stands for on a kernel without them.
pub(crate) fn without_stand_in(old: &[u8]) -> Result<Vec<String>, RedirectError> {
    let functions = functions(old).ok_or(RedirectError::Library {
        which: "the vDSO of the image",
    })?;
    let names = functions.into_iter().map(|function| function.name);
    let known = |name: &str| WITHOUT_KERNEL.contains(&name) || system_call(name).is_some();
    Ok(names.filter(|name| !known(name)).collect())
}

/// `movabs $target, %r11; jmp *%r11`: the register that a call may always change.
fn jump(target: u64) -> Vec<u8> {
    let mut code = vec![0x49, 0xbb];
    code.extend(target.to_le_bytes());
    code.extend([0x41, 0xff, 0xe3]);
    code
}

/// The function as the system call of the same arguments: `mov $number, %eax; syscall; ret`. One that the kernel cannot
/// do says so.
fn system_call(name: &str) -> Option<Vec<u8>> {
    let number: u32 = match name.strip_prefix("__vdso_").unwrap_or(name) {
        "gettimeofday" => 96,
        "time" => 201,
        "clock_gettime" => 228,
        "clock_getres" => 229,
        "getcpu" => 309,
        // Asked for the size of its state (arguments five: all ones), it has to say that there is no
        // such function: `cmp $-1, %r8; je` to `mov $-ENOSYS, %rax; ret`.
        "getrandom" => {
            return Some(vec![
                0x49, 0x83, 0xf8, 0xff, 0x74, 0x08, 0xb8, 0x3e, 0x01, 0x00, 0x00, 0x0f, 0x05, 0xc3,
                0x48, 0xc7, 0xc0, 0xda, 0xff, 0xff, 0xff, 0xc3,
            ]);
        }
        // No system call. An enclave is memory of a device, which no program of an image has, and a kernel without the
        // function has none (6.1 arch/x86/entry/vdso/vsgx.S): `mov $-ENOSYS, %eax; ret`.
        "sgx_enter_enclave" => return Some(vec![0xb8, 0xda, 0xff, 0xff, 0xff, 0xc3]),
        _ => return None,
    };
    let mut code = vec![0xb8];
    code.extend(number.to_le_bytes());
    code.extend([0x0f, 0x05, 0xc3]);
    Some(code)
}

/// The functions that a library offers, from its dynamic symbols (System V ABI, chapters 4 and 5).
fn functions(library: &[u8]) -> Option<Vec<Function>> {
    const SHT_DYNSYM: u64 = 11;
    const STT_FUNC: u64 = 2;
    let number = |at: u64, into: u64, size: u64| -> Option<u64> {
        let start = usize::try_from(at.checked_add(into)?).ok()?;
        let end = start.checked_add(size as usize)?;
        library.get(start..end).map(little_endian)
    };
    if number(0, 0, 4)? != 0x464c_457f {
        return None;
    }
    // e_shoff, e_shentsize, e_shnum.
    let (table, entry, count) = (number(0, 40, 8)?, number(0, 58, 2)?, number(0, 60, 2)?);
    let section = |index: u64| table.checked_add(index.checked_mul(entry)?);
    let symbols = (0..count).find_map(|index| {
        let at = section(index)?;
        (number(at, 4, 4)? == SHT_DYNSYM).then_some(at)
    })?;
    // sh_offset, sh_size, sh_link.
    let (offset, size) = (number(symbols, 24, 8)?, number(symbols, 32, 8)?);
    let names = number(section(number(symbols, 40, 4)?)?, 24, 8)?;
    let mut functions = Vec::new();
    for symbol in (0..size / 24).map(|index| offset.checked_add(24 * index)) {
        let symbol = symbol?;
        let kind = number(symbol, 4, 1)? & 0xf;
        let defined = number(symbol, 6, 2)? != 0;
        if kind != STT_FUNC || !defined {
            continue;
        }
        let name = names.checked_add(number(symbol, 0, 4)?)?;
        let name = library.get(usize::try_from(name).ok()?..)?;
        let name = name.split(|byte| *byte == 0).next()?;
        functions.push(Function {
            name: String::from_utf8_lossy(name).into_owned(),
            start: number(symbol, 8, 8)?,
            size: number(symbol, 16, 8)?,
        });
    }
    (!functions.is_empty()).then_some(functions)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const ROOM: u64 = 0x40;
    const CODE: usize = 0x400;

    /// A library with these functions, each with `ROOM` bytes of code from `CODE` on.
    fn library(names: &[&str]) -> Vec<u8> {
        const SECTIONS: usize = 0x100;
        let mut library = vec![0; CODE + names.len() * ROOM as usize];
        let put = |library: &mut Vec<u8>, at: usize, bytes: &[u8]| {
            library[at..at + bytes.len()].copy_from_slice(bytes);
        };
        put(&mut library, 0, b"\x7fELF");
        put(&mut library, 40, &(SECTIONS as u64).to_le_bytes());
        put(&mut library, 58, &[64, 0, 3, 0]);
        // Section 1 has the symbols, section 2 their names.
        let (symbols, strings) = (0x200, 0x380);
        put(&mut library, SECTIONS + 64 + 4, &[11]);
        let place = |at: usize, size: usize| [at as u64, size as u64].map(u64::to_le_bytes);
        let at = place(symbols, 24 * (names.len() + 1));
        put(&mut library, SECTIONS + 64 + 24, at.as_flattened());
        put(&mut library, SECTIONS + 64 + 40, &[2]);
        let at = place(strings, 0x80);
        put(&mut library, SECTIONS + 128 + 24, at.as_flattened());
        let mut name_at = 1;
        for (index, name) in names.iter().enumerate() {
            let at = symbols + 24 * (index + 1);
            let start = CODE as u64 + index as u64 * ROOM;
            put(&mut library, at, &(name_at as u32).to_le_bytes());
            put(&mut library, at + 4, &[0x12, 0, 1, 0]);
            put(
                &mut library,
                at + 8,
                place(start as usize, ROOM as usize).as_flattened(),
            );
            put(&mut library, strings + name_at, name.as_bytes());
            name_at += name.len() + 1;
        }
        library
    }

    #[test]
    fn functions_jump_to_their_namesakes_and_others_become_calls() {
        let mut old = library(&["__vdso_time", "__vdso_getrandom"]);
        let new = library(&["__vdso_getcpu", "__vdso_time"]);
        redirect(&mut old, &new, 0x7000_0000).unwrap();
        let target = 0x7000_0000 + CODE as u64 + ROOM;
        let code = &old[CODE..];
        assert_eq!(code[..2], [0x49, 0xbb]);
        assert_eq!(code[2..10], target.to_le_bytes());
        assert_eq!(code[10..13], [0x41, 0xff, 0xe3]);
        // mov $318, %eax; syscall; ret
        let call = &old[CODE + ROOM as usize + 6..];
        assert_eq!(call[..8], [0xb8, 0x3e, 1, 0, 0, 0x0f, 5, 0xc3]);
    }

    #[test]
    fn an_enclave_cannot_be_entered_where_there_is_none() {
        let mut old = library(&["__vdso_sgx_enter_enclave", "__vdso_time"]);
        let stay = redirect(&mut old, &library(&["__vdso_time"]), 0).unwrap();
        assert_eq!(stay, [""; 0]);
        assert_eq!(old[CODE..CODE + 6], [0xb8, 0xda, 0xff, 0xff, 0xff, 0xc3]);
    }

    #[test]
    fn a_function_that_needs_no_kernel_stays_where_the_new_one_has_none() {
        let name = "__vdso_futex_robust_list64_try_unlock";
        let mut old = library(&[name, "__vdso_time"]);
        let own = CODE..CODE + ROOM as usize;
        old[own.clone()].fill(0x90);
        let stay = redirect(&mut old, &library(&["__vdso_time"]), 0x7000_0000).unwrap();
        assert_eq!(stay, [name]);
        assert_eq!(old[own.clone()], [0x90; ROOM as usize]);
        assert_eq!(old[own.end..own.end + 2], [0x49, 0xbb]);
        // One that has it knows where its own is.
        let stay = redirect(&mut old, &library(&[name, "__vdso_time"]), 0).unwrap();
        assert_eq!(stay, [""; 0]);
        assert_eq!(old[own.start..own.start + 2], [0x49, 0xbb]);
    }

    #[test]
    fn a_function_that_nothing_stands_for_is_told() {
        let mut old = library(&["__vdso_unheard_of"]);
        let error = redirect(&mut old, &library(&["__vdso_time"]), 0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "__vdso_unheard_of is neither in the new one nor a system call"
        );
        assert_eq!(without_stand_in(&old).unwrap(), ["__vdso_unheard_of"]);
        let known = ["time", "__vdso_getrandom", WITHOUT_KERNEL[1]];
        assert_eq!(without_stand_in(&library(&known)).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_no_library_is_told_wherever_it_ends() {
        let whole = library(&["__vdso_time"]);
        for length in 0..whole.len() - ROOM as usize {
            let mut old = whole[..length].to_vec();
            assert!(redirect(&mut old, &whole, 0).is_err(), "{length}");
        }
    }
}
