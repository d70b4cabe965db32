//! A program in the subset, in neither spelling.

#[derive(Debug, Clone)]
pub(crate) enum Expr {
    /// Digits, or a float without a sign.
    Number(String),
    Text(Quoted),
    /// `True`, `False`, `None` or a name.
    Name(String),
    Unary(&'static str, Box<Expr>),
    /// Arithmetic.
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Compare(&'static str, Box<Expr>, Box<Expr>),
    Logic(&'static str, Box<Expr>, Box<Expr>),
    Either {
        condition: Box<Expr>,
        yes: Box<Expr>,
        no: Box<Expr>,
    },
    Call {
        function: String,
        arguments: Vec<Argument>,
    },
    Method {
        receiver: Box<Expr>,
        name: String,
        arguments: Vec<Argument>,
    },
    Item(Box<Expr>, Box<Expr>),
    Slice(Box<Expr>, [Option<Box<Expr>>; 3]),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Set(Vec<Expr>),
    Comprehension(Box<Comprehension>),
    Lambda {
        parameters: Vec<Parameter>,
        body: Box<Expr>,
    },
    Format(Vec<Piece>),
}

#[derive(Debug, Clone)]
pub(crate) struct Argument {
    pub(crate) name: Option<String>,
    pub(crate) value: Expr,
}

#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) default: Option<Expr>,
}

/// A text literal, spelled the same in both languages.
#[derive(Debug, Clone)]
pub(crate) struct Quoted {
    pub(crate) source: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Comprehension {
    pub(crate) kind: Kind,
    pub(crate) element: Expr,
    pub(crate) targets: Vec<String>,
    pub(crate) over: Expr,
    pub(crate) filter: Option<Expr>,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    List,
    Set,
    /// The key; with Dana's parentheses or without.
    Dict {
        key: Expr,
        parenthesised: bool,
    },
}

/// A part of an f-string or of its format specification.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Plain(String),
    Hole {
        value: Expr,
        /// `{name=}`.
        shows_source: bool,
        conversion: Option<char>,
        spec: Option<Vec<Piece>>,
    },
}

#[derive(Debug, Clone)]
pub(crate) enum Stmt {
    /// Prints type, `repr` and `str` of a value. Sets come as sorted lists.
    Show {
        value: Expr,
        sorted: bool,
    },
    Print {
        values: Vec<Expr>,
        sep: Option<Expr>,
        end: Option<Expr>,
    },
    Do(Expr),
    /// The target is a name, an item or a slice.
    Assign(Expr, Expr),
    Augment(Expr, &'static str, Expr),
    If {
        branches: Vec<(Expr, Vec<Stmt>)>,
        otherwise: Option<Vec<Stmt>>,
    },
    While {
        condition: Expr,
        body: Vec<Stmt>,
    },
    For {
        targets: Vec<String>,
        over: Expr,
        body: Vec<Stmt>,
    },
    Break,
    Continue,
    Pass,
    Return(Option<Expr>),
    Raise {
        error: Option<Expr>,
        cause: Option<Expr>,
    },
    Assert(Expr, Expr),
    Try {
        body: Vec<Stmt>,
        handlers: Vec<Handler>,
        finally: Option<Vec<Stmt>>,
    },
    /// Prints kind and message of a caught error.
    Tell(String),
    Def {
        name: String,
        parameters: Vec<Parameter>,
        body: Vec<Stmt>,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Handler {
    /// Empty: any.
    pub(crate) kinds: Vec<&'static str>,
    pub(crate) name: Option<String>,
    pub(crate) body: Vec<Stmt>,
}

impl Expr {
    pub(crate) fn name(name: &str) -> Expr {
        Expr::Name(name.to_owned())
    }

    pub(crate) fn call(function: &str, arguments: Vec<Expr>) -> Expr {
        let arguments = arguments.into_iter().map(|value| Argument { name: None, value }).collect();
        Expr::Call { function: function.to_owned(), arguments }
    }

    pub(crate) fn method(receiver: Expr, name: &str, arguments: Vec<Expr>) -> Expr {
        let arguments = arguments.into_iter().map(|value| Argument { name: None, value }).collect();
        Expr::Method { receiver: Box::new(receiver), name: name.to_owned(), arguments }
    }

    pub(crate) fn int(number: i64) -> Expr {
        let digits = Expr::Number(number.unsigned_abs().to_string());
        if number < 0 { Expr::Unary("-", Box::new(digits)) } else { digits }
    }
}
