//! Programs: statements of all kinds, around the expressions.

use super::formats;
use super::generate::{Generator, Known, Theme};
use super::literals;
use super::tree::{Expr, Handler, Parameter, Stmt};
use super::types::{Ty, hashable, ordinary};

/// Where a statement stands.
#[derive(Clone, Copy)]
struct Place {
    depth: u32,
    in_loop: bool,
    in_function: bool,
    in_handler: bool,
}

const KINDS: &[&str] = &[
    "ValueError",
    "KeyError",
    "IndexError",
    "ZeroDivisionError",
    "OverflowError",
    "AttributeError",
    "LookupError",
    "ArithmeticError",
    "Exception",
    "RuntimeError",
    "AssertionError",
];

/// A program.
pub(crate) fn program(bytes: &[u8]) -> Vec<Stmt> {
    let mut generator = Generator::new(bytes);
    let mut statements = Vec::new();
    while !generator.choices.spent() && statements.len() < 14 {
        let place = Place { depth: 3, in_loop: false, in_function: false, in_handler: false };
        let mut body = Vec::new();
        generator.statement(&mut body, place);
        // An error ends the program only sometimes.
        match body.as_slice() {
            [Stmt::Def { .. }] => {
                statements.append(&mut body);
                let function = generator.functions.last().cloned();
                for _ in 0..1 + generator.below(2) {
                    statements.extend(function.as_ref().map(|function| {
                        let value = generator.call_of(function, 2);
                        guarded(vec![Stmt::Show { value, sorted: false }])
                    }));
                }
            }
            _ if generator.once_in(12) => statements.append(&mut body),
            _ => statements.push(guarded(body)),
        }
    }
    statements
}

fn guarded(body: Vec<Stmt>) -> Stmt {
    let handler =
        Handler { kinds: Vec::new(), name: Some("e".to_owned()), body: vec![Stmt::Tell("e".to_owned())] };
    Stmt::Try { body, handlers: vec![handler], finally: None }
}

