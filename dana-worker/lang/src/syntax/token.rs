//! What the lexer hands to the parser: kinds with byte ranges, no text of their own.

use super::span::Span;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Token {
    pub(crate) fn span(self) -> Span {
        Span::new(self.start, self.end)
    }
}

macro_rules! kinds {
    ($($name:ident $text:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Kind { $($name,)* }

        impl Kind {
            /// How messages call this kind.
            pub(crate) fn describe(self) -> &'static str {
                match self { $(Kind::$name => $text,)* }
            }
        }
    };
}

kinds! {
    // layout
    Newline "the end of the line", Indent "an indented line", Dedent "the end of the block",
    End "the end of the program",
    // The lexer could not go on; it keeps the reason.
    Fault "invalid text",
    // operands
    Name "a name", Int "a number", Float "a number", String "a string",
    // An f-string is Start, then Text and fields (Open, expression, [Debug], [Convert], [Spec text], Close), then End.
    FStart "an f-string", FText "text of an f-string", FOpen "'{' of an f-string", FDebug "'='",
    FConvert "'!'", FSpec "':'", FClose "'}'", FEnd "the end of an f-string",
    // keywords
    True "'True'", False "'False'", None "'None'",
    Private "'private'", Public "'public'", Local "'local'", System "'system'",
    Break "'break'", Continue "'continue'", Pass "'pass'", Return "'return'", Sync "'sync'",
    If "'if'", Else "'else'", Elif "'elif'", While "'while'", For "'for'", Def "'def'",
    Struct "'struct'", Resource "'resource'", Workflow "'workflow'", Interface "'interface'",
    AgentBlueprint "'agent_blueprint'", Agent "'agent'",
    Try "'try'", Except "'except'", Finally "'finally'", Raise "'raise'", Assert "'assert'",
    Import "'import'", From "'from'", With "'with'", Lambda "'lambda'", As "'as'",
    And "'and'", Or "'or'", Not "'not'", In "'in'", Is "'is'",
    // keywords that have no grammar
    Deliver "'deliver'", Yield "'yield'", Global "'global'", Nonlocal "'nonlocal'", Del "'del'", Export "'export'",
    // punctuation
    LeftParen "'('", RightParen "')'", LeftBracket "'['", RightBracket "']'", LeftBrace "'{'", RightBrace "'}'",
    Comma "','", Colon "':'", DoubleColon "'::'", Semicolon "';'", Dot "'.'", Arrow "'->'", At "'@'",
    Pipe "'|'", Placeholder "'$$'",
    Plus "'+'", Minus "'-'", Star "'*'", Slash "'/'", DoubleSlash "'//'", Percent "'%'", DoubleStar "'**'",
    Less "'<'", Greater "'>'", LessEqual "'<='", GreaterEqual "'>='", Equal "'=='", NotEqual "'!='",
    Assign "'='", PlusAssign "'+='", MinusAssign "'-='", StarAssign "'*='", SlashAssign "'/='",
    // operators of other languages, lexed to be refused by name
    Foreign "an operator that Dana does not have",
}

impl Kind {
    /// Reserved words, whether or not they have a grammar.
    pub(crate) fn is_keyword(self) -> bool {
        (Kind::True as u8..=Kind::Export as u8).contains(&(self as u8))
    }

    pub(crate) fn is_scope(self) -> bool {
        matches!(self, Kind::Private | Kind::Public | Kind::Local | Kind::System)
    }
}

/// The keyword a word is, if it is one.
pub(crate) fn keyword(word: &[u8]) -> Option<Kind> {
    Some(match word {
        b"True" | b"true" | b"TRUE" => Kind::True,
        b"False" | b"false" | b"FALSE" => Kind::False,
        b"None" | b"none" | b"NONE" | b"null" | b"NULL" => Kind::None,
        b"private" => Kind::Private,
        b"public" => Kind::Public,
        b"local" => Kind::Local,
        b"system" => Kind::System,
        b"break" => Kind::Break,
        b"continue" => Kind::Continue,
        b"pass" => Kind::Pass,
        b"return" => Kind::Return,
        b"deliver" => Kind::Deliver,
        b"sync" => Kind::Sync,
        b"if" => Kind::If,
        b"else" => Kind::Else,
        b"elif" => Kind::Elif,
        b"while" => Kind::While,
        b"for" => Kind::For,
        b"def" => Kind::Def,
        b"struct" => Kind::Struct,
        b"resource" => Kind::Resource,
        b"workflow" => Kind::Workflow,
        b"interface" => Kind::Interface,
        b"try" => Kind::Try,
        b"except" => Kind::Except,
        b"finally" => Kind::Finally,
        b"raise" => Kind::Raise,
        b"assert" => Kind::Assert,
        b"import" => Kind::Import,
        b"from" => Kind::From,
        b"with" => Kind::With,
        b"agent" => Kind::Agent,
        b"agent_blueprint" => Kind::AgentBlueprint,
        b"lambda" => Kind::Lambda,
        b"yield" => Kind::Yield,
        b"global" => Kind::Global,
        b"nonlocal" => Kind::Nonlocal,
        b"del" => Kind::Del,
        b"and" => Kind::And,
        b"or" => Kind::Or,
        b"not" => Kind::Not,
        b"in" => Kind::In,
        b"is" => Kind::Is,
        b"export" => Kind::Export,
        b"as" => Kind::As,
        _ => return None,
    })
}
