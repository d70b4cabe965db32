//! Scopes, closures, arguments, and functions of the library that call functions of the program.

use dana_wire::Datum;

use super::support::{Session, fails, prints};

#[test]
fn functions_read_variables_of_their_module_and_write_their_own() {
    prints("x = 5\ndef f():\n    a = x\n    x = 10\n    return a + x\nprint(f(), x)\n", "15 5\n");
    prints("def f():\n    return later\nlater = 3\nprint(f())\n", "3\n");
    let fault =
        fails("def f():\n    return lenght\nlength = 1\nf()\n", "NameError", "name 'lenght' is not defined");
    assert_eq!((fault.line, fault.column), (2, 12));
    assert_eq!(fault.hint.as_deref(), Some("did you mean 'length'?"));
    assert_eq!(
        fault.trace.iter().map(|frame| frame.function.as_str()).collect::<Vec<_>>(),
        ["<module>", "f"]
    );
}

#[test]
fn closures_see_current_values() {
    prints(
        "def outer():\n    n = 1\n    f = lambda x :: x + n\n    n = 100\n    return f(1)\nprint(outer())\n",
        "101\n",
    );
    prints("fs = [lambda :: k for k in range(3)]\nprint(fs[0](), fs[2]())\n", "2 2\n");
    prints(
        "def make():\n    def fact(n):\n        if n < 2:\n            return 1\n        return n * fact(n - 1)\n    return fact\nprint(make()(5))\n",
        "120\n",
    );
    prints(
        "def a():\n    x = 1\n    def b():\n        def c():\n            return x\n        return c\n    x = 2\n    return b()()\nprint(a())\n",
        "2\n",
    );
}

#[test]
fn arguments_are_checked() {
    let f = "def f(a, b=2):\n    return (a, b)\n";
    prints(&format!("{f}print(f(1), f(1, 3), f(b=1, a=0))\n"), "(1, 2) (1, 3) (0, 1)\n");
    fails(&format!("{f}f()\n"), "TypeError", "f() missing 1 required positional argument: 'a'");
    fails(
        &format!("{f}f(1, 2, 3)\n"),
        "TypeError",
        "f() takes from 1 to 2 positional arguments but 3 were given",
    );
    fails(&format!("{f}f(1, c=2)\n"), "TypeError", "f() got an unexpected keyword argument 'c'");
    fails(&format!("{f}f(1, a=2)\n"), "TypeError", "f() got multiple values for argument 'a'");
    fails("x = 3\nx(1)\n", "TypeError", "'int' object is not callable");
}

#[test]
fn natives_call_dana_functions() {
    prints("print(sorted([3, 1, 2], key=lambda x :: -x))\n", "[3, 2, 1]\n");
    prints(
        "print(sorted([[2, 1], [1, 5]], key=lambda p :: max(p, key=lambda q :: -q)))\n",
        "[[2, 1], [1, 5]]\n",
    );
    prints(
        "print(list(map(lambda v :: v * 2, [1, 2])), list(filter(lambda v :: v > 1, [1, 2])))\n",
        "[2, 4] [2]\n",
    );
    prints("l = [\"b\", \"A\"]\nl.sort(key=lambda s :: s.lower())\nprint(l)\n", "['A', 'b']\n");
    let fault = fails("sorted([1, 0], key=lambda x :: 1 / x)\n", "ZeroDivisionError", "division by zero");
    assert_eq!(fault.trace.len(), 2);
    prints(
        "def bad(x):\n    raise ValueError(\"no\")\ntry:\n    sorted([1], key=bad)\nexcept ValueError as e:\n    print(e.message)\n",
        "no\n",
    );
}

#[test]
fn many_variables_and_long_literals_spill() {
    let mut source = String::from("def f(p):\n");
    for i in 0..400 {
        source.push_str(&format!("    v{i} = p + {i}\n"));
    }
    source.push_str(
        "    g = lambda :: v399 + v1\n    v399 = 1000\n    return v0 + v150 + v398 + g()\nprint(f(1))\n",
    );
    prints(&source, "1553\n");
    let mut top = String::new();
    for i in 0..400 {
        top.push_str(&format!("v{i} = {i}\n"));
    }
    top.push_str("print(v0 + v150 + v399)\n");
    prints(&top, "549\n");
    let items: Vec<String> = (0..1000).map(|i| i.to_string()).collect();
    prints(&format!("l = [{}]\nprint(len(l), l[999])\n", items.join(", ")), "1000 999\n");
    prints(&format!("l = ({})\nprint(len(l), l[999])\n", items.join(", ")), "1000 999\n");
    let pairs: Vec<String> = (0..500).map(|i| format!("\"k{i}\": {i}")).collect();
    prints(&format!("d = {{{}}}\nprint(len(d), d[\"k499\"])\n", pairs.join(", ")), "500 499\n");
    let pieces: Vec<String> = (0..200).map(|i| format!("{{{i}}}-")).collect();
    let text: String = (0..200).map(|i| format!("{i}-")).collect();
    prints(&format!("print(f\"{}\")\n", pieces.concat()), &format!("{text}\n"));
    let sum = vec!["x"; 2000].join(" + ");
    prints(&format!("x = 1\nprint({sum})\n"), "2000\n");
    let deep = format!("x = 1\ny = {}x{}\n", "(x + ".repeat(60), ")".repeat(60));
    assert_eq!(Session::new().value(&deep), Datum::Int(61));
}

#[test]
fn a_program_may_define_what_the_release_lacks() {
    prints(
        "def filter(x):\n    return x + 1\nprint(filter(1), len([1]))\ndef len(x):\n    return 9\nprint(len([1]))\n",
        "2 1\n1\n",
    );
}
