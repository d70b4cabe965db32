//! The dispatch loop.
//!
//! Inside the loop an instruction touches its window and little else. Whatever needs the whole machine
//! breaks out with a [`Next`]; the loop is then entered again for the current function.

use std::rc::Rc;

use super::invoke::{self, Invoked};
use super::slow::{self, Window};
use super::{FrameKind, Next, Vm, WINDOW, assertion, elements, errors, index, variables};
use crate::coerce;
use crate::compile::code::{CallSite, MethodCache};
use crate::compile::op::{Compare, Op};
use crate::value::arith::{self, Arith};
use crate::value::{FuncObj, Raise, Table, Value, memory, put, take, truth};

/// Gives the value or breaks out of the loop with the error.
macro_rules! attempt {
    ($label:lifetime, $result:expr) => {
        match $result {
            Ok(value) => value,
            Err(raise) => break $label Next::Fault(raise),
        }
    };
}

impl Vm {
    /// Executes instructions of the current function until something else must happen.
    #[inline]
    pub(super) fn execute(&mut self, pc_out: &mut usize, fuel_out: &mut i64) -> Next {
        let Vm { stack, frames, func, services, base, methods, public, system, expects, .. } = self;
        let depth = services.limits.depth as usize;
        let mut pc = *pc_out;
        let mut fuel = *fuel_out;
        let next = 'frame: loop {
            let code = &*func.code;
            let ops = &*code.ops;
            let Some(win) = stack.get_mut(*base..*base + WINDOW) else {
                return Next::Fault(Raise::runtime("the stack is too small for the window"));
            };
            let Ok(win): Result<&mut Window, _> = win.try_into() else {
                return Next::Fault(Raise::runtime("the window has the wrong size"));
            };

            macro_rules! r {
                ($at:expr) => {
                    win[usize::from($at)]
                };
            }
            macro_rules! set {
                ($at:expr, $value:expr) => {
                    put(&mut win[usize::from($at)], $value)
                };
            }

            // Goes into a function whose arguments stand at `start`.
            macro_rules! enter {
                ($callee:expr, $start:expr, $dst:expr) => {{
                    let (callee, start): (Rc<FuncObj>, usize) = ($callee, $start);
                    if frames.len() >= depth {
                        break 'frame Next::Fault(Raise::depth(services.limits.depth));
                    }
                    if start + WINDOW > stack.len()
                        && let Err(raise) = grow(stack)
                    {
                        break 'frame Next::Fault(raise);
                    }
                    let caller = std::mem::replace(func, callee);
                    frames.push(caller, pc, *base, $dst, FrameKind::Plain);
                    *base = start;
                    pc = 0;
                    continue 'frame;
                }};
            }

            let next = 'run: loop {
                macro_rules! jump {
                    ($to:expr) => {{
                        let to = $to as usize;
                        if to < pc {
                            // A long body costs more than a short one.
                            fuel -= 1 + ((pc - to) >> 8) as i64;
                            if fuel < 0 {
                                pc = to;
                                break 'run Next::Refuel;
                            }
                        }
                        pc = to;
                    }};
                }
                macro_rules! arith {
                ($a:expr, $b:expr, $c:expr, $int:ident, $float:tt, $op:expr) => {
                    match (&r!($b), &r!($c)) {
                        (Value::Int(x), Value::Int(y)) => match x.$int(*y) {
                            Some(n) => set!($a, Value::Int(n)),
                            None => attempt!('run, slow::arith(win, $op, $a, $b, $c)),
                        },
                        (Value::Float(x), Value::Float(y)) => {
                            let n = x.get() $float y.get();
                            set!($a, Value::float(n));
                        }
                        _ => attempt!('run, slow::arith(win, $op, $a, $b, $c)),
                    }
                };
            }
                macro_rules! arith_int {
                ($a:expr, $b:expr, $i:expr, $int:ident, $op:expr) => {
                    match &r!($b) {
                        Value::Int(x) => match x.$int(i64::from($i)) {
                            Some(n) => set!($a, Value::Int(n)),
                            None => {
                                let value = attempt!('run, index::with_int($op, &r!($b), $i));
                                set!($a, value);
                            }
                        },
                        other => {
                            let value = attempt!('run, index::with_int($op, other, $i));
                            set!($a, value);
                        }
                    }
                };
            }
                macro_rules! arith_const {
                ($a:expr, $b:expr, $k:expr, $float:tt, $op:expr) => {
                    match (&r!($b), code.consts.get($k as usize).unwrap_or(&Value::None)) {
                        (Value::Float(x), Value::Float(y)) => {
                            let n = x.get() $float y.get();
                            set!($a, Value::float(n));
                        }
                        (x, y) => {
                            let value = attempt!('run, arith::binary($op, x, y));
                            set!($a, value);
                        }
                    }
                };
            }
                macro_rules! jump_compare {
                ($sense:expr, $b:expr, $c:expr, $to:expr, $test:tt, $how:expr) => {{
                    let holds = match (&r!($b), &r!($c)) {
                        (Value::Int(x), Value::Int(y)) => x $test y,
                        (Value::Float(x), Value::Float(y)) => x.get() $test y.get(),
                        (x, y) => attempt!('run, slow::compare($how, x, y)),
                    };
                    if holds == $sense {
                        jump!($to);
                    }
                }};
            }
                macro_rules! jump_compare_int {
                ($sense:expr, $b:expr, $i:expr, $to:expr, $test:tt, $how:expr) => {{
                    let holds = match &r!($b) {
                        Value::Int(x) => *x $test i64::from($i),
                        x => attempt!('run, slow::compare($how, x, &Value::Int(i64::from($i)))),
                    };
                    if holds == $sense {
                        jump!($to);
                    }
                }};
            }

                let Some(op) = ops.get(pc).copied() else {
                    break 'run Next::Fault(Raise::runtime("code ends without a return"));
                };
                pc += 1;
                match op {
                    // ---------------------------------------------------------------------- moving
                    Op::Move { a, b } => {
                        let value = r!(b).clone();
                        set!(a, value);
                    }
                    Op::Take { a, b } => {
                        let value = take(&mut r!(b));
                        set!(a, value);
                    }
                    Op::Const { a, k } => {
                        let value = code.consts.get(k as usize).cloned().unwrap_or(Value::None);
                        set!(a, value);
                    }
                    Op::Int { a, i } => set!(a, Value::Int(i64::from(i))),
                    Op::None { a } => set!(a, Value::None),
                    Op::Bool { a, truth } => set!(a, Value::bool(truth)),
                    Op::Unset { a } => set!(a, Value::Unset),
                    Op::Keep { a, b } => {
                        if !r!(b).is_none() {
                            let value = r!(b).clone();
                            set!(a, value);
                        }
                    }
                    // ---------------------------------------------------------------------- variables
                    Op::Global { a, slot } => {
                        let value = func.module.locals.get_slot(slot);
                        if value.is_unset() {
                            break 'run Next::Whole(op);
                        }
                        set!(a, value);
                    }
                    Op::SetGlobal { b, slot } => {
                        let value = r!(b).clone();
                        func.module.locals.set_slot(slot, value);
                    }
                    Op::UnsetGlobal { slot } => func.module.locals.set_slot(slot, Value::Unset),
                    Op::AddGlobal { b, how, slot, .. } => {
                        let space = variables::space(how >> 1, &func.module, public, system);
                        if !variables::add_number(space, slot, &r!(b)) {
                            break 'run Next::Whole(op);
                        }
                    }
                    Op::Scoped { a, scope, slot } => {
                        let value = variables::space(scope, &func.module, public, system).get_slot(slot);
                        if value.is_unset() {
                            break 'run Next::Whole(op);
                        }
                        set!(a, value);
                    }
                    Op::SetScoped { b, scope, slot } => {
                        variables::space(scope, &func.module, public, system).set_slot(slot, r!(b).clone());
                    }
                    Op::Peek { a, slot } => {
                        let value = func.module.locals.get_slot(slot);
                        set!(a, value);
                    }
                    Op::NewCell { a } => variables::new_cell(&mut r!(a)),
                    Op::Cell { a, b } => {
                        let value = variables::cell(&r!(b));
                        set!(a, value);
                    }
                    Op::SetCell { a, b } => variables::set_cell(&r!(a), &r!(b)),
                    Op::Capture { a, at } => set!(a, variables::captured(func, at)),
                    Op::Far { a, b, at } => {
                        let value = variables::far(&r!(b), at);
                        set!(a, value);
                    }
                    Op::SetFar { a, b, at } => variables::set_far(win, a, b, at),
                    Op::MakeFar { a, count } => {
                        let items = (0..count).map(|_| Value::Unset).collect();
                        set!(a, Value::list(items));
                    }
                    // ---------------------------------------------------------------------- arithmetic
                    Op::Add { a, b, c, dead } => match (&r!(b), &r!(c)) {
                        (Value::Int(x), Value::Int(y)) => match x.checked_add(*y) {
                            Some(n) => set!(a, Value::Int(n)),
                            None => attempt!('run, slow::arith(win, Arith::Add, a, b, c)),
                        },
                        (Value::Float(x), Value::Float(y)) => {
                            let n = x.get() + y.get();
                            set!(a, Value::float(n));
                        }
                        _ => attempt!('run, slow::add(win, a, b, c, dead, code.registers)),
                    },
                    Op::Sub { a, b, c } => arith!(a, b, c, checked_sub, -, Arith::Subtract),
                    Op::Mul { a, b, c } => arith!(a, b, c, checked_mul, *, Arith::Multiply),
                    Op::Div { a, b, c } => match (&r!(b), &r!(c)) {
                        (Value::Float(x), Value::Float(y)) if y.get() != 0.0 => {
                            let n = x.get() / y.get();
                            set!(a, Value::float(n));
                        }
                        _ => attempt!('run, slow::arith(win, Arith::Divide, a, b, c)),
                    },
                    Op::FloorDiv { a, b, c } => match (&r!(b), &r!(c)) {
                        (Value::Int(x), Value::Int(y)) if *y > 0 => {
                            let n = arith::floor_div(*x, *y);
                            set!(a, Value::Int(n));
                        }
                        _ => attempt!('run, slow::arith(win, Arith::FloorDivide, a, b, c)),
                    },
                    Op::Mod { a, b, c } => match (&r!(b), &r!(c)) {
                        (Value::Int(x), Value::Int(y)) if *y > 0 => {
                            let n = arith::floor_mod(*x, *y);
                            set!(a, Value::Int(n));
                        }
                        _ => attempt!('run, slow::arith(win, Arith::Modulo, a, b, c)),
                    },
                    Op::Pow { a, b, c } => attempt!('run, slow::arith(win, Arith::Power, a, b, c)),
                    Op::Augment { a, b, c, dead } => match (c, &r!(a), &r!(b)) {
                        (0, Value::Int(x), Value::Int(y)) if x.checked_add(*y).is_some() => {
                            let n = x.wrapping_add(*y);
                            set!(a, Value::Int(n));
                        }
                        (1, Value::Int(x), Value::Int(y)) if x.checked_sub(*y).is_some() => {
                            let n = x.wrapping_sub(*y);
                            set!(a, Value::Int(n));
                        }
                        (0, Value::Float(x), Value::Float(y)) => {
                            let n = x.get() + y.get();
                            set!(a, Value::float(n));
                        }
                        _ => attempt!('run, slow::augment(win, c, a, b, dead, code.registers)),
                    },
                    Op::AddInt { a, b, i } => arith_int!(a, b, i, checked_add, Arith::Add),
                    Op::SubInt { a, b, i } => arith_int!(a, b, i, checked_sub, Arith::Subtract),
                    Op::MulInt { a, b, i } => arith_int!(a, b, i, checked_mul, Arith::Multiply),
                    Op::ModInt { a, b, i } => match &r!(b) {
                        Value::Int(x) => {
                            let n = arith::floor_mod(*x, i64::from(i));
                            set!(a, Value::Int(n));
                        }
                        other => {
                            let value = attempt!('run, index::with_int(Arith::Modulo, other, i));
                            set!(a, value);
                        }
                    },
                    Op::FloorDivInt { a, b, i } => match &r!(b) {
                        Value::Int(x) => {
                            let n = arith::floor_div(*x, i64::from(i));
                            set!(a, Value::Int(n));
                        }
                        other => {
                            let value = attempt!('run, index::with_int(Arith::FloorDivide, other, i));
                            set!(a, value);
                        }
                    },
                    Op::AddConst { a, b, k } => {
                        match (&r!(b), code.consts.get(k as usize).unwrap_or(&Value::None)) {
                            (Value::Float(x), Value::Float(y)) => {
                                let n = x.get() + y.get();
                                set!(a, Value::float(n));
                            }
                            (Value::Str(_), y) if a == b && y.is_text() => {
                                let left = take(&mut r!(a));
                                match arith::add_to(left, y) {
                                    Ok(sum) => set!(a, sum),
                                    Err((left, raise)) => {
                                        set!(a, left);
                                        break 'run Next::Fault(raise);
                                    }
                                }
                            }
                            (x, y) => {
                                let value = attempt!('run, arith::binary(Arith::Add, x, y));
                                set!(a, value);
                            }
                        }
                    }
                    Op::SubConst { a, b, k } => arith_const!(a, b, k, -, Arith::Subtract),
                    Op::MulConst { a, b, k } => arith_const!(a, b, k, *, Arith::Multiply),
                    Op::DivConst { a, b, k } => {
                        match (&r!(b), code.consts.get(k as usize).unwrap_or(&Value::None)) {
                            (Value::Float(x), Value::Float(y)) if y.get() != 0.0 => {
                                let n = x.get() / y.get();
                                set!(a, Value::float(n));
                            }
                            (x, y) => {
                                let value = attempt!('run, arith::binary(Arith::Divide, x, y));
                                set!(a, value);
                            }
                        }
                    }
                    Op::Negate { a, b } => {
                        let value = attempt!('run, arith::negate(&r!(b)));
                        set!(a, value);
                    }
                    Op::Plus { a, b } => {
                        let value = attempt!('run, arith::identity(&r!(b)));
                        set!(a, value);
                    }
                    Op::Not { a, b } => {
                        let truth = attempt!('run, truth::plain(&r!(b)));
                        set!(a, Value::bool(!truth));
                    }
                    Op::Truth { a, b } => {
                        let truth = attempt!('run, truth::plain(&r!(b)));
                        set!(a, Value::bool(truth));
                    }
                    Op::Compare { a, b, c, how } => {
                        let holds = match (&r!(b), &r!(c), how) {
                            (Value::Int(x), Value::Int(y), Compare::Less) => x < y,
                            (Value::Int(x), Value::Int(y), Compare::Equal) => x == y,
                            (x, y, how) => attempt!('run, slow::compare(how, x, y)),
                        };
                        set!(a, Value::bool(holds));
                    }
                    // ---------------------------------------------------------------------- jumps
                    Op::Jump { to } => jump!(to),
                    Op::JumpIf { a, to } => {
                        if attempt!('run, truth::plain(&r!(a))) {
                            jump!(to);
                        }
                    }
                    Op::JumpIfNot { a, to } => {
                        if !attempt!('run, truth::plain(&r!(a))) {
                            jump!(to);
                        }
                    }
                    Op::JumpCond { a, to } => {
                        if attempt!('run, truth::fuzzy(&r!(a))) {
                            jump!(to);
                        }
                    }
                    Op::JumpCondNot { a, to } => {
                        if !attempt!('run, truth::fuzzy(&r!(a))) {
                            jump!(to);
                        }
                    }
                    Op::JumpSet { a, to } => {
                        if !r!(a).is_unset() {
                            jump!(to);
                        }
                    }
                    Op::JumpLess { sense, b, c, to } => jump_compare!(sense, b, c, to, <, Compare::Less),
                    Op::JumpLessEqual { sense, b, c, to } => {
                        jump_compare!(sense, b, c, to, <=, Compare::LessEqual);
                    }
                    Op::JumpGreater { sense, b, c, to } => {
                        jump_compare!(sense, b, c, to, >, Compare::Greater);
                    }
                    Op::JumpGreaterEqual { sense, b, c, to } => {
                        jump_compare!(sense, b, c, to, >=, Compare::GreaterEqual);
                    }
                    Op::JumpEqual { sense, b, c, to } => {
                        let holds = match (&r!(b), &r!(c)) {
                            (Value::Int(x), Value::Int(y)) => x == y,
                            (Value::Small(x), Value::Small(y)) => x.bits() == y.bits(),
                            (x, y) => attempt!('run, slow::compare(Compare::Equal, x, y)),
                        };
                        if holds == sense {
                            jump!(to);
                        }
                    }
                    Op::JumpLessInt { sense, b, i, to } => {
                        jump_compare_int!(sense, b, i, to, <, Compare::Less);
                    }
                    Op::JumpLessEqualInt { sense, b, i, to } => {
                        jump_compare_int!(sense, b, i, to, <=, Compare::LessEqual);
                    }
                    Op::JumpGreaterInt { sense, b, i, to } => {
                        jump_compare_int!(sense, b, i, to, >, Compare::Greater);
                    }
                    Op::JumpGreaterEqualInt { sense, b, i, to } => {
                        jump_compare_int!(sense, b, i, to, >=, Compare::GreaterEqual);
                    }
                    Op::JumpEqualInt { sense, b, i, to } => {
                        jump_compare_int!(sense, b, i, to, ==, Compare::Equal);
                    }
                    // ---------------------------------------------------------------------- iteration
                    Op::RangeStart { a, b } => attempt!('run, slow::range_start(win, a, b)),
                    Op::RangeNext { a, b, to } => {
                        if let (Value::Int(current), Value::Int(stop), Value::Int(step)) =
                            (&r!(b), &r!(b.wrapping_add(1)), &r!(b.wrapping_add(2)))
                        {
                            let (current, stop, step) = (*current, *stop, *step);
                            let more = if step > 0 { current < stop } else { current > stop };
                            if more {
                                set!(a, Value::Int(current));
                                let following = current.checked_add(step).unwrap_or(stop);
                                set!(b, Value::Int(following));
                                jump!(to);
                            }
                        }
                    }
                    Op::IterStart { a, b } => attempt!('run, elements::iterate(win, a, b)),
                    Op::IterNext { a, b, to } => {
                        if let Some(item) = attempt!('run, elements::next(win, b)) {
                            set!(a, item);
                            jump!(to);
                        }
                    }
                    Op::Unpack { a, b, c } => attempt!('run, elements::unpack(win, a, b, c)),
                    Op::UnpackLoose { a, b, c } => attempt!('run, elements::unpack_loosely(win, a, b, c)),
                    // ---------------------------------------------------------------------- containers
                    Op::List { a, b, c } => {
                        attempt!('run, memory::reserve_values(usize::from(c)));
                        let items = slow::row(win, b, c);
                        set!(a, Value::list(items));
                    }
                    Op::Tuple { a, b, c } => {
                        attempt!('run, memory::reserve_values(usize::from(c)));
                        let items = slow::row(win, b, c);
                        set!(a, Value::tuple(items));
                    }
                    Op::Set { a, .. } => set!(a, Value::set(Table::new())),
                    Op::Dict { a, b, c } => {
                        let dict = attempt!('run, slow::new_dict(win, b, c));
                        set!(a, dict);
                    }
                    Op::Shaped { a, b, c, shape } => {
                        let Some(shape) = code.shapes.get(shape as usize) else { continue 'run };
                        let dict = attempt!('run, slow::shaped(win, b, c, shape));
                        set!(a, dict);
                    }
                    Op::Push { a, b, c } => attempt!('run, elements::push(win, a, b, c)),
                    Op::SetAdd { a, b, c } => attempt!('run, slow::set_add(win, a, b, c)),
                    Op::DictPut { a, b, c } => attempt!('run, slow::dict_put(win, a, b, c)),
                    Op::ToTuple { a } => {
                        if let Value::List(list) = &r!(a) {
                            let items = std::mem::take(&mut *list.items.borrow_mut());
                            set!(a, Value::tuple(items));
                        }
                    }
                    Op::Append { a, b, to } => {
                        if attempt!('run, elements::append(&r!(a), &r!(b))) {
                            pc = to as usize;
                        }
                    }
                    Op::Index { a, b, c } => {
                        let value = attempt!('run, elements::get(&r!(b), &r!(c)));
                        set!(a, value);
                    }
                    Op::IndexInt { a, b, i } => {
                        let value = attempt!('run, elements::get_at(&r!(b), i));
                        set!(a, value);
                    }
                    Op::SetIndex { a, b, c } => attempt!('run, elements::set(&r!(a), &r!(b), &r!(c))),
                    Op::Slice { a, b, c } => {
                        let bounds =
                            [r!(c).clone(), r!(c.wrapping_add(1)).clone(), r!(c.wrapping_add(2)).clone()];
                        let value = attempt!('run, index::slice(&r!(b), &bounds));
                        set!(a, value);
                    }
                    Op::SetSlice { a, b, c } => {
                        let bounds =
                            [r!(b).clone(), r!(b.wrapping_add(1)).clone(), r!(b.wrapping_add(2)).clone()];
                        attempt!('run, index::set_slice(&r!(a), &bounds, &r!(c)));
                    }
                    Op::Attr { a, b, site } => match elements::field(&r!(b), code.attrs.get(site as usize)) {
                        Some(value) => set!(a, value),
                        None => break 'run Next::Whole(op),
                    },
                    Op::SetAttr { a, b, site } => {
                        let site = code.attrs.get(site as usize);
                        if !attempt!('run, elements::set_field(&r!(a), site, &r!(b), services)) {
                            break 'run Next::Whole(op);
                        }
                    }
                    // ---------------------------------------------------------------------- text
                    Op::Join { a, b, c, template } => {
                        let Some(template) = code.templates.get(template as usize) else { continue 'run };
                        let joined = attempt!('run, slow::join(win, b, c, template));
                        set!(a, joined);
                    }
                    Op::Format { a, b, c, how } => {
                        let text = attempt!('run, slow::format(&r!(b), &r!(c), how));
                        set!(a, text);
                    }
                    // ---------------------------------------------------------------------- calls
                    Op::CallGlobal { a, b, c, slot } => {
                        let slots = func.module.locals.slots.borrow();
                        match slots.get(slot as usize) {
                            Some(Value::Func(callee)) if callee.code.params.len() == usize::from(c) => {
                                fuel -= 1;
                                if fuel < 0 {
                                    pc -= 1;
                                    break 'run Next::Refuel;
                                }
                                let callee = Rc::clone(callee);
                                drop(slots);
                                enter!(callee, *base + usize::from(b), a);
                            }
                            Some(callee) if !callee.is_unset() => {
                                let callee = callee.clone();
                                break 'run Next::Call { callee, first: b, count: c, site: None, dst: a };
                            }
                            _ => {}
                        }
                        drop(slots);
                        let name = func.module.locals.name(slot).unwrap_or_else(|| "".into());
                        break 'run Next::Call {
                            callee: Value::Type(Rc::new(crate::value::TypeName((&*name).into()))),
                            first: b,
                            count: c,
                            site: None,
                            dst: a,
                        };
                    }
                    Op::CallStage { a, b, c, slot } => {
                        let slots = func.module.locals.slots.borrow();
                        if let Some(Value::Func(callee)) = slots.get(slot as usize)
                            && callee.code.params.len() == usize::from(c)
                        {
                            fuel -= 1;
                            if fuel < 0 {
                                pc -= 1;
                                break 'run Next::Refuel;
                            }
                            let callee = Rc::clone(callee);
                            drop(slots);
                            pc += 2;
                            enter!(callee, *base + usize::from(b) + 1, a);
                        }
                    }
                    Op::Call { a, b, c, site } => {
                        fuel -= 1;
                        if fuel < 0 {
                            pc -= 1;
                            break 'run Next::Refuel;
                        }
                        let first = b.wrapping_add(1);
                        let plain =
                            code.calls.get(site as usize).is_some_and(|site| site.keywords.is_empty());
                        if let Value::Func(callee) = &r!(b)
                            && plain
                            && callee.code.params.len() == usize::from(c)
                        {
                            // Taken, not copied: nothing reads the register again.
                            if let Value::Func(callee) = take(&mut r!(b)) {
                                enter!(callee, *base + usize::from(first), a);
                            }
                            continue 'run;
                        }
                        let callee = r!(b).clone();
                        break 'run Next::Call { callee, first, count: c, site: Some(site), dst: a };
                    }
                    Op::CallNative { a, b, c, site } => {
                        let Some(CallSite { native: Some(native), direct, .. }) =
                            code.calls.get(site as usize)
                        else {
                            continue 'run;
                        };
                        if *direct && expects.is_none() {
                            let args = (a, b, usize::from(c));
                            match attempt!('run, invoke::invoke(win, native, args, (code, pc), services)) {
                                Invoked::Done => continue 'run,
                                Invoked::Step(step) => break 'run Next::Step(step, a),
                                Invoked::Promised => {}
                            }
                        }
                        let callee = Value::Native(native);
                        break 'run Next::Call { callee, first: b, count: c, site: Some(site), dst: a };
                    }
                    Op::Method { a, b, c, site: at } => {
                        fuel -= 1;
                        if fuel < 0 {
                            pc -= 1;
                            break 'run Next::Refuel;
                        }
                        let Some(site) = code.calls.get(at as usize) else { continue 'run };
                        let CallSite { name: Some(name), keywords, cache, .. } = site else { continue 'run };
                        macro_rules! elsewhere {
                            () => {
                                break 'run Next::Method { first: b, count: c, site: at, dst: a }
                            };
                        }
                        if !keywords.is_empty() {
                            elsewhere!();
                        }
                        match &r!(b) {
                            Value::Struct(it) => {
                                let known = match &*cache.borrow() {
                                    MethodCache::Dana { kind, methods: known, func }
                                        if *kind == it.kind.id && *known == *methods =>
                                    {
                                        func.upgrade()
                                    }
                                    _ => None,
                                };
                                if let Some(callee) = known {
                                    enter!(callee, *base + usize::from(b), a);
                                }
                                if let Some(Value::Func(found)) = it.kind.method(name)
                                    && found.code.params.len() == usize::from(c) + 1
                                {
                                    let kind = it.kind.id;
                                    let func = Rc::downgrade(&found);
                                    cache.replace(MethodCache::Dana { kind, methods: *methods, func });
                                    pc -= 1;
                                    continue 'run;
                                }
                                elsewhere!();
                            }
                            Value::Promise(_) | Value::Module(_) | Value::Error(_) => elsewhere!(),
                            receiver => {
                                let Some(native) = invoke::method(site, receiver, name, c) else {
                                    elsewhere!();
                                };
                                let args = (a, b, usize::from(c) + 1);
                                match attempt!('run, invoke::invoke(win, native, args, (code, pc), services))
                                {
                                    Invoked::Done => {}
                                    Invoked::Step(step) => break 'run Next::Step(step, a),
                                    Invoked::Promised => elsewhere!(),
                                }
                            }
                        }
                    }
                    Op::Expect { note } => *expects = Some(note),
                    Op::Return { a } => {
                        fuel -= (pc >> 8) as i64;
                        if !code.residents.is_empty() || !frames.plain() {
                            let value = r!(a).clone();
                            break 'run Next::Leave(value);
                        }
                        let value = take(&mut r!(a));
                        for slot in win.iter_mut().take(usize::from(code.registers)) {
                            if !slot.is_scalar() {
                                put(slot, Value::Unset);
                            }
                        }
                        let Some(frame) = frames.pop() else { break 'run Next::Leave(value) };
                        *func = frame.func;
                        pc = frame.pc;
                        *base = frame.base;
                        if let Some(slot) = stack.get_mut(*base + usize::from(frame.dst)) {
                            put(slot, value);
                        }
                        continue 'frame;
                    }
                    // ---------------------------------------------------------------------- errors
                    Op::Raise { a } => break 'run Next::Fault(errors::raised(&r!(a), None)),
                    Op::RaiseFrom { a, b } => break 'run Next::Fault(errors::raised(&r!(a), Some(&r!(b)))),
                    Op::Reraise { a } => break 'run Next::Fault(errors::again(&r!(a))),
                    Op::ReraiseNothing => {
                        break 'run Next::Fault(Raise::runtime("no active exception to re-raise"));
                    }
                    Op::AssertFailed { a, b } => {
                        break 'run Next::Fault(assertion::failed(code, &r!(a), &r!(b), win));
                    }
                    Op::JumpUnlessKind { a, kinds, to } => {
                        if !errors::matches(code, &r!(a), kinds) {
                            jump!(to);
                        }
                    }
                    Op::KindOf { a, b } => {
                        let kind = errors::kind(&r!(b));
                        set!(a, kind);
                    }
                    Op::Fail { kind, k } => break 'run Next::Fault(errors::foreseen(code, kind, k)),
                    // ---------------------------------------------------------------------- definitions
                    Op::Coerce { a, note } => {
                        let Some(note) = code.notes.get(note as usize) else { continue 'run };
                        if let Value::Promise(promise) = &r!(a)
                            && promise.is_pending()
                            && coerce::basic(&note.annotation).is_some()
                        {
                            // Its value will be made to fit when it is there; the assignment need not wait.
                            let typed =
                                attempt!('run, services.typed(promise, &note.annotation, &note.target));
                            super::unwind::stamp(services, code, pc);
                            set!(a, typed);
                            continue 'run;
                        }
                        let value =
                            attempt!('run, coerce::assign(r!(a).clone(), &note.annotation, &note.target));
                        set!(a, value);
                    }
                    Op::Observe { a } => {
                        if let Value::Promise(promise) = &r!(a) {
                            let value = attempt!('run, promise.observe());
                            set!(a, value);
                        }
                    }
                    // ---------------------------------------------------------------------- the whole machine
                    Op::Function { .. }
                    | Op::Struct { .. }
                    | Op::DefineMethod { .. }
                    | Op::Import { .. }
                    | Op::ImportName { .. }
                    | Op::ImportStar { .. }
                    | Op::Flush => break 'run Next::Whole(op),
                }
            };
            break next;
        };
        *pc_out = pc;
        *fuel_out = fuel;
        next
    }
}

/// More stack for another window.
#[inline(never)]
pub(super) fn grow(stack: &mut Vec<Value>) -> Result<(), Raise> {
    let more = stack.len().max(WINDOW);
    memory::reserve_values(more)?;
    let len = stack.len() + more;
    stack.resize_with(len, || Value::Unset);
    Ok(())
}
