//! `import` and `from ... import`.

use super::super::ast::{Ident, Import, ImportForm, Imported, ModulePath, StmtKind};
use super::super::token::Kind;
use super::{Parsed, Parser, fail_hint};

impl Parser<'_> {
    /// `import a.b as c`.
    pub(super) fn import(&mut self) -> Parsed<StmtKind> {
        self.bump();
        if self.peek() == Kind::Dot {
            let hint = "write: from .module import name";
            return fail_hint("'import' takes no relative path", self.token().span(), hint);
        }
        let module = self.module_path()?;
        let alias = self.alias()?;
        if self.peek() == Kind::Comma {
            return fail_hint(
                "an 'import' names one module",
                self.token().span(),
                "write one 'import' per module",
            );
        }
        let form = ImportForm::Module { alias };
        Ok(StmtKind::Import(self.tree.add(Import { module, form })))
    }

    /// `from a.b import c as d, e`.
    pub(super) fn import_from(&mut self) -> Parsed<StmtKind> {
        self.bump();
        let module = self.module_path()?;
        self.expect(Kind::Import, "after the module")?;
        if self.accept(Kind::Star).is_some() {
            return Ok(StmtKind::Import(self.tree.add(Import { module, form: ImportForm::Star })));
        }
        if self.peek() == Kind::LeftParen {
            let hint = "write the names without parentheses, on one line";
            return fail_hint("imported names have no parentheses", self.token().span(), hint);
        }
        let mut names = Vec::new();
        loop {
            let name = self.ident("the name to import")?;
            let alias = self.alias()?;
            names.push(Imported { name, alias });
            if self.accept(Kind::Comma).is_none() {
                break;
            }
        }
        let form = ImportForm::Names(self.tree.add_list(names));
        Ok(StmtKind::Import(self.tree.add(Import { module, form })))
    }

    fn alias(&mut self) -> Parsed<Option<Ident>> {
        match self.accept(Kind::As) {
            Some(_) => Ok(Some(self.ident("a name after 'as'")?)),
            None => Ok(None),
        }
    }

    fn module_path(&mut self) -> Parsed<ModulePath> {
        let start = self.token();
        let mut level = 0;
        while self.accept(Kind::Dot).is_some() {
            level += 1;
        }
        let mut parts: Vec<Ident> = Vec::new();
        if level == 0 || self.peek() == Kind::Name {
            parts.push(self.ident("the name of a module")?);
            while self.accept(Kind::Dot).is_some() {
                parts.push(self.ident("a name after '.'")?);
            }
        }
        let is_python = |last: &Ident| self.tree.name(last.name) == "py";
        let python = parts.len() > 1 && parts.last().is_some_and(is_python);
        if python {
            parts.pop();
        }
        let span = self.span_from(start);
        Ok(ModulePath { level, parts: self.tree.add_list(parts), python, span })
    }
}
