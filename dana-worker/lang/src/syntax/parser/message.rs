//! What to say about a token that does not fit, with the hint for forms of other languages and of older Dana.

use super::super::error::SyntaxFault;
use super::super::token::{Kind, Token};
use super::Parser;
use crate::text::nearest;

/// Words that statements start with.
const STARTS: &[&str] = &[
    "agent",
    "agent_blueprint",
    "assert",
    "def",
    "elif",
    "else",
    "except",
    "finally",
    "for",
    "from",
    "if",
    "import",
    "interface",
    "raise",
    "resource",
    "return",
    "struct",
    "try",
    "while",
    "with",
    "workflow",
];

const PIPE: &str =
    "'|' joins the stages of a declarative function: def f(x) = first | second; elsewhere write the calls";

impl Parser<'_> {
    /// "expected ..., found ...", or something better where the token tells what was meant.
    pub(super) fn unexpected(&self, expected: &str) -> Box<SyntaxFault> {
        let token = self.token();
        let special =
            self.special(token).or_else(|| self.reserved(token)).or_else(|| self.doubled(token, expected));
        if let Some(special) = special {
            return special;
        }
        let message = format!("expected {expected}, found {}", self.found());
        let mut fault = SyntaxFault::new(message, token.span());
        if token.kind == Kind::Newline {
            // Point just behind the last token rather than at a comment.
            fault.span.end = fault.span.start;
        }
        Box::new(match token.kind {
            Kind::Assign if !expected.starts_with("the end") => fault.hint("comparison is written =="),
            Kind::String | Kind::FStart if self.previous_is_string() => {
                fault.hint("strings side by side are not joined: use +")
            }
            Kind::String if self.previous().kind == Kind::Name && self.previous().end == token.start => {
                fault.hint("strings have no prefix but r and f; there are no bytes literals")
            }
            kind if kind.is_keyword() && expected.contains("name") => {
                fault.hint(format!("{} is a reserved word", kind.describe()))
            }
            Kind::At => fault.hint("'@' only starts a decorator: @name on a line of its own above 'def'"),
            Kind::Dot if expected.starts_with("an expression") => {
                fault.hint("there is no '...': an empty block is written pass")
            }
            Kind::Name if self.other_word(expected).is_some() => {
                fault.hint(self.other_word(expected).unwrap_or_default())
            }
            _ => match self.open_bracket(token) {
                Some(hint) => fault.hint(hint),
                None => fault,
            },
        })
    }

    /// Says so when a bracket of an earlier line is still open.
    fn open_bracket(&self, token: Token) -> Option<String> {
        let mut closed = 0_u32;
        for before in self.tokens.get(..self.at)?.iter().rev() {
            match before.kind {
                Kind::RightParen | Kind::RightBracket | Kind::RightBrace | Kind::FClose => closed += 1,
                Kind::LeftParen | Kind::LeftBracket | Kind::LeftBrace | Kind::FOpen if closed > 0 => {
                    closed -= 1;
                }
                Kind::LeftParen | Kind::LeftBracket | Kind::LeftBrace => {
                    let line = |at: u32| {
                        self.text.as_bytes().iter().take(at as usize).filter(|&&b| b == b'\n').count()
                    };
                    let (opened, here) = (line(before.start), line(token.start));
                    let hint = format!("the {} of line {} is still open", before.kind.describe(), opened + 1);
                    return (opened < here).then_some(hint);
                }
                _ => {}
            }
        }
        None
    }

    /// A reserved word used as a name: `agent = 5`, `f(from=1)`. The token is the word or the `=` after it.
    fn reserved(&self, token: Token) -> Option<Box<SyntaxFault>> {
        let word = match token.kind {
            Kind::Assign => self.previous(),
            _ if self.peek_next() == Kind::Assign => token,
            _ => return None,
        };
        if !word.kind.is_keyword() {
            return None;
        }
        let message = format!("'{}' is a reserved word and cannot be a name", self.slice(word.span()));
        Some(Box::new(SyntaxFault::new(message, word.span()).hint("choose another name")))
    }

    /// `x++` and `x--`, met at what would be the operand of the second sign.
    fn doubled(&self, token: Token, expected: &str) -> Option<Box<SyntaxFault>> {
        let second = self.previous();
        let first = self.tokens.get(self.at.checked_sub(2)?)?;
        let sign = match (first.kind, second.kind) {
            (Kind::Plus, Kind::Plus) => '+',
            (Kind::Minus, Kind::Minus) => '-',
            _ => return None,
        };
        if !expected.starts_with("an expression") || first.end != second.start || token.kind == Kind::Fault {
            return None;
        }
        let message = format!("there is no operator '{sign}{sign}'");
        Some(Box::new(
            SyntaxFault::new(message, first.span().to(second.span())).hint(format!("write x {sign}= 1")),
        ))
    }

    /// A name where something else was expected, as other languages have it there.
    fn other_word(&self, expected: &str) -> Option<&'static str> {
        let before = self.previous();
        match self.slice(self.token().span()) {
            "catch" if expected.starts_with("'except'") => Some("write except"),
            "then" if expected.starts_with("':'") => Some("there is no 'then': the ':' ends the condition"),
            "of" if expected.starts_with("'in'") => Some("write for x in ...:"),
            _ if expected == "':' after 'except'" => Some("the name of the error stands after 'as'"),
            _ if before.kind == Kind::Name && self.slice(before.span()) == "new" => {
                Some("an instance is made by calling its type: Point(x=1)")
            }
            _ => None,
        }
    }

    /// Tokens that are wrong wherever a parser meets them unexpectedly.
    fn special(&self, token: Token) -> Option<Box<SyntaxFault>> {
        let fault = match token.kind {
            Kind::Fault => self.fault?.clone(),
            Kind::Foreign => {
                let text = self.slice(token.span());
                SyntaxFault::new(format!("there is no operator '{text}'"), token.span()).hint(foreign(text))
            }
            Kind::Pipe => SyntaxFault::new("'|' outside a declarative function", token.span()).hint(PIPE),
            kind => {
                let hint = without_grammar(kind)?;
                let message = format!("{} is reserved and has no meaning in Dana", kind.describe());
                SyntaxFault::new(message, token.span()).hint(hint)
            }
        };
        Some(Box::new(fault))
    }

    /// The next token, for a message.
    pub(super) fn found(&self) -> String {
        let token = self.token();
        match token.kind {
            Kind::Name | Kind::Int | Kind::Float => {
                let text = self.slice(token.span());
                if text.len() > 40 { format!("'{}...'", &text[..40]) } else { format!("'{text}'") }
            }
            kind if kind.is_keyword() => format!("'{}'", self.slice(token.span())),
            kind => kind.describe().to_string(),
        }
    }

    /// A word at the start of a statement that belongs elsewhere.
    pub(super) fn misplaced(&self) -> Option<Box<SyntaxFault>> {
        let token = self.token();
        let (message, hint) = match token.kind {
            Kind::Indent => {
                ("this line is indented without a reason", "only lines after a ':' are indented deeper")
            }
            Kind::Elif => ("'elif' without 'if'", "it stands in the same column as its 'if'"),
            Kind::Else => ("'else' without 'if'", "it stands in the same column as its 'if'"),
            Kind::Except => ("'except' without 'try'", "it stands in the same column as its 'try'"),
            Kind::Finally => ("'finally' without 'try'", "it stands in the same column as its 'try'"),
            kind => {
                let compound = matches!(
                    kind,
                    Kind::If | Kind::While | Kind::For | Kind::Try | Kind::With | Kind::Def | Kind::Struct
                ) && self.previous().kind == Kind::Semicolon;
                if !compound {
                    return None;
                }
                ("only simple statements may follow ';'", "start a new line")
            }
        };
        Some(Box::new(SyntaxFault::new(message, token.span()).hint(hint)))
    }

    /// Something is left on the line after a whole statement.
    pub(super) fn trailing(&self) -> Box<SyntaxFault> {
        let token = self.token();
        let first = self.statement_start();
        if token.kind == Kind::Fault {
            return self.unexpected("the end of the line");
        }
        if first.kind == Kind::Name && first != token {
            let word = self.slice(first.span());
            if let Some(hint) = other_language(word, token.kind) {
                let message = match word {
                    "print" => "'print' is a function".to_string(),
                    _ => format!("there is no '{word}' statement"),
                };
                return Box::new(SyntaxFault::new(message, first.span()).hint(hint));
            }
        }
        let fault = self.unexpected("the end of the line");
        if fault.hint.is_none() && self.previous() == first && first.kind == Kind::Name {
            let word = self.slice(first.span());
            if let Some(near) = nearest(word, STARTS.iter().copied()) {
                return Box::new(fault.hint(format!("did you mean '{near}'?")));
            }
        }
        match token.kind {
            _ if fault.hint.is_some() => fault,
            Kind::Colon => Box::new(SyntaxFault::new("unexpected ':'", token.span()).hint(
                "a block follows if, elif, else, while, for, def, try, except, finally, with or struct",
            )),
            _ => fault,
        }
    }

    /// First token of the statement the parser stands in.
    fn statement_start(&self) -> Token {
        let before = self.tokens.get(..self.at).unwrap_or_default();
        let starts = |token: &Token| {
            matches!(token.kind, Kind::Newline | Kind::Semicolon | Kind::Indent | Kind::Dedent)
        };
        let first = before.iter().rposition(starts).map_or(0, |index| index + 1);
        self.tokens.get(first).copied().unwrap_or(self.token())
    }

    fn previous_is_string(&self) -> bool {
        matches!(self.previous().kind, Kind::String | Kind::FEnd)
    }
}

