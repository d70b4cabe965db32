//! Native functions called with arguments that stand in registers as the function takes them.

use super::call::run_native;
use super::slow::Window;
use super::unwind::stamp;
use crate::compile::code::{CallSite, Code, MethodCache};
use crate::library;
use crate::library::native::{Native, Step};
use crate::session::Services;
use crate::value::{Raise, Value, put};

/// What came of it.
pub(super) enum Invoked {
    Done,
    /// An argument must be observed first: call it the long way.
    Promised,
    Step(Step),
}

/// Calls with `count` arguments from `first`, which are used up; the result goes to `a`.
#[inline(always)]
pub(super) fn invoke(
    win: &mut Window,
    native: &'static Native,
    (a, first, count): (u8, u8, usize),
    (code, pc): (&Code, usize),
    services: &mut Services,
) -> Result<Invoked, Raise> {
    let used = usize::from(first)..usize::from(first) + count;
    let args = win.get(used.clone()).unwrap_or_default();
    if args.iter().any(|value| matches!(value, Value::Promise(_))) {
        return Ok(Invoked::Promised);
    }
    let step = run_native(native, args, &[], &[], None, services)?;
    if services.fresh {
        stamp(services, code, pc);
    }
    for slot in win.get_mut(used).unwrap_or_default() {
        if !slot.is_scalar() {
            put(slot, Value::Unset);
        }
    }
    match step {
        Step::Done(value) => {
            put(&mut win[usize::from(a)], value);
            Ok(Invoked::Done)
        }
        step => Ok(Invoked::Step(step)),
    }
}

/// The native method of a receiver that is no struct, module or error; remembered by the receiver's type.
#[inline(always)]
pub(super) fn method(site: &CallSite, receiver: &Value, name: &str, count: u8) -> Option<&'static Native> {
    let tag = receiver.tag();
    if let MethodCache::Native(known, native) = &*site.cache.borrow()
        && *known == tag
    {
        return Some(native);
    }
    let native = library::method(receiver, name).filter(|native| native.takes(usize::from(count) + 1))?;
    site.cache.replace(MethodCache::Native(tag, native));
    Some(native)
}
