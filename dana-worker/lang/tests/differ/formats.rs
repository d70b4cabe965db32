//! The three ways of formatting: f-strings, `str.format` and `%`.

use super::generate::Generator;
use super::literals;
use super::spell_dana;
use super::tree::{Argument, Expr, Piece};
use super::types::Ty;

/// A format specification, right for the type more often than not.
fn spec(generator: &mut Generator<'_>, ty: &Ty) -> String {
    let choices = &mut generator.choices;
    let mut spec = String::new();
    if choices.once_in(3) {
        if choices.below(2) == 0 {
            spec.push(choices.pick(&['*', '0', ' ', 'é', '-', 'x', '😀', '<', '=']));
        }
        spec.push(choices.pick(&['<', '>', '^', '=']));
    }
    let number = matches!(ty, Ty::Int | Ty::Float | Ty::Bool) || choices.once_in(20);
    if number {
        if choices.once_in(4) {
            spec.push(choices.pick(&['+', '-', ' ']));
        }
        if choices.once_in(8) {
            spec.push('z');
        }
        if choices.once_in(5) {
            spec.push('#');
        }
        if choices.once_in(5) {
            spec.push('0');
        }
    }
    if choices.below(2) == 0 {
        spec.push_str(choices.pick(&["1", "5", "8", "12", "20", "30", "3"]));
    }
    if number && choices.once_in(4) {
        spec.push(choices.pick(&[',', '_']));
    }
    if choices.below(2) == 0 && *ty != Ty::Int || choices.once_in(20) {
        spec.push('.');
        spec.push_str(choices.pick(&["0", "1", "2", "3", "6", "10", "17", "25", "60"]));
    }
    let kinds: &[char] = match ty {
        Ty::Float => &['f', 'e', 'g', '%', 'F', 'E', 'G', 'n', 'd'],
        Ty::Int | Ty::Bool => &['d', 'x', 'b', 'o', 'X', 'f', 'e', 'g', '%', 'c', 'n', 's'],
        _ => &['s', 's', 's', 'd'],
    };
    if choices.below(3) > 0 {
        spec.push(choices.pick(kinds));
    }
    spec
}

fn formatted(generator: &mut Generator<'_>) -> Ty {
    match generator.below(10) {
        0..=2 => Ty::Int,
        3..=5 => Ty::Float,
        6 | 7 => Ty::Str,
        8 => Ty::Bool,
        _ => generator.ordinary(),
    }
}

fn conversion(generator: &mut Generator<'_>) -> Option<char> {
    generator.once_in(4).then(|| generator.choices.pick(&['r', 's', 'a']))
}

pub(crate) fn f_string(generator: &mut Generator<'_>, depth: u32) -> Expr {
    let count = 1 + generator.below(3);
    let mut pieces = Vec::new();
    for _ in 0..count {
        if generator.once_in(3) {
            pieces.push(Piece::Plain(literals::text(&mut generator.choices)));
        }
        let ty = formatted(generator);
        let mut value = generator.expr(&ty, depth);
        if !spell_dana::fits_a_hole(&value) {
            value = Expr::call("str", vec![generator.literal(&Ty::Int, 0)]);
        }
        let conversion = conversion(generator);
        let spec_ty = if conversion.is_some() { Ty::Str } else { ty };
        let spec = (generator.below(3) > 0).then(|| {
            if generator.once_in(6) {
                let width = Piece::Hole {
                    value: Expr::int(literals::small(&mut generator.choices)),
                    shows_source: false,
                    conversion: None,
                    spec: None,
                };
                let before = generator.choices.pick(&["", ">", "^", "0", ".", "<"]).to_owned();
                vec![Piece::Plain(before), width]
            } else {
                vec![Piece::Plain(spec(generator, &spec_ty))]
            }
        });
        let shows_source = matches!(value, Expr::Name(_)) && generator.once_in(6);
        pieces.push(Piece::Hole { value, shows_source, conversion, spec });
    }
    Expr::Format(pieces)
}