impl Generator<'_> {
    fn fresh(&mut self, letter: char) -> String {
        self.counter += 1;
        format!("{letter}{}", self.counter)
    }

    fn block(&mut self, place: Place) -> Vec<Stmt> {
        let mark = self.names.len();
        let functions = self.functions.len();
        let mut body = Vec::new();
        for _ in 0..1 + self.below(3) {
            self.statement(&mut body, place);
        }
        // What a block assigned may never have been: outside it is used rarely.
        if self.below(3) > 0 {
            self.names.truncate(mark);
        }
        self.functions.truncate(functions);
        body
    }

    fn statement(&mut self, out: &mut Vec<Stmt>, place: Place) {
        let inner = Place { depth: place.depth.saturating_sub(1), ..place };
        if place.depth == 0 {
            return self.shown(out, 2);
        }
        match self.below(25) {
            0 => out.push(Stmt::Pass),
            1..=5 | 23 => self.shown(out, 3),
            6..=9 => self.assignment(out),
            10 | 11 => self.change(out),
            12 => self.print(out),
            13 => {
                let branches =
                    (0..1 + self.below(2)).map(|_| (self.condition_for_if(), self.block(inner))).collect();
                let otherwise = (self.below(2) == 0).then(|| self.block(inner));
                out.push(Stmt::If { branches, otherwise });
            }
            14 => self.counting_loop(out, inner),
            15 | 16 => {
                let (mut targets, types, over) = self.iteration(2);
                // In a function they are names of its own, also when the loop never runs.
                if place.in_function {
                    targets.iter_mut().for_each(|target| *target = self.fresh('k'));
                }
                let mark = self.names.len();
                self.names.extend(targets.iter().cloned().zip(types));
                let body = self.block(Place { in_loop: true, ..inner });
                if self.below(2) == 0 {
                    self.names.truncate(mark);
                }
                out.push(Stmt::For { targets, over, body });
            }
            17 | 18 => self.attempt(out, inner),
            19 => self.definition(out, inner),
            20 if self.below(2) == 0 => self.definition(out, inner),
            20 => self.named_lambda(out),
            21 if place.in_loop => out.push(if self.below(2) == 0 { Stmt::Break } else { Stmt::Continue }),
            22 if place.in_function => {
                let ty = self.ordinary();
                out.push(Stmt::Return(Some(self.expr(&ty, 2))));
            }
            21 => self.failure(out, place),
            22 => {
                let condition = self.condition(2);
                let message = self.literal(&Ty::Str, 0);
                out.push(Stmt::Assert(condition, message));
            }
            _ => {
                let ty = self.ordinary();
                out.push(Stmt::Do(self.expr(&ty, 2)));
            }
        }
    }

    /// `if` and `while` read texts in a way of their own (section 0, 5), so their conditions are no texts.
    fn condition_for_if(&mut self) -> Expr {
        match self.below(4) {
            0 => {
                let mut ty = self.ordinary();
                if ty == Ty::Str {
                    ty = Ty::Int;
                }
                self.expr(&ty, 2)
            }
            _ => self.expr(&Ty::Bool, 3),
        }
    }

    fn shown(&mut self, out: &mut Vec<Stmt>, depth: u32) {
        if self.theme == Theme::Formats && self.below(4) > 0 {
            let value = match self.below(3) {
                0 => formats::f_string(self, 1),
                1 => formats::format_method(self, 1),
                _ => formats::percent(self, 1),
            };
            out.push(Stmt::Show { value, sorted: false });
            return;
        }
        if self.theme == Theme::Numbers && self.below(3) > 0 {
            let ty = if self.below(3) == 0 { Ty::Int } else { Ty::Float };
            let value = self.operation(&ty, depth);
            out.push(Stmt::Show { value, sorted: false });
            return;
        }
        if self.theme != Theme::All && self.below(3) > 0 {
            let (value, set) = self.any_call(depth.min(2));
            out.push(Stmt::Show { value, sorted: set.is_some() });
            return;
        }
        if self.once_in(3) {
            let (value, set) = self.any_call(depth);
            out.push(Stmt::Show { value, sorted: set.is_some() });
            return;
        }
        if self.once_in(8) {
            let ty = Ty::Set(Box::new(hashable(&mut self.choices)));
            let value = self.expr(&ty, depth);
            out.push(Stmt::Show { value, sorted: true });
            return;
        }
        let ty = self.ordinary();
        let value = self.expr(&ty, depth);
        out.push(Stmt::Show { value, sorted: false });
    }

    fn assignment(&mut self, out: &mut Vec<Stmt>) {
        // A function assigns to names of its own only: in Python an assigned name is local from the start.
        let existing: Vec<(String, Ty)> =
            self.names[self.own..].iter().filter(|(name, _)| name.starts_with('v')).cloned().collect();
        if !existing.is_empty() && self.once_in(3) {
            let at = self.below(existing.len());
            let (name, ty) = &existing[at];
            let value = self.expr(ty, 3);
            out.push(Stmt::Assign(Expr::name(name), value));
            return;
        }
        let ty = match self.below(6) {
            0 => Ty::Set(Box::new(hashable(&mut self.choices))),
            1 | 2 => Ty::List(Box::new(ordinary(&mut self.choices, 1))),
            3 => Ty::Dict(Box::new(hashable(&mut self.choices)), Box::new(ordinary(&mut self.choices, 1))),
            _ => self.ordinary(),
        };
        let name = self.fresh('v');
        let value = self.expr(&ty, 3);
        out.push(Stmt::Assign(Expr::name(&name), value));
        self.names.push((name, ty));
    }

    /// Something is changed in place, and looked at afterwards.
    fn change(&mut self, out: &mut Vec<Stmt>) {
        let known: Vec<(String, Ty)> =
            self.names.iter().filter(|(name, _)| name.starts_with('v')).cloned().collect();
        if known.is_empty() {
            return self.shown(out, 3);
        }
        let at = self.below(known.len());
        let (name, ty) = &known[at];
        let target = Expr::name(name);
        match (self.below(4), ty) {
            (0, Ty::List(element)) => {
                let index = Expr::int(literals::small(&mut self.choices));
                let value = self.expr(element, 2);
                out.push(Stmt::Assign(Expr::Item(Box::new(target.clone()), Box::new(index)), value));
            }
            (1, Ty::List(_)) => {
                let bounds = self.bounds();
                let value = self.expr(ty, 2);
                out.push(Stmt::Assign(Expr::Slice(Box::new(target.clone()), bounds), value));
            }
            (2, Ty::List(element)) => {
                let index = Expr::int(literals::small(&mut self.choices));
                let value = self.expr(element, 2);
                let operator = self.choices.pick(&["+", "-", "*", "/"]);
                let item = Expr::Item(Box::new(target.clone()), Box::new(index));
                out.push(Stmt::Augment(item, operator, value));
            }
            (0 | 1, Ty::Dict(key, value)) => {
                let (key, value) = (self.expr(key, 2), self.expr(value, 2));
                out.push(Stmt::Assign(Expr::Item(Box::new(target.clone()), Box::new(key)), value));
            }
            (2, Ty::Dict(key, value)) => {
                let (key, value) = (self.expr(key, 1), self.expr(value, 2));
                let operator = self.choices.pick(&["+", "-", "*", "/"]);
                let item = Expr::Item(Box::new(target.clone()), Box::new(key));
                out.push(Stmt::Augment(item, operator, value));
            }
            (_, Ty::List(_) | Ty::Dict(..) | Ty::Set(_)) => {
                let call = self.method_of(target.clone(), ty);
                out.push(Stmt::Show { value: call, sorted: false });
            }
            _ if self.names[self.own..].iter().any(|(own, _)| own == name) => {
                let operator = self.choices.pick(&["+", "-", "*", "/"]);
                let value = self.expr(ty, 2);
                out.push(Stmt::Augment(target.clone(), operator, value));
            }
            _ => {}
        }
        out.push(Stmt::Show { value: target, sorted: matches!(ty, Ty::Set(_)) });
    }

    fn print(&mut self, out: &mut Vec<Stmt>) {
        let values = (0..self.below(4))
            .map(|_| {
                let ty = self.ordinary();
                self.expr(&ty, 2)
            })
            .collect();
        let sep = self.once_in(3).then(|| self.literal(&Ty::Str, 0));
        let end = self.once_in(3).then(|| self.literal(&Ty::Str, 0));
        out.push(Stmt::Print { values, sep, end });
    }

    fn counting_loop(&mut self, out: &mut Vec<Stmt>, inner: Place) {
        let name = self.fresh('i');
        let counter = Expr::name(&name);
        let (start, one) = (Expr::int(0), Expr::int(1));
        out.push(Stmt::Assign(counter.clone(), start));
        let limit = Expr::int(1 + i64::from(self.below(4) as u8));
        let below = Expr::Compare("<", Box::new(counter.clone()), Box::new(limit));
        let condition = if self.once_in(3) {
            Expr::Logic("and", Box::new(below), Box::new(self.condition(2)))
        } else {
            below
        };
        let mut body = vec![Stmt::Augment(counter, "+", one)];
        body.extend(self.block(Place { in_loop: true, ..inner }));
        out.push(Stmt::While { condition, body });
    }

    fn attempt(&mut self, out: &mut Vec<Stmt>, inner: Place) {
        let mut body = self.block(inner);
        if self.below(2) == 0 {
            self.failure(&mut body, inner);
        }
        let mut handlers = Vec::new();
        for _ in 0..self.below(3) {
            let kinds = (0..1 + self.below(2)).map(|_| self.choices.pick(KINDS)).collect();
            handlers.push(self.handler(kinds, inner));
        }
        if self.below(2) == 0 {
            handlers.push(self.handler(Vec::new(), inner));
        }
        let finally = (handlers.is_empty() || self.once_in(3)).then(|| self.block(inner));
        out.push(Stmt::Try { body, handlers, finally });
    }

    fn handler(&mut self, kinds: Vec<&'static str>, inner: Place) -> Handler {
        let mut body = Vec::new();
        let name = (self.below(3) > 0).then(|| "e".to_owned());
        if let Some(name) = &name {
            body.push(Stmt::Tell(name.clone()));
        }
        body.extend(self.block(Place { in_handler: true, ..inner }));
        // A `try` in the body that names its error the same has taken the name away, as in Python.
        if name.is_some() && self.once_in(6) {
            body.push(Stmt::Raise { error: Some(Expr::name("e")), cause: None });
        }
        Handler { kinds, name, body }
    }

    fn failure(&mut self, out: &mut Vec<Stmt>, place: Place) {
        if place.in_handler && self.once_in(3) {
            out.push(Stmt::Raise { error: None, cause: None });
            return;
        }
        let kind = self.choices.pick(&[
            "ValueError",
            "KeyError",
            "IndexError",
            "ZeroDivisionError",
            "RuntimeError",
            "AssertionError",
            "Exception",
            "TypeError",
        ]);
        let arguments = if self.once_in(8) { Vec::new() } else { vec![self.expr(&Ty::Str, 1)] };
        let cause = self.once_in(6).then(|| Expr::call("ValueError", vec![self.literal(&Ty::Str, 0)]));
        out.push(Stmt::Raise { error: Some(Expr::call(kind, arguments)), cause });
    }

    /// A lambda with a name; it sees what outer names stand for when it is called.
    fn named_lambda(&mut self, out: &mut Vec<Stmt>) {
        let name = self.fresh('g');
        let types: Vec<Ty> = (0..self.below(3)).map(|_| ordinary(&mut self.choices, 1)).collect();
        let result = self.ordinary();
        let Expr::Lambda { mut parameters, body } = self.lambda(&types, &result, 3) else { return };
        let mut known: Vec<(String, Ty, bool)> = parameters
            .iter()
            .zip(&types)
            .map(|(parameter, ty)| (parameter.name.clone(), ty.clone(), false))
            .collect();
        if let (Some(last), Some((_, ty, optional))) = (parameters.last_mut(), known.last_mut())
            && self.below(2) == 0
        {
            last.default = Some(self.expr(ty, 1));
            *optional = true;
        }
        out.push(Stmt::Assign(Expr::name(&name), Expr::Lambda { parameters, body }));
        let function = Known { name, parameters: known, result };
        let value = self.call_of(&function, 2);
        self.functions.push(function);
        out.push(Stmt::Show { value, sorted: false });
    }

    fn definition(&mut self, out: &mut Vec<Stmt>, inner: Place) {
        let name = self.fresh('f');
        let mut parameters = Vec::new();
        let mut known = Vec::new();
        let mut optional = false;
        for at in 0..self.below(4) {
            let ty = ordinary(&mut self.choices, 1);
            optional = optional || self.once_in(3);
            let default = optional.then(|| self.expr(&ty, 1));
            let parameter = format!("{}{}", ['p', 'q', 'r', 's'][at], self.counter);
            parameters.push(Parameter { name: parameter.clone(), default });
            known.push((parameter, ty, optional));
        }
        let (outer, own) = (self.names.clone(), self.own);
        let functions = self.functions.len();
        // A loop's variable may be assigned in the function too, which makes it local there.
        self.names.retain(|(name, _)| name.len() > 1);
        self.own = self.names.len();
        self.names.extend(known.iter().map(|(name, ty, _)| (name.clone(), ty.clone())));
        let place = Place { depth: inner.depth.min(2), in_loop: false, in_function: true, in_handler: false };
        let mut body = Vec::new();
        for _ in 0..self.below(3) {
            self.statement(&mut body, place);
        }
        // Without a `return` Dana gives the last value, Python none (section 7.1): there is always one.
        let result = self.ordinary();
        body.push(Stmt::Return(Some(self.expr(&result, 3))));
        (self.names, self.own) = (outer, own);
        self.functions.truncate(functions);
        out.push(Stmt::Def { name: name.clone(), parameters, body });
        let function = Known { name, parameters: known, result };
        let value = self.call_of(&function, 2);
        self.functions.push(function);
        if self.below(3) > 0 && inner.in_function {
            out.push(Stmt::Show { value, sorted: false });
        }
    }
}