/// What to write instead of an operator that Dana does not have.
fn foreign(operator: &str) -> &'static str {
    match operator {
        "&&" | "&" => "logical and is written 'and'; there are no bitwise operators",
        "||" => "logical or is written 'or'",
        "!" => "negation is written 'not'",
        "~" | "^" | "<<" | ">>" => "there are no bitwise operators",
        "//=" | "%=" | "**=" | "&=" | "|=" | "^=" | "@=" | ">>=" | "<<=" => {
            "assignment joins with + - * / only: write x = x op y"
        }
        ":=" => "there is no assignment inside an expression",
        "===" => "equality is written ==",
        "!==" | "<>" => "inequality is written !=",
        "=>" => "a lambda is written: lambda x :: x + 1",
        "|>" => "stages of a declarative function are joined with |",
        "?" => "a conditional expression is written: a if condition else b",
        _ => "see the list of operators in the language reference",
    }
}

/// Reserved words that no rule of the grammar uses.
fn without_grammar(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Deliver => "use 'return'",
        Kind::Yield => "there are no generators: build a list and return it",
        Kind::Global => "use a variable with the prefix private: or public: to share state between functions",
        Kind::Nonlocal => "use a variable with the prefix private:, or change a list or dict in place",
        Kind::Del => "use .pop(...) or .remove(...)",
        Kind::Export => "all names of a module that do not start with '_' can be imported",
        _ => return None,
    })
}

