//! Hashing, keyed by a seed of the session so that no input can aim at collisions.
//!
//! Numbers that are equal hash alike whatever their type.

use std::cell::Cell;

use num_bigint::BigInt;

use super::literal::Key;
use super::literal::decimal::Hashed;
use super::{MAX_VISITS, Raise, Value, memory, work};

const FOLD: u64 = 0x9E37_79B9_7F4A_7C15;
const MAX_NESTING: u32 = 200;

thread_local! {
    /// Elements the hashing under way has looked at.
    static VISITS: Cell<u64> = const { Cell::new(0) };
    static SEED: Cell<[u64; 2]> = const { Cell::new([0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7344]) };
}

/// Sets the seed for this thread and returns the one before. Values of sessions with different seeds never
/// meet.
pub fn set_seed(seed: [u64; 2]) -> [u64; 2] {
    SEED.replace(seed)
}

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline(always)]
fn word(word: u64) -> u64 {
    let [a, b] = SEED.get();
    fold(word ^ a, b | 1).wrapping_mul(FOLD)
}

pub fn bytes(bytes: &[u8]) -> u64 {
    let [a, b] = SEED.get();
    let mut state = a ^ (bytes.len() as u64).wrapping_mul(FOLD);
    let (pairs, rest) = bytes.as_chunks::<16>();
    for pair in pairs {
        let (low, high) = pair.split_at(8);
        state = fold(load(low) ^ state, load(high) ^ b);
    }
    let (words, tail) = rest.as_chunks::<8>();
    for chunk in words {
        state = fold(u64::from_le_bytes(*chunk) ^ state, b | 1);
    }
    state = fold(load(tail) ^ state, b ^ FOLD);
    fold(state ^ b, FOLD)
}

/// Up to eight bytes as a number.
#[inline(always)]
fn load(bytes: &[u8]) -> u64 {
    let mut packed = [0; 8];
    for (to, from) in packed.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_le_bytes(packed)
}

/// The hash of a key, or `TypeError` for what cannot be one.
#[inline]
pub fn hash(value: &Value) -> Result<u64, Raise> {
    match value {
        Value::Small(text) => Ok(word(text.bits())),
        Value::Int(number) => Ok(word(*number as u64)),
        other => {
            VISITS.set(0);
            hash_nested(other, 0)
        }
    }
}

#[inline(never)]
fn hash_nested(value: &Value, depth: u32) -> Result<u64, Raise> {
    Ok(match value {
        Value::Small(text) => word(text.bits()),
        Value::Int(number) => word(*number as u64),
        Value::True => word(1),
        Value::False => word(0),
        Value::None => word(0x6E6F_6E65),
        Value::Float(number) => float(number.get()),
        Value::Big(number) => {
            work::bytes((number.bits() / 8) as usize)?;
            memory::reserve((number.bits() / 8) as usize)?;
            big(number)
        }
        Value::Str(text) => {
            let cached = text.cached_hash();
            if cached != 0 {
                return Ok(cached);
            }
            work::bytes(text.as_str().len())?;
            let hash = bytes(text.as_str().as_bytes()).max(1);
            text.set_hash(hash);
            hash
        }
        Value::Bytes(it) => {
            work::bytes(it.0.len())?;
            bytes(&it.0)
        }
        Value::Tuple(tuple) => {
            if depth > MAX_NESTING {
                return Err(Raise::nesting("hashing"));
            }
            let mut state = word(tuple.items().len() as u64 ^ FOLD);
            let visits = VISITS.get().saturating_add(tuple.items().len() as u64);
            if visits > MAX_VISITS {
                return Err(Raise::size("hashing"));
            }
            VISITS.set(visits);
            work::elements(tuple.items().len())?;
            for item in tuple.items() {
                state = fold(state ^ hash_nested(item, depth + 1)?, FOLD).wrapping_add(state.rotate_left(17));
            }
            state
        }
        Value::Range(range) => {
            let first = if range.is_empty() { 0 } else { range.start };
            word(range.len()) ^ word(first as u64).rotate_left(1)
        }
        Value::Type(name) => hash_nested(&Value::str(&name.0), depth)?,
        Value::Promise(promise) => hash_nested(&promise.observe()?, depth)?,
        Value::Native(it) => word(std::ptr::from_ref(*it) as usize as u64),
        Value::Func(it) => identity(it),
        Value::Bound(it) => identity(it),
        Value::StructType(it) => identity(it),
        Value::Module(it) => identity(it),
        Value::Error(it) => identity(it),
        Value::Literal(it) => match it.key()? {
            Key::Own => identity(it),
            Key::Bytes(kind, key) => bytes(&key) ^ word(u64::from(kind) ^ FOLD),
            Key::Number(Hashed::Int(int)) => match i64::try_from(&int) {
                Ok(small) => word(small as u64),
                Err(_) => big(&int),
            },
            Key::Number(Hashed::Float(number)) => float(number),
            Key::Number(Hashed::Own(digits, exponent)) => {
                bytes(&digits.to_bytes_le()) ^ word(exponent as u64)
            }
        },
        Value::Iter(it) => identity(it),
        Value::Set(set) if set.frozen => {
            let table = set.table.borrow();
            let visits = VISITS.get().saturating_add(table.len() as u64);
            if visits > MAX_VISITS {
                return Err(Raise::size("hashing"));
            }
            VISITS.set(visits);
            work::elements(table.len())?;
            // Whatever the order of the members.
            let sum = table.iter().fold(0_u64, |sum, entry| sum.wrapping_add(fold(entry.hash ^ FOLD, FOLD)));
            word(sum ^ (table.len() as u64).rotate_left(32))
        }
        Value::List(_)
        | Value::Dict(_)
        | Value::Set(_)
        | Value::Struct(_)
        | Value::View(_)
        | Value::Grid(_)
        | Value::Column(_) => {
            return Err(Raise::type_error(format!("unhashable type: '{}'", value.type_name())));
        }
        Value::Unset | Value::Cell(_) => return Err(Raise::type_error("unhashable value")),
    })
}

fn identity<T>(it: &std::rc::Rc<T>) -> u64 {
    word(std::rc::Rc::as_ptr(it) as usize as u64)
}

fn float(number: f64) -> u64 {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    if number.fract() == 0.0 {
        if (-TWO_63..TWO_63).contains(&number) {
            return word(number as i64 as u64);
        }
        if let Some(exact) = super::bigint::from_float(number) {
            return big(&exact);
        }
    }
    word(number.to_bits() ^ FOLD)
}

fn big(number: &BigInt) -> u64 {
    bytes(&number.to_signed_bytes_le())
}
