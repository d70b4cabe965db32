//! Names of Python builtins that Dana refuses on purpose, each with the reason and what to do instead.

use crate::value::Raise;

/// Why a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Category {
    Files,
    Input,
    Execution,
    Reflection,
    Memory,
    Iteration,
    Redundant,
    Classes,
}

impl Category {
    fn text(self) -> &'static str {
        match self {
            Category::Files => "file access",
            Category::Input => "interactive input",
            Category::Execution => "arbitrary code execution",
            Category::Reflection => "reflection",
            Category::Memory => "object identity and memory",
            Category::Iteration => "manual iteration",
            Category::Redundant => "use the language instead",
            Category::Classes => "Python classes",
        }
    }
}

static BLOCKED: &[(&str, Category, &str)] = &[
    ("open", Category::Files, "ask the host for the data: a function it registered, or an argument"),
    ("input", Category::Input, "pass the value in as an argument or a variable"),
    (
        "eval",
        Category::Execution,
        "write the expression itself, or keep functions in a dict and look them up",
    ),
    ("exec", Category::Execution, "define a function and call it"),
    ("compile", Category::Execution, "define a function and call it"),
    ("__import__", Category::Execution, "use an import statement"),
    ("globals", Category::Reflection, "use the scopes private: and public:"),
    ("locals", Category::Reflection, "keep the values in a dict"),
    ("vars", Category::Reflection, "read the fields by name"),
    ("dir", Category::Reflection, "read the fields by name"),
    ("getattr", Category::Reflection, "use object.field, or a dict"),
    ("setattr", Category::Reflection, "assign to object.field, or use a dict"),
    ("delattr", Category::Reflection, "assign None to the field, or use a dict"),
    ("hasattr", Category::Reflection, "use isinstance(value, \"TypeName\"), or 'key in dict'"),
    ("issubclass", Category::Reflection, "use isinstance(value, \"TypeName\")"),
    ("callable", Category::Reflection, "use type(value)"),
    ("id", Category::Memory, "compare with 'is' or '=='"),
    ("hash", Category::Memory, "use the value as a dict key or set member"),
    ("memoryview", Category::Memory, "use a list or a slice"),
    ("iter", Category::Iteration, "use a for loop"),
    ("next", Category::Iteration, "use a for loop, or index a list"),
    ("repr", Category::Redundant, "use str(value), or f\"{value!r}\""),
    ("ascii", Category::Redundant, "use str(value), or f\"{value!a}\""),
    ("pow", Category::Redundant, "use the operator **"),
    ("divmod", Category::Redundant, "use the operators // and %"),
    ("format", Category::Redundant, "use an f-string such as f\"{value:.2f}\""),
    ("bin", Category::Redundant, "use f\"{value:#b}\""),
    ("oct", Category::Redundant, "use f\"{value:#o}\""),
    ("hex", Category::Redundant, "use f\"{value:#x}\""),
    ("slice", Category::Redundant, "write the slice, such as values[1:3]"),
    ("object", Category::Classes, "define a struct"),
    ("property", Category::Classes, "define a struct and a receiver function"),
    ("classmethod", Category::Classes, "define a function"),
    ("staticmethod", Category::Classes, "define a function"),
    ("super", Category::Classes, "delegate through a field whose name starts with '_'"),
];

/// The error for calling a name that is refused on purpose.
pub fn blocked(name: &str) -> Option<Raise> {
    refused(name).map(Raise::sandbox)
}

/// What is said of a name that is refused on purpose.
pub fn refused(name: &str) -> Option<String> {
    let (_, category, instead) = BLOCKED.iter().find(|(blocked, _, _)| *blocked == name)?;
    Some(format!("'{name}' is not available in Dana ({}): {instead}", category.text()))
}

#[cfg(test)]
mod tests {
    use super::{BLOCKED, blocked};

    #[test]
    fn every_name_of_the_specification_is_refused() {
        let names = "open input eval exec compile globals locals vars dir __import__ id hash memoryview getattr setattr \
            delattr hasattr issubclass iter next callable repr ascii pow divmod format bin oct hex object slice property \
            classmethod staticmethod super";
        assert_eq!(names.split_whitespace().count(), BLOCKED.len());
        for name in names.split_whitespace() {
            let raise = blocked(name).expect(name);
            assert!(raise.as_error().is_some_and(|error| error.kind() == "SandboxError"), "{name}");
            assert!(super::super::builtin(name).is_none(), "{name}");
        }
        assert!(blocked("len").is_none());
    }
}