/// Statements of other languages, known by their first word and what follows it.
fn other_language(word: &str, next: Kind) -> Option<&'static str> {
    let operand = matches!(
        next,
        Kind::Name
            | Kind::String
            | Kind::FStart
            | Kind::Int
            | Kind::Float
            | Kind::LeftParen
            | Kind::LeftBrace
    );
    let header = operand || next == Kind::Colon || next.is_keyword();
    Some(match word {
        "class" if header => "define data with 'struct Name:' and methods with 'def (self: Name) method():'",
        "match" | "switch" if header => "use if and elif, or the function case(...)",
        "case" if header => "case is a function: case((condition, function), ..., fallback)",
        "enum" if header => "use a struct or a dict",
        "type" if operand => "there are no type aliases",
        "async" if header => "write def alone: asking is already concurrent",
        "await" if operand => "write the call alone: results are waited for when they are used",
        "use" if operand => "use is a function: use(\"name\", ...)",
        "agent_pool" if header => "define an 'agent_blueprint' and make a list of agents",
        "elsif" | "elseif" | "elsif_" if header => "write elif",
        "func" | "function" | "fn" | "fun" | "proc" if header => "write def name(...):",
        "let" | "var" | "const" if header => "assign without a keyword: name = value",
        "unless" if header => "write if not ...:",
        "until" if header => "write while not ...:",
        "foreach" | "loop" | "do" if header => "the loops are 'for x in ...:' and 'while ...:'",
        "print" | "echo" if operand => "write print(...)",
        "throw" if header => "write raise",
        "include" | "require" | "using" if header => "write import",
        "catch" if header => "write except",
        "delete" if operand => "use .pop(...) or .remove(...)",
        _ => return None,
    })
}
