//! Tests of reading and writing BTF, on BTF made byte by byte.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod hostile;
mod kinds;
mod round_trip;

use super::*;
use crate::layout::*;
use crate::units::{BitOffset, BitSize, ByteSize};

/// BTF as its author wants it, right or wrong.
#[derive(Clone)]
struct RawBtf {
    types: Vec<u8>,
    strings: Vec<u8>,
}

const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FWD: u32 = 7;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const FLOAT: u32 = 16;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

const KIND_FLAG: u32 = 1 << 31;

impl RawBtf {
    fn new() -> RawBtf {
        RawBtf {
            types: Vec::new(),
            strings: vec![0],
        }
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let offset = self.strings.len() as u32;
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        offset
    }

    /// A record; `kind` may have `KIND_FLAG` in it.
    fn record(
        &mut self,
        kind: u32,
        name: &str,
        vlen: u32,
        size_or_type: u32,
        rest: &[u32],
    ) -> &mut RawBtf {
        let name = self.string(name);
        let info = (kind & KIND_FLAG) | (kind & !KIND_FLAG) << 24 | vlen;
        for word in [name, info, size_or_type].iter().chain(rest) {
            self.types.extend(word.to_le_bytes());
        }
        self
    }

    /// An integer with all the bits of its bytes.
    fn int(&mut self, name: &str, size: u32, encoding: u32) -> &mut RawBtf {
        self.record(INT, name, 0, size, &[(encoding << 24) | (size * 8)])
    }

    fn long(&mut self) -> &mut RawBtf {
        self.int("long int", 4, 1)
    }

    /// The bytes, with `extra` more in the header than version 1 has.
    fn bytes_with_header(&self, extra: u32) -> Vec<u8> {
        let mut data = vec![0x9f, 0xeb, 1, 0];
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        for word in [24 + extra, 0, types, types, strings] {
            data.extend(word.to_le_bytes());
        }
        data.resize(24 + extra as usize, 0xaa);
        data.extend(&self.types);
        data.extend(&self.strings);
        data
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes_with_header(0)
    }

    fn read(&self) -> Result<Layout, BtfError> {
        read(&self.bytes())
    }
}

/// Type `id` of the file, which is the same in the layout as long as nothing is left out.
fn ty(layout: &Layout, id: usize) -> &Type {
    layout.types().nth(id).unwrap().1
}

/// BTF with every kind in it.
fn every_kind() -> RawBtf {
    let mut btf = RawBtf::new();
    btf.long(); // 1
    let member =
        |btf: &mut RawBtf, name: &str, ty: u32, offset: u32| [btf.string(name), ty, offset];
    let members = [
        member(&mut btf, "array", 4, 0),
        member(&mut btf, "pointer", 3, 64),
        member(&mut btf, "bits", 1, 96 | 3 << 24),
        member(&mut btf, "level", 6, 100 | 2 << 24),
        member(&mut btf, "", 5, 128),
    ];
    btf.record(STRUCT | KIND_FLAG, "s", 5, 24, members.as_flattened()); // 2
    btf.record(PTR, "", 0, 2, &[]); // 3
    btf.record(ARRAY, "", 0, 0, &[1, 1, 2]); // 4
    let members = [member(&mut btf, "a", 7, 0), member(&mut btf, "b", 9, 0)];
    btf.record(UNION, "", 2, 8, members.as_flattened()); // 5
    let values = [btf.string("LOW"), 0, btf.string("HIGH"), u32::MAX];
    btf.record(ENUM, "level", 2, 4, &values); // 6
    btf.record(TYPEDEF, "long_t", 0, 8, &[]); // 7
    btf.record(VOLATILE, "", 0, 1, &[]); // 8
    btf.record(FLOAT, "double", 0, 8, &[]); // 9
    btf.record(CONST, "", 0, 3, &[]); // 10
    btf.record(RESTRICT, "", 0, 3, &[]); // 11
    btf.record(TYPE_TAG, "user", 0, 1, &[]); // 12
    btf.record(PTR, "", 0, 12, &[]); // 13
    btf.record(FWD | KIND_FLAG, "later", 0, 0, &[]); // 14
    let parameters = [btf.string("x"), 1, 0, 0];
    btf.record(FUNC_PROTO, "", 2, 13, &parameters); // 15
    let low_high = [
        btf.string("ALL"),
        u32::MAX,
        u32::MAX,
        btf.string("MIN"),
        0,
        1 << 31,
    ];
    btf.record(ENUM64 | KIND_FLAG, "wide", 2, 8, &low_high); // 16
    btf.record(FUNC, "call", 1, 15, &[]); // 17
    btf.record(VAR, "jiffies", 0, 8, &[1]); // 18
    btf.record(DATASEC, ".data", 1, 8, &[18, 0, 4]); // 19
    btf.record(DECL_TAG, "bpf_fastcall", 0, 2, &[0xffff_ffff]); // 20
    btf
}
