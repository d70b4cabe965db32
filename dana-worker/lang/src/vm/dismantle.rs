//! The end of a session: everything reachable from its variables is taken apart.
//!
//! Functions hold their module, and modules hold their functions; without this no session in the host's
//! process would ever be freed.

use std::rc::Rc;

use super::Vm;
use crate::value::{ModuleObj, Namespace, Value, take};

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
        while let Some(value) = left.pop() {
            open(value, &mut left);
        }
    }
}

fn empty(space: &Namespace, left: &mut Vec<Value>) {
    left.extend(space.slots.borrow_mut().iter_mut().map(take).filter(|value| !value.is_scalar()));
}

/// Takes out what a container holds. One that is already empty leads nowhere, so cycles end.
fn open(value: Value, left: &mut Vec<Value>) {
    match &value {
        Value::List(list) => left.append(&mut list.items.borrow_mut()),
        Value::Struct(it) => left.append(&mut it.fields.borrow_mut()),
        Value::Dict(dict) => {
            let table = std::mem::take(&mut *dict.table.borrow_mut());
            left.extend(table.iter().map(|entry| entry.value.clone()));
        }
        Value::Func(func) => {
            for cell in &func.captures {
                left.push(cell.0.replace(Value::Unset));
            }
        }
        Value::Tuple(tuple) if Rc::strong_count(tuple) > 1 => left.extend(
            tuple
                .items()
                .iter()
                .filter(|item| matches!(item, Value::List(_) | Value::Dict(_) | Value::Func(_)))
                .cloned(),
        ),
        Value::Module(module) => {
            empty(&module.locals, left);
            empty(&module.private, left);
        }
        _ => {}
    }
    drop(value);
}
