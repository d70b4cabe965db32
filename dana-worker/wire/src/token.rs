//! What a reader yields: one value's head, with its scalars borrowed from the frame.

use crate::literal::LiteralKind;
use crate::table::Table;

/// The head of one value. The items of a container follow as tokens of their own, each possibly
/// a container again; there is no closing token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// Two's complement, least significant byte first, shortest form, beyond 64 bits.
    BigInt(&'a [u8]),
    Float(f64),
    Str(&'a str),
    Bytes(&'a [u8]),
    /// So many items follow.
    List(usize),
    /// So many items follow.
    Tuple(usize),
    /// So many members follow, each hashable. Equal members are for the builder to find.
    Set(usize),
    /// The same, of a set that never changes; hashable itself.
    FrozenSet(usize),
    /// So many pairs follow, key first, each key hashable. Equal keys are for the builder to find.
    Dict(usize),
    /// A table, of which the columns without buffers follow, each a list with as many items as there are rows: that they
    /// are is for the builder to find, and equal names of columns.
    Table(Table<'a>),
    /// So many pairs follow, each a `Str` (1 to 255 bytes, no control characters) and a value. Equal
    /// names are for the builder to find.
    Struct {
        name: &'a str,
        fields: usize,
    },
    Function {
        handle: u64,
        name: &'a str,
    },
    /// A value in its one text, which is known to be well-formed: [`Literal::parse`] reads it.
    ///
    /// [`Literal::parse`]: crate::Literal::parse
    Literal {
        kind: LiteralKind,
        text: &'a str,
    },
    /// An exception as a value.
    Exception {
        kind: &'a str,
        message: &'a str,
    },
    /// A whole list of floats; read it with [`floats`].
    Floats(&'a [u8]),
    /// A whole list of integers; read it with [`ints`].
    Ints(&'a [u8]),
}

/// The elements of a [`Token::Floats`].
pub fn floats(packed: &[u8]) -> impl ExactSizeIterator<Item = f64> + '_ {
    packed.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes))
}

/// The elements of a [`Token::Ints`].
pub fn ints(packed: &[u8]) -> impl ExactSizeIterator<Item = i64> + '_ {
    packed.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes))
}
