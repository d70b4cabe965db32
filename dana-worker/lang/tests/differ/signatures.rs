//! What can be called with what: the builtin functions of section 11 and the methods of section 12, as data.
//!
//! `[receiver.]name(parameters) -> result`. A parameter is a pattern, `?` after it when it may be left out, `name=` before
//! it when it may be given by name, `name==` when it must be. Patterns are types, variables (`E K V R`; `O P` are of
//! ordered types), `iter[E]` (anything that gives `E`s in an order), `bag[E]` (in any order), `sized`, `any`, `num`, `size` (a small count),
//! `char` and `fn[A,R]`.

use std::sync::OnceLock;

use super::types::Ty;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    Exact(Ty),
    Variable(char),
    List(Box<Pattern>),
    Tuple(Vec<Pattern>),
    Dict(Box<Pattern>, Box<Pattern>),
    Set(Box<Pattern>),
    Iter(Box<Pattern>),
    Bag(Box<Pattern>),
    Function(Vec<Pattern>, Box<Pattern>),
    Or(Vec<Pattern>),
    Sized,
    Any,
    Number,
    Size,
    Char,
}

#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) pattern: Pattern,
    pub(crate) name: Option<String>,
    pub(crate) only_named: bool,
    pub(crate) optional: bool,
}

#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) receiver: Option<Pattern>,
    pub(crate) name: String,
    pub(crate) params: Vec<Param>,
    pub(crate) result: Pattern,
}

const TEXT: &str = "
str.upper() -> str
str.lower() -> str
str.title() -> str
str.capitalize() -> str
str.swapcase() -> str
str.casefold() -> str
str.strip(str|none?) -> str
str.lstrip(str|none?) -> str
str.rstrip(str|none?) -> str
str.split(sep=str|none?, maxsplit=int?) -> list[str]
str.rsplit(sep=str|none?, maxsplit=int?) -> list[str]
str.split(char, int?) -> list[str]
str.rsplit(char, int?) -> list[str]
str.splitlines(keepends=bool?) -> list[str]
str.join(iter[str]) -> str
str.replace(str, str, int?) -> str
str.replace(char, str) -> str
str.find(str, int|none?, int|none?) -> int
str.rfind(str, int|none?, int|none?) -> int
str.find(char, int|none?, int|none?) -> int
str.rfind(char, int|none?, int|none?) -> int
str.index(char, int|none?, int|none?) -> int
str.rindex(char, int|none?, int|none?) -> int
str.count(str, int|none?, int|none?) -> int
str.count(char, int|none?, int|none?) -> int
str.startswith(str|tuple[str,char], int|none?, int|none?) -> bool
str.endswith(str|tuple[str,char], int|none?, int|none?) -> bool
str.center(size, char?) -> str
str.ljust(size, char?) -> str
str.rjust(size, char?) -> str
str.zfill(size) -> str
str.expandtabs(tabsize=size?) -> str
str.isalpha() -> bool
str.isdigit() -> bool
str.isalnum() -> bool
str.isspace() -> bool
str.isupper() -> bool
str.islower() -> bool
str.isnumeric() -> bool
str.isdecimal() -> bool
str.isidentifier() -> bool
str.istitle() -> bool
str.isascii() -> bool
str.isprintable() -> bool
str.partition(char|str) -> tuple[str,str,str]
str.rpartition(char|str) -> tuple[str,str,str]
str.removeprefix(str|char) -> str
str.removesuffix(str|char) -> str
str.translate(dict[int,str]) -> str
str.translate(dict[int,int]) -> str
list[E].append(E) -> none
list[E].extend(iter[E]) -> none
list[E].insert(size, E) -> none
list[E].pop(size?) -> E
list[E].remove(E) -> none
list[E].clear() -> none
list[E].index(E, size?, size?) -> int
list[E].count(E) -> int
list[O].sort(key==fn[O,P]?, reverse==bool?) -> none
list[E].sort(key==fn[E,O], reverse==bool?) -> none
list[E].reverse() -> none
list[E].copy() -> list[E]
tuple[E,E,E].count(E) -> int
tuple[E,E].index(E, size?, size?) -> int
range.index(int) -> int
range.count(int) -> int
dict[K,V].get(K, V?) -> V
dict[K,V].get(K) -> V
dict[K,V].keys() -> any
dict[K,V].values() -> any
dict[K,V].items() -> any
dict[K,V].pop(K, V?) -> V
dict[K,V].popitem() -> tuple[K,V]
dict[K,V].setdefault(K, V?) -> V
dict[K,V].update(dict[K,V]) -> none
dict[K,V].update(iter[tuple[K,V]]) -> none
dict[str,V].update(a==V, b==V?) -> none
dict[K,V].clear() -> none
dict[K,V].copy() -> dict[K,V]
dict[K,V].fromkeys(iter[K], V?) -> dict[K,V]
set[K].add(K) -> none
set[K].remove(K) -> none
set[K].discard(K) -> none
set[K].clear() -> none
set[K].copy() -> set[K]
set[K].union(bag[K]?, bag[K]?) -> set[K]
set[K].intersection(bag[K]?, bag[K]?) -> set[K]
set[K].difference(bag[K]?, bag[K]?) -> set[K]
set[K].symmetric_difference(bag[K]) -> set[K]
set[K].update(bag[K]?, bag[K]?) -> none
set[K].intersection_update(bag[K]) -> none
set[K].difference_update(bag[K]) -> none
set[K].symmetric_difference_update(bag[K]) -> none
set[K].issubset(bag[K]) -> bool
set[K].issuperset(bag[K]) -> bool
set[K].isdisjoint(bag[K]) -> bool
int.bit_length() -> int
int.bit_count() -> int
int.is_integer() -> bool
float.is_integer() -> bool
float.as_integer_ratio() -> tuple[int,int]
int.as_integer_ratio() -> tuple[int,int]
len(sized) -> int
sum(bag[int]) -> int
sum(bag[int], start=int) -> int
sum(iter[float]) -> float
sum(iter[num]) -> any
sum(iter[list[E]], list[E]) -> list[E]
max(bag[O]) -> O
min(bag[O]) -> O
max(iter[O], key==fn[O,P]?, default==O?) -> O
min(iter[O], key==fn[O,P]?, default==O?) -> O
max(iter[E], key==fn[E,O], default==E?) -> E
min(iter[E], key==fn[E,O]) -> E
max(O, O, O?) -> O
min(O, O, O?, key==fn[O,P]?) -> O
max(num, num) -> any
min(num, num) -> any
abs(int) -> int
abs(float) -> float
abs(bool) -> int
round(float) -> int
round(float, size) -> float
round(float, int|none) -> any
round(int, size?) -> int
int(str) -> int
int(float) -> int
int(bool|int) -> int
float(str) -> float
float(int|bool|float) -> float
bool(num|none|list[E]|dict[K,V]|tuple[E]|range) -> bool
str(any) -> str
list(iter[E]) -> list[E]
tuple(iter[E]) -> tuple[E,E]
set(bag[K]) -> set[K]
dict(iter[tuple[K,V]]) -> dict[K,V]
dict(dict[str,V], a==V?, b==V?) -> dict[str,V]
dict(a==V?, b==V?, c==V?) -> dict[str,V]
sorted(bag[O], reverse==bool?) -> list[O]
sorted(iter[O], key==fn[O,P]?, reverse==bool?) -> list[O]
sorted(iter[E], key==fn[E,O], reverse==bool?) -> list[E]
all(bag[E]) -> bool
any(bag[E]) -> bool
range(size) -> range
range(size, size) -> range
range(size, size, size) -> range
range(int, int, int) -> range
chr(size) -> str
ord(char) -> int
ord(str) -> int
print(any) -> none
";

