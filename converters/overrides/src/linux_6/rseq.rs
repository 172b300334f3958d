//! What a thread registered by rseq, which lies in one structure since 6.19.

use kconv_runtime::bits::bytemuck::Zeroable;
use kconv_runtime::prelude::*;
use kernel_structs_views::linux_6::layouts::v7_2_12_deb13_amd64 as newer;

/// The only length that 6.1 takes, in bytes (6.1 kernel/rseq.c: sys_rseq).
const LENGTH: u32 = 32;

fn data(address: U64, length: U32, signature: U32) -> newer::rseq_data {
    let mut new = newer::rseq_data::zeroed();
    new.usrptr = address;
    new.len = length;
    new.sig = signature;
    new
}

/// Address, length and signature in one structure.
pub fn rseq_data(
    _cx: &mut Context<'_>,
    _at: &At<'_>,
    address: &U64,
    length: &U32,
    signature: &U32,
) -> newer::rseq_data {
    data(*address, *length, *signature)
}

/// As [`rseq_data`], of a kernel that knows one length only.
pub fn rseq_data_of_32_bytes(
    _cx: &mut Context<'_>,
    _at: &At<'_>,
    address: &U64,
    signature: &U32,
) -> newer::rseq_data {
    let length = match address.get() {
        0 => 0,
        _ => LENGTH,
    };
    data(*address, U32::new(length), *signature)
}

/// The address alone.
pub fn rseq_address(cx: &mut Context<'_>, at: &At<'_>, old: &newer::rseq_data) -> U64 {
    cx.keep(at, old.as_bytes());
    old.usrptr
}

/// The address, for a kernel that knows one length only.
pub fn rseq_address_of_32_bytes(cx: &mut Context<'_>, at: &At<'_>, old: &newer::rseq_data) -> U64 {
    if old.usrptr.get() != 0 && old.len.get() != LENGTH {
        let why = "bytes of struct rseq, of which 6.1 takes 32 only";
        cx.refuse_call(at, old.len.get().to_string(), why);
    }
    cx.keep(at, old.as_bytes());
    old.usrptr
}

/// The length, in bytes.
pub fn rseq_length(_cx: &mut Context<'_>, _at: &At<'_>, old: &newer::rseq_data) -> U32 {
    old.len
}

/// The signature.
pub fn rseq_signature(_cx: &mut Context<'_>, _at: &At<'_>, old: &newer::rseq_data) -> U32 {
    old.sig
}
