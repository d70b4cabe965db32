//! What a program and a function come to, and what stays for the next program.

use dana_wire::Datum;

use super::support::{Session, fails, prints};

#[test]
fn a_programs_result_is_its_last_statements_value() {
    let cases = [
        ("x = 5\nif x > 3:\n    x + 100\n", Datum::Int(105)),
        ("x = 5\nif x > 30:\n    x\n", Datum::None),
        ("", Datum::None),
        ("# only a comment\n", Datum::None),
        ("x = 3\nprint(x)\n", Datum::None),
        ("for i in range(4):\n    i * 2\n", Datum::Int(6)),
        ("for i in []:\n    i * 2\n", Datum::None),
        ("x = 1\nx += 4\n", Datum::Int(5)),
        ("i = 0\nwhile i < 3:\n    i = i + 1\n", Datum::Int(3)),
        ("struct P:\n    x: int\nP(x=1)\nstruct Q:\n    y: int\n", Datum::None),
    ];
    for (source, expected) in cases {
        assert_eq!(Session::new().value(source), expected, "{source}");
    }
}

#[test]
fn a_function_without_return_gives_its_last_value_that_is_not_none() {
    prints("def f(x):\n    y = x * 2\nprint(f(4))\n", "8\n");
    prints("def f(x):\n    x + 1\n    print(x)\nprint(f(4))\n", "4\n5\n");
    prints(
        "def f(x):\n    if x > 0:\n        \"pos\"\n    else:\n        \"neg\"\nprint(f(1), f(-1))\n",
        "pos neg\n",
    );
    prints("def f(x):\n    for i in range(x):\n        i * 10\nprint(f(3), f(0))\n", "20 None\n");
    prints("def f():\n    x = 1\n    return\nprint(f())\n", "None\n");
}

#[test]
fn state_persists_between_programs() {
    let mut session = Session::new();
    session.value("x = 40\ndef f(n):\n    return n + x\n");
    assert_eq!(session.value("f(2)"), Datum::Int(42));
    session.value("x = 1");
    assert_eq!(session.value("f(2)"), Datum::Int(3));
    session.value("i = 7");
    session.fault("i = 8\nboom()\n");
    assert_eq!(session.value("i"), Datum::Int(8), "what ran before an error stays");
}

#[test]
fn results_that_cannot_be_sent_say_where_they_are() {
    let fault = fails(
        "a = [1]\nd = {\"k\": [0, a]}\na.append(d)\nd\n",
        "ValueError",
        "value['k'][1][1] contains itself and cannot be sent to the host",
    );
    assert!(!fault.syntax);
}
