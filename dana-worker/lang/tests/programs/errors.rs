//! Errors: caught, passed on, and told to the host.

use super::support::{Session, fails, prints};

#[test]
fn finally_runs_on_every_way_out() {
    prints(
        "def f():\n    try:\n        return 1\n    finally:\n        print(\"f\")\nprint(f())\n",
        "f\n1\n",
    );
    prints(
        "for i in range(4):\n    try:\n        try:\n            if i == 1:\n                continue\n            if i == 3:\n                break\n            print(i)\n        finally:\n            print(\"in\", i)\n    finally:\n        print(\"out\", i)\n",
        "0\nin 0\nout 0\nin 1\nout 1\n2\nin 2\nout 2\nin 3\nout 3\n",
    );
    prints(
        "def f():\n    try:\n        try:\n            raise ValueError(\"a\")\n        finally:\n            raise KeyError(\"b\")\n    except KeyError as e:\n        return e.message\nprint(f())\n",
        "b\n",
    );
    prints(
        "def f():\n    while true:\n        try:\n            return 1\n        finally:\n            break\n    return 2\nprint(f())\n",
        "2\n",
    );
}

#[test]
fn except_clauses_match_by_kind() {
    prints(
        "try:\n    [1][5]\nexcept (KeyError, IndexError) as e:\n    print(e.type, e.line, e.column)\n",
        "IndexError 2 8\n",
    );
    prints("try:\n    1 / 0\nexcept ArithmeticError:\n    print(\"a\")\n", "a\n");
    prints("try:\n    1 / 0\nexcept as e:\n    print(e.message)\n", "division by zero\n");
    fails("try:\n    1 / 0\nexcept KeyError:\n    print(1)\n", "ZeroDivisionError", "division by zero");
    fails("raise\n", "RuntimeError", "no active exception to re-raise");
    fails("raise \"text\"\n", "RuntimeError", "text");
    let fault = fails(
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError(\"v\") from e\n",
        "ValueError",
        "v",
    );
    assert_eq!(fault.cause.map(|cause| cause.kind), Some("ZeroDivisionError".to_owned()));
}

#[test]
fn an_error_keeps_its_kind_across_calls_and_tells_the_way() {
    let fault = fails(
        "def f(x):\n    return 1 / x\ndef g(x):\n    return f(x) + 1\nprint(g(0))\n",
        "ZeroDivisionError",
        "division by zero",
    );
    assert_eq!((fault.file.as_deref(), fault.line, fault.column), (Some("t.na"), 2, 14));
    assert_eq!(fault.excerpt.as_deref(), Some("    return 1 / x"));
    let way: Vec<_> = fault.trace.iter().map(|frame| (frame.function.as_str(), frame.line)).collect();
    assert_eq!(way, [("<module>", 5), ("g", 4), ("f", 2)]);
}

#[test]
fn syntax_errors_are_told_with_their_place() {
    let fault = Session::new().fault("x = 1\ny = = 2\n");
    assert!(fault.syntax);
    assert_eq!((fault.kind.as_str(), fault.line), ("SyntaxError", 2));
    assert_eq!(fault.excerpt.as_deref(), Some("y = = 2"));
}

#[test]
fn assertions_tell_values_of_what_surely_was_evaluated() {
    let conditions = [
        "f(1) == f(2)",
        "(not ((f(0) in [f(1), 1]) or (f(2) == f(1)))) and ((f(1) == f(0)) and (f(2) == f(0)))",
        "f(1) and ((f(2) or f(1) == f(0) or f(0)) and (f(0) and f(2)))",
        "not (f(1) and (f(0) or f(2)) and (f(0) or not f(0)))",
        "not ((f(0) or f(1)) or f(2)) or (f(0) and f(1)) or f(0) in [f(2)]",
        "(f(1) or f(2)) and (f(2) or f(0)) and not (not (f(0) or f(0)))",
    ];
    for condition in conditions {
        let program = format!("def f(n):\n    return n\nassert {condition}\n");
        let fault = fails(&program, "AssertionError", "assertion failed");
        let assertion = fault.assertion.expect(condition);
        assert!(!assertion.operands.is_empty(), "{condition}");
        for operand in &assertion.operands {
            let (start, end) = (operand.start as usize, operand.end as usize);
            let source = assertion.text.get(start..end).unwrap();
            let value = source.trim_start_matches("f(").trim_end_matches(')');
            assert!(source.starts_with('[') || operand.text == value, "{condition}: {operand:?}");
        }
    }
}
