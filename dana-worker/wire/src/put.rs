//! Numbers, lengths and counts in the shortest form that MessagePack has for them.

use crate::marker::*;

#[inline]
fn put<const N: usize>(out: &mut Vec<u8>, marker: u8, bytes: [u8; N]) {
    out.push(marker);
    out.extend_from_slice(&bytes);
}

#[inline]
pub(crate) fn put_int(out: &mut Vec<u8>, int: i64) {
    if let Ok(unsigned) = u64::try_from(int) {
        return put_uint(out, unsigned);
    }
    if int >= -32 {
        out.push(int.to_le_bytes()[0]);
    } else if let Ok(int) = i8::try_from(int) {
        put(out, I8, int.to_be_bytes());
    } else if let Ok(int) = i16::try_from(int) {
        put(out, I16, int.to_be_bytes());
    } else if let Ok(int) = i32::try_from(int) {
        put(out, I32, int.to_be_bytes());
    } else {
        put(out, I64, int.to_be_bytes());
    }
}

#[inline]
pub(crate) fn put_uint(out: &mut Vec<u8>, int: u64) {
    if int < 0x80 {
        out.push(int.to_le_bytes()[0]);
    } else if let Ok(int) = u8::try_from(int) {
        put(out, U8, int.to_be_bytes());
    } else if let Ok(int) = u16::try_from(int) {
        put(out, U16, int.to_be_bytes());
    } else if let Ok(int) = u32::try_from(int) {
        put(out, U32, int.to_be_bytes());
    } else {
        put(out, U64, int.to_be_bytes());
    }
}

#[inline]
pub(crate) fn put_str(out: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(len @ 0..=31) => out.push(0xa0 | len),
        _ => put_length(out, STR8, text.len()),
    }
    out.extend_from_slice(text.as_bytes());
}

/// A length of 1, 2 or 4 bytes behind the marker for it; the three markers are neighbours.
pub(crate) fn put_length(out: &mut Vec<u8>, marker8: u8, len: usize) {
    if let Ok(len) = u8::try_from(len) {
        put(out, marker8, len.to_be_bytes());
    } else if let Ok(len) = u16::try_from(len) {
        put(out, marker8 + 1, len.to_be_bytes());
    } else {
        put(out, marker8 + 2, clamped(len).to_be_bytes());
    }
}

pub(crate) fn put_extension(out: &mut Vec<u8>, kind: u8, len: usize) {
    match len {
        // Packed lists come in eights, big integers begin at nine: the shorter fixed forms cannot occur.
        8 => out.push(FIXEXT8),
        16 => out.push(FIXEXT16),
        _ => put_length(out, EXT8, len),
    }
    out.push(kind);
}

#[inline]
pub(crate) fn put_array(out: &mut Vec<u8>, count: usize) {
    match u8::try_from(count) {
        Ok(count @ 0..=15) => out.push(0x90 | count),
        _ => put_count(out, ARRAY16, count),
    }
}

#[inline]
pub(crate) fn put_map(out: &mut Vec<u8>, count: usize) {
    match u8::try_from(count) {
        Ok(count @ 0..=15) => out.push(0x80 | count),
        _ => put_count(out, MAP16, count),
    }
}

fn put_count(out: &mut Vec<u8>, marker16: u8, count: usize) {
    match u16::try_from(count) {
        Ok(count) => put(out, marker16, count.to_be_bytes()),
        Err(_) => put(out, marker16 + 1, clamped(count).to_be_bytes()),
    }
}

pub(crate) fn put_tagged(out: &mut Vec<u8>, kind: u8, items: usize) {
    put_array(out, items + 1);
    out.extend_from_slice(&[FIXEXT1, EXT_TAG, kind]);
}

/// Lengths are checked against a frame's size, which is less than 4 GiB, before they come here.
fn clamped(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