/// All of them.
pub(crate) fn all() -> &'static [Signature] {
    static ALL: OnceLock<Vec<Signature>> = OnceLock::new();
    ALL.get_or_init(|| TEXT.lines().filter(|line| !line.is_empty()).map(signature).collect())
}

fn signature(line: &str) -> Signature {
    let (head, rest) = line.split_once('(').expect("a parameter list");
    let (params, result) = rest.rsplit_once(") -> ").expect("a result");
    let (receiver, name) = match head.rsplit_once('.') {
        Some((receiver, name)) => (Some(pattern(receiver)), name),
        None => (None, head),
    };
    let params = split(params, ',').into_iter().map(param).collect();
    Signature { receiver, name: name.to_owned(), params, result: pattern(result) }
}

fn param(source: &str) -> Param {
    let (source, optional) = source.strip_suffix('?').map_or((source, false), |source| (source, true));
    let (name, source, only_named) = match source.split_once('=') {
        Some((name, rest)) => match rest.strip_prefix('=') {
            Some(rest) => (Some(name.to_owned()), rest, true),
            None => (Some(name.to_owned()), rest, false),
        },
        None => (None, source, false),
    };
    Param { pattern: pattern(source), name, only_named, optional }
}

fn pattern(source: &str) -> Pattern {
    let choices = split(source, '|');
    if choices.len() > 1 {
        return Pattern::Or(choices.into_iter().map(pattern).collect());
    }
    if let Some((head, inner)) = source.strip_suffix(']').and_then(|source| source.split_once('[')) {
        let mut inner: Vec<Pattern> = split(inner, ',').into_iter().map(pattern).collect();
        let last = inner.pop().map_or_else(|| Box::new(Pattern::Any), Box::new);
        return match head {
            "list" => Pattern::List(last),
            "set" => Pattern::Set(last),
            "iter" => Pattern::Iter(last),
            "bag" => Pattern::Bag(last),
            "dict" => Pattern::Dict(Box::new(inner.remove(0)), last),
            "fn" => Pattern::Function(inner, last),
            "tuple" => {
                inner.push(*last);
                Pattern::Tuple(inner)
            }
            _ => panic!("no pattern {source:?}"),
        };
    }
    match source {
        "int" => Pattern::Exact(Ty::Int),
        "float" => Pattern::Exact(Ty::Float),
        "str" => Pattern::Exact(Ty::Str),
        "bool" => Pattern::Exact(Ty::Bool),
        "none" => Pattern::Exact(Ty::None),
        "range" => Pattern::Exact(Ty::Range),
        "sized" => Pattern::Sized,
        "any" => Pattern::Any,
        "num" => Pattern::Number,
        "size" => Pattern::Size,
        "char" => Pattern::Char,
        _ => match source.chars().next() {
            Some(name) if source.len() == 1 => Pattern::Variable(name),
            _ => panic!("no pattern {source:?}"),
        },
    }
}

/// Splits outside brackets.
fn split(source: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, character) in source.char_indices() {
        match character {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ if character == separator && depth == 0 => {
                parts.push(source[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = source[start..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}
