//! The syntax tree of a Dana module.
//!
//! All nodes live in one [`Tree`], in a vector per kind, and refer to each other by [`Id`] and [`List`]
//! (a contiguous run). Nodes are `Copy`, so a compiler can hold a node while it changes itself; there is no
//! allocation per node, and dropping a tree never recurses. Names are interned: [`Name`] is a dense number,
//! so that scopes can be vectors.
//!
//! Whatever a program may make long is flat here, and depth is bounded by the parser's limit
//! ([`MAX_DEPTH`](super::parser::MAX_DEPTH)), so that a recursive walk is always safe: operators of one
//! precedence level are one [`ExprKind::Binary`] with many steps, `a.b().c[0]` is one [`ExprKind::Postfix`]
//! with many links, `x if a else y if b else z` is one [`ExprKind::Choice`], an `elif` ladder one
//! [`StmtKind::If`].

use super::name::Name;
use super::span::Span;

pub use super::tree::{Id, List, Node, Text, Tree};

/// A whole source text, parsed.
#[derive(Debug)]
pub struct Module {
    pub body: Block,
    pub tree: Tree,
}

pub type ExprId = Id<Expr>;
pub type Block = List<Stmt>;

/// A name where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ident {
    pub name: Name,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    Local,
    Private,
    Public,
    System,
}

// ------------------------------------------------------------------------------------------ expressions

#[derive(Debug, Clone, Copy)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ExprKind {
    None,
    True,
    False,
    Int(i64),
    /// Decimal digits of an integer beyond `i64`.
    BigInt(Text),
    Float(f64),
    Str(Text),
    FString(List<Piece>),
    Name(Name),
    /// `private:x`.
    Scoped(Scope, Name),
    /// `$$`.
    Placeholder,
    Unary(UnaryOp, ExprId),
    /// Operators of one precedence level, applied from the left: `((first op operand) op operand) ...`.
    /// `**` is right associative and therefore always alone: its `rest` has one step.
    Binary {
        first: ExprId,
        rest: List<Step>,
    },
    /// `a and b and c`: at least two operands, short-circuit, a bool.
    Logic(LogicOp, List<ExprId>),
    /// `value if condition else value if condition else otherwise`: at least one arm, in source order.
    Choice {
        arms: List<Arm>,
        otherwise: ExprId,
    },
    /// `base` followed by at least one link, applied from the left.
    Postfix {
        base: ExprId,
        links: List<Link>,
    },
    Tuple(List<ExprId>),
    List(List<ExprId>),
    Set(List<ExprId>),
    Dict(List<Pair>),
    Comprehension(Id<Comprehension>),
    /// A [`Function`] whose body is [`Body::Value`].
    Lambda(Id<Function>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    Plus,
    Minus,
    Not,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
    Less,
    Greater,
    LessEqual,
    GreaterEqual,
    Equal,
    NotEqual,
    In,
    NotIn,
    Is,
    IsNot,
}