/// `"...".format(...)`.
pub(crate) fn format_method(generator: &mut Generator<'_>, depth: u32) -> Expr {
    let mut template = String::new();
    let mut positional = Vec::new();
    let mut named = Vec::new();
    let numbered = generator.once_in(3);
    for at in 0..1 + generator.below(3) {
        if generator.once_in(3) {
            let plain = literals::text(&mut generator.choices);
            template.push_str(&plain.replace('{', "{{").replace('}', "}}"));
        }
        let ty = formatted(generator);
        let by_name = generator.once_in(4);
        let mut field = if by_name {
            format!("k{at}")
        } else if numbered {
            positional.len().to_string()
        } else {
            String::new()
        };
        let indexed = generator.once_in(8);
        let value = if indexed {
            field.push_str("[0]");
            let list = if generator.below(2) == 0 {
                Ty::List(Box::new(ty.clone()))
            } else {
                Ty::Tuple(vec![ty.clone(), ty.clone()])
            };
            generator.expr(&list, depth)
        } else {
            generator.expr(&ty, depth)
        };
        let conversion = conversion(generator);
        if let Some(conversion) = conversion {
            field.push('!');
            field.push(conversion);
        }
        if generator.below(3) > 0 {
            field.push(':');
            field.push_str(&spec(generator, if conversion.is_some() { &Ty::Str } else { &ty }));
        }
        template.push('{');
        template.push_str(&field);
        template.push('}');
        if by_name {
            named.push(Argument { name: Some(format!("k{at}")), value });
        } else {
            positional.push(Argument { name: None, value });
        }
    }
    if generator.once_in(12) {
        template.push_str(
            generator
                .choices
                .pick(&["{", "}", "{0", "{!}", "{9}", "{none}", "{:{}}", "{0!q}", "{a b}", "{0[x]}", "{0]}"]),
        );
    }
    if generator.once_in(12) {
        positional.pop();
    }
    positional.extend(named);
    let template = literals::quoted(&mut generator.choices, &template);
    Expr::Method { receiver: Box::new(template), name: "format".to_owned(), arguments: positional }
}

/// `"..." % value`.
pub(crate) fn percent(generator: &mut Generator<'_>, depth: u32) -> Expr {
    let mut template = String::new();
    let mut values = Vec::new();
    let mapped = generator.once_in(6);
    let mut entries = Vec::new();
    for at in 0..1 + generator.below(3) {
        if generator.once_in(3) {
            template.push_str(&literals::text(&mut generator.choices).replace('%', "%%"));
        }
        let ty = formatted(generator);
        template.push('%');
        if mapped {
            template.push_str(&format!("(k{at})"));
        }
        let choices = &mut generator.choices;
        if choices.once_in(3) {
            template.push(choices.pick(&['-', '+', ' ', '0', '#']));
        }
        if choices.once_in(10) && !mapped {
            template.push('*');
            values.push(Expr::int(literals::small(choices)));
        } else if choices.below(2) == 0 {
            template.push_str(choices.pick(&["5", "1", "10", "20"]));
        }
        if choices.once_in(3) {
            template.push('.');
            template.push_str(choices.pick(&["2", "0", "1", "6", "12", ""]));
        }
        let kinds: &[char] = match ty {
            Ty::Float => &['f', 'e', 'g', 'd', 's', 'r', 'F', 'E', 'G', 'i', 'x'],
            Ty::Int | Ty::Bool => &['d', 's', 'x', 'o', 'X', 'f', 'e', 'g', 'i', 'u', 'c', 'r'],
            _ => &['s', 'r', 's', 'a', 'd', 'c', 'f'],
        };
        template.push(if choices.once_in(30) {
            choices.pick(&['y', 'b', '%', ' '])
        } else {
            choices.pick(kinds)
        });
        let value = generator.expr(&ty, depth);
        if mapped {
            entries.push((literals::quoted(&mut generator.choices, &format!("k{at}")), value));
        } else {
            values.push(value);
        }
    }
    if generator.once_in(15) {
        values.pop();
    }
    let argument = if mapped {
        Expr::Dict(entries)
    } else if values.len() == 1 && generator.below(2) == 0 {
        values.remove(0)
    } else {
        Expr::Tuple(values)
    };
    let template = literals::quoted(&mut generator.choices, &template);
    Expr::Binary("%", Box::new(template), Box::new(argument))
}
