//! Damaged programs end in a tree or in an error, never in a panic, and errors point into the text.

use dana_lang::syntax::{Source, parse};

/// A program with every construct, to be cut and stirred.
const SAMPLE: &str = r####"#!/usr/bin/env dana
"""Module text."""
import a.b as c
import math.py as m
from .x import y, z as w
from m import *
private:n: int = 5
xs: list[int | None] = [1, -2.5e3, .5, none, True]  # trailing
d = {'k': 1, "ü": 'é\n\x41\u00e9', (1, 2): {3, 4}, private:n: ()}
struct P:
    '''doc'''
    x: int = 1   # field
    _e: dict[str, any] = {}
    def m(self, k=2) -> int:
        return self.x * k
interface I:
    area(k: float) -> float
    J
agent_blueprint B:
    name: str = "b"
agent A(B):
    name = "a"
@deco(1, k=2)
sync def f(a, b: int = 2, c=lambda (p: P) q: int = 1 :: p.x + q) -> str | None:
    if a > 1 and not b in c or a is not none:
        return f"{a!r:>{b}.2f} {{x}} {d['k']=} {'q' if a else f'{b}'}" + r'\d'
    elif a not in xs[1:-1:2]:
        for i, j in xs:
            pass
    else:
        # only a comment
    while true:
        try:
            x = [k ** 2 for k in xs if k]; y = {(k: v) for k, v in d.items()}
            break
        except (A, B) as e:
            raise E("x") from e
        except:
            continue
        finally:
            assert x == {k: v for k in z}, "m"
    with open(f'''{
        a
    }''') as h:
        h.x[0, 1:2] += 1
def p(x) = f | g(1, $$, k=2) as a | [h, i(3)]
r = p(5) if xs else -2 ** 2 ; s = (lambda x :: x)(1).a.b()[::2]
"####;

/// A small generator: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

fn check(source: &str) {
    if let Err(fault) = parse(source) {
        assert!(!fault.message.is_empty());
        assert!(fault.span.start <= fault.span.end, "{fault:?} in {source:?}");
        assert!(fault.span.end as usize <= source.len() + 1, "{fault:?} in {source:?}");
        assert!(source.is_char_boundary((fault.span.start as usize).min(source.len())), "{fault:?}");
        let position = Source::new(source).position(fault.span.start);
        assert!(position.line >= 1 && position.column >= 1);
    }
}

#[test]
fn the_sample_is_a_program() {
    if let Err(fault) = parse(SAMPLE) {
        panic!("{:?}: {fault}", Source::new(SAMPLE).position(fault.span.start));
    }
}

#[test]
fn truncated() {
    for end in 0..SAMPLE.len() {
        if let Some(start) = SAMPLE.get(..end) {
            check(start);
        }
        if let Some(rest) = SAMPLE.get(end..) {
            check(rest);
        }
    }
}

#[test]
fn one_character_replaced() {
    let characters: Vec<char> = SAMPLE.chars().collect();
    for at in 0..characters.len() {
        for new in
            ['(', ')', '{', '"', '\'', '\\', '\n', '\t', ' ', ':', '=', '!', 'é', '#', '\0', '|', '$', '9']
        {
            let mut changed = characters.clone();
            changed[at] = new;
            check(&changed.iter().collect::<String>());
        }
    }
}

#[test]
fn stirred() {
    let pieces: Vec<&str> = SAMPLE.split_inclusive(|c: char| !c.is_alphanumeric()).collect();
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    for _ in 0..20_000 {
        let length = numbers.below(60);
        let text: String = (0..length).map(|_| pieces[numbers.below(pieces.len())]).collect();
        check(&text);
    }
}

#[test]
fn lines_shuffled() {
    let lines: Vec<&str> = SAMPLE.split_inclusive('\n').collect();
    let mut numbers = Numbers(88_172_645_463_325_252);
    for _ in 0..5_000 {
        let length = numbers.below(lines.len());
        let text: String = (0..length).map(|_| lines[numbers.below(lines.len())]).collect();
        check(&text);
    }
}