impl BinaryOp {
    /// The operator as written in a program.
    pub fn text(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Subtract => "-",
            BinaryOp::Multiply => "*",
            BinaryOp::Divide => "/",
            BinaryOp::FloorDivide => "//",
            BinaryOp::Modulo => "%",
            BinaryOp::Power => "**",
            BinaryOp::Less => "<",
            BinaryOp::Greater => ">",
            BinaryOp::LessEqual => "<=",
            BinaryOp::GreaterEqual => ">=",
            BinaryOp::Equal => "==",
            BinaryOp::NotEqual => "!=",
            BinaryOp::In => "in",
            BinaryOp::NotIn => "not in",
            BinaryOp::Is => "is",
            BinaryOp::IsNot => "is not",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogicOp {
    And,
    Or,
}

/// `op operand`; the span is the operator's.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub op: BinaryOp,
    pub operand: ExprId,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arm {
    pub value: ExprId,
    pub condition: ExprId,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    pub key: ExprId,
    pub value: ExprId,
}

/// One step of a postfix chain. The span is the link's own: from the dot or bracket to its end.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    pub kind: LinkKind,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LinkKind {
    /// `.name`, not followed by a call.
    Attribute(Name),
    /// `.name(args)`.
    Method(Name, List<Argument>),
    /// `(args)` on anything that is not an attribute.
    Call(List<Argument>),
    Subscript(Subscript),
    /// `[i, j]`: two or more; a tuple of indexes when all are [`Subscript::Index`].
    Subscripts(List<Subscript>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Subscript {
    Index(ExprId),
    Slice { start: Option<ExprId>, stop: Option<ExprId>, step: Option<ExprId> },
}

/// Positional arguments come first; no keyword occurs twice (both checked by the parser).
#[derive(Debug, Clone, Copy)]
pub struct Argument {
    pub keyword: Option<Ident>,
    pub value: ExprId,
}

/// A part of an f-string. `{x=}` arrives as a text `x=` and a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Piece {
    Text(Text),
    Field { value: ExprId, conversion: Option<Conversion>, spec: List<Piece> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// `!s`
    Str,
    /// `!r`
    Repr,
    /// `!a`
    Ascii,
}

#[derive(Debug, Clone, Copy)]
pub struct Comprehension {
    pub shape: Shape,
    /// One or two or more names.
    pub targets: List<Ident>,
    pub iterable: ExprId,
    pub filter: Option<ExprId>,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    List(ExprId),
    Set(ExprId),
    Dict(Pair),
}

// ------------------------------------------------------------------------------------------- statements

/// Simple statements span their whole text, compound ones their header line.
#[derive(Debug, Clone, Copy)]
pub struct Stmt {
    pub kind: StmtKind,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StmtKind {
    Expr(ExprId),
    Assign(Id<Assign>),
    /// `target op= value`.
    Augment(Id<Augment>),
    /// `if` and its `elif`s in order.
    If {
        arms: List<Branch>,
        otherwise: Option<Block>,
    },
    While {
        condition: ExprId,
        body: Block,
    },
    For(Id<For>),
    Try(Id<Try>),
    With(Id<With>),
    Function(Id<Function>),
    Type(Id<TypeDef>),
    Interface(Id<Interface>),
    Agent(Id<Agent>),
    Import(Id<Import>),
    /// Only inside a function (checked by the parser).
    Return(Option<ExprId>),
    /// Only inside a loop (checked by the parser).
    Break,
    /// Only inside a loop (checked by the parser).
    Continue,
    Pass,
    Raise {
        error: Option<ExprId>,
        cause: Option<ExprId>,
    },
    Assert {
        condition: ExprId,
        message: Option<ExprId>,
    },
}

#[derive(Debug, Clone, Copy)]
pub struct Assign {
    pub target: Target,
    pub annotation: Option<Type>,
    pub value: ExprId,
}

#[derive(Debug, Clone, Copy)]
pub struct Augment {
    pub target: Target,
    /// Add, Subtract, Multiply or Divide.
    pub op: BinaryOp,
    pub value: ExprId,
    /// Of the operator.
    pub op_span: Span,
}

/// Where an assignment goes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub kind: TargetKind,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TargetKind {
    Name(Name),
    Scoped(Scope, Name),
    Attribute(ExprId, Name),
    Subscript(ExprId, Subscript),
    /// `a[i, j] = v`.
    Subscripts(ExprId, List<Subscript>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Branch {
    pub condition: ExprId,
    pub body: Block,
}

#[derive(Debug, Clone, Copy)]
pub struct For {
    /// At least one; several names unpack.
    pub targets: List<Ident>,
    pub iterable: ExprId,
    pub body: Block,
}

/// Has at least one clause or a `finally`.
#[derive(Debug, Clone, Copy)]
pub struct Try {
    pub body: Block,
    pub clauses: List<Clause>,
    pub finally: Option<Block>,
}

#[derive(Debug, Clone, Copy)]
pub struct Clause {
    /// Names of error kinds; none: every error. A name is an ordinary identifier, matched as text.
    pub kinds: List<Ident>,
    pub binding: Option<Ident>,
    pub body: Block,
    pub span: Span,
}

#[derive(Debug, Clone, Copy)]
pub struct With {
    pub value: ExprId,
    pub binding: Ident,
    pub body: Block,
}

#[derive(Debug, Clone, Copy)]
pub struct Import {
    pub module: ModulePath,
    pub form: ImportForm,
}

#[derive(Debug, Clone, Copy)]
pub struct ModulePath {
    /// Leading dots; 0 is absolute.
    pub level: u32,
    /// Without the `.py` suffix; empty only in `from . import x`.
    pub parts: List<Ident>,
    /// Written with `.py`.
    pub python: bool,
    pub span: Span,
}

#[derive(Debug, Clone, Copy)]
pub enum ImportForm {
    /// `import path [as alias]`.
    Module { alias: Option<Ident> },
    /// `from path import *`.
    Star,
    /// `from path import a, b as c`.
    Names(List<Imported>),
}

#[derive(Debug, Clone, Copy)]
pub struct Imported {
    pub name: Ident,
    pub alias: Option<Ident>,
}

// ------------------------------------------------------------------------------------------ definitions

#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// None for a lambda.
    pub name: Option<Ident>,
    /// `def (self: Point) name(...)`, `lambda (self: Point) ... ::`.
    pub receiver: Option<Parameter>,
    pub parameters: List<Parameter>,
    pub returns: Option<Type>,
    /// Outermost (first written) first.
    pub decorators: List<Decorator>,
    /// Written `sync def`.
    pub sync: bool,
    /// Variables that `reason(..., context={...})` makes in the body.
    pub entries: List<Ident>,
    pub body: Body,
    /// The header.
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Body {
    Block(Block),
    /// A lambda's expression.
    Value(ExprId),
    /// `def f(x) = a | b`: at least one stage.
    Pipeline(List<Stage>),
}

/// Names within one parameter list (receiver included) differ (checked by the parser).
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    pub name: Ident,
    pub annotation: Option<Type>,
    pub default: Option<ExprId>,
}

#[derive(Debug, Clone, Copy)]
pub struct Decorator {
    pub name: Ident,
    /// None: written without parentheses.
    pub arguments: Option<List<Argument>>,
}

#[derive(Debug, Clone, Copy)]
pub struct Stage {
    pub kind: StageKind,
    pub alias: Option<Ident>,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StageKind {
    /// A name or dotted name: applied to the value.
    Function(ExprId),
    /// `f(args)`; an argument may be `$$`.
    Call(ExprId, List<Argument>),
    /// `[f, g]`: each applied to the same value. Stages inside have no alias.
    Fan(List<Stage>),
}

/// `struct`, `resource`, `agent_blueprint` or `workflow`.
#[derive(Debug, Clone, Copy)]
pub struct TypeDef {
    pub kind: TypeKind,
    pub name: Ident,
    pub doc: Option<Text>,
    /// In source order, names differ.
    pub fields: List<Field>,
    /// `def`s in the body.
    pub methods: List<Id<Function>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypeKind {
    Struct,
    Resource,
    AgentBlueprint,
    Workflow,
}

#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: Ident,
    pub annotation: Type,
    pub default: Option<ExprId>,
    /// The comment on the field's line, without `#`.
    pub comment: Option<Text>,
}

#[derive(Debug, Clone, Copy)]
pub struct Interface {
    pub name: Ident,
    pub doc: Option<Text>,
    pub methods: List<Signature>,
    /// Embedded interfaces.
    pub embeds: List<Ident>,
}

#[derive(Debug, Clone, Copy)]
pub struct Signature {
    pub name: Ident,
    pub parameters: List<Parameter>,
    pub returns: Option<Type>,
}

/// `agent X`, `agent X(B)`, `agent X(B):` with overrides, `agent (B):` with overrides.
#[derive(Debug, Clone, Copy)]
pub struct Agent {
    pub name: Option<Ident>,
    pub blueprint: Option<Ident>,
    pub doc: Option<Text>,
    pub overrides: List<Override>,
}

#[derive(Debug, Clone, Copy)]
pub struct Override {
    pub name: Ident,
    pub value: ExprId,
}

// ------------------------------------------------------------------------------------------------ types

/// A type expression: a union of at least one term.
#[derive(Debug, Clone, Copy)]
pub struct Type {
    pub terms: List<TypeTerm>,
    pub span: Span,
}

#[derive(Debug, Clone, Copy)]
pub struct TypeTerm {
    /// `None` (in any of its spellings) is the name `None`.
    pub name: Ident,
    pub arguments: List<Type>,
}
