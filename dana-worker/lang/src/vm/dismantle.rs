//! The end of a session: everything reachable from its variables is taken apart.
//!
//! Functions hold their module, and modules hold their functions; without this no session in the host's
//! process would ever be freed.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::Vm;
use crate::value::{Iter, ModuleObj, Namespace, Value, take};

impl Vm {
    /// Empties all variables and the containers they lead to.
    pub fn dismantle(&mut self) {
        self.reset();
        self.services.end_turn();
        let mut left = Vec::new();
        let mut modules: Vec<Rc<ModuleObj>> = self.modules.drain().map(|(_, module)| module).collect();
        modules.push(Rc::clone(&self.main));
        for module in modules {
            empty(&module.locals, &mut left);
            empty(&module.private, &mut left);
        }
        empty(&self.public, &mut left);
        empty(&self.system, &mut left);
        let preloaded = self.services.preloaded.all().to_vec();
        for kind in self.services.types.drain().map(|(_, kind)| kind).chain(preloaded) {
            left.extend(kind.methods.borrow_mut().drain().map(|(_, method)| method));
        }
        let mut seen = BTreeSet::new();
        while let Some(value) = left.pop() {
            open(value, &mut seen, &mut left);
        }
    }
}

fn empty(space: &Namespace, left: &mut Vec<Value>) {
    left.extend(space.slots.borrow_mut().iter_mut().map(take).filter(|value| !value.is_scalar()));
}

/// Takes out what a container holds. One that is already empty leads nowhere, so cycles end; what cannot be
/// emptied is opened once.
fn open(value: Value, seen: &mut BTreeSet<usize>, left: &mut Vec<Value>) {
    match &value {
        Value::List(list) => left.append(&mut list.items.borrow_mut()),
        Value::Struct(it) => left.append(&mut it.fields.borrow_mut()),
        Value::Dict(dict) => {
            let table = std::mem::take(&mut *dict.table.borrow_mut());
            left.extend(
                table.iter().flat_map(|entry| [entry.key.clone(), entry.value.clone()]).filter(leads),
            );
        }
        Value::Set(set) => {
            let table = std::mem::take(&mut *set.table.borrow_mut());
            left.extend(table.keys().filter(|key| leads(key)).cloned());
        }
        Value::Func(func) => {
            for cell in &func.captures {
                left.push(cell.0.replace(Value::Unset));
            }
            if func.defaults.iter().any(leads) && seen.insert(Rc::as_ptr(func) as usize) {
                left.extend(func.defaults.iter().filter(|value| leads(value)).cloned());
            }
        }
        Value::Cell(cell) => left.push(cell.0.replace(Value::Unset)),
        Value::Error(error) => left.extend(error.cause.take().map(Value::Error)),
        Value::Iter(iter) => {
            if let Ok(mut inner) = iter.inner.try_borrow_mut() {
                std::mem::replace(&mut *inner, Iter::END).dissolve(left);
            }
        }
        Value::View(view) => left.push(Value::Dict(Rc::clone(&view.dict))),
        Value::Grid(grid) => left.extend(grid.values()),
        Value::Column(column) => left.push(Value::Grid(Rc::clone(&column.grid))),
        Value::Tuple(tuple) if tuple.items().iter().any(leads) && seen.insert(Rc::as_ptr(tuple) as usize) => {
            left.extend(tuple.items().iter().filter(|item| leads(item)).cloned());
        }
        Value::Bound(bound) if leads(&bound.receiver) && seen.insert(Rc::as_ptr(bound) as usize) => {
            left.extend([bound.receiver.clone(), bound.function.clone()]);
        }
        Value::Module(module) => {
            empty(&module.locals, left);
            empty(&module.private, left);
        }
        _ => {}
    }
    drop(value);
}

/// May lead to something that is emptied.
fn leads(value: &Value) -> bool {
    !value.is_scalar()
        && !matches!(
            value,
            Value::Str(_) | Value::Big(_) | Value::Bytes(_) | Value::Range(_) | Value::Literal(_)
        )
}
