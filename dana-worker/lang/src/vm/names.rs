//! Names that are not where they were first looked for.

use std::rc::Rc;

use super::Vm;
use crate::library::native::{Body, Call, Native, Param, Step, Take};
use crate::library::{self};
use crate::session::{AsIs, Services};
use crate::value::{BoundObj, ModuleObj, Namespace, Raise, Value};
use dana_wire::Question;

/// Calls a function of the host; the receiver is its name.
static HOST_CALL: Native = Native {
    name: "host function",
    params: &[
        Param::new("name", Take::Position),
        Param::new("arguments", Take::Rest),
        Param::new("keywords", Take::Keywords),
    ],
    body: Body::Steps(call_host),
    protected: true,
};

/// The others serve imports and resources.
pub(super) fn is_identifier(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn call_host(call: &mut Call<'_>) -> Result<Step, Raise> {
    let name = call.arg(0).as_text().map(|text| text.to_string()).unwrap_or_default();
    let keywords = call.keywords.iter().map(|(name, _)| name.to_string()).collect();
    let values = call.rest.iter().chain(call.keywords.iter().map(|(_, value)| value)).cloned().collect();
    let background = call.services.functions.get(&*name).copied().unwrap_or_default();
    let question = Question::Function { name, positional: call.rest.len() as u32, keywords };
    let promise = call.services.ask(question, values, Box::new(AsIs))?;
    if background {
        return Ok(Step::Done(Value::Promise(promise)));
    }
    Ok(Step::Wait { promise, then: Box::new(crate::session::Identity) })
}

/// A function of the host, by the name it is asked for.
pub(super) fn host_function(name: &str) -> Value {
    Value::Bound(Rc::new(BoundObj { receiver: Value::str(name), function: Value::Native(&HOST_CALL) }))
}

/// A variable of the module's other scopes, a builtin, a type or a function of the host.
pub(super) fn elsewhere(
    name: &str,
    module: &ModuleObj,
    public: &Namespace,
    system: &Namespace,
    services: &Services,
) -> Option<Value> {
    module
        .private
        .get(name)
        .or_else(|| public.get(name))
        .or_else(|| system.get(name))
        .or_else(|| library::builtin(name).map(Value::Native))
        .or_else(|| services.struct_type(name).map(Value::StructType))
        .or_else(|| services.functions.contains_key(name).then(|| host_function(name)))
}

impl Vm {
    /// Looks a name up beyond the module's own variables.
    pub(super) fn find(&self, name: &str) -> Option<Value> {
        elsewhere(name, &self.func.module, &self.public, &self.system, &self.services)
    }

    /// A variable by its slot in the current module, wherever it may be found.
    pub(super) fn global(&self, slot: u32) -> Result<Value, Raise> {
        let value = self.func.module.locals.get_slot(slot);
        if !value.is_unset() {
            return Ok(value);
        }
        let name = self.func.module.locals.name(slot).unwrap_or_else(|| "".into());
        self.find(&name).ok_or_else(|| self.undefined(&name))
    }

    /// The namespace of a scope prefix.
    pub(super) fn scope(&self, scope: u8) -> &Namespace {
        match scope {
            0 => &self.func.module.locals,
            1 => &self.func.module.private,
            2 => &self.public,
            _ => &self.system,
        }
    }

    /// `scope:name`, which falls back to the other scopes.
    pub(super) fn scoped(&self, scope: u8, slot: u32) -> Result<Value, Raise> {
        let space = self.scope(scope);
        let value = space.get_slot(slot);
        if !value.is_unset() {
            return Ok(value);
        }
        let name = space.name(slot).unwrap_or_else(|| "".into());
        let local = self.func.module.locals.get(&name);
        local.or_else(|| self.find(&name)).ok_or_else(|| self.undefined(&name))
    }
}
