//! The codes of findings: one screen, in the order of the documentation.

/// A kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    pub name: &'static str,
    pub severity: Severity,
    /// What is reported under it.
    pub summary: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Running the line fails.
    Error,
    /// The line runs, and most likely means something else.
    Warning,
}

impl Severity {
    pub fn text(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

macro_rules! codes {
    ($($constant:ident $name:literal $severity:ident $summary:literal,)*) => {
        $(pub(super) static $constant: Code =
            Code { name: $name, severity: Severity::$severity, summary: $summary };)*

        /// All codes.
        pub static CODES: &[&Code] = &[$(&$constant),*];
    };
}

codes! {
    SYNTAX "S101" Error "the text is no Dana",
    UNDEFINED "N101" Error "a name that nothing defines",
    TOO_EARLY "N102" Error "a name used before the line that defines it",
    UNUSED_VARIABLE "N103" Warning "a variable of a function that is never read",
    UNUSED_IMPORT "N104" Warning "an import that is never used",
    REDEFINED "N105" Warning "a function defined again before it was used",
    REDEFINED_TYPE "N106" Error "a type defined again with other fields",
    BUILTIN "N107" Warning "a function with the name of a builtin, which calls never reach",
    UNREACHABLE "F101" Warning "a line that never runs",
    CONSTANT "F102" Warning "a condition that is always the same",
    TEXT_CONDITION "F103" Warning "a text written out as a condition",
    ARGUMENTS "A101" Error "a call that does not fit the function's parameters",
    FIELDS "A102" Error "an instance whose arguments do not fit the fields of its type",
    CHAIN "V101" Warning "a chain of comparisons, which does not mean what it means in Python",
    SIGN "V102" Warning "a sign before a power, which binds tighter",
    LOGIC "V103" Warning "'and' or 'or' with a value that is no bool, where the result is one",
    IDENTITY "V104" Warning "'is' with a literal",
    EQUALS_NONE "V105" Warning "a comparison with none by == or !=",
    REPEATED_KEY "V106" Warning "a key that a dict has twice",
    TUPLE_ASSERTED "V107" Warning "an assert of a tuple, which is always true",
    SHARED_DEFAULT "V108" Warning "a list, dict or set as the default of a parameter, which all calls share",
    NO_FIELD "V109" Warning "an f-string without a field",
    IMPOSSIBLE "V110" Error "an operation that literals of these types do not have",
}
