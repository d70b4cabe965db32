//! Limits end a turn, never the session; large and deep values stay within them.

use dana_wire::{Datum, LimitKind};

use super::support::{Session, prints};

#[test]
fn text_grows_in_place() {
    // Quadratic copying of these would take minutes and run into the step time of the test.
    for source in [
        "s = \"\"\nfor i in range(300000):\n    s = s + \"abcdefgh\"\nprint(len(s))\n",
        "s = \"\"\nfor i in range(300000):\n    s += \"abcdefgh\"\n    n = len(s)\nprint(len(s))\n",
        "def f():\n    return s\ns = \"\"\nfor i in range(300000):\n    s = s + \"abcdefgh\"\n    n = len(s)\nprint(len(s))\n",
        "def f():\n    s = \"\"\n    for i in range(300000):\n        s = s + \"abcdefgh\"\n        n = len(s)\n    return s\nprint(len(f()))\n",
        "s = \"\"\nx = \"abcdefgh\"\nfor i in range(300000):\n    s = s + x\nprint(len(s))\n",
    ] {
        prints(source, "2400000\n");
    }
    let mut session = Session::new();
    session.value("def f():\n    return s\ns = \"abcdefgh\"\n");
    assert_eq!(
        session.value("t = s\ns = s + \"x\"\n[t, s]\n"),
        Datum::List(vec![Datum::Str("abcdefgh".into()), Datum::Str("abcdefghx".into())])
    );
}

#[test]
fn limits_end_the_turn_and_leave_the_session() {
    let mut session = Session::new();
    let cases = [
        ("while true:\n    pass\n", LimitKind::Steps),
        ("l = []\nwhile true:\n    l.append(\"x\" * 1000)\n", LimitKind::Memory),
        ("x = [0] * 10000000000\n", LimitKind::Memory),
        ("s = \"ab\"\nwhile true:\n    s = s + s\n", LimitKind::Memory),
        ("d = {}\ni = 0\nwhile true:\n    i += 1\n    d[i] = i\n", LimitKind::Memory),
        ("while true:\n    print(\"text\")\n", LimitKind::Output),
        ("def f(n):\n    return f(n + 1)\nf(0)\n", LimitKind::Depth),
        ("l = [1]\nfor x in l:\n    l.append(x)\n", LimitKind::Memory),
        ("x = list(range(10000000000))\n", LimitKind::Steps),
        ("try:\n    while true:\n        pass\nexcept Exception:\n    print(\"caught\")\n", LimitKind::Steps),
    ];
    for (source, limit) in cases {
        assert_eq!(session.fault(source).limit, Some(limit), "{source}");
        session.value("l = none\nd = none\ns = none\nx = none\n");
    }
    assert_eq!(session.value("6 * 7"), Datum::Int(42));
}

#[test]
fn depth_can_be_caught() {
    prints(
        "def f(n):\n    return f(n + 1)\ntry:\n    f(0)\nexcept RecursionError as e:\n    print(e.message)\n",
        "maximum call depth of 1000 exceeded\n",
    );
}

#[test]
fn deep_structures_are_dropped_printed_and_compared_without_overflow() {
    prints(
        "l = []\nfor i in range(100000):\n    l = [l]\nl = none\nd = {}\nfor i in range(100000):\n    d = {\"k\": d}\nd = 1\nprint(\"ok\")\n",
        "ok\n",
    );
    let nest = "l = []\nm = []\nfor i in range(5000):\n    l = [l]\n    m = [m]\n";
    let fault = Session::new().fault(&format!("{nest}l == m\n"));
    assert_eq!(fault.kind, "RecursionError");
    assert_eq!(Session::new().fault(&format!("{nest}str(l)\n")).kind, "RecursionError");
    prints("a = [1]\na.append(a)\nd = {\"a\": a}\na.append(d)\nprint(a)\n", "[1, [...], {'a': [...]}]\n");
}
