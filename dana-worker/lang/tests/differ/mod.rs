//! The same program in Dana and in Python, made from bytes, run by both, compared.
//!
//! The grammar covers what means the same in both languages. Where only the spelling differs, the two spellings of one
//! tree differ; where a rule of Dana differs, `oracle.py` follows Dana's rule; what is left out says why.

pub(crate) mod choices;
pub(crate) mod formats;
pub(crate) mod generate;
pub(crate) mod interpreter;
pub(crate) mod literals;
pub(crate) mod oracle;
pub(crate) mod signatures;
pub(crate) mod spell_dana;
pub(crate) mod spell_python;
pub(crate) mod statements;
pub(crate) mod tree;
pub(crate) mod types;
pub(crate) mod verdict;
