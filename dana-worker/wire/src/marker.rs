//! The bytes of the encoding: MessagePack's markers, our extension types and the kind bytes.

pub(crate) const NIL: u8 = 0xc0;
pub(crate) const FALSE: u8 = 0xc2;
pub(crate) const TRUE: u8 = 0xc3;
pub(crate) const BIN8: u8 = 0xc4;
pub(crate) const BIN16: u8 = 0xc5;
pub(crate) const BIN32: u8 = 0xc6;
pub(crate) const EXT8: u8 = 0xc7;
pub(crate) const EXT16: u8 = 0xc8;
pub(crate) const EXT32: u8 = 0xc9;
pub(crate) const F64: u8 = 0xcb;
pub(crate) const U8: u8 = 0xcc;
pub(crate) const U16: u8 = 0xcd;
pub(crate) const U32: u8 = 0xce;
pub(crate) const U64: u8 = 0xcf;
pub(crate) const I8: u8 = 0xd0;
pub(crate) const I16: u8 = 0xd1;
pub(crate) const I32: u8 = 0xd2;
pub(crate) const I64: u8 = 0xd3;
pub(crate) const FIXEXT1: u8 = 0xd4;
pub(crate) const FIXEXT8: u8 = 0xd7;
pub(crate) const FIXEXT16: u8 = 0xd8;
pub(crate) const STR8: u8 = 0xd9;
pub(crate) const STR16: u8 = 0xda;
pub(crate) const STR32: u8 = 0xdb;
pub(crate) const ARRAY16: u8 = 0xdc;
pub(crate) const ARRAY32: u8 = 0xdd;
pub(crate) const MAP16: u8 = 0xde;
pub(crate) const MAP32: u8 = 0xdf;

/// One byte that says what the array it opens really is; see the kinds below.
pub(crate) const EXT_TAG: u8 = 1;
/// Two's complement, least significant byte first, shortest form, always beyond 64 bits.
pub(crate) const EXT_BIGINT: u8 = 2;
/// A list of 64-bit floats, least significant byte first.
pub(crate) const EXT_FLOATS: u8 = 3;
/// A list of 64-bit signed integers, least significant byte first.
pub(crate) const EXT_INTS: u8 = 4;

pub(crate) const KIND_TUPLE: u8 = b't';
pub(crate) const KIND_SET: u8 = b's';
pub(crate) const KIND_TABLE: u8 = b'T';
pub(crate) const KIND_FROZEN_SET: u8 = b'z';
pub(crate) const KIND_STRUCT: u8 = b'S';
pub(crate) const KIND_FUNCTION: u8 = b'f';
pub(crate) const KIND_EXCEPTION: u8 = b'e';
// The tags of literals are `LiteralKind`'s.
