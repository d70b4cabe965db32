//! From the syntax tree to code for the register machine.

mod assertion;
mod build;
pub mod code;
mod define;
mod expr;
mod handle;
mod iterate;
mod numbers;
pub mod op;
mod pipeline;
mod scope;
mod steady;
mod stmt;
mod want;

use std::rc::Rc;

use crate::syntax::ast::{Module, Tree};
use crate::syntax::error::ParseError;
use crate::syntax::name::Name;
use crate::value::{ModuleObj, Namespace};
use build::Build;
use code::{Code, SourceFile};
use scope::Scopes;

/// What compiling one program refers to.
pub struct Unit<'t> {
    pub(crate) tree: &'t Tree,
    pub(crate) scopes: Scopes,
    pub(crate) file: Rc<SourceFile>,
    pub(crate) module: Rc<ModuleObj>,
    pub(crate) public: Rc<Namespace>,
    pub(crate) system: Rc<Namespace>,
}

/// Compiles a program to the code of its top level.
pub fn compile(
    module: &Module,
    file: Rc<SourceFile>,
    into: Rc<ModuleObj>,
    public: Rc<Namespace>,
    system: Rc<Namespace>,
) -> Result<Code, ParseError> {
    let scopes = scope::analyse(module);
    // In order of first appearance: the order of slots is visible, in what a module has for example.
    let mut shared: Vec<Name> = scopes.shared.iter().copied().collect();
    shared.sort_unstable();
    for name in shared {
        let slot = into.locals.slot(module.tree.name(name));
        into.locals.share(slot);
    }
    let unit = Unit { tree: &module.tree, scopes, file, module: into, public, system };
    let mut code = Build::top(&unit).program(module.body)?;
    code.doc = define::doc(&module.tree, module.body);
    Ok(code)
}
